"""Thousands of points as numbers: their words travel as one text, in which the browser looks them up."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from bokeh.models import ColumnDataSource, CustomJSHover, CustomJSTransform, LinearColorMapper
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure
from bokeh.transform import transform

from dashboards import theme

_BETWEEN_WORDS = "\n"


class Crowd:
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
        self._numbers, self._words = numbers, words
        self.source = ColumnDataSource({column: [] for column in (*numbers, *words, "look")})
        self._texts = ColumnDataSource({word: [""] for word in words})
        self._known = {word: pl.Series(dtype=pl.String) for word in words}
        self._palette = LinearColorMapper(palette=[theme.OTHER_COLOUR], low=-0.5, high=0.5)
        self._marks = CustomJSTransform(
            args={"marks": [theme.OTHER_MARK]},
            func="return marks[x]",
            v_func="return Array.from(xs, (place) => marks[place])",
        )
        self._colour = transform("look", self._palette)
        self._mark = transform("look", self._marks)
        self.formatters: dict[str, Any] = {
            f"@{word}": CustomJSHover(
                args={"texts": self._texts, "word": word, "between": _BETWEEN_WORDS},
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

    def show(self, frame: pl.DataFrame) -> None:
        """Draw the rows: columns of numbers and of words, `colour` and `mark`."""
        looks = frame.select("colour", "mark").unique().sort("colour", "mark")
        places = frame.select("colour", "mark").join(
            looks.with_row_index("look"), on=["colour", "mark"], how="left", maintain_order="left"
        )
        colours = looks["colour"].to_list() or [theme.OTHER_COLOUR]
        self._palette.update(palette=colours, high=len(colours) - 0.5)
        self._marks.args = {"marks": looks["mark"].to_list()}
        data = {number: frame[number].to_numpy() for number in self._numbers}
        for word in self._words:
            data[word] = self._places(word, frame[word])
        self.source.data = {**data, "look": places["look"].cast(pl.Int32).to_numpy()}

    def _places(self, word: str, words: pl.Series) -> npt.NDArray[np.int32]:
        """Places of words in the text, which is sent anew only when it lacks one: a filter takes words away."""
        if not words.is_in(self._known[word].implode(), nulls_equal=True).all():
            self._known[word] = known = words.unique().sort()
            self._texts.data[word] = [_BETWEEN_WORDS.join(str(each).replace(_BETWEEN_WORDS, " ") for each in known)]
        known = self._known[word]
        place = pl.Series(range(known.len()), dtype=pl.Int32)
        return words.replace_strict(known, place, return_dtype=pl.Int32).to_numpy()
