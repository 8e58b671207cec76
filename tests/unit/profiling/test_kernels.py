"""Kernels of engines: surfaces find what was put in, read public tables, and price experts as they were measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from profiling.answers.door import shipped_door
from profiling.devices.accelerators import find
from profiling.engines.table import ENGINES
from profiling.kernels.calibrate import calibrate_kernels, transfer
from profiling.kernels.folder import LEFT_OUT
from profiling.kernels.read import measured_kernels
from profiling.kernels.shipped import FOLDER, from_json, shipped_surfaces, shipped_transfers, summary, to_json
from profiling.kernels.surface import LARGEST_FACTOR, fit_surface
from profiling.models.load import load
from profiling.roofline.operator_time import operator_times
from profiling.roofline.precisions import precision_for
from profiling.roofline.workload import Workload

H200 = find("H200-SXM-141GB")
MOST_PCT = {
    "gemm": 6.0, "prefill_attention": 7.0, "decode_attention": 10.0, "experts": 10.0, "latent_prefill": 10.0,
    "latent_decode": 10.0, "latent_prefill_module": 10.0, "latent_decode_module": 10.0, "gated_deltanet": 10.0,
    "kda": 10.0, "mamba2": 10.0, "all_reduce": 12.0, "collectives": 12.0, "expert_dispatch_decode": 12.0,
    "expert_dispatch_prefill": 12.0,
}  # fmt: skip
"""Mean error by kind that surfaces of all devices and engines may have on shapes they never saw."""


def _kernels(number: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Kernels whose waves of blocks the law does not know."""
    rng = np.random.default_rng(seed)
    m, n = 2.0 ** rng.integers(0, 14, number), 2.0 ** rng.integers(8, 15, number)
    compute, memory = 2 * m * n * 4096 / 1e15, n * 8192 / 5e12
    waves = np.ceil(m * n / (128 * 128) / 132) / np.maximum(m * n / (128 * 128) / 132, 1.0)
    time = 4e-6 + np.hypot(compute * waves / 0.7, memory / 0.8)
    return compute, memory, np.log2(np.column_stack([m, n])), time


def test_a_surface_learns_what_its_law_leaves_over_and_survives_its_file() -> None:
    *seen, time = _kernels(3000, 1)
    surface = fit_surface(*seen, time)
    *unseen, true = _kernels(500, 2)
    error = np.abs(surface.seconds(*unseen) / true - 1)
    law = np.abs(surface.law_s(*unseen[:2]) / true - 1)
    assert np.median(error) < 0.03
    assert error.mean() < law.mean()


def test_jumps_between_an_engine_s_kernels_are_found_where_a_surface_smooths_them_over() -> None:
    def with_jump(number: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        compute, memory, sizes, time = _kernels(number, seed)
        slow = (sizes[:, 1] >= 12) & (sizes[:, 0] < 6)  # a kernel of its own for wide matrices of few rows
        return compute, memory, sizes, np.where(slow, 3 * time, time)

    *seen, time = with_jump(3000, 4)
    *unseen, true = with_jump(500, 5)
    smooth = fit_surface(*seen, time)
    surface = fit_surface(*seen, time, switches=True)
    error = np.abs(surface.seconds(*unseen) / true - 1)
    assert error.mean() < np.abs(smooth.seconds(*unseen) / true - 1).mean() / 2
    again = type(surface).from_dict(surface.to_dict())
    assert np.allclose(again.seconds(*unseen), surface.seconds(*unseen), rtol=1e-3)


def test_far_outside_what_was_measured_the_law_goes_on() -> None:
    *seen, time = _kernels(2000, 3)
    surface = fit_surface(*seen, time)
    compute, memory = np.array([10.0]), np.array([1.0])
    far = surface.seconds(compute, memory, np.array([[40.0, 40.0]]))
    law = surface.law_s(compute, memory)
    assert 1 / LARGEST_FACTOR <= float(far[0] / law[0]) <= LARGEST_FACTOR


def test_tables_of_an_engine_become_kernels_whose_error_is_of_shapes_held_out(shared_data: Path) -> None:
    measured = list(measured_kernels(shared_data / "kernels_by_engine" / "h200_sxm", H200, ["latent_decode"]))
    assert {(surface.engine, surface.variant.split("|")[1]) for surface in measured} >= {
        ("tensorrt-llm", "bfloat16"), ("tensorrt-llm", "fp8"), ("sglang", "fp8")
    }  # fmt: skip
    surface = calibrate_kernels(measured[0])
    assert surface is not None
    assert surface.kernels == 1448
    assert surface.mean_error_pct < 10
    assert 70 < surface.inside_pct < 90
    assert from_json(to_json(surface.device, [surface], "test"))[0].surface.to_dict() == surface.surface.to_dict()
    moved = list(transfer(measured[:1], [surface], [H200.name]))
    assert moved[0].kernels == 1448


def test_files_that_ship_are_small_and_hold_seven_devices() -> None:
    assert len(shipped_surfaces()) == 7
    assert max(path.stat().st_size for path in FOLDER.glob("*.json")) < 2**20


@pytest.mark.parametrize("kind", MOST_PCT)
def test_errors_on_shapes_never_seen_are_as_promised(kind: str) -> None:
    every = [surface for of_device in shipped_surfaces().values() for surface in of_device]
    table = summary(every).filter(pl.col("kind") == kind)
    weighted = (table["mean_error_pct"] * table["kernels"]).sum() / table["kernels"].sum()
    assert weighted <= MOST_PCT[kind]


def test_errors_on_devices_left_out_are_stated_for_experts_and_products() -> None:
    for device in LEFT_OUT:
        kinds = {transfer.kind for transfer in shipped_transfers() if transfer.device == device}
        assert {"gemm", "experts", "prefill_attention", "decode_attention"} <= kinds


@pytest.mark.parametrize(("tokens", "engine"), [(1, "vllm"), (64, "vllm"), (1, "sglang"), (64, "sglang")])
def test_experts_take_the_time_that_the_engine_s_own_kernel_was_measured_to_take(
    shared_data: Path, tokens: int, engine: str
) -> None:
    model = load("Qwen/Qwen3-30B-A3B")
    workload = Workload(stage="decode", batch=float(tokens), context=512, precision=precision_for(model, "bf16"))
    times = operator_times(model, H200, workload, shipped_door().fitted[H200.name], ENGINES[engine])
    experts = next(time for time in times if time.operator.operator_class == "expert_gemm")
    table = pl.read_parquet(shared_data / "kernels_by_engine" / "h200_sxm" / engine / "moe" / "moe_perf.parquet")
    measured = table.filter(
        pl.col("hidden_size") == 2048, pl.col("inter_size") == 768, pl.col("num_experts") == 128, pl.col("topk") == 8,
        pl.col("moe_tp_size") == 1, pl.col("moe_ep_size") == 1, pl.col("num_tokens") == tokens,
        pl.col("moe_dtype") == "bfloat16", pl.col("distribution") == "power_law_1.01",
        pl.col("kernel_source").str.contains("triton"),
    )["latency"].median()  # fmt: skip
    assert experts.calibrated
    assert float(experts.prediction.likely_s) * 1e3 == pytest.approx(measured, rel=0.2)
