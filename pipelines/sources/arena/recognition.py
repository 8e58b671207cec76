"""Whether a file is an arena board, a file of votes or a list of release dates, told from its columns or keys."""

import codecs
import datetime as dt
import json

import polars as pl

from pipelines.sources.arena.layouts import BOARD_LAYOUTS, NAMES_COLUMNS, UnknownBoardLayout, recognise_board
from pipelines.sources.arena.read import UnnamedBoard, identify_board
from pipelines.sources.arena.reference import EVIDENCE_COLUMNS
from pipelines.sources.dates import date_in_name, is_plausible, iso_day, today
from pipelines.sources.recognised import TABLES, Recognised, Unread
from pipelines.sources.tables import UnreadableFile, read_columns_as_text
from pipelines.sources.votes.layouts import EPOCH_2100, VOTE_LAYOUTS

BOARDS = "arena_boards"
VOTES = "arena_votes"
RELEASE_DATES = "release_dates"
UNRECOGNISED = (UnknownBoardLayout, UnnamedBoard)

_SNIFFED_BYTES = 1 << 22


def recognise(file: Unread) -> Recognised | None:
    """What a table or a JSON list is, or None where it is nothing of the arena.

    Raises:
        UnknownBoardLayout: it is nearly a board, or only lists names; the message says what is different.
        UnnamedBoard: it is a board of no date or arena.
        UnreadableFile: its bytes are not what its name says.
    """
    if file.suffix == ".json":
        return _records(file.payload, file.uri)
    return _table(file) if file.suffix in TABLES else None


def _table(file: Unread) -> Recognised | None:
    payload, suffix, uri, columns = file.payload, file.suffix, file.uri, frozenset(file.header)
    if any(layout.columns == columns for layout in BOARD_LAYOUTS):
        return _board(payload, suffix, uri)
    for votes in VOTE_LAYOUTS:
        if votes.recognised_by <= columns:
            if payload.startswith(codecs.BOM_UTF16_BE):
                raise UnreadableFile(f"{uri} is UTF-16 with the larger byte first; save it as UTF-8.")
            date = _last_vote(columns, payload, suffix, uri) or date_in_name(uri)
            return _retrieved(VOTES, votes.name, "arena_votes", date)
    for layout, needed in EVIDENCE_COLUMNS.items():
        if needed <= columns:
            return _retrieved(RELEASE_DATES, layout, "release_dates", date_in_name(uri))
    if {"model_a", "model_b"} <= columns:
        raise UnknownBoardLayout(
            f"{uri} has model_a and model_b, as votes do, and no column winner: add it, with model_a, model_b or tie."
        )
    if columns == NAMES_COLUMNS:
        raise UnknownBoardLayout(f"{uri} lists keys and shown names of models but no ratings; the boards state both.")
    if any(layout.is_nearly(columns) for layout in BOARD_LAYOUTS):
        recognise_board(file.header)  # raises where not even the needed columns are there
        return _board(payload, suffix, uri)
    return None


def _retrieved(source: str, layout: str, subject: str, date: dt.date | None) -> Recognised:
    """Of the date that it says, else of the day of its retrieval."""
    return Recognised(source, layout, subject, date or today(), is_dated=date is not None)


def _board(payload: bytes, suffix: str, uri: str) -> Recognised:
    board = identify_board(payload, suffix, uri)
    by_name = board.layout.dates is None
    return Recognised(BOARDS, board.layout.name, "arena", board.as_of, board.layout.licence, by_name)


def _records(payload: bytes, uri: str) -> Recognised | None:
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
            return _retrieved(VOTES, layout.name, "arena_votes", date_in_name(uri))
    if "Release Date" in first:
        return _retrieved(RELEASE_DATES, "graphes_livre", "release_dates", date_in_name(uri))
    return None


def recognise_document(file: Unread) -> Recognised | None:
    """What a JSON object is, or None where it is nothing of the arena; boards may look like one, and are asked before.

    Raises:
        UnreadableFile: it holds no JSON object.
    """
    if file.suffix != ".json":
        return None
    models = file.document.get("models")
    if isinstance(models, dict) and any(isinstance(m, dict) and "release_date" in m for m in models.values()):
        return _retrieved(RELEASE_DATES, "comparia", "release_dates", None)
    return None


def _last_vote(columns: frozenset[str], payload: bytes, suffix: str, uri: str) -> dt.date | None:
    """UTC day of the latest vote, where the file holds times."""
    for column in columns & {"timestamp", "tstamp"}:
        text = pl.col(column)
        day = iso_day(text)
        if column == "tstamp":
            seconds = text.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
            day = pl.from_epoch(pl.when(seconds.is_between(0, EPOCH_2100)).then(seconds)).dt.date()
        latest = read_columns_as_text(payload, suffix, uri, [column]).select(day.max()).item()
        # A clock that was wrong keeps no votes out: the name says the date, or it is the day of retrieval.
        if isinstance(latest, dt.date) and is_plausible(latest):
            return latest
    return None
