"""Intervals of ratings: from the sandwich covariance, and from a bootstrap of the votes."""

from dataclasses import dataclass

import numpy as np

from analytics.ratings.bradley_terry import (
    MEAN_RATING,
    POINTS_PER_LOG_ODDS,
    BradleyTerry,
    maximise,
)
from analytics.ratings.comparisons import Comparisons, Floats, Integers, UnusableComparisons, pair_sums
from analytics.ratings.standing import Standing, is_connected, standings
from analytics.statistics.normal import TWO_SIDED_95

_NO_SPREAD_POINTS = 1e-6


@dataclass(frozen=True, eq=False)
class Interval:
    """Lower and upper 95 % bounds in points, each of shape (m,).

    NaN where there is no rating; ±inf where the votes set no bound on that side.
    """

    lower: Floats
    upper: Floats

    def shifted(self, points: float) -> "Interval":
        """The same interval on a scale moved by `points`; its width does not change."""
        return Interval(self.lower + points, self.upper + points)


def sandwich_interval(fitted: BradleyTerry) -> Interval:
    """Rating ± 1.96 sandwich standard errors of the centred ratings: symmetric by construction.

    NaN where the error comes out as zero, as among models whose every vote is a tie: so few votes say nothing about
    how far they vary.
    """
    half_width = TWO_SIDED_95 * fitted.standard_error
    half_width = np.where(half_width > _NO_SPREAD_POINTS, half_width, np.nan)
    return Interval(fitted.rating - half_width, fitted.rating + half_width)


def bootstrap_interval(fitted: BradleyTerry, rounds: int, seed: int = 0) -> Interval:
    """Percentile interval over `rounds` refits to resampled votes.

    Votes are drawn with replacement by one multinomial draw over the distinct comparisons, which is the same
    distribution as drawing votes one by one. Ratings are centred in every round, never anchored. A model that
    is undefeated in a round counts as +inf there, a winless one as -inf: a bound that falls among such rounds
    is reported as infinite rather than as a huge number.

    Bounds depend on what the votes are, not on how models are called: draws go through the comparisons in an order of
    their own, and models whose records are alike share their rounds.

    Raises:
        UnusableComparisons: fewer than 40 rounds, from which no 2.5 % quantile can be read, or votes that are
            not whole numbers.
    """
    ratings = bootstrap_ratings(fitted, rounds, seed)
    lower, upper = np.full(len(fitted.models), np.nan), np.full(len(fitted.models), np.nan)
    rated = np.flatnonzero(fitted.rated)
    records = record_numbers(fitted.comparisons.among(fitted.rated).wins)
    for record in np.unique(records):
        alike = rated[records == record]
        columns = ratings[:, alike]
        ordered_columns = np.sort(columns[~np.isnan(columns)])
        if len(ordered_columns) >= columns.size / 2:
            lower[alike], upper[alike] = _quantile(ordered_columns, 0.025), _quantile(ordered_columns, 0.975)
    return Interval(lower, upper)


def bootstrap_ratings(fitted: BradleyTerry, rounds: int, seed: int = 0) -> Floats:
    """Centred ratings of every round, shape (rounds, m); ±inf and NaN as in `bootstrap_interval`."""
    require_rounds(rounds)
    rated = np.flatnonzero(fitted.rated)
    inside = fitted.comparisons.among(fitted.rated)
    # Not in the order of the alphabet, since by that the same draw would fall on other votes under other names.
    order = np.argsort(record_numbers(inside.wins), kind="stable")
    rated, inside = rated[order], inside.reordered(order).folded()
    total = round(float(inside.votes.sum()))
    if not np.array_equal(inside.votes, np.rint(inside.votes)):
        raise UnusableComparisons("A bootstrap resamples votes, so their numbers have to be whole.")
    generator = np.random.default_rng(seed)
    start = (fitted.rating[rated] - MEAN_RATING) / POINTS_PER_LOG_ODDS
    result = np.full((rounds, len(fitted.models)), np.nan)
    share = inside.votes / total
    for round_number in range(rounds):
        drawn = generator.multinomial(total, share).astype(np.float64)
        result[round_number, rated] = _refit(inside, drawn, start)
    return result


def record_numbers(wins: Floats) -> Integers:
    """(m,) number of each model's record, in an order that does not depend on how models are called.

    Models have one number whose wins and losses, against models of which numbers, are the same: the coarsest stable
    colouring of the graph of wins (Weisfeiler & Leman 1968).

    Args:
        wins: Wins plus half ties of row over column, shape (m, m).
    """
    size = len(wins)
    numbers = np.zeros(size, dtype=np.int64)
    for _ in range(size):
        signatures = [
            (
                int(numbers[model]),
                *sorted(zip(numbers.tolist(), wins[model].tolist(), wins[:, model].tolist(), strict=True)),
            )
            for model in range(size)
        ]
        places = {signature: place for place, signature in enumerate(sorted(set(signatures)))}
        ordinals = np.array([places[signature] for signature in signatures], dtype=np.int64)
        if len(places) == len(set(numbers.tolist())):
            return ordinals
        numbers = ordinals
    return numbers


def require_rounds(rounds: int) -> None:
    """Refuse fewer rounds than a 2.5 % quantile needs.

    Raises:
        UnusableComparisons: fewer than 40.
    """
    if rounds < 40:
        raise UnusableComparisons(f"{rounds} bootstrap rounds hold no 2.5 % quantile; use 40 or more (100).")


def _refit(inside: Comparisons, drawn: Floats, start: Floats) -> Floats:
    """Ratings from one resample, shape (m,)."""
    size = len(inside.models)
    first_won = pair_sums(inside.first, inside.second, drawn * inside.outcome, size)
    first_lost = pair_sums(inside.first, inside.second, drawn * (1 - inside.outcome), size)
    wins = first_won + first_lost.T
    if is_connected(wins):
        return np.asarray(maximise(wins, start) * POINTS_PER_LOG_ODDS + MEAN_RATING, dtype=np.float64)
    resampled = Comparisons(inside.models, inside.first, inside.second, inside.outcome, drawn)
    standing = standings(resampled)
    rated = np.array([s is Standing.RATED for s in standing], dtype=np.bool_)
    unbounded = {Standing.UNDEFEATED: np.inf, Standing.WINLESS: -np.inf}
    ratings = np.array([unbounded.get(s, np.nan) for s in standing])
    if rated.sum() >= 2:
        # Centre on the point estimates of the models left, so that the round stays on the common scale.
        fitted = maximise(wins[np.ix_(rated, rated)], start[rated]) + start[rated].mean()
        ratings[rated] = fitted * POINTS_PER_LOG_ODDS + MEAN_RATING
    return ratings


def _quantile(ordered: Floats, share: float) -> float:
    """Linearly interpolated quantile of sorted values that may hold infinities."""
    place = share * (len(ordered) - 1)
    below, above = ordered[int(np.floor(place))], ordered[int(np.ceil(place))]
    if not (np.isfinite(below) and np.isfinite(above)):
        return float(below if share < 0.5 else above)
    return float(below + (above - below) * (place % 1))
