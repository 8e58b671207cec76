"""Entries as profiles over benchmarks: parallel coordinates with brushes, and all pairs of benchmarks at once."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from bokeh.events import Reset, SelectionGeometry
from bokeh.models import (
    BoxSelectTool,
    ColumnDataSource,
    CustomJS,
    CustomJSTickFormatter,
    FixedTicker,
    HoverTool,
    Range1d,
    ResetTool,
)
from bokeh.models.annotations import Title
from bokeh.plotting import figure

from dashboards.charts.many_points import ManyPoints, coded
from dashboards.charts.opening import opener
from dashboards.charts.ratings import LABELS_JS
from dashboards.charts.tips import tip
from dashboards.parts import theme

PARALLEL, PAIRS = "parallel", "scatter_matrix"
MOST_LINES, MOST_PAIRED = 600, 250
_POINTS = ("x", "y"), ("name",)
_FADED, _DRAWN = 0.03, 0.32
# A box narrows the axes that it crosses; boxes on other axes stay, and the reset button takes all of them away.
_BRUSH = """const {x0, x1, y0, y1} = cb_obj.geometry
if (!cb_obj.final) return
const held = brushes.tags.length ? brushes.tags[0] : {}
for (let axis = Math.ceil(Math.min(x0, x1)); axis <= Math.max(x0, x1); axis++)
  held[axis] = [Math.min(y0, y1), Math.max(y0, y1)]
brushes.tags = [held]
const ys = lines.data.ys, alpha = lines.data.alpha.slice()
let kept = 0
for (let i = 0; i < ys.length; i++) {
  const inside = Object.entries(held).every(([axis, [low, high]]) => ys[i][axis] >= low && ys[i][axis] <= high)
  alpha[i] = inside ? 0.75 : faded
  kept += inside
}
lines.data = {...lines.data, alpha}
const boxes = Object.entries(held)
const column = (of) => boxes.map(of)
brushes.data = {x: column(([axis]) => +axis), low: column(([, ends]) => ends[0]), high: column(([, ends]) => ends[1])}
plot.title.text = `${kept} of ${ys.length} lines pass the brushes`"""
_CLEAR = """brushes.tags = []
brushes.data = {x: [], low: [], high: []}
lines.data = {...lines.data, alpha: lines.data.ys.map(() => drawn)}
plot.title.text = ''"""


class Parallel:
    """Parallel coordinates, built once; brushing happens in the browser."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.lines = ColumnDataSource({"xs": [], "ys": [], "colour": [], "alpha": [], "name": []})
        self.brushes = ColumnDataSource({"x": [], "low": [], "high": []})
        self._names = ColumnDataSource({"name": []})
        self._ends = ColumnDataSource({"x": [], "y": [], "text": [], "shift": []})
        self._ticker = FixedTicker(ticks=[])
        hover = HoverTool(line_policy="nearest", tooltips=tip("@name", opens="page"))
        select = BoxSelectTool(persistent=False)
        plot = theme.new_figure(
            PARALLEL,
            420,
            [select, ResetTool(), hover, tap := opener()],
            x_range=Range1d(),
            y_range=Range1d(start=-0.08, end=1.08),
        )
        plot.toolbar.active_drag = select
        plot.xaxis[0].ticker = self._ticker
        plot.xaxis[0].formatter = CustomJSTickFormatter(args={"rows": self._names}, code=LABELS_JS)
        plot.xaxis[0].major_label_orientation = 0.5
        plot.yaxis[0].visible = False
        plot.ygrid.visible = False
        self._title = Title(text="", text_font_size="12px", text_font_style="normal")
        plot.title = self._title
        hover.renderers = tap.renderers = [
            plot.multi_line("xs", "ys", source=self.lines, line_color="colour", line_alpha="alpha", line_width=1.2)
        ]
        plot.segment(
            "x", "low", "x", "high", source=self.brushes, line_color=theme.ACCENT, line_width=7, line_alpha=0.7
        )
        plot.text(
            "x",
            "y",
            text="text",
            source=self._ends,
            text_align="center",
            y_offset="shift",
            text_font_size="10px",
            text_color=theme.TEXT_COLOUR,
        )
        arguments = {"lines": self.lines, "brushes": self.brushes, "plot": plot, "faded": _FADED, "drawn": _DRAWN}
        plot.js_on_event(SelectionGeometry, CustomJS(args=arguments, code=_BRUSH))
        plot.js_on_event(Reset, CustomJS(args=arguments, code=_CLEAR))
        self.figure: figure = plot

    def show(self, values: np.ndarray, columns: Sequence[str], colours: Sequence[str], names: Sequence[str]) -> None:
        """Draw entries (n, p) over the columns, each axis from its least to its greatest value."""
        low, high = (values.min(axis=0), values.max(axis=0)) if len(values) else (np.zeros(len(columns)),) * 2
        scaled = (values - low) / np.where(high > low, high - low, 1.0)
        places = list(range(len(columns)))
        self.brushes.update(tags=[], data={"x": [], "low": [], "high": []})
        self.lines.data = {
            "xs": [places] * len(values),
            # As numbers: an array of each line would travel by itself.
            "ys": scaled.round(4).tolist(),
            "colour": list(colours),
            "alpha": [_DRAWN] * len(values),
            "name": list(names),
        }
        self._ends.data = {
            "x": places * 2,
            "y": [0.0] * len(places) + [1.0] * len(places),
            "text": [f"{value:.1f}" for value in (*low, *high)],
            "shift": [14] * len(places) + [-4] * len(places),
        }
        self._names.data = {"name": list(columns)}
        self._ticker.ticks = places
        self._title.text = ""
        self.figure.x_range.update(start=-0.4, end=len(columns) - 0.6)


class Pairs:
    """Every pair of columns as a small scatter, all in one figure: one canvas instead of fifteen."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.points = ManyPoints(*_POINTS)
        self._boxes = ColumnDataSource({"x": [], "y": []})
        self._words = ColumnDataSource({"x": [], "y": [], "text": []})
        hover = HoverTool(point_policy="follow_mouse", limit=2)
        hover.update(tooltips=tip("@name{custom}", opens="page"), formatters=self.points.formatters)
        plot = theme.new_figure(PAIRS, 640, [ResetTool(), hover, tap := opener()], x_range=Range1d(), y_range=Range1d())
        plot.axis.visible = False
        plot.grid.visible = False
        plot.min_border_left = 4
        plot.rect("x", "y", 0.96, 0.96, source=self._boxes, fill_alpha=0, line_color=theme.OTHER_COLOUR, line_alpha=0.5)
        hover.renderers = tap.renderers = [self.points.drawn_on(plot, 3.5, 0.6)]
        plot.text(
            "x",
            "y",
            text="text",
            text_color=theme.TEXT_COLOUR,
            source=self._words,
            text_baseline="middle",
            text_font_size="12px",
        )
        self.figure: figure = plot

    def show(self, values: np.ndarray, columns: Sequence[str], colours: Sequence[str], names: Sequence[str]) -> None:
        """Draw entries (n, p): column across against row down, below the diagonal that names them."""
        count = len(columns)
        low, high = (values.min(axis=0), values.max(axis=0)) if len(values) else (np.zeros(count),) * 2
        scaled = ((values - low) / np.where(high > low, high - low, 1.0) - 0.5) * 0.88
        cells = [(row, column) for row in range(count) for column in range(row)]
        looks = pl.DataFrame(
            {"name": names, "colour": colours}, schema={"name": pl.String, "colour": pl.String}
        ).with_columns(mark=pl.lit(theme.OTHER_MARK))
        points = pl.concat(
            # Rows run down, values up.
            looks.with_columns(
                x=pl.Series(column + scaled[:, column], dtype=pl.Float64),
                y=pl.Series(-row + scaled[:, row], dtype=pl.Float64),
            )
            for row, column in cells
        )
        self.points.show(coded(points, *_POINTS))
        self._boxes.data = {"x": [column for _, column in cells], "y": [-row for row, _ in cells]}
        # From the edge of its diagonal place to the right, where nothing is drawn, however long the name.
        places = range(count)
        self._words.data = {"x": [i - 0.46 for i in places], "y": [-i for i in places], "text": list(columns)}
        self.figure.x_range.update(start=-0.55, end=count - 0.45)
        self.figure.y_range.update(start=-count + 0.45, end=0.55)
