"""Quantile regression on one regressor, exact and fast enough to be repeated on hundreds of bootstrap samples.

For a given slope the best intercept is a quantile of what remains, so the loss is a convex function of the slope alone,
whose derivative is a sum over sorted rows (Koenker & Bassett, "Regression Quantiles", Econometrica 46(1), 1978). A
general linear programme takes fifty times as long; tests hold this against statsmodels.
"""

import numpy as np

from analytics.statistics.resampling import Families, Floats, Integers, blocks

_HALVINGS = 60
_SLOPES = 13
_REACH = 3.0


def quantile_line(x: Floats, y: Floats, quantile: float) -> tuple[float, float]:
    """Intercept and slope of the line of y on x (n,) that a share `quantile` of the rows stays below.

    A line through two rows, as every optimum has one; x must hold two values.
    """
    reach = 1.0
    low, high = -reach, reach
    while _derivative(x, y, quantile, low)[0] > 0:
        low -= (reach := reach * 2)
    while _derivative(x, y, quantile, high)[0] < 0:
        high += (reach := reach * 2)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _derivative(x, y, quantile, middle)[0] < 0:
            low = middle
        else:
            high = middle
    slope = (low + high) / 2
    # The rows that hold the line just before and just after the optimum are the two that it goes through.
    first, second = (_derivative(x, y, quantile, end)[1] for end in (low, high))
    if x[first] != x[second]:
        exact = float((y[first] - y[second]) / (x[first] - x[second]))
        slope = exact if abs(exact - slope) < 1e-6 * max(1.0, abs(slope)) else slope
    remains = y - slope * x
    return float(np.partition(remains, _place(quantile, len(y)))[_place(quantile, len(y))]), float(slope)


def _place(quantile: float, count: int) -> int:
    return max(int(np.ceil(round(quantile * count, 9))) - 1, 0)


def _derivative(x: Floats, y: Floats, quantile: float, slope: float) -> tuple[float, int]:
    """Slope of the loss, and the row that holds the line; rows before it in the order count as below."""
    remains = y - slope * x
    place = _place(quantile, len(y))
    order = np.argpartition(remains, place)
    below, holder = order[:place], int(order[place])
    # What the holder counts for is what keeps the weights balanced.
    return float(x[below].sum() + (quantile * len(y) - place) * x[holder] - quantile * x.sum()), holder


def slope_replicates(
    families: Families, x: Floats, y: Floats, quantiles: tuple[float, ...], slopes: Floats, spread: float
) -> Floats:
    """(replicates, quantiles) slopes of quantile lines over families resampled.

    All replicates share one sorting of the rows per trial slope; where the loss turns between two trial slopes,
    the slope is interpolated.

    Args:
        families: What is drawn.
        x: (n,) regressor.
        y: (n,) response.
        quantiles: Shares of rows below the line.
        slopes: (quantiles,) slopes of the lines on all rows, around which is searched.
        spread: Standard deviation to be expected of them, as of the least-squares slope.
    """
    trials = np.linspace(slopes.min() - _REACH * spread, slopes.max() + _REACH * spread, _SLOPES)
    whole = families.sums(np.ones((len(x), 1)))[:, 0]
    whole_x = families.sums(x[:, None])[:, 0]
    turning = np.empty((len(trials), len(whole), len(quantiles)))
    for trial, slope in enumerate(trials):
        order = np.argsort(y - slope * x)
        ordered = x[order]
        narrow = ordered.astype(np.float32)
        for block in blocks(len(whole), len(y)):
            times = families.of_entries(order, block).astype(np.float32)
            count, sum_x = np.cumsum(times, axis=1), np.cumsum(times * narrow, axis=1)
            replicates, drawn = np.arange(len(times)), whole[block]
            for column, quantile in enumerate(quantiles):
                place = np.minimum(_below(count, quantile * drawn), len(y) - 1)
                rest = quantile * drawn - np.where(place > 0, count[replicates, place - 1], 0)
                below = np.where(place > 0, sum_x[replicates, place - 1], 0)
                turning[trial, block, column] = below + rest * ordered[place] - quantile * whole_x[block]
    # The derivative rises with the slope; the first trial at which it is not negative closes the bracket.
    after = np.clip((turning < 0).sum(axis=0), 1, len(trials) - 1)
    low, high = (np.take_along_axis(turning, (after - step)[None], axis=0)[0] for step in (1, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(np.nan_to_num(-low / (high - low), nan=0.5), 0, 1)
    crossings: Floats = trials[after - 1] + share * (trials[1] - trials[0])
    return crossings


def _below(counts: np.ndarray, limits: Floats) -> Integers:
    """(r,) how many values of each row of (r, n) are below that row's limit; the values are whole and rise."""
    whole = np.ceil(limits).astype(counts.dtype)
    return np.array([np.searchsorted(row, limit) for row, limit in zip(counts, whole, strict=True)])
