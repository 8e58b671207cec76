"""The Epoch Capabilities Index refitted from its published matrix of results."""

from dataclasses import dataclass

import numpy as np

from analytics.ability.calibration import Calibration, Priors, calibrate
from analytics.ability.results import Floats, NoAbilityError, connected, plain_results

ANCHORS = (("Claude 3.5 Sonnet", 130.0), ("GPT-5", 150.0))
"""Two models and their index, which set the published scale."""
UNIT_BENCHMARK = "Winogrande"
"""Benchmark whose slope is 1 before the scale is set."""
RIDGE = 0.1


@dataclass(frozen=True)
class CapabilitiesIndex:
    """The index of M models and the difficulty of K benchmarks, in index points.

    Attributes:
        models: Names, sorted.
        index: (M,) index.
        benchmarks: Names, sorted.
        difficulty: (K,) index at which half of what can be earned is earned.
        slope: (K,) discrimination per index point.
        left_out: Models outside the largest component of the graph: nothing compares them.
        residual: Root mean square of what the fit leaves.
        fit: On the scale of the fit, for a warm start.
    """

    models: list[str]
    index: Floats
    benchmarks: list[str]
    difficulty: Floats
    slope: Floats
    left_out: list[str]
    residual: float
    fit: Calibration


def capabilities_index(model: list[str], benchmark: list[str], performance: Floats) -> CapabilitiesIndex:
    """Fit the index as published: logistic, least squares, ridge, two anchors.

    ŷ = σ(α_j (θ_i − δ_j)); minimise Σ (ŷ − y)² + λ ‖(θ, δ, α)‖² / P with λ = 0.1, where P counts the parameters that
    the results determine (all but the location and the unit of the scale); then index = a + b θ through the anchors
    (Epoch AI, "Epoch Capabilities Index", 2025).

    Args:
        model: (N,) model of each result; each pair of model and benchmark once.
        benchmark: (N,) benchmark of each.
        performance: (N,) shares above chance.

    Raises:
        NoAbilityError: An anchor, or the benchmark that sets the unit, is missing or hangs on nothing.
    """
    if not model:
        raise NoAbilityError("there are no results to fit the index to")
    results, models, benchmarks = plain_results(model, benchmark, performance)
    in_unit, _ = connected(results)
    left_out = [name for name, part in zip(models, in_unit, strict=True) if part != 0]
    if left_out:
        joined = in_unit[results.unit] == 0
        positions = [at for at, yes in enumerate(joined) if yes]
        results, models, benchmarks = plain_results(
            [model[at] for at in positions], [benchmark[at] for at in positions], performance[joined]
        )
    missing = [name for name, _ in ANCHORS if name not in models]
    missing += [UNIT_BENCHMARK] if UNIT_BENCHMARK not in benchmarks else []
    if missing:
        raise NoAbilityError(f"the scale cannot be set without {', '.join(missing)} among the connected results")
    ridge = RIDGE / (results.units + 2 * results.items - 2)
    fit = calibrate(results, Priors(ridge, ridge, ridge, fixed_item=benchmarks.index(UNIT_BENCHMARK)), tolerance=1e-13)
    (first, low), (second, high) = ANCHORS
    at_low, at_high = fit.ability[models.index(first)], fit.ability[models.index(second)]
    unit = (high - low) / (at_high - at_low)
    left = fit.expected(results) - results.value
    return CapabilitiesIndex(
        models,
        low + unit * (fit.ability - at_low),
        benchmarks,
        low + unit * (fit.difficulty - at_low),
        fit.slope / unit,
        left_out,
        float(np.sqrt(np.mean(left**2))),
        fit,
    )
