"""Entries as points: any measure on either axis, colour and size by choice."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
from bokeh.models import BoxZoomTool, ColumnDataSource, HoverTool, PanTool, Range1d, ResetTool, TapTool, WheelZoomTool
from bokeh.plotting import figure

from dashboards.charts import axes, legend
from dashboards.charts.many_points import Coded, ManyPoints, coded
from dashboards.charts.opening import opener
from dashboards.charts.thinning import thinned
from dashboards.charts.tips import tip
from dashboards.parts import formats, theme
from dashboards.parts.fields import Kind, Measure, kind_value

NAME, OVER_TIME = "scatter", "ability_over_time"
_NUMBERS, _WORDS = ("x", "y", "size"), ("name", "detail")
_GROUPS = 7
_SMALLEST, _LARGEST, _PLAIN = 4.0, 20.0, 7.0


@dataclass(frozen=True)
class Choice:
    """What the axes, the colour and the size show.

    Attributes:
        x: Horizontal axis.
        y: Vertical axis.
        colour: What colours the points; None for one colour.
        point_size: What sizes them; None for one size.
        log_x: Whether the horizontal axis is logarithmic; dates never are.
        log_y: Whether the vertical axis is.
    """

    x: Measure
    y: Measure
    colour: Measure | Kind | None = None
    point_size: Measure | None = None
    log_x: bool = True
    log_y: bool = False

    @property
    def kinds(self) -> tuple[str, str]:
        """Bokeh's names of the kinds of both axes."""
        return axes.kind(self.x, logarithmic=self.log_x), axes.kind(self.y, logarithmic=self.log_y)


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a scatter, ready to be drawn.

    Attributes:
        frame: Columns entry_id, name, x, y, colour, mark, size, detail.
        points: The same, as they are sent.
        spans: Start and end of both axes; None where nothing is drawn.
        legend: Its legend as HTML.
        count: How many entries there are.
        undrawn: Entries left out for want of a value on an axis (on a logarithmic one, above zero).
        thinned_from: How many could be drawn, where a sample of them is; else None.
    """

    frame: pl.DataFrame
    points: Coded
    spans: tuple[tuple[float, float] | None, tuple[float, float] | None]
    legend: str
    count: int
    undrawn: int
    thinned_from: int | None


def points(entries: pl.DataFrame, choice: Choice) -> Points:
    """Entries as points; those without a usable value on an axis are left out and counted."""
    drawable = entries.filter(
        axes.usable(choice.x, logarithmic=choice.log_x), axes.usable(choice.y, logarithmic=choice.log_y)
    )
    undrawn = entries.height - drawable.height
    drawn = thinned(drawable)
    coloured, legend_html = _coloured(drawn, choice.colour)
    frame = coloured.select(
        "entry_id",
        pl.col("model_id").alias("name"),
        pl.col(choice.x.name).alias("x"),
        pl.col(choice.y.name).alias("y"),
        "colour",
        "mark",
        _sizes(coloured, choice.point_size).alias("size"),
        "detail",
    )
    spans = axes.span(frame["x"], choice.kinds[0]), axes.span(frame["y"], choice.kinds[1])
    thinned_from = drawable.height if drawn.height < drawable.height else None
    return Points(frame, coded(frame, _NUMBERS, _WORDS), spans, legend_html, entries.height, undrawn, thinned_from)


def _coloured(entries: pl.DataFrame, colour: Measure | Kind | None) -> tuple[pl.DataFrame, str]:
    if isinstance(colour, Kind):
        return _coloured_by_kind(entries, colour)
    if colour is None:
        plain = [pl.lit(theme.COLOURS[0]).alias("colour"), pl.lit("circle").alias("mark"), pl.lit("").alias("detail")]
        return entries.with_columns(plain), legend.swatches(NAME, [])
    number = pl.col(colour.name).to_physical().cast(pl.Float64) if colour.is_date else pl.col(colour.name)
    number = number.log10() if colour.logarithmic else number
    values = entries.select(number.alias("v"))["v"]
    finite = values.filter(values.is_finite().fill_null(value=False))
    low, high = (float(finite.quantile(q) or 0.0) for q in (0.02, 0.98)) if finite.len() else (0.0, 1.0)
    steps = len(theme.SCALE)
    place = ((number - low) / ((high - low) or 1.0) * (steps - 1)).round().clip(0, steps - 1).fill_nan(None)
    shade = place.cast(pl.Int64).replace_strict(dict(enumerate(theme.SCALE)), default=theme.OTHER_COLOUR)
    shown = entries[colour.name].drop_nulls().sort()
    ends = [
        formats.value(shown[min(int(q * shown.len()), shown.len() - 1)]) if shown.len() else formats.MISSING
        for q in (0.02, 0.98)
    ]
    said = pl.col(colour.name) if colour.is_date else pl.col(colour.name).cast(pl.Float64).round_sig_figs(4)
    said = pl.concat_str(said.cast(pl.String), pl.lit(f" {colour.unit}" if colour.unit else ""))
    frame = entries.with_columns(
        shade.alias("colour"),
        pl.lit("circle").alias("mark"),
        said.fill_null("unknown").alias("detail"),
    )
    return frame, legend.scale(NAME, f"{colour.title}: {ends[0]} to {ends[1]}")


def _coloured_by_kind(entries: pl.DataFrame, colour: Kind) -> tuple[pl.DataFrame, str]:
    labels = {item: kind_value(item) for item in entries[colour.name].unique()}
    named = entries.with_columns(
        pl.col(colour.name).replace_strict(labels, default="unknown", return_dtype=pl.String).alias("detail")
    )
    counts = dict(named["detail"].value_counts(sort=True).iter_rows())
    groups = [group for group in counts if group != "unknown"]
    if colour.name == "precision":
        order = list(theme.PRECISIONS)
        groups.sort(key=lambda group: order.index(group) if group in order else len(order))
    main, rest = groups[:_GROUPS], groups[_GROUPS:]
    styles = theme.palette(main)
    frame = named.with_columns(
        *theme.looks(pl.col("detail"), styles, theme.OTHER),
        # The rarest group is drawn last, on top.
        pl.col("detail").replace_strict(counts, default=0, return_dtype=pl.Int64).alias("_of_its_kind"),
    ).sort("_of_its_kind", descending=True, maintain_order=True)
    lines = [legend.Entry(group, *styles[group], count=counts[group]) for group in main]
    if rest:
        text = rest[0] if len(rest) == 1 else f"{len(rest)} others"
        lines.append(legend.Entry(text, *theme.OTHER, count=sum(counts[group] for group in rest)))
    if "unknown" in counts:
        lines.append(legend.Entry("unknown", *theme.OTHER, count=counts["unknown"]))
    return frame, legend.swatches(NAME, lines)


def _sizes(entries: pl.DataFrame, measure: Measure | None) -> pl.Expr:
    if measure is None or entries.is_empty():
        return pl.lit(_PLAIN)
    number = pl.col(measure.name).to_physical().cast(pl.Float64) if measure.is_date else pl.col(measure.name)
    number = (pl.when(number > 0).then(number)).log10() if measure.logarithmic else number
    spread = number.max() - number.min()
    # Area, not diameter, goes with the value.
    share = pl.when(spread > 0).then((number - number.min()) / spread).otherwise(0.5)
    return (_SMALLEST**2 + share * (_LARGEST**2 - _SMALLEST**2)).sqrt().fill_null(_SMALLEST).fill_nan(_SMALLEST)


@dataclass(frozen=True)
class _Built:
    plot: figure
    hover: HoverTool


class Scatter:
    """The figure: one per kind of axes, built when first needed, all on one data source."""

    def __init__(self, chosen: Callable[[str], None] | None = None, name: str = NAME) -> None:
        """Make the chart.

        Args:
            chosen: Called with the entry that a reader picked, to show its card; None: its page is opened.
            name: Of the figure.
        """
        self._name = name
        self.points = ManyPoints(_NUMBERS, _WORDS)
        self.marked = ColumnDataSource({"x": [], "y": []})
        self._figures: dict[tuple[str, str], _Built] = {}
        self._chosen = chosen
        self._drawn = pl.DataFrame(schema={"entry_id": pl.String, "x": pl.Float64, "y": pl.Float64})
        if chosen is not None:
            self.points.source.selected.on_change("indices", self._picked)

    def show(self, drawn: Points, choice: Choice) -> figure:
        """The figure of those points; the same one as before unless the kind of an axis changed."""
        built = self._figures.get(choice.kinds) or self._figures.setdefault(choice.kinds, self._build(*choice.kinds))
        plot = built.plot
        self.points.source.selected.indices = []
        self._drawn = drawn.frame
        self.points.show(drawn.points)
        plot.xaxis[0].axis_label, plot.yaxis[0].axis_label = choice.x.title, choice.y.title
        axes.show(plot.x_range, drawn.spans[0])
        axes.show(plot.y_range, drawn.spans[1])
        x_text, x_format = axes.hover("x", choice.x)
        y_text, y_format = axes.hover("y", choice.y)
        built.hover.update(
            tooltips=_tooltip(choice, x_text, y_text, "page" if self._chosen is None else "card"),
            formatters={**x_format, **y_format, **self.points.formatters},
        )
        return plot

    def mark(self, entry_id: str) -> None:
        """Put a ring around an entry, or take it away where the entry is not drawn."""
        place = self._drawn.filter(pl.col("entry_id") == entry_id).head(1)
        self.marked.data = {name: place[name].to_numpy() for name in ("x", "y")}

    def _picked(self, _attribute: str, _before: list[int], now: list[int]) -> None:
        if now and self._chosen is not None:
            self._chosen(str(self._drawn["entry_id"][now[0]]))

    def _build(self, x_kind: str, y_kind: str) -> _Built:
        tap = opener() if self._chosen is None else TapTool()
        hover = HoverTool(point_policy="follow_mouse", limit=3)
        tools = [PanTool(), WheelZoomTool(), BoxZoomTool(), ResetTool(), tap, hover]
        plot = theme.new_figure(
            self._name, 480, tools, x_axis_type=x_kind, y_axis_type=y_kind, x_range=Range1d(), y_range=Range1d()
        )
        axes.dress(plot, x_kind, y_kind)
        drawn = self.points.drawn_on(plot, "size", 0.62)
        plot.scatter(
            "x", "y", source=self.marked, size=20, marker="circle", fill_alpha=0, line_color=theme.ACCENT, line_width=3
        )
        hover.renderers = tap.renderers = [drawn]
        return _Built(plot, hover)


def _tooltip(choice: Choice, x_text: str, y_text: str, opens: str) -> str:
    lines = [(choice.x.label, x_text), (choice.y.label, y_text)]
    if choice.colour is not None and choice.colour not in (choice.x, choice.y):
        lines.append((choice.colour.label, "@detail{custom}"))
    return tip("@name{custom}", *lines, opens=opens)
