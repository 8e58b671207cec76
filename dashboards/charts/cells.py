"""Matrices of coloured cells with their values written in: heatmaps of scores and of correlations."""

import math
from collections.abc import Sequence

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FixedTicker, HoverTool, Range1d, ResetTool
from bokeh.plotting import figure

from analytics.units import decimal
from dashboards.charts.opening import OPENS, PAGE, SAID, opener
from dashboards.charts.ratings import LABELS_JS
from dashboards.charts.screen import hide
from dashboards.charts.tips import tip
from dashboards.charts.win_rates import INKS, SHADES
from dashboards.parts import theme

_COLUMNS = ("column", "row", "shade", "ink", "text", "head", "facts", PAGE, OPENS)
_FRAME_PX = 150
_LETTER_PX, _SLOPE = 6.5, 1.1


def shades(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Colour of each value between two ends, from orange over grey to blue, and of the ink that can be read on it."""
    steps = len(SHADES) - 1
    place = np.clip(np.round((values - low) / ((high - low) or 1.0) * steps), 0, steps).astype(int)
    return np.asarray(SHADES)[place], np.asarray(INKS)[place]


class Cells:
    """A matrix, built once; `show` swaps its data."""

    def __init__(self, name: str, row_px: int) -> None:
        """Make an empty matrix.

        Args:
            name: Name of the figure.
            row_px: Height of a row in pixels.
        """
        self.cells = ColumnDataSource({column: [] for column in _COLUMNS})
        self._row_px = row_px
        self._names = [ColumnDataSource({"name": []}) for _ in range(2)]
        self._tickers = [FixedTicker(ticks=[]) for _ in range(2)]
        self._shown: tuple[object, ...] = ()
        hover = HoverTool(tooltips=tip("@head", "@facts", opens=f"@{OPENS}"))
        plot = theme.new_figure(
            name,
            300,
            [ResetTool(), hover, tap := opener(PAGE)],
            x_range=Range1d(),
            y_range=Range1d(),
            x_axis_location="above",
        )
        for axis, ticker, names in zip((plot.xaxis[0], plot.yaxis[0]), self._tickers, self._names, strict=True):
            axis.ticker = ticker
            axis.formatter = CustomJSTickFormatter(args={"rows": names}, code=LABELS_JS)
            axis.major_tick_line_color = None
            axis.axis_line_color = None
        plot.xaxis[0].major_label_orientation = _SLOPE
        plot.grid.visible = False
        hover.renderers = tap.renderers = [
            plot.rect("column", "row", 0.96, 0.94, source=self.cells, fill_color="shade", line_color=None)
        ]
        words = plot.text(
            "column", "row", text="text", source=self.cells, text_color="ink", text_align="center",
            text_baseline="middle", text_font_size="11px",
        )  # fmt: skip
        hide(plot, words, narrow=330)
        self.figure: figure = plot

    def show(
        self, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], ends: tuple[float, float],
        facts: Sequence[Sequence[str]], digits: int, *, are_models: bool = False,
    ) -> None:  # fmt: skip
        """Draw the matrix, unless it is drawn already.

        Args:
            values: (rows, columns); NaN is left empty.
            rows: Names from the top.
            columns: Names from the left.
            ends: Values of the two ends of the colours.
            facts: What a hover says, per row and column.
            digits: After the point, in the cells.
            are_models: Whether rows are models, whose page a cell opens.
        """
        wanted = (values.tobytes(), list(rows), list(columns), ends, facts, digits, are_models)
        if wanted == self._shown:
            return
        self._shown = wanted
        row, column = np.nonzero(np.isfinite(values))
        places = list(zip(row.tolist(), column.tolist(), strict=True))
        colours, ink = shades(values[row, column], *ends)
        self.cells.data = {
            "column": column,
            "row": row,
            "shade": colours,
            "ink": ink,
            "text": [decimal(value, digits) for value in values[row, column]],
            "head": [f"{rows[i]} · {columns[j]}" for i, j in places],
            "facts": [facts[i][j] for i, j in places],
            PAGE: [rows[i] if are_models else "" for i, _ in places],
            OPENS: [SAID if are_models else "" for _ in places],
        }
        # Without room beyond the last column Bokeh moves its name onto the one before.
        self.figure.min_border_right = max(12, round(len(columns[-1]) * _LETTER_PX * math.cos(_SLOPE)))
        for ticker, names, words in zip(self._tickers, self._names, (columns, rows), strict=True):
            ticker.ticks = list(range(len(words)))
            names.data = {"name": list(words)}
        self.figure.x_range.update(start=-0.5, end=len(columns) - 0.5)
        self.figure.y_range.update(start=len(rows) - 0.5, end=-0.5)
        self.figure.height = len(rows) * self._row_px + _FRAME_PX
