"""Legends as HTML beside a figure: they wrap on small screens, can be read aloud, and go into saved pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.parts.names import linked
from dashboards.parts.templates import macro
from dashboards.parts.theme import SCALE


@dataclass(frozen=True)
class Entry:
    """One line of a legend.

    Attributes:
        text: What the mark represents.
        colour: Colour of the mark.
        mark: Its shape.
        hollow: Whether only its outline is drawn.
        count: How many there are; None prints none.
        page: Name of the model's page, where the text names a model; models and devices with known shapes lead to
            theirs without it.
    """

    text: str
    colour: str
    mark: str = "circle"
    hollow: bool = False
    count: int | None = None
    page: str | None = None

    @property
    def linked_text(self) -> str:
        """The text, escaped, whose names lead to their pages."""
        return linked(self.text, pages={self.text: self.page} if self.page else None)


def swatches(chart: str, entries: Sequence[Entry]) -> str:
    """Legend of the chart with that name."""
    return macro(__file__, "legend.html", "swatches", chart, entries)


def scale(chart: str, words: str, colours: Sequence[str] = SCALE) -> str:
    """Legend of a colour scale, from its least to its greatest value, with what both are."""
    return macro(__file__, "legend.html", "scale", chart, words, colours)
