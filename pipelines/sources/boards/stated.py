"""Rows of a contract that a declaration makes of cells: typed, and those that cannot be told apart with the reason."""

from collections.abc import Mapping, Set

import polars as pl

from pipelines.sources.boards import values
from pipelines.sources.boards.documents import FILE_PATH
from pipelines.sources.boards.templates import Template
from pipelines.sources.tables import ROW
from warehouse.contracts.table import Column, Table

Refused = tuple[int | None, str, str]
"""Row number (None for the whole file), member of a zip, and reason."""
_WRONG = "wrong"


def stated_of(
    frame: pl.DataFrame,
    table: Table,
    templates: Mapping[str, Template],
    factors: Mapping[str, float],
    column: str | None = None,
) -> pl.DataFrame:
    """Where each row stands, and the columns of a table, typed; null are those of which the declaration says nothing.

    Args:
        frame: Cells as text, by the names that the declaration uses.
        table: Whose columns are wanted.
        templates: Column of the table → how its text is made.
        factors: Column → by what its number is multiplied.
        column: What `{column}` stands for.
    """
    existing = set(frame.columns)

    def read(name: str) -> pl.Expr:
        dtype = table.column(name).dtype
        text = values.text(templates.get(name), existing, column)
        if dtype == pl.Date:
            return values.day(text)
        if dtype == pl.Float64:
            return values.number(text) * factors.get(name, 1.0)
        if dtype == pl.Int64:
            return values.integer(text)
        return values.flag(text) if dtype == pl.Boolean else text

    return frame.select(ROW, FILE_PATH, *(read(name).alias(name) for name in table.column_names))


def valid_and_rejected(
    rows: pl.DataFrame, table: Table, names: Set[str], needed: Set[str]
) -> tuple[pl.DataFrame, list[Refused]]:
    """Rows that the table can hold, and row number, member and reason of the others.

    Args:
        rows: As `stated_of` gives them.
        table: Whose rules hold.
        names: Columns to look at.
        needed: Columns that the table lets be absent, and these rows may not.
    """
    checks = [(_is_invalid(table.column(name), is_needed=name in needed), name) for name in sorted(names)]
    wrong = pl.concat_list(pl.when(is_wrong).then(pl.lit(name)) for is_wrong, name in checks).list.drop_nulls()
    judged = rows.with_columns(wrong.alias(_WRONG))
    broken = judged.filter(pl.col(_WRONG).list.len() > 0)
    rejected: list[Refused] = [
        (number, member, f"has no valid {', '.join(sorted(which))}")
        for number, member, which in broken.select(ROW, FILE_PATH, _WRONG).iter_rows()
    ]
    return judged.filter(pl.col(_WRONG).list.len() == 0).drop(_WRONG), rejected


def _is_invalid(column: Column, *, is_needed: bool) -> pl.Expr:
    """Whether a row lacks what the table needs, or says what it does not allow: one such row must not stop all."""
    value = pl.col(column.name)
    wrong = value.is_null() if column.required or is_needed else pl.lit(value=False)
    if column.allowed:
        wrong |= value.is_not_null() & ~value.is_in(column.allowed)
    if column.minimum is not None:
        wrong |= value.is_not_null() & ~value.is_between(column.minimum, float("inf"), closed="left")
    return wrong
