"""Levels fitted while everything else is held: abilities given items, domains given abilities, habits given both."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from analytics.ability.results import Flags, Floats, Integers, summed

_LONGEST_STEP = 2.0
_NEAR = 1e-5


@dataclass(frozen=True)
class Observed:
    """What N results say, in R rounds at once (R = 1 without a bootstrap).

    Attributes:
        value: (R, N) values.
        weight: (R, N) multiplicity over variance.
        slope: (R, N) derivative of the predictor in the level.
        linear: (N,) whether the value is the predictor itself and not its logistic.
    """

    value: Floats
    weight: Floats
    slope: Floats
    linear: Flags


def fit_levels(
    group: Integers,
    groups: int,
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
        group: (N,) group of each result, 0 to `groups` − 1.
        groups: G.
        observed: The results.
        offset: (R, N) predictor without the level.
        centre: (R, G) or one that broadcasts: where a level lies without results.
        precision: (R, G) or one that broadcasts: how firmly.
        at: (R, G) where to begin; the centre by default.
        iterations: Most steps.

    Returns:
        (R, G) levels and (R, G) information, the curvature without the prior.
    """
    rounds = len(observed.value)
    flat = (np.arange(rounds)[:, None] * groups + group).ravel()
    centre, precision = (np.broadcast_to(one, (rounds, groups)) for one in (centre, precision))
    level = np.array(np.broadcast_to(centre if at is None else at, (rounds, groups)), dtype=np.float64)
    damping = np.full((rounds, groups), 1e-3)

    def over_groups(values: Floats) -> Floats:
        return summed(flat, values.ravel(), rounds * groups).reshape(rounds, groups)

    def at_level(level: Floats) -> tuple[Floats, Floats, Floats]:
        eta = offset + observed.slope * level[:, group]
        share = expit(eta)
        steep = np.where(observed.linear, observed.slope, observed.slope * share * (1 - share))
        left = np.where(observed.linear, eta, share) - observed.value
        cost = over_groups(observed.weight * left**2) + precision * (level - centre) ** 2
        return steep, left, cost

    steep, left, cost = at_level(level)
    for _ in range(iterations):
        pull = over_groups(observed.weight * steep * left) + precision * (level - centre)
        curvature = over_groups(observed.weight * steep**2) + precision
        step = -pull / (curvature * (1 + damping) + 1e-9)
        candidate = level + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
        steep_then, left_then, cost_then = at_level(candidate)
        # A value near 0 or 1 hardly bends the curve: without damping its step overshoots and comes back for ever.
        better = cost_then <= cost
        level, cost = np.where(better, candidate, level), np.where(better, cost_then, cost)
        taken = better[:, group]
        steep, left = np.where(taken, steep_then, steep), np.where(taken, left_then, left)
        damping = np.where(better, damping / 5, np.maximum(damping * 10, 0.1))
        if np.abs(np.where(better, step, 1.0)).max(initial=0.0) < _NEAR:
            break
    return level, over_groups(observed.weight * steep**2)
