"""Words and rows of the page Processors."""

from dataclasses import dataclass

import polars as pl

from dashboards.charts.legend import Entry
from dashboards.charts.opening import with_pages
from dashboards.charts.ratings import Rows
from dashboards.parts import formats, theme
from profiling.answers.processors import KINDS

BOUNDS = {"memory": ("memory bandwidth", 0), "compute": ("compute", 1), "communication": ("communication", 2)}


@dataclass(frozen=True)
class Measure:
    """What the chart compares.

    Attributes:
        title: Heading.
        column: Likely value.
        low: Least value; empty where no interval is known.
        high: Greatest value.
        scale: By which values are multiplied for the axis.
        axis: Title of the axis, with its unit.
        how: What an interval is, and what is left out.
    """

    title: str
    column: str
    low: str
    high: str
    scale: float
    axis: str
    how: str


MEASURES = {
    "time": Measure(
        "Time of a pass", "predicted_s", "predicted_low_s", "predicted_high_s", 1e3, "Milliseconds",
        "Intervals hold 80 % of measurements on devices and models that the fit had not seen.",
    ),
    "energy": Measure(
        "Energy of a million tokens", "kwh_per_million_tokens", "", "", 1.0, "kWh per million tokens",
        "Likely time at the share of its power that a device of the class was measured to draw under load, with its "
        "share of the host; devices without a published power are left out.",
    ),
    "cost": Measure(
        "Cost of a million tokens", "usd_per_million_tokens", "", "", 1.0, "US dollars per million tokens",
        "At the median of what providers ask for one device an hour; devices that no provider rents are left out.",
    ),
}  # fmt: skip


def drawn(rows: pl.DataFrame, measure: Measure) -> Rows:
    """A row per processor that has the measure, the least first."""
    chosen = rows.filter(pl.col("predicted_s").is_not_null(), pl.col(measure.column).is_not_null())
    chosen = chosen.sort(measure.column)
    marks = [
        {
            "row": place, "x": row[measure.column] * measure.scale,
            "low": row[measure.low] * measure.scale if measure.low else None,
            "high": row[measure.high] * measure.scale if measure.high else None,
            "colour": theme.COLOURS[BOUNDS[row["bound_by"]][1]], "mark": theme.MARKS[BOUNDS[row["bound_by"]][1]],
            "fill": 0.85, "name": f"{row['accelerator']} ({row['kind']})",
            "first": f"{formats.significant(row[measure.column] * measure.scale)} {measure.axis.lower()}, bound by "
            f"{BOUNDS[row['bound_by']][0]}",
            "second": f"{row['engine']}, {row['weight_format']}",
        }
        for place, row in enumerate(chosen.iter_rows(named=True))
    ]  # fmt: skip
    names = [f"{row['accelerator']} · {row['kind']}" for row in chosen.iter_rows(named=True)]
    pages = {f"{row['accelerator']} ({row['kind']})": row["accelerator"] for row in chosen.iter_rows(named=True)}
    schema = {
        "row": pl.Int64, "x": pl.Float64, "low": pl.Float64, "high": pl.Float64, "fill": pl.Float64,
        **dict.fromkeys(("colour", "mark", "name", "first", "second"), pl.String),
    }  # fmt: skip
    return Rows(names=names, marks=with_pages(pl.DataFrame(marks, schema), pages), axis=measure.axis, row_px=24)


def legend(rows: pl.DataFrame) -> list[Entry]:
    """What binds the processors that are drawn, by their marks."""
    present = set(rows["bound_by"].drop_nulls())
    return [
        Entry(f"bound by {words}", theme.COLOURS[place], theme.MARKS[place])
        for bound, (words, place) in BOUNDS.items()
        if bound in present
    ]


def counts(rows: pl.DataFrame) -> str:
    """How many of each kind there are, and how many cannot."""
    kinds = rows["kind"].value_counts(sort=True).iter_rows()
    order = list(KINDS.values())
    summary = ", ".join(f"{count} × {kind}" for kind, count in sorted(kinds, key=lambda each: order.index(each[0])))
    cannot = rows.filter(pl.col("predicted_s").is_null()).height
    return f"{summary}; {cannot} cannot run it (reason in the table)" if cannot else summary
