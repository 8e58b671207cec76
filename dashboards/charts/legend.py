"""Legends as HTML beside a figure: they wrap on small screens, can be read aloud, and go into saved pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.parts import formats
from dashboards.parts.theme import SCALE

_SHAPES = {
    "circle": '<circle cx="6.5" cy="6.5" r="4.6"/>',
    "square": '<rect x="2.2" y="2.2" width="8.6" height="8.6"/>',
    "triangle": '<path d="M6.5 1.4 11.8 11H1.2z"/>',
    "inverted_triangle": '<path d="M6.5 11.6 1.2 2h10.6z"/>',
    "diamond": '<path d="M6.5 .6 12.4 6.5 6.5 12.4 .6 6.5z"/>',
    "hex": '<path d="M3.8 1.8h5.4l2.7 4.7-2.7 4.7H3.8L1.1 6.5z"/>',
    "star": '<path d="M6.5.4 8.2 4.6l4.5.3-3.5 2.9 1.1 4.4-3.8-2.4-3.8 2.4 1.1-4.4L.3 4.9l4.5-.3z"/>',
    "plus": '<path d="M5 .8h3V5h4.2v3H8v4.2H5V8H.8V5H5z"/>',
    "line": '<path d="M0 6.5h13" fill="none" stroke-width="2.4"/>',
    "bar": '<path d="M6.5 0v13M3.5 .7h6M3.5 12.3h6" fill="none" stroke-width="1.4"/>',
}


@dataclass(frozen=True)
class Entry:
    """One line of a legend.

    Attributes:
        text: What the mark stands for.
        colour: Colour of the mark.
        mark: Its shape.
        hollow: Whether only its outline is drawn.
        count: How many there are; None prints none.
    """

    text: str
    colour: str
    mark: str = "circle"
    hollow: bool = False
    count: int | None = None


def swatches(chart: str, entries: Sequence[Entry]) -> str:
    """Legend of the chart with that name."""
    items = "".join(f"<li>{_drawing(entry)}{formats.escape(entry.text)}{_count(entry)}</li>" for entry in entries)
    return f'<ul class="legend" data-for="{chart}" aria-label="Legend">{items}</ul>'


def scale(chart: str, title: str, low: str, high: str) -> str:
    """Legend of a colour scale, from its least to its greatest value."""
    stops = "".join(
        f'<stop offset="{place / (len(SCALE) - 1):.2f}" stop-color="{colour}"/>' for place, colour in enumerate(SCALE)
    )
    bar = (
        f'<svg viewBox="0 0 13 13" preserveAspectRatio="none" style="width:110px;height:9px"><linearGradient id="s">'
        f'{stops}</linearGradient><rect y="1" width="13" height="11" fill="url(#s)"/></svg>'
    )
    words = f"{formats.escape(title)}: {formats.escape(low)} to {formats.escape(high)}"
    return f'<ul class="legend" data-for="{chart}" aria-label="Legend"><li>{bar}{words}</li></ul>'


def _drawing(entry: Entry) -> str:
    fill = "none" if entry.hollow else entry.colour
    width = 1.8 if entry.hollow else 0.6
    shape = _SHAPES.get(entry.mark, _SHAPES["circle"])
    return (
        f'<svg viewBox="0 0 13 13" aria-hidden="true" fill="{fill}" stroke="{entry.colour}"'
        f' stroke-width="{width}">{shape}</svg>'
    )


def _count(entry: Entry) -> str:
    return "" if entry.count is None else f' <span class="n">{formats.count(entry.count)}</span>'
