"""How sure an ability is: results resampled, items fitted again, units scored again, a thousand times."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from analytics.ability.alternation import recalibrated
from analytics.ability.design import Design
from analytics.ability.levels import Observed, fit_levels
from analytics.ability.model import POOLING, Fit, calibrating, expectations
from analytics.ability.results import Floats, Integers
from analytics.ability.scale import Scale

ROUNDS = 1000
LEVEL = 0.90
"""Level of intervals, as in the published index."""
_BLOCK = 8
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
    design: Design, fitted: Fit, scale: Scale, *, rounds: int = ROUNDS, stretch: float = 1.0, seed: int = _SEED
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
        stretch: Factor on both halves of each interval, from the coverage of results left out; the interval of a
            published index, which sets the scale, is not stretched.
        seed: Of the draws.
    """
    intercept, unit = scale.line(fitted.items.slope, fitted.items.difficulty, fitted.ability)
    group, _, _ = domain_groups(design)
    drawn = list(_rounds(design, fitted, scale, rounds, seed))
    overall = np.concatenate([one[0] for one in drawn])
    domains = np.concatenate([one[1] for one in drawn])
    ability = intercept + unit * fitted.ability
    shift = domain_shifts(design, fitted)
    by_domain = ability[group // max(design.domains, 1)] + unit * shift
    of_unit = np.where(design.indexed, 1.0, stretch)
    low, high = _interval(ability, overall, of_unit)
    domain_low, domain_high = _interval(by_domain, domains, np.full(len(group), stretch))
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
        unit,
        rounds,
    )


def _interval(ability: Floats, drawn: Floats, stretch: Floats) -> tuple[Floats, Floats]:
    # Distances from the median of the rounds: that lies off the estimate where few alternations have drifted.
    tail = (1 - LEVEL) / 2
    low, middle, high = np.quantile(drawn, [tail, 0.5, 1 - tail], axis=0)
    return ability - stretch * (middle - low), ability + stretch * (high - middle)


def domain_shifts(design: Design, fitted: Fit) -> Floats:
    """(G,) how much better each unit is in a domain than overall, on the scale of the fit, shrunk towards 0."""
    items = fitted.items
    eta = replace(items, ability=fitted.ability).predictor(design.results)
    shift: Floats = _shifts(
        design, fitted, eta[None], items.slope[None], design.results.value[None], fitted.weight[None]
    )[0]
    return shift


def _shifts(
    design: Design,
    fitted: Fit,
    eta: Floats,
    slope: Floats,
    value: Floats,
    weight: Floats,
    random: np.random.Generator | None = None,
) -> Floats:
    group, place, inside = domain_groups(design)
    results = design.results
    observed = Observed(
        value[:, inside], weight[:, inside], slope[:, results.item[inside]], results.linear[results.item[inside]]
    )
    spread = POOLING / fitted.mean_slope(design)
    expected = np.zeros(1) if random is None else spread * random.standard_normal((len(eta), len(group)))
    shift, _ = fit_levels(
        place[inside], len(group), observed, eta[:, inside], expected, np.array([spread**-2]), iterations=_STEPS
    )
    return shift


def _rounds(design: Design, fitted: Fit, scale: Scale, rounds: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """Blocks of (B, U) overall and (B, G) domain abilities in index points."""
    sizes = [min(_BLOCK, rounds - begin) for begin in range(0, rounds, _BLOCK)]
    draws = [np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(len(sizes))]
    resampler = _resampler(design, fitted, scale)
    # Most of the work is in ufuncs, which let the other thread run.
    with ThreadPoolExecutor(_THREADS) as threads:
        yield from threads.map(resampler, sizes, draws)


def _resampler(
    design: Design, fitted: Fit, scale: Scale
) -> Callable[[int, np.random.Generator], tuple[Floats, Floats]]:
    """What makes a block of rounds; all that the blocks share is computed once."""
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
    group, _, _ = domain_groups(design)
    by_vendor = fitted.items.vendor * (results.by_vendor & ~results.linear[item])

    def block(size: int, random: np.random.Generator) -> tuple[Floats, Floats]:
        picked = first + np.floor(random.random((size, len(results))) * many).astype(np.int64)
        flat = (np.arange(size)[:, None] * len(results) + order[picked]).ravel()
        times = np.bincount(flat, minlength=size * len(results)).reshape(size, len(results)).astype(np.float64)
        times = np.where(design.standing, 1.0, times)
        value = results.value + random.standard_normal(times.shape) * own_scatter
        weight = times * fitted.weight
        items = recalibrated(chosen.results, fitted.items, weight[:, chosen.kept], _SWEEPS)
        slope, difficulty = np.exp(items.log_slope), items.difficulty
        slopes = slope[:, item]
        offset = by_vendor - slopes * difficulty[:, item]
        moved = centre + random.standard_normal((size, results.units)) / np.sqrt(precision)
        ability, _ = fit_levels(
            results.unit,
            results.units,
            Observed(value, weight * own, slopes, results.linear[item]),
            offset,
            np.where(precision > _STATED, moved, centre),
            precision,
            at=fitted.ability,
            iterations=_STEPS,
        )
        shift = _shifts(design, fitted, offset + slopes * ability[:, results.unit], slope, value, weight, random)
        lines = np.array([scale.line(slope[one], difficulty[one], ability[one]) for one in range(size)])
        overall = lines[:, :1] + lines[:, 1:] * ability
        return overall, overall[:, group // max(design.domains, 1)] + lines[:, 1:] * shift

    return block
