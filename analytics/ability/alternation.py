"""Items fitted again in many rounds of a bootstrap at once, by alternation from a fit that is near."""

from dataclasses import dataclass

import numpy as np

from analytics.ability.calibration import Calibration
from analytics.ability.grouping import Groups, respond_in_place, scratch, tiles
from analytics.ability.model import PRIORS
from analytics.ability.results import Floats, Integers, Results

_LONGEST_STEP = 1.0
_LONGEST_OF_UNIT = 0.5
"""Abilities move little from the fit to all results; a value near 0 or 1 hardly bends the curve, and its step would
overshoot."""
_MOMENTUM = 0.5
"""Share of a sweep's step that is taken once more: what all items share moves slowly by alternation alone."""


@dataclass(frozen=True)
class Items:
    """(K, R) difficulties and log slopes of R rounds."""

    difficulty: Floats
    log_slope: Floats


@dataclass(frozen=True)
class _Tile:
    """Some units with all their results: where these lie, and what they are."""

    rows: slice
    units: slice
    of_units: Groups
    of_items: Groups
    linear: Integers


class Alternation:
    """Results of a fit, prepared to be fitted again by other weights."""

    def __init__(self, results: Results, at: Calibration) -> None:
        """Prepare.

        Args:
            results: What the fit was made of, sorted by unit.
            at: The fit, at which every round begins.
        """
        self._at, self._results = at, results
        is_linear = results.linear[results.item]
        self._vendor = at.vendor * (results.by_vendor & ~is_linear)
        self._tiles = [
            _Tile(
                rows,
                units,
                Groups(results.unit[rows] - units.start, units.stop - units.start),
                Groups(results.item[rows], results.items),
                np.flatnonzero(is_linear[rows]),
            )
            for units, rows in tiles(results.unit, results.units)
        ]

    def recalibrated(self, weight: Floats, sweeps: int) -> Items:
        """Fit items and abilities to reweighted results, R rounds at once.

        Given abilities, items do not touch one another, and the other way round. So each sweep is one Gauss–Newton
        step of all abilities, and one of all items (two unknowns each, in closed form) on the curve's tangent there.
        The vendors' effect stays.

        Args:
            weight: (N, R) weights; their precision is that of the fit.
            sweeps: Alternations.
        """
        rounds, dtype = weight.shape[1], weight.dtype
        now = [
            np.repeat(numbers[:, None].astype(dtype), rounds, axis=1)
            for numbers in (self._at.ability, self._at.difficulty, self._at.log_slope)
        ]
        before = now
        longest = max(tile.rows.stop - tile.rows.start for tile in self._tiles)
        space = scratch((longest, rounds), dtype, 5)
        for sweep in range(sweeps):
            then = self._swept(now, weight, space)
            momentum = _MOMENTUM if 0 < sweep < sweeps - 1 else 0.0
            now = [new + dtype.type(momentum) * (new - old) for new, old in zip(then, before, strict=True)]
            before = then
        return Items(now[1], now[2])

    def _swept(self, at: list[Floats], weight: Floats, space: list[Floats]) -> list[Floats]:
        """Abilities, difficulties and log slopes one sweep further."""
        results = self._results
        ability, difficulty, log_slope = at
        slopes, ability = np.exp(log_slope), ability.copy()
        gd, gs, dd, ds, ss = (np.zeros_like(difficulty) for _ in range(5))
        for tile in self._tiles:
            rows, units, items = tile.rows, tile.of_units, tile.of_items
            left, steep, slope, distance, pull = (numbers[: rows.stop - rows.start] for numbers in space)
            items.spread(slopes, slope)
            items.spread(difficulty, pull)
            units.spread(ability[tile.units], distance)
            np.subtract(distance, pull, out=distance)
            np.multiply(distance, slope, out=left)
            left += self._vendor[rows, None].astype(left.dtype)
            respond_in_place(left, tile.linear, steep)
            left -= results.value[rows, None].astype(left.dtype)
            steep *= slope
            np.multiply(steep, weight[rows], out=pull)
            left *= pull
            pull *= steep
            gradient = units.sums(left) + PRIORS.ability * ability[tile.units]
            step = -np.clip(gradient / (units.sums(pull) + PRIORS.ability), -_LONGEST_OF_UNIT, _LONGEST_OF_UNIT)
            ability[tile.units] += step
            # Residuals and distances after that step.
            moved = steep
            units.spread(step, moved)
            distance += moved
            moved *= pull
            left += moved
            # The derivative in the log slope is that in the ability times θ − δ.
            gd -= items.sums(left)
            dd += items.sums(pull)
            left *= distance
            pull *= distance
            gs += items.sums(left)
            ds -= items.sums(pull)
            pull *= distance
            ss += items.sums(pull)
        gd += PRIORS.difficulty * difficulty
        gs += PRIORS.slope * (log_slope - (PRIORS.slope_centre or 0.0))
        dd += PRIORS.difficulty
        ss += PRIORS.slope
        determinant = np.maximum(dd * ss - ds**2, 1e-12)
        harder, steeper = (ss * gd - ds * gs) / determinant, (dd * gs - ds * gd) / determinant
        return [
            ability,
            difficulty - np.clip(harder, -_LONGEST_STEP, _LONGEST_STEP),
            log_slope - np.clip(steeper, -_LONGEST_STEP, _LONGEST_STEP),
        ]
