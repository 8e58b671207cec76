"""Who moved between two states of ability, and why, in sentences and rows. Pure."""

import polars as pl

from analytics.units import decimal
from dashboards.parts import formats
from dashboards.parts.declared_table import Fact
from dashboards.parts.templates import block

FACTS = {
    "model_id": Fact("Model", width=290, link="model/"),
    "mode": Fact("Mode", width=100),
    "effort": Fact("Effort", width=80),
    "ability": Fact("Now (index points)", "0.0", 84, stays=True),
    "change": Fact("Change", "+0.0", 80, stays=True),
    "ability_before": Fact("Before", "0.0", 76),
    "beyond": Fact("Beyond noise", width=100),
    "reason": Fact("Why", width=110),
    "new_results": Fact("New results", "0,0", 80),
}
_ORDER = {"new results": 0, "withdrawn": 1, "new model": 2, "refit": 3}


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the query `ability_changes`: beyond noise first, then by why, then by how far."""
    beyond = pl.col("is_beyond_noise").fill_null(value=False)
    return rows.sort(
        ~beyond, pl.col("reason").replace_strict(_ORDER, return_dtype=pl.Int64), -pl.col("change").abs().fill_null(0.0)
    ).with_columns(
        pl.when(pl.col("is_beyond_noise")).then(pl.lit("yes")).when(~pl.col("is_beyond_noise")).then(pl.lit("no"))
        .alias("beyond")
    )  # fmt: skip


def summary(rows: pl.DataFrame) -> str:
    """What changed since the state before, as HTML."""
    if rows.is_empty():
        return block("heading", "What changed", "No earlier state of the boards has been stored.")
    before, now = rows["before_date"][0], rows["as_of_date"][0]
    count = dict(rows["reason"].value_counts().iter_rows())
    beyond = rows.filter(pl.col("is_beyond_noise").fill_null(value=False))
    parts = [
        f"{formats.count(count[reason])} {words}"
        for reason, words in (
            ("new model", "new"), ("new results", "with new or changed results"),
            ("withdrawn", "withdrawn"), ("refit", "without new results, moved only by the new fit"),
        )
        if count.get(reason)
    ]  # fmt: skip
    text = f"Models between {before} and {now}: {', '.join(parts)}. "
    if beyond.is_empty():
        text += "No change is larger than the new results can account for."
    else:
        named = ", ".join(
            f"{row['model_id']} {decimal(row['change'], 1, signed=True)}"
            for row in in_order(beyond).head(5).iter_rows(named=True)
        )
        text += f"Beyond noise: {formats.count(beyond.height)} ({named})."
    return block("heading", "What changed", text)
