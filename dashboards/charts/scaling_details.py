"""Beside the scatter of scaling: density over time, what each doubling brings, and sixteen labelled chat models."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, FixedTicker, HoverTool, PanTool, Range1d, ResetTool
from bokeh.models.renderers import DataRenderer
from bokeh.plotting import figure

from dashboards.charts import axes, legend, scaling
from dashboards.charts.opening import opener
from dashboards.charts.screen import hide
from dashboards.charts.thinning import thinned
from dashboards.charts.tips import tip
from dashboards.parts import theme

DENSITY, CHAT = "density", "chat_models"
RETURNS = ("returns_per_doubling", "returns_per_billion")
_DENSITY = ("name", "x", "y", "lower", "upper")
_SIDES = ((True, "official providers", theme.COLOURS[0]), (False, "others", theme.OTHER_COLOUR))
_SERIES = (("median", "median", theme.COLOURS[0], "circle"), ("upper_decile", "best tenth", theme.ACCENT, "diamond"))
_RETURNS = ("x", "y", "lower", "upper", "band", "entries")


class DensityChart:
    """Density of every model by release, and the record; built once."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.points = {side: ColumnDataSource({column: [] for column in _DENSITY}) for side, _, _ in _SIDES}
        self.records = ColumnDataSource({column: [] for column in _DENSITY})
        hover = HoverTool(point_policy="follow_mouse", limit=3)
        tools = [PanTool(), BoxZoomTool(), ResetTool(), hover]
        plot = theme.new_figure(
            DENSITY,
            420,
            tools,
            x_axis_type="datetime",
            y_axis_type="log",
            x_range=Range1d(),
            y_range=Range1d(start=1, end=10),
        )
        axes.dress(plot, "datetime", "log")
        plot.yaxis[0].axis_label = "Effective / actual parameters"
        hover.renderers = [
            plot.scatter("x", "y", source=self.points[side], size=4.5, color=colour, fill_alpha=0.35, line_alpha=0.4)
            for side, _, colour in reversed(_SIDES)
        ]
        plot.segment("x", "lower", "x", "upper", source=self.records, line_color=theme.ACCENT, line_alpha=0.45)
        plot.step("x", "y", source=self.records, mode="after", line_color=theme.ACCENT, line_width=2)
        marks = plot.scatter("x", "y", source=self.records, size=8, color=theme.ACCENT)
        hover.renderers = [*hover.renderers, marks]
        plot.add_tools(tap := opener())
        tap.renderers = hover.renderers
        hover.tooltips = tip(
            "@name",
            ("Density", "@y{0.00}, 95 % @lower{0.00} to @upper{0.00}"),
            ("Released", "@x{%F}"),
            opens="page",
        )
        hover.formatters = {"@x": "datetime"}
        self.figure = plot

    def show(self, density: pl.DataFrame) -> str:
        """Draw the result of the query `density` and return the legend."""
        dated = density.filter(pl.col("released_on").is_not_null(), pl.col("is_record").is_not_null())
        frame = dated.select(
            pl.col("model_id").alias("name"),
            pl.col("released_on").cast(pl.Datetime("ms")).alias("x"),
            pl.col("density").alias("y"),
            pl.col("density_lower").alias("lower"),
            pl.col("density_upper").alias("upper"),
            pl.col("is_official_provider").fill_null(value=False).alias("official"),
            "is_record",
        )
        for side, source in self.points.items():
            part = frame.filter(pl.col("official") == side)
            part = thinned(part)
            source.data = {column: part[column].to_numpy() for column in _DENSITY}
        records = frame.filter("is_record").sort("x")
        self.records.data = {column: records[column].to_numpy() for column in _DENSITY}
        axes.show(self.figure.x_range, axes.span(frame["x"], "datetime"))
        axes.show(self.figure.y_range, axes.span(frame["y"], "log"))
        names = {side: (text, colour) for side, text, colour in _SIDES}
        if dated["is_official_provider"].null_count() == dated.height:  # a board that does not state it
            names = {False: ("one model", theme.OTHER_COLOUR)}
        entries = [
            legend.Entry(text, colour, count=frame.filter(pl.col("official") == side).height)
            for side, (text, colour) in names.items()
        ]
        return legend.swatches(DENSITY, [*entries, legend.Entry("record so far, ± 95 %", theme.ACCENT, "line")])


class ReturnsChart:
    """What the next band of sizes brings: per doubling, and per 10⁹ parameters; built once."""

    def __init__(self) -> None:
        """Make two empty charts."""
        self.sources = {
            (name, series): ColumnDataSource({column: [] for column in _RETURNS})
            for name in RETURNS
            for series, *_ in _SERIES
        }
        self.tickers = [FixedTicker(ticks=[]) for _ in RETURNS]
        self.figures = [
            self._build(name, label, ticker)
            for name, label, ticker in zip(
                RETURNS, ("Points per doubling", "Points per 10⁹ parameters"), self.tickers, strict=True
            )
        ]

    def _build(self, name: str, label: str, ticker: FixedTicker) -> figure:
        hover = HoverTool()
        plot = theme.new_figure(name, 340, [ResetTool(), hover], x_range=Range1d(), y_range=Range1d())
        plot.xaxis[0].ticker = ticker
        plot.xaxis[0].major_label_orientation = 0.6
        plot.yaxis[0].axis_label = label
        plot.xgrid.visible = False
        plot.line([-1, 100], [0, 0], line_color=theme.OTHER_COLOUR, line_width=1)
        marks: list[DataRenderer] = []
        for series, _, colour, mark in _SERIES:
            source = self.sources[name, series]
            plot.segment("x", "lower", "x", "upper", source=source, line_color=colour, line_width=1.6)
            marks.append(plot.scatter("x", "y", source=source, marker=mark, size=10, color=colour))
        hover.renderers = marks
        hover.tooltips = tip("@band", "@y{0.00}, 95 % @lower{0.00} to @upper{0.00}", ("Entries", "@entries"))
        return plot

    def show(self, returns: pl.DataFrame) -> str:
        """Draw the result of the query `diminishing_returns` and return the legend."""
        gained = returns.filter(pl.col("median_gain").is_not_null())
        for plot, ticker, name, divisor in zip(
            self.figures, self.tickers, RETURNS, ("doublings", "billions"), strict=True
        ):
            ends = []
            for place, (series, *_) in enumerate(_SERIES):
                scaled = gained.select(
                    (pl.col("band_order") + (place - 0.5) * 0.24).alias("x"),
                    *(
                        (pl.col(column) / pl.col(divisor)).alias(short)
                        for column, short in (
                            (f"{series}_gain", "y"),
                            (f"{series}_gain_lower", "lower"),
                            (f"{series}_gain_upper", "upper"),
                        )
                    ),
                    pl.col("size_band").alias("band"),
                    "entries",
                )
                self.sources[name, series].data = {column: scaled[column].to_numpy() for column in _RETURNS}
                ends += [scaled["lower"], scaled["upper"], scaled["y"], pl.Series([0.0])]
            ticks = gained["band_order"].to_list()
            ticker.ticks = ticks
            plot.xaxis[0].major_label_overrides = dict(zip(ticks, gained["size_band"].to_list(), strict=True))
            axes.show(plot.x_range, (min(ticks, default=1) - 0.5, max(ticks, default=1) + 0.5))
            axes.show(plot.y_range, axes.span(pl.concat(ends), "linear"))
        return legend.swatches(RETURNS[0], [legend.Entry(text, colour, mark) for _, text, colour, mark in _SERIES])


def chat_models(rows: pl.DataFrame) -> figure:
    """The sixteen labelled models and the line through them, from the query `non_embedding_trend`; built once."""
    hover = HoverTool()
    plot = theme.new_figure(CHAT, 430, [ResetTool(), hover], x_axis_type="log", x_range=Range1d(), y_range=Range1d())
    axes.dress(plot, "log", "linear")
    plot.xaxis[0].axis_label, plot.yaxis[0].axis_label = (
        "Non-embedding parameters (billion)",
        "Average of 7 tasks (points)",
    )
    x = (rows["parameters_non_embedding"] / 1e9).rename("x")
    first = rows.row(0, named=True)
    span = axes.span(x, "log") or (1.0, 50.0)
    slope = first["points_per_doubling"]
    intercept = first["expected_average"] - slope * float(np.log2(x[0]))
    xs, ys = scaling.line(intercept, slope, *span)
    plot.line(xs, ys, line_color=theme.ACCENT, line_width=2)
    text = rows["label"].str.replace("Memory3-2B-SFT ", "", literal=True)
    styles = _chat_styles(rows)
    source = ColumnDataSource(
        {"x": x.to_numpy(), "y": rows["average"].to_numpy(), "name": rows["label"].to_numpy(), "text": text.to_numpy(),
         "residual": rows["residual"].to_numpy(), **styles}
    )  # fmt: skip
    hover.renderers = [
        plot.scatter("x", "y", source=source, size=10, marker="mark", color="colour", fill_alpha="alpha")
    ]
    hover.tooltips = tip("@name", "@y{0.00} points at @x{0.0} billion", ("Off the line by", "@residual{+0.00} points"))
    words = plot.text(
        "x",
        "y",
        text="text",
        source=source,
        x_offset=8,
        y_offset="shift",
        text_font_size="11px",
        text_color=theme.TEXT_COLOUR,
    )
    hide(plot, words)
    axes.show(plot.x_range, (span[0], span[1] * 1.5))
    axes.show(plot.y_range, axes.span(rows["average"], "linear"))
    return plot


def _chat_styles(rows: pl.DataFrame) -> dict[str, Sequence[object]]:
    outlier, is_in = rows["is_outlier"].fill_null(value=False), rows["is_in_fit"]
    near = [
        # Names of models of about one size and score would lie on each other.
        sum(
            abs(float(np.log(a / b))) < 0.3 and abs(y - z) < 1.6
            for b, z in list(zip(rows["parameters_non_embedding"], rows["average"], strict=True))[:place]
        )
        for place, (a, y) in enumerate(zip(rows["parameters_non_embedding"], rows["average"], strict=True))
    ]
    return {
        "colour": [theme.ACCENT if out else theme.COLOURS[0] for out in outlier],
        "mark": ["diamond" if out else "circle" for out in outlier],
        "alpha": [0.8 if there else 0.0 for there in is_in],
        "shift": [6 + 13 * count for count in near],
    }
