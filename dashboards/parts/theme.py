"""The one look of all pages: colours, marks, the design applied to Panel's widgets, and how figures are dressed.

Light and dark differ only in CSS variables (assets/skyline.css): Bokeh reads `--bk-*` variables when it paints, so a
figure follows the toggle without being touched from here. Colours of marks are chosen to stand out on both.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import polars as pl
from bokeh.models import Plot, Tool
from bokeh.plotting import figure
from panel.theme.base import Design, Inherit
from panel.theme.native import Native
from panel.viewable import Viewable

# Hues of Okabe & Ito (2008), moved to a lightness with at least 3:1 contrast on both backgrounds. Each goes with a
# mark of its own shape, so that nothing depends on telling colours apart.
COLOURS = ("#2f7fd6", "#0d9d74", "#b45fc4", "#a5800b", "#d6508c", "#1a97ad", "#6f7fe0")
MARKS = ("circle", "triangle", "square", "diamond", "inverted_triangle", "hex", "star")
TEXT_COLOUR = "#757f8b"
"""Of words that glyphs write: they take no colour from the page, so it has to be read on both backgrounds."""
OTHER_COLOUR = "#7f8894"
OTHER_MARK = "circle"
OTHER = (OTHER_COLOUR, OTHER_MARK)
# Kept for what is pointed out, a front or a chosen entry, so no group has it.
ACCENT = "#d9580d"
# Cividis (Nuñez et al. 2018), without its darkest and lightest ends, which vanish on one of the backgrounds.
SCALE = ("#31446b", "#45547b", "#575d6d", "#666970", "#777777", "#8a8678", "#9f9673", "#b6a76c", "#cdb85f", "#e2ca4e")

PRECISIONS = {
    "bfloat16": (COLOURS[0], MARKS[0]),
    "float16": (COLOURS[1], MARKS[1]),
    "float32": (COLOURS[6], MARKS[6]),
    "8bit": (COLOURS[2], MARKS[2]),
    "4bit": (COLOURS[3], MARKS[3]),
    "GPTQ": (COLOURS[4], MARKS[4]),
}


WIDGET_CSS = "widgets.css"
# BokehJS never clears the edges of a canvas, so what an earlier layout or the other theme drew there would show.
FIGURE_CSS = ":host { clip-path: inset(2px 2px 0 3px); }"


class SkylineDesign(Native):
    """Panel's plain design with our stylesheet in every widget."""

    modifiers: ClassVar[dict[type[Viewable], dict[str, Any]]] = {
        Viewable: {"stylesheets": [Inherit, WIDGET_CSS]},
    }


DESIGN: type[Design] = SkylineDesign


def new_figure(name: str, height: int, tools: Sequence[Tool], **options: Any) -> figure:
    """An empty figure in the house style, as wide as its place.

    Args:
        name: By which the page's script finds it for saving a picture.
        height: Pixels.
        tools: Tools of its toolbar.
        options: Further arguments of Bokeh's `figure`, such as axis types.
    """
    plot = figure(
        name=name,
        height=height,
        sizing_mode="stretch_width",
        tools=list(tools),
        toolbar_location="above",
        min_border_left=56,
        min_border_right=30 if options.get("x_axis_type") == "datetime" else 12,  # half of the last date
        min_border_top=4,
        stylesheets=[FIGURE_CSS],
        **options,
    )
    dress(plot)
    return plot


def dress(plot: Plot) -> None:
    """Set what is not a matter of colour: weights, paddings, what is left out."""
    plot.toolbar.logo = None
    # What stands between its buttons; on paper there is nothing to press.
    plot.toolbar.stylesheets = [":host { --button-color: var(--line); } @media print { :host { visibility: hidden; } }"]
    # A finger that scrolls the page must not be caught by a chart: nothing drags until it is asked to.
    plot.toolbar.active_drag = None
    plot.outline_line_color = None
    for axis in plot.axis:
        axis.axis_line_width = 1
        axis.minor_tick_line_color = None
        axis.major_tick_in = 0
        axis.major_tick_out = 4
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "13px"
        axis.axis_label_standoff = 8
        axis.major_label_text_font_size = "12px"
    for grid in plot.grid:
        grid.grid_line_width = 1


def palette(groups: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and mark of each group: precisions have their own, others follow their order.

    Groups beyond the palette share the colour and mark of `other`.
    """
    if all(group in PRECISIONS for group in groups):
        return {group: PRECISIONS[group] for group in groups}
    styles = list(zip(COLOURS, MARKS, strict=True))
    return {
        group: styles[place] if place < len(styles) else (OTHER_COLOUR, OTHER_MARK)
        for place, group in enumerate(groups)
    }


def looks(group: pl.Expr, styles: Mapping[str, tuple[str, str]], other: tuple[str, str] | None = None) -> list[pl.Expr]:
    """Columns `colour` and `mark` by the group of each row; groups without a style look as `other`.

    Raises:
        InvalidOperationError: a row's group has no style, and there is no other; once the columns are made.
    """

    def look(place: int) -> pl.Expr:
        of_group = {name: style[place] for name, style in styles.items()}
        if other is None:
            return group.replace_strict(of_group, return_dtype=pl.String)
        return group.replace_strict(of_group, default=other[place], return_dtype=pl.String)

    return [look(0).alias("colour"), look(1).alias("mark")]
