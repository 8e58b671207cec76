"""The front of a file that somebody brought: read, checked, and never half understood."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipelines.analytics.pareto import Direction, pareto_front, usable


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
    if not minimise and not maximise:
        raise UnusableTable("Name at least one objective: --minimise COLUMN or --maximise COLUMN.")
    if twice := sorted(set(minimise) & set(maximise)):
        raise UnusableTable(f"{', '.join(twice)} cannot be both minimised and maximised.")
    points = _read(path)
    objectives = dict.fromkeys(minimise, Direction.MINIMISE) | dict.fromkeys(maximise, Direction.MAXIMISE)
    if unknown := [name for name in objectives if name not in points.columns]:
        raise UnusableTable(f"{path.name} has no column {', '.join(unknown)}; it has {', '.join(points.columns)}.")
    numeric = points.with_columns(_as_number(points, name, path) for name in objectives)
    kept, left_out = usable(numeric.with_row_index("__row"), objectives)
    front = pareto_front(kept, objectives).sort(*objectives, maintain_order=True)
    return points[front["__row"]], left_out.height


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise UnusableTable(f"{path} is not a file.")
    readers = {
        ".csv": lambda: pl.read_csv(path, infer_schema_length=None, null_values=["", "NA", "null", "None"]),
        ".parquet": lambda: pl.read_parquet(path),
        ".json": lambda: pl.read_json(path),
        ".ndjson": lambda: pl.read_ndjson(path),
        ".jsonl": lambda: pl.read_ndjson(path),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UnusableTable(f"{path.name} is none of {', '.join(readers)}.")
    try:
        return reader()
    except (pl.exceptions.PolarsError, OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UnusableTable(f"{path.name} cannot be read as a table: {reason}") from error


def _as_number(points: pl.DataFrame, name: str, path: Path) -> pl.Expr:
    """The column as numbers; text that is no number counts as missing, a column without any is refused."""
    column = points[name]
    if column.dtype.is_numeric():
        return pl.col(name)
    if column.dtype == pl.String:
        numbers = column.str.strip_chars().cast(pl.Float64, strict=False)
        if numbers.null_count() < len(numbers):
            return pl.lit(numbers).alias(name)
    raise UnusableTable(f"{name} of {path.name} is not numeric ({column.dtype}).")
