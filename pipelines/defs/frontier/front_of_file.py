"""The front of a file that somebody brought: read, checked, and never half understood."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from analytics.fronts.objectives import Direction, usable
from analytics.fronts.pareto import pareto_front
from pipelines.sources.tables import NO_TABLE, header_of, require_bounded
from profiling.foreign import parse_json
from profiling.foreign_parquet import read_parquet

LARGEST_FILE_BYTES = 1 << 30


class UnusableTable(ValueError):
    """A file cannot be read as a table, or lacks a column that was asked for."""


def front_of_file(path: Path, minimise: Sequence[str], maximise: Sequence[str]) -> tuple[pl.DataFrame, int]:
    """Rows of the file on its Pareto front, by rising first objective, and how many were left out.

    Args:
        path: CSV, Parquet, JSON (a list of objects) or JSON lines.
        minimise: Columns to minimise.
        maximise: Columns to maximise.

    Raises:
        UnusableTable: the file is no such table, no objective or an unknown one is named, or one is not numeric.
    """
    _require_objectives(minimise, maximise)
    return front_of_table(_read(path), minimise, maximise, path.name)


def front_of_table(
    points: pl.DataFrame, minimise: Sequence[str], maximise: Sequence[str], name: str
) -> tuple[pl.DataFrame, int]:
    """Rows of the table on its Pareto front, by rising first objective, and how many were left out.

    Args:
        points: One row per candidate.
        minimise: Columns to minimise.
        maximise: Columns to maximise.
        name: What errors call the table.

    Raises:
        UnusableTable: no objective or an unknown one is named, or one is not numeric.
    """
    _require_objectives(minimise, maximise)
    objectives = dict.fromkeys(minimise, Direction.MINIMISE) | dict.fromkeys(maximise, Direction.MAXIMISE)
    if unknown := [column for column in objectives if column not in points.columns]:
        raise UnusableTable(f"{name} has no column {', '.join(unknown)}; its columns are {', '.join(points.columns)}.")
    numeric = points.with_columns(_as_number(points, column, name) for column in objectives)
    usable_rows, left_out = usable(numeric.with_row_index("__row"), objectives)
    front = pareto_front(usable_rows, objectives).sort(*objectives, maintain_order=True)
    return points[front["__row"]], left_out.height


def table_of_rows(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Rows as a table; columns of numbers and texts are texts.

    Raises:
        UnusableTable: the rows do not make a table.
    """
    try:
        return pl.DataFrame(list(rows), infer_schema_length=None, strict=False)
    except (pl.exceptions.PolarsError, OverflowError, TypeError, ValueError) as error:
        raise UnusableTable(f"The rows do not make a table: {str(error).splitlines()[0]}") from error


def _require_objectives(minimise: Sequence[str], maximise: Sequence[str]) -> None:
    if not minimise and not maximise:
        raise UnusableTable("Name at least one objective: --minimise COLUMN or --maximise COLUMN.")
    if twice := sorted(set(minimise) & set(maximise)):
        raise UnusableTable(f"{', '.join(twice)} cannot be both minimised and maximised.")


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise UnusableTable(f"{path} is not a file.")
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise UnusableTable(f"{path.name} is none of {', '.join(_READERS)}.")
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise UnusableTable(f"{path.name} has {size:,} bytes; the most is {LARGEST_FILE_BYTES:,}.")
        # As bytes: in a path some characters would stand for others.
        return _READERS[suffix](path.read_bytes(), path.name)
    except NO_TABLE as error:
        if isinstance(error, UnusableTable):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UnusableTable(f"{path.name} cannot be read as a table: {reason}") from error


def _of_csv(payload: bytes, name: str) -> pl.DataFrame:
    header_of(payload, ".csv", name)  # refuses a million columns before they are made
    return pl.read_csv(io.BytesIO(payload), infer_schema_length=None, null_values=["", "NA", "null", "None"])


def _of_parquet(payload: bytes, name: str) -> pl.DataFrame:
    require_bounded(payload, name)
    return read_parquet(payload)


def _of_json(payload: bytes, name: str) -> pl.DataFrame:
    return _of_objects(parse_json(payload), name)


def _of_lines(payload: bytes, name: str) -> pl.DataFrame:
    return _of_objects([parse_json(line) for line in payload.splitlines() if line.strip()], name)


def _of_objects(rows: object, name: str) -> pl.DataFrame:
    # Not by polars' own readers: objects within a thousand objects end the process there.
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UnusableTable(f"{name} holds no list of objects.")
    nested = {key for row in rows for key, value in row.items() if isinstance(value, dict | list)}
    return table_of_rows([{k: json.dumps(v) if k in nested else v for k, v in row.items()} for row in rows])


_READERS: Mapping[str, Callable[[bytes, str], pl.DataFrame]] = {
    ".csv": _of_csv, ".parquet": _of_parquet, ".json": _of_json, ".ndjson": _of_lines, ".jsonl": _of_lines,
}  # fmt: skip


def _as_number(points: pl.DataFrame, name: str, table: str) -> pl.Expr:
    """The column as numbers; text that is no number counts as missing, a column without any is refused."""
    column = points[name]
    if column.dtype.is_numeric():
        return pl.col(name)
    if column.dtype == pl.String:
        numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
        if numbers.null_count() < len(numbers):
            return pl.lit(numbers).alias(name)
    raise UnusableTable(f"{name} of {table} is not numeric ({column.dtype}).")
