"""How far measurements lie from predictions of fits that had not seen them, and how wide an interval holds 80 %.

The interval of a stage and engine are two quantiles of measured over predicted. Whether it holds is tested in each fold
by the quantiles of the other folds: errors of one device or model are alike, so that quantiles of few devices are too
narrow for the next. A stage's tails are made thinner until the share inside, so tested, is what the interval says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiling.accuracy.cases import Case
from profiling.engines.time import Residuals

Array = npt.NDArray[np.float64]
_FEWEST_ROWS, _DRAWN_ROWS = 12, 40
"""Rows of an engine from which on it has an interval of its own, and how strongly it is drawn to that of all."""
_INSIDE = 0.79
_TAILS = (0.1, 0.085, 0.07, 0.055, 0.04, 0.03)
"""Shares of rows beyond each end of an interval, the first that holds enough; the last where none does."""


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Ratios of measured over predicted with what they are grouped by."""

    cases: Sequence[Case]
    ratios: Array
    weights: Array
    stages: npt.NDArray[np.str_]
    engines: npt.NDArray[np.str_]

    @classmethod
    def of(cls, cases: Sequence[Case], ratios: Array) -> _Labelled:
        """Each row weighs one over the root of the number of rows of the same engine, device and stage."""
        keys = [(case.engine.name, case.device.name, case.stage) for case in cases]
        counts = Counter(keys)
        return cls(
            cases, ratios, np.array([counts[key] ** -0.5 for key in keys]),
            np.array([case.stage for case in cases]), np.array([case.engine.name for case in cases]),
        )  # fmt: skip


def residual_table(
    cases: Sequence[Case], ratios: Array, scope: str, folds: npt.NDArray[np.int64]
) -> dict[str, Residuals]:  # fmt: skip
    """Residuals by `stage|scope|engine`, and by `stage|scope|` for all engines.

    Args:
        cases: What was measured.
        ratios: Measured over predicted by a fit without the case's fold.
        scope: What was left out: `device` or `class`.
        folds: The fold of each case.
    """
    rows = _Labelled.of(cases, ratios)
    tested = [_inside(rows, folds, tail) for tail in _TAILS]
    found: dict[str, Residuals] = {}
    for stage in np.unique(rows.stages):
        of_stage = rows.stages == stage
        shares = [_share(inside[of_stage]) for inside in tested]
        chosen = next((place for place, share in enumerate(shares) if share is not None and share >= _INSIDE), -1)
        chosen = 0 if shares[0] is None else chosen
        intervals = _intervals(rows, stage, _TAILS[chosen])
        for engine, (low, high) in intervals.items():
            where = of_stage & (rows.engines == engine) if engine else of_stage
            some = [case for case, one in zip(cases, where, strict=True) if one]
            share = _share(tested[chosen][where])
            found[f"{stage}|{scope}|{engine}"] = Residuals(
                rows=len(some), devices=len({case.device.name for case in some}),
                models=len({case.model.name for case in some}),
                mdape_pct=float(np.median(np.abs(1 / ratios[where] - 1)) * 100), low=low, high=high,
                inside_pct=None if share is None else 100 * share,
            )  # fmt: skip
    return found


def _share(inside: Array) -> float | None:
    known = inside[np.isfinite(inside)]
    return float(known.mean()) if len(known) else None


def _inside(rows: _Labelled, folds: npt.NDArray[np.int64], tail: float) -> Array:
    """1 where a row lies in the interval of the other folds, 0 where not, NaN where these have none."""
    inside = np.full(len(rows.ratios), np.nan)
    for fold in np.unique(folds):
        others = np.flatnonzero(folds != fold)
        known = _Labelled.of([rows.cases[int(index)] for index in others], rows.ratios[others])
        own = folds == fold
        for stage in np.unique(rows.stages[own]):
            intervals = _intervals(known, stage, tail)
            for index in np.flatnonzero(own & (rows.stages == stage)):
                ends = intervals.get(rows.engines[index]) or intervals.get("")
                if ends is not None:
                    inside[index] = ends[0] <= rows.ratios[index] <= ends[1]
    return inside


def _intervals(rows: _Labelled, stage: str, tail: float) -> Mapping[str, tuple[float, float]]:
    """Ends by engine, drawn to those of all engines, which stand under the empty name."""
    of_stage = rows.stages == stage
    if not of_stage.any():
        return {}
    everywhere = _quantiles(rows, of_stage, tail)
    found = {"": everywhere}
    for engine in np.unique(rows.engines[of_stage]):
        where = of_stage & (rows.engines == engine)
        number = int(where.sum())
        if number >= _FEWEST_ROWS:
            share = number / (number + _DRAWN_ROWS)
            own = _quantiles(rows, where, tail)
            low, high = (a**share * b ** (1 - share) for a, b in zip(own, everywhere, strict=True))
            found[str(engine)] = (low, high)
    return found


def _quantiles(rows: _Labelled, where: npt.NDArray[np.bool_], tail: float) -> tuple[float, float]:
    values, weights = rows.ratios[where], rows.weights[where]
    order = np.argsort(values)
    places = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    low, high = (float(np.exp(np.interp(at, places, np.log(values[order])))) for at in (tail, 1 - tail))
    return low, high
