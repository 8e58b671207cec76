"""Predictions of calibrated accelerators within a grid: operators of many models stacked, one question per class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import Accelerator
from profiling.engines.parts import engine_seconds
from profiling.engines.table import Engine, opening_rate
from profiling.roofline.operator import TIMED
from profiling.roofline.operator_time import OperatorModel, operator_time
from profiling.roofline.operators import Operator
from profiling.roofline.roof import Roof, stacked_roof
from profiling.roofline.workload import Values

Array = npt.NDArray[np.float64]
CALIBRATED_CLASSES = ("gemm", "expert_gemm", "prefill_attention", "decode_attention", "exchange")
"""Operator classes that calibrations may answer for."""


@dataclass(frozen=True, slots=True)
class CalibratedPart:
    """What calibrations change in the likely seconds of passes, and the part of their bound that was measured.

    Arrays of (blocks, precisions, batches, contexts).
    """

    change_s: Array
    measured_bound_s: Array


@dataclass(frozen=True, slots=True)
class Cut:
    """One block of a grid, as the engine cuts its passes.

    Attributes:
        operators: Their values broadcast to (accelerators, precisions, batches, contexts).
        factors: What each part is multiplied by, (precisions, 1, 1, parts).
        link: Bytes per second and latency in seconds of the link between its devices.
    """

    operators: Sequence[Operator]
    factors: Array
    link: tuple[float, float]


def calibrated_part(
    blocks: Sequence[Cut],
    row: int,
    accelerator: Accelerator,
    roofs: Sequence[Roof | None],
    shape: tuple[int, ...],
    calibration: Mapping[str, OperatorModel],
    engine: Engine,
) -> CalibratedPart:
    """What the measurements of one accelerator of a grid change in its times by the defaults.

    Args:
        blocks: Models and workloads that are asked together.
        row: Place of the accelerator on the first axis.
        accelerator: The accelerator.
        roofs: Its roofs at the precisions of the second axis; None: it has no products so narrow.
        shape: Lengths of the axes but the first.
        calibration: Its operator models by calibration class.
        engine: The engine, whose kernels of experts may have been measured.

    Returns:
        Seconds by the engine's factors; NaN where the accelerator has no products so narrow.
    """
    opened_per_s = opening_rate(engine, accelerator)
    roof = stacked_roof([accelerator], [roofs])
    change, measured_bound = np.zeros((len(blocks), *shape)), np.zeros((len(blocks), *shape))
    by_block = np.array([block.factors for block in blocks])
    links = np.array([block.link for block in blocks])[:, :, None, None, None]
    # Groups of weights whose products run in another format, or at another rate, are asked for on their own.
    own_groups = {
        group
        for roof in roofs if roof
        for group, peak in roof.product_peaks.items()
        if group in roof.group_formats or peak != roof.product_peaks["feed_forward"]
    }  # fmt: skip
    kinds: dict[tuple[str, str], list[tuple[int, Operator]]] = {}
    for block, cut in enumerate(blocks):
        for op in cut.operators:
            if op.operator_class in CALIBRATED_CLASSES:
                own = op.group if op.unit == "product" and op.group in own_groups else ""
                kinds.setdefault((op.operator_class, own), []).append((block, op))
    for members in kinds.values():
        names = [roof.calibration_class(members[0][1]) if roof else "" for roof in roofs]
        answering = set(names) & set(calibration)
        if not answering:
            continue
        stacked = _stacked([operator for _, operator in members], row, shape)
        owners = np.array([block for block, _ in members])
        counts = np.array([operator.count for _, operator in members], dtype=np.float64)[:, None, None, None]
        default = operator_time(stacked, replace(roof, link=links[owners, 0], link_latency_s=links[owners, 1]))
        fitted = default.prediction
        measured = np.zeros(np.shape(default.bound_s), dtype=bool)
        for name in answering:
            of_class = np.array([other == name for other in names])[:, None, None]
            moving_s = default.link_s if stacked.communicates else default.memory_s
            answered = calibration[name](stacked, default.compute_s, moving_s, default.prediction)
            fitted = replace(fitted, likely_s=np.where(of_class, answered.likely_s, fitted.likely_s))
            measured |= calibration[name].measured(stacked) & of_class
        time = replace(default, fitted=fitted, calibrated=measured)
        seconds, default_s = (engine_seconds(each, opened_per_s, by_block[owners]) for each in (time, default))
        np.add.at(change, owners, counts * (seconds - default_s))
        np.add.at(measured_bound, owners, counts * np.where(measured, time.bound_s, 0.0))
    return CalibratedPart(change, measured_bound)


def _stacked(members: Sequence[Operator], row: int, shape: tuple[int, ...]) -> Operator:
    """Operators of one class as one, whose values are arrays of (operators, precisions, batches, contexts)."""

    def stack(values: Sequence[Values]) -> Array:
        if all(isinstance(value, float) for value in values):
            return np.broadcast_to(np.array(values, np.float64)[:, None, None, None], (len(values), *shape))
        result = np.empty((len(values), *shape))
        for index, value in enumerate(values):
            array = np.asarray(value)
            # The first of four axes holds the accelerators.
            result[index] = array[min(row, len(array) - 1)] if array.ndim == 4 else array
        return result

    first = members[0]
    numbers: dict[str, Any] = {name: stack([getattr(op, name) for op in members]) for name in TIMED}
    columns = {name: stack([op.shape[name] for op in members]) for name in first.shape}
    return Operator(
        name=first.operator_class, place="grid", operator_class=first.operator_class, unit=first.unit,
        group=first.group,
        shape=columns, **numbers,
    )  # fmt: skip
