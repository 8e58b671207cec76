"""What pages ask of the performance model: shortcuts equal the model they stand for, bit by bit or to rounding."""

from dataclasses import replace
from typing import Any

import pytest

from dashboards.charts.operator_graph import columns_of, lanes_of
from dashboards.charts.roofline import reading, span_of_seconds
from dashboards.performance import (
    Configuration,
    analyse,
    compute_roofs,
    data_flow,
    held_out,
    largest_batch_of,
    operator_frame,
    operator_models_of,
    precision,
    ways_out,
)
from dashboards.performance_matrix import Serving, matrix
from profiling.accelerators import table as accelerators
from profiling.errors import UnsupportedPrecision
from profiling.memory import gpus_needed, max_batch, memory_need
from profiling.roofline import estimate
from profiling.sources import load
from profiling.workload import Parallelism, Stage, Workload

LLAMA, MIXTRAL = "meta-llama/Meta-Llama-3.1-8B", "mistralai/Mixtral-8x7B-Instruct-v0.1"
DEEPSEEK, GEMMA = "deepseek-ai/DeepSeek-V3", "google/gemma-3-27b-it"


@pytest.mark.parametrize("model", [LLAMA, MIXTRAL, GEMMA])
@pytest.mark.parametrize("engine", ["vllm-v1", "llama.cpp"])
@pytest.mark.parametrize("stage", ["decode", "prefill", "generate"])
def test_the_largest_batch_in_closed_form_is_the_one_that_bisection_finds(
    model: str, engine: str, stage: Stage
) -> None:
    asked = Configuration(
        model=model, accelerator="H200-SXM-141GB", engine=engine, stage=stage, context=3000, weights="fp8"
    )
    found = max_batch(load(model), accelerators()[asked.accelerator], asked.workload, engine)
    assert largest_batch_of(asked) == found


def test_every_cell_of_the_matrix_is_what_the_model_says_of_it_alone() -> None:
    names, devices = (LLAMA, MIXTRAL, DEEPSEEK), ("RTX-4090", "A100-SXM4-80GB", "H200-SXM-141GB", "MI300X-192GB")
    serving = Serving(context=3000, concurrency=24, weights=("bf16", "fp8", "awq-4bit-g128"))
    cells = matrix(names, devices, serving, grams_per_kwh=475, spot=False)
    assert cells.height == 36
    for row in cells.iter_rows(named=True):
        model, device = load(row["model"]), accelerators()[row["accelerator"]]
        workload = Workload(batch=24, context=3000, precision=precision(row["weights"]))
        plan = gpus_needed(model, device, workload)
        assert (row["tensor"], row["pipeline"]) == (plan.tensor, plan.pipeline)
        split = Workload(batch=24, context=3000, precision=workload.precision, parallelism=plan)
        assert row["max_batch"] == max_batch(model, device, split)
        if plan.devices > 1 and not device.link_bytes_per_s:
            assert row["tokens_likely"] is None
            continue
        alone = estimate(model, device, split, operator_models_of(device.name))
        assert alone.tokens_per_s is not None
        for side in ("low", "likely", "high"):
            assert row[f"tokens_{side}"] == pytest.approx(float(getattr(alone.tokens_per_s, f"{side}_s")), rel=1e-9)
        assert row["is_calibrated"] == alone.calibrated


def test_a_matrix_of_nothing_is_empty_and_has_all_columns() -> None:
    nothing = matrix((), ("L4",), Serving(), grams_per_kwh=475, spot=False)
    something = matrix((LLAMA,), ("L4",), Serving(), grams_per_kwh=475, spot=False)
    assert nothing.height == 0
    assert nothing.schema == something.schema


def test_every_way_out_fits() -> None:
    asked = Configuration(model="meta-llama/Meta-Llama-3.1-70B", accelerator="H100-SXM5-80GB", batch=64)
    assert not analyse(asked).runs
    ways = ways_out(asked)
    assert len(ways) >= 2
    for way in ways:
        changes: dict[str, Any] = dict(way.changes)
        changed = replace(asked, **changes)
        need = memory_need(load(changed.model), accelerators()[changed.accelerator], changed.workload, changed.engine)
        assert need.verdict == "fits"


def test_rows_of_operators_add_up_to_the_pass_and_points_lie_under_their_roofs() -> None:
    answer = analyse(Configuration(model=DEEPSEEK, accelerator="H200-SXM-141GB", weights="fp8", tensor=8))
    frame = operator_frame(answer)
    assert frame["likely_s"].sum() == pytest.approx(float(answer.estimate.time.likely_s))
    assert frame["share_pct"].sum() == pytest.approx(100)
    highest = max(roof.flops_per_s for roof in compute_roofs(answer))
    assert (frame["bound_flops_per_s"] <= highest * (1 + 1e-9)).all()
    assert (frame["likely_flops_per_s"] <= frame["bound_flops_per_s"] * (1 + 1e-9)).all()


def test_the_graph_passes_exchanges_between_devices_on_to_what_adds_them() -> None:
    answer = analyse(Configuration(model=DEEPSEEK, accelerator="H200-SXM-141GB", weights="fp8", tensor=8))
    links = data_flow(answer)
    assert ("decoder.moe/attention_residual_all_reduce", "decoder.moe/attention_residual") in links
    assert ("decoder.moe/output", "decoder.moe/attention_residual") not in links
    frame = operator_frame(answer)
    lanes = lanes_of(frame["place"].to_list())
    assert lanes == [["decoder.before", "decoder.dense"], ["decoder.moe", "decoder.after"]]
    keys = frame["key"].to_list()
    columns = columns_of(keys, links)
    assert all(columns[start] < columns[end] for start, end in links if start.split("/")[0] == end.split("/")[0])


def test_the_reading_of_the_plot_goes_by_the_side_of_the_ridge() -> None:
    assert reading("memory", 1.0, 200.0) == "1.00 is left of its ridge at 200: bound by memory"
    assert reading("compute", 900.0, 200.0) == "900 is right of its ridge at 200: bound by compute"
    assert "activations fit the last-level cache" in reading("cache", 1.0, 14.0)
    assert span_of_seconds(0.00543, 0.00746, 0.0134) == "7.46 ms (5.43–13.4)"


def test_the_error_is_stated_for_what_was_measured_only() -> None:
    def said(accelerator: str, weights: str) -> str:
        return held_out(analyse(Configuration(model=LLAMA, accelerator=accelerator, weights=weights)))

    assert said("A100-SXM4-80GB", "bf16").startswith("Calibrated: ")
    # An A100 computes 8-bit weights as int8, of which no kernel was measured.
    assert said("A100-SXM4-80GB", "fp8").startswith("Mostly not calibrated: ")
    assert said("L40S", "bf16").startswith("Not calibrated: ")


def test_precisions_come_from_formats_or_plain_bits() -> None:
    assert precision("awq-4bit-g128").embedding == 16
    assert precision("4-bit").embedding == 4
    assert precision("bf16", "8").activation_bits == 8
    with pytest.raises(UnsupportedPrecision, match="nearest"):
        precision("fp9")


def test_parallelism_of_a_configuration_reaches_the_workload() -> None:
    asked = Configuration(model=LLAMA, accelerator="L4", tensor=2, pipeline=4)
    assert asked.workload.parallelism == Parallelism(2, 4)
    assert asked.devices == "8 × L4"
