"""How much a front covers over time, as a line with the moment that the player stands at."""

import datetime as dt

import polars as pl
from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.models.annotations import Span

from dashboards.charts import axes
from dashboards.charts.tips import tip
from dashboards.parts import theme

NAME = "coverage"
_COLUMNS = ("day", "hypervolume", "members")


class Coverage:
    """The figure, built once; `show` swaps its line, `point_at` moves the moment."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.now = Span(location=0, dimension="height", line_color=theme.ACCENT, line_width=2)
        self.days = ColumnDataSource({column: [] for column in _COLUMNS})
        hover = HoverTool(
            point_policy="follow_mouse", limit=2, formatters={"@day": "datetime"},
            tooltips=tip("@day{%F}", "@hypervolume{0,0.00} points × decades", "@members members"),
        )  # fmt: skip
        plot = theme.new_figure(NAME, 170, [hover], x_axis_type="datetime", x_range=Range1d(), y_range=Range1d())
        plot.toolbar_location = None
        axes.dress(plot, "datetime", "linear")
        plot.yaxis.axis_label = "Hypervolume (points × decades)"
        colour = theme.COLOURS[0]
        plot.step("day", "hypervolume", source=self.days, mode="after", line_color=colour, line_width=2.2)
        hover.renderers = [plot.scatter("day", "hypervolume", source=self.days, size=5, color=colour)]
        plot.add_layout(self.now)
        self.figure = plot

    def show(self, days: pl.DataFrame) -> None:
        """Draw a line through columns day, hypervolume, members."""
        self.days.data = {column: days[column].to_numpy() for column in _COLUMNS}
        axes.show(self.figure.x_range, axes.span(days["day"], "datetime"))
        axes.show(self.figure.y_range, axes.span(days["hypervolume"], "linear"))

    def point_at(self, day: dt.date) -> None:
        """Put the moment at a day."""
        self.now.location = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp() * 1000
