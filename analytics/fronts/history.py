"""How a front of two objectives moved: who entered when, who left, displaced by whom."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.fronts.objectives import Direction, UnusableObjective, objective_matrix

_FEWEST_AT_ONCE, _MOST_AT_ONCE = 256, 1 << 16
"""Rows that are held against the stairs together: few while they are built, many once they hardly change."""


@dataclass
class _Staircase:
    """The front of everything seen so far: x rising, y rising, and the rows at each step."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    rows: list[list[int]] = field(default_factory=list)

    def add(self, x: float, y: float, row: int) -> tuple[bool, list[int]]:
        """Offer one row; returns whether it enters and the rows that leave."""
        right = bisect_right(self.x, x)
        if right and self.y[right - 1] >= y:
            if self.x[right - 1] != x or self.y[right - 1] != y:
                return False, []
            self.rows[right - 1].append(row)
            return True, []
        start = bisect_left(self.x, x)
        stop = bisect_right(self.y, y, lo=start)  # y rises along the stairs: those not better than this
        gone = [r for rows in self.rows[start:stop] for r in rows]
        self.x[start:stop], self.y[start:stop], self.rows[start:stop] = [x], [y], [[row]]
        return True, gone

    def beats(self, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Which of the points a step beats: no worse in both, and not equal."""
        if not self.x:
            return np.zeros(len(x), dtype=np.bool_)
        steps_x, steps_y = np.asarray(self.x), np.asarray(self.y)
        step = np.searchsorted(steps_x, x, side="right") - 1
        best = np.where(step >= 0, steps_y[step], -np.inf)
        equal = (step >= 0) & (steps_x[step] == x) & (best == y)
        beaten: npt.NDArray[np.bool_] = (best >= y) & ~equal
        return beaten

    def best_at(self, x: float) -> int:
        """The first row with the best y at no larger x."""
        return self.rows[bisect_right(self.x, x) - 1][0]


@dataclass(frozen=True)
class _Change:
    """One date on which rows arrived; `left` pairs each row that left with the row to prefer to it."""

    first_row: int  # any row of that date, to read the date from
    entered: list[int]
    left: list[tuple[int, int]]


def front_history(points: pl.DataFrame, x: str, y: str, time: str) -> pl.DataFrame:
    """When each row was on the front of all rows up to then, in one pass over time.

    x is minimised, y maximised. All rows of one time arrive together, so a row dominated by another of
    its own time never enters. Whoever leaves never returns, hence one interval per row. Equal rows are
    all kept. A sorted staircase holds the front; a row costs O(log n) to place.

    Law: at every time t, the rows with entered_on ≤ t and left_on null or > t are the Pareto front of
    the rows with time ≤ t.

    Returns:
        One row per entry that ever was on the front, by entry and then row: `row` (row number in
        `points`), `entered_on`, `left_on` (null if it is still there), `displaced_by` (row number of the
        member with the best y at no larger x, on the day it left; null if still there).

    Raises:
        UnusableObjective: x or y is null, NaN or infinite, or a time is null.
    """
    times = _times(points, time)
    entered: list[int] = []
    left_at: dict[int, int] = {}
    displaced_by: dict[int, int] = {}
    stairs = _Staircase()
    for change in _changes(points, x, y, times, stairs):
        entered += sorted(change.entered)
        for row, preferred in change.left:
            left_at[row] = change.first_row
            displaced_by[row] = preferred
    return pl.DataFrame(
        {
            "row": pl.Series(entered, dtype=pl.UInt32),
            "entered_on": times.gather(entered),
            "left_on": times.gather(pl.Series([left_at.get(row) for row in entered], dtype=pl.UInt32)),
            "displaced_by": pl.Series([displaced_by.get(row) for row in entered], dtype=pl.UInt32),
        }
    )


def hypervolume_history(
    points: pl.DataFrame, x: str, y: str, time: str, reference: tuple[float, float]
) -> pl.DataFrame:
    """Area between the front and `reference`, after each time at which the front changed.

    Args:
        points: as for `front_history`.
        x: column to minimise; give its logarithm to make doublings count alike.
        y: column to maximise.
        time: column of dates or times.
        reference: (largest x, smallest y) that count; the area is in units of x times units of y.

    Returns:
        `time` (under the name of the column), `hypervolume`, `members`, `entered`, `left`.

    Raises:
        UnusableObjective: x or y is null, NaN or infinite, or a time is null.
    """
    times = _times(points, time)
    stairs = _Staircase()
    records: list[tuple[int, float, int, int, int]] = []
    for change in _changes(points, x, y, times, stairs):
        area, members = _area(stairs, *reference), sum(map(len, stairs.rows))
        records.append((change.first_row, area, members, len(change.entered), len(change.left)))
    schema = {"at": pl.UInt32, "hypervolume": pl.Float64, "members": pl.Int64, "entered": pl.Int64, "left": pl.Int64}
    table = pl.DataFrame(records, schema=schema, orient="row")
    return table.select(times.gather(table["at"]).alias(time), pl.exclude("at"))


def not_explained_by_later(
    earlier: pl.DataFrame, later: pl.DataFrame, objectives: Mapping[str, Direction]
) -> pl.DataFrame:
    """Members of an earlier front that a later front neither holds nor beats.

    A front of everything so far only moves forward: each earlier member is on the later front or is
    dominated by one that is. Rows returned here prove that the two fronts are not of growing sets, as
    with fronts of one month each, or with scores that changed in between.

    Raises:
        UnusableObjective: a value is null, NaN or infinite.
    """
    before, after = objective_matrix(earlier, objectives), objective_matrix(later, objectives)
    explained = [bool(np.any(np.all(after <= member, axis=1))) for member in before]
    return earlier.filter(~pl.Series(explained, dtype=pl.Boolean))


def _times(points: pl.DataFrame, time: str) -> pl.Series:
    if time not in points.columns:
        raise UnusableObjective(time, None, None, f"is not among {', '.join(points.columns)}")
    times = points.get_column(time)
    if times.null_count():
        raise UnusableObjective(time, int(times.is_null().arg_max() or 0), None)
    return times


def _changes(points: pl.DataFrame, x: str, y: str, times: pl.Series, stairs: _Staircase) -> Iterator[_Change]:
    """Play `points` in order of time onto `stairs`, and tell each time at which somebody entered."""
    values = objective_matrix(points, {x: Direction.MINIMISE, y: Direction.MAXIMISE})
    dates = times.rank("dense").to_numpy()
    # Within its own time by rising x, and by falling y at equal x: then nobody enters and leaves on one day.
    order = np.lexsort((values[:, 1], values[:, 0], dates))
    entered: list[int] = []
    gone: list[int] = []
    xs, ys = values[:, 0], -values[:, 1]

    def change() -> _Change:
        return _Change(entered[0], entered, [(row, stairs.best_at(float(xs[row]))) for row in gone])

    start, at_once = 0, _FEWEST_AT_ONCE
    while start < len(order):
        rows = order[start : start + at_once]
        start, at_once = start + at_once, min(2 * at_once, _MOST_AT_ONCE)
        # Whom the stairs beat now they beat for ever: most rows need no step of their own.
        for row in rows[~stairs.beats(xs[rows], ys[rows])].tolist():
            if entered and dates[row] != dates[entered[0]]:
                yield change()
                entered, gone = [], []
            enters, leaving = stairs.add(float(xs[row]), float(ys[row]), row)
            if enters:
                entered.append(row)
                gone += leaving
    if entered:
        yield change()


def _area(stairs: _Staircase, largest_x: float, smallest_y: float) -> float:
    steps = zip(stairs.x, stairs.y, [*stairs.x[1:], largest_x], strict=True)
    return sum(
        (min(following, largest_x) - x) * (y - smallest_y)
        for x, y, following in steps
        if x < largest_x and y > smallest_y
    )
