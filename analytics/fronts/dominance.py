"""What beats an entry on two objectives, by how much, and whether that exceeds the noise of the scores."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.fronts.nondominated import front_mask
from analytics.fronts.objectives import Mask, numeric_column
from analytics.statistics.normal import TWO_SIDED_95

"""Two-sided 95 % quantile of the normal distribution: a smaller difference counts as noise."""

_Floats = npt.NDArray[np.float64]
_Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class _Compared:
    """Usable rows on two objectives: x minimised, y maximised, `front` as positions sorted by x."""

    row: _Rows  # row number in the caller's frame
    x: _Floats
    y: _Floats
    standard_error: _Floats  # NaN where unknown
    on_front: Mask
    front: _Rows  # one position per distinct front point, the first of equal rows


def dominated_by(points: pl.DataFrame, x: str, y: str, standard_error: str | None = None) -> pl.DataFrame:
    """For every usable row off the front (x minimised, y maximised), the front member to prefer to it.

    That is the front member with the best y among those with no larger x; of equal members the first.
    The standard error of the gap is √(se² + se_dominator²), as for independent samples. Models answer
    the same questions, so their errors are correlated and the true one is smaller: `within_noise` is
    conservative, it calls a few real gaps noise and hardly any noise a gap.

    Args:
        points: one row per entry; rows with a missing x or y are left out.
        x: column to minimise, in its own unit.
        y: column to maximise.
        standard_error: column with the standard error of y, in the unit of y; null, NaN or negative
            where unknown.

    Returns:
        One row per dominated entry, in the order of `points`: `row` and `dominator_row` (row numbers
        in `points`), `gap_x` and `gap_y` (both ≥ 0, not both 0), `gap_standard_error` and
        `within_noise` (gap_y ≤ 1.959964 × its standard error; null where a standard error is unknown).

    Raises:
        UnusableObjective: a column is absent or is not numeric.
    """
    rows = _compared(points, x, y, standard_error)
    beaten = _beaten(rows)
    return pl.DataFrame(
        {
            "row": rows.row[beaten.row].astype(np.uint32),
            "dominator_row": rows.row[beaten.dominator].astype(np.uint32),
            "gap_x": rows.x[beaten.row] - rows.x[beaten.dominator],
            "gap_y": beaten.gap_y,
            "gap_standard_error": beaten.noise,
        }
    ).with_columns(
        _within_noise("gap_y", "gap_standard_error").alias("within_noise"),
        pl.col("gap_standard_error").fill_nan(None),
    )


def front_members(points: pl.DataFrame, x: str, y: str, standard_error: str | None = None) -> pl.DataFrame:
    """Members of the front (x minimised, y maximised), and how far noise leaves each of them its place.

    Returns:
        One row per member, by rising x: `row` (row number in `points`), `dominated` (entries for which
        it is the member to prefer, see `dominated_by`), `contenders_within_noise` (how many of those are
        within noise of it; null without a `standard_error` column; entries of unknown standard error are
        not counted), and `beyond_noise_of_previous` (the gain in y over the member of next smaller x
        exceeds 1.959964 standard errors; null for the first member and where one is unknown). Of equal
        members the first stands for all in being preferred.

    Raises:
        UnusableObjective: a column is absent or is not numeric.
    """
    rows = _compared(points, x, y, standard_error)
    members = np.flatnonzero(rows.on_front)
    members = members[np.argsort(rows.x[members], kind="stable")]
    previous = np.searchsorted(rows.x[rows.front], rows.x[members], side="left") - 1
    before = rows.front[np.maximum(previous, 0)]
    gain = np.where(previous < 0, np.nan, rows.y[members] - rows.y[before])
    noise = np.hypot(rows.standard_error[members], rows.standard_error[before])
    beaten = _beaten(rows)
    close = beaten.gap_y <= TWO_SIDED_95 * beaten.noise  # an unknown noise is NaN, and never close
    dominated = np.bincount(beaten.dominator, minlength=len(rows.row))[members]
    contenders = np.bincount(beaten.dominator[close], minlength=len(rows.row))[members]
    return pl.DataFrame({
        "row": rows.row[members].astype(np.uint32), "dominated": dominated, "contenders_within_noise": contenders,
        "gain": gain, "noise": noise,
    }).select(
        "row", "dominated",
        "contenders_within_noise" if standard_error is not None
        else pl.lit(None, pl.Int64).alias("contenders_within_noise"),
        pl.when(pl.col("gain").is_not_nan()).then(~_within_noise("gain", "noise")).alias("beyond_noise_of_previous"),
    )  # fmt: skip


def _within_noise(gap: str, standard_error: str) -> pl.Expr:
    # Not strictly below: no gap at all is never beyond noise.
    has_error = pl.col(standard_error).is_not_nan()
    return pl.when(has_error).then(pl.col(gap) <= TWO_SIDED_95 * pl.col(standard_error))


@dataclass(frozen=True)
class _Beaten:
    """Rows off the front, as positions in `_Compared`, with the front member to prefer to each."""

    row: _Rows
    dominator: _Rows
    gap_y: _Floats
    noise: _Floats  # NaN where a standard error is unknown


def _beaten(rows: _Compared) -> _Beaten:
    off = np.flatnonzero(~rows.on_front)
    # A front sorted by x rises in y, so the best y at or below an x belongs to the last member there.
    # Every dominated row has one: whichever front row dominates it.
    dominator = rows.front[np.searchsorted(rows.x[rows.front], rows.x[off], side="right") - 1]
    noise = np.hypot(rows.standard_error[dominator], rows.standard_error[off])
    return _Beaten(off, dominator, rows.y[dominator] - rows.y[off], noise)


def _compared(points: pl.DataFrame, x: str, y: str, standard_error: str | None) -> _Compared:
    # Called for hundreds of small groups in a row: arrays, because each step of a frame costs more than the data.
    xs, ys = (numeric_column(points, column).to_numpy() for column in (x, y))  # null becomes NaN
    rows = np.flatnonzero(np.isfinite(xs) & np.isfinite(ys))
    xs, ys = xs[rows], ys[rows]
    on_front = front_mask(np.asfortranarray(np.column_stack([xs, -ys])))
    members = np.flatnonzero(on_front)
    # `unique` sorts by x and gives the first row of equal ones: on a front, equal x means equal y.
    _, first = np.unique(xs[members], return_index=True)
    errors = np.full(len(rows), math.nan)
    if standard_error is not None:
        errors = numeric_column(points, standard_error).to_numpy()[rows]
        errors[~(np.isfinite(errors) & (errors >= 0))] = math.nan
    return _Compared(row=rows, x=xs, y=ys, standard_error=errors, on_front=on_front, front=members[first])
