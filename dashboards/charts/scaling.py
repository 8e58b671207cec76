"""Score against parameters: every entry, the lines through them, and who lies above all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool, WheelZoomTool
from bokeh.models.renderers import DataRenderer
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts.many_points import Coded, ManyPoints, coded
from dashboards.charts.opening import opener
from dashboards.charts.thinning import thinned
from dashboards.charts.tips import tip
from dashboards.parts import theme

NAME = "scaling"
METHODS = {
    "ordinary_least_squares": ("mean (least squares)", theme.ACCENT, "solid"),
    "quantile_50": ("50 % lie below", theme.COLOURS[5], "dotted"),
    "quantile_90": ("90 % lie below", theme.COLOURS[0], "dashed"),
    "quantile_95": ("95 % lie below", theme.COLOURS[3], "dashed"),
    "quantile_99": ("99 % lie below", theme.COLOURS[2], "solid"),
}
_NUMBERS, _WORDS = ("x", "y", "residual"), ("name",)
_CORNERS = {"log": 2, "linear": 80}
"""Points of a line: on a logarithmic axis it is straight."""


def line(intercept: float, slope: float, low: float, high: float, kind: str = "log") -> tuple[np.ndarray, np.ndarray]:
    """Points of intercept + slope × log₂(x) from `low` to `high`, as an axis of that kind needs them."""
    x = np.geomspace(low, high, _CORNERS[kind])
    return x, intercept + slope * np.log2(x)


@dataclass(frozen=True, eq=False)
class Drawing:
    """Scores and the lines through them ready to be drawn, which all who look at the same ones share.

    Attributes:
        kind: Of the horizontal axis.
        titles: Of both axes.
        spans: Start and end of both.
        cloud: Entries.
        above: Columns of those above all lines.
        lines: Columns of each method's line.
    """

    kind: str
    titles: tuple[str, str]
    spans: tuple[tuple[float, float] | None, tuple[float, float] | None]
    cloud: Coded
    above: Mapping[str, Sequence[Any]]
    lines: Mapping[str, Mapping[str, Sequence[float]]]


def drawing(points: pl.DataFrame, fits: pl.DataFrame, titles: tuple[str, str], *, logarithmic: bool) -> Drawing:
    """What a figure shows of scores.

    Args:
        points: Columns name, x (10⁹ parameters), y, residual, is_above.
        fits: Columns method, intercept, points_per_doubling.
        titles: Of the horizontal axis and of the vertical one.
        logarithmic: Whether the horizontal axis is.
    """
    kind = "log" if logarithmic else "linear"
    drawn = thinned(points)
    look = (pl.lit(theme.OTHER_COLOUR).alias("colour"), pl.lit(theme.OTHER_MARK).alias("mark"))
    cloud, above = drawn.filter(~pl.col("is_above")).with_columns(look), drawn.filter("is_above")
    low, high = float(points["x"].min() or 0.1), float(points["x"].max() or 1000.0)  # type: ignore[arg-type]
    lines = dict.fromkeys(METHODS, (np.empty(0), np.empty(0)))
    for method, intercept, slope in fits.select("method", "intercept", "points_per_doubling").iter_rows():
        if method in METHODS:
            lines[method] = line(intercept, slope, low, high, kind)
    return Drawing(
        kind, titles, (axes.span(points["x"], kind) or (0.1, 1000.0), axes.span(points["y"], "linear")),
        coded(cloud, _NUMBERS, _WORDS),
        {column: above[column].to_list() for column in (*_WORDS, *_NUMBERS)},
        {method: {"x": x.tolist(), "y": y.tolist()} for method, (x, y) in lines.items()},
    )  # fmt: skip


class ScalingChart:
    """Two figures, one per kind of horizontal axis, on the same sources; `show` swaps their data."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.cloud = ManyPoints(_NUMBERS, _WORDS)
        self.above = ColumnDataSource({column: [] for column in (*_WORDS, *_NUMBERS)})
        self.lines = {method: ColumnDataSource({"x": [], "y": []}) for method in METHODS}
        self._figures: dict[str, figure] = {}

    def _build(self, kind: str) -> figure:
        tools = [PanTool(), WheelZoomTool(), BoxZoomTool(), ResetTool()]
        plot = theme.new_figure(NAME, 500, tools, x_axis_type=kind, x_range=Range1d(), y_range=Range1d())
        axes.dress(plot, kind, "linear")
        drawn: list[DataRenderer] = [
            self.cloud.drawn_on(plot, 5.5, 0.42),
            plot.scatter("x", "y", source=self.above, size=9, marker="star", color=theme.COLOURS[1], fill_alpha=0.9),
        ]
        for method, (_, colour, dash) in METHODS.items():
            source = self.lines[method]
            plot.line("x", "y", source=source, line_color=colour, line_dash=dash, line_width=2.2)
        for renderer, form, formatters in zip(drawn, ("{custom}", ""), (self.cloud.formatters, {}), strict=True):
            tooltips = tip(
                f"@name{form}",
                ("Score", "@y{0.00} points"),
                ("Parameters", "@x{0,0.[00]} billion"),
                ("Above the mean line by", "@residual{+0.00} points"),
                opens="page",
            )
            hover = HoverTool(renderers=[renderer], point_policy="follow_mouse", limit=3)
            hover.update(tooltips=tooltips, formatters=formatters)
            plot.add_tools(hover)
        plot.add_tools(tap := opener())
        tap.renderers = drawn
        return plot

    def show(self, drawn: Drawing) -> figure:
        """Draw and return the figure, the same as before unless the kind of axis changed."""
        plot = self._figures.get(drawn.kind) or self._figures.setdefault(drawn.kind, self._build(drawn.kind))
        self.cloud.show(drawn.cloud)
        for source, columns in (
            (self.above, drawn.above), *((self.lines[method], columns) for method, columns in drawn.lines.items()),
        ):  # fmt: skip
            # A browser may write into what its source holds.
            source.data = {name: list(values) for name, values in columns.items()}
        axes.show(plot.x_range, drawn.spans[0])
        axes.show(plot.y_range, drawn.spans[1])
        plot.xaxis[0].axis_label, plot.yaxis[0].axis_label = drawn.titles
        return plot

    @staticmethod
    def legend(methods: list[str], above: int) -> str:
        """Legend as HTML."""
        lines = [
            legend.Entry(METHODS[method][0], METHODS[method][1], "line") for method in METHODS if method in methods
        ]
        marks = [legend.Entry("above the 99 % line", theme.COLOURS[1], "star", count=above)] if above else []
        return legend.swatches(NAME, [*lines, *marks])
