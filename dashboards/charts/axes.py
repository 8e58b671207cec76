"""Axes: their kinds, how ticks and hovers print, and what span shows all of the data."""

import datetime as dt
import math
from pathlib import Path
from typing import Any

import polars as pl
from bokeh.models import CustomJSTicker, CustomJSTickFormatter, DatetimeTickFormatter, Range, Range1d
from bokeh.plotting import figure

from dashboards.charts import screen
from dashboards.parts.fields import Measure

_PADDING = 0.04
_TICKS = 7
# Bokeh's own ticker takes an axis of less than two decades for a linear one, which on a small screen leaves one mark.
_LOG_TICKS = (Path(__file__).parent / "log_ticks.js").read_text("utf-8")
_PLAIN_NUMBER = """const size = Math.abs(tick)
const text = size >= 1 ? size.toLocaleString('en') : String(parseFloat(size.toPrecision(3)))
return tick < 0 ? '−' + text : text"""


def kind(measure: Measure, *, logarithmic: bool) -> str:
    """Bokeh's name of the axis type: `linear`, `log` or `datetime`."""
    if measure.is_date:
        return "datetime"
    return "log" if logarithmic else "linear"


def dress(plot: figure, x_kind: str, y_kind: str) -> None:
    """Tick marks of both axes for their kinds; those of categories are their names."""
    for axis, axis_kind in ((plot.xaxis[0], x_kind), (plot.yaxis[0], y_kind)):
        if axis_kind == "datetime":
            axis.formatter = DatetimeTickFormatter(days="%d %b %Y", months="%b %Y", years="%Y")
        elif axis_kind != "category":
            axis.formatter = CustomJSTickFormatter(code=_PLAIN_NUMBER)
        if axis_kind == "log":
            arguments = {"plot": plot, "across": axis in plot.xaxis}
            axis.ticker = CustomJSTicker(args=arguments, major_code=_LOG_TICKS)
    screen.fewer_ticks(plot, _TICKS)


def span(values: pl.Series, axis_kind: str) -> tuple[float, float] | None:
    """Start and end that show every value with a margin; None where there is no value."""
    numbers = values.drop_nulls()
    if numbers.is_empty():
        return None
    low, high = _number(numbers.min()), _number(numbers.max())
    if axis_kind == "log":
        room = max((math.log10(high) - math.log10(low)) * _PADDING, 0.02)
        return low / 10**room, high * 10**room
    least = 86_400_000.0 * 7 if axis_kind == "datetime" else max(abs(high) * 0.01, 1e-6)
    room = max((high - low) * _PADDING, least)
    return low - room, high + room


def _number(item: Any) -> float:
    if isinstance(item, dt.datetime | dt.date):
        moment = item if isinstance(item, dt.datetime) else dt.datetime(item.year, item.month, item.day, tzinfo=dt.UTC)
        return moment.replace(tzinfo=dt.UTC).timestamp() * 1000
    return float(item)


def show(axis_range: Range, bounds: tuple[float, float] | None) -> None:
    """Make an axis with a range of its own span the bounds, also after a reset."""
    if bounds is not None and isinstance(axis_range, Range1d):
        axis_range.update(start=bounds[0], end=bounds[1], reset_start=bounds[0], reset_end=bounds[1])


def hover(column: str, measure: Measure) -> tuple[str, dict[str, str]]:
    """How a hover prints a column of that measure: its text, and the formatters it needs."""
    if measure.is_date:
        return f"@{column}{{%F}}", {f"@{column}": "datetime"}
    digits = "0,0.00" if measure.unit == "points" else "0,0.[000]"
    return f"@{column}{{{digits}}} {measure.unit}".rstrip(), {}


def usable(measure: Measure, *, logarithmic: bool) -> pl.Expr:
    """Whether a row can be drawn on an axis of that measure."""
    column = pl.col(measure.name)
    if measure.is_date:
        return column.is_not_null()
    finite = column.is_finite().fill_null(value=False)
    return finite & (column > 0) if logarithmic else finite
