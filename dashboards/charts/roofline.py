"""The roofline of one configuration: slope, roofs of the number formats in use, ridges, a point per operator."""

import math
from collections.abc import Sequence

import polars as pl
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    CustomJSTickFormatter,
    HoverTool,
    PanTool,
    Range1d,
    ResetTool,
    WheelZoomTool,
)
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts.screen import hide
from dashboards.charts.tips import tip
from dashboards.parts import formats, theme
from profiling.answers.answer import ComputeRoof

BOUND_STYLES = {
    "memory": (theme.COLOURS[0], "circle"),
    "compute": (theme.COLOURS[1], "triangle"),
    "communication": (theme.COLOURS[4], "diamond"),
    "cache": (theme.COLOURS[3], "inverted_triangle"),
}
SIDES = {
    "memory": "bound by memory",
    "compute": "bound by compute",
    "communication": "bound by communication",
    "cache": "served from cache",
}
"""What binds an operator, for reading."""
_POINTS = (
    "name", "x", "bound", "likely", "low", "high", "colour", "mark", "size", "rate_text", "bound_text", "time_text",
    "intensity_text", "side_text", "share_text",
)  # fmt: skip
_SMALLEST, _LARGEST = 7.0, 22.0
_DECADES_BELOW = 0.35
_SI = "const u=[[1e15,'P'],[1e12,'T'],[1e9,'G'],[1e6,'M'],[1e3,'k']]; for (const [s,p] of u) { if (tick >= s) { return parseFloat((tick/s).toPrecision(3)) + ' ' + p } } return String(parseFloat(tick.toPrecision(3)))"  # noqa: E501 - one statement for the browser


class RooflineChart:
    """The figure, built once; `show` swaps its data."""

    def __init__(self, name: str) -> None:
        """Make the chart; `name` is how the page's script finds it."""
        self.name = name
        self.points = ColumnDataSource({column: [] for column in _POINTS})
        self.roofs = ColumnDataSource({"xs": [], "ys": []})
        self.ridges = ColumnDataSource({"x": [], "y": [], "low": [], "text": []})
        self.texts = ColumnDataSource({"x": [], "y": [], "text": [], "short": []})
        self.slope_text = ColumnDataSource({"x": [], "y": [], "text": []})
        self.under = ColumnDataSource({"x": [], "low": [], "high": []})
        self.figure = self._build()

    def _build(self) -> figure:
        hover = HoverTool(point_policy="snap_to_data", limit=3)
        plot = theme.new_figure(
            self.name, 460, [PanTool(), WheelZoomTool(), BoxZoomTool(), ResetTool(), hover],
            x_axis_type="log", y_axis_type="log",
            x_range=Range1d(start=0.1, end=1000), y_range=Range1d(start=1e9, end=1e15),
        )  # fmt: skip
        axes.dress(plot, "log", "log")
        plot.yaxis[0].formatter = CustomJSTickFormatter(code=_SI)
        plot.xaxis[0].axis_label = "Arithmetic intensity (FLOPs per byte)"
        plot.yaxis[0].axis_label = "Achieved rate (FLOP/s)"
        plot.varea("x", "low", "high", source=self.under, fill_color=BOUND_STYLES["memory"][0], fill_alpha=0.06)
        plot.multi_line("xs", "ys", source=self.roofs, line_color=theme.OTHER_COLOUR, line_width=2.2)
        plot.segment(
            "x", "low", "x", "y", source=self.ridges, line_color=theme.OTHER_COLOUR, line_width=1.2, line_dash=[4, 4]
        )
        plot.scatter("x", "y", source=self.ridges, size=8, marker="square", fill_color=theme.ACCENT, line_color=None)
        plot.text("x", "low", "text", source=self.ridges, text_font_size="11.5px", text_color=theme.TEXT_COLOUR,
                  text_baseline="bottom", x_offset=4, y_offset=-4)  # fmt: skip
        names, short_names = (
            plot.text("x", "y", text, source=self.texts, text_font_size="11.5px", text_color=theme.TEXT_COLOUR,
                      text_align="right", text_baseline="bottom", x_offset=-6, y_offset=-3, visible=text == "text")
            for text in ("text", "short")
        )  # fmt: skip
        # Right of a ridge a small screen has no room for more, and left of it runs the slope.
        hide(plot, names, short=[short_names])
        plot.text("x", "y", "text", source=self.slope_text, text_font_size="11.5px", text_color=theme.TEXT_COLOUR,
                  text_align="right", text_baseline="bottom", x_offset=-12, y_offset=-2)  # fmt: skip
        plot.segment("x", "low", "x", "high", source=self.points, line_color="colour", line_width=1.5, line_alpha=0.55)
        bound = plot.scatter(
            "x", "bound", source=self.points, size=8, marker="mark", fill_alpha=0, line_color="colour", line_width=1.4
        )
        likely = plot.scatter(
            "x", "likely", source=self.points, size="size", marker="mark", fill_color="colour", fill_alpha=0.72,
            line_color="colour", nonselection_fill_alpha=0.72,
        )  # fmt: skip
        hover.renderers = [likely, bound]
        hover.tooltips = tip(
            "@name",
            "@side_text",
            ("Intensity", "@intensity_text"),
            ("Predicted rate", "@rate_text"),
            ("Bound", "@bound_text"),
            ("Time per pass", "@time_text"),
            ("Share of time", "@share_text"),
        )
        return plot

    def show(self, operators: pl.DataFrame, roofs: Sequence[ComputeRoof], bandwidth: float) -> str:
        """Draw the operators that compute, and return the legend as HTML.

        Args:
            operators: `Answer.operators`.
            roofs: `Answer.compute_roofs`.
            bandwidth: Of main memory, bytes/s.
        """
        drawn = operators.filter((pl.col("flops") > 0) & (pl.col("intensity") > 0)).sort("share_pct", descending=True)
        x_span, y_span = _spans(drawn, roofs, bandwidth)
        axes.show(self.figure.x_range, x_span)
        axes.show(self.figure.y_range, y_span)
        self._draw_roofs(roofs, bandwidth, x_span, y_span)
        self.points.data = _points(drawn)
        counts = dict(drawn["side"].value_counts().iter_rows())
        lines = [
            legend.Entry(words, *BOUND_STYLES[name], count=counts[name])
            for name, words in SIDES.items()
            if name in counts
        ]
        lines += [
            legend.Entry("filled: predicted, with its 80 % interval; larger: more of the time", theme.OTHER_COLOUR),
            legend.Entry("hollow: bound", theme.OTHER_COLOUR, hollow=True),
            legend.Entry("ridge, FLOPs per byte", theme.ACCENT, "square"),
        ]
        return legend.swatches(self.name, lines)

    def _draw_roofs(
        self, roofs: Sequence[ComputeRoof], bandwidth: float, x_span: tuple[float, float], y_span: tuple[float, float]
    ) -> None:
        top = roofs[0]
        xs = [[x_span[0] / 100, top.ridge, x_span[1] * 100]]
        ys = [[bandwidth * x_span[0] / 100, top.flops_per_s, top.flops_per_s]]
        for roof in roofs[1:]:
            xs.append([roof.ridge, x_span[1] * 100])
            ys.append([roof.flops_per_s] * 2)
        self.roofs.data = {"xs": xs, "ys": ys}
        self.under.data = {
            "x": [x_span[0] / 100, top.ridge],
            "low": [y_span[0] / 100] * 2,
            "high": [bandwidth * x_span[0] / 100, top.flops_per_s],
        }
        self.ridges.data = {
            "x": [roof.ridge for roof in roofs],
            "y": [roof.flops_per_s for roof in roofs],
            "low": [y_span[0] * 1.05] * len(roofs),
            "text": [formats.significant(roof.ridge) for roof in roofs],
        }
        self.texts.data = {
            "x": [x_span[1]] * len(roofs),
            "y": [roof.flops_per_s for roof in roofs],
            "text": [f"{roof.label}: {rate(roof.flops_per_s)}" for roof in roofs],
            "short": [roof.label.split()[0] for roof in roofs],
        }
        # The slope's name stands left of its upper part, where nothing can be achieved.
        x = top.ridge / 4
        self.slope_text.data = {
            "x": [x], "y": [bandwidth * x], "text": [f"{formats.significant(bandwidth / 1e12)} TB/s"],
        }  # fmt: skip


def rate(flops_per_s: float) -> str:
    """A rate in its usual multiple: `989 TFLOP/s`."""
    for size, prefix in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if flops_per_s >= size:
            # Peaks are known by their teraflops: 1,979 rather than 1.98 P.
            unit = (1e12, "T") if prefix == "P" and flops_per_s < 1e16 else (size, prefix)
            return f"{formats.significant(flops_per_s / unit[0])} {unit[1]}FLOP/s"
    return f"{formats.significant(flops_per_s)} FLOP/s"


def seconds(value: float) -> str:
    """A time in the unit that leaves one to three digits: `17.9 ms`."""
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size:
            return f"{formats.significant(value / size)} {unit}"
    return "0 s" if value == 0 else f"{formats.significant(value / 1e-9)} ns"


def span_of_seconds(low: float, likely: float, high: float) -> str:
    """Likely time with its 80 % interval in one unit: `7.46 ms (80 %: 5.43–13.4)`."""
    size, unit = next(((s, u) for s, u in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")) if likely >= s), (1e-9, "ns"))
    lowest, middle, highest = (formats.significant(value / size) for value in (low, likely, high))
    return f"{middle} {unit} (80 %: {lowest}–{highest})"


def reading(side: str, intensity: float, ridge: float) -> str:
    """What binds an operator and why, as a sentence: the reading of the plot."""
    if side == "communication":
        return "bound by the link between devices"
    where = "left" if intensity < ridge else "right"
    place = f"{formats.significant(intensity)} is {where} of its ridge at {formats.significant(ridge)}"
    if side == "cache":
        return f"{place}, but its activations fit the last-level cache"
    return f"{place}: bound by {side}"


def _points(drawn: pl.DataFrame) -> dict[str, list[object]]:
    data: dict[str, list[object]] = {column: [] for column in _POINTS}
    for row in drawn.iter_rows(named=True):
        colour, mark = BOUND_STYLES[row["side"]]
        share = row["share_pct"] / 100
        values = {
            "name": f"{row['operator'].replace('_', ' ')} × {row['count']} ({row['place']})",
            "x": row["intensity"],
            "bound": row["bound_flops_per_s"],
            "likely": row["likely_flops_per_s"],
            "low": row["low_flops_per_s"],
            "high": row["high_flops_per_s"],
            "colour": colour,
            "mark": mark,
            "size": math.sqrt(_SMALLEST**2 + share * (_LARGEST**2 - _SMALLEST**2) * 2.2),
            "rate_text": rate(row["likely_flops_per_s"]),
            "bound_text": f"{rate(row['bound_flops_per_s'])}, {seconds(row['bound_s'])}",
            "time_text": span_of_seconds(row["low_s"], row["likely_s"], row["high_s"]),
            "intensity_text": f"{formats.significant(row['intensity'])} FLOPs per byte",
            "side_text": reading(row["side"], row["intensity"], row["ridge"]),
            "share_text": f"{formats.significant(row['share_pct'], 2)} %",
        }
        for column in _POINTS:
            data[column].append(values[column])
    return data


def _spans(
    drawn: pl.DataFrame, roofs: Sequence[ComputeRoof], bandwidth: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Spans of both axes that show every point, every ridge and some of the roofs beyond."""
    intensities = [*drawn["intensity"].to_list(), *(roof.ridge for roof in roofs)]
    x_low, x_high = min([*intensities, 0.5]) / 2, max(intensities) * 30
    rates = [*drawn["low_flops_per_s"].to_list(), bandwidth * x_low]
    y_low = min(rates) / 10**_DECADES_BELOW
    return (x_low, x_high), (y_low, roofs[0].flops_per_s * 3)
