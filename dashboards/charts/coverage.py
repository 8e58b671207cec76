"""How much a front covers over time, as a line with the moment that the player stands at."""

import datetime as dt

import polars as pl
from bokeh.models import DatetimeTicker
from bokeh.models.annotations import Span
from holoviews import Overlay

from dashboards.charts import axes, house
from dashboards.parts import theme

NAME = "coverage"
_SCHEMA = {"day": pl.Date, "hypervolume": pl.Float64, "members": pl.Int64}


class Coverage:
    """The figure, built once; `show` swaps its line, `point_at` moves the moment."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.now = Span(location=0, dimension="height", line_color=theme.ACCENT, line_width=2)
        nothing = pl.DataFrame(schema=_SCHEMA)
        self._chart = house.HouseChart(NAME, _draw, nothing, height=170, kinds=("datetime", "linear"))
        self.figure = self._chart.figure
        self.figure.toolbar_location = None
        self.figure.xaxis.ticker = DatetimeTicker(desired_num_ticks=4)  # more would run into each other on a phone
        self.figure.add_layout(self.now)

    def show(self, days: pl.DataFrame) -> None:
        """Draw a line through columns day, hypervolume, members."""
        self._chart.swap(days.select(list(_SCHEMA)))

    def point_at(self, day: dt.date) -> None:
        """Put the moment at a day."""
        self.now.location = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp() * 1000


def _draw(days: pl.DataFrame) -> Overlay:
    hover = house.hover("@day{%F}", "@hypervolume{0,0.00} points × decades", "@members members", dates=["day"])
    looks = {"color": theme.COLOURS[0], "responsive": True}
    line = house.plots(days).step("day", "hypervolume", where="post", line_width=2.2, **looks)
    dots = house.plots(days).scatter("day", "hypervolume", hover_cols=["members"], size=25, tools=hover, **looks)
    high = axes.span(days["hypervolume"], "linear")
    return Overlay([line, dots]).opts(xlabel="", ylabel="Hypervolume", padding=0.03, **({"ylim": high} if high else {}))
