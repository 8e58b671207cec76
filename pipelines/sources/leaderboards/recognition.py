"""Whether a file is a table, a raw result file or a published front of the Open LLM Leaderboard."""

import datetime as dt
from collections.abc import Sequence

import polars as pl

from pipelines.sources.dates import UndatedFile, date_in_name, iso_day
from pipelines.sources.leaderboards import layouts, raw_results
from pipelines.sources.leaderboards.layouts import UnknownLayout
from pipelines.sources.leaderboards.raw_results import NotRawResults
from pipelines.sources.recognised import TABLES, Recognised, Unread
from pipelines.sources.tables import UnreadableFile, read_as_text

LEADERBOARD = "open_llm_leaderboard"
RAW_RESULTS = "open_llm_raw_results"
PUBLISHED_FRONT = "published_fronts"
_TASKS_OF_THE_BOARD = (b'"harness|', b'"leaderboard_')
UNRECOGNISED = (UnknownLayout, NotRawResults, UndatedFile)


def recognise_before_boards(file: Unread) -> Recognised | None:
    """What a published front or a raw result of the Open LLM Leaderboard is, or None where the file is neither.

    Raises:
        UndatedFile: neither its name nor its rows say a date.
        UnreadableFile: its bytes are not what its name says.
    """
    if file.suffix == ".json" and _is_run(file):
        return recognise(file)  # before the boards, which know what the same harness wrote of other tasks
    if file.suffix not in TABLES or not (publication := layouts.PUBLISHED_FRONTS.get(frozenset(file.header))):
        return None
    as_of, by_name = _date_of(file, ["cutoff"])
    return Recognised(PUBLISHED_FRONT, publication, publication, as_of, dated_by_name=by_name)


def _is_run(file: Unread) -> bool:
    if not any(mark in file.payload for mark in _TASKS_OF_THE_BOARD):
        return False
    try:
        return bool(raw_results.board_of(file.document, file.uri))
    except (NotRawResults, UnreadableFile):
        return False


def recognise(file: Unread) -> Recognised | None:
    """What a table or a document is; asked last, as whatever no other world knows is taken for one of these.

    Raises:
        UnknownLayout, NotRawResults: its columns or keys are those of no known layout; the message names them.
        UndatedFile: neither its name nor its rows say a date.
        UnreadableFile: its bytes are not what its name says.
    """
    if file.suffix == ".json":
        run = raw_results.read_run(file.document, file.uri)
        return Recognised(RAW_RESULTS, raw_results.LAYOUT[run.board], run.board, run.ran_on)
    if file.suffix not in TABLES:
        return None
    layout = layouts.recognise(file.header)
    submitted = layout.values.get("submitted_on")
    as_of, by_name = _date_of(file, [submitted.column] if submitted else [])
    return Recognised(LEADERBOARD, layout.name, layout.board, as_of, layout.licence, by_name)


def _date_of(file: Unread, columns: Sequence[str]) -> tuple[dt.date, bool]:
    """Date in the file's name, else the latest in those columns; and whether it is that of the name."""
    if named := date_in_name(file.uri):
        return named, True
    for column in columns:
        frame = read_as_text(file.payload, file.suffix, file.uri)
        if column in frame.columns:
            latest = frame.select(iso_day(pl.col(column)).max()).item()
            if isinstance(latest, dt.date):
                return latest, False
    raise UndatedFile(f"{file.uri} does not state its date; put it into the name, as 2025-03-13_contents.csv.")
