"""Calibrated predictions of whole models, and bounds against every measured kernel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from profiling.calibration.calibrate import DEFAULT_INTERVAL, Calibration, peaks_of
from profiling.calibration.predictors import operator_models
from profiling.devices.accelerators import find
from profiling.models.load import load
from profiling.models.sources import from_config
from profiling.roofline.estimate import estimate
from profiling.roofline.operator_time import operator_time
from profiling.roofline.operators import Operator, operators
from profiling.roofline.roof import roof_of
from profiling.roofline.workload import Parallelism, Precision, Workload

H200 = find("H200-SXM-141GB")
CLASSES = ("gemm_bf16", "gemm_fp8", "prefill_attention", "decode_attention")
DEFAULTS = [Calibration(H200.name, each, peaks_of(H200), {}, DEFAULT_INTERVAL) for each in CLASSES]


def test_calibrations_answer_for_measured_shapes_and_defaults_for_the_others() -> None:
    models = operator_models(DEFAULTS)
    plain = estimate(load("meta-llama/Meta-Llama-3-8B"), H200, Workload(batch=4), models)
    assert {t.operator.operator_class for t in plain.operators if t.calibrated} == {"gemm", "decode_attention"}
    latent = load("deepseek-ai/DeepSeek-V3")
    for stage in ("prefill", "decode"):
        workload = Workload(stage=stage, batch=4, parallelism=Parallelism(8))
        for time in estimate(latent, H200, workload, models).operators:
            assert float(time.prediction.low_s) >= float(time.bound_s)
            assert float(time.prediction.low_s) <= float(time.prediction.likely_s) <= float(time.prediction.high_s)


@pytest.mark.parametrize("ways", [1, 2, 8])
def test_projections_are_timed_as_the_one_kernel_that_engines_launch(ways: int) -> None:
    workload = Workload(batch=8, context=100, parallelism=Parallelism(ways))
    operator_times = estimate(load("meta-llama/Meta-Llama-3-8B"), H200, workload, operator_models(DEFAULTS)).operators
    times = {time.operator.name: time for time in operator_times}
    for names, width in ((("query", "key", "value"), 6144), (("gate", "up"), 28_672)):
        fused = [times[name] for name in names]
        assert sum(time.operator.kernel_share for time in fused) == pytest.approx(1)
        whole = [float(time.prediction.likely_s) / time.operator.kernel_share for time in fused]
        assert whole == pytest.approx([whole[0]] * len(whole))
        assert [time.operator.shape["n"] / time.operator.kernel_share for time in fused] == [width / ways] * len(fused)


def _gemm_rows(folder: Path, number_format: str) -> pl.DataFrame:
    table = pl.read_parquet(folder / "gemm_perf.parquet", columns=["gemm_dtype", "m", "n", "k", "latency"])
    return table.filter(pl.col("gemm_dtype") == number_format)


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "name", "number_format", "bits"),
    [
        ("a100_sxm", "A100-SXM4-80GB", "bfloat16", 16),
        ("h200_sxm", "H200-SXM-141GB", "bfloat16", 16),
        ("h200_sxm", "H200-SXM-141GB", "fp8", 8),
    ],
)
def test_no_measured_matrix_product_is_faster_than_its_bound(
    shared_data: Path, folder: str, name: str, number_format: str, bits: int
) -> None:
    rows = _gemm_rows(shared_data / "kernels" / folder, number_format)
    m, n, k = (rows[axis].to_numpy().astype(np.float64) for axis in ("m", "n", "k"))
    width = bits / 8
    products = Operator(
        name="product", place="kernel", operator_class="gemm", unit="product", flops=2 * m * n * k,
        weight_bytes=n * k * width, activation_read_bytes=m * k * width, activation_write_bytes=2 * m * n,
    )  # fmt: skip
    roof = roof_of(find(name), Precision(weight_bits=bits, activation_bits=bits))
    bound = np.asarray(operator_time(products, roof).bound_s)
    assert rows.height > 9000
    assert np.sum(rows["latency"].to_numpy() / 1e3 < bound) == 0


@pytest.mark.data
@pytest.mark.parametrize(("folder", "name"), [("a100_sxm", "A100-SXM4-80GB"), ("h200_sxm", "H200-SXM-141GB")])
def test_no_measured_prefill_is_faster_than_its_bound(shared_data: Path, folder: str, name: str) -> None:
    table = pl.read_parquet(shared_data / "kernels" / folder / "context_attention_perf.parquet").filter(
        (pl.col("attn_dtype") == "bfloat16") & (pl.col("kv_cache_dtype") == "bfloat16") & (pl.col("step") == 0)
    )
    card = find(name)
    roof = roof_of(card, Precision())
    seen = 0
    for key, rows in table.group_by("num_heads", "num_key_value_heads", "head_dim", "window_size"):
        heads, kv_heads, dim, window = (int(value) for value in key)
        kv_heads = kv_heads or heads  # the tables write 0 for "as many as query heads"
        model = from_config({
            "model_type": "mistral", "hidden_size": heads * dim, "num_hidden_layers": 1, "vocab_size": 8,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "head_dim": dim,
            "intermediate_size": 8, "sliding_window": window or None,
        })  # fmt: skip
        workload = Workload(
            stage="prefill",
            batch=rows["batch_size"].to_numpy().astype(np.float64),
            context=rows["isl"].to_numpy().astype(np.float64),
        )
        ops = operators(model, workload, card.last_level_cache_bytes or np.inf)
        attention = next(op for op in ops if op.operator_class == "prefill_attention")
        bound = np.asarray(operator_time(attention, roof).bound_s)
        assert np.sum(rows["latency"].to_numpy() / 1e3 < bound) == 0
        seen += rows.height
    assert seen > 2000


def test_products_that_engines_compute_as_one_share_its_fixed_time() -> None:
    operator_times = estimate(load("meta-llama/Meta-Llama-3-8B"), H200, Workload(), operator_models(DEFAULTS)).operators
    shares = {time.operator.name: time.operator.kernel_share for time in operator_times}
    assert sum(shares[name] for name in ("query", "key", "value")) == pytest.approx(1)
    assert (shares["gate"], shares["up"], shares["down"]) == (0.5, 0.5, 1)
