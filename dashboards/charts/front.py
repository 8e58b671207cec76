"""A Pareto front as a staircase over all entries, with error bars, and members within noise told apart."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from bokeh.models import (
    BoxZoomTool,
    ColumnDataSource,
    HoverTool,
    PanTool,
    Range1d,
    ResetTool,
    TapTool,
    WheelZoomTool,
)
from bokeh.plotting import figure

from analytics.statistics.normal import TWO_SIDED_95
from dashboards.charts import axes, legend
from dashboards.charts.many_points import Coded, ManyPoints, coded
from dashboards.charts.opening import opener
from dashboards.charts.screen import hide
from dashboards.charts.thinning import thinned
from dashboards.charts.tips import tip
from dashboards.parts import formats, theme
from dashboards.parts.fields import Cost, Measure

CONFIDENCE = "1.96"
"""Standard errors on either side, as they are read."""
_LABELS = 18
_HEADROOM = 0.04  # of the height, so that the name of the best member has room
_LABEL_HEIGHT_PX, _LETTER_PX = 15, 6.2
_WIDE_PX, _NARROW_PX, _PLOT_FRAME_PX = 900, 420, 85
_POINTS = ("x", "y"), ("name", "precision")
_MEMBERS = ("entry_id", "name", "x", "y", "low", "high", "colour", "mark", "fill", "precision", "noise")


@dataclass(frozen=True)
class Front:
    """What is to be drawn.

    Attributes:
        cloud: Every entry with both values: model_id, precision, x, y.
        members: The front from its cheapest: entry_id, model_id, precision, x, y, standard_error,
            beyond_noise_of_previous; and low, high, where intervals are known by their ends.
        x: Measure of the minimised objective.
        y: Measure of the maximised one.
        is_staircase: Whether two objectives alone make the front, so that its members join to a staircase.
        kind: What the column precision says, as a hover names it.
        bars: What the bars of members are.
    """

    cloud: pl.DataFrame
    members: pl.DataFrame
    x: Measure
    y: Measure
    is_staircase: bool = True
    kind: str = "Precision"
    bars: str = "95 % interval"


def points(entries: pl.DataFrame, cost: Cost, quality: Measure) -> pl.DataFrame:
    """Entries that can be drawn: model_id, precision, submitted_on, x, y."""
    drawable = entries.filter(axes.usable(cost.measure, logarithmic=True), axes.usable(quality, logarithmic=False))
    x, y = pl.col(cost.measure.name).alias("x"), pl.col(quality.name).alias("y")
    return drawable.select("model_id", "precision", "submitted_on", x, y)


def noise_mark(beyond: bool | None, place: int) -> str:
    """Whether a member's step over the next cheaper one is `clear`, `within` noise, or `unknown`."""
    if place == 0:
        return "clear"
    return "unknown" if beyond is None else ("clear" if beyond else "within")


def staircase(members: pl.DataFrame, end_x: float, start_y: float) -> tuple[list[float], list[float]]:
    """Corners of the region that the front dominates: up at each member, then level to the next, to the right edge."""
    if members.is_empty():
        return [], []
    ordered = members.sort("x", "y")
    xs, ys = [float(ordered["x"][0])], [start_y]
    for x, y in ordered.select("x", "y").iter_rows():
        xs.extend((x, x))
        ys.extend((ys[-1], y))
    return [*xs, end_x], [*ys, ys[-1]]


@dataclass(frozen=True, eq=False)
class Drawing:
    """A front ready to be drawn, which all who look at the same one share.

    Attributes:
        x: Measure of the horizontal axis.
        y: Measure of the vertical one.
        x_span: Start and end of the horizontal axis.
        y_span: Start and end of the vertical one.
        count: How many entries the front was sought among.
        cloud: Those of them that are drawn.
        members: Columns of the members.
        stairs: Corners of the staircase, and where the area below it ends.
        names: Words beside members.
        kind: What the column precision says, as a hover names it.
        legend: As HTML.
    """

    x: Measure
    y: Measure
    x_span: tuple[float, float]
    y_span: tuple[float, float]
    count: int
    cloud: Coded
    members: Mapping[str, Sequence[Any]]
    stairs: Mapping[str, Sequence[float]]
    names: Mapping[str, Sequence[Any]]
    kind: str
    legend: str


def drawing(front: Front, name: str, height: int, frame: tuple[pl.Series, pl.Series] | None = None) -> Drawing:
    """What a figure shows of a front.

    Args:
        front: What to draw.
        name: Name of the figure.
        height: Its pixels.
        frame: Values of x and y that the axes span; those drawn, where it is not given.
    """
    spans = frame or (
        pl.concat([front.cloud["x"], front.members["x"]]),
        pl.concat([front.cloud["y"], front.members["y"]]),
    )
    x_span = axes.span(spans[0], "log") or (0.1, 10.0)
    y_low, y_high = axes.span(spans[1], "linear") or (0.0, 1.0)
    y_span = (y_low, y_high + (y_high - y_low) * _HEADROOM)
    counts, noise = _counts(front), _noise(front)
    styles = _styles(counts)
    bottom = y_span[0] - (y_span[1] - y_span[0])
    joined = front.members if front.is_staircase else front.members.clear()
    xs, ys = staircase(joined, x_span[1] * 10, bottom)
    return Drawing(
        front.x, front.y, x_span, y_span, front.cloud.height,
        coded(_styled(thinned(front.cloud).rename({"model_id": "name"}), styles), *_POINTS),
        _member_columns(front.members, noise, styles),
        {"x": xs, "y": ys, "fill": [bottom] * len(xs)},
        _names_of_both(front.members, x_span, y_span, height),
        front.kind,
        _legend(front, name, counts, noise, styles),
    )  # fmt: skip


class FrontChart:
    """The figure, built once; `show` swaps its data."""

    def __init__(self, name: str, height: int, chosen: Callable[[str], None] | None = None) -> None:
        """Make the chart.

        Args:
            name: Name of the figure.
            height: Pixels.
            chosen: Called with the entry of a member that a reader picked.
        """
        self._cloud = ManyPoints(*_POINTS)
        self._stairs = ColumnDataSource({column: [] for column in ("x", "y", "fill")})
        self._members = ColumnDataSource({column: [] for column in _MEMBERS})
        self._names = ColumnDataSource({column: [] for column in ("x", "y", "text", "short")})
        self._has_cards = chosen is not None
        self.figure = self._build(name, height)
        if chosen is not None:

            def picked(_attribute: str, _before: list[int], now: list[int]) -> None:
                if now:
                    chosen(str(self._members.data["entry_id"][now[0]]))

            self._members.selected.on_change("indices", picked)

    def _build(self, name: str, height: int) -> figure:
        # Members open their card, where there is one; of all others the page.
        pages, tap = opener(), TapTool()
        tools = [PanTool(), WheelZoomTool(), BoxZoomTool(), ResetTool(), pages, *([tap] if self._has_cards else [])]
        plot = theme.new_figure(
            name,
            height,
            tools,
            x_axis_type="log",
            y_axis_type="linear",
            x_range=Range1d(start=1, end=10),
            y_range=Range1d(),
        )
        axes.dress(plot, "log", "linear")
        plot.varea(
            x="x", y1="fill", y2="y", source=self._stairs, fill_color=theme.ACCENT, fill_alpha=0.055, name="staircase"
        )
        cloud = self._cloud.drawn_on(plot, 4.5, 0.36)
        plot.line("x", "y", source=self._stairs, line_color=theme.ACCENT, line_width=2.2, line_join="miter")
        plot.segment("x", "low", "x", "high", source=self._members, line_color="colour", line_width=1.4, line_alpha=0.9)
        members = plot.scatter(
            "x", "y", source=self._members, size=10, marker="mark", line_color="colour", line_width=2,
            fill_color="colour", fill_alpha="fill", nonselection_fill_alpha="fill", nonselection_line_alpha=1.0,
        )  # fmt: skip
        names, few_names = (
            plot.text(
                "x", "y", text=text, source=self._names, text_align="right", text_baseline="bottom", x_offset=-7,
                y_offset=-5, text_font_size="11.5px", text_color=theme.TEXT_COLOUR, visible=text == "text",
            )
            for text in ("text", "short")
        )  # fmt: skip
        hide(plot, names, narrow=_WIDE_PX, short=[few_names], least=_NARROW_PX)
        self._hovers = [
            HoverTool(renderers=[members], point_policy="snap_to_data", limit=3),
            HoverTool(renderers=[cloud], point_policy="follow_mouse", limit=3, formatters=self._cloud.formatters),
        ]
        plot.add_tools(*self._hovers)
        tap.renderers, pages.renderers = [members], [cloud] if self._has_cards else [cloud, members]
        return plot

    def show(self, front: Drawing) -> None:
        """Draw the front."""
        axes.show(self.figure.x_range, front.x_span)
        axes.show(self.figure.y_range, front.y_span)
        self.figure.xaxis[0].axis_label, self.figure.yaxis[0].axis_label = front.x.title, front.y.title
        self._cloud.show(front.cloud)
        self._members.selected.indices = []
        for source, columns in (
            (self._members, front.members), (self._stairs, front.stairs), (self._names, front.names),
        ):  # fmt: skip
            # A browser may write into what its source holds.
            source.data = {name: list(values) for name, values in columns.items()}

    def tell(self, front: Drawing) -> str:
        """Have hovers speak of the front that is drawn, and return its legend as HTML."""
        x_text, _ = axes.hover("x", front.x)
        y_text, _ = axes.hover("y", front.y)
        rows = ((front.y.label, y_text), (front.x.label, x_text))
        opens = "card" if self._has_cards else "page", "page"
        for tool, aside, form, what in zip(self._hovers, ("On the front", ""), ("", "{custom}"), opens, strict=True):
            tool.tooltips = tip(f"@name{form}", *rows, (front.kind, f"@precision{form}"), aside=aside, opens=what)
        return front.legend


def _member_columns(
    members: pl.DataFrame, noise: Sequence[str], styles: Mapping[str, tuple[str, str]]
) -> dict[str, list[Any]]:
    margin = TWO_SIDED_95 * pl.col("standard_error").fill_null(0.0)
    ends = (
        () if "low" in members.columns else ((pl.col("y") - margin).alias("low"), (pl.col("y") + margin).alias("high"))
    )
    frame = _styled(members.rename({"model_id": "name"}), styles).with_columns(
        *ends,
        pl.Series("noise", noise, dtype=pl.String),
        pl.Series("fill", [0.0 if mark == "within" else 1.0 for mark in noise], dtype=pl.Float64),
    )
    return frame.select(_MEMBERS).to_dict(as_series=False)


def _names_of_both(
    members: pl.DataFrame, x_span: tuple[float, float], y_span: tuple[float, float], height: int
) -> dict[str, list[Any]]:
    """Names on a wide screen and, of the same members or fewer, on a small one."""
    wide, narrow = (_names(members, x_span, y_span, (width, height)) for width in (_WIDE_PX, _NARROW_PX))
    places = list(dict.fromkeys([*wide, *narrow]))
    return {
        "x": [x for x, _ in places],
        "y": [y for _, y in places],
        "text": [wide.get(place, "") for place in places],
        "short": [narrow.get(place, "") for place in places],
    }


def _names(
    members: pl.DataFrame, x_span: tuple[float, float], y_span: tuple[float, float], size: tuple[int, int]
) -> dict[tuple[float, float], str]:
    # Up and to the left of a member lies only what nobody reaches, so names stand there free of points. They are
    # placed from the best down, skipping one that would run into a name, or out of the picture.
    taken: list[tuple[float, float, float]] = []
    placed: dict[tuple[float, float], str] = {}
    decades = math.log10(x_span[1] / x_span[0])
    for name, x, y in members.sort("y", descending=True).select("model_id", "x", "y").iter_rows():
        text = formats.without_account(str(name))
        text = text if len(text) <= 34 else text[:33] + "…"
        right = math.log10(x / x_span[0]) / decades * size[0] - 7
        top = (y - y_span[0]) / (y_span[1] - y_span[0]) * (size[1] - _PLOT_FRAME_PX)
        left = right - len(text) * _LETTER_PX
        clash = any(left < r + 6 and right > a - 6 and abs(top - t) < _LABEL_HEIGHT_PX for a, r, t in taken)
        if left >= 0 and not clash and len(placed) < _LABELS:
            taken.append((left, right, top))
            placed[x, y] = text
    return placed


def _legend(
    front: Front, name: str, counts: Mapping[str, int], noise: Collection[str], styles: Mapping[str, tuple[str, str]]
) -> str:
    lines = [legend.Entry("Pareto front", theme.ACCENT, "line")] if front.is_staircase else []
    lines += [legend.Entry(kind, *style, count=counts[kind]) for kind, style in styles.items()]
    if not styles:
        lines.append(legend.Entry("one model", theme.OTHER_COLOUR, theme.OTHER_MARK, count=front.cloud.height))
    elif "unknown" in counts:
        text = "precision unknown"
        lines.append(legend.Entry(text, theme.OTHER_COLOUR, theme.OTHER_MARK, count=counts["unknown"]))
    if "within" in noise:
        lines.append(legend.Entry("step within noise of the member before", theme.OTHER_COLOUR, hollow=True))
    if "unknown" in noise:
        lines.append(legend.Entry("without bar: standard error unknown", theme.OTHER_COLOUR))
    if front.members["standard_error"].is_not_null().any():
        lines.append(legend.Entry(front.bars, theme.OTHER_COLOUR, "bar"))
    return legend.swatches(name, lines)


def _counts(front: Front) -> dict[str, int]:
    return dict(front.cloud["precision"].fill_null("unknown").value_counts().iter_rows())


def _styles(counts: Collection[str]) -> dict[str, tuple[str, str]]:
    return theme.palette([name for name in theme.PRECISIONS if name in counts])


def _noise(front: Front) -> list[str]:
    """Mark of noise of each member."""
    steps = front.members["beyond_noise_of_previous"] if front.is_staircase else [True] * front.members.height
    return [noise_mark(beyond, place) for place, beyond in enumerate(steps)]


def _styled(frame: pl.DataFrame, styles: Mapping[str, tuple[str, str]]) -> pl.DataFrame:
    precision = pl.col("precision").fill_null("unknown")
    return frame.with_columns(precision, *theme.looks(precision, styles, theme.OTHER))
