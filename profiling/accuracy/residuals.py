"""How far measurements lie from predictions of fits that had not seen them, and how wide an interval holds 80 %.

An interval is the centre of the logarithms of measured over predicted and so many spreads to either side. The centre is
that of all engines at a stage. The spread about it is an engine's own (with models left out, that of an engine on a
class of devices), drawn to that of wider groups the fewer devices (or models) tell of it: to the engine's on any number
of devices or to that of all engines at the stage, whichever is wider, and these to that of all engines on any number
(scaled inverse chi-squared prior from the group above; Gelman et al., Bayesian Data Analysis, 2.6). An engine has no
centre of its own: what its devices have in common is in the fit, and what is left of it where each is left out in turn
is chance. Of few devices it even points away from the one that is tested, since the others were predicted from it: what
members of a group lie from the mean of the others sums to 0. How many spreads hold 80 % is split conformal prediction
with normalised residuals (Papadopoulos et al. 2008; Lei et al. 2018), by group (Vovk 2012) as far as it has rows:
quantiles of the residuals of each fold, in spreads about the centre that the other folds give, at the share (1 + 1 / n)
× 80 % of the n that tell. Of a group's own residuals both signs count, for the same reason: its devices tell how far,
those of the stage to which side. Whether an interval holds is tested in each fold by all of this made without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiling.accuracy.cases import Case
from profiling.engines.fit import BEYOND
from profiling.engines.table import device_class
from profiling.engines.time import Residuals

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Where = npt.NDArray[np.bool_]
_FEWEST_ROWS = 12
"""Rows from which on a group is named in the table."""
_TAIL = 0.1
"""Share of rows beyond each end of an interval."""
_PRIOR = 3.0
"""Devices (or models) that the wider group counts as beside a group's own."""
_ALIKE, _ALIKE_IN_SPREAD = 0.02, 0.1
"""Correlation of rows of one device in spreads about the centre of the others, and about that centre itself: n of them
tell as much as n / (1 + (n − 1) × this) apart ones (Kish's design effect)."""
_OF_STAGE, _OF_ALL = 30.0, 10.0
"""Weight of all rows of a stage, and of all that is timed, in such rows, beside what a group says of how many spreads
hold 80 %: the shape of errors is that of a stage."""
Level = tuple[Whole, tuple[int, ...]]
"""Groups as a number for each row, and the places of the levels that hold them among those before."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Logarithms of measured over predicted, with the unit that was left out, its fold and the groups of each row."""

    residuals: Array
    units: Whole
    folds: Whole
    stages: Whole
    levels: tuple[Level, ...]
    """Groups from the widest to the narrowest."""


def residual_table(
    cases: Sequence[Case], held_out: Sequence[tuple[Array, Whole]], scope: str
) -> dict[str, Residuals]:  # fmt: skip
    """Residuals by `stage|scope|` for all engines, by `stage|scope|engine`, and by `stage|device|engine|class`.

    Devices are too few to tell of those of their class beside what the engine's others do; models on them are not.

    Args:
        cases: What was measured.
        held_out: Of each draw of folds, measured over predicted by a fit without the case's fold, and that fold. Ends
            of intervals and the share of rows inside are means over draws.
        scope: What was left out: `device` (models, on measured devices) or `class` (devices).
    """
    stages, engines = [case.stage for case in cases], [case.engine.name for case in cases]
    classes = [device_class(case.device) for case in cases]
    kinds = [stage.split(" on ")[0].split(" at ")[0] for stage in stages]
    units = _numbered([case.model.name if scope == "device" else case.device.name for case in cases])
    kind, stage, engine = _numbered(kinds), _numbered(stages), _numbered(stages, engines)
    narrowest = _numbered(stages, engines, classes)
    of_all: tuple[Level, ...] = ((kind, ()), (stage, (0,)))
    nested = {"": of_all, "engine": (*of_all, (_numbered(kinds, engines), (0,)), (engine, (1, 2)))}
    if scope == "device":
        nested["class"] = (*nested["engine"], (narrowest, (3,)))
    groups = {
        name: [_Rows(np.log(ratios), units, folds, stage, levels) for ratios, folds in held_out]
        for name, levels in nested.items()
    }
    inside = np.mean([_inside(rows) for rows in list(groups.values())[-1]], axis=0)
    off = np.log([ratios for ratios, _ in held_out])
    table: dict[str, Residuals] = {}
    for level, draws in groups.items():
        low, high = np.mean([_ends(rows, np.full(len(cases), fill_value=True)) for rows in draws], axis=0)
        groups_of_level = draws[0].levels[-1][0]
        for group in np.unique(groups_of_level):
            where = groups_of_level == group
            members = np.flatnonzero(where)
            if level and len(members) < _FEWEST_ROWS:
                continue
            first, tested = int(members[0]), where & np.isfinite(inside)
            some = [cases[int(index)] for index in members]
            names = {"": "", "engine": engines[first], "class": f"{engines[first]}|{classes[first]}"}
            table[f"{stages[first]}|{scope}|{names[level]}"] = Residuals(
                rows=len(some), devices=len({case.device.name for case in some}),
                models=len({case.model.name for case in some}),
                mdape_pct=float(np.median(np.abs(np.expm1(-off[:, where]))) * 100),
                low=float(np.exp(low[first])), high=float(np.exp(high[first])),
                inside_pct=float(100 * inside[tested].mean()) if tested.any() else None,
                by_unit_pct=_mean_by_unit(100 * inside[tested], units[tested]) if tested.any() else None,
                shipped_pct=float(100 * ((low[first] <= off[:, where]) & (off[:, where] <= high[first])).mean()),
            )  # fmt: skip
    return dict(sorted(table.items()))


def _mean_by_unit(values: Array, units: Whole) -> float:
    """Mean of the means of the units."""
    return float(np.mean([values[units == unit].mean() for unit in np.unique(units)]))


def _numbered(*names: Sequence[str]) -> Whole:
    """A number for each different combination of names, of every row."""
    return np.asarray(np.unique(["|".join(each) for each in zip(*names, strict=True)], return_inverse=True)[1])


def _inside(rows: _Rows) -> Array:
    """1 where a row lies in the interval of the other folds, 0 where not, NaN where these have none."""
    inside = np.full(len(rows.residuals), np.nan)
    for fold in np.unique(rows.folds):
        own = rows.folds == fold
        low, high = _ends(rows, ~own)
        is_interval = own & np.isfinite(low)
        inside[is_interval] = ((low <= rows.residuals) & (rows.residuals <= high))[is_interval]
    return inside


def _ends(rows: _Rows, use: Where) -> tuple[Array, Array]:
    """Ends of the interval of every row's narrowest group, by the rows in use."""
    spreads = np.full(len(rows.residuals), np.nan)
    for fold in np.unique(rows.folds[use]):
        out = use & (rows.folds == fold)
        centre, spread = _centres(rows, use & ~out)
        spreads[out] = ((rows.residuals - centre) / spread)[out]
    centre, spread = _centres(rows, use)
    low, high = np.full(len(spreads), np.nan), np.full(len(spreads), np.nan)
    is_finite = np.isfinite(spreads)
    if is_finite.any():
        everywhere = _weights(rows.units[is_finite], _ALIKE)
        narrowest, _ = rows.levels[-1]
        for group in np.unique(narrowest):
            where = narrowest == group
            own, of_stage = is_finite & where, is_finite & (rows.stages == rows.stages[where][0])
            wider = _weights(rows.units[of_stage], _ALIKE)
            of_own = _weights(rows.units[own], _ALIKE) / 2
            values = np.concatenate([spreads[own], -spreads[own], spreads[of_stage], spreads[is_finite]])
            weights = np.concatenate([
                of_own, of_own, wider * _OF_STAGE / wider.sum(), everywhere * _OF_ALL / everywhere.sum(),
            ])  # fmt: skip
            tail = _TAIL - (0.5 - _TAIL) / weights.sum()
            low[where], high[where] = (_quantile(values, weights, share) for share in (tail, 1 - tail))
    return centre + low * spread, centre + high * spread


def _centres(rows: _Rows, use: Where) -> tuple[Array, Array]:
    """Centre of all engines at a stage, and the spread about it of every row's narrowest group.

    The spread is drawn to that of the group above, the wider one of two, and larger the fewer devices (or models) tell
    of it: by a share of the variance of one over their number, the prior's included; where there is none at all, by
    half. A group most of whose rows are of one device has few that tell of it, however many others have a row or two
    (Kish's effective number). What the fit takes to be of something else tells of neither, and so lies outside.
    """
    use = use & (np.abs(rows.residuals) <= BEYOND)
    centre = np.full(len(use), np.nan)
    for stage in np.unique(rows.stages[use]):
        of_stage = rows.stages == stage
        weights = _weights(rows.units[of_stage & use], 1.0)
        centre[of_stage] = weights @ rows.residuals[of_stage & use] / weights.sum()
    variances: list[Array] = []
    for level, above in rows.levels:
        units = np.zeros(len(use))
        wider = np.max([variances[place] for place in above], axis=0) if above else np.full(len(use), np.nan)
        variance = wider.copy()
        for group in np.unique(level[use]):
            where = level == group
            own = where & use
            weights = _weights(rows.units[own], _ALIKE_IN_SPREAD)
            of_each = np.bincount(np.unique(rows.units[own], return_inverse=True)[1], weights)
            number = float(of_each.sum() ** 2 / np.square(of_each).sum())
            square = weights @ (rows.residuals[own] - centre[own]) ** 2 / weights.sum()
            if above:
                square = (_PRIOR * wider[own][0] + number * square) / (number + _PRIOR)
            variance[where], units[where] = max(float(square), 1e-4), number
        variances.append(variance)
    return centre, np.sqrt(variance * (1 + 1 / (units + _PRIOR)))


def _weights(units: Whole, alike: float) -> Array:
    """Weight of each row where those of one unit are correlated so: of 1, each unit counts one however many rows."""
    _, place, count = np.unique(units, return_inverse=True, return_counts=True)
    return np.asarray(1 / (1 + (count[place] - 1) * alike))


def _quantile(values: Array, weights: Array, share: float) -> float:
    order = np.argsort(values)
    places = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
    return float(np.interp(share, places, values[order]))
