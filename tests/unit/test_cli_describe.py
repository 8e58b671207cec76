"""`skyline describe`: what models are, one row each."""

from __future__ import annotations

import csv
import io
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipelines.commands.app import app
from profiling.answers.describe import COLUMNS, describe
from profiling.models.sources import model_configs
from tests.unit.sources.hub_server import hub_server, whole


def skyline(*arguments: object) -> Result:
    """The command's exit code and what it printed."""
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_many_models_are_described_in_one_row_each_and_those_that_fail_are_named() -> None:
    done = skyline("describe", "gpt-oss-120b", "qwen2.5:14b", "no-such-model-at-all", "qwen3.5-27b", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert tuple(rows[0]) == COLUMNS
    assert [row["model_id"] for row in rows] == [
        "openai/gpt-oss-120b", "Qwen/Qwen2.5-14B-Instruct", "Qwen/Qwen3.5-27B",
    ]  # fmt: skip
    assert [row["weight_format"] for row in rows] == ["mxfp4 experts", "gguf-q4_k_m", "bf16"]
    assert float(rows[0]["weights_gib"]) == pytest.approx(60.77, abs=0.005)
    assert float(rows[2]["state_bytes_per_sequence"]) == 48 * (48 * 128 * 128 * 4 + 10_240 * 3 * 2)
    assert "vision tower" in rows[2]["not_counted"]
    assert done.exit_code == 1
    assert "no-such-model-at-all" in done.stderr


def test_a_config_on_disk_is_described_as_stored_or_in_another_format(tmp_path: Path) -> None:
    config = model_configs()["mistralai/Devstral-Small-2-24B-Instruct-2512"]["config"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    (stored,) = json.loads(skyline("describe", tmp_path, "--format", "json").stdout)
    (wide,) = json.loads(skyline("describe", tmp_path, "--weight-format", "bf16", "--format", "json").stdout)
    assert stored["weight_format"] == "fp8"
    assert stored["weights_gib"] == pytest.approx(23.2, abs=0.05)
    assert wide["weights_gib"] == pytest.approx(wide["parameters_total"] * 2 / 2**30)


def test_a_model_that_was_looked_up_once_is_described_without_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLINE_HOME", str(tmp_path))
    monkeypatch.setenv("SKYLINE_HTTP_ATTEMPTS", "1")
    config = model_configs()["mistralai/Devstral-Small-2-24B-Instruct-2512"]["config"]
    with hub_server() as hub:
        monkeypatch.setenv("SKYLINE_HUB_URL", hub.address)
        hub.serve("/api/models/org/New-24B", whole(json.dumps({"sha": "c0ffee"}).encode()))
        hub.serve("/org/New-24B/resolve/c0ffee/config.json", whole(json.dumps(config).encode()))
        asked = skyline("describe", "org/New-24B", "--online", "--format", "json")
    (row,) = json.loads(asked.stdout)
    assert row["weight_format"] == "fp8"
    assert json.loads(skyline("describe", "org/New-24B", "--format", "json").stdout) == [row]
    (listed,) = json.loads(skyline("models", "new 24b", "--format", "json").stdout)
    assert (listed["model"], listed["parameters_total"]) == ("org/New-24B", row["parameters_total"])


@pytest.mark.parametrize(("said", "meant"), [("Q4_K", "Q4_K_M"), ("gguf-Q3_K", "q3_k_m"), ("Q2_K_XL", "UD-Q2_K_XL")])
def test_other_names_of_a_type_are_files_of_that_type(said: str, meant: str) -> None:
    assert replace(describe("Qwen/Qwen3-8B", said), notes=()) == replace(describe("Qwen/Qwen3-8B", meant), notes=())


def test_two_hundred_configs_are_described_within_five_seconds() -> None:
    names = (list(model_configs()) * 2)[:200]
    began = time.process_time()
    assert len([describe(name) for name in names]) == 200
    assert time.process_time() - began < 5
