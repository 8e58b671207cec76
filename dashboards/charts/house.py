"""Charts of usual kinds, drawn by hvPlot and HoloViews in the house style: laid out once, their data swapped."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import holoviews as hv
import hvplot.polars  # noqa: F401  (gives frames of Polars their `.hvplot`)
import polars as pl
from bokeh.models import BoxZoomTool, HoverTool, PanTool, ResetTool, TapTool, Tool
from bokeh.plotting import figure
from holoviews.streams import Pipe

from dashboards.charts import axes
from dashboards.charts.opening import OPENS, PAGE, opener
from dashboards.charts.tips import tip
from dashboards.parts import theme

Data = TypeVar("Data")

_BACKEND = "bokeh"
hv.Store.set_current_backend(_BACKEND)


class HouseChart(Generic[Data]):
    """One figure whose marks are a function of its data."""

    def __init__(
        self, name: str, draw: Callable[[Data], Any], nothing: Data, *, height: int, kinds: tuple[str, str]
    ) -> None:
        """Lay the figure out.

        Args:
            name: By which the page's script finds it.
            draw: From the data to an element or overlay, always of the same elements in the same order.
            nothing: Data of an empty chart.
            height: Pixels.
            kinds: Of the horizontal and the vertical axis: `linear`, `log` or `datetime`.
        """
        self._name, self._kinds = name, kinds
        self._dressed = False
        self._pipe = Pipe(data=nothing)
        drawn = hv.DynamicMap(lambda data: styled(draw(data), height, kinds, self._dress), streams=[self._pipe])
        self._plot = hv.renderer(_BACKEND).get_plot(drawn)
        self.figure: figure = self._plot.state

    def swap(self, data: Data) -> None:
        """Draw other data in the same figure."""
        # HoloViews puts off what changes in a session's document; a figure that is not in it yet is drawn immediately.
        self._plot.document = self.figure.document
        self._pipe.send(data)

    def _dress(self, plot: Any, _: Any) -> None:
        if not self._dressed:
            dress(plot.state, self._name, self._kinds)
            self._dressed = True
        theme.dress(plot.state)  # HoloViews sets its own sizes of letters whenever data is swapped


def once(element: Any, name: str, *, height: int, kinds: tuple[str, str]) -> figure:
    """A figure of an element whose data will not be swapped."""

    def hook(plot: Any, _: Any) -> None:
        dress(plot.state, name, kinds)

    plot: figure = hv.renderer(_BACKEND).get_plot(styled(element, height, kinds, hook)).state
    return plot


def styled(element: Any, height: int, kinds: tuple[str, str], hook: Callable[[Any, Any], None]) -> Any:
    """The element or overlay as wide as its place, with axes of those kinds and the house's tools."""
    options = {
        "responsive": True, "height": height, "logx": kinds[0] == "log", "logy": kinds[1] == "log", "title": "",
        "show_legend": False, "show_grid": True, "framewise": True, "toolbar": "above", "active_tools": [],
        "hooks": [hook],
    }  # fmt: skip
    return element.opts(hv.opts.Overlay(**options)) if isinstance(element, hv.Overlay) else element.opts(**options)


def dress(plot: figure, name: str, kinds: tuple[str, str]) -> None:
    """Give a figure that HoloViews made its name and the looks of those we make ourselves."""
    plot.name = name
    plot.min_border_left, plot.min_border_right, plot.min_border_top = 56, 12, 4
    plot.stylesheets = [*plot.stylesheets, theme.FIGURE_CSS]
    hovers = [tool for tool in plot.toolbar.tools if isinstance(tool, (HoverTool, TapTool))]
    plot.toolbar.tools = [PanTool(), BoxZoomTool(), ResetTool(), *hovers]
    theme.dress(plot)
    axes.dress(plot, *kinds)


def plots(rows: pl.DataFrame) -> Any:
    """What hvPlot offers for a frame."""
    return rows.hvplot  # type: ignore[attr-defined]  # hvPlot adds it when imported


def intervals(rows: pl.DataFrame, x: str, low: str, high: str, *, alpha: float = 0.3) -> hv.Segments:
    """Upright bars from `low` to `high`, each in the colour of its row's column `colour`."""
    ends = rows.select(pl.col(x).alias("x"), pl.col(low).alias("y"), x_end=x, y_end=high, colour="colour")
    return segments(ends, width=1.0, alpha=alpha)


def segments(rows: pl.DataFrame, *, width: float, alpha: float) -> hv.Segments:
    """Straight lines from `x`, `y` to `x_end`, `y_end`, each in its row's `colour`."""
    lines = hv.Segments(rows.to_pandas(), ["x", "y", "x_end", "y_end"], ["colour"])
    return lines.opts(color="colour", alpha=alpha, line_width=width)


def dots(rows: pl.DataFrame, x: str, y: str, columns: Sequence[str], tools: Sequence[Tool], **options: Any) -> Any:
    """Points in the colour and mark of their row, with the columns that their hover says."""
    points = plots(rows).scatter(
        x, y, hover_cols=[*columns, "colour", "mark"], marker="mark", tools=list(tools), legend=False, responsive=True,
        **{"size": 49, "fill_alpha": 0.5, **options},
    )  # fmt: skip
    # Not as `color`: from it Bokeh takes the colour of hatching too, whose column HoloViews forgets when all are alike.
    return points.opts(fill_color="colour", line_color="colour")


def line(points: Mapping[str, Sequence[float]], colour: str, *, width: float = 2.0, dash: str = "solid") -> hv.Curve:
    """A line through `x` and `y`."""
    return hv.Curve((points["x"], points["y"])).opts(color=colour, line_width=width, line_dash=dash)


def hover(head: str, *lines: str | tuple[str, str], dates: Sequence[str] = (), opens: str = "") -> list[Tool]:
    """A hover in the words of `tip`; columns of dates are named.

    With `opens`, `model` or `device`, marks have the columns of `with_pages`, and open the page that these name.
    """
    taps = [opener(PAGE, kind=opens)] if opens else []
    return [
        *taps,
        HoverTool(
            tooltips=tip(head, *lines, opens=f"@{OPENS}" if opens else ""), point_policy="follow_mouse", limit=2,
            formatters={f"@{column}": "datetime" for column in dates},
        )
    ]  # fmt: skip
