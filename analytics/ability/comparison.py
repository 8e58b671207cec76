"""Two fits, or a fit and a board outside it, compared: rank agreement, what moved, and whether beyond noise."""

from dataclasses import dataclass

import numpy as np

from analytics.ability.results import Flags, Floats, Integers
from analytics.statistics.normal import TWO_SIDED_90, TWO_SIDED_95

_LEAST_PAIRS = 5
_RESAMPLES = 2_000
_SEED = 20261129
_LEAST_DIFFERING = 0.1
"""Two fits to the same results of a unit differ by the other results, which calibrate the benchmarks."""


@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation of n pairs, with an interval of 95 %; NaN below five pairs."""

    spearman: float
    low: float
    high: float
    pairs: int


def _ranks(values: Floats, times: Integers) -> Floats:
    """(B, n) ranks among (n,) values of which each is there (B, n) times; equal values share the mean of theirs."""
    distinct, place = np.unique(values, return_inverse=True)
    order = np.argsort(place, kind="stable")
    alike = np.add.reduceat(times[:, order], np.searchsorted(place[order], np.arange(len(distinct))), axis=1)
    ranks: Floats = (np.cumsum(alike, axis=1) - (alike - 1) / 2)[:, place]
    return ranks


def rank_agreement(first: Floats, second: Floats) -> Agreement:
    """Compare the order of (n,) abilities with that of (n,) scores that were not part of the fit.

    The interval is that of Bonett and Wright (Psychometrika 65(1), 2000).
    """
    n = len(first)
    if n < _LEAST_PAIRS or np.ptp(first) == 0 or np.ptp(second) == 0:
        return Agreement(float("nan"), float("nan"), float("nan"), n)
    once = np.ones((1, n), dtype=np.int64)
    correlation = float(np.corrcoef(_ranks(first, once), _ranks(second, once))[0, 1])
    angle = np.arctanh(np.clip(correlation, -0.999999, 0.999999))
    margin = TWO_SIDED_95 * np.sqrt((1 + correlation**2 / 2) / max(n - 3, 1))
    return Agreement(correlation, float(np.tanh(angle - margin)), float(np.tanh(angle + margin)), n)


@dataclass(frozen=True)
class Gain:
    """By how much one rank correlation exceeds another on the same n, with an interval of 95 %."""

    gain: float
    low: float
    high: float


def rank_gain(first: Floats, second: Floats, truth: Floats) -> Gain:
    """Spearman's correlation of (n,) `first` with the truth less that of `second`.

    Both are of the same models, so their errors go together: the interval is the percentiles 2.5 and 97.5 of 2,000
    resamples of whole models (Efron and Tibshirani 1993, ch. 13), from a fixed seed.
    """
    n = len(truth)
    drawn = np.random.default_rng(_SEED).integers(0, n, (_RESAMPLES, n))
    drawn += n * np.arange(_RESAMPLES)[:, None]
    # How often each model is drawn; the first row is the models themselves.
    times = np.ones((1 + _RESAMPLES, n), dtype=np.int64)
    times[1:] = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
    ranks = [_ranks(values, times) for values in (first, second, truth)]
    # n models are drawn, so that the mean rank is (n + 1) / 2 in every row.
    a, b, of = (rank - (n + 1) / 2 for rank in ranks)

    def correlation(centred: Floats) -> Floats:
        scale = np.sqrt((times * centred**2).sum(axis=1) * (times * of**2).sum(axis=1))
        coefficients: Floats = (times * centred * of).sum(axis=1) / np.where(scale > 0, scale, np.nan)
        return coefficients

    gains = correlation(a) - correlation(b)
    low, high = np.nanquantile(gains[1:], (0.025, 0.975))
    return Gain(float(gains[0]), float(low), float(high))


def beyond_noise(change: Floats, width_before: Floats, width_after: Floats, shared: Floats) -> Flags:
    """(n,) whether a change of ability exceeds what the results that differ can account for.

    Two fits share results, so that their errors cancel as far as they do: the variance of the change is that of both
    intervals, less the shared part. With s the share of results common to both, var = (1 − s) (v₁ + v₂).

    Args:
        change: (n,) ability now less before.
        width_before: (n,) width of the 90 % interval before.
        width_after: (n,) the same now.
        shared: (n,) share of results in both, 0 to 1.
    """
    variance = (width_before**2 + width_after**2) / (2 * TWO_SIDED_90) ** 2
    differing = np.maximum(1 - shared, _LEAST_DIFFERING)
    return np.abs(change) > TWO_SIDED_90 * np.sqrt(differing * variance)
