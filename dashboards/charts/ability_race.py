"""The best open and the best proprietary model by ability over time, each a staircase with its interval."""

import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool
from bokeh.models.renderers import DataRenderer

from dashboards.charts import axes, legend, openness
from dashboards.charts.opening import opener
from dashboards.charts.tips import tip
from dashboards.parts import theme

NAME = "ability_race"
_SIDES = ("open", "proprietary")
_COLUMNS = ("day", "y", "low", "high", "name", "facts")


class AbilityRace:
    """The figure, built once; `show` swaps its data."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.steps = {side: ColumnDataSource({column: [] for column in _COLUMNS}) for side in _SIDES}
        hover = HoverTool(
            point_policy="snap_to_data", limit=2, formatters={"@day": "datetime"},
            tooltips=tip("@name", "@facts", ("Best since", "@day{%F}"), opens="page"),
        )  # fmt: skip
        tools = [PanTool(), BoxZoomTool(), ResetTool(), hover, tap := opener()]
        plot = theme.new_figure(NAME, 360, tools, x_axis_type="datetime", x_range=Range1d(), y_range=Range1d())
        axes.dress(plot, "datetime", "linear")
        plot.xaxis.axis_label = "Release date"
        plot.yaxis.axis_label = "Ability (index points)"
        dots: list[DataRenderer] = []
        for side, source in self.steps.items():
            colour, mark = openness.STYLES[side]
            plot.segment("day", "low", "day", "high", source=source, line_color=colour, line_width=1.5, line_alpha=0.5)
            plot.step("day", "y", source=source, mode="after", line_color=colour, line_width=2)
            dots.append(
                plot.scatter("day", "y", source=source, marker=mark, size=8, fill_color=colour, line_color=colour)
            )
        hover.renderers = tap.renderers = list(dots)
        self.figure = plot

    def show(self, gaps: pl.DataFrame) -> str:
        """Draw, and return the legend as HTML.

        Args:
            gaps: Result of the query `ability_gap`.
        """
        for side, source in self.steps.items():
            best = gaps.select(
                pl.col("on_date").alias("day"), pl.col(f"{side}_ability").alias("y"),
                pl.col(f"{side}_low").alias("low"), pl.col(f"{side}_high").alias("high"),
                pl.col(f"{side}_model").alias("name"),
            )  # fmt: skip
            interval = (pl.col(name).round(1) for name in ("y", "low", "high"))
            best = best.with_columns(pl.format("{} (90 %: {} to {})", *interval).alias("facts"))
            source.data = {column: best[column].to_numpy() for column in _COLUMNS}
        ends = pl.concat([gaps[f"{side}_{end}"] for side in _SIDES for end in ("low", "high")])
        axes.show(self.figure.y_range, axes.span(ends, "linear"))
        axes.show(self.figure.x_range, axes.span(gaps["on_date"], "datetime"))
        lines = [legend.Entry(f"best {openness.WORDS[side]}", *openness.STYLES[side]) for side in _SIDES]
        return legend.swatches(NAME, [*lines, legend.Entry("90 % interval", theme.OTHER_COLOUR, "bar")])
