"""What is wrong in a file, by line and column, in words for who wrote it."""

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.sources.accounts import WHOLE_FILE
from pipelines.sources.measurements.llama_bench import unread_lines
from pipelines.sources.raw_store import RawSnapshot
from pipelines.sources.votes.read import Votes
from warehouse.contracts.accuracy import END_TO_END_MEASUREMENTS
from warehouse.contracts.table import Column, Table

MOST = 20
"""Problems that are told one by one."""
_OF_A_CELL = re.compile(r"[^:;]+: '")


def summary(problems: Sequence[str], most: int = 3) -> str:
    """The first of them in one sentence."""
    more = f"; and {len(problems) - most} more" if len(problems) > most else ""
    return f"{'; '.join(problems[:most])}{more}." if problems else ""


def rejected_rows(rejected: pl.DataFrame, stored: RawSnapshot) -> list[str]:
    """Rows of `meta.rejected_rows` of one file, in its order."""
    lines = _lines(stored.path)
    return [
        _located(row["row_number"], str(row["reason"]).removeprefix(WHOLE_FILE), lines)
        for row in rejected.sort("row_number", nulls_last=True).iter_rows(named=True)
    ]


def _located(row: int | None, reason: str, lines: Sequence[int]) -> str:
    if row is None:
        return reason
    place = f"line {lines[row]}" if row < len(lines) else f"row {row}"
    # Where a cell is at fault, its reason begins with its column.
    return f"{place}, column {reason}" if _OF_A_CELL.match(reason) else f"{place}: {reason}"


def _lines(path: Path) -> list[int]:
    """Line on which each record of a CSV file begins, the header first; empty for other files."""
    if path.suffix != ".csv":
        return []
    text = path.read_bytes().decode("utf-8-sig", "replace")
    reader = csv.reader(io.StringIO(text, newline=""))
    lines, begins = [], 1
    try:
        for record in reader:
            if record:
                lines.append(begins)
            begins = reader.line_num + 1
    except csv.Error:
        return []
    return lines


def rejected_votes(path: Path) -> list[str]:
    """Votes that say nothing, the first of each kind with its line."""
    lines = _lines(path)
    with Votes([path], threads=1) as votes:
        rejected = votes.unsound()
    return [
        _located(row["row"], f"{_reason(row)}{_vote_count(row['votes'])}", lines)
        for row in rejected.iter_rows(named=True)
    ]


def _reason(row: Mapping[str, Any]) -> str:
    """With the label at fault, where it is one."""
    reason = str(row["reason"])
    column, is_label, rest = reason.partition(" is none of ")
    return f"{column}: {(row['label'] or '')!r} is none of {rest}" if is_label else reason


def _vote_count(votes: int) -> str:
    return f"; {votes:,} such votes" if votes > 1 else ""


def measurement_problems(text: str) -> list[str]:
    """What is wrong in a file of measurements in our own columns, or in a table that llama-bench printed."""
    return [*_cell_problems(text, END_TO_END_MEASUREMENTS), *unread_lines(text)]


def _cell_problems(text: str, table: Table) -> list[str]:
    """Cells of a CSV in the columns of a table that are not what the table holds; none of files in other forms."""
    lines = csv.DictReader(io.StringIO(text, newline=""))
    columns = {column.name: column for column in table.columns}
    named = [name for name in lines.fieldnames or () if name in columns]
    needed = {"stage", "metric", "value"}
    if not needed <= set(named):
        return []
    return list(_problem_lines(lines, [columns[name] for name in named], needed))


def _problem_lines(lines: "csv.DictReader[str]", columns: Sequence[Column], needed: set[str]) -> Iterator[str]:
    begins = lines.line_num + 1
    for row in lines:
        for column in columns:
            if why := _wrong_cell(row.get(column.name) or "", column, is_needed=column.name in needed):
                yield f"line {begins}, column {column.name}: {why}"
        begins = lines.line_num + 1


def _wrong_cell(cell: str, column: Column, *, is_needed: bool) -> str:
    if not cell:
        return "is empty" if is_needed else ""
    shown = repr(cell[:40])
    if column.allowed and cell not in column.allowed:
        return f"{shown} is none of {', '.join(map(str, column.allowed))}"
    if column.dtype.is_numeric():
        try:
            number = float(cell)
        except ValueError:
            return f"{shown} is not a number"
        if not math.isfinite(number) or (column.minimum is not None and number < column.minimum):
            return f"{shown} is not a number from {column.minimum or 0:g} on"
        if column.name == "value" and number == 0:
            return "0 is no measurement"
    return ""
