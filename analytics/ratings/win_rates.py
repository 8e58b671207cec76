"""How often one model beats another: as voted, and as the ratings predict."""

import numpy as np
import polars as pl

from analytics.ratings.comparisons import Comparisons, Floats
from analytics.ratings.elo import BASE, SCALE


def win_probability(rating_difference: Floats | float) -> Floats:
    """Probability of a win from a difference in points: 1/(1+10^(-d/400)); a tie counts as half."""
    return np.asarray(1 / (1 + BASE ** (-np.asarray(rating_difference, dtype=np.float64) / SCALE)))


def win_probability_of(rating_difference: pl.Expr) -> pl.Expr:
    """The same of a column."""
    return 1 / (1 + pl.lit(BASE).pow(-rating_difference / SCALE))


def predicted(rating: Floats) -> Floats:
    """Probability that row beats column, shape (m, m); NaN where either has no rating."""
    return win_probability(rating[:, None] - rating[None, :])


def observed(comparisons: Comparisons, *, count_ties: bool = False) -> Floats:
    """Share of votes that row won against column, shape (m, m); NaN for pairs that never met.

    Args:
        comparisons: Aggregated votes.
        count_ties: Count a tie as half a win; otherwise ties are left out, as the Arena does.
    """
    wins = comparisons.wins if count_ties else comparisons.without_ties().wins
    met = wins + wins.T
    return np.asarray(np.divide(wins, met, out=np.full_like(wins, np.nan), where=met > 0), dtype=np.float64)


def times_met(comparisons: Comparisons) -> Floats:
    """Votes on each pair, ties included, shape (m, m)."""
    return comparisons.wins + comparisons.wins.T


def average_win_rate(comparisons: Comparisons) -> Floats:
    """Mean over opponents of the share of decided votes won, every opponent weighing the same; shape (m,).

    NaN for a model without a decided vote. The Arena's "average win rate, uniform sampling, no ties".
    """
    share = observed(comparisons)
    met = ~np.isnan(share)
    opponents = met.sum(axis=1)
    total = np.where(met, share, 0.0).sum(axis=1)
    return np.asarray(
        np.divide(total, opponents, out=np.full(len(total), np.nan), where=opponents > 0), dtype=np.float64
    )
