"""How sure an ability is: results resampled, items fitted again, units scored again, a thousand times."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analytics.ability.alternation import recalibrated
from analytics.ability.design import Design
from analytics.ability.grouping import Groups
from analytics.ability.levels import Observed, fit_levels
from analytics.ability.model import POOLING, Fit, calibrating, expectations
from analytics.ability.results import Flags, Floats, Integers
from analytics.ability.scale import Scale

ROUNDS = 1000
LEVEL = 0.90
"""Level of intervals, as in the published index."""
_CELLS = 1 << 17
"""Results times rounds that are worked on at once: half a megabyte each of what a step works on."""
_SEED = 20_261_115
_SWEEPS = 6
"""Alternations per round, from the fit to all results; tests compare with whole fits."""
_STEPS = 5
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
    items = fitted.items
    eta = replace(items, ability=fitted.ability).predictor(design.results)
    inside = _Inside.of(design)
    shift: Floats = _shifts(
        inside,
        design,
        fitted,
        eta[:, None],
        items.slope[:, None],
        design.results.value[:, None],
        fitted.weight[:, None],
    )[:, 0]
    return shift


@dataclass(frozen=True)
class _Inside:
    """Results in domains, dealt to a unit's domains."""

    groups: Groups
    units: Integers
    results: Integers
    item: Integers
    linear: Flags

    @classmethod
    def of(cls, design: Design) -> "_Inside":
        group, place, inside = domain_groups(design)
        item = design.results.item[inside]
        units = group // max(design.domains, 1)
        return cls(Groups(place[inside], len(group)), units, inside, item, design.results.linear[item])


def _shifts(
    inside: _Inside,
    design: Design,
    fitted: Fit,
    eta: Floats,
    slope: Floats,
    value: Floats,
    weight: Floats,
    random: np.random.Generator | None = None,
) -> Floats:
    usual = POOLING / fitted.mean_slope(design)
    spread = np.where(fitted.domain_spread > 0, fitted.domain_spread, usual)[inside.units][:, None]
    expected: Floats = np.zeros((1, 1))
    if random is not None:
        expected = spread.astype(np.float32) * _normals(random, (inside.groups.groups, eta.shape[1]))
    shift, _ = fit_levels(
        inside.groups,
        Observed(value[inside.results], weight[inside.results], slope[inside.item], inside.linear),
        eta[inside.results],
        expected,
        spread**-2.0,
        iterations=_STEPS,
    )
    return shift


def _normals(random: np.random.Generator, shape: tuple[int, int]) -> Floats:
    """Standard normal draws in single precision."""
    drawn: Floats = random.standard_normal(shape, dtype=np.float32)  # type: ignore[assignment]  # single is enough
    return drawn


def _rounds(design: Design, fitted: Fit, scale: Scale, rounds: int) -> Iterator[tuple[Floats, Floats]]:
    """Blocks of (U, B) overall and (G, B) domain abilities in index points."""
    block = max(8, _CELLS // len(design.results))
    sizes = [min(block, rounds - begin) for begin in range(0, rounds, block)]
    draws = [np.random.default_rng(seed) for seed in np.random.SeedSequence(_SEED).spawn(len(sizes))]
    resampler = _resampler(design, fitted, scale)
    # Most of the work is in ufuncs, which let the other thread run.
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from threads.map(resampler, sizes, draws)


def _resampler(
    design: Design, fitted: Fit, scale: Scale
) -> Callable[[int, np.random.Generator], tuple[Floats, Floats]]:
    """What makes a block of rounds, in single precision; all that the blocks share is computed once."""
    results, known = design.results, fitted.known
    item, own = results.item, replace(design, counted=known).own
    count = results.per_unit()
    order = np.argsort(results.unit, kind="stable")
    first, many = (np.cumsum(count) - count)[results.unit[order]], count[results.unit[order]]
    chosen = calibrating(design)
    design = replace(design, counted=known)
    centre, precision = expectations(design, fitted.ability, fitted.information, fitted.prior, fitted.modes)
    scatter = np.sqrt(fitted.noise.variance(replace(fitted.items, ability=fitted.ability).expected(results), results))
    own_scatter = scatter / np.where(design.standing, 1.0, np.sqrt(np.maximum(count, 1))[results.unit])
    of_units, inside = Groups(results.unit, results.units), _Inside.of(design)
    by_vendor = fitted.items.vendor * (results.by_vendor & ~results.linear[item])
    single: dict[str, Any] = {
        name: column[:, None].astype(np.float32)
        for name, column in {
            "many": many, "value": results.value, "scatter": own_scatter, "weight": fitted.weight,
            "own": own * fitted.share[results.unit], "vendor": by_vendor, "centre": centre,
            "error": np.where(precision > _STATED, 1 / np.sqrt(precision), 0.0), "domain_spread": fitted.domain_spread,
        }.items()
    }  # fmt: skip

    def block(size: int, random: np.random.Generator) -> tuple[Floats, Floats]:
        shape = (len(results), size)
        # A draw of nearly one must not round up to the next unit's first result.
        nth = np.minimum((random.random(shape, dtype=np.float32) * single["many"]).astype(np.int64), many[:, None] - 1)
        picked = order[first[:, None] + nth]
        times = np.bincount((picked * size + np.arange(size)).ravel(), minlength=picked.size).reshape(shape)
        weight = np.where(design.standing[:, None], 1, times) * single["weight"]
        value = _normals(random, shape)
        value *= single["scatter"]
        value += single["value"]
        items = recalibrated(chosen.results, fitted.items, weight[chosen.mask], _SWEEPS)
        slope, difficulty = np.exp(items.log_slope), items.difficulty
        slopes = slope[item]
        offset = single["vendor"] - slopes * difficulty[item]
        moved = _normals(random, (results.units, size))
        domain = single["domain_spread"] * _normals(random, (results.units, size))
        ability, _ = fit_levels(
            of_units,
            Observed(value, weight * single["own"], slopes, results.linear[item]),
            offset + slopes * domain[results.unit],
            single["centre"] + moved * single["error"],
            precision[:, None],
            at=fitted.ability[:, None],
            iterations=_STEPS,
        )
        eta = slopes * ability[results.unit] + offset
        shift = _shifts(inside, design, fitted, eta, slope, value, weight, random)
        intercept, unit = scale.line(slope, difficulty, ability)
        overall = intercept + unit * ability
        return overall, overall[inside.units] + unit * shift

    return block
