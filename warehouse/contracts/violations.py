"""Holding the rows of a table against what its contract says of their values."""

import polars as pl

from warehouse.contracts.table import Table


def value_rules(table: Table) -> dict[str, pl.Expr]:
    """What the contract forbids of a value that is there: what to say of it, and whether a row breaks it.

    Readers of foreign files reject such rows, so that one of them does not keep all others from being published.
    """
    rules: dict[str, pl.Expr] = {}
    for column in table.columns:
        name, value = column.name, pl.col(column.name)
        if column.dtype.is_float():
            rules[f"{name} is not finite"] = ~value.is_finite()
        if column.minimum is not None:
            rules[f"{name} below {column.minimum}"] = value < column.minimum
        if column.maximum is not None:
            rules[f"{name} above {column.maximum}"] = value > column.maximum
        if column.allowed:
            rules[f"{name} outside {', '.join(column.allowed)}"] = ~value.is_in(column.allowed)
    return rules


def violations(table: Table, frame: pl.DataFrame) -> dict[str, int]:
    """What breaks the table's contract, and in how many rows: nulls, ranges, vocabularies, repeated keys.

    Args:
        table: The contract.
        frame: Rows with exactly its columns.
    """
    missing = {f"{c.name} is missing": pl.col(c.name).is_null() for c in table.columns if c.required}
    rules = missing | value_rules(table)
    # One pass over the rows for all rules; a null breaks none but "is missing".
    counts = frame.select(rule.fill_null(value=False).sum().alias(broken) for broken, rule in rules.items())
    broken_rows = {broken: int(count) for broken, count in counts.row(0, named=True).items() if count} if rules else {}
    if table.key and (repeated := _repeated(frame.select(table.key))):
        broken_rows[f"repeated {', '.join(table.key)}"] = repeated
    return broken_rows


def _repeated(keys: pl.DataFrame) -> int:
    """Rows whose key another has; what differs in its hash differs, and hashes are compared in a tenth of the time."""
    if keys.hash_rows().n_unique() == keys.height:
        return 0
    return int(keys.height - keys.select(pl.struct(pl.all()).n_unique()).item())
