"""Memory that others measured, held against what the product says is needed: the printed range and its middle."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from profiling.accuracy.cases import NotAsked, formats_of
from profiling.accuracy.names import Names
from profiling.accuracy.predict import SCHEMA
from profiling.devices.accelerators import GIB
from profiling.engines.table import device_class
from profiling.errors import ProfilingError
from profiling.memory.engines import engine_profile
from profiling.memory.need import memory_need
from profiling.roofline.workload import Workload

STAGE = "memory"
METRIC = "memory_gib"
LARGEST_SHARE = 1.03
"""Of the device's memory: more was not on it."""


Reasons = list[tuple[int, str]]


def compare_memory(rows: pl.DataFrame, names: Names) -> tuple[pl.DataFrame, Reasons, Reasons]:
    """Rows in `predict.SCHEMA`, in GiB, then `(row, reason)` of those not asked and of those that cannot be.

    The naive rule is the weights alone; there is no bound, since what tools call memory differs.
    """
    compared_rows: list[dict[str, object]] = []
    left: Reasons = []
    impossible: Reasons = []
    for index, row in enumerate(rows.iter_rows(named=True)):
        if row["metric"] != METRIC:
            continue
        try:
            predicted = _predicted(row, names)
        except ProfilingError as error:
            left.append((index, str(error)))
            continue
        room = names.device(str(predicted["device"])).total_memory_bytes / GIB
        least, measured = float(str(predicted["naive"])), float(row["value"])
        if max(least, measured) > LARGEST_SHARE * room:
            what = f"weights of {least:.1f}" if least > LARGEST_SHARE * room else f"a measured {measured:.1f}"
            impossible.append((index, f"{what} GiB exceed the {room:.1f} GiB of {predicted['device']}"))
        elif measured < least / 2:
            impossible.append((index, f"{measured:.3g} GiB cannot hold weights of {least:.3g} GiB: part was elsewhere"))
        else:
            compared_rows.append({"row": index} | predicted)
    return pl.DataFrame(compared_rows, schema=SCHEMA), left, impossible


def _predicted(row: Mapping[str, Any], names: Names) -> dict[str, object]:
    formats = formats_of(row, names)
    devices = int(row["device_count"] or 1)
    if devices > 1:
        raise NotAsked("memory of several devices: whether of one or of all is not stated")
    batch, input_tokens, made, depth = (
        float(row[name] or 0.0) for name in ("batch", "input_tokens", "output_tokens", "context_depth")
    )
    # A stated context is what the engine reserved; else the sequence at its end.
    length = max(depth, input_tokens + made)
    if not length:
        raise NotAsked("the context is not stated")
    workload = Workload(stage="decode", batch=batch or 1.0, context=length, precision=formats.precision)
    profile = engine_profile(formats.engine.name)
    if profile.allocator_gib is not None and not re.search(r"process|device|nvidia-smi", str(row["note"] or "")):
        profile = replace(profile, fixed_gib=profile.allocator_gib)
    need = memory_need(formats.model, formats.device, workload, profile)
    low, high = float(need.low) / GIB, float(need.high) / GIB
    return {
        "stage": STAGE, "engine": formats.engine.name, "device": formats.device.name,
        "device_class": device_class(formats.device), "model": formats.model.name, "format": formats.weight_format,
        "devices": devices, "batch": workload.batch, "input_tokens": input_tokens, "output_tokens": made,
        "context_depth": depth, "unit": "GiB", "measured": float(row["value"]), "predicted": (low + high) / 2,
        "low": low, "high": high, "bound": None, "naive": float(need.weights) / GIB,
        "basis": "weights and cache exactly, the engine's own share as a range",
    }  # fmt: skip
