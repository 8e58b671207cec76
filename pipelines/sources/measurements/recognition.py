"""Recognising measurements of whole passes that a known tool wrote, among files that somebody dropped."""

import datetime as dt

import polars as pl

from pipelines.sources.dates import date_in_name, iso_day, today
from pipelines.sources.measurements.read import rows_of
from pipelines.sources.measurements.rows import DamagedMeasurements, Stated, UnknownMeasurements, frame_of
from pipelines.sources.recognised import TABLES, Recognised, Unread

SOURCE = "end_to_end_measurements"
LAYOUT = "measurements_of_passes"
UNRECOGNISED = (DamagedMeasurements,)
_SUFFIXES = TABLES | {".json", ".jsonl", ".md", ".txt"}


def recognise(file: Unread) -> Recognised | None:
    """What the file is, if it holds measurements; as of the date in its name, else that of its newest row.

    Raises:
        DamagedMeasurements: it does, with something else where a number belongs.
    """
    if file.suffix not in _SUFFIXES:
        return None
    rows = _whole(file.payload, file.uri)
    if rows is None or rows.is_empty():
        return None
    measured = rows.select(iso_day(pl.col("measured_on")).max()).item()
    date = date_in_name(file.uri) or (measured if isinstance(measured, dt.date) else None)
    return Recognised(SOURCE, LAYOUT, "measurements", date or today(), is_dated=date is not None)


def measurements_of(payload: bytes, uri: str) -> pl.DataFrame | None:
    """Rows of a file's bytes, or None where no tool known here wrote it, whole."""
    try:
        return _whole(payload, uri)
    except DamagedMeasurements:
        return None


def _whole(payload: bytes, uri: str) -> pl.DataFrame | None:
    try:
        rows = rows_of(payload.decode("utf-8-sig"), uri)
    except DamagedMeasurements:
        raise
    except (UnicodeDecodeError, UnknownMeasurements):
        return None
    return None if rows is None else frame_of(rows, Stated())
