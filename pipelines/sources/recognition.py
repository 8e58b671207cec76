"""What a file is, told from its content: which source reads it, by which layout, and of which date it speaks."""

import datetime as dt
import re
from collections.abc import Sequence

import polars as pl

from pipelines.sources import arena_recognition, kernel_recognition, layouts, profile_bundles, raw_results
from pipelines.sources.layouts import UnknownLayout
from pipelines.sources.raw_results import NotRawResults
from pipelines.sources.recognised import Recognised
from pipelines.sources.tables import UnreadableFile, header_of, read_as_text
from profiling.measure.bundle import UnusableBundle

LEADERBOARD = "open_llm_leaderboard"
RAW_RESULTS = "open_llm_raw_results"
PUBLISHED_FRONT = "published_fronts"
SUFFIXES = frozenset({".csv", ".parquet", ".json"})
_DATE = re.compile(r"(?<!\d)(\d{4}-\d{2}-\d{2})(?!\d)")


class UndatedFile(ValueError):
    """Nothing in a file or its name says which date it speaks of."""


# What a recogniser may raise for a file that it cannot account for.
UNRECOGNISED = (
    UnknownLayout, UnreadableFile, NotRawResults, UndatedFile, UnusableBundle, *arena_recognition.UNRECOGNISED,
)  # fmt: skip


def recognise(payload: bytes, suffix: str, uri: str) -> Recognised:
    """Tell what a file is.

    Raises:
        UnknownLayout, NotRawResults: its columns or keys are those of no known layout; the message names them.
        UnreadableFile: its bytes are not what its name says.
        UndatedFile, UnnamedBoard: neither its name nor its rows say which date or arena it speaks of.
        UnusableBundle: it is a bundle of measurements that is not what was sealed.
        UnknownBoardLayout: it is nearly an arena board; the message names the columns.
    """
    if suffix == ".tar":
        return profile_bundles.recognise(payload)
    return _document(payload, uri) if suffix == ".json" else _table(payload, suffix, uri)


def _document(payload: bytes, uri: str) -> Recognised:
    if found := arena_recognition.recognise_records(payload, uri):
        return found
    document = raw_results.read_document(payload, uri)
    if found := arena_recognition.recognise_document(document):
        return found
    run = raw_results.read_run(document, uri)
    return Recognised(RAW_RESULTS, raw_results.LAYOUT[run.board], run.board, run.ran_on)


def _table(payload: bytes, suffix: str, uri: str) -> Recognised:
    header = header_of(payload, suffix, uri)
    if publication := layouts.PUBLISHED_FRONTS.get(frozenset(header)):
        return Recognised(PUBLISHED_FRONT, publication, publication, _date_of(payload, suffix, uri, ["cutoff"]))
    table = (header, payload, suffix, uri)
    if found := arena_recognition.recognise_table(*table) or kernel_recognition.recognise_table(*table):
        return found
    layout = layouts.recognise(header)
    submitted = layout.values.get("submitted_on")
    as_of = _date_of(payload, suffix, uri, [submitted.column] if submitted else [])
    return Recognised(LEADERBOARD, layout.name, layout.board, as_of, layout.licence)


def _date_of(payload: bytes, suffix: str, uri: str, columns: Sequence[str]) -> dt.date:
    """Date in the file's name; else the latest in those columns."""
    for found in _DATE.findall(uri.rsplit("/", 1)[-1]):
        try:
            return dt.date.fromisoformat(found)
        except ValueError:
            continue
    for column in columns:
        frame = read_as_text(payload, suffix, uri)
        if column in frame.columns:
            latest = frame.select(pl.col(column).str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).max()).item()
            if isinstance(latest, dt.date):
                return latest
    raise UndatedFile(f"{uri} does not say which date it speaks of; put it into the name, as 2025-03-13_contents.csv.")
