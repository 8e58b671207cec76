"""How sure an ability is: results resampled, items fitted again, units scored again, a thousand times."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analytics.ability.alternation import Alternation
from analytics.ability.design import Design
from analytics.ability.grouping import Groups, tiles
from analytics.ability.levels import Observed, fit_levels
from analytics.ability.model import POOLING, Fit, calibrating, expectations
from analytics.ability.results import Floats, Integers, Results
from analytics.ability.scale import Scale

ROUNDS = 1000
LEVEL = 0.90
"""Level of intervals, as in the published index."""
_BLOCK = 32
"""Rounds that are worked on at once; with a tile's results a quarter of a megabyte of each thing that a step needs."""
_SEED = 20_261_115
_SWEEPS = 5
"""Alternations per round, from the fit to all results; tests compare with whole fits."""
_STEPS = 3
"""Steps of a level per round, from the one of the fit."""
_THREADS = 2
_STATED = 1e-3
"""Least precision at which something is expected of a unit."""


@dataclass(frozen=True)
class Levels:
    """Abilities with intervals, in index points.

    Attributes:
        ability: (U,) overall ability.
        low: (U,) lower end.
        high: (U,) upper end.
        group: (G,) units times domains with results: unit · D + domain.
        domain_ability: (G,) ability in the domain.
        domain_low: (G,) lower end.
        domain_high: (G,) upper end.
        difficulty: (K,) of each item.
        slope: (K,) per index point.
        unit: Index points per unit of the fit's scale.
        rounds: Rounds of the bootstrap.
    """

    ability: Floats
    low: Floats
    high: Floats
    group: Integers
    domain_ability: Floats
    domain_low: Floats
    domain_high: Floats
    difficulty: Floats
    slope: Floats
    unit: float
    rounds: int


def domain_groups(design: Design) -> tuple[Integers, Integers, Integers]:
    """(G,) unit · D + domain of those with results; (N,) place in them, −1 outside; (N,) whether inside."""
    domain = design.domain[design.results.item]
    inside = domain >= 0
    code = design.results.unit * max(design.domains, 1) + domain
    group, place = np.unique(code[inside], return_inverse=True)
    at = np.full(len(code), -1, dtype=np.int64)
    at[inside] = place.ravel()
    return group.astype(np.int64), at, np.flatnonzero(inside)


def levels(
    design: Design,
    fitted: Fit,
    scale: Scale,
    *,
    rounds: int = ROUNDS,
    margin: float = 0.0,
    stretch: Floats | None = None,
) -> Levels:
    """Abilities overall and by domain with intervals of 90 % from a bootstrap over results.

    Each round draws as many results of every unit as it has, with replacement, as for the published index; fits the
    items to them; scores every unit. A unit of n results that are merely redrawn scatters by (n − 1) / n of what it
    should, and one of a single result not at all. So every value drawn is moved by its own scatter over √n too, and
    what is expected of a unit (its prior) is drawn as well.

    Args:
        design: What was fitted.
        fitted: The fit.
        scale: The way to index points.
        rounds: Rounds.
        margin: What both halves of each interval hold beyond the bootstrap, in index points and in quadrature, from
            published indices left out. Units that a published index alone decides have none of it: it is the scale.
        stretch: (D,) factors on the bootstrap's halves in each domain, from the coverage of results left out; 1 by
            default.
    """
    intercept, unit = scale.line(fitted.items.slope, fitted.items.difficulty, fitted.ability)
    group, _, _ = domain_groups(design)
    drawn = list(_rounds(design, fitted, scale, rounds))
    overall, domains = (np.concatenate([pair[at] for pair in drawn], axis=1) for at in (0, 1))
    ability = intercept + unit * fitted.ability
    shift = domain_shifts(design, fitted)
    by_domain = ability[group // max(design.domains, 1)] + unit * shift
    of_domain = np.ones(design.domains) if stretch is None else stretch
    others = np.bincount(design.results.unit, design.own & ~design.standing, design.results.units)
    beyond = np.where(design.indexed & (others == 0), 0.0, margin)
    low, high = _interval(ability, overall, np.ones(design.results.units), beyond)
    domain_low, domain_high = _interval(
        by_domain, domains, of_domain[group % max(design.domains, 1)], beyond[group // max(design.domains, 1)]
    )
    return Levels(
        ability,
        low,
        high,
        group,
        by_domain,
        domain_low,
        domain_high,
        intercept + unit * fitted.items.difficulty,
        fitted.items.slope / unit,
        float(unit),
        rounds,
    )


def _interval(ability: Floats, drawn: Floats, stretch: Floats, margin: Floats) -> tuple[Floats, Floats]:
    # Distances from the median of the rounds: that lies off the estimate where few alternations have drifted.
    tail = (1 - LEVEL) / 2
    low, middle, high = np.quantile(drawn, [tail, 0.5, 1 - tail], axis=1)
    below, above = np.hypot(stretch * (middle - low), margin), np.hypot(stretch * (high - middle), margin)
    return ability - below, ability + above


def domain_shifts(design: Design, fitted: Fit) -> Floats:
    """(G,) how much better each unit is in a domain than overall, on the scale of the fit, shrunk towards 0."""
    items, results = fitted.items, design.results
    group, place, inside = domain_groups(design)
    item = results.item[inside]
    shift, _ = fit_levels(
        Groups(place[inside], len(group)),
        Observed(
            results.value[inside, None], fitted.weight[inside, None], items.slope[item, None], results.linear[item]
        ),
        replace(items, ability=fitted.ability).predictor(results)[inside, None],
        np.zeros((1, 1)),
        _domain_spread(design, fitted, group)[:, None] ** -2.0,
    )
    return shift[:, 0]


def _domain_spread(design: Design, fitted: Fit, group: Integers) -> Floats:
    """(G,) how far domains of each unit scatter around its overall ability."""
    usual = POOLING / fitted.mean_slope(design)
    spread: Floats = np.where(fitted.domain_spread > 0, fitted.domain_spread, usual)[group // max(design.domains, 1)]
    return spread


def _normals(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Standard normal draws in single precision."""
    drawn: Floats = random.standard_normal(shape, dtype=np.float32)  # type: ignore[assignment]  # single is enough
    return drawn


def _rounds(design: Design, fitted: Fit, scale: Scale, rounds: int) -> Iterator[tuple[Floats, Floats]]:
    """Blocks of (U, B) overall and (G, B) domain abilities in index points."""
    sizes = [min(_BLOCK, rounds - begin) for begin in range(0, rounds, _BLOCK)]
    draws = [np.random.default_rng(seed) for seed in np.random.SeedSequence(_SEED).spawn(len(sizes))]
    resampling = _Resampling(design, fitted, scale)
    # Most of the work is in ufuncs, which let the other thread run.
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from threads.map(resampling.block, sizes, draws)


@dataclass(frozen=True)
class _Tile:
    """Some units with all their results, and the results of theirs that are in domains."""

    rows: slice
    units: slice
    of_units: Groups
    domains: slice
    of_domains: Groups
    inside: Integers


class _Resampling:
    """What makes blocks of rounds, in single precision; all that they share is computed once."""

    def __init__(self, design: Design, fitted: Fit, scale: Scale) -> None:
        by_unit = np.argsort(design.results.unit, kind="stable")
        weight, chosen = fitted.weight[by_unit], calibrating(design)
        alternating = np.argsort(chosen.results.unit, kind="stable")
        place = np.empty(len(by_unit), dtype=np.int64)
        place[by_unit] = np.arange(len(by_unit))
        self._calibrating = place[np.flatnonzero(chosen.mask)[alternating]]
        self._alternation = Alternation(chosen.results.where(alternating), fitted.items)
        design = replace(design.where(by_unit), counted=fitted.known)
        results = design.results
        self._scale, self._results = scale, results
        count = results.per_unit()
        self._many = count[results.unit, None]
        self._first = (np.cumsum(count) - count)[results.unit, None]
        centre, self._precision = expectations(design, fitted.ability, fitted.information, fitted.prior, fitted.modes)
        expected = replace(fitted.items, ability=fitted.ability).expected(results)
        scatter = np.sqrt(fitted.noise.variance(expected, results))
        group, at, _ = domain_groups(design)
        self._group_unit = group // max(design.domains, 1)
        self._group_spread = _domain_spread(design, fitted, group)[:, None]
        self._tiles = _tiles_of(results, at, self._group_unit)
        # Where rounds begin, a domain included: its draw from the prior may lie where the curve is flat.
        self._single: dict[str, Any] = {
            name: column[:, None].astype(np.float32)
            for name, column in {
                "value": results.value,
                "scatter": scatter / np.where(design.standing, 1.0, np.sqrt(np.maximum(count, 1))[results.unit]),
                "weight": weight,
                "own": design.own * fitted.share[results.unit],
                "vendor": fitted.items.vendor * (results.by_vendor & ~results.linear[results.item]),
                "centre": centre,
                "error": np.where(self._precision > _STATED, 1 / np.sqrt(self._precision), 0.0),
                "domain_spread": fitted.domain_spread,
                "group_spread": self._group_spread[:, 0],
                "ability": fitted.ability,
                "shift": domain_shifts(design, replace(fitted, weight=weight)),
            }.items()
        }
        self._standing = np.flatnonzero(design.standing)

    def _times(self, size: int, random: np.random.Generator) -> Any:
        """(N, B) how often each result is drawn: as many of a unit as it has; published indices once."""
        shape = (len(self._many), size)
        # A draw of nearly one must not round up to the next unit's first result.
        drawn = random.random(shape, dtype=np.float32)
        drawn *= self._many.astype(np.float32)
        picked = np.minimum(drawn.astype(np.int64), self._many - 1)
        picked += self._first
        picked *= size
        picked += np.arange(size)
        times: Any = np.bincount(picked.ravel(), minlength=picked.size).reshape(shape).astype(np.float32)
        times[self._standing] = 1
        return times

    def block(self, size: int, random: np.random.Generator) -> tuple[Floats, Floats]:
        """(U, B) overall and (G, B) domain abilities of B rounds, in index points."""
        single, results = self._single, self._results
        weight = self._times(size, random)
        weight *= single["weight"]
        value = _normals(random, weight.shape)
        value *= single["scatter"]
        value += single["value"]
        items = self._alternation.recalibrated(weight[self._calibrating], _SWEEPS)
        slope, difficulty = np.exp(items.log_slope), items.difficulty
        centre = single["centre"] + _normals(random, (results.units, size)) * single["error"]
        domain = single["domain_spread"] * _normals(random, (results.units, size))
        of_domain = single["group_spread"] * _normals(random, (len(self._group_unit), size))
        ability, shift = np.empty_like(centre), np.empty_like(of_domain)
        for tile in self._tiles:
            rows, units, inside = tile.rows, tile.units, tile.inside
            item = results.item[rows]
            slopes, linear = slope[item], results.linear[item]
            offset = single["vendor"][rows] - slopes * difficulty[item]
            level, _ = fit_levels(
                tile.of_units,
                Observed(value[rows], weight[rows] * single["own"][rows], slopes, linear),
                offset + slopes * domain[results.unit[rows]],
                centre[units],
                self._precision[units, None],
                at=single["ability"][units],
                iterations=_STEPS,
            )
            ability[units] = level
            eta = slopes * ability[results.unit[rows]] + offset
            shift[tile.domains], _ = fit_levels(
                tile.of_domains,
                Observed(value[rows][inside], weight[rows][inside], slopes[inside], linear[inside]),
                eta[inside],
                of_domain[tile.domains],
                self._group_spread[tile.domains] ** -2.0,
                at=single["shift"][tile.domains],
                iterations=_STEPS,
            )
        intercept, unit = self._scale.line(slope, difficulty, ability)
        overall = intercept + unit * ability
        return overall, overall[self._group_unit] + unit * shift


def _tiles_of(results: Results, domain_group: Integers, group_unit: Integers) -> list[_Tile]:
    """Tiles of results sorted by unit, given the group of each (−1 for none) and the unit of each group."""
    made = []
    for units, rows in tiles(results.unit, results.units):
        begin, end = (int(at) for at in np.searchsorted(group_unit, [units.start, units.stop]))
        group = domain_group[rows]
        inside = np.flatnonzero(group >= 0)
        made.append(
            _Tile(
                rows,
                units,
                Groups(results.unit[rows] - units.start, units.stop - units.start),
                slice(begin, end),
                Groups(group[inside] - begin, end - begin),
                inside,
            )
        )
    return made
