"""Entries along the first two principal components, and which way each benchmark pulls."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool
from bokeh.plotting import figure

from analytics.units import decimal
from dashboards.charts import axes
from dashboards.charts.many_points import Coded, ManyPoints, coded
from dashboards.charts.opening import opener
from dashboards.charts.tips import tip
from dashboards.parts import theme

NAME = "components"
_HEIGHT_PX, _AROUND_PX = 460, 90
_LINE_PX = 14
_POINTS = ("x", "y"), ("name", "group")
_HEADROOM = 0.04  # for the name of the highest


@dataclass(frozen=True, eq=False)
class Drawing:
    """A map ready to be drawn, which all who look at the same one share.

    Attributes:
        points: The entries.
        arrows: Columns of the benchmarks' directions.
        x_span: Start and end of the horizontal axis.
        y_span: Start and end of the vertical one.
        labels: Titles of both axes.
        count: How many entries are drawn.
    """

    points: Coded
    arrows: Mapping[str, npt.NDArray[Any]]
    x_span: tuple[float, float] | None
    y_span: tuple[float, float]
    labels: tuple[str, str]
    count: int


def drawing(entries: pl.DataFrame, loadings: pl.DataFrame, styles: Mapping[str, tuple[str, str]]) -> Drawing:
    """What the map shows of entries, each in the style of its group.

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
    wide = loadings.pivot(on="component", index="benchmark", values="loading")
    reach = float(np.quantile(np.hypot(x, y), 0.9)) if len(x) else 1.0
    first, second = wide["1"].to_numpy(), wide["2"].to_numpy()
    low, high = axes.span(pl.concat([entries["component_2"], pl.Series(second * reach)]), "linear") or (0.0, 1.0)
    high += (high - low) * _HEADROOM
    arrows = {
        "x": first * reach,
        "y": second * reach,
        "zero": np.zeros(wide.height),
        "text": wide["benchmark"].to_numpy(),
        "offset": _apart((high - second * reach) / (high - low) * (_HEIGHT_PX - _AROUND_PX)),
        "facts": np.array([
            f"loadings {decimal(a, 2, signed=True)}, {decimal(b, 2, signed=True)}"
            for a, b in zip(first, second, strict=True)
        ]),
    }  # fmt: skip
    shares = dict(loadings.select("component", "explained_variance").unique().iter_rows())
    first_axis, second_axis = (
        f"Component {component} ({100 * shares[component]:.0f} % of the variance)" for component in (1, 2)
    )
    across = axes.span(pl.concat([entries["component_1"], pl.Series(first * reach)]), "linear")
    return Drawing(coded(points, *_POINTS), arrows, across, (low, high), (first_axis, second_axis), entries.height)


class Components:
    """The map, built once; `show` swaps its data."""

    def __init__(self) -> None:
        """Make an empty map."""
        self.points = ManyPoints(*_POINTS)
        self.arrows = ColumnDataSource({column: [] for column in ("x", "y", "zero", "text", "facts", "offset")})
        hover, pulls = HoverTool(point_policy="follow_mouse", limit=3), HoverTool()
        tools = [PanTool(), BoxZoomTool(), ResetTool(), hover, pulls, tap := opener()]
        plot = theme.new_figure(NAME, _HEIGHT_PX, tools, x_range=Range1d(), y_range=Range1d())
        axes.dress(plot, "linear", "linear")
        hover.renderers = tap.renderers = [self.points.drawn_on(plot, 5.5, 0.5)]
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
        hover.tooltips = tip("@name{custom}", "@group{custom}", ("Components", "@x{0.00}, @y{0.00}"), opens="page")
        hover.formatters = self.points.formatters
        pulls.tooltips = tip("@text", "@facts")
        self.figure: figure = plot

    def show(self, shown: Drawing) -> None:
        """Draw the map."""
        self.points.show(shown.points)
        # A browser may write into what its source holds.
        self.arrows.data = {name: values.tolist() for name, values in shown.arrows.items()}
        axes.show(self.figure.x_range, shown.x_span)
        axes.show(self.figure.y_range, shown.y_span)
        self.figure.xaxis[0].axis_label, self.figure.yaxis[0].axis_label = shown.labels


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
