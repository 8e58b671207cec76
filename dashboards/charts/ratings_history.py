"""Ratings of chosen models over the dates of their boards; where levels moved as a whole, no line is drawn."""

import datetime as dt
from collections.abc import Mapping, Sequence

import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts.opening import OPENS, PAGE, opener, with_pages
from dashboards.charts.tips import tip
from dashboards.parts import theme

NAME = "rating_history"
MOST_MODELS = len(theme.COLOURS)
_BROKEN, _JOINED = "levels moved as a whole", "a break, joined by common models"
_POINTS = ("as_of_date", "rating", "rating_lower", "rating_upper", "colour", "mark", "model", PAGE, OPENS)


def pieces(points: pl.DataFrame, after_dates: Sequence[dt.date]) -> list[pl.DataFrame]:
    """The points of one model cut into runs that lie between two breaks.

    Args:
        points: Rows of one model with `as_of_date`, in order.
        after_dates: First date of each new level.
    """
    dates = sorted(after_dates)
    run = pl.Series([sum(date <= day for date in dates) for day in points["as_of_date"]], dtype=pl.Int64)
    return points.with_columns(run.alias("_run")).partition_by("_run", maintain_order=True)


class RatingHistory:
    """The figure, built once; `show` swaps its data."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.points = ColumnDataSource({column: [] for column in _POINTS})
        self.lines = ColumnDataSource({"xs": [], "ys": [], "colour": []})
        self.breaks = ColumnDataSource({"before": [], "after": []})
        self.figure = self._build()

    def _build(self) -> figure:
        hover = HoverTool(
            point_policy="snap_to_data",
            limit=4,
            tooltips=tip(
                "@model",
                "@as_of_date{%F}",
                ("Rating", "@rating{0,0.0} (@rating_lower{0,0.0} to @rating_upper{0,0.0}) points"),
                opens=f"@{OPENS}",
            ),
            formatters={"@as_of_date": "datetime"},
        )
        tools = [PanTool(), BoxZoomTool(), ResetTool(), hover, tap := opener(PAGE)]
        plot = theme.new_figure(NAME, 400, tools, x_axis_type="datetime", x_range=Range1d(), y_range=Range1d())
        axes.dress(plot, "datetime", "linear")
        plot.vstrip(
            x0="before", x1="after", source=self.breaks, fill_color=theme.OTHER_COLOUR, fill_alpha=0.16,
            line_color=None,
        )  # fmt: skip
        plot.segment(
            "as_of_date", "rating_lower", "as_of_date", "rating_upper", source=self.points, line_color="colour",
            line_alpha=0.45, line_width=1.5,
        )  # fmt: skip
        plot.multi_line("xs", "ys", source=self.lines, line_color="colour", line_width=2)
        hover.renderers = tap.renderers = [
            plot.scatter(
                "as_of_date", "rating", source=self.points, size=6, marker="mark", fill_color="colour",
                line_color="colour",
            )
        ]  # fmt: skip
        plot.yaxis.axis_label = "Rating (points)"
        return plot

    def show(
        self, history: pl.DataFrame, models: Sequence[str], breaks: pl.DataFrame, pages: Mapping[str, str],
        cuts: Sequence[dt.date] | None = None,
    ) -> str:  # fmt: skip
        """Draw the chosen models and return the legend as HTML.

        Args:
            history: Result of the query `arena_history` or `arena_drift`.
            models: Models to draw, at most `MOST_MODELS`.
            breaks: Result of the query `arena_breaks` or `arena_series_breaks`.
            pages: Names of the models' pages, of those that have one.
            cuts: First dates from which lines begin anew, where levels of breaks were joined; None: of all breaks.
        """
        styles = theme.palette(list(models))
        chosen = history.filter(pl.col("model").is_in(list(models)))
        drawn = (
            with_pages(chosen, pages, "model")
            .with_columns(theme.looks(pl.col("model"), styles))
            .sort("model", "as_of_date")
        )
        self.points.data = {column: drawn[column].to_numpy() for column in _POINTS}
        after = breaks["after_date"].to_list() if cuts is None else cuts
        runs = [
            (run, styles[str(run["model"][0])][0])
            for part in drawn.partition_by("model", maintain_order=True)
            for run in pieces(part, after)
            if run.height > 1
        ]
        self.lines.data = {
            "xs": [
                run["as_of_date"].cast(pl.Datetime("ms")).to_physical().cast(pl.Float64).to_list() for run, _ in runs
            ],
            "ys": [run["rating"].to_list() for run, _ in runs],
            "colour": [colour for _, colour in runs],
        }
        x_span = axes.span(drawn["as_of_date"], "datetime")
        within = breaks
        if not drawn.is_empty():
            within = breaks.filter(
                pl.col("after_date") > drawn["as_of_date"].min(), pl.col("before_date") < drawn["as_of_date"].max()
            )
        self.breaks.data = {
            "before": within["before_date"].to_numpy(),
            "after": within["after_date"].to_numpy(),
        }
        axes.show(self.figure.x_range, x_span)
        seen = pl.concat([drawn[column] for column in ("rating", "rating_lower", "rating_upper")])
        axes.show(self.figure.y_range, axes.span(seen, "linear"))
        counts = dict(drawn["model"].value_counts().iter_rows())
        lines = [
            legend.Entry(model, *styles[model], count=counts.get(model, 0), page=pages.get(model)) for model in models
        ]
        if not within.is_empty():
            lines.append(legend.Entry(_BROKEN if cuts is None else _JOINED, theme.OTHER_COLOUR, "square"))
        return legend.swatches(NAME, lines)
