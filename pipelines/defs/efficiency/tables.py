"""From entries to their quality for size and carbon: ratios, and what remains once size is accounted for."""

import polars as pl

from analytics.fronts.efficiency import ratio, size_adjusted
from warehouse.contracts.frontier import EFFICIENCY

SNAPSHOT = ("snapshot_id", "board", "as_of_date")
"""Within which entries are compared."""
RATIOS = {
    "parameters_total": ("score_per_billion_parameters", 1e9),
    "size_gib": ("score_per_gib", 1.0),
    "evaluation_co2_kg": ("score_per_kg_co2", 1.0),
}
"""Denominator → the ratio's name, and in what the denominator is counted."""
QUANTILE = 0.9


def efficiency_rows(entries: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.efficiency`.

    Args:
        entries: Rows of `core.leaderboard_entries`; those without an average are left out.
    """
    scored = entries.filter(pl.col("average").is_not_null())
    residuals, _ = size_adjusted(scored, "average", "size_gib", by=SNAPSHOT)
    upper, _ = size_adjusted(scored, "average", "size_gib", by=SNAPSHOT, quantile=QUANTILE)
    return EFFICIENCY.conform(with_ratios(scored, residuals, upper).select(EFFICIENCY.column_names))


def with_ratios(scored: pl.DataFrame, residuals: pl.DataFrame, upper: pl.DataFrame) -> pl.DataFrame:
    """Entries with their ratios and what size lets expect of them.

    Args:
        scored: Entries with an average.
        residuals: Of `size_adjusted`, by the mean.
        upper: Of `size_adjusted`, by the quantile.
    """
    return scored.with_columns(
        *(
            ratio(pl.col("average"), pl.col(denominator) / scale).alias(name)
            for denominator, (name, scale) in RATIOS.items()
        ),
        residuals["expected_score"],
        residuals["residual"].alias("size_adjusted_residual"),
        residuals["residual_rank"],
        upper["expected_score"].alias("score_at_90th_percentile"),
    )
