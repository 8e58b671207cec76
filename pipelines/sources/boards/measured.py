"""Measurements of whole passes that a declared source publishes: stated in cells, or in files that a tool wrote."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipelines.sources.boards import values
from pipelines.sources.boards.declaration import Board, File
from pipelines.sources.boards.documents import FILE_PATH, Member, text_of
from pipelines.sources.boards.stated import Refused, stated_of, valid_and_rejected
from pipelines.sources.boards.templates import Measured
from pipelines.sources.measurements.llama_bench import gguf_format
from pipelines.sources.measurements.read import rows_of
from pipelines.sources.measurements.rows import COLUMNS, Stated, UnknownMeasurements, frame_of
from pipelines.sources.raw_store import Manifest
from pipelines.sources.tables import ROW, UnreadableFile, numbered
from warehouse.contracts.accuracy import END_TO_END_MEASUREMENTS

MEASURED_SCHEMA: Mapping[str, Any] = {
    ROW: pl.Int64,
    FILE_PATH: pl.String,
    **{name: END_TO_END_MEASUREMENTS.column(name).dtype for name in COLUMNS},
}
"""Columns of what a file gave: where each measurement stands, and what it says."""
PUBLISHED_SCHEMA: Mapping[str, Any] = {
    **{name: dtype for name, dtype in MEASURED_SCHEMA.items() if name not in {ROW, FILE_PATH}},
    "may_bundle": pl.Boolean,
}
"""Columns of the same under the name, the licence and the address of its source."""
_NEEDED = frozenset({"stage", "metric", "value"})
_NOTHING = "states no measurement"


def measured_of(frame: pl.DataFrame, file: File) -> tuple[pl.DataFrame, list[Refused], dict[str, int]]:
    """Measurements by `MEASURED_SCHEMA`; row number, member and reason of what cannot be; rows passed over.

    Args:
        frame: Cells as text, by the names that the declaration uses.
        file: The kind of file.
    """
    frame, passed_over = values.of_the_board(frame, file.only_rows, file.not_rows, set(frame.columns))
    parts: list[pl.DataFrame] = [pl.DataFrame(schema=MEASURED_SCHEMA)]
    rejected: list[Refused] = []
    for measurement in file.measured:
        rows = frame.filter(values.matching(measurement.only_rows, set(frame.columns)))
        for column in _columns_of(measurement, frame.columns):
            templates = {**file.measured_with, **measurement.columns}
            stated = stated_of(rows, END_TO_END_MEASUREMENTS, templates, measurement.factors, column)
            stated = stated.filter(pl.col("value").is_not_null() & (pl.col("value") != 0))
            if measurement.per_device:
                stated = stated.with_columns(value=pl.col("value") * pl.col("device_count"))
            stated = stated.with_columns(pl.col("weight_format").map_elements(_format, return_dtype=pl.String))
            good, wrong = valid_and_rejected(stated, END_TO_END_MEASUREMENTS, templates.keys(), _NEEDED)
            parts.append(good.select(MEASURED_SCHEMA.keys()))
            rejected += wrong
    whole = pl.concat(parts)
    silent = frame.join(whole, on=[ROW, FILE_PATH], how="anti")
    rejected_places = {(number, member) for number, member, _ in rejected}
    rejected += [
        (*place, _NOTHING) for place in silent.select(ROW, FILE_PATH).iter_rows() if place not in rejected_places
    ]
    return whole, rejected, passed_over


def _format(stated: str) -> str:
    """A stated format by its name here: that of a GGUF file type, wherever in the text it stands, else as it is."""
    return gguf_format({}, stated) or stated.casefold()


def _columns_of(measurement: Measured, columns: Sequence[str]) -> list[str | None]:
    if measurement.in_columns is None:
        return [None]
    pattern = measurement.in_columns
    return [name for name in columns if re.search(pattern, name)]


def measured_by_tool(member: Member, file: File) -> pl.DataFrame:
    """Measurements, by `MEASURED_SCHEMA`, of a file as a benchmark tool wrote it.

    Args:
        member: The file.
        file: Its kind; what it says of every measurement is put in place of what the tool says, cells being what the
            tool said of the columns of the table.

    Raises:
        UnreadableFile: no tool known here writes such a file.
    """
    text = text_of(member.payload, member.name)
    try:
        tool_rows = rows_of(text, member.path)
    except UnknownMeasurements as error:
        raise UnreadableFile(str(error)) from error
    if tool_rows is None:
        raise UnreadableFile(f"{member.name} is of no benchmark tool known here.")
    rows = numbered(frame_of(tool_rows, Stated())).with_columns(pl.lit(member.path).alias(FILE_PATH))
    if file.measured_with:
        cells = rows.with_columns(pl.all().exclude(ROW).cast(pl.String))
        stated = stated_of(cells, END_TO_END_MEASUREMENTS, file.measured_with, {})
        rows = rows.with_columns(pl.coalesce(stated[name], rows[name]).alias(name) for name in file.measured_with)
    return rows.select(MEASURED_SCHEMA.keys())


def published(measured: pl.DataFrame, manifest: Manifest, board: Board) -> pl.DataFrame:
    """Measurements as rows of the contract: who published them, where they stand, whether one may pass them on.

    A licence that was not found when the file was fetched is none.

    Args:
        measured: Rows by `MEASURED_SCHEMA`.
        manifest: Of the file.
        board: The source.
    """
    state = manifest.revision or f"retrieved {manifest.retrieved_at:%Y-%m-%d}"
    within = pl.when(pl.col(FILE_PATH) != manifest.uri).then(pl.format(" {}", FILE_PATH)).otherwise(pl.lit(""))
    stated = pl.when(pl.col("evidence").is_not_null()).then(pl.format(" {}", "evidence")).otherwise(pl.lit(""))
    return measured.with_columns(
        source=pl.lit(board.name),
        licence=pl.lit(manifest.licence or "none stated", pl.String),
        evidence=pl.concat_str(pl.lit(f"{board.homepage} {manifest.uri}"), within, stated, pl.lit(f" ({state})")),
        may_bundle=pl.lit(board.may_bundle and manifest.licence is not None),
    ).select(PUBLISHED_SCHEMA.keys())
