"""What published rows say ran and when: engine, backend, build and cache, where the row itself leaves something out."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from pipelines.defs.accuracy.tables import read_all
from profiling.accuracy.cases import Case
from profiling.accuracy.composition import parts_of_cases, years_of
from profiling.accuracy.evaluate import questions
from profiling.accuracy.passes import passes_of
from profiling.answers.door import shipped_door
from profiling.devices.accelerators import find
from profiling.engines.parts import PLACES
from profiling.engines.table import ENGINES, issues_in_turn, launch_s_of
from profiling.engines.time import shipped_times
from profiling.roofline.workload import Precision


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> pl.DataFrame:
    files = ("geerling.csv", "kyuz0-r9700.csv", "llmfit-community.csv")
    return read_all([shared_data / "measured_public" / name for name in files])


def _decode(rows: pl.DataFrame, **words: str) -> tuple[pl.DataFrame, list[Case]]:
    """Rows whose columns hold the words, and the questions that are made of them."""
    some = rows.filter(
        pl.col("stage") == "decode", pl.col("metric") == "tokens_per_s",
        *(pl.col(column).str.contains(word, literal=True) for column, word in words.items()),
    )  # fmt: skip
    return some, questions(some, shipped_door().devices)[0]


@pytest.mark.parametrize("card", ["AMD RX 7600<sup>1</sup>", "Intel Arc B580<sup>1</sup>", "AMD Radeon RX 7900 XT"])
def test_rows_are_of_the_backend_that_their_publisher_names_beside_the_table(rows: pl.DataFrame, card: str) -> None:
    _, cases = _decode(rows, device_as_reported=card)
    assert {case.engine.name for case in cases} == {"llama.cpp-vulkan"}


def test_cards_without_the_footnote_are_of_their_vendors_backend(rows: pl.DataFrame) -> None:
    _, cases = _decode(rows, device_as_reported="265K Custom PC (AMD Radeon AI Pro R9700)")
    assert {case.engine.name for case in cases} == {"llama.cpp-rocm"}


def test_ollama_runs_nvfp4_in_mlx_on_apple_chips_and_gguf_files_in_llama_cpp(rows: pl.DataFrame) -> None:
    _, cases = _decode(rows, device_as_reported="M1 Max", engine="ollama")
    engines = {case.weight_format: case.engine.name for case in cases}
    assert engines["nvfp4"] == "mlx"
    assert engines["gguf-q4_0"] == engines["gguf-q4_k_m"] == "llama.cpp-metal"


def test_a_rate_over_many_requests_is_not_taken_for_that_of_one(rows: pl.DataFrame) -> None:
    # 1,090 tokens/s of SmolLM2-135M on a laptop's processor: 64 requests at once, by the whole note.
    some, cases = _decode(rows, note="Warm steady-state CPU benchmark on")
    assert some.height == 1
    assert not cases


def test_builds_before_the_operation_of_the_gated_delta_rule_launch_its_small_ones(rows: pl.DataFrame) -> None:
    some, cases = _decode(rows, model_as_reported="Qwen3-Next", backend="ROCm", note="rocm7.1.1 fa")
    old, new = cases[0], questions(some.with_columns(engine_version=pl.lit("9187")), shipped_door().devices)[0][0]
    assert old.engine.composes_delta_rule
    assert not new.engine.composes_delta_rule
    extra, usual = (
        float(parts_of_cases([case], passes_of([case], {}))[0, PLACES["launches"]]) for case in (old, new)
    )  # fmt: skip
    # 36 of 48 layers; 44 operations and nine for the one chunk, instead of one.
    assert extra - usual == pytest.approx(36 * 52 * launch_s_of(old.engine, old.device))


@pytest.mark.parametrize(
    ("device", "in_turn"),
    [("Apple-M1-Max-32core-64GB", True), ("Apple-M2-Ultra-76core-192GB", True), ("Apple-M3-Max-40core-128GB", False),
     ("Apple-M4-Pro-20core-64GB", False), ("RTX-4090", False)],
)  # fmt: skip
def test_chips_before_m3_open_numbers_in_turn_with_multiplying_them(device: str, *, in_turn: bool) -> None:
    assert issues_in_turn(find(device)) is in_turn


def test_opening_numbers_takes_longer_where_units_do_it_in_turn() -> None:
    seven_billion = Precision(weight_bits=4)
    before, since = (
        shipped_times().factors(ENGINES["llama.cpp-metal"], find(name), seven_billion)[PLACES["unpacking"]]
        for name in ("Apple-M2-Max-38core-96GB", "Apple-M4-Max-40core-128GB")
    )
    assert before > 1.5 * since


def test_the_day_of_a_run_is_the_one_that_its_source_states_and_not_that_of_the_dump(
    shared_data: Path, tmp_path: Path
) -> None:
    with (shared_data / "serving" / "silicon_rows.csv").open(encoding="utf-8", newline="") as file:
        lines = [line for line in csv.DictReader(file) if line["mode"] == "agg"]
    stated = next(line for line in lines if line["silicon_data_source"].startswith("db-dump/2026-04-27"))
    assert "measured=2026-04-20T" in stated["silicon_data_source"]
    silent = next(line for line in lines if "measured=" not in line["silicon_data_source"])
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows([stated, silent])
    read = read_all([tmp_path / "rows.csv"])
    assert read["measured_on"].to_list() == ["2026-04-20", "2026-04-20", None, None]
    cases, _, _ = questions(read, shipped_door().devices)
    assert {case.model.name: case.month for case in cases} == {
        stated["model_path"]: "2026-04",
        silent["model_path"]: "",
    }
    # First tokens alone are of their time: a quarter after the beginning of 2026, and of none where no day is stated.
    assert [(case.metric, years_of(case)) for case in cases] == [
        ("tpot_s", 0.0), ("ttft_s", pytest.approx(0.25)), ("tpot_s", 0.0), ("ttft_s", 0.0),
    ]  # fmt: skip


def test_submissions_to_mlperf_hold_their_cache_in_8_bits_as_the_sequences_in_flight_show(shared_data: Path) -> None:
    rows = read_all([shared_data / "measured_public" / f"mlperf-{number}.csv" for number in ("v4.1", "v5.1")])
    llama = rows.filter(pl.col("model") == "meta-llama/Llama-2-70b-hf", pl.col("metric") == "tpot_s")
    cases, _, _ = questions(llama, shipped_door().devices)
    bits = {(case.weight_format, float(case.precision.kv_bits)) for case in cases}
    assert bits == {("fp16", 16.0), ("fp8", 8.0), ("fp4", 8.0)}
    # By rate times latency, 718 sequences were in flight on each of eight H200: half of them would fit in 16 bits.
    on_h200 = [case for case in cases if case.device.name == "H200-SXM-141GB"]
    assert max(case.batch for case in on_h200) > 700
    assert all(case.waiting == 1 for case in on_h200)
    narrow, _, _ = questions(llama.with_columns(kv_format=pl.lit("bf16")), shipped_door().devices)
    assert max(case.waiting for case in narrow if case.device.name == "H200-SXM-141GB") > 1.5
    # What tuned TensorRT-LLM takes is no word on the engine as others run it.
    assert {case.tuned for case in cases if case.engine.name == "tensorrt-llm"} == {True}
    assert {case.tuned for case in cases if case.engine.name == "vllm"} == {False}
