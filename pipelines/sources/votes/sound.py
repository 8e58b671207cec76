"""Which votes say something: in Polars, to count those that do not, and in SQL, to leave them out."""

import polars as pl

from warehouse.database import literal

# It tells of somebody, and the same model has another one elsewhere.
_PATH = r"^(/|~|\.\.?[/\\]|[A-Za-z]:[/\\]|\\\\|file:)"


def rejection() -> pl.Expr:
    """Why a vote says nothing, or null."""
    return (
        pl.when(pl.col("outcome").is_null())
        .then(pl.lit("winner is none of model_a, model_b, tie, tie (bothbad), both_bad"))
        .when(pl.col("model_a").is_null() | pl.col("model_b").is_null())
        .then(pl.lit("a model is not named"))
        .when(pl.any_horizontal(pl.col("model_a", "model_b").str.contains(_PATH)))
        .then(pl.lit("a model is named by a path on a disk"))
        .when(pl.col("model_a") == pl.col("model_b"))
        .then(pl.lit("a model was compared with itself"))
        .otherwise(None)
    )


def counted_votes(marked: str) -> str:
    """The votes of `marked` that count, the same ones as in the tally."""
    return (
        f"SELECT * FROM ({marked}) WHERE excluded IS NULL AND outcome IS NOT NULL"
        " AND model_a IS NOT NULL AND model_b IS NOT NULL AND model_a <> model_b"
        f" AND NOT regexp_matches(model_a, {literal(_PATH)}) AND NOT regexp_matches(model_b, {literal(_PATH)})"
    )
