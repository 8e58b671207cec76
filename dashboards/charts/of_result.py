"""A chart of whatever a query gave: one column against another, as points, a line or bars."""

import polars as pl
from bokeh.plotting import figure

from dashboards.charts import house
from dashboards.charts.thinning import thinned
from dashboards.parts import theme

NAME = "query_result"
MOST_CATEGORIES = 40
_KINDS = {"points": "scatter", "line": "line", "bars": "bar"}
_LOOKS: dict[str, dict[str, object]] = {
    "points": {"size": 36, "fill_alpha": 0.5},
    "line": {"line_width": 2},
    "bars": {"fill_alpha": 0.75, "bar_width": 0.8, "line_color": theme.COLOURS[0]},
}


def across(frame: pl.DataFrame) -> list[str]:
    """Columns that can stand on the horizontal axis."""
    return [name for name, dtype in frame.schema.items() if not dtype.is_nested() and dtype != pl.Binary]


def up(frame: pl.DataFrame) -> list[str]:
    """Columns that can stand on the vertical axis."""
    return [name for name, dtype in frame.schema.items() if dtype.is_numeric()]


def draw(frame: pl.DataFrame, kind: str, x: str, y: str) -> tuple[figure, int]:
    """The chart, and how many rows are in it.

    Args:
        frame: A result.
        kind: `points`, `line` or `bars`.
        x: One of `across`.
        y: One of `up`; rows where it is missing are not drawn.
    """
    dtype = frame.schema[x]
    rows = frame.select(x=pl.col(x), y=pl.col(y).cast(pl.Float64))
    rows = rows.filter(pl.col("y").is_finite() & pl.col("x").is_not_null())
    is_category = kind == "bars" or not (dtype.is_numeric() or dtype.is_temporal())
    if is_category:
        rows = rows.with_columns(pl.col("x").cast(pl.String)).head(MOST_CATEGORIES)
    elif dtype.is_numeric():
        rows = thinned(rows.with_columns(pl.col("x").cast(pl.Float64)).filter(pl.col("x").is_finite()))
    elif dtype == pl.Time:
        rows = thinned(rows.with_columns(pl.col("x").cast(pl.Int64) / 3.6e12))
    else:
        rows = thinned(rows)
    if kind == "line" and not is_category:
        rows = rows.sort("x")
    is_date = dtype in (pl.Date, pl.Datetime) and not is_category
    hover = house.hover("@x{%F}" if is_date else "@x", "@y{0,0.[0000]}", dates=["x"] if is_date else [])
    looks = {"color": theme.COLOURS[0], "tools": hover, "responsive": True, "xlabel": x, "ylabel": y, **_LOOKS[kind]}
    if is_category:
        looks["rot"] = 50
    element = getattr(house.plots(rows), _KINDS[kind])("x", "y", **looks)
    x_kind = "category" if is_category else "datetime" if is_date else "linear"
    return house.once(element, NAME, height=380, kinds=(x_kind, "linear")), rows.height
