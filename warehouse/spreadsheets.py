"""What is written as CSV is opened in spreadsheets, which run some texts as formulas; here those are disarmed."""

import json
import re

import polars as pl

_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")


def to_csv(frame: pl.DataFrame) -> bytes:
    """The frame as CSV: lists and records as JSON, and texts that a spreadsheet would run led by an apostrophe.

    A text leads a formula when its first character is one of ``= + - @``, their full-width forms, a tab or a line end
    (OWASP, "CSV Injection"); names of columns are texts too. Numbers stay numbers, negative ones among them.
    """
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    flat = frame.with_columns(_as_json(frame[name]) for name in nested)
    text = [name for name, dtype in flat.schema.items() if dtype in (pl.String, pl.Categorical, pl.Enum)]
    cells = pl.col(text).cast(pl.String)
    led = cells.str.contains(f"^{_FORMULA.pattern}")
    safe = flat.with_columns(pl.when(led).then("'" + cells).otherwise(cells).name.keep())
    names = {name: f"'{name}" for name in safe.columns if _FORMULA.match(name)}
    return safe.rename(names).write_csv().encode("utf-8")


def _as_json(column: pl.Series) -> pl.Series:
    """Lists and records as JSON, since a cell of CSV holds one value."""
    texts = [
        None if value is None else json.dumps(value, default=str, ensure_ascii=False) for value in column.to_list()
    ]
    return pl.Series(column.name, texts, dtype=pl.String)
