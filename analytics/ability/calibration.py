"""The response model fitted: abilities, difficulties and slopes together, by Levenberg–Marquardt with a Schur step."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy

from analytics.ability.results import Floats, Integers, NoAbilityError, Results, summed

_MOST_ITERATIONS = 500
_LEAST_DAMPING, _MOST_DAMPING = 1e-9, 1e9
_SOLVED = 1e-5
"""Share of a system's residual at which its solution is taken."""
_MOST_PRODUCTS = 1000
_LEAST_FACTOR = 0.1
"""Location and scale are held by weak priors alone, and damping slows what they hold most: it is taken back fast."""


@dataclass(frozen=True)
class Priors:
    """Quadratic penalties, in the unit of squared residuals times weights.

    Attributes:
        ability: On each ability, around 0.
        difficulty: On each difficulty, around 0.
        slope: On each slope around 0 where `slope_centre` is None (ridge), else on each log slope around that.
        slope_centre: Centre of log slopes.
        vendor: On the effect of vendors' own reports, around 0.
        fixed_item: Item whose slope is held at 1, which sets the scale; None where the priors set it.
    """

    ability: float
    difficulty: float
    slope: float
    slope_centre: float | None = None
    vendor: float = 1.0
    fixed_item: int | None = None


@dataclass(frozen=True)
class Calibration:
    """What the fit found, on its own scale (`capabilities_index` and `anchor` bring it to the published one).

    Attributes:
        ability: (U,) θ.
        difficulty: (K,) δ, the ability at which half of what can be earned is earned (linear items: the mean).
        log_slope: (K,) log α, the discrimination.
        vendor: Effect β of a vendor's own report on the logit.
        cost: Penalised sum of squares at the end.
        iterations: Steps tried.
    """

    ability: Floats
    difficulty: Floats
    log_slope: Floats
    vendor: float
    cost: float
    iterations: int

    @property
    def slope(self) -> Floats:
        """(K,) α."""
        slopes: Floats = np.exp(self.log_slope)
        return slopes

    def predictor(self, results: Results) -> Floats:
        """(N,) η = α (θ − δ) + β where a vendor reports a share."""
        item = results.item
        eta: Floats = self.slope[item] * (self.ability[results.unit] - self.difficulty[item])
        return eta + self.vendor * (results.by_vendor & ~results.linear[item])

    def expected(self, results: Results) -> Floats:
        """(N,) values that the model expects."""
        return respond(self.predictor(results), results)


def respond(eta: Floats, results: Results) -> Floats:
    """Values at predictors (…, N): the logistic curve for shares, the identity for linear items."""
    expected: Floats = np.where(results.linear[results.item], eta, scipy.special.expit(eta))
    return expected


def gradient(expected: Floats, results: Results) -> Floats:
    """(…, N) derivative of the expected value in the predictor."""
    steep: Floats = np.where(results.linear[results.item], 1.0, expected * (1 - expected))
    return steep


def start(results: Results) -> Calibration:
    """Where to begin: difficulties from the items' means, abilities from distances to them, all slopes alike."""
    if not len(results):
        raise NoAbilityError("there are no results to fit abilities to")
    item, unit, value = results.item, results.unit, results.value
    mean = np.bincount(item, value, results.items) / np.maximum(results.per_item(), 1)
    above = np.bincount(unit, value - mean[item], results.units) / np.maximum(results.per_unit(), 1)
    spread = above[results.per_unit() > 0].std()
    share = np.clip(mean, 0.02, 0.98)
    difficulty = np.where(results.linear, 0.0, -np.log(share / (1 - share)))
    slope = np.where(results.linear, np.log(0.25), 0.0)
    return Calibration(above / spread if spread > 0 else above, difficulty, slope, 0.0, np.inf, 0)


def calibrate(
    results: Results,
    priors: Priors,
    *,
    weights: Floats | None = None,
    at: Calibration | None = None,
    tolerance: float = 1e-8,
    most_iterations: int = _MOST_ITERATIONS,
) -> Calibration:
    """Minimise Σ w (g(η) − y)² plus the priors over all abilities, difficulties, log slopes and the vendors' effect.

    Slopes enter as logarithms, so that they are positive and the fit does not end in one that runs backwards. Each
    step eliminates the abilities (their block of the normal equations is diagonal) and solves for the 2 K + 1 others.

    Args:
        results: What is fitted.
        priors: Penalties.
        weights: (N,) weights, 1 by default; a bootstrap passes multiplicities times weights.
        at: Where to begin; a fit to nearly the same results saves most steps.
        tolerance: Ends once a step lowers the cost by less than this share.
        most_iterations: Ends there at the latest.

    Raises:
        NoAbilityError: No results.
    """
    weight = np.ones(len(results)) if weights is None else weights
    now = at if at is not None else start(results)
    if priors.fixed_item is not None:
        log_slope = now.log_slope.copy()
        log_slope[priors.fixed_item] = 0.0
        now = replace(now, log_slope=log_slope)
    now, expected = _with_cost(now, results, weight, priors)
    order = np.argsort(results.item, kind="stable")
    damping, growth, tried = (1e-3 if at is None else 1e-6), 2.0, 0
    while tried < most_iterations:
        system = _normal_equations(now, expected, results, weight, priors, order)
        while True:
            tried += 1
            ability, rest = system.step(damping)
            k = results.items
            candidate, then = _with_cost(
                replace(
                    now,
                    ability=now.ability + ability,
                    difficulty=now.difficulty + rest[:k],
                    log_slope=now.log_slope + np.clip(rest[k : 2 * k], -1.0, 1.0),
                    vendor=now.vendor + float(rest[2 * k]),
                ),
                results,
                weight,
                priors,
            )
            if candidate.cost <= now.cost or damping > _MOST_DAMPING:
                break
            damping, growth = damping * growth, growth * 2
        if candidate.cost > now.cost:
            break
        gained, hoped = now.cost - candidate.cost, system.hoped(ability, rest, damping)
        now, expected = candidate, then
        # Nielsen's rule ("Damping parameter in Marquardt's method", 1999): less damping as far as the step held what
        # it promised, so that few steps are tried in vain.
        damping = max(damping * max(_LEAST_FACTOR, 1 - (2 * gained / max(hoped, 1e-300) - 1) ** 3), _LEAST_DAMPING)
        growth = 2.0
        if gained <= tolerance * now.cost:
            break
    return replace(now, iterations=tried)


def _with_cost(at: Calibration, results: Results, weight: Floats, priors: Priors) -> tuple[Calibration, Floats]:
    expected = at.expected(results)
    penalised = at.slope if priors.slope_centre is None else at.log_slope - priors.slope_centre
    cost = (
        float(weight @ (expected - results.value) ** 2)
        + priors.ability * float(at.ability @ at.ability)
        + priors.difficulty * float(at.difficulty @ at.difficulty)
        + priors.slope * float(penalised @ penalised)
        + priors.vendor * at.vendor**2
    )
    return replace(at, cost=cost), expected


@dataclass(frozen=True)
class _System:
    """Normal equations in two blocks: abilities (diagonal), and difficulties, log slopes and the vendors' effect.

    Attributes:
        abilities: (U,) diagonal of the first block.
        rest: (2 K + 1,) diagonal of the second.
        within: (K,) between difficulty and log slope of one item.
        vendor: (2 K,) between the vendors' effect and the items.
        cross: (2 K + 1, U) between the blocks; few models ran a benchmark.
        ability_gradient: (U,) half the gradient.
        rest_gradient: (2 K + 1,) half the gradient.
    """

    abilities: Floats
    rest: Floats
    within: Floats
    vendor: Floats
    cross: scipy.sparse.csr_array
    ability_gradient: Floats
    rest_gradient: Floats

    def step(self, damping: float) -> tuple[Floats, Floats]:
        """(U,) and (2 K + 1,) step of Levenberg and Marquardt.

        The abilities are eliminated, and conjugate gradients solve for the others: each item by itself is nearly the
        solution already, so that some forty products with `cross` do where the matrix K² wide would be factorised.
        """
        k = len(self.within)
        abilities, rest = self.abilities * (1 + damping), self.rest * (1 + damping)
        difficulty, slope, back = rest[:k], rest[k : 2 * k], self.cross.T.tocsr()
        determinant = difficulty * slope - self.within**2
        own = np.concatenate([slope / determinant, difficulty / determinant, 1 / rest[2 * k :]])
        other = self.within / determinant

        def product(x: Floats) -> Floats:
            made: Floats = rest * x - self.cross @ ((back @ x) / abilities)
            made[:k] += self.within * x[k : 2 * k]
            made[k : 2 * k] += self.within * x[:k]
            made[: 2 * k] += self.vendor * x[2 * k]
            made[2 * k] += self.vendor @ x[: 2 * k]
            return made

        def by_item(x: Floats) -> Floats:
            made: Floats = own * x
            made[:k] -= other * x[k : 2 * k]
            made[k : 2 * k] -= other * x[:k]
            return made

        left = self.cross @ (self.ability_gradient / abilities) - self.rest_gradient
        solution, conditioned = np.zeros_like(left), by_item(left)
        direction, size = conditioned, float(left @ conditioned)
        enough = _SOLVED**2 * size
        for _ in range(_MOST_PRODUCTS):
            if size <= enough:
                break
            along = product(direction)
            curvature = float(direction @ along)
            if curvature <= 0:
                break
            solution += size / curvature * direction
            left -= size / curvature * along
            conditioned = by_item(left)
            size, before = float(left @ conditioned), size
            direction = conditioned + size / before * direction
        return (-self.ability_gradient - back @ solution) / abilities, solution

    def hoped(self, ability: Floats, rest: Floats, damping: float) -> float:
        """By how much a step of that damping lowers the cost if the equations are right."""
        damped = self.abilities @ ability**2 + self.rest @ rest**2
        return float(damping * damped - ability @ self.ability_gradient - rest @ self.rest_gradient)


def _normal_equations(
    at: Calibration, expected: Floats, results: Results, weight: Floats, priors: Priors, order: Integers
) -> _System:
    unit, item, u, k = results.unit, results.item, results.units, results.items
    steep = gradient(expected, results)
    slope = at.slope
    by_ability = steep * slope[item]
    by_slope = by_ability * (at.ability[unit] - at.difficulty[item])
    if priors.fixed_item is not None:
        by_slope[item == priors.fixed_item] = 0.0
    by_vendor = steep * (results.by_vendor & ~results.linear[item])
    residual = weight * (expected - results.value)

    def over_items(values: Floats) -> Floats:
        return summed(item, values, k)

    ends = np.concatenate([[0], np.cumsum(np.bincount(item, minlength=k))])
    columns = unit[order]
    cross = scipy.sparse.csr_array(
        (
            np.concatenate(
                [
                    (-weight * by_ability**2)[order],
                    (weight * by_ability * by_slope)[order],
                    summed(unit, weight * by_ability * by_vendor, u),
                ]
            ),
            np.concatenate([columns, columns, np.arange(u)]),
            np.concatenate([ends, ends[-1] + ends[1:], [2 * ends[-1] + u]]),
        ),
        shape=(2 * k + 1, u),
    )
    centre = priors.slope_centre
    # A ridge on slopes is a penalty on exp(log slope); its derivative follows the chain rule.
    pull = slope**2 if centre is None else np.ones(k)
    toward = slope**2 if centre is None else at.log_slope - centre
    if priors.fixed_item is not None:
        toward[priors.fixed_item] = 0.0
    return _System(
        summed(unit, weight * by_ability**2, u) + priors.ability,
        np.concatenate(
            [
                over_items(weight * by_ability**2) + priors.difficulty,
                over_items(weight * by_slope**2) + priors.slope * pull,
                [float(weight @ by_vendor**2) + priors.vendor],
            ]
        ),
        -over_items(weight * by_ability * by_slope),
        np.concatenate([-over_items(weight * by_ability * by_vendor), over_items(weight * by_slope * by_vendor)]),
        cross,
        summed(unit, residual * by_ability, u) + priors.ability * at.ability,
        np.concatenate(
            [
                over_items(-residual * by_ability) + priors.difficulty * at.difficulty,
                over_items(residual * by_slope) + priors.slope * toward,
                [float(residual @ by_vendor) + priors.vendor * at.vendor],
            ]
        ),
    )
