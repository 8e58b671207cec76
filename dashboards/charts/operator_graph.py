"""The operators of a pass as a layered graph: which reads what another wrote, what binds it, how much it weighs."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts.roofline import BOUND_STYLES, SIDES, rate, reading, span_of_seconds
from dashboards.charts.tips import tip
from dashboards.parts import formats, theme

SIZES = {"time": ("likely_s", "predicted time"), "bytes": ("bytes_moved", "bytes moved")}
MIN_WIDTH_PX = 1000
_LANE_PX, _SMALLEST, _LARGEST, _LARGEST_OF_MANY = 216, 8.0, 64.0, 46.0
_NODES = ("x", "y", "size", "colour", "name", "side_text", "time_text", "bytes_text", "flops_text", "share")
_EDGES = ("x0", "y0", "x1", "y1", "cx0", "cy0", "cx1", "cy1")
_SPREAD, _SAG = 0.29, 0.33
_ENDS = ("before", "after")


class OperatorGraph:
    """The figure, built once; `show` swaps its data. A lane per kind of layer, data flowing to the right."""

    def __init__(self, name: str) -> None:
        """Make the chart under the name of its figure."""
        self.name = name
        self.nodes = ColumnDataSource({column: [] for column in _NODES})
        self.edges = ColumnDataSource({column: [] for column in _EDGES})
        self.labels = ColumnDataSource({"x": [], "y": [], "text": [], "offset": []})
        self.lanes = ColumnDataSource({"x": [], "y": [], "text": []})
        self.figure = self._build()

    def _build(self) -> figure:
        hover = HoverTool(
            point_policy="snap_to_data",
            tooltips=tip(
                "@name",
                "@side_text",
                ("Time per pass", "@time_text"),
                ("Share of time", "@share"),
                ("Moved", "@bytes_text"),
                ("Work", "@flops_text"),
            ),
        )
        plot = theme.new_figure(
            self.name,
            _LANE_PX,
            [hover],
            x_axis_type="linear",
            x_range=Range1d(start=0, end=1),
            y_range=Range1d(start=0, end=1),
        )
        plot.toolbar_location = None
        plot.styles = {"min-width": f"{MIN_WIDTH_PX}px"}
        plot.axis.visible = False
        plot.grid.visible = False
        plot.min_border_left = plot.min_border_right = plot.min_border_bottom = 2
        plot.bezier(
            "x0", "y0", "x1", "y1", "cx0", "cy0", "cx1", "cy1", source=self.edges, line_color=theme.OTHER_COLOUR,
            line_width=1.5, line_alpha=0.55,
        )  # fmt: skip
        nodes = plot.scatter(
            "x", "y", source=self.nodes, size="size", marker="circle", fill_color="colour", fill_alpha=0.85,
            line_color="colour", line_width=1,
        )  # fmt: skip
        # A graph without its names says nothing, so they stay where small screens hide those of other charts.
        plot.text("x", "y", "text", source=self.labels, text_align="center", text_baseline="top", y_offset="offset",
                  text_font_size="11px", text_color=theme.TEXT_COLOUR, text_line_height=1.0, text_alpha=1)  # fmt: skip
        plot.text("x", "y", "text", source=self.lanes, text_baseline="top", text_font_size="12.5px",
                  text_color=theme.TEXT_COLOUR, text_font_style="bold", text_alpha=1)  # fmt: skip
        hover.renderers = [nodes]
        return plot

    def show(self, operators: pl.DataFrame, edges: Sequence[tuple[str, str]], sized_by: str) -> str:
        """Draw the graph and return its legend as HTML.

        Args:
            operators: `Answer.operators`.
            edges: `profiling.roofline.graph.edges` of the same operators.
            sized_by: A key of `SIZES`; areas of the nodes go with it.
        """
        rows = {row["key"]: row for row in operators.iter_rows(named=True)}
        lanes = lanes_of([row["place"] for row in rows.values()])
        column, words = SIZES[sized_by]
        largest = max((row[column] for row in rows.values()), default=0.0) or 1.0
        places: dict[str, tuple[float, float]] = {}
        neighbours: dict[str, int] = {}
        depth = 0
        for lane, members in enumerate(lanes):
            keys = [key for key, row in rows.items() if row["place"] in members]
            columns = columns_of(keys, edges)
            depth = max(depth, *columns.values())
            for key, (x, y, many) in _stacked(columns, edges).items():
                places[key] = (x, y - lane)
                neighbours[key] = many
        self._draw_nodes(rows, places, neighbours, column, largest)
        self._draw_edges(places, edges)
        self.lanes.data = {
            "x": [-0.45] * len(lanes),
            "y": [0.5 - lane for lane in range(len(lanes))],
            "text": [_title(members, rows) for members in lanes],
        }
        self.figure.height = _LANE_PX * len(lanes) + 8
        axes.show(self.figure.x_range, (-0.5, depth + 0.5))
        axes.show(self.figure.y_range, (0.5 - len(lanes), 0.5))
        present = {row["side"] for row in rows.values()}
        entries = [legend.Entry(words, BOUND_STYLES[name][0]) for name, words in SIDES.items() if name in present]
        return legend.swatches(self.name, [*entries, legend.Entry(f"area: {words}", theme.OTHER_COLOUR, hollow=True)])

    def _draw_nodes(
        self,
        rows: Mapping[str, Mapping[str, Any]],
        places: Mapping[str, tuple[float, float]],
        neighbours: Mapping[str, int],
        column: str,
        largest: float,
    ) -> None:
        data: dict[str, list[object]] = {name: [] for name in _NODES}
        texts: dict[str, list[object]] = {name: [] for name in ("x", "y", "text", "offset")}
        for key, (x, y) in places.items():
            row = rows[key]
            most = _LARGEST if neighbours[key] < 3 else _LARGEST_OF_MANY
            size = min(max(_LARGEST * math.sqrt(row[column] / largest), _SMALLEST), most)
            values = {
                "x": x,
                "y": y,
                "size": size,
                "colour": BOUND_STYLES[row["side"]][0],
                "name": f"{row['operator'].replace('_', ' ')} × {row['count']} ({row['place']})",
                "side_text": reading(row["side"], row["intensity"], row["ridge"]),
                "time_text": span_of_seconds(row["low_s"], row["likely_s"], row["high_s"]),
                "bytes_text": data_size(row["bytes_moved"] or row["communication_bytes"]),
                "flops_text": f"{formats.significant(row['flops'] / 1e9)} GFLOP, {rate(row['likely_flops_per_s'])}",
                "share": f"{formats.significant(row['share_pct'], 2)} %",
            }
            for name in _NODES:
                data[name].append(values[name])
            label = row["operator"].replace("all_reduce", "all-reduce").replace("feed_forward", "FFN")
            for name, value in (("x", x), ("y", y), ("text", label.replace("_", "\n")), ("offset", size / 2 + 3)):
                texts[name].append(value)
        self.nodes.data, self.labels.data = data, texts

    def _draw_edges(self, places: Mapping[str, tuple[float, float]], edges: Sequence[tuple[str, str]]) -> None:
        data: dict[str, list[float]] = {name: [] for name in _EDGES}
        for start, end in edges:
            (x0, y0), (x1, y1) = places[start], places[end]
            if round(y0) != round(y1) or x1 <= x0:
                continue  # from one lane to the next: the order of the lanes says it
            reach = (x1 - x0) * 0.5
            # What passes others by, the residual stream, takes the way above them.
            lift = _SAG if x1 - x0 > 1.5 and abs(y0 - y1) < 0.1 else 0.0
            control = (x0, y0, x1, y1, x0 + reach, y0 + lift, x1 - reach, y1 + lift)
            for name, value in zip(_EDGES, control, strict=True):
                data[name].append(value)
        self.edges.data = data


def data_size(number: float) -> str:
    """Bytes in their usual decimal multiple: `13.2 GB`."""
    for size, unit in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            return f"{formats.significant(number / size)} {unit}"
    return f"{formats.significant(number)} B"


def lanes_of(places: Sequence[str]) -> list[list[str]]:
    """Places of operators by lane: a kind of layer each, with what comes before the first and after the last."""
    lanes: list[list[str]] = []
    waiting: list[str] = []
    for place in dict.fromkeys(places):
        role, _, name = place.partition(".")
        if name not in _ENDS and name != "between_stages":
            lanes.append([*waiting, place])
            waiting = []
        elif name == "before" or not lanes or not lanes[-1][-1].startswith(role):
            waiting.append(place)
        else:
            lanes[-1].append(place)
    if waiting:
        lanes.append(waiting)
    return lanes


def columns_of(keys: Sequence[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Column of each node: one more than the last that it reads from; nodes come in the order data flows."""
    inside = set(keys)
    sources: dict[str, list[str]] = defaultdict(list)
    for start, end in edges:
        if start in inside and end in inside:
            sources[end].append(start)
    columns: dict[str, int] = {}
    for key in keys:
        columns[key] = max((columns[source] + 1 for source in sources[key] if source in columns), default=0)
    return columns


def _stacked(columns: Mapping[str, int], edges: Sequence[tuple[str, str]]) -> dict[str, tuple[float, float, int]]:
    """Place within the lane, and how many share the column: nodes of one column stand above each other."""
    by_column: dict[int, list[str]] = defaultdict(list)
    for key, column in columns.items():
        by_column[column].append(key)
    stack: dict[str, tuple[float, float, int]] = {}
    for column, members in by_column.items():
        for place, key in enumerate(members):
            middle = (len(members) - 1) / 2
            stack[key] = (float(column), (middle - place) * (_SPREAD * 2 / max(len(members) - 1, 1)), len(members))
    # A node with one source and one reader beside others keeps the height of its source.
    for start, end in edges:
        if start in stack and end in stack and stack[end][2] == stack[start][2] and stack[start][2] > 1:
            stack[end] = (stack[end][0], stack[start][1], stack[end][2])
    return stack


def _title(places: Sequence[str], rows: Mapping[str, Mapping[str, Any]]) -> str:
    layer = next((place for place in places if place.partition(".")[2] not in _ENDS), places[0])
    count = next(row["count"] for row in rows.values() if row["place"] == layer)
    role, _, name = layer.partition(".")
    return f"{role}: {'layer' if name == 'layer' else formats.label(name) + ' layer'} × {count}"
