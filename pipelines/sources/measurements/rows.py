"""Rows of `core.end_to_end_measurements`: their columns, and what a user says where a file is silent."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import polars as pl

from warehouse.contracts.accuracy import END_TO_END_MEASUREMENTS

_OF_THE_TABLE = frozenset({"measurement_id", "may_bundle"})
COLUMNS = tuple(name for name in END_TO_END_MEASUREMENTS.column_names if name not in _OF_THE_TABLE)
SHARED_SCHEMA = "skyline-measurements-1"
"""What a file of `skyline profile share` says that it is."""
Row = dict[str, Any]


class UnknownMeasurements(ValueError):
    """A file that no benchmark tool known here writes."""


class DamagedMeasurements(UnknownMeasurements):
    """A file of a tool known here with something else where a number belongs; the message names the field."""


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What the user says of a file; it fills what the file leaves open, and overrules nothing."""

    device: str | None = None
    device_count: int | None = None
    parallelism: str | None = None
    engine: str | None = None
    backend: str | None = None
    model: str | None = None
    weight_format: str | None = None
    kv_format: str | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    batch: float | None = None


def number_in(document: Mapping[str, Any], field: str, where: str = "") -> float:
    """The number from 0 on that a tool writes into a field whatever it measured.

    Args:
        document: What the tool wrote.
        field: Its key.
        where: Which of several runs it is, as `line 3, `.

    Raises:
        DamagedMeasurements: There is no such number.
    """
    value = document.get(field)
    read = _number(value)
    if read is not None and 0 <= read < math.inf:
        return read
    shown = "is missing" if field not in document else "is null or NaN" if value is None else f"is {value!r:.40}"
    raise DamagedMeasurements(
        f"{where}{field} {shown}, and must be a number from 0 on: run the benchmark again, or correct the field"
    )


def measured(metric: str, value: object, stage: str, **rest: object) -> Row | None:
    """One row, or None where the tool measured nothing."""
    number = _number(value)
    if number is None or number <= 0:
        return None
    unknown = set(rest) - set(COLUMNS)
    if unknown:
        raise KeyError(f"no column {', '.join(sorted(unknown))} in {END_TO_END_MEASUREMENTS.relation}")
    return dict.fromkeys(COLUMNS) | rest | {"metric": metric, "value": number, "stage": stage}


def _number(value: object) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        return float(str(value))
    except ValueError:
        return None


def frame_of(rows: Iterable[Row | None], stated: Stated) -> pl.DataFrame:
    """Rows as the contract types them, with what the user says filled in."""
    stated_values = {field.name: getattr(stated, field.name) for field in fields(stated)}
    filled = [
        {name: stated_values.get(name) if value is None else value for name, value in row.items()}
        for row in rows
        if row
    ]
    schema = {name: END_TO_END_MEASUREMENTS.column(name).dtype for name in COLUMNS}
    frame = pl.DataFrame(
        [{name: _text(row[name]) for name in COLUMNS} for row in filled], schema=dict.fromkeys(COLUMNS, pl.String)
    )
    return frame.select(
        pl.col(name).cast(pl.Float64, strict=False).cast(dtype, strict=False) if dtype != pl.String else pl.col(name)
        for name, dtype in schema.items()
    )


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def at(document: Mapping[str, Any], *path: str) -> Any:
    """What lies at a path of keys, or None."""
    value: Any = document
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def milli(value: object) -> float | None:
    """Seconds of so many milliseconds."""
    number = _number(value)
    return None if number is None else number / 1e3
