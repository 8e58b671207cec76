"""How one cell of a foreign table becomes a typed value, or is recognised as wrong.

Every column arrives as text, whatever the file said, so that a bad cell is seen here and nowhere else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from pipelines.sources.dates import iso_day

ABSENT_TEXT = ("", "?", "null", "none", "nan", "unknown", "n/a", "removed")

MODEL_TYPE_BY_LABEL: Mapping[str, str] = {
    "pretrained": "pretrained",
    "continuously pretrained": "continuously_pretrained",
    "fine-tuned on domain-specific datasets": "fine_tuned",
    "fine-tuned": "fine_tuned",
    "chat models (rlhf, dpo, ift, ...)": "chat",
    "instruction-tuned": "instruction_tuned",
    "rl-tuned": "reinforcement_tuned",
    "base merges and moerges": "merge",
    "multimodal": "multimodal",
    "other": "other",
}
MODEL_TYPE_BY_EMOJI: Mapping[str, str] = {
    "🟢": "pretrained",
    "🟩": "continuously_pretrained",
    "🔶": "fine_tuned",
    "⭕": "instruction_tuned",
    "🟦": "reinforcement_tuned",
    "💬": "chat",
    "🤝": "merge",
    "🌸": "multimodal",
    "❓": "other",
}
PRECISION_BY_LABEL: Mapping[str, str] = {
    "float32": "float32",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "8bit": "8bit",
    "4bit": "4bit",
    "gptq": "GPTQ",
}

_BEYOND_ALL = 1e18
"""Counts beyond it are of nothing, and no whole number of 64 bits."""


@dataclass(frozen=True)
class Cell:
    """A column of a foreign table and how its text is read.

    Attributes:
        column: Name in the file.
        parse: Expression from trimmed text (absent text already null) to the typed value.
        expects: What the text must be, for the reason given when it is not.
        absent_unless_positive: Whether zero and below stand for "not known".
        absent: Spellings, in lower case, that stand for "not known".
    """

    column: str
    parse: Callable[[pl.Expr], pl.Expr]
    expects: str
    absent_unless_positive: bool = False
    absent: tuple[str, ...] = ABSENT_TEXT

    def stripped(self) -> pl.Expr:
        """Trimmed text of the cell; null where the source means that it has no value."""
        trimmed = pl.col(self.column).str.strip_chars()
        return pl.when(trimmed.str.to_lowercase().is_in(self.absent)).then(None).otherwise(trimmed)

    def value(self) -> pl.Expr:
        """Typed value of the cell."""
        parsed = self.parse(self.stripped())
        return pl.when(parsed > 0).then(parsed) if self.absent_unless_positive else parsed

    def is_wrong(self) -> pl.Expr:
        """Whether there is text that could not be read."""
        return self.stripped().is_not_null() & self.parse(self.stripped()).is_null()


def text(column: str) -> Cell:
    """Text as it stands."""
    return Cell(column, lambda cell: cell, "text")


def number(column: str, scale: float = 1.0) -> Cell:
    """A number of a size that columns can hold, times `scale`; a percent sign after it is dropped."""

    def parse(cell: pl.Expr) -> pl.Expr:
        value = cell.str.replace(r"\s*%$", "").cast(pl.Float64, strict=False) * scale
        return pl.when(value.abs() < _BEYOND_ALL).then(value)

    return Cell(column, parse, "a number")


def positive_number(column: str, scale: float = 1.0) -> Cell:
    """A number of which boards write -1 or 0 when they do not know it."""
    return Cell(column, number(column, scale).parse, "a number", absent_unless_positive=True)


def score_from_error(column: str) -> Cell:
    """A score in points from an error given as a fraction."""
    return Cell(column, lambda cell: 100 * (1 - number(column).parse(cell)), "a number")


def flag(column: str, *, inverted: bool = False) -> Cell:
    """True or False; `inverted` where the export says the opposite of its heading."""

    def parse(cell: pl.Expr) -> pl.Expr:
        lowered = cell.str.to_lowercase()
        return pl.when(lowered == "true").then(not inverted).when(lowered == "false").then(inverted)

    return Cell(column, parse, "True or False")


def affirmed(column: str) -> Cell:
    """True, or not known: the export says False also where it never looked."""
    return Cell(column, flag(column).parse, "True or False", absent=(*ABSENT_TEXT, "false"))


def day(column: str) -> Cell:
    """A date, or the date of a timestamp, in ISO 8601."""
    return Cell(column, iso_day, "a date YYYY-MM-DD")


def hub_link(column: str) -> Cell:
    """A model name, or the text of the first link where the cell is HTML."""

    def parse(cell: pl.Expr) -> pl.Expr:
        return pl.when(cell.str.starts_with("<")).then(cell.str.extract(r">\s*([^<>]+?)\s*</a>")).otherwise(cell)

    return Cell(column, parse, "a model name or a link to one")


def labelled(column: str, labels: Mapping[str, str], expects: str, *, strip_emoji: bool = False) -> Cell:
    """One of a declared set of spellings."""

    def parse(cell: pl.Expr) -> pl.Expr:
        lowered = cell.str.to_lowercase().str.strip_prefix("torch.")
        if strip_emoji:
            lowered = lowered.str.replace(r"^[^a-z]+", "")
        return lowered.replace_strict(dict(labels), default=None, return_dtype=pl.String)

    return Cell(column, parse, expects)


def model_type(column: str) -> Cell:
    """The board's label of a kind of training, with or without its emoji."""
    return labelled(column, MODEL_TYPE_BY_LABEL, "a known model type", strip_emoji=True)


def model_type_emoji(column: str) -> Cell:
    """The board's emoji of a kind of training."""
    return labelled(column, MODEL_TYPE_BY_EMOJI, "a known model type's emoji")


def precision(column: str) -> Cell:
    """A number format."""
    return labelled(column, PRECISION_BY_LABEL, "a known precision")


def architecture(column: str) -> Cell:
    """A class name; some rows of v1 join its letters by semicolons."""

    def parse(cell: pl.Expr) -> pl.Expr:
        joined = cell.str.contains(r"^(?:.;)+.$")
        return pl.when(joined).then(cell.str.replace_all(";", "")).otherwise(cell)

    return Cell(column, parse, "text")
