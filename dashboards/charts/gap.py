"""How far the best open model stood behind the best proprietary one at every date of a series of boards."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool, TapTool
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from analytics.ratings.win_rates import win_probability_of
from analytics.units import decimal
from dashboards.charts import axes, legend
from dashboards.charts.tips import tip
from dashboards.parts import theme

NAME = "gap"
_COLUMNS = ("day", "y", "low", "high", "fill", "first", "second", "third")
_HALF_PCT = 50.0


@dataclass(frozen=True)
class Measure:
    """One way to say how far behind.

    Attributes:
        label: As on the switch.
        axis: Title of the axis, with its unit.
        parity: Value at which neither side leads; None where that has no meaning.
    """

    label: str
    axis: str
    parity: float | None


MEASURES = {
    "points": Measure("Points", "Gap (points)", 0.0),
    "win": Measure("Win probability", "Open wins (% of decided votes)", _HALF_PCT),
    "lag": Measure("Lag", "Lag (months)", None),
}


def values(gaps: pl.DataFrame, measure: str) -> pl.DataFrame:
    """The gaps with `y`, `low`, `high` in the unit of a measure, without those that have no value.

    The interval of the win probability is that of the points, each bound turned into a probability.

    Args:
        gaps: Result of the query `open_boards`.
        measure: Key of `MEASURES`.
    """
    if measure == "win":
        odds = {
            "y": pl.col("gap_points"),
            "low": pl.col("gap_points_upper"),
            "high": pl.col("gap_points_lower"),
        }
        named = {name: 100 * win_probability_of(-column) for name, column in odds.items()}
    elif measure == "lag":
        nothing = pl.lit(None, pl.Float64)
        named = {"y": pl.col("lag_months"), "low": nothing, "high": nothing}
    else:
        named = {"y": pl.col("gap_points"), "low": pl.col("gap_points_lower"), "high": pl.col("gap_points_upper")}
    return gaps.with_columns(**named).filter(pl.col("y").is_not_null())


class GapChart:
    """The figure, built once; `show` swaps its data."""

    def __init__(self, chosen: Callable[[dt.date], None]) -> None:
        """Make an empty chart.

        Args:
            chosen: Called with the date of a point that a reader picked.
        """
        self.points = ColumnDataSource({column: [] for column in _COLUMNS})
        self.undecided = ColumnDataSource({"day": [], "y": [], "models": []})
        self.parity = Span(
            location=0, dimension="width", line_color=theme.OTHER_COLOUR, line_dash=[4, 4], line_width=1.4
        )
        self.now = Span(location=0, dimension="height", line_color=theme.ACCENT, line_width=1.6, visible=False)
        self.figure = self._build()

        def picked(_attribute: str, _before: list[int], now: list[int]) -> None:
            if now:
                chosen(self._days[now[0]])

        self._days: list[dt.date] = []
        self.points.selected.on_change("indices", picked)

    def _build(self) -> figure:
        tap = TapTool()
        hover = HoverTool(
            point_policy="snap_to_data",
            limit=2,
            tooltips=tip("@day{%F}", "@first", "@second", "@third"),
            formatters={"@day": "datetime"},
        )
        without = HoverTool(
            limit=1,
            tooltips=tip("@day{%F}", "No gap can be determined.", "@models"),
            formatters={"@day": "datetime"},
        )
        tools = [PanTool(), BoxZoomTool(), ResetTool(), tap, hover, without]
        plot = theme.new_figure(NAME, 340, tools, x_axis_type="datetime", x_range=Range1d(), y_range=Range1d())
        axes.dress(plot, "datetime", "linear")
        plot.xaxis.axis_label = "Date of the board"
        plot.add_layout(self.parity)
        plot.add_layout(self.now)
        colour = theme.COLOURS[0]
        plot.segment("day", "low", "day", "high", source=self.points, line_color=colour, line_width=1.6, line_alpha=0.5)
        plot.line("day", "y", source=self.points, line_color=colour, line_width=1.4, line_alpha=0.6)
        dots = plot.scatter(
            "day", "y", source=self.points, size=7, fill_color=colour, line_color=colour, fill_alpha="fill",
            line_width=1.6, nonselection_fill_alpha="fill", nonselection_line_alpha=1.0,
        )  # fmt: skip
        crosses = plot.scatter(
            "day", "y", source=self.undecided, size=9, marker="cross", line_color=theme.OTHER_COLOUR, line_width=2
        )
        hover.renderers, tap.renderers, without.renderers = [dots], [dots], [crosses]
        return plot

    def show(self, gaps: pl.DataFrame, measure: str, undecided: pl.DataFrame, day: dt.date) -> str:
        """Draw a series of gaps and return the legend as HTML.

        Args:
            gaps: Result of the query `open_boards` for one series.
            measure: Key of `MEASURES`.
            undecided: Columns as_of_date, models (a sentence): boards of the series without a gap.
            day: Date that is pointed out.
        """
        drawn = values(gaps, measure).sort("as_of_date")
        self._days = drawn["as_of_date"].to_list()
        is_bound = [measure == "lag" and bool(least) for least in drawn["lag_is_lower_bound"]]
        self.points.selected.indices = []
        self.points.data = {
            "day": drawn["as_of_date"].to_numpy(),
            **{name: drawn[name].to_numpy() for name in ("y", "low", "high")},
            "fill": [0.0 if b else 1.0 for b in is_bound],
            "first": [_first(row) for row in drawn.iter_rows(named=True)],
            "second": [f"best open: {name}" for name in drawn["best_open_model"]],
            "third": [f"best proprietary: {name}" for name in drawn["best_proprietary_model"]],
        }
        about = MEASURES[measure]
        seen = pl.concat([drawn[name] for name in ("y", "low", "high")])
        if about.parity is not None or measure == "lag":
            seen = seen.extend(pl.Series([about.parity or 0.0]))
        y_span = axes.span(seen, "linear") or (0.0, 1.0)
        axes.show(self.figure.y_range, y_span)
        days = pl.concat([drawn["as_of_date"], undecided["as_of_date"]])
        axes.show(self.figure.x_range, axes.span(days, "datetime"))
        self.undecided.data = {
            "day": undecided["as_of_date"].to_numpy(),
            "y": [y_span[0] + 0.03 * (y_span[1] - y_span[0])] * undecided.height,
            "models": undecided["models"].to_list(),
        }
        self.figure.yaxis[0].axis_label = about.axis
        self.parity.visible = about.parity is not None
        self.parity.location = about.parity or 0.0
        self.now.visible = day in self._days
        self.now.location = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp() * 1000
        lines = [legend.Entry("one board", theme.COLOURS[0], count=drawn.height)]
        if drawn["low"].is_not_null().any():
            lines.append(legend.Entry("95 % interval", theme.COLOURS[0], "bar"))
        if any(is_bound):
            lines.append(legend.Entry("at least this long", theme.COLOURS[0], hollow=True))
        if about.parity is not None:
            lines.append(legend.Entry("neither leads", theme.OTHER_COLOUR, "line"))
        if self.now.visible:
            lines.append(legend.Entry("the board below", theme.ACCENT, "line"))
        if not undecided.is_empty():
            lines.append(legend.Entry("no gap can be determined", theme.OTHER_COLOUR, "plus", count=undecided.height))
        return legend.swatches(NAME, lines)


def _first(row: dict[str, Any]) -> str:
    text = f"{decimal(row['gap_points'])} points"
    if row["gap_points_lower"] is not None:
        text += f" (95 %: {decimal(row['gap_points_lower'])} to {decimal(row['gap_points_upper'])})"
    text += f", open wins {100 * row['open_win_probability']:.0f} %"
    if row["lag_months"] is not None:
        text += f", lag {'at least ' if row['lag_is_lower_bound'] else ''}{row['lag_months']:.1f} months"
    return text
