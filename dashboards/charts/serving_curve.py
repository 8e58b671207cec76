"""Tokens per second of a device against tokens per second of a user: what speed costs, by plan, with the promise."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from bokeh.models.annotations import BoxAnnotation, Span
from holoviews import Overlay

from dashboards.charts import house, legend
from dashboards.charts.opening import OPENS, PAGE, with_pages
from dashboards.parts import formats, theme

NAME = "throughput_against_speed"
_POINTS = (
    {"x": pl.Float64, "y": pl.Float64}
    | dict.fromkeys(("name", "first", "second", "colour", "mark", PAGE, OPENS), pl.String)
    | {"fill": pl.Float64, "size": pl.Float64}
)
_LINES = dict.fromkeys(("x", "y", "x_end", "y_end"), pl.Float64) | {"colour": pl.String}


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of the chart.

    Attributes:
        points: Rows with `users`, `tokens_per_s_per_user`, `tokens_per_s_per_device`, `time_to_first_token_p90_s`,
            `meets_targets`.
        here: Speed of a user and of a device under the traffic asked for.
        device: Its name.
    """

    points: pl.DataFrame
    here: tuple[float, float]
    device: str


class ServingCurve:
    """The figure, built once; `show` swaps its data."""

    def __init__(self) -> None:
        """Make an empty chart."""
        nothing = (pl.DataFrame(schema=_POINTS), pl.DataFrame(schema=_LINES))
        self._chart = house.HouseChart(NAME, _draw, nothing, height=380, kinds=("linear", "linear"))
        self.figure = self._chart.figure
        self.promise = Span(dimension="height", line_color=theme.ACCENT, line_width=1.6, line_dash="dashed")
        self.slower = BoxAnnotation(fill_color=theme.OTHER_COLOUR, fill_alpha=0.12, line_color=None)
        self.figure.add_layout(self.slower)
        self.figure.add_layout(self.promise)

    def show(self, curves: Mapping[str, Curve], least_per_user: float | None) -> str:
        """Draw the curves and return the legend as HTML.

        Args:
            curves: By what they are called.
            least_per_user: Tokens per second that each user is promised; None: nothing is.
        """
        parts, lines, entries = [], [], []
        for place, (name, curve) in enumerate(curves.items()):
            colour, mark = theme.COLOURS[place], theme.MARKS[place]
            lines.append(_line(curve.points, colour))
            parts += [_mark(name, row, colour, mark) for row in curve.points.iter_rows(named=True)]
            parts.append({
                "x": curve.here[0], "y": curve.here[1], "name": name, "first": "Under the traffic asked for",
                "second": _rates(*curve.here), "colour": colour, "mark": mark, "fill": 1.0, "size": 14.0,
            })  # fmt: skip
            entries.append(legend.Entry(name, colour, mark))
        named = pl.DataFrame(parts, _POINTS, orient="row")
        points = with_pages(named, {name: curve.device for name, curve in curves.items()})
        self._chart.swap((points, pl.concat([pl.DataFrame(schema=_LINES), *lines])))
        self.promise.visible = self.slower.visible = least_per_user is not None
        if least_per_user is not None:
            self.promise.location = self.slower.right = least_per_user
            entries.append(legend.Entry("target speed; grey: slower than the target", theme.ACCENT, "line"))
        entries.append(legend.Entry("a target is missed", theme.OTHER_COLOUR, "circle", hollow=True))
        return legend.swatches(NAME, entries)


def _mark(name: str, row: dict[str, float], colour: str, mark: str) -> dict[str, object]:
    each, device = row["tokens_per_s_per_user"], row["tokens_per_s_per_device"]
    return {
        "x": each, "y": device, "name": name,
        "first": f"{row['users']:,.0f} concurrent users; nine in ten first tokens within "
        f"{formats.significant(row['time_to_first_token_p90_s'])} s",
        "second": _rates(each, device), "colour": colour, "mark": mark, "fill": 0.8 if row["meets_targets"] else 0.0,
        "size": 7.0,
    }  # fmt: skip


def _rates(each: float, device: float) -> str:
    return f"{formats.significant(each)} tokens/s each, {formats.significant(device)} per device"


def _line(points: pl.DataFrame, colour: str) -> pl.DataFrame:
    """The stretches between points that follow each other."""
    x, y = pl.col("tokens_per_s_per_user"), pl.col("tokens_per_s_per_device")
    return points.select(
        x=x.cast(pl.Float64), y=y.cast(pl.Float64), x_end=x.shift(-1).cast(pl.Float64),
        y_end=y.shift(-1).cast(pl.Float64), colour=pl.lit(colour),
    ).drop_nulls()  # fmt: skip


def _draw(data: tuple[pl.DataFrame, pl.DataFrame]) -> Overlay:
    points, lines = data
    hover = house.hover("@name", "@first", "@second", opens="device")
    marks = house.dots(
        points.with_columns(size=pl.col("size") ** 2), "x", "y", ["name", "first", "second", "fill", PAGE, OPENS],
        hover, fill_alpha="fill", size="size", line_width=1.8,
    )  # fmt: skip
    looks: dict[str, object] = {"xlabel": "Tokens/s of each user", "ylabel": "Tokens/s of each device"}
    if not points.is_empty():
        # From nothing on: a device or a user that gets half has to look like half.
        looks |= {f"{axis}lim": (0.0, 1.06 * float(str(points[axis].max()))) for axis in ("x", "y")}
    return Overlay([house.segments(lines, width=2.0, alpha=1.0), marks]).opts(**looks)
