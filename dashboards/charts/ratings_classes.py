"""Colour, mark and words of licence classes and of both sides of the race, the same on every chart of ratings."""

from collections.abc import Iterable

import polars as pl

from dashboards.charts.legend import Entry
from dashboards.parts import theme

# Cool hues for weights that can be downloaded, a warm one for those that cannot.
CLASSES = {
    "open_source": (theme.COLOURS[1], "circle"),
    "open_weights": (theme.COLOURS[0], "square"),
    "restricted": (theme.COLOURS[5], "diamond"),
    "proprietary": (theme.COLOURS[4], "triangle"),
}
UNKNOWN = "unknown"
_UNKNOWN_STYLE = (theme.OTHER_COLOUR, "hex")
WORDS = {
    "open_source": "open source",
    "open_weights": "open weights",
    "restricted": "weights for non-commercial use",
    "proprietary": "proprietary",
    UNKNOWN: "licence unknown",
}
OPEN_COLOUR, PROPRIETARY_COLOUR = theme.COLOURS[0], theme.COLOURS[4]


def style(licence_class: str | None) -> tuple[str, str]:
    """Colour and mark of a licence class; None is one that is not known."""
    return CLASSES.get(licence_class or UNKNOWN, _UNKNOWN_STYLE)


def styled(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with `colour` and `mark` of their `licence_class`."""
    licence_class = pl.col("licence_class").fill_null(UNKNOWN)
    return frame.with_columns(theme.looks(licence_class, {name: style(name) for name in WORDS}))


def labels(classes: Iterable[str | None]) -> dict[str, str]:
    """Words and names of the classes that occur, from open to closed, with how many there are of each."""
    named = [name or UNKNOWN for name in classes]
    return {f"{words} ({named.count(name):,})": name for name, words in WORDS.items() if name in named}


def entries(classes: Iterable[str | None]) -> list[Entry]:
    """Legend of the classes that occur, from open to closed, with how many there are of each."""
    named = [name or UNKNOWN for name in classes]
    return [Entry(words, *style(name), count=named.count(name)) for name, words in WORDS.items() if name in named]
