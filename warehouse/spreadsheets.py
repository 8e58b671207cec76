"""What is written as CSV is opened in spreadsheets, which run some texts as formulas; here those are disarmed."""

import json
import re
from collections.abc import Mapping
from typing import Any

import polars as pl

_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")


def to_csv(frame: pl.DataFrame, about: Mapping[str, Any] | None = None) -> bytes:
    """The frame as CSV: lists and records as JSON, and texts that a spreadsheet would run led by an apostrophe.

    A text leads a formula when its first character is one of ``= + - @``, their full-width forms, a tab or a line end
    (OWASP, "CSV Injection"); names of columns are texts too. Numbers stay numbers, negative ones among them.

    Args:
        frame: The rows.
        about: What they are: lines that begin with ``#`` above the head, one for each key. Texts are quoted then, so
            that whoever skips comments (`comment="#"` in pandas, R and DuckDB) loses nothing that holds a ``#``.
    """
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    flat = frame.with_columns(_as_json(frame[name]) for name in nested)
    text = [name for name, dtype in flat.schema.items() if dtype in (pl.String, pl.Categorical, pl.Enum)]
    cells = pl.col(text).cast(pl.String)
    led = cells.str.contains(f"^{_FORMULA.pattern}")
    safe = flat.with_columns(pl.when(led).then("'" + cells).otherwise(cells).name.keep())
    names = {name: f"'{name}" for name in safe.columns if _FORMULA.match(name)}
    if about is None:
        return safe.rename(names).write_csv().encode("utf-8")
    # Without columns there is nothing to head.
    rows = safe.rename(names).write_csv(quote_style="non_numeric") if frame.width else ""
    return (_comments(about) + rows).encode("utf-8")


def _comments(about: Mapping[str, Any]) -> str:
    """A line for each key; what runs over several lines goes on below it, and what has parts is written as JSON."""
    lines = []
    for key, value in about.items():
        text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
        if value not in (None, "", [], {}):
            lines.append(f"# {key}: " + "\n#   ".join(text.splitlines()))
    return "".join(f"{line}\n" for line in lines)


def _as_json(column: pl.Series) -> pl.Series:
    """Lists and records as JSON, since a cell of CSV holds one value."""
    texts = [
        None if value is None else json.dumps(value, default=str, ensure_ascii=False) for value in column.to_list()
    ]
    return pl.Series(column.name, texts, dtype=pl.String)
