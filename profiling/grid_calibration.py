"""Predictions of calibrated accelerators within a grid, with one question to each calibration per block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
CALIBRATED_CLASSES = frozenset({"gemm", "prefill_attention", "decode_attention"})
"""Operator classes that calibrations may answer for."""

_SIDES = ("likely_s", "low_s", "high_s")
_ARRAYS = (
    "launches", "flops", "weight_bytes", "activation_read_bytes", "activation_write_bytes", "kv_read_bytes",
    "kv_write_bytes", "communication_bytes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of all operators of the calibrated classes, and the part of their bound that was measured."""

    likely_s: Array
    low_s: Array
    high_s: Array
    measured_bound_s: Array


def calibrated_part(
    found: Sequence[Operator],
    row: int,
    accelerator: Accelerator,
    precisions: Sequence[Precision],
    shape: tuple[int, ...],
    calibration: Mapping[str, FittedOperator],
) -> Measured:
    """Times of the operators of the calibrated classes on one accelerator of a grid.

    Args:
        found: Operators whose values broadcast to (accelerators, precisions, batches, contexts).
        row: Place of the accelerator on the first axis.
        accelerator: The accelerator.
        precisions: Those of the second axis.
        shape: Lengths of the axes but the first.
        calibration: Its operator models by calibration class.

    Returns:
        Arrays of that shape; NaN where the accelerator has no products so narrow.
    """
    roofs = [_roof(accelerator, precision) for precision in precisions]
    roof = _stacked(roofs, accelerator)
    sums = {name: np.zeros(shape) for name in ("likely_s", "low_s", "high_s", "measured_bound_s")}
    pending: dict[str, list[_Question]] = {}
    for operator in _distinct(found, row):
        time = operator_time(operator, roof)
        bound = np.broadcast_to(time.bound_s, shape)
        names = [one.calibration_class(operator) if one else "" for one in roofs]
        open_still = np.ones(shape, dtype=bool)
        for name in set(names) & set(calibration):
            of_class = np.array([other == name for other in names])[:, None, None]
            where = np.broadcast_to(calibration[name].measured(operator) & of_class, shape)
            if where.any():
                pending.setdefault(name, []).append(_Question(operator, where, bound))
                open_still &= ~where
        sums["measured_bound_s"] += operator.count * np.where(open_still, 0.0, bound)
        for side in _SIDES:
            sums[side] += operator.count * np.where(open_still, getattr(time.prediction, side), 0.0)
    for name, questions in pending.items():
        _answer(calibration[name], questions, sums)
    return Measured(**sums)


@dataclass(frozen=True, slots=True)
class _Question:
    """Shapes of one operator for which the calibration is asked."""

    operator: Operator
    where: npt.NDArray[np.bool_]
    bound: Array


def _answer(fitted: FittedOperator, questions: Sequence[_Question], sums: Mapping[str, Array]) -> None:
    """Ask the calibration for the shapes of all questions at once, and add its answers."""
    columns: dict[str, list[Array]] = {}
    for question in questions:
        where = question.where
        for name, value in fitted.measured_shape(question.operator).items():
            columns.setdefault(name, []).append(np.broadcast_to(np.asarray(value), where.shape)[where])
    predicted = fitted.calibration.predict_s({name: np.concatenate(parts) for name, parts in columns.items()})
    ends = np.cumsum([int(question.where.sum()) for question in questions])[:-1]
    for side, seconds in zip(_SIDES, predicted, strict=True):
        for question, part in zip(questions, np.split(seconds, ends), strict=True):
            operator, where = question.operator, question.where
            calls = np.broadcast_to(np.asarray(operator.launches * operator.kernel_share), where.shape)[where]
            sums[side][where] += operator.count * np.maximum(part * calls, question.bound[where])


def _roof(accelerator: Accelerator, precision: Precision) -> Roof | None:
    try:
        return roof_of(accelerator, precision)
    except UnsupportedPrecision:
        return None


def _stacked(roofs: Sequence[Roof | None], accelerator: Accelerator) -> Roof:
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


def _distinct(found: Sequence[Operator], row: int) -> list[Operator]:
    """Operators of the calibrated classes as that accelerator sees them; equal ones become one with a count."""
    groups: dict[tuple[object, ...], Operator] = {}
    for operator in found:
        if operator.operator_class not in CALIBRATED_CLASSES:
            continue
        values = [*(getattr(operator, name) for name in _ARRAYS), *operator.shape.values(), operator.kernel_share]
        key = (operator.operator_class, *(np.asarray(value, dtype=np.float64).tobytes() for value in values))
        if key in groups:
            groups[key] = replace(groups[key], count=groups[key].count + operator.count)
        else:
            arrays: dict[str, Any] = {name: _cut(getattr(operator, name), row) for name in _ARRAYS}
            groups[key] = replace(operator, **arrays, shape={n: _cut(v, row) for n, v in operator.shape.items()})
    return list(groups.values())


def _cut(value: Values, row: int) -> Values:
    """One accelerator of an array that has them as its first of four axes."""
    array = np.asarray(value, dtype=np.float64)
    return array[min(row, array.shape[0] - 1)] if array.ndim == 4 else array
