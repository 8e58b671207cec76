"""Items fitted again in many rounds of a bootstrap at once, by alternation from a fit that is near."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from analytics.ability.calibration import Calibration
from analytics.ability.levels import Observed, fit_levels
from analytics.ability.model import PRIORS
from analytics.ability.results import Floats, Results, summed

_LONGEST_STEP = 1.0


@dataclass(frozen=True)
class Items:
    """(R, K) difficulties and log slopes of R rounds."""

    difficulty: Floats
    log_slope: Floats


def recalibrated(results: Results, at: Calibration, weight: Floats, sweeps: int) -> Items:
    """Fit items and abilities to reweighted results, R rounds at once.

    Given abilities, items do not touch one another, and the other way round; so each sweep is one Gauss–Newton step
    of all items (two unknowns each, in closed form) and one of all abilities. The vendors' effect stays.

    Args:
        results: What the fit was made of.
        at: The fit to begin at.
        weight: (R, N) weights.
        sweeps: Alternations.
    """
    rounds, k = len(weight), results.items
    item, linear = results.item, results.linear[results.item]
    vendor = at.vendor * (results.by_vendor & ~linear)
    difficulty, log_slope = np.tile(at.difficulty, (rounds, 1)), np.tile(at.log_slope, (rounds, 1))
    ability = np.tile(at.ability, (rounds, 1))
    value = np.broadcast_to(results.value, weight.shape)
    flat = (np.arange(rounds)[:, None] * k + item).ravel()

    def over_items(values: Floats) -> Floats:
        return summed(flat, values.ravel(), rounds * k).reshape(rounds, k)

    for _ in range(sweeps):
        slope = np.exp(log_slope)[:, item]
        ability, _ = fit_levels(
            results.unit,
            results.units,
            Observed(value, weight, slope, linear),
            vendor - slope * difficulty[:, item],
            np.zeros(1),
            np.array([PRIORS.ability]),
            at=ability,
            iterations=1,
        )
        distance = ability[:, results.unit] - difficulty[:, item]
        eta = slope * distance + vendor
        share = expit(eta)
        steep = np.where(linear, 1.0, share * (1 - share)) * slope
        left = weight * (np.where(linear, eta, share) - value)
        by_slope = steep * distance
        dd = over_items(weight * steep**2) + PRIORS.difficulty
        ds = -over_items(weight * steep * by_slope)
        ss = over_items(weight * by_slope**2) + PRIORS.slope
        gd = -over_items(left * steep) + PRIORS.difficulty * difficulty
        gs = over_items(left * by_slope) + PRIORS.slope * (log_slope - (PRIORS.slope_centre or 0.0))
        determinant = np.maximum(dd * ss - ds**2, 1e-12)
        difficulty = difficulty - np.clip((ss * gd - ds * gs) / determinant, -_LONGEST_STEP, _LONGEST_STEP)
        log_slope = log_slope - np.clip((dd * gs - ds * gd) / determinant, -_LONGEST_STEP, _LONGEST_STEP)
    return Items(difficulty, log_slope)
