"""Pairwise votes: recognise a published file, set aside what cannot be counted, and aggregate in DuckDB.

Millions of votes never become Python rows: what leaves here is counts per pair and outcome, or numeric arrays
where order or style matters. Ratings are computed elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import duckdb
import numpy as np
import polars as pl

from analytics.ratings.comparisons import Comparisons
from analytics.ratings.elo import Battles
from analytics.ratings.style import StyledBattles
from pipelines.sources.tables import ragged_line
from pipelines.sources.votes.files import UnreadableVotes, is_utf16, renames, suffix_of, vote_files
from pipelines.sources.votes.filters import FilterUnavailable, VoteFilter, conditions, only_first
from pipelines.sources.votes.layouts import (
    BETWEEN_WORDS,
    CATEGORIES,
    EPOCH_2100,
    OUTCOMES,
    STYLE_FIELDS,
    VOTE_LAYOUTS,
)
from pipelines.sources.votes.sound import counted_votes, rejection
from pipelines.sources.votes.sql import (
    csv_reader,
    dialects,
    field_expressions,
    reader,
    select_votes,
    thinned,
)
from warehouse.database import connect, literal

_LABEL_CHARACTERS = 80
_LARGE_SHARE, _JUDGES_NAMED = 0.1, 3


@dataclass(frozen=True)
class Tally:
    """Aggregated votes and an account of those that do not count.

    Attributes:
        comparisons: Votes per pair and outcome.
        rejected: `uri, reason, content, votes`: votes that say nothing, by reason and offending value.
        filtered: `reason, votes`: sound votes that the filter left out.
        votes_read: Votes in the files.
        votes_counted: Votes in `comparisons`.
        notes: What could not be filtered because the files do not say, in sentences.
    """

    comparisons: Comparisons
    rejected: pl.DataFrame
    filtered: pl.DataFrame
    votes_read: int
    votes_counted: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _File:
    uri: str
    select: str
    fields: frozenset[str]


@dataclass
class Votes:
    """Files of votes behind one DuckDB connection; use as a context manager.

    Attributes:
        paths: Files or folders of files; suffix parquet, csv, tsv, json, jsonl or ndjson, perhaps .gz or .zst.
        memory_limit_gib: Beyond it DuckDB spills to disk.
        threads: Threads of DuckDB; None for all cores.
    """

    paths: Sequence[Path | str]
    memory_limit_gib: float = 1.0
    threads: int | None = None
    _files: list[_File] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._connection = connect()
        self._connection.execute(f"SET memory_limit = '{int(self.memory_limit_gib * 1024)}MiB'")
        if self.threads:
            self._connection.execute(f"SET threads = {int(self.threads)}")
        try:
            for number, path in enumerate(vote_files(self.paths)):
                self._files.append(self._recognised(path, number))
        except BaseException:
            self.close()
            raise
        union = " UNION ALL BY NAME ".join(file.select for file in self._files)
        self._connection.execute(f"CREATE TEMP VIEW votes AS {union}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection and its memory back."""
        self._connection.close()

    @property
    def available(self) -> frozenset[str]:
        """Fields that every file has."""
        return frozenset.intersection(*(file.fields for file in self._files))

    @property
    def categories(self) -> list[str]:
        """Categories that can be told apart in these files."""
        return [name for name, category in CATEGORIES.items() if self.available.issuperset(category.needs)]

    def tally(self, keep: VoteFilter | None = None) -> Tally:
        """Votes per pair and outcome, and an account of those that do not count.

        Raises:
            FilterUnavailable: the files cannot tell what the filter asks for.
            UnreadableVotes: a file is broken within.
        """
        marked, notes = self._marked(keep or VoteFilter())
        grouped = self._frame(
            "SELECT file_number, model_a, model_b, label, outcome, excluded, count(*) AS votes"
            f" FROM ({marked}) GROUP BY ALL"
        )
        reason = rejection()
        sound = grouped.filter(reason.is_null())
        counted = sound.filter(pl.col("excluded").is_null())
        return Tally(
            Comparisons.from_frame(counted),
            self._rejected(grouped.with_columns(reason=reason).filter(pl.col("reason").is_not_null())),
            sound.filter(pl.col("excluded").is_not_null())
            .group_by(reason=pl.col("excluded"))
            .agg(pl.col("votes").sum())
            .sort("reason"),
            int(grouped["votes"].sum()),
            int(counted["votes"].sum()),
            (*notes, *self._labels_that_are_names(sound), *self._busiest_judges(marked)),
        )

    def unsound(self) -> pl.DataFrame:
        """Votes that say nothing: `row` (the first, from 1), `reason`, `label`, `votes`, in the file's order."""
        marked, _ = self._marked(VoteFilter(), ordinal=True)
        grouped = self._frame(
            "SELECT model_a, model_b, label, outcome, min(ordinal) AS row, count(*) AS votes"
            f" FROM ({marked}) GROUP BY ALL"
        )
        rejected = grouped.with_columns(reason=rejection()).filter(pl.col("reason").is_not_null())
        return (
            rejected.group_by("reason", pl.col("label").str.head(_LABEL_CHARACTERS))
            .agg(pl.col("row").min(), pl.col("votes").sum())
            .sort("row")
        )

    def _labels_that_are_names(self, sound: pl.DataFrame) -> list[str]:
        plain = pl.col("label").str.to_lowercase().str.replace_all(BETWEEN_WORDS, "")
        votes = int(sound.filter(~plain.is_in(list(OUTCOMES)))["votes"].sum())
        return [f"{votes:,} votes name the winner by the name of its model; read so."] if votes else []

    def _busiest_judges(self, marked: str) -> list[str]:
        """One sentence on judges whose votes are a large part of all that count."""
        if "judge" not in self.available:
            return []
        judges = self._frame(
            f"SELECT judge, count(*) AS votes, count(*) / sum(count(*)) OVER () AS share FROM ({counted_votes(marked)})"
            " GROUP BY judge ORDER BY votes DESC, judge"
        )
        many = judges.filter(pl.col("judge").is_not_null() & (pl.col("share") > _LARGE_SHARE)).head(_JUDGES_NAMED)
        if many.is_empty() or judges.height == 1:
            return []
        named = "; ".join(f"{judge} {votes:,} ({share:.0%})" for judge, votes, share in many.iter_rows())
        return [f"Of {judges.height:,} judges these cast most votes: {named}; a limit per judge can be asked for."]

    def windows(
        self, keep: VoteFilter | None = None, every: Literal["day", "week", "month", "quarter", "year"] = "month"
    ) -> dict[date, Comparisons]:
        """Votes per pair and outcome within each window, by its first UTC day.

        Raises:
            FilterUnavailable: the votes carry no time, or as in `tally`.
        """
        self._require("battle_at", "windows of time")
        marked, _ = self._marked(keep or VoteFilter())
        grouped = self._frame(
            f"SELECT CAST(date_trunc({literal(every)}, make_timestamp(CAST(battle_at * 1e6 AS BIGINT))) AS DATE)"
            f" AS starts, model_a, model_b, outcome, count(*) AS votes FROM ({counted_votes(marked)})"
            f" WHERE battle_at BETWEEN 0 AND {EPOCH_2100} GROUP BY ALL ORDER BY starts"
        )
        return {
            starts: Comparisons.from_frame(part)
            for (starts,), part in grouped.partition_by("starts", as_dict=True, include_key=False).items()
            if isinstance(starts, date)
        }

    def battles(self, models: Sequence[str], keep: VoteFilter | None = None) -> Iterator[Battles]:
        """Votes in the order of time, or of the file where it holds no time, in batches.

        Args:
            models: Names that the positions refer to: all models of the tally.
            keep: Which votes count.
        """
        marked, _ = self._marked(keep or VoteFilter(), ordinal=True)
        query = (
            f"SELECT model_a, model_b, outcome FROM ({counted_votes(marked)})"
            " ORDER BY battle_at NULLS LAST, file_number, ordinal"
        )
        for frame in self._batches(query):
            first, second = _positions(frame, models)
            yield Battles(first, second, frame["outcome"].to_numpy())

    def styled(self, models: Sequence[str], keep: VoteFilter | None = None) -> StyledBattles:
        """Votes with the counts of style of both answers.

        Raises:
            FilterUnavailable: a count is missing; the message names it.
        """
        for name in STYLE_FIELDS:
            self._require(name, "style control")
        marked, _ = self._marked(keep or VoteFilter())
        complete = " AND ".join(f"{name} IS NOT NULL" for name in STYLE_FIELDS)
        columns = ", ".join(("model_a", "model_b", "outcome", *STYLE_FIELDS))
        query = f"SELECT {columns} FROM ({counted_votes(marked)}) WHERE {complete}"
        firsts, seconds, numbers = [], [], []
        for frame in self._batches(query):
            first, second = _positions(frame, models)
            firsts.append(first)
            seconds.append(second)
            numbers.append(frame.select("outcome", *STYLE_FIELDS).to_numpy())
        if not numbers:
            raise FilterUnavailable("No vote that counts carries all counts of style.")
        table = np.concatenate(numbers)
        half = len(STYLE_FIELDS) // 2
        return StyledBattles(
            tuple(models),
            np.concatenate(firsts),
            np.concatenate(seconds),
            table[:, 0],
            table[:, 1 : 1 + half],
            table[:, 1 + half :],
        )

    def _recognised(self, path: Path, number: int) -> _File:
        suffix, column_names = suffix_of(path), list[str]()
        for dialect in dialects(suffix, utf16=is_utf16(path)):
            source = reader(str(path), suffix, dialect)
            try:
                relation = self._connection.sql(f"SELECT * FROM {source} LIMIT 0")
            except duckdb.Error as error:
                raise _unreadable([str(path)], error) from error
            column_names = column_names or relation.columns
            columns = dict(zip(relation.columns, relation.types, strict=True))
            for layout in VOTE_LAYOUTS:
                if layout.recognised_by <= columns.keys():
                    if dialect:
                        source = csv_reader(str(path), dialect, relation.columns)
                    fields = field_expressions(columns)
                    select = select_votes(source, number, layout, fields, renames())
                    return _File(str(path), select, frozenset({*fields, "outcome"}))
        known = "; ".join(f"{known.name}: {', '.join(sorted(known.recognised_by))}" for known in VOTE_LAYOUTS)
        raise UnreadableVotes(
            f"{path}: no known layout of votes has the columns {', '.join(column_names)}. Known are {known}."
        )

    def _marked(self, keep: VoteFilter, *, ordinal: bool = False) -> tuple[str, list[str]]:
        """SELECT of all votes with `excluded`, the reason why the filter leaves a vote out, or null."""
        reasons, notes = self._reasons(keep)
        # What a row does not say is neither yes nor no.
        cases = " ".join(
            f"WHEN ({condition}) IS NULL THEN {literal(f'not said whether: {why}')}"
            f" WHEN NOT ({condition}) THEN {literal(why)}"
            for why, condition in reasons
        )
        excluded = f"CASE {cases} ELSE NULL END" if cases else "NULL::VARCHAR"
        in_order = ordinal or self._thins_prompts(keep) or keep.votes_per_judge is not None
        order = ", row_number() OVER () AS ordinal" if in_order else ""
        query = f"SELECT *{order}, {excluded} AS excluded FROM votes"
        if self._thins_prompts(keep):
            query = thinned(query)
        if keep.votes_per_judge_per_day is not None:
            self._require("judge", "votes per judge per day")
            self._require("battle_at", "votes per judge per day")
            query = only_first(
                keep.votes_per_judge_per_day, "judge, floor(battle_at / 86400)", "battle_at",
                "beyond the daily votes of one judge", query,
            )  # fmt: skip
        if keep.votes_per_judge is not None:
            self._require("judge", "votes per judge")
            query = only_first(
                keep.votes_per_judge, "judge", "battle_at NULLS LAST, file_number, ordinal",
                "beyond the votes of one judge", query,
            )  # fmt: skip
        return query, notes

    def _reasons(self, keep: VoteFilter) -> tuple[list[tuple[str, str]], list[str]]:
        """Pairs of a reason and the condition that a counted vote fulfils; and notes on what cannot be determined."""
        reasons, notes = self._left_out_by_default(keep)
        for condition in conditions(keep):
            for needed in condition.needs:
                self._require(needed, condition.purpose)
            reasons.append((condition.why, condition.sql))
        return reasons, notes

    def _left_out_by_default(self, keep: VoteFilter) -> tuple[list[tuple[str, str]], list[str]]:
        """As `_reasons`, of what is left out of every file that says so."""
        reasons: list[tuple[str, str]] = []
        notes: list[str] = []
        if keep.anonymous_only:
            silent = self._files_without("anonymous")
            if len(silent) < len(self._files):
                reasons.append(("models were named before the vote", "coalesce(anonymous, true)"))
                if votes := self._empty_votes("anonymous", silent):
                    notes.append(f"{votes:,} votes do not say whether they were anonymous; they count.")
            if silent:
                notes.append(f"{self._file_names(silent)}: not said whether votes were anonymous; all count.")
        if keep.deduplicate:
            unmarked = self._files_without("sampled")
            if len(unmarked) < len(self._files):
                reasons.append(("repeated prompt", "coalesce(sampled, true)"))
                if votes := self._empty_votes("sampled", unmarked):
                    notes.append(f"{votes:,} votes do not say whether their prompt was repeated; they count.")
            if promptless := [n for n in unmarked if "prompt_text" not in self._files[n].fields]:
                notes.append(f"{self._file_names(promptless)}: no prompts and no marks of repeated ones; all count.")
        return reasons, notes

    def _empty_votes(self, name: str, silent: Sequence[int]) -> int:
        """Votes that leave a field empty, in files that have it."""
        elsewhere = f" AND file_number NOT IN ({', '.join(map(str, silent))})" if silent else ""
        return int(self._frame(f"SELECT count(*) AS votes FROM votes WHERE {name} IS NULL{elsewhere}").item())

    def _thins_prompts(self, keep: VoteFilter) -> bool:
        """Whether repeated prompts are to be found here, because a file holds prompts but no marks."""
        return keep.deduplicate and any(
            "prompt_text" in self._files[number].fields for number in self._files_without("sampled")
        )

    def _files_without(self, name: str) -> list[int]:
        """Numbers of the files that lack a field."""
        return [number for number, file in enumerate(self._files) if name not in file.fields]

    def _file_names(self, numbers: Sequence[int]) -> str:
        return ", ".join(Path(self._files[number].uri).name for number in numbers)

    def _require(self, name: str, purpose: str) -> None:
        if lacking := self._files_without(name):
            uri = self._files[lacking[0]].uri
            raise FilterUnavailable(f"For {purpose} each vote needs {name}; {uri} has no such column.")

    def _rejected(self, grouped: pl.DataFrame) -> pl.DataFrame:
        uris = {number: file.uri for number, file in enumerate(self._files)}
        label = pl.col("label").str.head(_LABEL_CHARACTERS)
        content = pl.struct("model_a", "model_b", label).struct.json_encode()
        return (
            grouped.select(
                pl.col("file_number").replace_strict(uris, return_dtype=pl.String).alias("uri"),
                "reason",
                content.alias("content"),
                "votes",
            )
            .group_by("uri", "reason", "content")
            .agg(pl.col("votes").sum())
            .sort("uri", "reason", "content")
        )

    def _frame(self, query: str) -> pl.DataFrame:
        try:
            frame: pl.DataFrame = self._connection.sql(query).pl()
        except duckdb.Error as error:
            raise _unreadable([file.uri for file in self._files], error) from error
        return frame

    def _batches(self, query: str) -> Iterator[pl.DataFrame]:
        try:
            for batch in self._connection.sql(query).to_arrow_reader(1 << 17):
                frame = pl.from_arrow(batch)
                if isinstance(frame, pl.DataFrame):
                    yield frame
        except duckdb.Error as error:
            raise _unreadable([file.uri for file in self._files], error) from error


_SEARCHED_BYTES = 64 << 20
"""Of a larger file, which would have to fit in memory, no line is named."""


def _unreadable(uris: Sequence[str], error: duckdb.Error) -> UnreadableVotes:
    """What DuckDB could not read: the line of a CSV whose cells are not those of its header, else its own words."""
    for uri in uris:
        is_small_text = uri.lower().endswith((".csv", ".tsv")) and Path(uri).stat().st_size <= _SEARCHED_BYTES
        if is_small_text and (where := ragged_line(Path(uri).read_bytes(), may_be_short=False)):
            return UnreadableVotes(f"{uri}: {where}")
    # The lines below advise who calls DuckDB.
    return UnreadableVotes(f"{', '.join(uris)}: cannot be read: {str(error).splitlines()[0]}")


def _positions(frame: pl.DataFrame, models: Sequence[str]) -> tuple[np.typing.NDArray[np.int64], ...]:
    place = {model: position for position, model in enumerate(models)}
    return tuple(frame[side].replace_strict(place, return_dtype=pl.Int64).to_numpy() for side in ("model_a", "model_b"))
