"""Predicted against measured on two logarithmic axes, with the line where both agree and that of a factor of two."""

from dataclasses import dataclass

import polars as pl
from holoviews import Overlay

from dashboards.charts import axes, house, legend
from dashboards.charts.opening import OPENS, PAGE
from dashboards.parts import theme

_SCHEMA = dict.fromkeys(("x", "y", "low", "high"), pl.Float64) | dict.fromkeys(
    ("name", "facts", "colour", "mark", PAGE, OPENS), pl.String
)


@dataclass(frozen=True)
class _Drawn:
    points: pl.DataFrame
    ends: tuple[float, ...]
    unit: str


class PredictedMeasured:
    """The figure, built once; its data is swapped."""

    def __init__(self, name: str) -> None:
        """Make an empty chart; `name` is how the page's script finds it."""
        self._name = name
        nothing = _Drawn(pl.DataFrame(schema=_SCHEMA), (), "")
        self._chart = house.HouseChart(name, _draw, nothing, height=400, kinds=("log", "log"))
        self.figure = self._chart.figure

    def show(self, rows: pl.DataFrame, unit: str) -> str:
        """Draw and return the legend as HTML.

        Args:
            rows: `measured`, `predicted`, `low`, `high`, `group`, `name`, `facts`, and the model's columns
                by `with_pages`.
            unit: Of both axes.
        """
        groups = rows["group"].value_counts(sort=True)["group"].to_list()
        styles = theme.palette(groups)
        drawn = rows.select(
            pl.col("measured").alias("x"), pl.col("predicted").alias("y"), "low", "high", "name", "facts", PAGE, OPENS,
            *theme.looks(pl.col("group"), styles),
        )  # fmt: skip
        self._chart.swap(_Drawn(drawn, axes.span(pl.concat([drawn["x"], drawn["y"]]), "log") or (), unit))
        counts = dict(rows["group"].value_counts().iter_rows())
        entries = [legend.Entry(name, *styles[name], count=counts[name]) for name in groups]
        entries.append(legend.Entry("predicted as measured", theme.ACCENT, "line"))
        entries.append(legend.Entry("twice or half", theme.OTHER_COLOUR, "line"))
        return legend.swatches(self._name, entries)


def _draw(data: _Drawn) -> Overlay:
    ends = data.ends
    guides = [
        house.line({"x": ends, "y": [factor * end for end in ends]}, colour, width=width, dash=dash)
        for factor, colour, width, dash in (
            (1.0, theme.ACCENT, 1.6, "solid"),
            (2.0, theme.OTHER_COLOUR, 1.0, "dashed"),
            (0.5, theme.OTHER_COLOUR, 1.0, "dashed"),
        )
    ]
    hover = house.hover("@name", "@facts", opens="model")
    marks = [
        house.intervals(data.points, "x", "low", "high", alpha=0.25),
        house.dots(data.points, "x", "y", ["name", "facts", PAGE, OPENS], hover),
    ]
    limits = {"xlim": ends, "ylim": ends} if ends else {}
    return Overlay([*guides, *marks]).opts(
        xlabel=f"Measured ({data.unit})", ylabel=f"Predicted ({data.unit})", **limits
    )
