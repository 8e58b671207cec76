"""Colour, mark and words of open, proprietary and unknown models, the same on every chart of ability."""

from collections.abc import Iterable

import polars as pl

from dashboards.charts.legend import Entry
from dashboards.charts.ratings_classes import OPEN_COLOUR, PROPRIETARY_COLOUR
from dashboards.parts import theme

STYLES = {
    "open": (OPEN_COLOUR, "circle"),
    "proprietary": (PROPRIETARY_COLOUR, "triangle"),
    "unknown": (theme.OTHER_COLOUR, "hex"),
}
WORDS = {"open": "open weights", "proprietary": "proprietary", "unknown": "openness unknown"}


def styled(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows with `colour` and `mark` of their `openness`."""
    return frame.with_columns(theme.looks(pl.col("openness"), STYLES))


def labels(values: Iterable[str]) -> dict[str, str]:
    """Words and names of what occurs, with how many there are of each."""
    texts = list(values)
    return {f"{words} ({texts.count(name):,})": name for name, words in WORDS.items() if name in texts}


def entries(values: Iterable[str]) -> list[Entry]:
    """Legend of what occurs, with how many there are of each."""
    texts = list(values)
    return [Entry(words, *STYLES[name], count=texts.count(name)) for name, words in WORDS.items() if name in texts]
