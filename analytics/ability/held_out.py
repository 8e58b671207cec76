"""How far off the model is on results it has not seen, and how often its intervals hold: folds over results."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from analytics.ability.bootstrap import LEVEL
from analytics.ability.design import Design
from analytics.ability.model import POOLING, Fit, fit, predict
from analytics.ability.results import Flags, Floats, Integers
from analytics.statistics.normal import TWO_SIDED_90

FOLDS = 10
_POOLINGS = (0.1, 0.2, 0.3, 0.4)
"""Half width of a normal interval of 90 %, in standard deviations."""
_SEED = 7
_THREADS = 2
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class HeldOut:
    """Every result predicted from a fit that did not see it.

    Attributes:
        predicted: (N,) expected value; NaN where the fold left nothing to predict from.
        naive: (N,) mean of the benchmark over the other models.
        deviation: (N,) standard deviation that the model states for it.
        error: (N,) predicted − value.
        naive_error: (N,) naive − value.
        stretch: Factor on intervals of each kind of item with which 90 % of its results lie inside.
        counts: Results of each kind that it rests on.
        covered: (N,) whether the result lies inside its interval, stretched by what the other folds ask for.
        fold: (N,) fold of each.
        pooling: Spread of habits that each fold chose among its own results.
    """

    predicted: Floats
    naive: Floats
    deviation: Floats
    error: Floats
    naive_error: Floats
    stretch: dict[int, float]
    counts: dict[int, int]
    covered: Flags
    fold: Integers
    pooling: tuple[float, ...]


def held_out(design: Design, *, kind: Integers | None = None, folds: int = FOLDS, tune: bool = True) -> HeldOut:
    """Leave out a tenth of the results at a time and predict them.

    Whatever is chosen or estimated (scatter, pooling, priors) is so on the other nine tenths: the pooling by one
    split of them, the stretch of an interval by the other folds.

    Args:
        design: All results.
        kind: (K,) kind of each item, 0 by default; intervals of each kind are stretched by themselves.
        folds: Number of folds.
        tune: Whether each fold chooses its pooling; the default one otherwise, which takes half the time.
    """
    random = np.random.default_rng(_SEED)
    n = len(design.results)
    fold = np.empty(n, dtype=np.int64)
    fold[random.permutation(n)] = np.arange(n) % folds
    predicted, naive, deviation = (np.full(n, np.nan) for _ in range(3))
    chosen = []

    def left_out(number: int) -> tuple[Flags, float, Floats, Floats, Floats]:
        out = fold == number
        train, test = design.where(~out), design.where(out)
        pooling = _chosen_pooling(train, random) if tune else POOLING
        fitted = fit(train, tolerance=_TOLERANCE)
        expected, variance = predict(train, fitted, test, pooling)
        known = _known(fitted, test)
        spread = np.where(known, np.sqrt(variance), np.nan)
        return out, pooling, np.where(known, expected, np.nan), spread, _benchmark_means(train, test)

    # Choosing the pooling draws from one generator, in the order of the folds.
    with ThreadPoolExecutor(1 if tune else _THREADS) as threads:
        for out, pooling, expected, spread, means in threads.map(left_out, range(folds)):
            chosen.append(pooling)
            predicted[out], deviation[out], naive[out] = expected, spread, means
    error = predicted - design.results.value
    z = np.abs(error) / deviation
    of_kind = np.zeros(n, dtype=np.int64) if kind is None else kind[design.results.item]
    within, stretch, counts = np.zeros(n, dtype=bool), {}, {}
    for each in np.unique(of_kind):
        alike = (of_kind == each) & ~np.isnan(z)
        stretch[int(each)], counts[int(each)] = stretch_of(z[alike]), int(alike.sum())
        for number in range(folds):
            mine = alike & (fold == number)
            within[mine] = z[mine] <= TWO_SIDED_90 * stretch_of(z[alike & ~mine])
    return HeldOut(
        predicted,
        naive,
        deviation,
        error,
        naive - design.results.value,
        stretch,
        counts,
        within,
        fold,
        tuple(chosen),
    )


def stretch_of(z: Floats) -> float:
    """Factor on a normal interval with which 90 % of errors, in deviations stated for them, lie inside; 1 for none."""
    return float(np.quantile(z, LEVEL) / TWO_SIDED_90) if len(z) else 1.0


def _known(fitted: Fit, test: Design) -> Flags:
    """Whether the unit of a result has others and its item could be calibrated."""
    known: Flags = (fitted.information[test.results.unit] > 0) & fitted.known[test.results.item]
    return known


def _benchmark_means(train: Design, test: Design) -> Floats:
    k = train.results.items
    count = train.results.per_item()
    total = np.bincount(train.results.item, train.results.value, k)
    means: Floats = (total / np.maximum(count, 1))[test.results.item]
    return means


def _chosen_pooling(train: Design, random: np.random.Generator) -> float:
    """The spread of habits that predicts a quarter of the training results best from the rest."""
    out = random.random(len(train.results)) < 0.25
    inner, probe = train.where(~out), train.where(out)
    fitted = fit(inner, tolerance=_TOLERANCE)
    known = _known(fitted, probe)
    errors = [
        float(np.abs(predict(inner, fitted, probe, pooling)[0] - probe.results.value)[known].sum())
        for pooling in _POOLINGS
    ]
    return _POOLINGS[int(np.argmin(errors))]
