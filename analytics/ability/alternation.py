"""Items fitted again in many rounds of a bootstrap at once, by alternation from a fit that is near."""

from dataclasses import dataclass

import numpy as np

from analytics.ability.calibration import Calibration
from analytics.ability.grouping import Groups, respond_in_place, scratch
from analytics.ability.model import PRIORS
from analytics.ability.results import Floats, Results

_LONGEST_STEP = 1.0
_LONGEST_OF_UNIT = 0.5
"""Abilities move little from the fit to all results; a value near 0 or 1 hardly bends the curve, and its step would
overshoot."""


@dataclass(frozen=True)
class Items:
    """(K, R) difficulties and log slopes of R rounds."""

    difficulty: Floats
    log_slope: Floats


def recalibrated(results: Results, at: Calibration, weight: Floats, sweeps: int) -> Items:
    """Fit items and abilities to reweighted results, R rounds at once.

    Given abilities, items do not touch one another, and the other way round; so each sweep is one Gauss–Newton step
    of all items (two unknowns each, in closed form) and one of all abilities. The vendors' effect stays.

    Args:
        results: What the fit was made of.
        at: The fit to begin at.
        weight: (N, R) weights; their precision is that of the fit.
        sweeps: Alternations.
    """
    rounds, dtype = weight.shape[1], weight.dtype
    units, items = Groups(results.unit, results.units), Groups(results.item, results.items)
    is_linear = results.linear[results.item]
    linear = np.flatnonzero(is_linear)
    vendor, value = (
        numbers[:, None].astype(dtype) for numbers in (at.vendor * (results.by_vendor & ~is_linear), results.value)
    )  # fmt: skip
    difficulty, log_slope, ability = (
        np.repeat(numbers[:, None].astype(dtype), rounds, axis=1)
        for numbers in (at.difficulty, at.log_slope, at.ability)
    )
    centre = PRIORS.slope_centre or 0.0
    slope, hard, left, steep, pull = scratch(weight.shape, dtype, 5)

    def respond() -> None:
        """Leave residuals in `left`, the derivative in the predictor in `steep`, and both weighted."""
        units.spread(ability, left)
        np.subtract(left, hard, out=left)
        np.multiply(left, slope, out=left)
        np.add(left, vendor, out=left)
        respond_in_place(left, linear, steep)
        np.subtract(left, value, out=left)
        np.multiply(steep, slope, out=steep)
        np.multiply(steep, weight, out=pull)
        np.multiply(left, pull, out=left)
        np.multiply(pull, steep, out=pull)

    for _ in range(sweeps):
        items.spread(np.exp(log_slope), slope)
        items.spread(difficulty, hard)
        respond()
        step = (units.sums(left) + PRIORS.ability * ability) / (units.sums(pull) + PRIORS.ability)
        ability -= np.clip(step, -_LONGEST_OF_UNIT, _LONGEST_OF_UNIT)
        respond()
        gd = -items.sums(left) + PRIORS.difficulty * difficulty
        dd = items.sums(pull) + PRIORS.difficulty
        distance = steep
        units.spread(ability, distance)
        # The derivative in the log slope is that in the ability times θ − δ.
        np.subtract(distance, hard, out=distance)
        np.multiply(left, distance, out=left)
        np.multiply(pull, distance, out=pull)
        gs = items.sums(left) + PRIORS.slope * (log_slope - centre)
        ds = -items.sums(pull)
        np.multiply(pull, distance, out=pull)
        ss = items.sums(pull) + PRIORS.slope
        determinant = np.maximum(dd * ss - ds**2, 1e-12)
        difficulty -= np.clip((ss * gd - ds * gs) / determinant, -_LONGEST_STEP, _LONGEST_STEP)
        log_slope -= np.clip((dd * gs - ds * gd) / determinant, -_LONGEST_STEP, _LONGEST_STEP)
    return Items(difficulty, log_slope)
