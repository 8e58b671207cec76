"""How published arena boards are laid out: declared tables, no reading.

A file is recognised by its columns; those beyond a layout are left unread. What columns mean, and what the name of the
file has to say because no column does, stands in one row of `BOARD_LAYOUTS`.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Kind = Literal["text", "number", "whole", "date", "flag"]


class UnknownBoardLayout(ValueError):
    """No declared layout has exactly these columns."""


@dataclass(frozen=True)
class BoardLayout:
    """One form in which boards are published.

    Attributes:
        name: For manifests and reports.
        publication: Series of files whose levels belong together.
        values: Our column and where it is.
        dates: Our column `as_of_date` from this column; None where the file's name says the date.
        interval: `text` where one column holds `+5/-4`, `half` where it holds ±, `bounds` where two hold the bounds.
        interval_columns: Those columns.
        arena: Fixed arena; else from a column in `values` or from the file's name.
        ignored: Columns known to carry nothing for a board.
        coverage: `full` or `top_n`, as in the snapshots' contract.
        licence: What the publisher states.
    """

    name: str
    publication: str
    values: Mapping[str, str]
    dates: str | None = None
    interval: Literal["", "text", "half", "bounds"] = ""
    interval_columns: tuple[str, ...] = ()
    arena: str | None = None
    ignored: tuple[str, ...] = ()
    coverage: str = "full"
    licence: str | None = None

    @cached_property
    def columns(self) -> frozenset[str]:
        """The exact set of columns."""
        return frozenset({*self.values.values(), *self.interval_columns, *self.ignored, *filter(None, [self.dates])})

    @property
    def needed(self) -> frozenset[str]:
        """Columns without which it cannot be read."""
        return self.columns.difference(self.ignored)

    def is_nearly(self, header: frozenset[str]) -> bool:
        """Whether it knows most of those columns: a header of which it knows few is one of something else."""
        return len(self.columns & header) > NEARLY_A_BOARD * len(header)


NEARLY_A_BOARD = 0.6

KINDS: Mapping[str, Kind] = {
    "model": "text",
    "model_key": "text",
    "organization": "text",
    "licence": "text",
    "arena": "text",
    "category": "text",
    "style_control": "flag",
    "rating": "number",
    "rank": "whole",
    "rank_style_control": "whole",
    "votes": "whole",
    "knowledge_cutoff": "text",
    "mt_bench_score": "number",
    "mmlu": "number",
    "url": "text",
}
"""Our columns that come from one cell, and how it is read."""

MISSING = frozenset({"", "-", "n/a", "nan", "none", "null"})
"""Spellings, in lower case, of nothing said."""

ARENAS: Mapping[str, str] = {"image": "text_to_image", "text-to-image": "text_to_image", "webdev": "code"}
"""Unified names of arenas that publications spell differently."""

CATEGORY_ALIASES: Mapping[str, str] = {"full": "overall"}

ROW_ORDER_SINCE = dt.date(2025, 7, 27)
"""From this date `rank` in the board CSVs counts rows and `rank_stylectrl` is the rank by interval."""

_CSV = {
    "model": "model",
    "rank": "rank",
    "votes": "votes",
    "organization": "organization",
    "licence": "license",
    "knowledge_cutoff": "knowledge_cutoff",
    "url": "url",
}
_TABLE = {"model": "Model", "mt_bench_score": "MT-bench (score)", "mmlu": "MMLU", "licence": "License", "url": "Link"}
_KEYED = {**_TABLE, "model_key": "key", "organization": "Organization"}
_DATASET = {"model": "model_name", "organization": "organization", "licence": "license", "rank": "rank"}


BOARD_LAYOUTS: tuple[BoardLayout, ...] = (
    BoardLayout("board_csv_2024_06", "board_csv", {**_CSV, "rating": "arena_elo"}, interval="text",
            interval_columns=("95_pct_ci",)),
    BoardLayout("board_csv_2024_07", "board_csv", {**_CSV, "rating": "arena_score"}, interval="text",
            interval_columns=("95_pct_ci",)),
    BoardLayout("board_csv_2024_10", "board_csv",
            {**_CSV, "rating": "arena_score", "rank_style_control": "rank_stylectrl"}, interval="text",
            interval_columns=("95_pct_ci",)),
    BoardLayout("space_table_2023_06", "space_table", {**_TABLE, "rating": "Arena Elo rating"}, arena="text",
            ignored=("MT-bench (win rate %)",)),
    BoardLayout("space_table_2023_07", "space_table", {**_TABLE, "rating": "Arena Elo rating"}, arena="text"),
    BoardLayout("space_table_2024_01", "space_table", _KEYED, arena="text"),
    BoardLayout("space_table_2024_02", "space_table", {**_KEYED, "knowledge_cutoff": "Knowledge cutoff date"},
            arena="text"),
    BoardLayout("arena_catalog_history", "arena_catalog",
            {"model": "model_key", "model_key": "model_key", "rating": "rating", "arena": "arena",
             "category": "category", "style_control": "style_control"},
            dates="commit_date", interval="bounds", interval_columns=("rating_q025", "rating_q975"),
            ignored=("commit",)),
    BoardLayout("alltime_text", "alltime",
            {"model": "Model", "model_key": "key", "rating": "rating", "licence": "License",
             "organization": "Organization"}, dates="date", arena="text"),
    BoardLayout("boards_2026", "boards_2026",
            {"model": "model", "organization": "vendor", "licence": "license", "rating": "score", "rank": "rank",
             "votes": "votes", "arena": "board"},
            dates="date", interval="half", interval_columns=("ci",), coverage="top_n"),
    BoardLayout("leaderboard_dataset", "leaderboard_dataset",
            {**_DATASET, "model_key": "model_name", "rating": "rating", "votes": "vote_count", "category": "category"},
            dates="leaderboard_publish_date", interval="bounds", interval_columns=("rating_lower", "rating_upper"),
            ignored=("variance",), licence="CC-BY-4.0"),
    BoardLayout("leaderboard_dataset_agent", "leaderboard_dataset",
            {**_DATASET, "model_key": "model_name", "rating": "score", "votes": "observation_count",
             "category": "category"},
            dates="leaderboard_publish_date", interval="bounds",
            interval_columns=("score_ci_lower", "score_ci_upper"), ignored=("session_count",), licence="CC-BY-4.0"),
    BoardLayout("published_ratings", "reference",
            {"model": "model", "organization": "organization", "licence": "licence", "rating": "rating"},
            dates="as_of_date", interval="bounds", interval_columns=("rating_lower", "rating_upper"), arena="text",
            ignored=("source",), coverage="reference"),
)  # fmt: skip
"""Every known layout; no two have the same columns."""

NAMES_COLUMNS = frozenset({"key", "Model", "License", "Organization"})
"""A list of models without a board: keys and the names that boards show (`key_to_model.csv`)."""


def recognise_board(header: Sequence[str]) -> BoardLayout:
    """The layout with exactly these columns, or the one that finds all it needs among them and knows most of them.

    Raises:
        UnknownBoardLayout: there is none; the message names the columns and what the nearest layout lacks or has
            beyond them.
    """
    columns = frozenset(header)
    for layout in BOARD_LAYOUTS:
        if layout.columns == columns:
            return layout
    if readable := [layout for layout in BOARD_LAYOUTS if layout.needed <= columns and layout.is_nearly(columns)]:
        return max(readable, key=lambda layout: len(layout.columns & columns))
    nearest = max(BOARD_LAYOUTS, key=lambda layout: len(layout.columns & columns) - len(layout.columns ^ columns))
    raise UnknownBoardLayout(
        f"No arena board has exactly the columns {', '.join(header)}. Nearest is {nearest.name}: it lacks"
        f" {', '.join(sorted(columns - nearest.columns)) or 'nothing'} and has in addition"
        f" {', '.join(sorted(nearest.columns - columns)) or 'nothing'}."
    )
