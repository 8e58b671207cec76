"""How charts fit a small screen: fewer ticks there; and names beside marks, which the page's style hides there."""

from collections.abc import Sequence

from bokeh.models import CustomJS
from bokeh.models.annotations import Label
from bokeh.models.renderers import Renderer
from bokeh.plotting import figure

# What follows the screen alone is no business of the server's, so nothing is sent there.
_FEWER = """const wide = plot.inner_width
for (const {ticker} of axes) {
  if ("desired_num_ticks" in ticker) {
    ticker.setv({desired_num_ticks: wide < 300 ? 3 : wide < 560 ? 4 : most}, {sync: false})
  }
}"""
_SHOW = """const is_wide = plot.inner_width >= narrow
for (const text of texts) text.setv({visible: is_wide}, {sync: false})
for (const text of short) text.setv({visible: !is_wide && plot.inner_width >= least}, {sync: false})"""
_HIDE = """const alpha = plot.inner_width < narrow ? 0 : 1
for (const label of labels) label.setv({text_alpha: alpha}, {sync: false})"""
_NARROW_PX = 700


def fewer_ticks(plot: figure, most: int) -> None:
    """Let the horizontal axis have fewer ticks the narrower the screen is, and at most so many."""
    arguments = {"plot": plot, "axes": list(plot.xaxis), "most": most}
    plot.js_on_change("inner_width", CustomJS(args=arguments, code=_FEWER))


def hide(
    plot: figure, *texts: Renderer, narrow: int = 560, short: Sequence[Renderer] = (), least: int = 0
) -> None:  # fmt: skip
    """Hide words where the plot within its axes is narrower than so many pixels.

    Args:
        plot: The figure.
        texts: The words.
        narrow: Pixels from which they are shown.
        short: Shorter or fewer words, shown below that.
        least: Pixels from which these are.
    """
    arguments = {"plot": plot, "texts": list(texts), "narrow": narrow, "short": list(short), "least": least}
    plot.js_on_change("inner_width", CustomJS(args=arguments, code=_SHOW))


class Names:
    """A fixed number of names up and left of marks, given to whichever marks need one.

    There they lie clear of a staircase that rises at the mark.
    """

    def __init__(self, plot: figure, number: int) -> None:
        """Add the names to a figure, without words as yet."""
        self._labels = [
            Label(
                x=0, y=0, text="", visible=False, text_align="right", text_baseline="bottom", x_offset=-6, y_offset=4,
                text_font_size="11.5px", background_fill_alpha=0,
            )
            for _ in range(number)
        ]  # fmt: skip
        for label in self._labels:
            plot.add_layout(label)
        arguments = {"plot": plot, "labels": self._labels, "narrow": _NARROW_PX}
        plot.js_on_change("inner_width", CustomJS(args=arguments, code=_HIDE))

    def show(self, places: Sequence[tuple[float, float, str]]) -> None:
        """Put names at places: x (for dates, milliseconds), y and the words; those beyond the number are left out."""
        for place, label in enumerate(self._labels):
            if place < len(places):
                x, y, text = places[place]
                label.update(x=x, y=y, text=text, visible=True)
            else:
                label.visible = False
