"""Ratings by release date: every model with its interval, the best of each side so far, and the trend of each side."""

import datetime as dt
from collections.abc import Mapping

import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts import ratings_classes as classes
from dashboards.charts.opening import OPENS, PAGE, opener, with_pages
from dashboards.charts.screen import Names
from dashboards.charts.tips import tip
from dashboards.parts import theme

NAME = "progress"
_HEIGHT_PX = 560
_POINTS = (
    "model", "organization", "release_date", "rating", "rating_lower", "rating_upper", "colour", "mark", "licence",
    "size", "alpha", "fill", "known", PAGE, OPENS,
)  # fmt: skip
_SIDES = ((True, "open", classes.OPEN_COLOUR), (False, "proprietary", classes.PROPRIETARY_COLOUR))
_LETTER_PX, _LABEL_HEIGHT_PX, _PLOT_WIDTH_PX = 6.1, 15.0, 940.0
_DOUBTFUL = "C"  # grade of a release date that is contradicted or vague
_LONGEST_LABEL, _MOST_NAMES = 30, 30


def staircase(models: pl.DataFrame, until: dt.date) -> pl.DataFrame:
    """Best rating so far after each release, as `release_date` and `rating` at every step, up to a last date.

    Args:
        models: Columns release_date, rating.
        until: Date to which the last step is drawn.
    """
    steps = (
        models.sort("release_date", "rating", descending=[False, True])
        .with_columns(pl.col("rating").cum_max())
        .unique("release_date", keep="last", maintain_order=True)
        .filter((pl.col("rating") > pl.col("rating").shift(1)).fill_null(value=True))
        .select("release_date", "rating")
    )
    if steps.is_empty() or steps["release_date"][-1] >= until:
        return steps
    return steps.vstack(pl.DataFrame({"release_date": [until], "rating": steps["rating"][-1:]}, schema=steps.schema))


def movers(models: pl.DataFrame) -> pl.DataFrame:
    """Models that were better than all of their side released before them."""
    ordered = models.sort("release_date", "rating", descending=[False, True])
    best_before = pl.col("rating").cum_max().shift(1).over("is_open")
    return ordered.filter((pl.col("rating") > best_before).fill_null(value=True))


class Progress:
    """The figure, built once; `show` swaps its data."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.points = ColumnDataSource({column: [] for column in _POINTS})
        self.steps = {side: ColumnDataSource({"x": [], "y": []}) for side, _, _ in _SIDES}
        self.trends = {side: ColumnDataSource({"x": [], "y": [], "low": [], "high": []}) for side, _, _ in _SIDES}
        self.figure = self._build()
        self.names = Names(self.figure, _MOST_NAMES)

    def _build(self) -> figure:
        hover = HoverTool(
            point_policy="snap_to_data",
            limit=3,
            tooltips=tip(
                "@model",
                "@organization, @licence",
                ("Rating", "@rating{0,0} (@rating_lower{0,0} to @rating_upper{0,0}) points"),
                ("Released", "@release_date{%F}, @known"),
                opens=f"@{OPENS}",
            ),
            formatters={"@release_date": "datetime"},
        )
        tools = [PanTool(), BoxZoomTool(), ResetTool(), hover, tap := opener(PAGE)]
        plot = theme.new_figure(NAME, _HEIGHT_PX, tools, x_axis_type="datetime", x_range=Range1d(), y_range=Range1d())
        axes.dress(plot, "datetime", "linear")
        plot.xaxis.axis_label, plot.yaxis.axis_label = "Release date", "Rating (points)"
        for side, _, colour in _SIDES:
            plot.varea("x", "low", "high", source=self.trends[side], fill_color=colour, fill_alpha=0.13)
            plot.line(
                "x", "y", source=self.trends[side], line_color=colour, line_dash=[6, 4], line_width=1.5, line_alpha=0.9
            )
        plot.segment(
            "release_date", "rating_lower", "release_date", "rating_upper", source=self.points, line_color="colour",
            line_alpha="alpha", line_width=1.4,
        )  # fmt: skip
        for side, _, colour in _SIDES:
            plot.step("x", "y", source=self.steps[side], mode="after", line_color=colour, line_width=2.6)
        hover.renderers = tap.renderers = [
            plot.scatter(
                "release_date", "rating", source=self.points, size="size", marker="mark", fill_color="colour",
                line_color="colour", fill_alpha="fill", line_alpha="alpha",
            )
        ]  # fmt: skip
        return plot

    def show(self, models: pl.DataFrame, until: dt.date, pages: Mapping[str, str], *, with_trend: bool) -> str:
        """Draw the models and return the legend as HTML.

        Args:
            models: Result of the query `open_progress`, or a part of it.
            until: Date of the board.
            pages: Names of the models' pages, of those that have one.
            with_trend: Whether the trends of the query hold for what is drawn.
        """
        best = movers(models)
        on_step = pl.col("model").is_in(best["model"].to_list())
        doubtful = pl.col("release_grade") == _DOUBTFUL
        drawn = with_pages(classes.styled(models), pages, "model").with_columns(
            pl.col("licence_class").replace_strict(classes.WORDS, return_dtype=pl.String).alias("licence"),
            pl.when(on_step).then(9.5).otherwise(5.5).alias("size"),
            pl.when(on_step).then(0.95).otherwise(0.42).alias("alpha"),
            pl.when(doubtful).then(0.0).when(on_step).then(0.95).otherwise(0.42).alias("fill"),
            pl.format("grade {}", "release_grade").alias("known"),
            pl.col("organization").fill_null("maker unknown"),
        )
        self.points.data = {column: drawn[column].to_numpy() for column in _POINTS}
        x_span = axes.span(pl.concat([models["release_date"], pl.Series([until], dtype=pl.Date)]), "datetime")
        seen = pl.concat([models[column] for column in ("rating", "rating_lower", "rating_upper")])
        y_span = axes.span(seen, "linear")
        axes.show(self.figure.x_range, x_span)
        axes.show(self.figure.y_range, y_span)
        for side, _, _ in _SIDES:
            part = models.filter(pl.col("is_open") == side)
            steps = staircase(part, until)
            self.steps[side].data = {"x": steps["release_date"].to_numpy(), "y": steps["rating"].to_numpy()}
            trend = part.filter(pl.col("trend_rating").is_not_null()) if with_trend else part.clear()
            trend = trend.unique("release_date", keep="first").sort("release_date")
            self.trends[side].data = {
                "x": trend["release_date"].to_numpy(),
                "y": trend["trend_rating"].to_numpy(),
                "low": trend["trend_lower"].to_numpy(),
                "high": trend["trend_upper"].to_numpy(),
            }
        self.names.show(_names(best, x_span, y_span))
        lines = [
            legend.Entry(f"best {words} model so far", colour, "line")
            for side, words, colour in _SIDES
            if not models.filter(pl.col("is_open") == side).is_empty()
        ]
        lines += classes.entries(models["licence_class"])
        uncertain = models.filter(pl.col("release_grade") == _DOUBTFUL).height
        if uncertain:
            text = "release date contradicted or vague"
            lines.append(legend.Entry(text, theme.OTHER_COLOUR, hollow=True, count=uncertain))
        if with_trend and models["trend_rating"].is_not_null().any():
            lines.append(legend.Entry("dashed: linear trend of a side, with its 95 % band", theme.OTHER_COLOUR, "line"))
        if models["rating_lower"].is_not_null().any():
            lines.append(legend.Entry("95 % interval", theme.OTHER_COLOUR, "bar"))
        return legend.swatches(NAME, lines)


def _names(
    best: pl.DataFrame, x_span: tuple[float, float] | None, y_span: tuple[float, float] | None
) -> list[tuple[float, float, str]]:
    """Names of the models that moved a frontier, from the best, left out where they would lie on one another."""
    placed: list[tuple[float, float, str]] = []
    taken: list[tuple[float, float, float]] = []
    if x_span is None or y_span is None:
        return placed
    for row in best.sort("rating", descending=True).iter_rows(named=True):
        text = str(row["model"])
        text = text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"
        day = row["release_date"]
        moment = dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC).timestamp() * 1000
        right = (moment - x_span[0]) / (x_span[1] - x_span[0]) * _PLOT_WIDTH_PX
        left = right - len(text) * _LETTER_PX - 8
        y = (row["rating"] - y_span[0]) / (y_span[1] - y_span[0]) * (_HEIGHT_PX - 90)
        clash = any(left < end and right > start and abs(y - top) < _LABEL_HEIGHT_PX for start, end, top in taken)
        if not clash and left >= 0:
            taken.append((left, right, y))
            placed.append((moment, row["rating"], text))
    return placed
