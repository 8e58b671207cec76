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

from dashboards.parts import theme

_BETWEEN_WORDS = "\n"


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
        self._numbers, self._words = numbers, words
        self.source = ColumnDataSource({column: [] for column in (*numbers, *words, "look")})
        self._texts = ColumnDataSource({word: [""] for word in words})
        self._known = {word: pl.Series(dtype=pl.String) for word in words}
        self._looks = pl.DataFrame({"colour": [theme.OTHER_COLOUR], "mark": [theme.OTHER_MARK]})
        self._palette = LinearColorMapper(palette=self._looks["colour"].to_list(), low=-0.5, high=0.5)
        self._marks = CustomJSTransform(
            args={"marks": self._looks["mark"].to_list()},
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
        self._learn_marks(frame.select("colour", "mark"))
        places = frame.select("colour", "mark").join(
            self._looks.with_row_index("look"), on=["colour", "mark"], how="left", maintain_order="left"
        )
        data = {number: frame[number].to_numpy() for number in self._numbers}
        for word in self._words:
            data[word] = self._places(word, frame[word])
        self.source.data = {**data, "look": places["look"].cast(pl.Int32).to_numpy()}

    def _learn_marks(self, looks: pl.DataFrame) -> None:
        """Each change of palette or marks has the browser map all points anew: both only ever grow."""
        new = looks.unique().join(self._looks, on=["colour", "mark"], how="anti")
        if new.is_empty():
            return
        self._looks = pl.concat([self._looks, new.sort("colour", "mark")])
        self._palette.update(palette=self._looks["colour"].to_list(), high=self._looks.height - 0.5)
        self._marks.args = {"marks": self._looks["mark"].to_list()}

    def _places(self, word: str, words: pl.Series) -> npt.NDArray[np.int32]:
        """Places of words in the text, which is sent anew only when it lacks one; one that is back is still there."""
        known = self._known[word]
        if not words.is_in(known.implode(), nulls_equal=True).all():
            wanted = words.unique()
            together = pl.concat([known, wanted]).unique()
            # Of two boards that share little, only the one that is drawn is kept.
            self._known[word] = known = (together if together.len() <= 2 * wanted.len() else wanted).sort()
            self._texts.data[word] = [_BETWEEN_WORDS.join(str(each).replace(_BETWEEN_WORDS, " ") for each in known)]
        place = pl.Series(range(known.len()), dtype=pl.Int32)
        return words.replace_strict(known, place, return_dtype=pl.Int32).to_numpy()
