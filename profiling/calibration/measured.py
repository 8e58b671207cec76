"""Predictions corrected by what was measured on the same device: other models' points correct a model's.

A prediction from ceilings is off by what no table holds (python between kernels, caches that layers share). The median
of measured over predicted on points of *other* models is the correction; its scatter is the interval. A model's own
points never enter its prediction, so every error is one on a model that was not used.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from profiling.errors import ProfilingError
from profiling.measure.prediction import Ceilings, predict

FEWEST_POINTS = 3
# Student's t at 90 %, by degrees of freedom (two-sided 80 %); beyond thirty the normal value.
_T90 = (
    3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356, 1.350, 1.345, 1.341,
    1.337, 1.333, 1.330, 1.328, 1.325, 1.323, 1.321, 1.319, 1.318, 1.316, 1.315, 1.314, 1.313, 1.311, 1.310,
)  # fmt: skip

# Nothing that was measured or predicted is shorter or longer; ratios of what is would overflow.
_SHORTEST_S, _LONGEST_S = 1e-12, 1e9


@dataclass(frozen=True)
class Measured:
    """A point with its measured and its uncorrected predicted time, on one clock."""

    point_id: str
    model: str
    stage: str
    group: tuple[Any, ...]
    """What must agree for one point to correct another: environment, precision, execution, …"""
    clock: str
    measured_s: float
    uncorrected_s: float
    bound_s: float
    disturbed: bool


def comparable(
    point: Mapping[str, Any], config: Mapping[str, Any], ceilings: Sequence[Mapping[str, Any]], environment_id: str
) -> Measured | None:
    """The point with its uncorrected prediction; None where it did not end well or cannot be predicted.

    One thread of a processor is compared on the processor's clock, which others who share the core delay least;
    everything else on the wall's.
    """
    if point.get("status") != "ok" or point.get("stage") not in {"prefill", "decode", "encode"}:
        return None
    by_processor = bool(point.get("processor_s")) and point.get("threads") == 1
    column, measured = ("processor_s", point.get("processor_s")) if by_processor else ("time_s", point.get("latency_s"))
    if not measured:
        return None
    try:
        prediction = predict(point, config, Ceilings(tuple(ceilings), str(point["precision"]), column))
    except ProfilingError:
        return None
    if not all(_SHORTEST_S < float(seconds) < _LONGEST_S for seconds in (measured, prediction["uncorrected_s"])):
        return None
    group = (environment_id, point["precision"], point["execution"], point["threads"], point["backend"])
    flags = point.get("flags") or []
    return Measured(
        point_id=str(point["point_id"]),
        model=str(point["model"]),
        stage=str(point["stage"]),
        group=group,
        clock="processor" if by_processor else "wall",
        measured_s=float(measured),
        uncorrected_s=prediction["uncorrected_s"],
        bound_s=prediction["bound_s"],
        disturbed=bool({"contended", "throttled"} & set(flags)),
    )


def corrected(points: Sequence[Measured]) -> list[dict[str, Any]]:
    """For each point, in order: predicted time with its 80 % interval, what it rests on, and its error in percent."""
    return [_corrected(point, points) for point in points]


def _corrected(point: Measured, points: Sequence[Measured]) -> dict[str, Any]:
    others = [other for other in points if other.group == point.group and other.model != point.model]
    # A pass of an encoder is the same work as a prefill; decoding is not.
    kinds = {"decode"} if point.stage == "decode" else {"prefill", "encode"}
    alike = [other for other in others if other.stage in kinds]
    quiet = [other for other in alike if not other.disturbed]
    used = quiet if len(quiet) >= FEWEST_POINTS else alike
    ratios = [math.log(other.measured_s / other.uncorrected_s) for other in used]
    row: dict[str, Any] = {
        "compared_clock": point.clock, "compared_s": point.measured_s, "bound_s": point.bound_s,
        "predicted_s": point.uncorrected_s, "predicted_low_s": None, "predicted_high_s": None,
        "prediction_basis": "ceilings",
    }  # fmt: skip
    if len(ratios) >= FEWEST_POINTS:
        centre = statistics.median(ratios)
        degrees = len(ratios) - 1
        spread = math.sqrt(sum((ratio - centre) ** 2 for ratio in ratios) / degrees)
        quantile = _T90[degrees - 1] if degrees <= len(_T90) else 1.282
        reach = quantile * spread * math.sqrt(1 + 1 / len(ratios))
        predicted = point.uncorrected_s * math.exp(centre)
        row |= {
            "predicted_s": predicted, "predicted_low_s": predicted * math.exp(-reach),
            "predicted_high_s": predicted * math.exp(reach), "prediction_basis": "ceilings and other models",
        }  # fmt: skip
    return row | {"error_pct": 100 * (row["predicted_s"] / point.measured_s - 1)}
