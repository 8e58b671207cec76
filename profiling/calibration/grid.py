"""Predictions of calibrated accelerators within a grid: operators of many models stacked, one question per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import Accelerator
from profiling.engines.parts import COLLECTIVE_S, PART_OF_CLASS, PLACES
from profiling.engines.table import Engine, opening_rate
from profiling.errors import UnsupportedPrecision
from profiling.models.stored import Group
from profiling.roofline.operator_time import OperatorModel, OperatorTime, operator_time
from profiling.roofline.operators import Operator
from profiling.roofline.roof import Roof, roof_of
from profiling.roofline.workload import Precision, Values

Array = npt.NDArray[np.float64]
CALIBRATED_CLASSES = ("gemm", "expert_gemm", "prefill_attention", "decode_attention", "exchange")
"""Operator classes that calibrations may answer for."""

_NUMBERS = (
    "launches", "kernel_share", "flops", "weight_bytes", "activation_read_bytes", "activation_write_bytes",
    "kv_read_bytes", "kv_write_bytes", "spared_bytes", "numbers_opened", "padding", "communication_bytes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CalibratedPart:
    """Seconds of all operators of the calibrated classes, and the part of their bound that was measured.

    Arrays of (blocks, precisions, batches, contexts).
    """

    likely_s: Array
    measured_bound_s: Array


@dataclass(frozen=True, slots=True)
class Cut:
    """One block of a grid, as the engine cuts its passes.

    Attributes:
        operators: Their values broadcast to (accelerators, precisions, batches, contexts).
        factors: What each part is multiplied by, (precisions, parts).
        link: Bytes per second and latency in seconds of the link between its devices.
    """

    operators: Sequence[Operator]
    factors: Array
    link: tuple[float, float]


def calibrated_part(
    blocks: Sequence[Cut],
    row: int,
    accelerator: Accelerator,
    precisions: Sequence[Precision],
    shape: tuple[int, ...],
    calibration: Mapping[str, OperatorModel],
    engine: Engine,
) -> CalibratedPart:
    """Times of the operators of the calibrated classes on one accelerator of a grid, by the engine's factors.

    Args:
        blocks: Models and workloads that are asked together.
        row: Place of the accelerator on the first axis.
        accelerator: The accelerator.
        precisions: Those of the second axis.
        shape: Lengths of the axes but the first.
        calibration: Its operator models by calibration class.
        engine: The engine, whose kernels of experts may have been measured.

    Returns:
        NaN where the accelerator has no products so narrow.
    """
    roofs = [_roof(accelerator, precision, engine) for precision in precisions]
    opened_per_s = opening_rate(engine, accelerator)
    roof = _stacked_roof(roofs, accelerator)
    likely, measured = np.zeros((len(blocks), *shape)), np.zeros((len(blocks), *shape))
    by_block = np.array([block.factors for block in blocks])[:, :, None, None, :]
    links = np.array([block.link for block in blocks])[:, :, None, None, None]
    # Groups of weights whose products run in another format than the rest are asked for on their own.
    apart = {group for one in roofs if one for group in one.group_formats}
    kinds: dict[tuple[str, str], list[tuple[int, Operator]]] = {}
    for block, cut in enumerate(blocks):
        for op in cut.operators:
            if op.operator_class in CALIBRATED_CLASSES:
                own = op.group if op.unit == "product" and op.group in apart else ""
                kinds.setdefault((op.operator_class, own), []).append((block, op))
    for members in kinds.values():
        stacked = _stacked([operator for _, operator in members], row, shape)
        owners = np.array([block for block, _ in members])
        counts = np.array([operator.count for _, operator in members], dtype=np.float64)[:, None, None, None]
        time = operator_time(stacked, replace(roof, link=links[owners, 0], link_latency_s=links[owners, 1]))
        seconds = time.prediction.likely_s
        measured_anywhere = np.zeros(np.shape(time.bound_s), dtype=bool)
        names = [one.calibration_class(stacked) if one else "" for one in roofs]
        for name in set(names) & set(calibration):
            of_class = np.array([other == name for other in names])[:, None, None]
            moving_s = time.link_s if stacked.communicates else time.memory_s
            fitted = calibration[name](stacked, time.compute_s, moving_s, time.prediction)
            seconds = np.where(of_class, fitted.likely_s, seconds)
            measured_anywhere |= calibration[name].measured(stacked) & of_class
        times = _with_engine(stacked, time, seconds, by_block[owners], opened_per_s, measured_anywhere)
        np.add.at(likely, owners, counts * times)
        np.add.at(measured, owners, counts * np.where(measured_anywhere, time.bound_s, 0.0))
    return CalibratedPart(likely, measured)


def _with_engine(
    stacked: Operator, time: OperatorTime, seconds: Values, factors: Array, opened_per_s: float,
    measured: npt.NDArray[np.bool_],
) -> Array:  # fmt: skip
    """Seconds of operators of one class after the engine's factors; see `profiling.engines.parts`."""
    part = PART_OF_CLASS[stacked.operator_class]
    if stacked.communicates:
        calls = COLLECTIVE_S * stacked.launches * factors[..., PLACES["collectives"]]
        as_fitted = (seconds - time.network_s) * factors[..., PLACES[part]] + time.network_s + calls
        return np.asarray(np.where(measured, seconds, as_fitted))
    if part not in {"product", "expert"}:
        return np.asarray(seconds * factors[..., PLACES[part]])
    compute, memory = np.square(time.unhindered_s), np.square(time.waiting_s)
    share = compute / np.maximum(compute + memory, 1e-60)
    slow, fast = factors[..., PLACES[f"{part}_memory"]], factors[..., PLACES[f"{part}_compute"]]
    opened = np.divide(stacked.numbers_opened, opened_per_s) * factors[..., PLACES["unpacking"]]
    beside = opened + time.unhindered_s * stacked.padding * factors[..., PLACES["expert_padding"]]
    if part == "expert":  # what was measured holds both
        beside = np.where(measured, 0.0, beside)
    return np.asarray(seconds * (slow + share * (fast - slow)) + beside)


def _roof(accelerator: Accelerator, precision: Precision, engine: Engine) -> Roof | None:
    try:
        return roof_of(accelerator, precision, engine)
    except UnsupportedPrecision:
        return None


def _stacked_roof(roofs: Sequence[Roof | None], accelerator: Accelerator) -> Roof:
    """One roof whose peaks are arrays over precisions."""

    def peaks(name: str) -> Array:
        return np.array([getattr(roof, name) if roof else np.nan for roof in roofs], dtype=np.float64)[:, None, None]

    def group_peaks(group: Group) -> Array:
        found = [one.group_peaks.get(group, one.product_peak) if one else np.nan for one in roofs]
        return np.array(found, dtype=np.float64)[:, None, None]

    apart = {group for one in roofs if one for group in one.group_peaks}
    return Roof(
        product_peak=peaks("product_peak"),
        attention_peak=peaks("attention_peak"),
        vector_peak=accelerator.vector_peak,
        bandwidth=accelerator.bandwidth_bytes_per_s,
        link=accelerator.link_bytes_per_s or np.nan,
        cache_bytes=accelerator.last_level_cache_bytes or 0.0,
        achievable_matmul_fraction=accelerator.achievable_matmul_fraction,
        group_peaks={group: group_peaks(group) for group in apart},
    )


def _stacked(members: Sequence[Operator], row: int, shape: tuple[int, ...]) -> Operator:
    """Operators of one class as one, whose values are arrays of (operators, precisions, batches, contexts)."""

    def stack(values: Sequence[Values]) -> Array:
        result = np.empty((len(values), *shape))
        for index, value in enumerate(values):
            array = np.asarray(value)
            # The first of four axes holds the accelerators.
            result[index] = array[min(row, len(array) - 1)] if array.ndim == 4 else array
        return result

    first = members[0]
    numbers: dict[str, Any] = {name: stack([getattr(op, name) for op in members]) for name in _NUMBERS}
    columns = {name: stack([op.shape[name] for op in members]) for name in first.shape}
    return Operator(
        name=first.operator_class, place="grid", operator_class=first.operator_class, unit=first.unit,
        group=first.group,
        shape=columns, **numbers,
    )  # fmt: skip
