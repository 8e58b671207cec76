"""How many marks a chart draws: beyond some thousands a sample tells as much, and the browser stays quick."""

import polars as pl

MOST_POINTS = 5_000
_SEED = 1


def thinned(rows: pl.DataFrame, most: int = MOST_POINTS) -> pl.DataFrame:
    """At most so many of the rows, drawn at random, and the same ones whenever asked."""
    return rows if rows.height <= most else rows.sample(most, seed=_SEED)
