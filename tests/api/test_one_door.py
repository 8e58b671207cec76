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
from dashboards.pages.serve.answer import fleet_of
from dashboards.pages.serve.state import ServeState
from pipelines.commands.app import main
from profiling.serving.alternatives import plan_rows
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
            shared = {name: point[name] for name in ("accelerator", "stage", "batch")}
            address = {"model": point["model_id"], "tp": point["tensor_parallel"], **shared, **named}
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


def test_a_plan_is_the_same_on_page_over_http_and_by_command(
    bundled_home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Prompts apart, in chunks, a reused prefix and speculation among them: the page's own command is what is run."""
    monkeypatch.setenv("SKYLINE_HOME", str(bundled_home))
    settings = Settings.model_validate({"home": str(bundled_home), "api_requests_per_minute": 1_000_000})
    door = Data(settings).door()
    chosen = {"model": "openai/gpt-oss-120b", "users": 20, "ttft": 1, "tpot": 30}
    with TestClient(create(settings)) as client:
        for options in (
            {"cached": 50, "batched_tokens": 2048},
            {"draft": 3, "acceptance": 0.8},
            {"disaggregated": "yes"},
        ):
            state = ServeState.from_address(f"?{urlencode({**chosen, **options})}")
            assert state.offer_all(door) + state.settle() == []
            fleet = "8xH100"
            plan = fleet_of(door, state.model, state.promise, state.options, fleet).plan
            assert plan is not None
            page = plan_rows(door, state.model, state.promise, [plan], state.options).to_dicts()[0]
            http = {
                "model": state.model, "users": state.users, "input_tokens": state.input, "output_tokens": state.output,
                "spread": state.spread, "ttft_s": state.ttft, "tpot_s": state.tpot / 1000, "accelerator": fleet,
                "cached_prefix": state.cached / 100, "draft": state.draft, "acceptance": state.acceptance,
                "disaggregated": state.disaggregated, "engine": state.engine,
            } | ({"batched_tokens": state.batched_tokens} if state.batched_tokens else {})  # fmt: skip
            answer = client.get("/api/v1/plan", params=http).json()
            (over_http,) = answer["rows"]
            assert "'8xH100' is taken as H100-SXM5-80GB" in answer["notes"][0]
            command = [*state.command.split(), "--accelerator", fleet, "--format", "json"]
            monkeypatch.setattr(sys, "argv", command)
            capfd.readouterr()
            with suppress(SystemExit):
                main()
            (by_command,) = json.loads(capfd.readouterr().out)
            for name, value in by_command.items():
                assert over_http[name] == pytest.approx(value), name
                assert (str(page[name]) if isinstance(value, str) else page[name]) == pytest.approx(value), name
            assert by_command["rented_pays_from_load"] is None or 0 < by_command["rented_pays_from_load"] <= 1
            assert by_command["prefill_replicas"] > 0 or "disaggregated" not in options
