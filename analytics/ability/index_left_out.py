"""How far the ability of a model lies from its published index where the fit has not seen that, beside its interval."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from analytics.ability.bootstrap import LEVEL, levels
from analytics.ability.design import Design
from analytics.ability.model import Fit, fit
from analytics.ability.results import Flags, Floats, Integers
from analytics.ability.scale import Scale

_FOLDS = 5
_ROUNDS = 40
"""Per fold: of the width of an interval that is one of two parts, and of hundreds of models together."""
_TOLERANCE = 1e-4
_SEED = 11


@dataclass(frozen=True)
class IndexLeftOut:
    """Published indices of n units, each predicted from a fit without it and without those of the model's other modes.

    Attributes:
        error: (n,) ability less index, in index points.
        naive_error: (n,) mean of the indices that the fit saw, less index.
        half: (n,) half of the bootstrap's interval that faces the index.
        covered: (n,) whether the index lies in the interval, with the margin that the other folds ask for.
    """

    error: Floats
    naive_error: Floats
    half: Floats
    covered: Flags

    @property
    def margin(self) -> float:
        """Half of what intervals must hold beyond their bootstrap, in quadrature, for 90 % of indices to lie inside."""
        return margin_of(self.error, self.half)


def margin_of(error: Floats, half: Floats) -> float:
    """The m with which 90 % of errors are within √(half² + m²); 0 without any error or where half is enough.

    What results of a model miss of its index is nearly the same for few and for many of them: resampling the results
    shows only how far they disagree among themselves. So intervals want a part of constant size and no factor.
    """
    return float(np.sqrt(max(np.quantile(error**2 - half**2, LEVEL), 0.0))) if len(error) else 0.0


def index_left_out(design: Design, fitted: Fit, scale: Scale, item: int, index: Floats) -> IndexLeftOut:
    """Leave out the indices of a fifth of the models at a time.

    Args:
        design: All results.
        fitted: The fit to them, with whose items each fold begins.
        scale: The way to index points.
        item: Item that is the index.
        index: (N,) figure of each result that is one, in index points; others are not looked at.
    """
    at = np.flatnonzero(design.results.item == item)
    models, model = np.unique(design.model[design.results.unit[at]], return_inverse=True)
    fold = np.random.default_rng(_SEED).permutation(len(models))[model.ravel()] % _FOLDS

    def left_out(number: int) -> tuple[Floats, Floats, Floats]:
        return _fold(design, fitted, scale, at[fold == number], index, index[at[fold != number]])

    with ThreadPoolExecutor() as threads:
        folds = list(threads.map(left_out, range(_FOLDS)))
    error, naive, half = (np.concatenate([part[place] for part in folds]) for place in range(3))
    which: Integers = np.repeat(np.arange(_FOLDS), [len(part[0]) for part in folds])
    covered = np.zeros(len(error), dtype=bool)
    for number in range(_FOLDS):
        mine = which == number
        covered[mine] = np.abs(error[mine]) <= np.hypot(half[mine], margin_of(error[~mine], half[~mine]))
    return IndexLeftOut(error, naive, half, covered)


def _fold(
    design: Design, fitted: Fit, scale: Scale, out: Integers, index: Floats, seen: Floats
) -> tuple[Floats, Floats, Floats]:
    mask = np.ones(len(design.results), dtype=bool)
    mask[out] = False
    if len(seen) == 0 or len(out) == 0:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    rest = design.where(mask)
    without = fit(rest, at=fitted.items, tolerance=_TOLERANCE)
    drawn = levels(rest, without, scale, rounds=_ROUNDS)
    scorable = out[without.information[design.results.unit[out]] > 0]
    unit, true = design.results.unit[scorable], index[scorable]
    error = drawn.ability[unit] - true
    half = np.where(error < 0, drawn.high[unit] - drawn.ability[unit], drawn.ability[unit] - drawn.low[unit])
    return error, seen.mean() - true, half
