"""Rate anybody's file of pairwise votes: from paths to one table of ratings with intervals.

What `skyline rate` prints and what the Arena assets store; no printing and no storage here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from analytics.ratings import elo, intervals, ranks
from analytics.ratings.bradley_terry import BradleyTerry, fit
from analytics.ratings.comparisons import Comparisons, Floats, UnusableComparisons, position_of
from analytics.ratings.intervals import Interval
from analytics.ratings.standing import Standing
from analytics.ratings.style import StyleControlled, fit_style_controlled
from analytics.ratings.win_rates import average_win_rate
from analytics.units import counted
from pipelines.sources.votes.filters import VoteFilter
from pipelines.sources.votes.read import Tally, Votes

Method = Literal["bradley-terry", "elo"]

RATINGS_SCHEMA = {
    "model": pl.String,
    "rating": pl.Float64,
    "rating_lower": pl.Float64,
    "rating_upper": pl.Float64,
    "rank_upper_bound": pl.Int64,
    "rank_best": pl.Int64,
    "rank_worst": pl.Int64,
    "battles": pl.Int64,
    "average_win_rate": pl.Float64,
    "standing": pl.String,
}
"""Columns of a table of ratings; `rank_upper_bound` and `rank_best` are the same number."""


@dataclass(frozen=True)
class RatedVotes:
    """Ratings and an account of the votes behind them.

    Attributes:
        ratings: Columns of `RATINGS_SCHEMA`, best first, models without a rating last.
        rejected: `uri, reason, content, votes`: votes that say nothing, by offending value.
        filtered: `reason, votes`: sound votes that the filters left out.
        coefficients: `feature, coefficient, coefficient_lower, coefficient_upper`; empty without style control.
        votes_read: Votes in the files.
        votes_counted: Votes behind the ratings.
        notes: What the reader should know, in sentences.
    """

    ratings: pl.DataFrame
    rejected: pl.DataFrame
    filtered: pl.DataFrame
    coefficients: pl.DataFrame
    votes_read: int
    votes_counted: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class RatingOptions:
    """How votes become ratings.

    Attributes:
        method: `bradley-terry`, or `elo` for online Elo in the order of the votes.
        anchor: Model and the rating it shall have; without it the rated models average 1000.
        bootstrap: Rounds of resampling for percentile intervals; None for the sandwich interval. With `elo` None
            gives no interval, and rounds give the median over random orders as the rating.
        style_control: Rate at equal length, headers, lists and bold (Bradley-Terry, sandwich interval).
        minimum_battles: Models with fewer votes are fitted with the rest but not listed or ranked, as on the boards.
        seed: Of the resampling.
    """

    method: Method = "bradley-terry"
    anchor: tuple[str, float] | None = None
    bootstrap: int | None = None
    style_control: bool = False
    minimum_battles: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.style_control and (self.method == "elo" or self.bootstrap):
            raise UnusableComparisons("Style control goes with Bradley-Terry and the sandwich interval only.")


def rate(
    paths: Sequence[Path | str],
    options: RatingOptions | None = None,
    keep: VoteFilter | None = None,
    threads: int | None = None,
) -> RatedVotes:
    """Ratings of the models in files of votes.

    Args:
        paths: Files or folders; every layout in `pipelines.sources.votes.layouts`.
        options: Method, anchor, interval.
        keep: Category, language, anonymity, repeated prompts, votes per judge, period.
        threads: Threads for reading; None for all cores.

    Raises:
        UnreadableVotes: a file is missing, of no known layout, or a pickle.
        FilterUnavailable: the files cannot tell what the filter asks for.
        UnusableComparisons: too few votes, or an anchor that has no rating.
    """
    with Votes(paths, threads=threads) as votes:
        return rate_votes(votes, options or RatingOptions(), keep or VoteFilter())


def rate_votes(votes: Votes, options: RatingOptions, keep: VoteFilter) -> RatedVotes:
    """As `rate`, from votes that are already open, so that many categories share one reading of the files."""
    tally = votes.tally(keep)
    if not tally.votes_counted:
        raise UnusableComparisons(f"{account(tally)}: nothing to rate.")
    coefficients = _no_coefficients()
    if options.method == "elo":
        rating, interval = _online(votes, tally, options, keep)
        comparisons, standing = tally.comparisons, [Standing.RATED] * len(rating)
    else:
        if options.style_control:
            controlled = fit_style_controlled(votes.styled(tally.comparisons.models, keep))
            fitted, coefficients = controlled.ratings, _coefficient_table(controlled)
        else:
            try:
                fitted = fit(tally.comparisons)
            except UnusableComparisons as error:
                raise UnusableComparisons(f"{error} {account(tally)}.") from error
        rating, interval = _anchored(fitted, options)
        comparisons, standing = fitted.comparisons, list(fitted.standing)
    table = ratings_table(comparisons, standing, rating, interval, options.minimum_battles)
    notes = [*tally.notes, *_standing_notes(standing)]
    return RatedVotes(
        table, tally.rejected, tally.filtered, coefficients, tally.votes_read, tally.votes_counted, tuple(notes)
    )


def account(tally: Tally) -> str:
    """How many votes count and why the others do not, in one sentence without its full stop."""
    if not tally.votes_read:
        return "The files have no rows of votes"
    why = []
    for (reason, *_), votes in tally.rejected.group_by("reason", maintain_order=True):
        example = json.loads(votes.row(0, named=True)["content"])
        shown = f" (as {example['label']!r})" if str(reason).startswith("winner") else ""
        why.append(f"{reason}{shown}: {counted(int(votes['votes'].sum()), 'vote')}")
    why += [f"left out: {reason}: {counted(votes, 'vote')}" for reason, votes in tally.filtered.iter_rows()]
    return f"{tally.votes_counted:,} of {tally.votes_read:,} votes count{': ' if why else ''}{'; '.join(why)}"


def ratings_table(
    comparisons: Comparisons,
    standing: Sequence[Standing],
    rating: Floats,
    interval: Interval,
    minimum_battles: int = 0,
) -> pl.DataFrame:
    """Ratings as rows, best first; ranks are among the listed models. No number is NaN or infinite."""
    listed = comparisons.battles >= minimum_battles
    shown = Interval(np.where(listed, interval.lower, np.nan), np.where(listed, interval.upper, np.nan))
    best, worst = ranks.rank_spread(shown)
    frame = pl.DataFrame(
        {
            "model": comparisons.models,
            "rating": rating,
            "rating_lower": interval.lower,
            "rating_upper": interval.upper,
            "rank_upper_bound": best,
            "rank_best": best,
            "rank_worst": worst,
            "battles": comparisons.battles.round().astype(np.int64),
            "average_win_rate": average_win_rate(comparisons),
            "standing": [str(each) for each in standing],
        },
        schema=RATINGS_SCHEMA,
    )
    finite = pl.col("rating", "rating_lower", "rating_upper", "average_win_rate")
    return (
        frame.filter(pl.Series(listed))
        .with_columns(pl.when(finite.is_finite()).then(finite))
        .with_columns(pl.col("rank_upper_bound", "rank_best", "rank_worst").replace(ranks.UNRANKED, None))
        .sort("rating", "model", descending=[True, False], nulls_last=True)
    )


def _anchored(fitted: BradleyTerry, options: RatingOptions) -> tuple[Floats, Interval]:
    """Ratings and interval on the scale of the anchor; the interval keeps its width."""
    if options.bootstrap is None:
        interval = intervals.sandwich_interval(fitted)
    else:
        interval = intervals.bootstrap_interval(fitted, options.bootstrap, options.seed)
    if options.anchor is None:
        return fitted.rating, interval
    rating = fitted.anchored(*options.anchor)
    shift = float((rating - fitted.rating)[fitted.rated][0])
    return rating, interval.shifted(shift)


def _online(votes: Votes, tally: Tally, options: RatingOptions, keep: VoteFilter) -> tuple[Floats, Interval]:
    """Online Elo; with rounds of resampling their median and percentiles, as one order may lie outside of both."""
    models = tally.comparisons.models
    nothing = np.full(len(models), np.nan)
    if options.bootstrap is None:
        rating, interval = elo.online_elo(votes.battles(models, keep), len(models)), Interval(nothing, nothing)
    else:
        intervals.require_rounds(options.bootstrap)
        battles = elo.joined(list(votes.battles(models, keep)))
        resampled = elo.bootstrap_elo(battles, len(models), options.bootstrap, options.seed)
        lower, rating, upper = np.quantile(resampled, (0.025, 0.5, 0.975), axis=0)
        interval = Interval(lower, upper)
    if options.anchor is not None:
        model, value = options.anchor
        shift = value - float(rating[position_of(model, models)])
        rating, interval = rating + shift, interval.shifted(shift)
    return rating, interval


def _standing_notes(standing: Sequence[Standing]) -> list[str]:
    """One sentence for each kind of model that could not be rated."""
    notes = []
    for kind in Standing:
        number = sum(each is kind for each in standing)
        if kind is not Standing.RATED and number:
            notes.append(f"{number} model{'s' if number > 1 else ''} without a rating: {kind}.")
    return notes


def _coefficient_table(controlled: StyleControlled) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "feature": controlled.features,
            "coefficient": controlled.coefficient,
            "coefficient_lower": controlled.coefficient_lower,
            "coefficient_upper": controlled.coefficient_upper,
        },
        schema=_no_coefficients().schema,
    )


def _no_coefficients() -> pl.DataFrame:
    return pl.DataFrame(
        schema={
            "feature": pl.String,
            "coefficient": pl.Float64,
            "coefficient_lower": pl.Float64,
            "coefficient_upper": pl.Float64,
        }
    )
