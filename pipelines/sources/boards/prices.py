"""Prices that a declared source states, as rows of the tables of prices."""

import datetime as dt

import polars as pl

from pipelines.sources.boards import values
from pipelines.sources.boards.declaration import File
from pipelines.sources.boards.documents import FILE_PATH
from pipelines.sources.boards.stated import stated_of, valid_and_rejected
from pipelines.sources.boards.templates import PRICE_TABLES, Prices
from pipelines.sources.tables import ROW

DAY = "as_of_date"
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
    frame, passed_over = values.of_the_board(frame, file.only_rows, file.not_rows, set(frame.columns))
    table = PRICE_TABLES[prices.table]
    stated = stated_of(frame, table, prices.columns, prices.factors).with_columns(pl.col(DAY).fill_null(as_of))
    good, rejected = valid_and_rejected(stated, table, prices.columns.keys(), _NEEDED)
    return good.drop(ROW, FILE_PATH), [(number, reason) for number, _, reason in rejected], passed_over
