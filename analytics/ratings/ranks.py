"""Ranks that intervals support, instead of the order of point estimates."""

import numpy as np

from analytics.ratings.comparisons import Integers
from analytics.ratings.intervals import Interval

UNRANKED = 0
"""Stands for no rank in an integer array."""


def rank_upper_bound(interval: Interval) -> Integers:
    """Best rank a model can claim: 1 + the number of models whose lower bound lies above its upper bound.

    Shape (m,); `UNRANKED` where there is no interval. The rank of the Chatbot Arena boards.
    """
    known = _known(interval)
    surely_better = (interval.lower[None, :] > interval.upper[:, None]) & known[None, :]
    return np.where(known, 1 + surely_better.sum(axis=1), UNRANKED).astype(np.int64)


def rank_spread(interval: Interval) -> tuple[Integers, Integers]:
    """Best and worst rank a model can have, each of shape (m,).

    Worst: 1 + the number of other models whose upper bound lies above its lower bound.
    """
    known = _known(interval)
    perhaps_better = (interval.upper[None, :] > interval.lower[:, None]) & known[None, :]
    np.fill_diagonal(perhaps_better, val=False)
    worst = np.where(known, 1 + perhaps_better.sum(axis=1), UNRANKED).astype(np.int64)
    return rank_upper_bound(interval), worst


def _known(interval: Interval) -> np.typing.NDArray[np.bool_]:
    return ~(np.isnan(interval.lower) | np.isnan(interval.upper))
