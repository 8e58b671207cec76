"""From entries to their quality for size and carbon: ratios, and what remains once size is accounted for."""

import polars as pl

from analytics.fronts.efficiency import ratio, size_adjusted

SNAPSHOT = ("snapshot_id", "board", "as_of_date")
"""Within which entries are compared."""
RATIOS = {
    "parameters_total": ("score_per_billion_parameters", 1e9),
    "size_gib": ("score_per_gib", 1.0),
    "evaluation_co2_kg": ("score_per_kg_co2", 1.0),
}
"""Denominator → the ratio's name, and in what the denominator is counted."""


def with_ratios(entries: pl.DataFrame) -> pl.DataFrame:
    """Entries with an average, with their ratios and what size lets expect of them.

    Args:
        entries: Rows of `core.leaderboard_entries`.
    """
    scored = entries.filter(pl.col("average").is_not_null())
    residuals = size_adjusted(scored, "average", "size_gib", by=SNAPSHOT)
    return scored.with_columns(
        *(
            ratio(pl.col("average"), pl.col(denominator) / scale).alias(name)
            for denominator, (name, scale) in RATIOS.items()
        ),
        residuals["expected_score"],
        residuals["residual"].alias("size_adjusted_residual"),
        residuals["residual_rank"],
    )
