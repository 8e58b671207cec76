"""Thousands of points as numbers: their words travel as one text, in which the browser looks them up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from bokeh.models import ColumnDataSource, CustomJSHover, CustomJSTransform, LinearColorMapper
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure
from bokeh.transform import transform

from dashboards.parts import theme

BETWEEN_WORDS = "\n"
"""What lies between the words of a text that travels beside points."""
_LOOK = "look"
_RECENT = 32
"""How many pairs of lists of words are compared once for all sessions."""


@dataclass(frozen=True, eq=False)
class Words:
    """Distinct words in order, of which points hold the places."""

    words: pl.Series

    @classmethod
    def of(cls, words: pl.Series) -> "Words":
        """Those of a column."""
        return cls(words.unique().sort())

    @cached_property
    def text(self) -> str:
        """As they travel."""
        return BETWEEN_WORDS.join(str(word).replace(BETWEEN_WORDS, " ") for word in self.words)

    def places(self, words: pl.Series) -> pl.Series:
        """Place of each of these words, all of which are here."""
        numbers = pl.Series(range(self.words.len()), dtype=pl.Int32)
        return words.replace_strict(self.words, numbers, return_dtype=pl.Int32).cast(pl.Int32)  # of none it is text


_NO_WORDS = Words(pl.Series(dtype=pl.String))


@lru_cache(_RECENT)
def _joined(before: Words, now: Words) -> Words:
    """What a browser that has some words holds once it needs others; the same where it lacks none."""
    together = Words.of(pl.concat([before.words, now.words]))
    if len(together.words) == len(before.words):
        return before
    # Of two boards that share little, only the one that is drawn is kept.
    return together if len(now.words) < len(together.words) <= 2 * len(now.words) else now


@lru_cache(_RECENT)
def _places(words: Words, among: Words) -> npt.NDArray[np.int32]:
    return among.places(words.words).to_numpy()


@dataclass(frozen=True, eq=False)
class Coded:
    """Points ready to be sent, which all who look at the same points share: no browser can write into them.

    Attributes:
        numbers: Columns of numbers or dates.
        words: Columns of words: the distinct ones, and the place of each point's.
        looks: Distinct colours and marks.
        look: Place of each point's.
    """

    numbers: Mapping[str, npt.NDArray[Any]]
    words: Mapping[str, tuple[Words, npt.NDArray[np.int32]]]
    looks: Sequence[tuple[str, str]]
    look: npt.NDArray[np.int32]


def coded(frame: pl.DataFrame, numbers: Sequence[str], words: Sequence[str]) -> Coded:
    """Points from columns of numbers and of words, `colour` and `mark`."""
    distinct = {word: Words.of(frame[word]) for word in words}
    looks = frame.select("colour", "mark").unique().sort("colour", "mark").with_row_index(_LOOK)
    joined = frame.select("colour", "mark").join(looks, on=["colour", "mark"], how="left", maintain_order="left")
    return Coded(
        {number: _fixed(frame[number]) for number in numbers},
        {word: (words, _fixed(words.places(frame[word]))) for word, words in distinct.items()},
        looks.select("colour", "mark").rows(),
        _fixed(joined[_LOOK].cast(pl.Int32)),
    )


def _fixed(values: pl.Series) -> npt.NDArray[Any]:
    array = values.to_numpy()
    array.setflags(write=False)
    return array


class ManyPoints:
    """Points with a colour, a mark and words each.

    Bokeh encodes and decodes every word of a column by itself, which takes longer than drawing its point. Here columns
    of words hold places in a list of distinct words that travels as one text, and `look` the place of colour and mark.

    Attributes:
        source: The points; columns of words and `look` hold places.
        formatters: What a hover tool is given, so that it prints a word as `@name{custom}`.
    """

    def __init__(self, numbers: Sequence[str], words: Sequence[str]) -> None:
        """Make an empty one.

        Args:
            numbers: Columns of numbers or dates.
            words: Columns of words that hovers print.
        """
        self._texts = ColumnDataSource({word: [""] for word in words})
        self.source = ColumnDataSource({column: [] for column in (*numbers, *words, _LOOK)}, tags=[self._texts])
        self._words = dict.fromkeys(words, _NO_WORDS)
        self._looks = [(theme.OTHER_COLOUR, theme.OTHER_MARK)]
        self._palette = LinearColorMapper(palette=[theme.OTHER_COLOUR], low=-0.5, high=0.5)
        self._marks = CustomJSTransform(
            args={"marks": [theme.OTHER_MARK]},
            func="return marks[x]",
            v_func="return Array.from(xs, (place) => marks[place])",
        )
        self._colour = transform(_LOOK, self._palette)
        self._mark = transform(_LOOK, self._marks)
        self.formatters: dict[str, Any] = {
            f"@{word}": CustomJSHover(
                args={"texts": self._texts, "word": word, "between": BETWEEN_WORDS},
                code="return texts.data[word][0].split(between)[value]",
            )
            for word in words
        }

    def drawn_on(self, plot: figure, size: float | str, alpha: float) -> "GlyphRenderer[Any]":
        """Draw the points on a figure, filled only: an outline is a path more for each.

        Args:
            plot: The figure.
            size: Pixels, or the column of numbers that holds them.
            alpha: Opacity, of chosen points and of others.
        """
        return plot.scatter(
            "x", "y", source=self.source, size=size, marker=self._mark, fill_color=self._colour, line_color=None,
            fill_alpha=alpha, nonselection_fill_alpha=alpha,
        )  # fmt: skip

    def show(self, points: Coded) -> None:
        """Draw points of these columns."""
        self._learn_looks(points.looks)
        places = np.array([self._looks.index(look) for look in points.looks], np.int32)
        data = {**points.numbers, _LOOK: places[points.look]}
        for word, (distinct, place) in points.words.items():
            before = self._words[word]
            self._words[word] = now = _joined(before, distinct)
            if now is not before:
                self._texts.data[word] = [now.text]
            data[word] = place if now is distinct else _places(distinct, now)[place]
        self.source.data = data

    def _learn_looks(self, looks: Sequence[tuple[str, str]]) -> None:
        """Each change of palette or marks has the browser map all points anew: both only ever grow."""
        if not (new := [look for look in looks if look not in self._looks]):
            return
        self._looks += new
        self._palette.update(palette=[colour for colour, _ in self._looks], high=len(self._looks) - 0.5)
        self._marks.args = {"marks": [mark for _, mark in self._looks]}


def readable(source: ColumnDataSource) -> dict[str, Any]:
    """Columns of a source, those of many points with the words that their places stand for and without their looks."""
    data = dict(source.data)
    for texts in source.tags:
        if isinstance(texts, ColumnDataSource):
            data.pop(_LOOK, None)
            for word, (text,) in texts.data.items():
                words = text.split(BETWEEN_WORDS)
                data[word] = [words[place] for place in data[word]]
    return data
