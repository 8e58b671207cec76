"""Models that fit a hardware: quality against what it costs, with the front of those that no other beats."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool, TapTool
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts.screen import hide
from dashboards.charts.tips import tip
from dashboards.parts import choices as rules
from dashboards.parts import formats, theme

_MOST_POINTS = 4_000
_WIDE_PX, _NARROW_PX, _LETTER_PX = 800, 420, 6.2
_SHADES = {name: (theme.COLOURS[place], theme.MARKS[place]) for place, name in enumerate(rules.PRECISIONS)}
_COLUMNS = ("model", "x", "y", "colour", "mark", "facts", "low", "high")


class ChoiceFront:
    """The figure, built once; its data is swapped."""

    def __init__(self, name: str, picked: Callable[[str], None] | None = None) -> None:
        """Make the chart.

        Args:
            name: By which the page's script finds the figure.
            picked: Called with the model that a reader clicked.
        """
        self._name, self._picked = name, picked
        self.points, self.front = (ColumnDataSource({column: [] for column in _COLUMNS}) for _ in range(2))
        self.steps = ColumnDataSource({"x": [], "y": []})
        self.labels = ColumnDataSource({"x": [], "y": [], "text": [], "short": []})
        self.figure = self._build()
        for source in (self.points, self.front):
            source.selected.on_change("indices", self._choose(source))

    def _choose(self, source: ColumnDataSource) -> Callable[[str, list[int], list[int]], None]:
        def chosen(_attribute: str, _before: list[int], now: list[int]) -> None:
            if now and self._picked is not None:
                self._picked(str(source.data["model"][now[0]]))

        return chosen

    def _build(self) -> figure:
        tap, hover = TapTool(), HoverTool(point_policy="follow_mouse", limit=2)
        hover.tooltips = tip("@model", "@facts", opens="card")
        tools = [PanTool(), BoxZoomTool(), ResetTool(), tap, hover]
        plot = theme.new_figure(self._name, 400, tools, x_axis_type="log", x_range=Range1d(), y_range=Range1d())
        axes.dress(plot, "log", "linear")
        options: dict[str, Any] = {"marker": "mark", "fill_color": "colour", "line_color": "colour"}
        dots = plot.scatter(
            "x", "y", source=self.points, size=6, fill_alpha=0.22, line_alpha=0.3, nonselection_fill_alpha=0.22,
            nonselection_line_alpha=0.3, **options,
        )  # fmt: skip
        plot.line("x", "y", source=self.steps, line_color=theme.ACCENT, line_width=1.8)
        plot.segment("x", "low", "x", "high", source=self.front, line_color=theme.ACCENT, line_width=1.4)
        best = plot.scatter(
            "x", "y", source=self.front, size=11, marker="mark", fill_color="colour", line_color=theme.ACCENT,
            line_width=2, nonselection_fill_alpha=1.0, nonselection_line_alpha=1.0,
        )  # fmt: skip
        names, few_names = (
            plot.text(
                "x", "y", text=text, source=self.labels, x_offset=9, y_offset=-7, text_font_size="11.5px",
                text_color=theme.TEXT_COLOUR, text_baseline="bottom", visible=text == "text",
            )
            for text in ("text", "short")
        )  # fmt: skip
        hide(plot, names, narrow=_WIDE_PX, short=[few_names], least=_NARROW_PX)
        hover.renderers = tap.renderers = [best, dots]
        return plot

    def show(
        self, fitting: pl.DataFrame, front: pl.DataFrame, against: str, title: str, quality: str, *, more: bool
    ) -> str:
        """Draw and return the legend as HTML.

        Args:
            fitting: What `rules.judged` lets pass.
            front: Its front, in order.
            against: Column of the horizontal axis.
            title: Title of that axis, with its unit.
            quality: Title of the vertical axis.
            more: Whether more of it is better.
        """
        drawn = fitting.filter(pl.col(against) > 0)
        rest = drawn.filter(~pl.col("model_id").is_in(front["model_id"].to_list())).head(_MOST_POINTS)
        front = front.filter(pl.col(against) > 0)
        self.points.selected.indices, self.front.selected.indices = [], []
        self.points.data, self.front.data = self._columns(rest, against), self._columns(front, against)
        x, y = front[against].to_numpy(), front["quality"].to_numpy()
        # A step down in quality at each member: beyond its speed only the next one is left.
        self.steps.data = {"x": np.repeat(x, 2)[1:], "y": np.repeat(y, 2)[:-1]}
        x_span = axes.span(drawn[against], "log")
        if x_span is not None:
            x_span = (x_span[0], x_span[1] * (x_span[1] / x_span[0]) ** 0.14)
        self._label(front, against, x_span or (0.1, 10.0))
        axes.show(self.figure.x_range, x_span)
        seen = pl.concat([drawn["quality"].cast(pl.Float64), pl.Series([float(v) for v in self.front.data["high"]])])
        axes.show(self.figure.y_range, axes.span(seen, "linear"))
        self.figure.xaxis[0].axis_label = f"{title}, {'more' if more else 'less'} is better"
        self.figure.yaxis[0].axis_label = quality
        present = drawn["precision"].value_counts()
        counts = dict(present.iter_rows())
        lines = [
            legend.Entry(f"fits at {rules.PRECISIONS[name]}", *_SHADES[name], count=counts[name])
            for name in rules.PRECISIONS
            if name in counts
        ]
        lines.append(legend.Entry("front: no other is better in both", theme.ACCENT, "line", count=front.height))
        lines.append(legend.Entry(f"{front['quality_level'][0]} % interval of quality", theme.ACCENT, "bar"))
        return legend.swatches(self._name, lines)

    def _columns(self, rows: pl.DataFrame, against: str) -> dict[str, Any]:
        rows = rows.with_columns(
            low=pl.col("quality_low").fill_null(pl.col("quality")),
            high=pl.col("quality_high").fill_null(pl.col("quality")),
        )
        return {
            "model": rows["model_id"].to_list(),
            "x": rows[against].to_numpy(),
            "y": rows["quality"].to_numpy(),
            "low": rows["low"].to_numpy(),
            "high": rows["high"].to_numpy(),
            "colour": [_SHADES[name][0] for name in rows["precision"]],
            "mark": [_SHADES[name][1] for name in rows["precision"]],
            "facts": [facts(row) for row in rows.iter_rows(named=True)],
        }

    def _label(self, front: pl.DataFrame, against: str, x_span: tuple[float, float]) -> None:
        """Names of members that have room: apart by a sixteenth of the range of qualities, and not beyond the edge."""
        labels: list[tuple[float, float, str]] = []
        span = float(np.ptp(front["quality"].to_numpy())) if front.height else 1.0
        for row in front.sort("quality", descending=True).iter_rows(named=True):
            x, y = float(row[against]), float(row["quality"])
            if all(abs(y - above) > 0.06 * span for _, above, _ in labels):
                labels.append((x, y, formats.without_account(str(row["model_id"]))))
        decades = math.log10(x_span[1] / x_span[0])

        def ends_at(x: float, text: str) -> float:
            """Where a name ends on the narrowest screen with names, as a share of the plot."""
            return math.log10(x / x_span[0]) / decades + len(text) * _LETTER_PX / _NARROW_PX

        columns = {name: [label[place] for label in labels] for place, name in enumerate(("x", "y", "text"))}
        self.labels.data = columns | {"short": [text if ends_at(x, text) < 1 else "" for x, _, text in labels]}


def facts(row: dict[str, Any]) -> str:
    """What a choice is, in one line."""
    parts = [f"{rules.PRECISIONS[row['precision']]}: {row['verdict']}", f"quality {row['quality']:.1f}"]
    if row["tokens_per_s"] is not None:
        parts.append(f"{formats.significant(row['tokens_per_s'])} tokens/s")
    if row["usd"] is not None:
        parts.append(f"${formats.significant(row['usd'])} per million tokens ({row['usd_basis']})")
    return ", ".join(parts)
