"""Facts that ship with Skyline, each with its source, as frames."""

import polars as pl

from profiling.reference_files import FOLDER
from warehouse.reference_files import reference_table


def counted_architectures() -> pl.DataFrame:
    """`model_id` with total, active and non-embedding parameters as counted from the architecture."""
    billions = 1e9
    return reference_table("architectures", FOLDER, typed=True).select(
        "model_id",
        pl.col("parameters_total").cast(pl.Int64),
        # Stated to four digits of a billion: a dense model must not seem to use more than it has.
        pl.min_horizontal("parameters_total", (pl.col("parameters_active_billions") * billions).round(0))
        .cast(pl.Int64)
        .alias("parameters_active"),
        (pl.col("parameters_non_embedding_billions") * billions)
        .round(0)
        .cast(pl.Int64)
        .alias("parameters_non_embedding"),
    )


def non_embedding_scores() -> pl.DataFrame:
    """Published scores of chat models against non-embedding parameters (arXiv:2407.01178, table 16)."""
    return reference_table("non_embedding_scores", typed=True, schema_overrides={"note": pl.String})
