"""Modules of a measured point: time per layer by kind, and the network with nodes sized by memory, coloured by time."""

import math
from typing import Any

import polars as pl
from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts.tips import tip
from dashboards.parts import formats, theme

KINDS = ("linear", "attention", "experts", "norm", "between", "head", "embedding")
_STYLES = dict(zip(KINDS, theme.COLOURS, strict=True))
_SMALLEST, _LARGEST = 10.0, 58.0
MEASURES = {"time": "Own time of its modules (ms)", "memory": "Peak memory held (MB)"}
"""What the bars of the layers can show, with the title of their axis."""


class LayerBars:
    """A bar per layer, embedding before and head after them: times stacked by kind, or the most memory held at once."""

    NAME = "layers"

    def __init__(self) -> None:
        self.bars = ColumnDataSource({name: [] for name in ("x", "top", "bottom", "colour", "name", "text")})
        hover = HoverTool(point_policy="follow_mouse", tooltips=tip("@name", "@text"))
        self.figure: figure = theme.new_figure(
            self.NAME, 300, [hover], x_axis_type="linear", x_range=Range1d(), y_range=Range1d()
        )
        axes.dress(self.figure, "linear", "linear")
        self.figure.toolbar_location = None
        self.figure.xaxis.axis_label = "Layer (−1: embedding; last: head)"
        hover.renderers = [
            self.figure.vbar(
                x="x", width=0.8, top="top", bottom="bottom", source=self.bars, fill_color="colour", line_color=None
            )
        ]

    def show(self, layers: pl.DataFrame, measure: str = "time") -> str:
        """Draw the modules of a point; the legend as HTML.

        Args:
            layers: Result of the query `profile_layers`.
            measure: One of `MEASURES`. Of memory a layer's bar is the most that one of its modules held at once, its
                parts included, weights not; it is empty where no allocator told.
        """
        last = layers["layer"].max()
        behind = int(last) + 1 if isinstance(last, int) else 1
        placed = layers.with_columns(
            at=pl.col("layer").fill_null(
                pl.when(pl.col("kind") == "embedding").then(-1).otherwise(behind)
            )
        )  # fmt: skip
        self.figure.yaxis.axis_label = MEASURES[measure]
        if measure == "memory":
            inside = placed.filter(pl.col("layer").is_not_null() | (pl.col("kind") != "between"))
            most = inside.filter(pl.col("peak_bytes") == pl.col("peak_bytes").max().over("at"))
            grouped = most.unique("at", keep="first", maintain_order=True).select(
                "at", "kind", pl.col("peak_bytes") / 1e6
            )
            unit = "MB at most"
        else:
            grouped = placed.group_by("at", "kind", maintain_order=True).agg(1e3 * pl.col("time_s").sum())
            unit = "ms"
        names = {"between": "whole layer" if measure == "memory" else "between modules"}
        data: dict[str, list[Any]] = {name: [] for name in self.bars.data}
        heights: dict[int, float] = {}
        for kind in KINDS:
            for at, _, value in grouped.filter(pl.col("kind") == kind).iter_rows():
                bottom = heights.get(at, 0.0)
                heights[at] = bottom + value
                row = (
                    at,
                    heights[at],
                    bottom,
                    _STYLES[kind],
                    names.get(kind, kind),
                    f"{formats.significant(value)} {unit}, layer {at}",
                )
                for name, cell in zip(("x", "top", "bottom", "colour", "name", "text"), row, strict=True):
                    data[name].append(cell)
        self.bars.data = data
        axes.show(self.figure.x_range, (-1.8, behind + 0.8))
        axes.show(self.figure.y_range, (0.0, max(heights.values(), default=1.0) * 1.05))
        present = set(grouped["kind"].to_list())
        return legend.swatches(
            self.NAME,
            [legend.Entry(names.get(kind, kind), _STYLES[kind], "square") for kind in KINDS if kind in present],
        )


class Network:
    """Modules in the order data flows, layers folded into one: area by memory moved, colour by time."""

    NAME = "network"
    MIN_WIDTH_PX = 900

    def __init__(self) -> None:
        self.nodes = ColumnDataSource({name: [] for name in ("x", "y", "size", "colour", "name", "text")})
        self.edges = ColumnDataSource({"x0": [], "x1": [], "y": []})
        self.labels = ColumnDataSource({name: [] for name in ("x", "y", "text", "offset")})
        hover = HoverTool(point_policy="snap_to_data", tooltips=tip("@name", "@text"))
        self.figure: figure = theme.new_figure(
            self.NAME, 190, [hover], x_axis_type="linear", x_range=Range1d(), y_range=Range1d(start=-1.1, end=0.7)
        )
        self.figure.toolbar_location = None
        self.figure.styles = {"min-width": f"{self.MIN_WIDTH_PX}px"}
        self.figure.axis.visible = False
        self.figure.grid.visible = False
        self.figure.segment("x0", "y", "x1", "y", source=self.edges, line_color=theme.OTHER_COLOUR, line_alpha=0.6)
        nodes = self.figure.scatter(
            "x", "y", source=self.nodes, size="size", fill_color="colour", line_color="colour", fill_alpha=0.9
        )
        self.figure.text(
            "x", "y", "text", source=self.labels, text_align="center", text_baseline="top", y_offset="offset",
            text_font_size="11px", text_color=theme.OTHER_COLOUR, text_line_height=1.0,
        )  # fmt: skip
        hover.renderers = [nodes]

    def show(self, layers: pl.DataFrame) -> str:
        """Draw the modules of a point; the legend as HTML."""
        folded = (
            layers.filter(pl.col("kind") != "between")
            .with_columns(name=pl.col("path").str.replace(r"^.*layers\.\d+\.", ""))
            .group_by("name", "kind", maintain_order=True)
            .agg(
                pl.len().alias("modules"), pl.col("time_s").sum(), pl.col("time_share").sum(),
                pl.col("moved_bytes").sum(), pl.col("flops").sum(),
            )
        )  # fmt: skip
        heaviest = folded["moved_bytes"].max() or 1.0
        longest = folded["time_share"].max() or 1.0
        nodes: dict[str, list[Any]] = {name: [] for name in self.nodes.data}
        labels: dict[str, list[Any]] = {name: [] for name in self.labels.data}
        for place, row in enumerate(folded.iter_rows(named=True)):
            size = max(_SMALLEST, _LARGEST * math.sqrt((row["moved_bytes"] or 0.0) / float(str(heaviest))))
            step = round((len(theme.SCALE) - 1) * row["time_share"] / float(str(longest)))
            text = (
                f"{row['modules']} modules, {formats.significant(row['time_s'] * 1e3)} ms "
                f"({formats.significant(100 * row['time_share'], 2)} % of the time), "
                f"{formats.significant((row['moved_bytes'] or 0) / 1e6)} MB moved, "
                f"{formats.significant((row['flops'] or 0) / 1e9)} GFLOP"
            )
            for name, value in zip(nodes, (place, 0.0, size, theme.SCALE[step], row["name"], text), strict=True):
                nodes[name].append(value)
            words = row["name"].rsplit(".", maxsplit=1)[-1].replace("_", "\n")
            for name, value in zip(labels, (place, 0.0, words, size / 2 + 4), strict=True):
                labels[name].append(value)
        count = folded.height
        self.nodes.data, self.labels.data = nodes, labels
        self.edges.data = {"x0": [*range(count - 1)], "x1": [*range(1, count)], "y": [0.0] * (count - 1)}
        axes.show(self.figure.x_range, (-0.7, count - 0.3))
        share = formats.significant(100 * float(str(longest)), 2)
        return legend.scale(self.NAME, f"share of the time: 0 % to {share} %; area: bytes moved")
