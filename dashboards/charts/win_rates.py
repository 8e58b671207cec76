"""Win rates of models against each other as a matrix of colours: predicted, observed, or the difference."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FixedTicker, HoverTool, Range1d, ResetTool
from bokeh.plotting import figure

from analytics.ratings import win_rates as ratings_win_rates
from analytics.units import decimal
from dashboards.charts import legend
from dashboards.charts.opening import OPENS, PAGE, opener, with_pages
from dashboards.charts.ratings import LABELS_JS
from dashboards.charts.screen import hide
from dashboards.charts.tips import tip
from dashboards.parts import formats, theme

NAME = "win_rates"
MOST_MODELS = 20
# From losing to winning, orange to blue, which every kind of colour vision tells apart; even is a grey between those of
# both themes, so that it neither glares nor vanishes.
SHADES = (
    "#a34f06", "#b05f10", "#c67d3a", "#c4935f", "#b59f85", "#9ea5ad", "#8ba6c4", "#6f9dd0", "#5590d3", "#3072b8",
    "#1f5fa8",
)  # fmt: skip
INKS = tuple("#10151b" if 1 < place < len(SHADES) - 2 else "#ffffff" for place in range(len(SHADES)))
"""What can be read on each shade."""
_COLUMNS = ("column", "row", "model", "opponent", "shade", "ink", "text", "first", "second", PAGE, OPENS)
_CELL_PX, _FRAME_PX = 27, 215


def predicted(models: Sequence[str], ratings: Sequence[float]) -> pl.DataFrame:
    """Win rates that ratings predict for every pair of different models: 1 / (1 + 10^((opponent - own) / 400)).

    Args:
        models: Names.
        ratings: Points, as many.
    """
    own = np.asarray(ratings, dtype=np.float64)
    matrix = ratings_win_rates.predicted(own)
    first, second = np.nonzero(~np.eye(len(own), dtype=bool))
    names = np.asarray(models)
    return pl.DataFrame(
        {"model": names[first], "opponent": names[second], "predicted_win_rate": matrix[first, second]},
        schema={"model": pl.String, "opponent": pl.String, "predicted_win_rate": pl.Float64},
    ).with_columns(pl.lit(None, pl.Float64).alias("observed_win_rate"), pl.lit(None, pl.Float64).alias("votes"))


def shade(share: float, *, is_difference: bool) -> str:
    """Colour of a share of wins, or of a difference between two of them, which is drawn at twice its size."""
    centred = share * 2 if is_difference else share - 0.5
    place = round((centred + 0.5) * (len(SHADES) - 1))
    return SHADES[min(max(place, 0), len(SHADES) - 1)]


class WinRates:
    """The figure, built once; `show` swaps its data."""

    def __init__(self) -> None:
        """Make an empty chart."""
        self.cells = ColumnDataSource({column: [] for column in _COLUMNS})
        self.names = ColumnDataSource({"name": []})
        self.tickers = (FixedTicker(ticks=[]), FixedTicker(ticks=[]))
        self.figure = self._build()

    def _build(self) -> figure:
        hover = HoverTool(tooltips=tip("@model", ("against", "@opponent"), "@first", "@second", opens=f"@{OPENS}"))
        plot = theme.new_figure(
            NAME,
            300,
            [ResetTool(), hover, tap := opener(PAGE)],
            x_range=Range1d(),
            y_range=Range1d(),
            x_axis_location="above",
        )
        formatter = CustomJSTickFormatter(args={"rows": self.names}, code=LABELS_JS)
        for axis, ticker in zip((plot.xaxis[0], plot.yaxis[0]), self.tickers, strict=True):
            axis.ticker = ticker
            axis.formatter = formatter
            axis.major_tick_line_color = None
            axis.axis_line_color = None
        plot.xaxis.major_label_orientation = "vertical"
        plot.grid.visible = False
        cells = plot.rect("column", "row", 0.96, 0.94, source=self.cells, fill_color="shade", line_color=None)
        words = plot.text(
            "column", "row", text="text", source=self.cells, text_color="ink", text_align="center",
            text_baseline="middle", text_font_size="11px",
        )  # fmt: skip
        hover.renderers = tap.renderers = [cells]
        hide(plot, words, plot.xaxis[0], narrow=440)
        return plot

    def show(self, rates: pl.DataFrame, models: Sequence[str], measure: str, pages: Mapping[str, str]) -> int:
        """Draw the pairs among the models and return how many were drawn.

        Args:
            rates: Columns model, opponent, predicted_win_rate, observed_win_rate, votes.
            models: Models in the order of rows and columns, at most `MOST_MODELS`.
            measure: `predicted`, `observed` or `difference`.
            pages: Names of the models' pages, of those that have one.
        """
        places = {model: place for place, model in enumerate(models)}
        cells: dict[str, list[object]] = {column: [] for column in _COLUMNS}
        for row in with_pages(rates, pages, "model").iter_rows(named=True):
            value = _value(row, measure)
            if value is None or row["model"] not in places or row["opponent"] not in places:
                continue
            colour = shade(value, is_difference=measure == "difference")
            cells["column"].append(places[row["opponent"]])
            cells["row"].append(places[row["model"]])
            cells["model"].append(row["model"])
            cells["opponent"].append(row["opponent"])
            cells[PAGE].append(row[PAGE])
            cells[OPENS].append(row[OPENS])
            cells["shade"].append(colour)
            cells["ink"].append(INKS[SHADES.index(colour)])
            cells["text"].append(decimal(100 * value, signed=measure == "difference"))
            cells["first"].append(f"predicted {_percent(row['predicted_win_rate'])}")
            votes = "" if row["votes"] is None else f", {formats.count(row['votes'])} votes"
            observed = row["observed_win_rate"]
            cells["second"].append("" if observed is None else f"observed {_percent(observed)}{votes}")
        self.cells.data = cells
        self.names.data = {"name": list(models)}
        count = len(models)
        for ticker in self.tickers:
            ticker.ticks = list(range(count))
        self.figure.x_range.update(start=-0.5, end=count - 0.5, reset_start=-0.5, reset_end=count - 0.5)
        self.figure.y_range.update(start=count - 0.5, end=-0.5, reset_start=count - 0.5, reset_end=-0.5)
        self.figure.height = count * _CELL_PX + _FRAME_PX
        return len(cells["row"])


def _value(row: dict[str, float | None], measure: str) -> float | None:
    if measure == "difference":
        observed, expected = row["observed_win_rate"], row["predicted_win_rate"]
        return None if observed is None or expected is None else observed - expected
    return row[f"{measure}_win_rate"]


def _percent(share: float | None) -> str:
    return formats.MISSING if share is None else f"{100 * share:.1f} %"


def scale(measure: str) -> str:
    """Legend of the colours as HTML."""
    ends = (
        ("30 points fewer", "as predicted", "30 points more") if measure == "difference" else ("0 %", "50 %", "100 %")
    )
    what = "Observed wins less predicted ones" if measure == "difference" else "Row wins against column"
    return legend.scale(NAME, f"{what}: {ends[0]} to {ends[2]}, grey {ends[1]}", SHADES)
