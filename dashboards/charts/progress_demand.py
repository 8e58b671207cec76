"""GPUs that each frontier-moving open model needs to be served as published, by its release date."""

import datetime as dt
from collections.abc import Mapping

import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, FixedTicker, HoverTool, PanTool, Range1d, ResetTool
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts import ratings_classes as classes
from dashboards.charts.opening import OPENS, PAGE, opener, with_pages
from dashboards.charts.screen import Names
from dashboards.charts.tips import tip
from dashboards.parts import theme

NAME = "gpu_demand"
_COLUMNS = (
    "model",
    "release_date",
    "gpus_needed",
    "rating",
    "memory",
    "weights",
    "colour",
    "mark",
    "size",
    PAGE,
    OPENS,
)
_MOST_NAMES, _NAME_ROOM = 20, 0.16
_LETTER = 0.0075
"""Share of the axis that a letter of a name takes where names are shown."""
_TICKS = (1, 2, 4, 8, 16, 32, 64)


class Demand:
    """The figure, built once; `show` swaps its data."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.points = ColumnDataSource({column: [] for column in _COLUMNS})
        self.figure = self._build()
        self.names = Names(self.figure, _MOST_NAMES)

    def _build(self) -> figure:
        hover = HoverTool(
            point_policy="snap_to_data",
            limit=4,
            tooltips=tip(
                "@model",
                "@gpus_needed GPUs: @memory",
                "@weights",
                ("Released", "@release_date{%F}"),
                ("Rating", "@rating{0,0}"),
                opens=f"@{OPENS}",
            ),
            formatters={"@release_date": "datetime"},
        )
        tools = [PanTool(), BoxZoomTool(), ResetTool(), hover, tap := opener(PAGE)]
        plot = theme.new_figure(
            NAME,
            340,
            tools,
            x_axis_type="datetime",
            y_axis_type="log",
            x_range=Range1d(),
            y_range=Range1d(start=0.8, end=24),
        )
        axes.dress(plot, "datetime", "log")
        plot.yaxis.ticker = FixedTicker(ticks=list(_TICKS))
        plot.ygrid.ticker = FixedTicker(ticks=list(_TICKS))
        plot.xaxis.axis_label = "Release date"
        hover.renderers = tap.renderers = [
            plot.scatter(
                "release_date", "gpus_needed", source=self.points, size="size", marker="mark", fill_color="colour",
                line_color="colour", fill_alpha=0.55,
            )
        ]  # fmt: skip
        return plot

    def show(self, demand: pl.DataFrame, pages: Mapping[str, str]) -> str:
        """Draw the models whose size is known, and return the legend as HTML.

        Args:
            demand: Rows of the query `open_progress` that have `gpu_memory_gb`.
            pages: Names of the models' pages, of those that have one.
        """
        sized = demand.filter(pl.col("gpus_needed").is_not_null())
        drawn = with_pages(classes.styled(sized), pages, "model").with_columns(
            pl.format("{} GiB to serve", pl.col("serving_memory_gib").round(0).cast(pl.Int64)).alias("memory"),
            pl.format(
                "{} B parameters in {}; rule of thumb {} GiB, {} GPUs",
                (pl.col("parameters_total") / 1e9).round(0).cast(pl.Int64),
                "weight_format",
                pl.col("rule_of_thumb_gib").round(0).cast(pl.Int64),
                "rule_of_thumb_gpus",
            ).alias("weights"),
            pl.lit(11.0).alias("size"),
        )
        self.points.data = {column: drawn[column].to_numpy() for column in _COLUMNS}
        span = axes.span(sized["release_date"], "datetime")
        if span is not None:
            # Room for the name of the first model.
            axes.show(self.figure.x_range, (span[0] - _NAME_ROOM * (span[1] - span[0]), span[1]))
        most = int(sized["gpus_needed"].max() or 8)  # type: ignore[arg-type]
        axes.show(self.figure.y_range, (0.75, most * 1.7))
        memory = "" if demand.is_empty() else f" of {demand['gpu_memory_gb'][0]:.0f} GB"
        self.figure.yaxis[0].axis_label = f"GPUs{memory}"
        # Newest first; a name that would run into a newer one on its level is in the hover and the table alone.
        letter = _LETTER * (1 + _NAME_ROOM) * (span[1] - span[0]) if span is not None else 0.0
        named: list[tuple[float, int, str]] = []
        for row in sized.sort("release_date", descending=True).iter_rows(named=True):
            x, level = _milliseconds(row["release_date"]), row["gpus_needed"]
            if all(newer - x > letter * len(name) for newer, its_level, name in named if its_level == level):
                named.append((x, level, row["model"]))
        self.names.show(named)
        return legend.swatches(NAME, classes.entries(sized["licence_class"]))


def _milliseconds(day: dt.date) -> float:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp() * 1000
