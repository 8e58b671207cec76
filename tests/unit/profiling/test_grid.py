"""The grid answers as the single estimates do."""

from __future__ import annotations

import polars as pl
import pytest

from profiling.calibration.predictors import operator_models
from profiling.calibration.shipped import by_device, shipped
from profiling.devices.accelerators import find
from profiling.kernels.operators import kernel_models
from profiling.models.load import load
from profiling.roofline.estimate import estimate
from profiling.roofline.grid import SCHEMA, Grid, evaluate
from profiling.roofline.workload import Parallelism, Precision, Workload

MODELS = ["meta-llama/Meta-Llama-3-8B", "deepseek-ai/DeepSeek-V3", "google/gemma-3-27b-it"]
EIGHT = Precision(weight_bits=8, activation_bits=8, kv_bits=8)
GRID = Grid(
    models=[load(name) for name in MODELS],
    accelerators=[find(name) for name in ("RTX-4090", "A100-SXM4-80GB", "H200-SXM-141GB")],
    batches=[1, 16],
    contexts=[300, 5000],
    precisions=[Precision(), Precision(weight_bits=4.25, embedding_bits=16), EIGHT],
    kernels=("flash", "naive"),
    parallelisms=(Parallelism(), Parallelism(tensor=8), Parallelism(tensor=3)),
    calibrations={
        name: {**operator_models(fitted), **kernel_models(find(name))} for name, fitted in by_device(shipped()).items()
    },
    intervals=True,
)


def test_every_row_of_a_grid_equals_the_estimate_of_its_configuration() -> None:
    frame = pl.concat(evaluate(GRID))
    assert frame["calibrated"].any()
    # Three heads-dividing models, two stages, two kernels, two legal splits; tp=3 is left out.
    assert frame.height == 3 * 2 * 2 * 2 * GRID.rows_per_block
    assert frame.schema == pl.Schema(SCHEMA)
    for row in frame.sample(60, seed=1).iter_rows(named=True):
        precision = next(p for p in GRID.precisions if p.weight_bits == row["weight_bits"])
        workload = Workload(
            stage=row["stage"], batch=row["batch"], context=row["context"], attention=row["attention"],
            precision=precision, parallelism=Parallelism(row["tensor_parallel"]),
        )  # fmt: skip
        calibration = (GRID.calibrations or {}).get(row["accelerator"])
        single = estimate(load(row["model"]), find(row["accelerator"]), workload, calibration)
        for name in ("bound_s", "likely_s", "low_s", "high_s"):
            assert row[name] == pytest.approx(float(getattr(single.time, name)), rel=1e-9)
        assert row["calibrated"] == single.calibrated
        assert row["verdict"] == single.fits
        assert row["bound_by"] == single.bound_by
        if single.tokens_per_s is None:
            assert row["tokens_per_s"] is None
        else:
            assert row["tokens_per_s"] == pytest.approx(float(single.tokens_per_s.likely_s), rel=1e-9)


@pytest.mark.parametrize("engine", ["vllm-v1", "llama.cpp"])
def test_grids_and_estimates_agree_on_two_of_four_weights_and_on_encoders_in_stages(engine: str) -> None:
    sparse = Precision(weight_bits=9, two_of_four=True)
    grid = Grid(
        models=[load(MODELS[0]), load("answerdotai/ModernBERT-base")],
        accelerators=[find("H100-SXM5-80GB"), find("RTX-4090")], batches=[16], contexts=[3000], precisions=[sparse],
        stages=("prefill", "decode", "encode"), parallelisms=(Parallelism(), Parallelism(pipeline=2)), engine=engine,
    )  # fmt: skip
    frame = pl.concat(evaluate(grid))
    assert frame.height == 2 * 2 * 3
    for row in frame.iter_rows(named=True):
        split = Parallelism(pipeline=row["pipeline_parallel"])
        workload = Workload(stage=row["stage"], batch=16, context=3000, precision=sparse, parallelism=split)
        single = estimate(load(row["model"]), find(row["accelerator"]), workload, engine=engine)
        assert row["bound_s"] == pytest.approx(float(single.time.bound_s), rel=1e-9)
        assert row["likely_s"] == pytest.approx(float(single.time.likely_s), rel=1e-9)


def test_a_precision_an_accelerator_lacks_has_no_times_and_says_so() -> None:
    grid = Grid(models=[load(MODELS[0])], accelerators=[find("H200"), find("Gaudi2")], batches=[1], contexts=[100],
                precisions=[Precision(weight_bits=4, activation_bits=4, kv_bits=4)], stages=("decode",))  # fmt: skip
    frame = pl.concat(evaluate(grid))
    assert frame["verdict"].unique().to_list() == ["unsupported precision"]
    assert frame.select(pl.col("bound_s", "likely_s", "tokens_per_s", "bound_by").is_null().all()).row(0) == (True,) * 4


def test_no_row_that_does_not_fit_carries_a_throughput() -> None:
    frame = pl.concat(evaluate(GRID))
    wrong = frame.filter(pl.col("verdict").is_in(["does not fit", "unsupported precision"]))
    assert wrong.height > 0
    assert wrong["tokens_per_s"].null_count() == wrong.height
