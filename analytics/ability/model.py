"""The whole model: items calibrated, units scored with their modes and priors, domains and habits pooled partially."""

from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import scipy

from analytics.ability.calibration import Calibration, Priors, calibrate, respond, start
from analytics.ability.design import LEAST_RESULTS, Design
from analytics.ability.grouping import Groups
from analytics.ability.levels import Observed, fit_levels
from analytics.ability.noise import Noise, no_noise_known, noise_of
from analytics.ability.prior import Prior, prior_of
from analytics.ability.results import Flags, Floats, Integers, NoAbilityError, Results

LEAST_UNITS = 5
"""Units on an item, for it to be calibrated."""
_LEAST_PAIR = 2
POOLING = 0.3
"""Spread of domains and habits on the logit scale, as chosen inside the folds of the Epoch matrix."""
PRIORS = Priors(ability=0.1, difficulty=0.1, slope=1.0, slope_centre=0.7, vendor=4.0)
_FLAT = 1e-6
_SWEEPS = 4
_LEAST_MODE_SPREAD = 0.1
_MODE_RIDGE = 20.0
_LEAST_IN_MODE = 2
_LEAST_PRIOR_ERROR = 0.05
_LEAST_IN_DOMAIN = 8
_MEDIAN_SQUARE = NormalDist().inv_cdf(0.75) ** 2
"""Median of the square of a standard normal number."""


@dataclass(frozen=True)
class Modes:
    """How modes of one model differ.

    Attributes:
        effect: (M,) mean difference of each mode from "not stated", on the scale of the fit.
        spread: How far a model's own difference scatters around it.
        models: Models with more than one mode that it rests on.
    """

    effect: Floats
    spread: float
    models: int


@dataclass(frozen=True)
class Fit:
    """Everything that was fitted, on the scale of the fit.

    Attributes:
        items: Difficulties, slopes, the vendors' effect; its abilities are those of the calibrating units.
        known: (K,) whether the item could be calibrated.
        noise: Scatter of results.
        weight: (N,) weight of each result: inverse variance, less where a source says several things.
        ability: (U,) ability of each unit.
        information: (U,) curvature at it, from results alone; 0 without results of its own.
        prior: What date and size expect.
        modes: How modes differ.
        domain_spread: (U,) how far the only domain that a unit was judged in lies from its overall ability (one
            standard deviation); 0 for units judged in several, or by an index of many.
        share: (U,) part of the information of a unit's results that is on its overall ability: of a unit judged in one
            domain results say θ + u, with u of the spread s = `domain_spread`, so that I on that sum is I / (1 + I s²)
            on θ.
    """

    items: Calibration
    known: Flags
    noise: Noise
    weight: Floats
    ability: Floats
    information: Floats
    prior: Prior
    modes: Modes
    domain_spread: Floats
    share: Floats

    def mean_slope(self, design: Design) -> float:
        """Typical discrimination of items that are shares; of ratings where there are only such."""
        return mean_slope(design, self.items, self.known)


def mean_slope(design: Design, items: Calibration, known: Flags) -> float:
    """Typical discrimination of items that are shares; of ratings where there are only such."""
    shares = ~design.results.linear & known
    return float(np.exp(items.log_slope[shares if shares.any() else known].mean()))


@dataclass(frozen=True)
class Calibrating:
    """Results that calibrate the items, with units that have too few of their own pooled per model.

    Attributes:
        mask: (N,) whether the result is among them.
        results: Those, their units numbered anew.
        source: Their sources.
    """

    mask: Flags
    results: Results
    source: Integers


def calibrating(design: Design) -> Calibrating:
    """Units of four results or more, the rest of a model's modes taken together, on items of five such or more."""
    results = design.results
    enough = results.per_unit() >= LEAST_RESULTS
    pooled = np.where(enough, np.arange(results.units), results.units + design.model)[results.unit]
    mask = np.ones(len(results), dtype=bool)
    while True:
        # Leaving out an item can leave a unit with too few, and the other way round.
        units = np.bincount(pooled[mask], minlength=int(pooled.max(initial=0)) + 1)
        items = np.bincount(results.item[mask], minlength=results.items)
        still = mask & (units[pooled] >= LEAST_RESULTS) & (items[results.item] >= LEAST_UNITS)
        if still.sum() == mask.sum():
            break
        mask = still
    names, unit = np.unique(pooled[mask], return_inverse=True)
    chosen = replace(results.where(mask), unit=unit.ravel().astype(np.int64), units=len(names))
    return Calibrating(mask, chosen, design.source[mask])


def fit(design: Design, *, at: Calibration | None = None, tolerance: float = 1e-6) -> Fit:
    """Calibrate the items, twice with weights from the noise found, then score every unit.

    Args:
        design: Results and what is known of them; results on items that cannot be calibrated say nothing.
        at: Where to begin: items of a fit to nearly the same results.
        tolerance: Of the calibration, as a share of its cost.

    Raises:
        NoAbilityError: Fewer than two units have four results.
    """
    chosen = calibrating(design)
    if chosen.results.units < _LEAST_PAIR:
        raise NoAbilityError(f"no two models have {LEAST_RESULTS} results each, so that no benchmark can be calibrated")
    results = chosen.results
    alike = np.full(len(results), 1 / 0.09**2)
    if at is None:
        items = calibrate(results, PRIORS, weights=alike, at=start(results), tolerance=100 * tolerance)
    else:
        # Items are nearly right; units are others, and are scored by them.
        items = replace(at, ability=_levels(results, at, alike, np.zeros(1), np.array([PRIORS.ability]))[0])
    noise = no_noise_known(design.results, design.sources)
    for each in (10 * tolerance, tolerance):
        expected = items.expected(results)
        noise = noise_of(expected, results, chosen.source, design.sources)
        weight = noise.weight(expected, results, chosen.source)
        items = calibrate(results, PRIORS, weights=weight, at=items, tolerance=each)
    counts = np.bincount(results.item, minlength=results.items) > 0
    return _scored(replace(design, counted=counts), items, counts, noise)


def _scored(design: Design, items: Calibration, known: Flags, noise: Noise) -> Fit:
    results = design.results
    # Abilities are not known yet: where they are usual, the scatter is.
    usual = replace(items, ability=np.zeros(results.units))
    weight = noise.weight(usual.expected(results), results, design.source)
    nothing, flat = np.zeros(results.units), np.full(results.units, _FLAT)
    ability = nothing
    for _ in range(2):
        # The weight of a result depends on what is expected of it, so that the ability comes first and once more.
        ability, information = score(design, items, weight, nothing, flat, ability)
        weight = noise.weight(replace(items, ability=ability).expected(results), results, design.source)
    trusted = ~design.sparse
    prior = prior_of(ability, trusted.astype(np.float64), design.features, design.maker)
    modes = modes_of(design, ability, information)
    spread = single_domain_spread(design, ability, information, prior, POOLING / mean_slope(design, items, known))
    share = 1 / (1 + information * spread**2)
    centre, precision = expectations(design, ability, share * information, prior, modes)
    ability, information = score(design, items, weight * share[results.unit], centre, precision, ability)
    # What cannot be calibrated tells nothing, of habits either.
    weight = weight * known[results.item]
    return Fit(items, known, noise, weight, ability, information, prior, modes, spread, share)


def score(
    design: Design, items: Calibration, weight: Floats, centre: Floats, precision: Floats, at: Floats
) -> tuple[Floats, Floats]:
    """(U,) abilities and information of all units, given the items and what is expected of each unit, from `at`."""
    return _levels(design.results, items, weight * design.own, centre[:, None], precision[:, None], at[:, None])


def _levels(
    results: Results, items: Calibration, weight: Floats, centre: Floats, precision: Floats, at: Floats | None = None
) -> tuple[Floats, Floats]:
    item = results.item
    slope = items.slope[item]
    offset = items.vendor * (results.by_vendor & ~results.linear[item]) - slope * items.difficulty[item]
    observed = Observed(results.value[:, None], weight[:, None], slope[:, None], results.linear[item])
    units = Groups(results.unit, results.units)
    ability, information = fit_levels(units, observed, offset[:, None], centre, precision, at)
    return ability[:, 0], information[:, 0]


def single_domain_spread(design: Design, ability: Floats, information: Floats, prior: Prior, usual: float) -> Floats:
    """(U,) spread of the only domain of units around their overall ability; 0 for units judged in several.

    Of models judged in many domains these lie `usual` apart. Models that are judged in one alone may have been made
    for it (a small model trained to call functions beats models ten times its size on boards of functions): how far
    they lie from what date and size expect says by how much more. By the median, per domain with enough of them.

    Args:
        design: Results and units.
        ability: (U,) abilities as the results alone say them.
        information: (U,) information of that.
        prior: What date and size expect.
        usual: Spread of domains within models judged in several.
    """
    only = design.only_domain
    spread = np.where(only >= 0, usual, 0.0)
    dated = ~np.isnan(design.features[:, 0]) & (information > 0)
    for domain in np.unique(only[only >= 0]):
        mine = only == domain
        of = mine & dated
        if of.sum() < _LEAST_IN_DOMAIN:
            continue
        squares = (ability[of] - prior.mean[of]) ** 2
        known = prior.error[of] ** 2 + 1 / information[of]

        def beyond(variance: float, squares: Floats = squares, known: Floats = known) -> float:
            return float(np.median(squares / (known + variance))) - _MEDIAN_SQUARE

        widest = float(squares.max())
        if beyond(usual**2) > 0:
            spread[mine] = np.sqrt(scipy.optimize.brentq(beyond, usual**2, max(widest, 2 * usual**2) / _MEDIAN_SQUARE))
    return spread


def modes_of(design: Design, ability: Floats, information: Floats) -> Modes:
    """Mean effect of each mode within models that have several, by weighted least squares with a weak ridge."""
    modes = int(design.mode.max()) + 1
    # A single result says more of its benchmark than of a mode.
    own = np.bincount(design.results.unit, design.own, design.results.units)
    scored = (information > 0) & (own >= _LEAST_IN_MODE)
    several = scored & (np.bincount(design.model, scored)[design.model] > 1)
    if not several.any():
        return Modes(np.zeros(modes), _LEAST_MODE_SPREAD, 0)
    model = np.unique(design.model[several], return_inverse=True)[1]
    weight = 1 / (0.2**2 + 1 / information[several])
    total = np.bincount(model, weight)

    def within(values: Floats) -> Floats:
        centred: Floats = values - (np.bincount(model, weight * values) / total)[model]
        return centred

    design_matrix = np.column_stack([within(np.where(design.mode[several] == mode, 1.0, 0.0)) for mode in range(modes)])
    level = within(ability[several])
    effect = np.linalg.solve(
        design_matrix.T @ (weight[:, None] * design_matrix) + _MODE_RIDGE * np.eye(modes),
        design_matrix.T @ (weight * level),
    )
    left = level - design_matrix @ effect
    # A mean within models takes one degree of freedom from each.
    freedom = max(len(level) - len(total), 1)
    beyond = (left**2 - 1 / information[several]).sum() / freedom
    return Modes(effect - effect[0], float(np.sqrt(max(beyond, _LEAST_MODE_SPREAD**2))), len(total))


def expectations(
    design: Design, ability: Floats, information: Floats, prior: Prior, modes: Modes
) -> tuple[Floats, Floats]:
    """(U,) centre and precision of what is expected of each unit before its own results.

    Units of four results or more from two sources or more, or with a published index, stand on their results alone,
    so that the scale remains the published one. Of the others something is expected: what date and size say, and the
    level of its siblings, the other modes of the same model, shifted by the modes' mean effect.
    """
    sparse = design.sparse
    worth = np.where(information > 0, 1 / (modes.spread**2 + 1 / np.maximum(information, 1e-9)), 0.0)
    level = worth * (ability - modes.effect[design.mode])
    others = np.bincount(design.model, worth)[design.model] - worth
    siblings_mean = (np.bincount(design.model, level)[design.model] - level) / np.maximum(others, 1e-9)
    by_siblings = np.where(sparse & (others > _FLAT), 1 / (modes.spread**2 + 1 / np.maximum(others, 1e-9)), 0.0)
    by_prior = np.where(sparse, 1 / np.maximum(prior.error, _LEAST_PRIOR_ERROR) ** 2, _FLAT)
    precision = by_siblings + by_prior
    centre = (by_siblings * (siblings_mean + modes.effect[design.mode]) + by_prior * prior.mean) / precision
    return centre, precision


def habits(design: Design, fitted: Fit, predicted: Design, pooling: float = POOLING) -> tuple[Floats, Floats]:
    """Predictors with what results have in common beyond ability, and their variances without a result's own scatter.

    On the logit scale and pooled partially: by how much a unit is better in a domain, and what models of one maker, or
    of one year, have on an item. Domains of units first, then makers and years alternately, each shrunk towards 0.

    Args:
        design: What was fitted.
        fitted: The fit.
        predicted: n results to predict, of the same units and items; their values are not looked at.
        pooling: Spread of each kind of habit on the logit scale.

    Returns:
        (n,) predictors η and (n,) variances of them.
    """
    results, k = design.results, design.results.items
    linear = results.linear[results.item]
    typical = fitted.mean_slope(design)

    def predictor(of: Design) -> Floats:
        return replace(fitted.items, ability=fitted.ability).predictor(of.results)

    def codes(of: Design) -> tuple[Integers, Integers, Integers]:
        # Items outside every domain share the last one, whose shift is not used.
        unit, item = of.results.unit, of.results.item
        domain = of.domain[item] % (of.domains + 1)
        return unit * (of.domains + 1) + domain, of.maker[unit] * k + item, of.era[unit] * k + item

    # Groups that results are in, of those fitted or of those predicted: most makers have nothing on most items.
    occupied, groups, theirs = [], [], []
    for mine, others in zip(codes(design), codes(predicted), strict=True):
        group, place = np.unique(np.concatenate([mine, others]), return_inverse=True)
        occupied.append(group)
        groups.append(Groups(place[: len(mine)], len(group)))
        theirs.append(place[len(mine) :])
    slopes = (fitted.items.slope[results.item], np.ones(len(results)), np.ones(len(results)))
    # Linear items move by their slope, which is in another unit than a logit.
    scale = np.where(linear, fitted.items.slope[results.item] / typical, 1.0)
    own_domain = np.where(fitted.domain_spread > 0, fitted.domain_spread, pooling / typical) ** -2.0
    precisions = (
        own_domain[occupied[0] // (design.domains + 1)],
        *(np.full(len(group), 1 / pooling**2) for group in occupied[1:]),
    )
    sums = [np.zeros(len(group)) for group in occupied]
    weights = [np.zeros(len(group)) for group in occupied]
    eta = predictor(design)
    for sweep in range(_SWEEPS):
        for at in range(3):
            if at == 0 and sweep:
                continue
            offset = eta + sum(
                slopes[other] * (scale if other else 1.0) * sums[other][groups[other].group]
                for other in range(3)
                if other != at
            )
            observed = Observed(
                results.value[:, None], fitted.weight[:, None], (slopes[at] * (scale if at else 1.0))[:, None], linear
            )
            level, information = fit_levels(
                groups[at],
                observed,
                offset[:, None],
                np.zeros(1),
                precisions[at][:, None],
                at=sums[at][:, None],
                iterations=3 if at else 10,
            )
            sums[at], weights[at] = level[:, 0], information[:, 0]
    of = predicted.results
    their_slope = fitted.items.slope[of.item]
    their_scale = np.where(of.linear[of.item], their_slope / typical, 1.0)
    factors = (their_slope, their_scale, their_scale)
    total = predictor(predicted) + sum(factors[at] * sums[at][theirs[at]] for at in range(3))
    variance = their_slope**2 / (
        fitted.information[of.unit] + 1 / np.maximum(fitted.prior.error[of.unit], _LEAST_PRIOR_ERROR) ** 2
    )
    for at in range(3):
        variance = variance + factors[at] ** 2 / (weights[at] + precisions[at])[theirs[at]]
    return total, variance


def predict(design: Design, fitted: Fit, predicted: Design, pooling: float = POOLING) -> tuple[Floats, Floats]:
    """(n,) expected values of results that were not fitted, and their variances, scatter and own error included."""
    predictor, variance = habits(design, fitted, predicted, pooling)
    expected = respond(predictor, predicted.results)
    steep = np.where(predicted.results.linear[predicted.results.item], 1.0, expected * (1 - expected))
    return expected, steep**2 * variance + fitted.noise.variance(expected, predicted.results)
