"""What a configuration needs of a device's memory, part by part, against what there is."""

from bokeh.models import ColumnDataSource, HoverTool, Range1d
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts.tips import tip
from dashboards.parts import formats, theme
from profiling.devices.accelerators import GIB
from profiling.memory.need import MemoryNeed

_PARTS = {
    "Weights": theme.COLOURS[0],
    "KV cache": theme.COLOURS[1],
    "Activations": theme.COLOURS[3],
    "Engine": theme.COLOURS[2],
}
_COLUMNS = ("left", "right", "colour", "alpha", "part", "text")


class MemoryBar:
    """The figure, built once; `show` swaps its data."""

    def __init__(self, name: str) -> None:
        """Make the chart under the name of its figure."""
        self.name = name
        self.parts = ColumnDataSource({column: [] for column in _COLUMNS})
        self.device = ColumnDataSource({"left": [0], "right": [0]})
        self.budget = Span(location=0, dimension="height", line_color=theme.ACCENT, line_width=2.4)
        self.figure = self._build()

    def _build(self) -> figure:
        hover = HoverTool(point_policy="follow_mouse", tooltips=tip("@part", "@text"))
        plot = theme.new_figure(
            self.name,
            132,
            [hover],
            x_axis_type="linear",
            x_range=Range1d(start=0, end=1),
            y_range=Range1d(start=-1.15, end=1.3),
        )
        axes.dress(plot, "linear", "linear")
        plot.toolbar_location = None
        plot.min_border_left = 12
        plot.yaxis.visible = False
        plot.ygrid.visible = False
        plot.xaxis.axis_label = "GiB per device"
        plot.hbar(y=0, height=1.5, left="left", right="right", source=self.device, fill_alpha=0,
                  line_color=theme.OTHER_COLOUR, line_width=1.5)  # fmt: skip
        bars = plot.hbar(y=0, height=1.3, left="left", right="right", source=self.parts, fill_color="colour",
                         fill_alpha="alpha", line_color="colour", line_width=1)  # fmt: skip
        plot.add_layout(self.budget)
        hover.renderers = [bars]
        return plot

    def show(self, need: MemoryNeed, capacity_bytes: float) -> str:
        """Draw the need, and return the legend as HTML; light ends are what depends on the engine."""
        data: dict[str, list[object]] = {column: [] for column in _COLUMNS}
        sides = {
            "Weights": (need.weights, need.weights),
            "KV cache": (need.kv_cache.low, need.kv_cache.high),
            "Activations": (need.activations.low, need.activations.high),
            "Engine": (need.other.low, need.other.high),
        }
        left = 0.0
        entries = []
        for part, (least, most) in sides.items():
            low, high = float(least) / GIB, float(most) / GIB
            text = gib(low) if high - low < 0.005 else f"{formats.significant(low)}–{gib(high)}"
            for start, end, alpha in ((left, left + low, 0.85), (left + low, left + high, 0.3)):
                if end > start:
                    for column, value in zip(_COLUMNS, (start, end, _PARTS[part], alpha, part, text), strict=True):
                        data[column].append(value)
            left += high
            entries.append(legend.Entry(f"{part} {text}", _PARTS[part], "square"))
        self.parts.data = data
        device, budget = capacity_bytes / GIB, float(need.budget) / GIB
        self.device.data = {"left": [0], "right": [device]}
        self.budget.location = budget
        axes.show(self.figure.x_range, (0.0, max(left, device) * 1.04))
        entries += [
            legend.Entry(f"usable by the engine {gib(budget)}", theme.ACCENT, "line"),
            legend.Entry(f"device {gib(device)}", theme.OTHER_COLOUR, "square", hollow=True),
        ]
        return legend.swatches(self.name, entries)


def gib(number: float) -> str:
    """A size in GiB."""
    return f"{formats.significant(number)} GiB"
