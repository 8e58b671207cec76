"""Points of a few groups on two logarithmic axes, with intervals and a power law through each group."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool
from bokeh.plotting import figure

from dashboards import theme
from dashboards.charts import axes, legend

_COLUMNS = ("x", "y", "low", "high", "name", "facts", "colour", "mark")
_FEWEST_FOR_A_LINE = 8


def power_law(points: pl.DataFrame) -> tuple[float, float] | None:
    """Exponent and factor of y = factor · x^exponent by least squares on logarithms; None for fewer than 8 points."""
    known = points.filter(pl.col("x") > 0, pl.col("y") > 0)
    if known.height < _FEWEST_FOR_A_LINE or known["x"].n_unique() == 1:
        return None
    exponent, intercept = np.polyfit(np.log(known["x"].to_numpy()), np.log(known["y"].to_numpy()), 1)
    return float(exponent), float(np.exp(intercept))


class LogScatter:
    """The figure, built once; its data is swapped."""

    def __init__(self, name: str, height: int = 400) -> None:
        """Make the chart; `name` is how the page's script finds it."""
        self._name = name
        self.points = ColumnDataSource({column: [] for column in _COLUMNS})
        self.lines = ColumnDataSource({"xs": [], "ys": [], "colour": []})
        hover = HoverTool(point_policy="follow_mouse", limit=2)
        hover.tooltips = '<div class="hover"><b>@name</b><div>@facts</div></div>'
        tools = [PanTool(), BoxZoomTool(), ResetTool(), hover]
        self.figure = theme.new_figure(
            name, height, tools, x_axis_type="log", y_axis_type="log", x_range=Range1d(), y_range=Range1d()
        )
        axes.dress(self.figure, "log", "log")
        self._draw(self.figure, hover)

    def _draw(self, plot: figure, hover: HoverTool) -> None:
        plot.segment("x", "low", "x", "high", source=self.points, line_color="colour", line_alpha=0.3)
        plot.multi_line("xs", "ys", source=self.lines, line_color="colour", line_width=2)
        dots = plot.scatter(
            "x", "y", source=self.points, size=7, marker="mark", fill_color="colour", line_color="colour",
            fill_alpha=0.5,
        )  # fmt: skip
        hover.renderers = [dots]

    def show(self, groups: Mapping[str, pl.DataFrame], x_title: str, y_title: str) -> str:
        """Draw and return the legend as HTML.

        Args:
            groups: Rows with x, y, low, high, name and facts, by what the group is called.
            x_title: Title of the horizontal axis, with its unit.
            y_title: Title of the vertical axis, with its unit.
        """
        parts, lines, entries = [], [], []
        for place, (label, rows) in enumerate(groups.items()):
            colour, mark = theme.COLOURS[place % len(theme.COLOURS)], theme.MARKS[place % len(theme.MARKS)]
            parts.append(rows.with_columns(colour=pl.lit(colour), mark=pl.lit(mark)).select(_COLUMNS))
            entries.append(legend.Entry(label, colour, mark, count=rows.height))
            law = power_law(rows)
            if law is not None:
                ends = np.array([rows["x"].min(), rows["x"].max()], dtype=float)
                lines.append((ends, law[1] * ends ** law[0], colour))
        drawn = pl.concat(parts)
        self.points.data = {column: drawn[column].to_numpy() for column in _COLUMNS}
        self.lines.data = {
            "xs": [line[0] for line in lines], "ys": [line[1] for line in lines], "colour": [line[2] for line in lines],
        }  # fmt: skip
        axes.show(self.figure.x_range, axes.span(drawn["x"], "log"))
        axes.show(self.figure.y_range, axes.span(pl.concat([drawn["low"], drawn["high"]]), "log"))
        self.figure.xaxis[0].axis_label, self.figure.yaxis[0].axis_label = x_title, y_title
        if lines:
            entries.append(legend.Entry("power law through a group", theme.OTHER_COLOUR, "line"))
        return legend.swatches(self._name, entries)
