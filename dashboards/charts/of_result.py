"""A chart of whatever a query gave: one column against another, as points, a line or bars."""

import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, FactorRange, HoverTool, PanTool, ResetTool, WheelZoomTool
from bokeh.plotting import figure

from dashboards import theme
from dashboards.charts import axes
from dashboards.charts.thinning import thinned

NAME = "query_result"
MOST_CATEGORIES = 40
_PLAIN = "linear"


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
        x_range = {"x_range": FactorRange(*rows["x"].unique(maintain_order=True))}
    else:
        if dtype.is_numeric():
            rows = rows.with_columns(pl.col("x").cast(pl.Float64)).filter(pl.col("x").is_finite())
        elif dtype == pl.Time:
            rows = rows.with_columns(pl.col("x").cast(pl.Int64) / 3.6e12)
        rows, x_range = thinned(rows), {}
    if kind == "line" and not is_category:
        rows = rows.sort("x")
    x_kind = "datetime" if dtype in (pl.Date, pl.Datetime) and not is_category else _PLAIN
    hover = HoverTool(
        tooltips=[("", "@x{%F}" if x_kind == "datetime" else "@x"), ("", "@y{0,0.[0000]}")],
        formatters={"@x": "datetime"} if x_kind == "datetime" else {},
    )
    tools = [PanTool(), BoxZoomTool(), WheelZoomTool(), ResetTool(), hover]
    plot = theme.new_figure(NAME, 380, tools, **x_range, **({} if x_range else {"x_axis_type": x_kind}))
    source = ColumnDataSource({"x": rows["x"].to_list(), "y": rows["y"].to_list()})
    colour = theme.COLOURS[0]
    if kind == "bars":
        plot.vbar(x="x", top="y", width=0.8, source=source, fill_color=colour, line_color=colour, fill_alpha=0.75)
    elif kind == "line":
        plot.line("x", "y", source=source, color=colour, line_width=2)
    else:
        plot.scatter("x", "y", source=source, size=6, fill_color=colour, line_color=colour, fill_alpha=0.5)
    if is_category:
        plot.xaxis.major_label_orientation = 0.9
    else:
        axes.dress(plot, x_kind, _PLAIN)
    plot.xaxis.axis_label, plot.yaxis.axis_label = x, y
    return plot, rows.height
