"""Predictions of measured rows: likely, interval and bound of each, with the naive rule beside it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from profiling.accuracy.cases import Case
from profiling.accuracy.composition import (
    FIRST_TOKEN,
    UNDER_LOAD,
    all_parts,
    pass_weights,
    settings_of,
)
from profiling.accuracy.energy import power_share
from profiling.accuracy.passes import Passes
from profiling.engines.effects import LOADED_EFFECTS
from profiling.engines.fit import Rows, predicted_s
from profiling.engines.table import device_class
from profiling.engines.time import EngineTimes
from profiling.memory.weights import weight_bytes
from profiling.roofline.whole import BEST_SHARE

Array = npt.NDArray[np.float64]
SCHEMA: dict[str, type[pl.DataType]] = {
    "row": pl.Int64, "stage": pl.String, "engine": pl.String, "device": pl.String, "device_class": pl.String,
    "model": pl.String, "format": pl.String, "devices": pl.Int64, "batch": pl.Float64, "input_tokens": pl.Float64,
    "output_tokens": pl.Float64, "context_depth": pl.Float64, "unit": pl.String, "measured": pl.Float64,
    "predicted": pl.Float64, "low": pl.Float64, "high": pl.Float64, "bound": pl.Float64, "naive": pl.Float64,
    "basis": pl.String,
}  # fmt: skip
"""One row per measurement that could be asked; times in seconds, energy in joules per token."""


def predict(cases: Sequence[Case], passes: Passes, times: EngineTimes) -> pl.DataFrame:
    """A row in `SCHEMA` for every case.

    Args:
        cases: Measurements as questions.
        passes: The passes they are made of.
        times: Fitted effects of engines.
    """
    if not cases:
        return pl.DataFrame(schema=SCHEMA)
    settings = settings_of(cases)
    rows = Rows(all_parts(cases, passes, times.effects), np.ones(len(cases)), settings)
    predicted = predicted_s(times.effects, rows, LOADED_EFFECTS)
    bound, naive = bounds_of(cases, passes), naive_s(cases)
    columns: dict[str, list[object]] = defaultdict(list)
    for index, case in enumerate(cases):
        basis = times.basis(case.engine, case.device, (case.stage,))
        likely, least, plain = float(predicted[index]), float(bound[index]), float(naive[index])
        if case.stage == "energy":
            share = power_share(times.energy, case)
            watts = (case.device.power_w or np.nan) * case.split.devices
            likely *= share * watts / case.batch
            least, plain = np.nan, plain * watts / case.batch
        likely = max(likely, least / BEST_SHARE) if np.isfinite(least) else likely
        ends = (likely * basis.held_out.low, likely * basis.held_out.high)
        values = {
            "row": case.row, "stage": case.stage, "engine": case.engine.name, "device": case.device.name,
            "device_class": device_class(case.device), "model": case.model.name, "format": case.weight_format,
            "devices": case.split.devices * case.replicas, "batch": case.batch, "input_tokens": case.input_tokens,
            "output_tokens": case.output_tokens, "context_depth": case.depth,
            "unit": "J" if case.stage == "energy" else "s", "measured": case.measured_s, "predicted": likely,
            "low": max(ends[0], least) if np.isfinite(least) else ends[0], "high": ends[1],
            "bound": least if np.isfinite(least) else None, "naive": plain, "basis": str(basis),
        }  # fmt: skip
        for name, value in values.items():
            columns[name].append(value)
    frame = pl.DataFrame(columns, schema=SCHEMA)
    return frame.filter(pl.col("predicted").is_finite(), pl.col("predicted") > 0)


def bounds_of(cases: Sequence[Case], passes: Passes) -> Array:
    """The least that each measurement can be."""
    _, steps = pass_weights(cases)
    bounds = np.zeros(len(cases))
    for index, case in enumerate(cases):
        prompt, step = passes.prefill_bound[index], passes.decode_bound[index]
        if case.stage in UNDER_LOAD:
            bounds[index] = step
        elif case.stage == "request":
            bounds[index] = prompt + steps[index] * step
        elif case.stage == FIRST_TOKEN or case.stage.startswith("prefill"):
            bounds[index] = prompt
        elif case.stage == "energy":
            bounds[index] = np.nan
        else:
            bounds[index] = step
    return bounds


def naive_s(cases: Sequence[Case]) -> Array:
    """The rule of thumb: weights over bandwidth for a token, 2 × parameters × tokens over the peak for a prompt."""
    result = np.zeros(len(cases))
    sizes: dict[tuple[object, ...], float] = {}
    for index, case in enumerate(cases):
        key = (case.model.name, case.precision)
        if key not in sizes:
            active = case.model.parameters_active / case.model.parameters_total
            sizes[key] = float(weight_bytes(case.model, case.precision)) * active
        devices = case.split.ways
        step = sizes[key] / (case.device.bandwidth_bytes_per_s * devices)
        peak = case.device.peaks.get("fp16") or max(case.device.peaks.values())
        prompts = case.batch if case.stage.startswith("prefill") else 1.0
        prompt = 2 * case.model.parameters_active * case.input_tokens * prompts / (peak * devices)
        if case.stage == FIRST_TOKEN or case.stage.startswith("prefill"):
            result[index] = prompt
        elif case.stage == "request":
            result[index] = prompt + case.output_tokens * step
        else:
            result[index] = step
    return result
