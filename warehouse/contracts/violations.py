"""Holding the rows of a table against what its contract says of their values."""

import polars as pl

from warehouse.contracts.table import Table


def violations(table: Table, frame: pl.DataFrame) -> dict[str, int]:
    """What breaks the table's contract, and in how many rows: nulls, ranges, vocabularies, repeated keys.

    Args:
        table: The contract.
        frame: Rows with exactly its columns.
    """
    found: dict[str, int] = {}
    for column in table.columns:
        value = pl.col(column.name)
        rules = {
            f"{column.name} is missing": value.is_null() if column.required else None,
            f"{column.name} is not finite": ~value.is_finite() if column.dtype.is_float() else None,
            f"{column.name} below {column.minimum}": value < column.minimum if column.minimum is not None else None,
            f"{column.name} above {column.maximum}": value > column.maximum if column.maximum is not None else None,
            f"{column.name} outside {', '.join(column.allowed)}": ~value.is_in(column.allowed)
            if column.allowed
            else None,
        }
        for broken, rule in rules.items():
            if rule is not None and (count := frame.select(rule.fill_null(value=False).sum()).item()):
                found[broken] = int(count)
    if table.key and (repeated := frame.height - frame.select(table.key).unique().height):
        found[f"repeated {', '.join(table.key)}"] = repeated
    return found
