"""Entries along the first two principal components, and which way each benchmark pulls."""

import itertools
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool
from bokeh.plotting import figure

from analytics.units import decimal
from dashboards.charts import axes
from dashboards.charts.many_points import ManyPoints, coded
from dashboards.charts.tips import tip
from dashboards.parts import theme

NAME = "components"
_HEIGHT_PX, _AROUND_PX = 460, 90
_LINE_PX = 14
_POINTS = ("x", "y"), ("name", "group")
_HEADROOM = 0.04  # for the name of the highest


class Components:
    """The map, built once; `show` swaps its data."""

    def __init__(self) -> None:
        """Make an empty map."""
        self.points = ManyPoints(*_POINTS)
        self.arrows = ColumnDataSource({column: [] for column in ("x", "y", "zero", "text", "facts", "offset")})
        hover, pulls = HoverTool(point_policy="follow_mouse", limit=3), HoverTool()
        tools = [PanTool(), BoxZoomTool(), ResetTool(), hover, pulls]
        plot = theme.new_figure(NAME, _HEIGHT_PX, tools, x_range=Range1d(), y_range=Range1d())
        axes.dress(plot, "linear", "linear")
        hover.renderers = [self.points.drawn_on(plot, 5.5, 0.5)]
        plot.segment("zero", "zero", "x", "y", source=self.arrows, line_color=theme.ACCENT, line_width=2)
        pulls.renderers = [plot.scatter("x", "y", source=self.arrows, size=7, color=theme.ACCENT)]
        plot.text(
            "x",
            "y",
            text="text",
            source=self.arrows,
            x_offset=6,
            y_offset="offset",
            text_font_size="12px",
            text_color=theme.TEXT_COLOUR,
        )
        hover.tooltips = tip("@name{custom}", "@group{custom}", ("Components", "@x{0.00}, @y{0.00}"))
        hover.formatters = self.points.formatters
        pulls.tooltips = tip("@text", "@facts")
        self.figure: figure = plot

    def show(self, entries: pl.DataFrame, loadings: pl.DataFrame, styles: Mapping[str, tuple[str, str]]) -> None:
        """Draw entries in the style of their group.

        Args:
            entries: Columns model_id, group, component_1, component_2.
            loadings: Result of the query of that name.
            styles: Colour and mark of every group.
        """
        x, y = entries["component_1"].to_numpy(), entries["component_2"].to_numpy()
        points = entries.select(
            pl.col("component_1").alias("x"),
            pl.col("component_2").alias("y"),
            pl.col("model_id").alias("name"),
            "group",
            *theme.looks(pl.col("group"), styles),
        )
        self.points.show(coded(points, *_POINTS))
        wide = loadings.pivot(on="component", index="benchmark", values="loading")
        reach = float(np.quantile(np.hypot(x, y), 0.9)) if len(x) else 1.0
        first, second = wide["1"].to_numpy(), wide["2"].to_numpy()
        low, high = axes.span(pl.Series([*y, *second * reach]), "linear") or (0.0, 1.0)
        high += (high - low) * _HEADROOM
        self.arrows.data = {
            "x": first * reach,
            "y": second * reach,
            "zero": np.zeros(wide.height),
            "text": wide["benchmark"].to_numpy(),
            "offset": _apart((high - second * reach) / (high - low) * (_HEIGHT_PX - _AROUND_PX)),
            "facts": [
                f"loadings {decimal(a, 2, signed=True)}, {decimal(b, 2, signed=True)}"
                for a, b in zip(first, second, strict=True)
            ],
        }
        axes.show(self.figure.x_range, axes.span(pl.Series([*x, *first * reach]), "linear"))
        axes.show(self.figure.y_range, (low, high))
        shares = dict(loadings.select("component", "explained_variance").unique().iter_rows())
        for axis, component in ((self.figure.xaxis[0], 1), (self.figure.yaxis[0], 2)):
            axis.axis_label = f"Component {component} ({100 * shares[component]:.0f} % of the variance)"


def _apart(heights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By how many pixels each name is moved, so that they lie a line apart at least: from the highest down.

    Args:
        heights: Pixels of the marks from the top.
    """
    moved = heights - 3
    order = np.argsort(moved)
    for above, below in itertools.pairwise(order):
        moved[below] = max(moved[below], moved[above] + _LINE_PX)
    return moved - heights
