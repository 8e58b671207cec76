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
_LINEAR_FLOOR = 0.015
"""Least scatter of a linear item, in quarters of its standard deviation."""


@dataclass(frozen=True)
class Noise:
    """Scatter beyond the standard error.

    Attributes:
        linear: (K,) scatter of each linear item, in its standardised unit; unused for shares.
        shared: (S,) correlation of two results of one unit in one source, 0 to 1.
    """

    linear: Floats
    shared: Floats

    def variance(self, expected: Floats, results: Results) -> Floats:
        """(N,) variance of each result around `expected`: its error² and τ².

        τ² = 0.05² + (0.3 p (1 − p))² for shares: a logit varies by 0.3 from benchmark to benchmark.
        """
        of_share = FLOOR**2 + (SCATTER * gradient(expected, results)) ** 2
        beyond = np.where(results.linear[results.item], self.linear[results.item] ** 2, of_share)
        total: Floats = results.error**2 + beyond
        return total

    def weight(self, expected: Floats, results: Results, source: Integers) -> Floats:
        """(N,) inverse variance, less where a source says several things of one unit.

        k results that correlate by ρ are worth k / (1 + (k − 1) ρ): the design effect of cluster samples (Kish,
        "Survey Sampling", 1965).
        """
        together = np.unique(np.stack([results.unit, source]), axis=1, return_inverse=True)[1].ravel()
        alike = np.bincount(together)[together]
        worth: Floats = 1 / (1 + (alike - 1) * self.shared[source]) / self.variance(expected, results)
        return worth


def no_noise_known(results: Results, sources: int) -> Noise:
    """Where to begin: linear items scatter like shares, results of a source share nothing."""
    return Noise(np.full(results.items, FLOOR), np.full(sources, LEAST_SHARED))


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
    noise = Noise(np.sqrt(np.maximum(square, _LINEAR_FLOOR**2)), np.zeros(sources))
    z = left / np.sqrt(noise.variance(expected, results))
    _, first, together = np.unique(np.stack([results.unit, source]), axis=1, return_index=True, return_inverse=True)
    together = together.ravel()
    # A unit that one source alone describes hides what its results share: its ability has taken it up.
    told = np.bincount(results.unit[first], minlength=results.units)[results.unit[first]] > 1
    size, total, squares = np.bincount(together), np.bincount(together, z), np.bincount(together, z**2)
    of_source = source[first]
    pairs = np.bincount(of_source, told * size * (size - 1), sources)
    products = np.bincount(of_source, told * (total**2 - squares), sources)
    variance = np.bincount(of_source, told * squares, sources) / np.maximum(
        np.bincount(of_source, told * size, sources), 1
    )
    shared = np.where(pairs > 0, products / np.maximum(pairs, 1) / np.maximum(variance, 1e-9), 0.0)
    return Noise(noise.linear, np.clip(shared, LEAST_SHARED, 0.95))
