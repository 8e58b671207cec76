"""Facts that ship with Skyline, each with its source, as frames."""

from importlib import resources

import polars as pl


def counted_architectures() -> pl.DataFrame:
    """`model_id` with total, active and non-embedding parameters as counted from the architecture."""
    billions = 1e9
    text = resources.files("profiling").joinpath("reference", "architectures.csv").read_bytes()
    return pl.read_csv(text, infer_schema_length=None).select(
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
    text = resources.files("warehouse").joinpath("reference", "non_embedding_scores.csv").read_bytes()
    return pl.read_csv(text, schema_overrides={"note": pl.String})
