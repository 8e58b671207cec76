"""How much a front covers over time, as a line with the moment that the player stands at."""

import datetime as dt

import polars as pl
from bokeh.models import ColumnDataSource, DatetimeTicker, DatetimeTickFormatter, HoverTool, PanTool, Range1d, ResetTool
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from dashboards import theme
from dashboards.charts import axes

NAME = "coverage"


class Coverage:
    """The figure, built once; `show` swaps its line, `point_at` moves the moment."""

    def __init__(self) -> None:
        self.source = ColumnDataSource({"day": [], "hypervolume": [], "members": []})
        self.now = Span(location=0, dimension="height", line_color=theme.ACCENT, line_width=2)
        self.figure = self._build()

    def _build(self) -> figure:
        hover = HoverTool(
            mode="vline",
            tooltips='<div class="hover"><b>@day{%F}</b><div>@hypervolume{0,0.00} points × decades</div>'
            "<div>@members members</div></div>",
            formatters={"@day": "datetime"},
        )
        plot = theme.new_figure(
            NAME, 170, [PanTool(), ResetTool(), hover], x_axis_type="datetime", x_range=Range1d(), y_range=Range1d()
        )
        plot.toolbar_location = None
        plot.yaxis.axis_label = "Hypervolume"
        plot.xaxis.formatter = DatetimeTickFormatter(days="%d %b %Y", months="%b %Y", years="%Y")
        plot.xaxis.ticker = DatetimeTicker(desired_num_ticks=4)  # more would run into each other on a phone
        plot.step("day", "hypervolume", source=self.source, mode="after", line_width=2.2, line_color=theme.COLOURS[0])
        hover.renderers = [
            plot.scatter("day", "hypervolume", source=self.source, size=5, fill_color=theme.COLOURS[0], line_color=None)
        ]
        plot.add_layout(self.now)
        return plot

    def show(self, days: pl.DataFrame) -> None:
        """Draw a line through columns day, hypervolume, members."""
        self.source.data = {name: days[name].to_numpy() for name in ("day", "hypervolume", "members")}
        axes.show(self.figure.x_range, axes.span(days["day"], "datetime"))
        axes.show(self.figure.y_range, axes.span(days["hypervolume"], "linear"))

    def point_at(self, day: dt.date) -> None:
        """Put the moment at a day."""
        self.now.location = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp() * 1000
