"""Errors by group: how far predictions lie from measurements, and whether intervals and bounds hold."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

GROUPS = ("stage", "engine", "device", "device_class", "format", "batch", "model")
"""What rows can be grouped by, within each stage."""
_BATCHES = (1, 4, 16, 64, 256)


def error_table(predictions: pl.DataFrame, questions: pl.DataFrame, by: str = "stage") -> pl.DataFrame:
    """Errors by stage and group.

    Args:
        predictions: Rows of `predict.SCHEMA`.
        questions: `stage` and, where known, the columns of groups, of every row read, asked or not.
        by: One of `GROUPS`.

    Returns:
        `stage, group, rows` (read), `asked` (predicted), `mdape_pct` (median of |predicted / measured − 1|),
        `bias_log2` (median log2 of predicted over measured: −1 is twice as fast as it is), `inside_pct` (within low
        and high), `below_bound_pct` (measured faster than the bound), `naive_mdape_pct` (of the rule of thumb);
        stages of which nothing is predicted come last.
    """
    labelled = predictions.with_columns(_group(by).alias("group"))
    error = pl.col("predicted") / pl.col("measured")
    errors = labelled.group_by("stage", "group").agg(
        pl.len().cast(pl.Int64).alias("asked"),
        (100 * (error - 1).abs()).median().round(1).alias("mdape_pct"),
        error.log(2).median().round(2).alias("bias_log2"),
        (100 * pl.col("measured").is_between("low", "high").mean()).round(1).alias("inside_pct"),
        (100 * (pl.col("measured") < pl.col("bound")).fill_null(value=False).mean()).round(2).alias("below_bound_pct"),
        (100 * (pl.col("naive") / pl.col("measured") - 1).abs()).median().round(1).alias("naive_mdape_pct"),
    )
    read = questions.with_columns(_group(by, questions.columns).alias("group"))
    rows = read.group_by("stage", "group").agg(pl.len().cast(pl.Int64).alias("rows"))
    joined = rows.join(errors, on=["stage", "group"], how="full", coalesce=True, nulls_equal=True)
    return joined.select(
        "stage", "group", pl.col("rows").fill_null(0), pl.col("asked").fill_null(0), "mdape_pct", "bias_log2",
        "inside_pct", "below_bound_pct", "naive_mdape_pct",
    ).sort(pl.col("asked").sum().over("stage") == 0, "stage", "group", nulls_last=True)  # fmt: skip


def furthest(predictions: pl.DataFrame, most: int) -> pl.DataFrame:
    """The measurements that predictions are furthest off by their ratio, of each question only the worst.

    Args:
        predictions: `predicted` and `measured` beside columns that say what was asked.
        most: How many.

    Returns:
        The same columns with `ratio` (predicted over measured) and `inside` (yes or no: within low and high).
    """
    ratio = pl.col("predicted") / pl.col("measured")
    same = [name for name in _QUESTION_COLUMNS if name in predictions.columns]
    return (
        predictions.with_columns(
            ratio=ratio,
            inside=pl.when(pl.col("measured").is_between("low", "high")).then(pl.lit("yes")).otherwise(pl.lit("no")),
        )
        .sort(pl.col("ratio").log(2).abs(), descending=True, maintain_order=True)
        .unique(same, keep="first", maintain_order=True)
        .head(most)
    )


_QUESTION_COLUMNS = ("stage", "engine", "device", "model", "format", "devices", "unit")


def _group(by: str, columns: Sequence[str] | None = None) -> pl.Expr:
    if columns is not None and by not in columns:
        return pl.lit(None, pl.String)
    if by == "batch":
        label = pl.lit(f"more than {_BATCHES[-1]}")
        for low, high in reversed(list(zip((0, *_BATCHES), _BATCHES, strict=False))):
            text = str(high) if high - low == 1 else f"{low + 1} to {high}"
            label = pl.when(pl.col("batch") <= high).then(pl.lit(text)).otherwise(label)
        return pl.when(pl.col("batch").is_null()).then(pl.lit("not stated")).otherwise(label)
    return pl.col(by)
