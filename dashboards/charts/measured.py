"""Measured points: a quantity over context by batch, predictions beside measurements, and the trace of a run."""

from typing import Any, ClassVar

import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool
from bokeh.models.renderers import DataRenderer
from bokeh.plotting import figure

from analytics.units import GIB, decimal
from dashboards.charts import axes, legend
from dashboards.charts.tips import tip
from dashboards.parts import formats, theme

# Quantity → column, factor to the unit shown, unit, title.
QUANTITIES: dict[str, tuple[str, float, str, str]] = {
    "latency": ("latency_s", 1e3, "ms", "Latency of a step"),
    "processor": ("processor_s", 1e3, "ms", "CPU time of a step"),
    "throughput": ("tokens_per_s", 1.0, "token/s", "Throughput"),
    "memory": ("allocated_peak_bytes", 1 / GIB, "GiB", "Peak of allocated memory"),
    "energy": ("joules_per_token", 1.0, "J per token", "Energy"),
}
_POINTS = ("context", "value", "low", "high", "predicted", "predicted_low", "predicted_high", "batch", "text", "alpha")
_MOST_LINES = len(theme.COLOURS)


def _tools(hover: HoverTool) -> list[Any]:
    return [PanTool(), BoxZoomTool(), ResetTool(), hover]


class Sweep:
    """A quantity over context, a line per batch; `show` swaps the data."""

    NAME = "measured"

    def __init__(self) -> None:
        self.sources = [ColumnDataSource({name: [] for name in _POINTS}) for _ in range(_MOST_LINES)]
        hover = HoverTool(
            point_policy="snap_to_data",
            tooltips=tip("context @context, batch @batch", "@text"),
        )
        self.figure: figure = theme.new_figure(
            self.NAME, 380, _tools(hover), x_axis_type="log", y_axis_type="log", x_range=Range1d(), y_range=Range1d()
        )
        axes.dress(self.figure, "log", "log")
        self.figure.xaxis.axis_label = "Context (tokens)"
        marks: list[DataRenderer] = []
        for place, source in enumerate(self.sources):
            colour, mark = theme.COLOURS[place], theme.MARKS[place]
            self.figure.segment(
                "context", "predicted_low", "context", "predicted_high", source=source, line_color=colour,
                line_alpha=0.35, line_width=7,
            )  # fmt: skip
            self.figure.scatter(
                "context", "predicted", source=source, marker="dash", size=16, line_color=colour, line_width=2,
                line_alpha=0.7,
            )  # fmt: skip
            self.figure.line("context", "value", source=source, line_color=colour, line_width=1.6)
            marks.append(
                self.figure.scatter(
                    "context", "value", source=source, marker=mark, size=9, fill_color=colour, line_color=colour,
                    fill_alpha="alpha",
                )
            )  # fmt: skip
        hover.renderers = marks

    def show(self, points: pl.DataFrame, quantity: str) -> str:
        """Draw points of one model, stage and format; the legend as HTML.

        Args:
            points: Rows of `marts.profile_points` that ended well.
            quantity: A key of `QUANTITIES`.
        """
        column, factor, unit, title = QUANTITIES[quantity]
        points_of_column = points.filter(pl.col(column).is_not_null())
        # A prediction stands beside the time on its own clock only.
        clock = {"latency": "wall", "processor": "processor"}.get(quantity, "")
        comparable = pl.col("compared_clock") == clock
        frame = points_of_column.select(
            "context",
            "batch",
            "is_contended",
            "flags",
            value=pl.col(column) * factor,
            predicted=pl.when(comparable).then(pl.col("predicted_s") * factor),
            predicted_low=pl.when(comparable).then(pl.col("predicted_low_s") * factor),
            predicted_high=pl.when(comparable).then(pl.col("predicted_high_s") * factor),
        ).sort("context")
        batches = frame["batch"].unique().sort().to_list()[:_MOST_LINES]
        for place, source in enumerate(self.sources):
            part = frame.filter(pl.col("batch") == batches[place]) if place < len(batches) else frame.head(0)
            source.data = _columns(part, unit)
        self.figure.yaxis.axis_label = f"{title} ({unit})"
        axes.show(self.figure.x_range, axes.span(frame["context"].cast(pl.Float64), "log"))
        ends = pl.concat([frame[name] for name in ("value", "predicted_low", "predicted_high", "predicted")])
        axes.show(self.figure.y_range, axes.span(ends, "log"))
        entries = [
            legend.Entry(f"batch {batch}", theme.COLOURS[place], theme.MARKS[place])
            for place, batch in enumerate(batches)
        ]
        if frame["predicted"].is_not_null().any():
            entries.append(legend.Entry("predicted, with its 80 % interval", theme.OTHER_COLOUR, "bar"))
        if frame["is_contended"].any():
            entries.append(legend.Entry("hollow: contended", theme.OTHER_COLOUR, hollow=True))
        return legend.swatches(self.NAME, entries)


def _columns(part: pl.DataFrame, unit: str) -> dict[str, list[Any]]:
    texts = [
        f"{formats.quantity(row['value'], unit)}"
        + (f", predicted {formats.quantity(row['predicted'], unit)}" if row["predicted"] is not None else "")
        + (f"; {row['flags']}" if row["flags"] else "")
        for row in part.iter_rows(named=True)
    ]
    columns = {name: part[name].to_list() for name in _POINTS if name in part.columns}
    blank: list[Any] = [None] * part.height
    alphas = [0.0 if contended else 0.9 for contended in part["is_contended"].to_list()]
    return {**dict.fromkeys(_POINTS, blank), **columns, "text": texts, "alpha": alphas}


class Predictions:
    """Predicted over measured time of every point of a run, with the line where both agree."""

    NAME = "predicted"
    _COLUMNS = ("measured", "predicted", "low", "high", "name", "text", "alpha", "colour")
    _STAGES = ("prefill", "decode", "encode")

    def __init__(self) -> None:
        self.points = ColumnDataSource({name: [] for name in self._COLUMNS})
        self.diagonal = ColumnDataSource({"x": [], "y": []})
        hover = HoverTool(point_policy="snap_to_data", tooltips=tip("@name", "@text"))
        self.figure: figure = theme.new_figure(
            self.NAME, 380, _tools(hover), x_axis_type="log", y_axis_type="log", x_range=Range1d(), y_range=Range1d()
        )
        axes.dress(self.figure, "log", "log")
        self.figure.xaxis.axis_label, self.figure.yaxis.axis_label = "Measured (ms)", "Predicted (ms)"
        self.figure.line("x", "y", source=self.diagonal, line_color=theme.OTHER_COLOUR, line_dash=[6, 4])
        self.figure.segment(
            "measured", "low", "measured", "high", source=self.points, line_color="colour", line_alpha=0.45
        )
        hover.renderers = [
            self.figure.scatter(
                "measured", "predicted", source=self.points, size=9, fill_color="colour", line_color="colour",
                fill_alpha="alpha",
            )
        ]  # fmt: skip

    def show(self, points: pl.DataFrame) -> str:
        """Draw points that have a prediction; the legend as HTML."""
        rows = points.filter(pl.col("predicted_s").is_not_null())
        colours = dict(zip(self._STAGES, theme.COLOURS, strict=False))
        millis = {
            "measured": "compared_s",
            "predicted": "predicted_s",
            "low": "predicted_low_s",
            "high": "predicted_high_s",
        }
        data: dict[str, list[Any]] = {name: (rows[column] * 1e3).to_list() for name, column in millis.items()}
        data["name"] = [
            f"{r['model']}, {r['stage']}, batch {r['batch']}, context {r['context']}"
            for r in rows.iter_rows(named=True)
        ]
        data["text"] = [
            f"error {decimal(r['error_pct'], 1, signed=True)} % on the {r['compared_clock']} clock"
            for r in rows.iter_rows(named=True)
        ]
        data["alpha"] = [0.0 if contended else 0.9 for contended in rows["is_contended"].to_list()]
        data["colour"] = [colours[stage] for stage in rows["stage"].to_list()]
        self.points.data = data
        ends = pl.Series([*data["measured"], *data["predicted"], *data["low"], *data["high"]], dtype=pl.Float64)
        bounds = axes.span(ends, "log")
        for axis_range in (self.figure.x_range, self.figure.y_range):
            axes.show(axis_range, bounds)
        self.diagonal.data = {"x": list(bounds or ()), "y": list(bounds or ())}
        present = [stage for stage in self._STAGES if stage in set(rows["stage"].to_list())]
        entries = [legend.Entry(stage, colours[stage]) for stage in present]
        entries.append(legend.Entry("predicted = measured", theme.OTHER_COLOUR, "line"))
        if rows["is_contended"].any():
            entries.append(legend.Entry("hollow: contended", theme.OTHER_COLOUR, hollow=True))
        return legend.swatches(self.NAME, entries)


class Trace:
    """One quantity of the device over a run."""

    NAME = "telemetry"
    QUANTITIES: ClassVar[dict[str, tuple[str, float]]] = {
        "Utilisation (%)": ("utilisation_share", 100.0),
        "Power (W)": ("power_w", 1.0), "Clock (MHz)": ("clock_mhz", 1.0),
        "Temperature (°C)": ("temperature_c", 1.0), "Memory in use (GiB)": ("memory_used_bytes", 1 / GIB),
        "Load (1 min)": ("load_1min", 1.0),
    }  # fmt: skip

    def __init__(self) -> None:
        self.samples = ColumnDataSource({"x": [], "y": []})
        hover = HoverTool(tooltips=tip("@y{0,0.[00]}", "after @x{0,0.0} s"), mode="vline")
        self.figure: figure = theme.new_figure(
            self.NAME, 240, _tools(hover), x_axis_type="linear", x_range=Range1d(), y_range=Range1d()
        )
        axes.dress(self.figure, "linear", "linear")
        self.figure.xaxis.axis_label = "Since the first sample (s)"
        hover.renderers = [self.figure.line("x", "y", source=self.samples, line_color=theme.COLOURS[0], line_width=1.4)]

    def show(self, samples: pl.DataFrame, quantity: str) -> bool:
        """Draw a key of `QUANTITIES`; whether it was sampled."""
        column, factor = self.QUANTITIES[quantity]
        samples_of_column = samples.filter(pl.col(column).is_not_null())
        self.samples.data = {
            "x": samples_of_column["elapsed_s"].to_list(),
            "y": (samples_of_column[column] * factor).to_list(),
        }
        self.figure.yaxis.axis_label = quantity
        axes.show(self.figure.x_range, axes.span(samples_of_column["elapsed_s"], "linear"))
        axes.show(self.figure.y_range, axes.span(samples_of_column[column] * factor, "linear"))
        return not samples_of_column.is_empty()
