"""Points of a few groups on two logarithmic axes, with intervals and a power law through each group."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from holoviews import Overlay

from dashboards.charts import axes, house, legend
from dashboards.charts.opening import OPENS, PAGE, with_pages
from dashboards.parts import theme

_SCHEMA = dict.fromkeys(("x", "y", "low", "high"), pl.Float64) | dict.fromkeys(
    ("name", "facts", "colour", "mark", PAGE, OPENS), pl.String
)
_FEWEST_FOR_A_LINE = 8


def power_law(points: pl.DataFrame) -> tuple[float, float] | None:
    """Exponent and factor of y = factor · x^exponent by least squares on logarithms; None for fewer than 8 points."""
    positive = points.filter(pl.col("x") > 0, pl.col("y") > 0)
    if positive.height < _FEWEST_FOR_A_LINE or positive["x"].n_unique() == 1:
        return None
    exponent, intercept = np.polyfit(np.log(positive["x"].to_numpy()), np.log(positive["y"].to_numpy()), 1)
    return float(exponent), float(np.exp(intercept))


_LINES = dict.fromkeys(("x", "y", "x_end", "y_end"), pl.Float64) | {"colour": pl.String}


@dataclass(frozen=True)
class _Drawn:
    points: pl.DataFrame
    lines: pl.DataFrame
    titles: tuple[str, str] = ("", "")


class LogScatter:
    """The figure, built once; its data is swapped."""

    def __init__(self, name: str, height: int = 400) -> None:
        """Make the chart; `name` is how the page's script finds it."""
        self._name = name
        nothing = _Drawn(pl.DataFrame(schema=_SCHEMA), pl.DataFrame(schema=_LINES))
        self._chart = house.HouseChart(name, _draw, nothing, height=height, kinds=("log", "log"))
        self.figure = self._chart.figure

    def show(self, groups: Mapping[str, pl.DataFrame], x_title: str, y_title: str) -> str:
        """Draw and return the legend as HTML.

        Args:
            groups: Rows with x, y, low, high, name (of a model) and facts, by what the group is called.
            x_title: Title of the horizontal axis, with its unit.
            y_title: Title of the vertical axis, with its unit.
        """
        parts, lines, entries = [], [], []
        for place, (label, rows) in enumerate(groups.items()):
            colour, mark = theme.COLOURS[place % len(theme.COLOURS)], theme.MARKS[place % len(theme.MARKS)]
            styled = with_pages(rows, {name: name for name in rows["name"]})
            parts.append(styled.with_columns(colour=pl.lit(colour), mark=pl.lit(mark)).select(list(_SCHEMA)))
            entries.append(legend.Entry(label, colour, mark, count=rows.height))
            law = power_law(rows)
            if law is not None:
                ends = np.array([rows["x"].min(), rows["x"].max()], dtype=float)
                start, end = (float(law[1] * edge ** law[0]) for edge in ends)
                lines.append((float(ends[0]), start, float(ends[1]), end, colour))
        self._chart.swap(_Drawn(pl.concat(parts), pl.DataFrame(lines, _LINES, orient="row"), (x_title, y_title)))
        if lines:
            entries.append(legend.Entry("power law through a group", theme.OTHER_COLOUR, "line"))
        return legend.swatches(self._name, entries)


def _draw(data: _Drawn) -> Overlay:
    points = data.points
    hover = house.hover("@name", "@facts", opens="model")
    spans = {
        "xlim": axes.span(points["x"], "log"),
        "ylim": axes.span(pl.concat([points["low"], points["high"]]), "log"),
    }
    marks = [
        house.intervals(points, "x", "low", "high"),
        # With both axes logarithmic a power law is a straight line.
        house.segments(data.lines, width=2.0, alpha=1.0),
        house.dots(points, "x", "y", ["name", "facts", PAGE, OPENS], hover),
    ]
    finite_spans = {name: span for name, span in spans.items() if span}
    return Overlay(marks).opts(xlabel=data.titles[0], ylabel=data.titles[1], **finite_spans)
