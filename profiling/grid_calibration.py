"""Predictions of calibrated accelerators within a grid: operators of many models stacked, one question per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from profiling.accelerators import Accelerator
from profiling.errors import UnsupportedPrecision
from profiling.operators import Operator
from profiling.predictors import FittedOperator
from profiling.roofline import Roof, operator_time, roof_of
from profiling.workload import Precision, Values

Array = npt.NDArray[np.float64]
CALIBRATED_CLASSES = ("gemm", "prefill_attention", "decode_attention")
"""Operator classes that calibrations may answer for."""

_NUMBERS = (
    "launches", "kernel_share", "flops", "weight_bytes", "activation_read_bytes", "activation_write_bytes",
    "kv_read_bytes", "kv_write_bytes",
)  # fmt: skip
_SIDES = ("likely_s", "low_s", "high_s")


@dataclass(frozen=True, slots=True)
class CalibratedPart:
    """Seconds of all operators of the calibrated classes, and the part of their bound that was measured.

    Arrays of (blocks, precisions, batches, contexts).
    """

    likely_s: Array
    low_s: Array
    high_s: Array
    measured_bound_s: Array


def calibrated_part(
    blocks: Sequence[Sequence[Operator]],
    row: int,
    accelerator: Accelerator,
    precisions: Sequence[Precision],
    shape: tuple[int, ...],
    calibration: Mapping[str, FittedOperator],
) -> CalibratedPart:
    """Times of the operators of the calibrated classes on one accelerator of a grid.

    Args:
        blocks: Operators of each block; their values broadcast to (accelerators, precisions, batches, contexts).
        row: Place of the accelerator on the first axis.
        accelerator: The accelerator.
        precisions: Those of the second axis.
        shape: Lengths of the axes but the first.
        calibration: Its operator models by calibration class.

    Returns:
        NaN where the accelerator has no products so narrow.
    """
    roofs = [_roof(accelerator, precision) for precision in precisions]
    roof = _stacked_roof(roofs, accelerator)
    sums = {name: np.zeros((len(blocks), *shape)) for name in (*_SIDES, "measured_bound_s")}
    for operator_class in CALIBRATED_CLASSES:
        members = [
            (block, op) for block, found in enumerate(blocks) for op in found if op.operator_class == operator_class
        ]
        if not members:
            continue
        stacked = _stacked([operator for _, operator in members], row, shape)
        owners = np.array([block for block, _ in members])
        counts = np.array([operator.count for _, operator in members], dtype=np.float64)[:, None, None, None]
        time = operator_time(stacked, roof)
        sides = {name: getattr(time.prediction, name) for name in _SIDES}
        measured_anywhere = np.zeros(np.shape(time.bound_s), dtype=bool)
        names = [one.calibration_class(stacked) if one else "" for one in roofs]
        for name in set(names) & set(calibration):
            of_class = np.array([other == name for other in names])[:, None, None]
            fitted = calibration[name](stacked, time.compute_s, time.memory_s, time.prediction)
            sides = {side: np.where(of_class, getattr(fitted, side), sides[side]) for side in _SIDES}
            measured_anywhere |= calibration[name].measured(stacked) & of_class
        for side, values in sides.items():
            np.add.at(sums[side], owners, counts * values)
        np.add.at(sums["measured_bound_s"], owners, counts * np.where(measured_anywhere, time.bound_s, 0.0))
    return CalibratedPart(**sums)


def _roof(accelerator: Accelerator, precision: Precision) -> Roof | None:
    try:
        return roof_of(accelerator, precision)
    except UnsupportedPrecision:
        return None


def _stacked_roof(roofs: Sequence[Roof | None], accelerator: Accelerator) -> Roof:
    """One roof whose peaks are arrays over precisions."""

    def peaks(name: str) -> Array:
        return np.array([getattr(roof, name) if roof else np.nan for roof in roofs], dtype=np.float64)[:, None, None]

    return Roof(
        product_peak=peaks("product_peak"),
        attention_peak=peaks("attention_peak"),
        vector_peak=accelerator.vector_peak,
        bandwidth=accelerator.bandwidth_bytes_per_s,
        link=accelerator.link_bytes_per_s or np.nan,
        cache_bytes=accelerator.last_level_cache_bytes or 0.0,
        achievable_matmul_fraction=accelerator.achievable_matmul_fraction,
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
        shape=columns, **numbers,
    )  # fmt: skip
