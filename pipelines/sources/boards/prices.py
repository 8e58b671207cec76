"""Prices that a declared source states, as rows of the tables of prices."""

import datetime as dt

import polars as pl

from pipelines.sources.boards import values
from pipelines.sources.boards.declaration import PRICE_TABLES, File, Prices
from pipelines.sources.boards.documents import ROW
from warehouse.contracts.table import Column

DAY = "as_of_date"
_WRONG = "wrong"
_NEEDED = frozenset({"usd_per_kwh", "usd_per_million_input", "usd_per_million_output"})
"""What tables allow to be absent, and a price is none without."""


def prices_of(
    frame: pl.DataFrame, file: File, prices: Prices, as_of: dt.date
) -> tuple[pl.DataFrame, list[tuple[int | None, str]], dict[str, int]]:
    """Rows of the declared table, typed; those that say what cannot be, with the reason; those passed over.

    Columns that only the bundled list knows, such as a model's address, are null; the day is that of the row, else that
    of the file.

    Args:
        frame: Cells as text, by the names that the declaration uses.
        file: The kind of file.
        prices: What a row states.
        as_of: Day of the state where the row says none.
    """
    columns = set(frame.columns)
    frame, passed_over = values.of_the_board(frame, file.only_rows, file.not_rows, columns)
    schema = PRICE_TABLES[prices.table].polars_schema
    stated = frame.select(
        ROW, *(_read(name, prices, columns, dtype).alias(name) for name, dtype in schema.items())
    ).with_columns(pl.col(DAY).fill_null(as_of))  # fmt: skip
    table = PRICE_TABLES[prices.table]
    checks = [(_wrong(table.column(name)), name) for name in prices.columns]
    wrong = pl.concat_list(pl.when(is_wrong).then(pl.lit(name)) for is_wrong, name in checks).list.drop_nulls()
    judged = stated.with_columns(wrong.alias(_WRONG))
    broken = judged.filter(pl.col(_WRONG).list.len() > 0).select(ROW, _WRONG)
    rejected: list[tuple[int | None, str]] = [
        (number, f"has no valid {', '.join(names)}") for number, names in broken.iter_rows()
    ]
    return judged.filter(pl.col(_WRONG).list.len() == 0).drop(ROW, _WRONG), rejected, passed_over


def _wrong(column: Column) -> pl.Expr:
    """Whether a row lacks what the table needs, or says what it does not allow: one such row must not stop all."""
    value = pl.col(column.name)
    wrong = value.is_null() if column.required or column.name in _NEEDED else pl.lit(value=False)
    if column.allowed:
        wrong |= value.is_not_null() & ~value.is_in(column.allowed)
    if column.minimum is not None:
        wrong |= value.is_not_null() & ~value.is_between(column.minimum, float("inf"), closed="left")
    return wrong


def _read(name: str, prices: Prices, columns: set[str], dtype: pl.DataType | type[pl.DataType]) -> pl.Expr:
    text = values.text(prices.columns.get(name), columns)
    if dtype == pl.Date:
        return values.day(text)
    if dtype == pl.Float64:
        return values.number(text) * prices.factors.get(name, 1.0)
    if dtype == pl.Int64:
        return values.whole(text)
    return values.flag(text) if dtype == pl.Boolean else text
