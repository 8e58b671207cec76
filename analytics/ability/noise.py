"""How far results scatter around what the model expects, and how much of it results of one source share."""

from dataclasses import dataclass

import numpy as np

from analytics.ability.calibration import gradient
from analytics.ability.results import Floats, Integers, Results

FLOOR = 0.05
"""Scatter of a share near 0 or 1, beyond its standard error: about what folds of the Epoch matrix show."""
SCATTER = 0.3
"""Scatter on the logit scale."""
LEAST_SHARED = 0.2
"""Least correlation of two results of a unit in one source: what boards of one maker's choice of tasks share is seen
only where other sources judge the same units, which are few."""
_ALIKE = 20
"""Results whose scatter as of all benchmarks each benchmark is given before its own: few say little of it."""
_FAR = 3.0
"""Usual deviations beyond which a residual counts as if it were that far."""
_LINEAR_FLOOR = 0.015
"""Least scatter of a linear item, in quarters of its standard deviation."""


@dataclass(frozen=True)
class Noise:
    """Scatter beyond the standard error.

    Attributes:
        linear: (K,) scatter of each linear item, in its standardised unit; unused for shares.
        share: (K,) scatter of each share as a factor on that of all; unused for linear items.
        shared: (S,) correlation of two results of one unit in one source, 0 to 1.
    """

    linear: Floats
    share: Floats
    shared: Floats

    def variance(self, expected: Floats, results: Results) -> Floats:
        """(N,) variance of each result around `expected`: its error² and τ².

        τ = f √(0.05² + (0.3 p (1 − p))²) for shares: a logit varies by 0.3 from benchmark to benchmark, on some of
        them (agents in many scaffolds, judges of style) by more and on others by less, which is f.
        """
        of_share = self.share[results.item] ** 2 * _of_shares(expected, results)
        beyond = np.where(results.linear[results.item], self.linear[results.item] ** 2, of_share)
        total: Floats = results.error**2 + beyond
        return total

    def weight(self, expected: Floats, results: Results, source: Integers) -> Floats:
        """(N,) inverse variance, less where a source says several things of one unit.

        k results that correlate by ρ are worth k / (1 + (k − 1) ρ): the design effect of cluster samples (Kish,
        "Survey Sampling", 1965).
        """
        together = results.unit * len(self.shared) + source
        alike = np.bincount(together)[together]
        worth: Floats = 1 / (1 + (alike - 1) * self.shared[source]) / self.variance(expected, results)
        return worth


def _of_shares(expected: Floats, results: Results) -> Floats:
    """(N,) variance of a share beyond its error on the usual benchmark."""
    usual: Floats = FLOOR**2 + (SCATTER * gradient(expected, results)) ** 2
    return usual


def no_noise_known(results: Results, sources: int) -> Noise:
    """Where to begin: all items scatter alike, results of a source share nothing."""
    return Noise(np.full(results.items, FLOOR), np.ones(results.items), np.full(sources, LEAST_SHARED))


def noise_of(expected: Floats, results: Results, source: Integers, sources: int) -> Noise:
    """Estimate the scatter from what a fit leaves.

    Args:
        expected: (N,) values that the fit expects.
        results: The results.
        source: (N,) source of each, 0 to `sources` − 1.
        sources: S.
    """
    left = results.value - expected
    count = results.per_item()
    # A line through n points leaves n − 2 of their freedom.
    square = np.bincount(results.item, left**2 - results.error**2, results.items) / np.maximum(count - 2, 1)
    noise = Noise(
        np.sqrt(np.maximum(square, _LINEAR_FLOOR**2)), _scatter_of_shares(expected, results), np.zeros(sources)
    )
    z = left / np.sqrt(noise.variance(expected, results))
    together, cells = results.unit * sources + source, results.units * sources
    size, total, squares = (
        np.bincount(together, numbers, cells).reshape(results.units, sources) for numbers in (None, z, z**2)
    )
    # A unit that one source alone describes hides what its results share: its ability has taken it up.
    several_sources = ((size > 0).sum(axis=1) > 1)[:, None]
    pairs = (several_sources * size * (size - 1)).sum(axis=0)
    products = (several_sources * (total**2 - squares)).sum(axis=0)
    variance = (several_sources * squares).sum(axis=0) / np.maximum((several_sources * size).sum(axis=0), 1)
    shared = np.where(pairs > 0, products / np.maximum(pairs, 1) / np.maximum(variance, 1e-9), 0.0)
    return Noise(noise.linear, noise.share, np.clip(shared, LEAST_SHARED, 0.95))


def _scatter_of_shares(expected: Floats, results: Results) -> Floats:
    """(K,) scatter of each share over that of all, drawn towards 1 where it has few results.

    The variance of an item is the mean of its squares and of as many as `_ALIKE` usual ones: the posterior mean under
    a scaled inverse χ² with that many degrees of freedom. What the fit took of the residuals it took of all alike, so
    that only their ratio counts.
    """
    shares = ~results.linear[results.item]
    if not shares.any():
        return np.ones(results.items)
    item = results.item[shares]
    square = ((results.value - expected) ** 2 / (results.error**2 + _of_shares(expected, results)))[shares]
    # One result that is far off, such as a run that failed, says little of how the others scatter.
    square = np.minimum(square, _FAR**2 * square.mean())
    count, total = np.bincount(item, minlength=results.items), np.bincount(item, square, results.items)
    usual = float(square.mean())
    scatter: Floats = (
        np.sqrt((_ALIKE * usual + total) / ((_ALIKE + count) * usual)) if usual > 0 else np.ones(len(count))
    )
    return scatter
