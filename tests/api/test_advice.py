"""Advice over HTTP: what commands say, with the same names."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from profiling.accuracy.held_out import held_out_errors
from profiling.answers.advise import advise
from profiling.answers.candidate import Need
from profiling.answers.describe import describe
from profiling.answers.design import ScalingFit, Wish, design
from profiling.answers.door import Door
from profiling.answers.evidence import Evidence
from profiling.answers.processors import compare_processors
from profiling.answers.question import Question
from warehouse.reader import Reader

from .conftest import get

LLAMA = "meta-llama/Meta-Llama-3.1-8B"


def test_advice_is_that_of_the_command(client: TestClient, bundled_home: Path) -> None:
    answer = get(client, "advise", machine="4090", context=8192)
    reader = Reader(bundled_home / "published")

    def read(table: str) -> Any:
        return reader.query(f"FROM {table}")

    need = Need(accelerator="RTX-4090", context=8192)
    meant = advise(Door.from_tables(read), Evidence.of(read), need)
    assert (
        [(row["model_id"], row["weight_format"], row["verdict"]) for row in answer["rows"]]
        == [(candidate.model_id, candidate.weight_format, candidate.verdict) for candidate in meant.candidates]
        != []
    )
    assert answer["rows"][0]["run"]
    assert any("Engine: llama.cpp" in note for note in answer["notes"])
    coding = get(client, "advise", machine="4090", context=8192, use="coding")
    assert "The loss per format is estimated from knowledge tests; code may lose more." in coding["notes"]


def test_the_names_of_the_command_line_are_understood_and_no_parameter_is_left_aside(client: TestClient) -> None:
    load = {"model": "llama3.1:8b", "users": 8, "accelerator": "H100-SXM5-80GB"}
    by_command = get(client, "plan", **load, ttft="2s", tpot="50ms")["rows"]
    assert by_command == get(client, "plan", **load, ttft_s=2, tpot_s=0.05)["rows"]
    asked = {"model": LLAMA, "accelerator": "4090"}
    assert (
        get(client, "fit", **asked, context="16k", kv_format="q8_0")["rows"]
        == (get(client, "fit", **asked, seq=16_384, kv_bits="q8_0")["rows"])
    )
    assert get(client, "fit", model=LLAMA, device="4090")["rows"] == get(client, "fit", **asked)["rows"]
    # Left aside, it would be the answer to another question.
    refused = client.get("/api/v1/fit", params={**asked, "batsh": 4})
    assert (refused.status_code, "there is no parameter 'batsh'; nearest: batch" in refused.text) == (422, True)


def test_a_narrow_cache_costs_and_the_command_keeps_it(client: TestClient) -> None:
    whole = get(client, "advise", machine="3090", context=8192, weight_format="q4_k_m")["rows"][0]
    narrow = get(client, "advise", machine="3090", context=8192, weight_format="q4_k_m", kv_format="q4_0")
    first = narrow["rows"][0]
    assert first["model_id"] == whole["model_id"]
    assert 0.1 < whole["ability_in_format"] - first["ability_in_format"] < 2
    assert first["ability_high"] - first["ability_low"] > whole["ability_high"] - whole["ability_low"]
    assert first["longest_context"] > whole["longest_context"]
    assert "-ctk q4_0 -ctv q4_0" in first["run"]
    assert first["is_cache_counted"]
    assert "with short inputs" in first["loss_warnings"]
    coding = get(client, "advise", machine="3090", context=8192, use="coding", kv_format="q4_0")
    assert not coding["rows"][0]["is_cache_counted"]
    assert any("loss from a q4_0 cache is left out" in note and "code" in note for note in coding["notes"])


def test_32b_at_3_bits_or_14b_at_8_has_an_answer_with_its_noise(client: TestClient) -> None:
    large, small = "Qwen2.5-32B-Instruct@q3_k_m", "Qwen2.5-14B-Instruct@q8_0"
    answer = get(client, "compare", model=[large, small])
    first, second = answer["rows"]
    assert (first["model_id"], second["weight_format"]) == ("Qwen/Qwen2.5-32B-Instruct", "q8_0")
    for row in (first, second):
        assert row["ability_low"] < row["ability_in_format"] < row["ability_high"]
        assert row["ability_in_format"] == pytest.approx(row["ability"] - row["ability_lost"])
    assert first["ability_lost"] > second["ability_lost"] > 0
    assert second["ahead_low"] < second["ahead"] < second["ahead_high"]
    assert second["is_beyond_noise"] is (second["ahead_low"] > 0 or second["ahead_high"] < 0)
    assert "which noise can explain" in answer["notes"][0]
    # Of one model in two formats only what the formats cost differs.
    same = get(client, "compare", model=["Qwen2.5-32B-Instruct@q8_0", "Qwen2.5-32B-Instruct@iq2_xxs"])["rows"][1]
    assert same["ahead"] == pytest.approx(-(same["ability_lost"] - 0.07), abs=0.1)
    assert same["ahead_high"] - same["ahead_low"] < second["ahead_high"] - second["ahead_low"]
    assert same["is_beyond_noise"]


def test_measured_losses_stand_beside_the_prediction(client: TestClient) -> None:
    row = get(client, "compare", model=["Qwen2.5-32B-Instruct@q4_k_m"])["rows"][0]
    assert "MMLU in INT4 g128 (INT4): 0.2 points lost as measured (intel/auto-round" in row["measured_losses"]


def test_shapes_are_those_of_the_command_with_the_line_of_the_warehouse(client: TestClient, bundled_home: Path) -> None:
    # A few shapes show as much as many.
    answer = get(client, "design", params="3B", device="4090", context=8192, ttft_s=5, trials=9)
    reader = Reader(bundled_home / "published")
    fit = ScalingFit.newest(reader.query)
    assert fit is not None
    wish = Wish(parameters=3e9, accelerator="RTX-4090", context=8192, time_to_first_token_s=5)
    rows, notes = design(Door.from_tables(lambda table: reader.query(f"FROM {table}")), wish, fit, 9)
    assert answer["rows"] == rows.to_dicts() != []
    assert answer["notes"] == list(notes)
    assert all(row["is_prediction"] for row in answer["rows"])


def test_processors_are_compared_as_by_the_command(client: TestClient, bundled_home: Path) -> None:
    params = ["cpu", "TPU-v5p", "4090"]
    answer = get(client, "processors", model=LLAMA, accelerator=params, seq=2048)
    reader = Reader(bundled_home / "published")
    door = Door.from_tables(lambda table: reader.query(f"FROM {table}"))
    rows = compare_processors(door, Question(model=LLAMA, accelerator="", context=2048), params)
    assert answer["rows"] == rows.to_dicts()
    assert answer["notes"][0].startswith("TPU-v5p is the fastest")


def test_models_are_described_and_files_of_the_server_are_not(client: TestClient) -> None:
    answer = get(client, "describe", model=[LLAMA, "/etc/passwd"], weight_format="q4_k_m")
    (row,) = answer["rows"]
    assert row == describe(LLAMA, "q4_k_m").row()
    assert any("/etc/passwd" in note for note in answer["notes"])
    assert client.get("/api/v1/describe", params={"model": "/etc/passwd"}).status_code == 404
    (tagged,) = get(client, "describe", model="qwen2.5:14b")["rows"]
    assert (tagged["weight_format"], tagged["name"]) == ("gguf-q4_k_m", "qwen2.5:14b")


def test_choices_are_rows_of_the_warehouse_within_the_limits(client: TestClient, bundled_home: Path) -> None:
    params = {"accelerator": "H100-SXM5-80GB", "least_tokens_per_s": 100, "most_usd_per_million_tokens": 1}
    answer = get(client, "choices", **params, limit=10_000)
    sql = (
        "SELECT count(*) FROM marts.choices WHERE accelerator = 'H100-SXM5-80GB' AND verdict = 'fits'"
        " AND tokens_per_s >= 100 AND usd_per_million_tokens <= 1"
    )
    number = Reader(bundled_home / "published").query(sql).item()
    assert len(answer["rows"]) == min(number, 10_000) > 0
    assert all(row["tokens_per_s"] >= 100 and row["usd_per_million_tokens"] <= 1 for row in answer["rows"])
    assert get(client, "choices")["is_cut"]


def test_errors_are_those_that_ship(client: TestClient) -> None:
    assert get(client, "accuracy")["rows"] == held_out_errors().to_dicts()
    decode = get(client, "accuracy", stage="decode", engine="all engines")["rows"]
    assert {row["left_out"] for row in decode} == {"devices", "models"}
    assert all(row["rows"] > 100 for row in decode)


@pytest.mark.parametrize(
    ("path", "params", "status", "message"),
    [
        ("advise", {"machine": "no such card"}, 404, "no such card"),
        ("advise", {"machine": "3090 + 4090", "engine": "vllm"}, 422, "split by layers"),
        ("advise", {"machine": "4090", "use": "nonsense"}, 422, "unknown use 'nonsense'"),
        ("advise", {"machine": "3090", "kv_format": "q17"}, 422, "q17"),
        ("advise", {"machine": "3090", "kv_format": "fp8"}, 422, "not known to support fp8 for its cache"),
        ("compare", {"model": "no such model"}, 404, "no such model"),
        ("compare", {"model": "Qwen2.5-32B-Instruct@nonsense"}, 422, "nonsense"),
        ("processors", {"model": LLAMA, "accelerator": "toaster"}, 404, "toaster"),
        ("design", {"params": "three", "device": "4090"}, 422, "write 3B"),
        ("describe", {"model": LLAMA, "weight_format": "nonsense"}, 422, "nonsense"),
        ("choices", {"verdict": "perhaps"}, 422, "verdict"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_sentence(
    client: TestClient, path: str, params: dict[str, str], status: int, message: str
) -> None:
    response = client.get(f"/api/v1/{path}", params=params)
    assert response.status_code == status, response.text
    assert message in response.json()["detail"]
