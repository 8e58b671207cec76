"""Whether a file is an arena board, a file of votes or a list of release dates, told from its columns or keys."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.sources.arena import UnnamedBoard, date_in_name, identify_board
from pipelines.sources.arena_layouts import BOARD_LAYOUTS, NAMES_COLUMNS, UnknownBoardLayout, recognise_board
from pipelines.sources.arena_reference import EVIDENCE_COLUMNS
from pipelines.sources.recognised import Recognised
from pipelines.sources.tables import read_columns_as_text
from pipelines.sources.vote_layouts import EPOCH_2100, VOTE_LAYOUTS

BOARDS = "arena_boards"
VOTES = "arena_votes"
RELEASE_DATES = "release_dates"
UNRECOGNISED = (UnknownBoardLayout, UnnamedBoard)

# A header that shares so much of itself with a board is one whose columns have changed.
_NEARLY_A_BOARD = 0.6
_SNIFFED_BYTES = 1 << 22


def recognise_table(header: Sequence[str], payload: bytes, suffix: str, uri: str) -> Recognised | None:
    """What a CSV or Parquet file is, or None where it is nothing of the arena.

    Raises:
        UnknownBoardLayout: it is nearly a board, or only lists names; the message says what is different.
        UnnamedBoard: it is a board of no date or arena.
        UnreadableFile: its bytes are not what its name says.
    """
    columns = frozenset(header)
    if any(layout.columns == columns for layout in BOARD_LAYOUTS):
        board = identify_board(payload, suffix, uri)
        by_name = board.layout.dates is None
        return Recognised(BOARDS, board.layout.name, "arena", board.as_of, board.layout.licence, by_name)
    for votes in VOTE_LAYOUTS:
        if votes.recognised_by <= columns:
            as_of = _last_vote(columns, payload, suffix, uri) or date_in_name(uri) or _today()
            return Recognised(VOTES, votes.name, "arena_votes", as_of)
    for layout, needed in EVIDENCE_COLUMNS.items():
        if needed <= columns:
            return Recognised(RELEASE_DATES, layout, "release_dates", date_in_name(uri) or _today())
    if columns == NAMES_COLUMNS:
        raise UnknownBoardLayout(f"{uri} lists keys and shown names of models but no ratings; the boards state both.")
    if any(len(layout.columns & columns) > _NEARLY_A_BOARD * len(columns) for layout in BOARD_LAYOUTS):
        recognise_board(header)
    return None


def recognise_records(payload: bytes, uri: str) -> Recognised | None:
    """What a JSON list is, told from its first record, or None where it is nothing of the arena."""
    text = payload[:_SNIFFED_BYTES].decode("utf-8", errors="ignore").lstrip("\ufeff \n\r\t")
    if not text.startswith("["):
        return None
    start = text.find("{")
    try:
        first, _ = json.JSONDecoder().raw_decode(text, max(start, 0))
    except (ValueError, RecursionError):
        return None
    if not isinstance(first, dict):
        return None
    for layout in VOTE_LAYOUTS:
        if layout.recognised_by <= first.keys():
            return Recognised(VOTES, layout.name, "arena_votes", date_in_name(uri) or _today())
    if "Release Date" in first:
        return Recognised(RELEASE_DATES, "graphes_livre", "release_dates", date_in_name(uri) or _today())
    return None


def recognise_document(document: Mapping[str, Any]) -> Recognised | None:
    """What a JSON object is, or None where it is nothing of the arena."""
    models = document.get("models")
    if isinstance(models, dict) and any(isinstance(m, dict) and "release_date" in m for m in models.values()):
        return Recognised(RELEASE_DATES, "comparia", "release_dates", _today())
    return None


def _last_vote(columns: frozenset[str], payload: bytes, suffix: str, uri: str) -> dt.date | None:
    """UTC day of the latest vote, where the file holds times."""
    for column in columns & {"timestamp", "tstamp"}:
        text = pl.col(column)
        day = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False)
        if column == "tstamp":
            seconds = text.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
            day = pl.from_epoch(pl.when(seconds.is_between(0, EPOCH_2100)).then(seconds)).dt.date()
        latest = read_columns_as_text(payload, suffix, uri, [column]).select(day.max()).item()
        if isinstance(latest, dt.date):
            return latest
    return None


def _today() -> dt.date:
    # Nothing in the file says a date: it is what the source said when it was retrieved.
    return dt.datetime.now(dt.UTC).date()
