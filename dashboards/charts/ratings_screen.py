"""How charts of ratings fit a small screen: fewer ticks, and no words beside marks where they would run together."""

from bokeh.models import CustomJS
from bokeh.models.renderers import Renderer
from bokeh.plotting import figure

_ADAPT = """const wide = plot.inner_width
for (const text of texts) text.visible = wide >= narrow
for (const ticker of tickers) ticker.desired_num_ticks = wide < 300 ? 3 : wide < 560 ? 4 : most"""


def adapt(plot: figure, *texts: Renderer, narrow: int = 560, most: int = 7) -> None:
    """Let a figure follow the width that it gets.

    Args:
        plot: The figure.
        texts: Words that are hidden below a width.
        narrow: That width, pixels of the plot within its axes.
        most: Ticks of the horizontal axis on a large screen.
    """
    tickers = [axis.ticker for axis in plot.xaxis if hasattr(axis.ticker, "desired_num_ticks")]
    arguments = {"plot": plot, "texts": list(texts), "tickers": tickers, "narrow": narrow, "most": most}
    plot.js_on_change("inner_width", CustomJS(args=arguments, code=_ADAPT))
