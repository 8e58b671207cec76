"""Levels fitted while everything else is held: abilities given items, domains given abilities, habits given both."""

from dataclasses import dataclass

import numpy as np

from analytics.ability.grouping import Groups, respond_in_place, scratch
from analytics.ability.results import Flags, Floats

_LONGEST_STEP = 2.0
_NEAR = 1e-5


@dataclass(frozen=True)
class Observed:
    """What N results say, in R rounds at once (R = 1 without a bootstrap).

    Attributes:
        value: (N, R) values.
        weight: (N, R) multiplicity over variance.
        slope: (N, R) derivative of the predictor in the level.
        linear: (N,) whether the value is the predictor itself and not its logistic.
    """

    value: Floats
    weight: Floats
    slope: Floats
    linear: Flags


def fit_levels(
    groups: Groups,
    observed: Observed,
    offset: Floats,
    centre: Floats,
    precision: Floats,
    at: Floats | None = None,
    iterations: int = 25,
) -> tuple[Floats, Floats]:
    """Minimise Σ w (g(offset + slope·x) − y)² + precision (x − centre)² over one level x per group, by Gauss–Newton.

    Groups do not touch one another, so that all are solved at once, each with a step of its own.

    Args:
        groups: The G groups of the results.
        observed: The results.
        offset: (N, R) predictor without the level; its precision is that of the fit.
        centre: (G, R) or one that broadcasts: where a level lies without results.
        precision: (G, R) or one that broadcasts: how firmly.
        at: (G, R) or one that broadcasts: where to begin; the centre by default.
        iterations: Most steps.

    Returns:
        (G, R) levels and (G, R) information, the curvature without the prior.
    """
    shape, dtype = (groups.groups, offset.shape[1]), offset.dtype
    centre, precision = (np.asarray(numbers, dtype=dtype) for numbers in (centre, precision))
    level = np.array(np.broadcast_to(centre if at is None else at, shape), dtype=dtype)

    linear = np.flatnonzero(observed.linear)
    left, steep, weighted = scratch(offset.shape, dtype, 3)

    def at_level(level: Floats) -> tuple[Floats, Floats, Floats]:
        """Half the gradient, the curvature and the cost of each group."""
        groups.spread(level, left)
        np.multiply(left, observed.slope, out=left)
        np.add(left, offset, out=left)
        respond_in_place(left, linear, steep)
        np.subtract(left, observed.value, out=left)
        np.multiply(steep, observed.slope, out=steep)
        np.multiply(left, observed.weight, out=weighted)
        np.multiply(left, weighted, out=left)
        np.multiply(weighted, steep, out=weighted)
        np.multiply(steep, steep, out=steep)
        np.multiply(steep, observed.weight, out=steep)
        return groups.sums(weighted), groups.sums(steep), groups.sums(left) + precision * (level - centre) ** 2

    damping = np.full(shape, 1e-3, dtype=dtype)
    gradient, information, cost = at_level(level)
    for _ in range(iterations):
        pull, curvature = gradient + precision * (level - centre), information + precision
        step = -pull / (curvature * (1 + damping) + 1e-9)
        candidate = level + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        gradient_then, information_then, cost_then = at_level(candidate)
        # A value near 0 or 1 hardly bends the curve: without damping its step overshoots and comes back for ever.
        better = cost_then <= cost
        for current, then in (
            (level, candidate), (gradient, gradient_then), (information, information_then), (cost, cost_then)
        ):  # fmt: skip
            np.copyto(current, then, where=better)
        damping = np.where(better, damping / 5, np.maximum(damping * 10, 0.1))
        if np.abs(step).max(initial=0.0) < _NEAR:
            break
    return level, information
