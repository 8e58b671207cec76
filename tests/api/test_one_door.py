"""A question has one door: command line, HTTP, page and SQL give the same numbers."""

import json
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from api.app import create
from dashboards.data import Data
from dashboards.pages.roofline.state import FIRST, RooflineState
from pipelines.commands.app import main
from warehouse.reader import Reader
from warehouse.settings import Settings

QUESTIONS, BY_COMMAND = 50, 10
FORMATS = {"w16a16kv16": ("bf16", 16), "w8a8kv8": ("fp8", 8), "w4a16kv16": ("awq-4bit-g128", 16)}
SAME = (
    "verdict", "bound_by", "flops", "moved_bytes", "bound_s", "predicted_low_s", "predicted_s", "predicted_high_s",
    "is_calibrated", "tokens_per_s", "joules_per_token", "memory_low_gib", "memory_high_gib",
)  # fmt: skip


def test_random_questions_get_the_same_numbers_through_every_door(
    bundled_home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SKYLINE_HOME", str(bundled_home))
    settings = Settings.model_validate({"home": str(bundled_home), "api_requests_per_minute": 1_000_000})
    points = Reader(settings.published).query(
        "FROM marts.roofline_points WHERE stage IN ('prefill', 'decode') AND verdict <> 'does not fit'"
        " ORDER BY hash(model_id, accelerator, stage, precision, batch, context, tensor_parallel) LIMIT $most",
        {"most": QUESTIONS},
    )
    assert points.height == QUESTIONS
    door = Data(settings).door()
    with TestClient(create(settings)) as client:
        for index, point in enumerate(points.iter_rows(named=True)):
            weight_format, kv_bits = FORMATS[point["precision"]]
            asked = {
                "stage": point["stage"], "batch": point["batch"], "seq": point["context"],
                "weight_format": weight_format, "kv_bits": kv_bits, "tp": point["tensor_parallel"], "engine": "vllm-v1",
            }  # fmt: skip
            answers = {"SQL": point}
            query = {"model": point["model_id"], "accelerator": point["accelerator"], **asked}
            (answers["HTTP"],) = client.get("/api/v1/roofline", params=query).json()["rows"]
            named = {"engine": "vllm-v1", "kv": kv_bits, "context": point["context"], "weights": weight_format}
            kept = {name: point[name] for name in ("accelerator", "stage", "batch")}
            address = {"model": point["model_id"], "tp": point["tensor_parallel"], **kept, **named}
            state = RooflineState.from_address(f"?{urlencode(address)}")
            assert state.offer_all(FIRST, door) == []
            state.settle()
            answers["page"] = door.answer(state.question(FIRST)).row()
            if index % (QUESTIONS // BY_COMMAND) == 0:
                options = [f"--{name.replace('_', '-')}={value}" for name, value in asked.items()]
                command = ["skyline", "roofline", point["model_id"], point["accelerator"], *options, "--format", "json"]
                monkeypatch.setattr(sys, "argv", command)
                capfd.readouterr()
                main_to_its_end()
                (answers["command"],) = json.loads(capfd.readouterr().out)
            for way, answer in answers.items():
                for name in SAME:
                    expected = point[name]
                    if isinstance(expected, float):
                        expected = pytest.approx(expected, rel=1e-9)
                    assert answer[name] == expected, (way, name, query)


def main_to_its_end() -> None:
    with suppress(SystemExit):
        main()
