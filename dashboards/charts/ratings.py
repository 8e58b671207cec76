"""Rows of dots with intervals: one named row per model or maker, one or several marks in it, a common axis."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    HoverTool,
    PanTool,
    Range1d,
    ResetTool,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from dashboards.charts import axes
from dashboards.charts.opening import OPENS, PAGE, opener, with_pages
from dashboards.charts.tips import tip
from dashboards.parts import theme

_COLUMNS = ("row", "x", "low", "high", "colour", "mark", "fill", "name", "first", "second", PAGE, OPENS)
_FRAME_PX, _LEAST_PX, _TWO_LINES_PX = 82, 150, 30
# A name may take a third of a phone, not more; the account goes first, and what ends in a format
# or mode is cut in the middle, before its last whole words. Plain words go on in a second line, where rows have two.
LABELS_JS = """const most = window.innerWidth < 700 ? 19 : 38
const name = String(rows.data.name[Math.round(tick)] ?? '')
if (rows.tags.includes('two lines') && name.length > most) {
  const at = name.lastIndexOf(' ', most)
  if (at > 0 && name.length - at - 1 <= most) return name.slice(0, at) + '\\n' + name.slice(at + 1)
}
const text = name.length > most ? name.replace(/^[^ /]+[/]/, '') : name
if (text.length <= most) return text
const has_end = / [·(]/.test(text) || !text.includes(' ')
const words = has_end ? text.slice(-Math.floor(most / 2)).split(/(?<=[ -])/).slice(1) : []
const end = words.join('').replace(/^[· ]+/, '')
return text.slice(0, most - 1 - end.length).trimEnd() + '…' + end"""


@dataclass(frozen=True)
class Rows:
    """What is drawn.

    Attributes:
        names: Name of each row, from the top.
        marks: One row per mark: `row` (place of its row), `x`, `low`, `high` (null where there is no interval),
            `colour`, `mark`, `fill` (opacity, 0 for a hollow mark), `name`, `first`, `second` (lines of the hover), and
            `page` (by `with_pages`) where marks stand for models or devices.
        axis: Title of the common axis, with its unit.
        zero: Where a line stands that everything is measured from; None for no line.
        row_px: Height of a row in pixels.
        least: The axis begins here where nothing lies below; None to begin at the least value.
    """

    names: Sequence[str]
    marks: pl.DataFrame
    axis: str
    zero: float | None = None
    least: float | None = None
    row_px: int = 21


class RowsChart:
    """The figure, built once; `show` swaps its data and gives it the height that its rows need."""

    def __init__(self, name: str, *, is_logarithmic: bool = False, opens: str = "model") -> None:
        """Make an empty chart.

        Args:
            name: Name of the figure.
            is_logarithmic: Whether the common axis is, for values above zero that span decades.
            opens: Whose page a mark opens, `model` or `device`.
        """
        self._opens = opens
        self._scale = "log" if is_logarithmic else "linear"
        self.marks = ColumnDataSource({column: [] for column in _COLUMNS})
        self.rows = ColumnDataSource({"name": []})
        self.ticker = FixedTicker(ticks=[])
        self.zero = Span(location=0, dimension="height", line_color=theme.OTHER_COLOUR, line_width=1.5, visible=False)
        self.figure = self._build(name)

    def _build(self, name: str) -> figure:
        hover = HoverTool(
            point_policy="snap_to_data",
            limit=3,
            tooltips=tip("@name", "@first", "@second", opens=f"@{OPENS}"),
        )
        tools = [
            PanTool(dimensions="width"),
            BoxZoomTool(dimensions="width"),
            ResetTool(),
            hover,
            tap := opener(PAGE, self._opens),
        ]
        x_range = Range1d(start=1, end=10)  # a logarithmic axis cannot begin at 0
        plot = theme.new_figure(
            name, _LEAST_PX, tools, x_axis_type=self._scale, x_range=x_range, y_range=Range1d()
        )  # fmt: skip
        axes.dress(plot, self._scale, "linear")
        plot.yaxis.ticker = self.ticker
        plot.ygrid.ticker = self.ticker
        plot.yaxis.formatter = CustomJSTickFormatter(args={"rows": self.rows}, code=LABELS_JS)
        plot.yaxis.major_tick_line_color = None
        plot.add_layout(self.zero)
        plot.segment("low", "row", "high", "row", source=self.marks, line_color="colour", line_width=2, line_alpha=0.75)
        dots = plot.scatter(
            "x", "row", source=self.marks, size=9, marker="mark", line_color="colour", fill_color="colour",
            fill_alpha="fill", line_width=1.8,
        )  # fmt: skip
        hover.renderers = tap.renderers = [dots]
        return plot

    def show(self, rows: Rows) -> None:
        """Draw the rows."""
        count = len(rows.names)
        self.rows.tags = ["two lines"] if rows.row_px >= _TWO_LINES_PX else []
        self.rows.data = {"name": list(rows.names)}
        self.ticker.ticks = list(range(count))
        marks = rows.marks if PAGE in rows.marks.columns else with_pages(rows.marks, {})
        self.marks.data = {column: marks[column].to_numpy() for column in _COLUMNS}
        self.zero.visible = rows.zero is not None
        self.zero.location = rows.zero or 0
        seen = pl.concat([rows.marks[column].cast(pl.Float64) for column in ("x", "low", "high")])
        if rows.zero is not None:
            seen = seen.extend(pl.Series([rows.zero]))
        bounds = axes.span(seen, self._scale)
        if bounds and rows.least is not None:
            bounds = (max(bounds[0], rows.least), bounds[1])
        axes.show(self.figure.x_range, bounds)
        axes.show(self.figure.y_range, (count - 0.4, -0.6))
        self.figure.xaxis[0].axis_label = rows.axis
        self.figure.height = max(count * rows.row_px + _FRAME_PX, _LEAST_PX)
