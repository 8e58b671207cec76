"""Objectives of a comparison: their direction, which rows have a value for each, and the matrix of them.

What is better than what is decided in `pareto`; nothing here compares two rows.
"""

from collections.abc import Mapping
from enum import Enum

import numpy as np
import numpy.typing as npt
import polars as pl

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Direction(Enum):
    """Which way an objective improves."""

    MINIMISE = "minimise"
    """Smaller is better: size, error, cost, carbon."""

    MAXIMISE = "maximise"
    """Larger is better: score, speed."""


class UnusableObjective(ValueError):
    """An objective that cannot be compared: absent, not a number, null, NaN or infinite."""

    def __init__(self, column: str, row: int | None, value: object, why: str = "") -> None:
        self.column = column
        self.row = row
        self.value = value
        if row is None:
            message = f"column '{column}' {why}"
        else:
            message = (
                f"column '{column}', row {row} is {value!r}, which cannot be compared; "
                "set such rows aside with `usable` first"
            )
        super().__init__(message)


def numeric_column(points: pl.DataFrame, column: str) -> pl.Series:
    """`column` as 64-bit floats; integers beyond 2^53 round, and may then tie.

    Raises:
        UnusableObjective: the column is absent or is not numeric.
    """
    if column not in points.columns:
        raise UnusableObjective(column, None, None, f"is not among {', '.join(points.columns)}")
    series = points.get_column(column)
    if series.dtype == pl.Null:  # an empty or all-null column read from a file has no type yet
        return series.cast(pl.Float64)
    if not series.dtype.is_numeric():
        raise UnusableObjective(column, None, None, f"holds {series.dtype}, not numbers")
    return series.cast(pl.Float64)


def usable(points: pl.DataFrame, objectives: Mapping[str, Direction]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split `points` into rows that have a finite value for every objective, and all others.

    Values that only mean "missing", such as a size of 0 or -1, are finite: whoever knows the source
    turns them into null before.

    Returns:
        (usable rows, rows set aside), each in their original order.

    Raises:
        UnusableObjective: a column is absent or is not numeric.
    """
    finite = pl.Series("finite", np.ones(points.height, dtype=np.bool_))
    for column in objectives:
        # is_finite is null where the value is.
        finite &= numeric_column(points, column).is_finite().fill_null(value=False)
    return points.filter(finite), points.filter(~finite)


def objective_matrix(points: pl.DataFrame, objectives: Mapping[str, Direction]) -> Matrix:
    """Values as an (n rows, d objectives) array in which smaller is better throughout.

    Raises:
        UnusableObjective: a value is null, NaN or infinite; the message names column and row.
    """
    # Column by column in memory: the searches read one objective at a time.
    matrix = np.empty((points.height, len(objectives)), order="F")
    for j, (column, direction) in enumerate(objectives.items()):
        series = numeric_column(points, column)
        values = series.to_numpy()  # null becomes NaN
        finite = np.isfinite(values)
        if not finite.all():
            row = int(np.argmin(finite))
            raise UnusableObjective(column, row, series[row])
        matrix[:, j] = values if direction is Direction.MINIMISE else -values
    return matrix
