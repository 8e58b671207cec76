"""Score against parameters: every entry, the lines through them, and who lies above all of them."""

import numpy as np
import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool, WheelZoomTool
from bokeh.models.renderers import DataRenderer
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts.many_points import ManyPoints
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
_POINTS = ("name", "x", "y", "residual")
_GRID = 80


def line(intercept: float, slope: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Points of intercept + slope × log₂(x), even on a logarithmic axis, from `low` to `high`."""
    x = np.geomspace(low, high, _GRID)
    return x, intercept + slope * np.log2(x)


class ScalingChart:
    """Two figures, one per kind of horizontal axis, on the same sources; `show` swaps their data."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.cloud = ManyPoints(("x", "y", "residual"), ("name",))
        self.above = ColumnDataSource({column: [] for column in _POINTS})
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
            )
            hover = HoverTool(renderers=[renderer], point_policy="follow_mouse", limit=3)
            hover.update(tooltips=tooltips, formatters=formatters)
            plot.add_tools(hover)
        return plot

    def show(
        self, points: pl.DataFrame, fits: pl.DataFrame, x_title: str, y_title: str, *, logarithmic: bool
    ) -> figure:
        """Draw and return the figure, the same as before unless the kind of axis changed.

        Args:
            points: Columns name, x (10⁹ parameters), y, residual, is_above.
            fits: Columns method, intercept, points_per_doubling.
            x_title: Title of the horizontal axis.
            y_title: Title of the vertical one.
            logarithmic: Whether the horizontal axis is.
        """
        kind = "log" if logarithmic else "linear"
        plot = self._figures.get(kind) or self._figures.setdefault(kind, self._build(kind))
        drawn = thinned(points)
        look = (pl.lit(theme.OTHER_COLOUR).alias("colour"), pl.lit(theme.OTHER_MARK).alias("mark"))
        self.cloud.show(drawn.filter(~pl.col("is_above")).with_columns(look))
        above = drawn.filter("is_above")
        self.above.data = {column: above[column].to_numpy() for column in _POINTS}
        span = axes.span(points["x"], kind) or (0.1, 1000.0)
        low, high = float(points["x"].min() or 0.1), float(points["x"].max() or 1000.0)  # type: ignore[arg-type]
        found = {row["method"]: row for row in fits.iter_rows(named=True)}
        for method, source in self.lines.items():
            x, y = np.empty(0), np.empty(0)
            if method in found:
                x, y = line(found[method]["intercept"], found[method]["points_per_doubling"], low, high)
            source.data = {"x": x, "y": y}
        axes.show(plot.x_range, span)
        axes.show(plot.y_range, axes.span(points["y"], "linear"))
        plot.xaxis[0].axis_label, plot.yaxis[0].axis_label = x_title, y_title
        return plot

    @staticmethod
    def legend(methods: list[str], above: int) -> str:
        """Legend as HTML."""
        lines = [
            legend.Entry(METHODS[method][0], METHODS[method][1], "line") for method in METHODS if method in methods
        ]
        marks = [legend.Entry("above the 99 % line", theme.COLOURS[1], "star", count=above)] if above else []
        return legend.swatches(NAME, [*lines, *marks])
