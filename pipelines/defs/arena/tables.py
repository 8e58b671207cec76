"""The arena tables of the warehouse from board rows and files of votes: assembly only, rows as their contracts say.

The mathematics is in `analytics`, the reading in `pipelines.sources`; assets call these functions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from analytics.identity import licences, release_dates
from analytics.ratings import open_gap, win_rates
from analytics.ratings.bradley_terry import fit
from analytics.ratings.comparisons import Comparisons, UnusableComparisons
from analytics.ratings.drift import rate_windows
from pipelines.defs.arena.rate import RatingOptions, rate_votes
from pipelines.sources.votes.filters import FilterUnavailable, VoteFilter
from pipelines.sources.votes.read import Votes
from warehouse.contracts import arena as contracts
from warehouse.contracts.table import Table


@dataclass(frozen=True)
class Boards:
    """Everything that follows from published boards.

    Attributes:
        board: Rows of `core.arena_board`.
        rules: From `sources.arena_reference.licence_rules`.
        evidence: `name, source, stated`, as `evidence_of` makes them.
    """

    board: pl.DataFrame
    rules: pl.DataFrame
    evidence: pl.DataFrame

    @cached_property
    def classified(self) -> pl.DataFrame:
        """Board rows with `identity`, `licence_class` and `licence_evidence`."""
        return licences.with_licence_class(licences.identified(self.board), self.rules)

    @cached_property
    def _releases(self) -> pl.DataFrame:
        names = licences.identities(self.board)
        evidence = licences.with_identity(self.evidence, names, pl.col("name")).drop("name").unique()
        first = self.classified.group_by("identity").agg(first_board_date=pl.col("as_of_date").min())
        return release_dates.best_release_dates(evidence, first).join(first.select("identity"), on="identity")

    @property
    def unknown_licences(self) -> pl.DataFrame:
        """Spellings no rule knows: `licence, rows, models`."""
        return licences.unknown_licences(self.board, self.rules)

    @property
    def undecided_boards(self) -> pl.DataFrame:
        """Boards left out of the gap because a model of unknown class stands too high, and those models."""
        return open_gap.undecided_boards(self.classified)

    def model_licences(self) -> pl.DataFrame:
        """Rows of `core.model_licences`."""
        return contracts.MODEL_LICENCES.conform(licences.licence_history(self.classified))

    def model_releases(self) -> pl.DataFrame:
        """Rows of `core.model_releases`, one per model that a board shows, under its latest shown name."""
        shown = (
            self.classified.sort("as_of_date", "publication")
            .group_by("identity", maintain_order=True)
            .agg(
                # A publication without shown names repeats the key; any other name is the better one.
                pl.coalesce(
                    pl.col("model").filter(pl.col("model") != pl.col("model_key").fill_null("")).last(),
                    pl.col("model").last(),
                ).alias("model"),
                pl.col("model_key").drop_nulls().last(),
            )
        )
        joined = shown.join(self._releases, on="identity").sort("identity").unique("model", keep="first")
        return contracts.MODEL_RELEASES.conform(joined.select(contracts.MODEL_RELEASES.column_names).sort("model"))

    def open_vs_proprietary(self, classes: Sequence[str] = licences.OPEN) -> pl.DataFrame:
        """Rows of `marts.open_vs_proprietary`."""
        gaps = open_gap.open_vs_proprietary(self.classified, self._releases, classes)
        return contracts.OPEN_VS_PROPRIETARY.conform(gaps.select(contracts.OPEN_VS_PROPRIETARY.column_names))

    def organisation_gaps(self) -> pl.DataFrame:
        """Rows of `marts.organisation_gaps`."""
        return contracts.ORGANISATION_GAPS.conform(open_gap.organisation_gaps(self.classified))

    def progress(self, category: str = "overall") -> pl.DataFrame:
        """Rows of `marts.arena_progress` for one category."""
        steps = open_gap.progress(self.classified.filter(category=category), self._releases)
        return contracts.ARENA_PROGRESS.conform(steps.drop("identity"))


_METHODS = {
    "bradley-terry": RatingOptions(),
    "bradley-terry, style controlled": RatingOptions(style_control=True),
    "elo": RatingOptions(method="elo"),
}


RATED = (
    contracts.ARENA_VOTES, contracts.ARENA_RATINGS, contracts.ARENA_WIN_RATES, contracts.STYLE_COEFFICIENTS,
    contracts.ARENA_DRIFT,
)  # fmt: skip
"""What a set of votes fills."""


@dataclass(frozen=True)
class RatedSet:
    """Rows that follow from one set of vote files, and what was left out.

    Attributes:
        tables: Rows of each table of RATED; no style where the files count none, no drift where they hold no time.
        votes_read: Votes in the files.
        rejected: `uri, reason, content, votes`.
        notes: What could not be computed, in sentences.
    """

    tables: Mapping[Table, pl.DataFrame]
    votes_read: int
    rejected: pl.DataFrame
    notes: tuple[str, ...]


def rate_vote_files(paths: Sequence[Path | str], votes_id: str, threads: int | None = None) -> RatedSet:
    """Ratings of a set of vote files in every category that they tell apart; online Elo overall only.

    Args:
        paths: Files or folders of votes.
        votes_id: Name of the set, kept in every row.
        threads: Threads for reading; None for all cores.

    Raises:
        UnreadableVotes: a file cannot be read.
    """
    ratings, rates, styles, pairs, drift, notes = [], [], [], [], [], []
    with Votes(paths, threads=threads) as votes:
        for category in votes.categories:
            keep = VoteFilter(category=category)
            for method, options in _METHODS.items():
                if method == "elo" and category != "overall":
                    continue  # one pass in order over all votes; categories are for the ratings that do not drift
                try:
                    rated = rate_votes(votes, options, keep)
                except (UnusableComparisons, FilterUnavailable) as error:
                    notes.append(f"{category}, {method}: {error}")
                    continue
                label = {"votes_id": votes_id, "category": category}
                ratings.append(_labelled(rated.ratings.drop("rank_upper_bound"), method=method, **label))
                styles.append(_labelled(rated.coefficients, **label))
                notes += [f"{category}, {method}: {note}" for note in rated.notes] if method == "bradley-terry" else []
            comparisons = votes.tally(keep).comparisons
            pairs.append(_labelled(_pairs(comparisons), votes_id=votes_id, category=category))
            rates += _win_rates(comparisons, category, votes_id)
        everything = votes.tally()
        try:
            drift.append(_labelled(rate_windows(votes.windows()), votes_id=votes_id))
        except (FilterUnavailable, UnusableComparisons) as error:
            notes.append(f"drift: {error}")
    return RatedSet(
        {
            table: table.concat(map(table.filled, frames))
            for table, frames in zip(RATED, (pairs, ratings, rates, styles, drift), strict=True)
        },
        everything.votes_read,
        everything.rejected,
        tuple(dict.fromkeys(notes)),
    )


def _pairs(comparisons: Comparisons) -> pl.DataFrame:
    """Votes of each pair that met, whichever was shown first; the first name in the alphabet is the model."""
    turned = comparisons.first > comparisons.second
    outcome = np.where(turned, 1 - comparisons.outcome, comparisons.outcome)
    names = np.array(comparisons.models, dtype=object)
    frame = pl.DataFrame(
        {
            "model": names[np.minimum(comparisons.first, comparisons.second)],
            "opponent": names[np.maximum(comparisons.first, comparisons.second)],
            "outcome": outcome,
            "votes": comparisons.votes,
        },
        schema={"model": pl.String, "opponent": pl.String, "outcome": pl.Float64, "votes": pl.Float64},
    )
    kinds = {"wins": 1.0, "losses": 0.0, "ties": 0.5}
    votes = pl.col("votes").cast(pl.Int64)
    return frame.group_by("model", "opponent").agg(
        *(votes.filter(pl.col("outcome") == value).sum().alias(kind) for kind, value in kinds.items()), votes.sum()
    )


def _win_rates(comparisons: Comparisons, category: str, votes_id: str) -> list[pl.DataFrame]:
    """Both matrices of one category as rows of pairs that met; nothing where no model can be rated."""
    try:
        fitted = fit(comparisons)
    except UnusableComparisons:
        return []
    met = win_rates.times_met(comparisons)
    first, second = np.nonzero(met)
    names = np.array(comparisons.models)
    frame = pl.DataFrame(
        {
            "model": names[first],
            "opponent": names[second],
            "observed_win_rate": win_rates.observed(comparisons)[first, second],
            "predicted_win_rate": win_rates.predicted(fitted.rating)[first, second],
            "votes": met[first, second],
        }
    )
    rates = pl.col("observed_win_rate", "predicted_win_rate")
    return [_labelled(frame.with_columns(rates.fill_nan(None)), votes_id=votes_id, category=category)]


def _labelled(frame: pl.DataFrame, **constants: str) -> pl.DataFrame:
    return frame.with_columns(pl.lit(value).alias(name) for name, value in constants.items())
