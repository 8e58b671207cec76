"""Rows as people and programs want them: a table on the terminal, CSV, JSON or Parquet bytes."""

import io
import re

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from warehouse.spreadsheets import to_csv

_MOST_ROWS_SHOWN = 200
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def as_table(frame: pl.DataFrame, console: Console) -> None:
    """Print a table; long ones are cut and say so."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, dtype in frame.schema.items():
        table.add_column(
            Text(name),
            justify="right" if dtype.is_numeric() else "left",
            no_wrap=not console.is_terminal,
            overflow="fold",
        )
    for row in frame.head(_MOST_ROWS_SHOWN).iter_rows():
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(table, soft_wrap=False)
    more = frame.height - _MOST_ROWS_SHOWN
    if more > 0:
        console.print(f"… {more:,} more rows; --format csv prints them all.", style="dim")


def as_bytes(frame: pl.DataFrame, form: str) -> bytes:
    """The whole frame as `csv`, `json` (a list of objects), `parquet`, or `table` without colours."""
    buffer = io.BytesIO()
    if form == "table":
        text = io.StringIO()
        as_table(frame, Console(file=text, width=200))
        return text.getvalue().encode()
    if form == "csv":
        return to_csv(frame)
    if form == "json":
        frame.write_json(buffer)
        buffer.write(b"\n")
    else:
        frame.write_parquet(buffer)
    return buffer.getvalue()


def _number(value: float) -> str:
    """Four digits that mean something, and every digit before the point."""
    size = abs(value)
    if not 1e-3 <= size < 1e6:
        return f"{value:,.4g}"
    decimals = next((places for places, least in ((1, 100), (2, 10), (3, 1)) if size >= least), 4)
    return f"{value:,.{decimals}f}".rstrip("0").rstrip(".")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    # What strangers wrote must not steer the terminal.
    return _CONTROL.sub("\ufffd", str(value))
