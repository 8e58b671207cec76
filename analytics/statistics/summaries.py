"""Benchmarks in a few numbers: by group, as z-scores, and how much room is left at the top."""

import numpy as np
import polars as pl

from analytics.statistics.normal import TWO_SIDED_95
from analytics.statistics.resampling import LEVEL
from analytics.statistics.student import student_quantile

FEWEST = 5
"""Entries that a group needs before it is summarised, or a z-score taken within it."""

_FIRST_EDGE_BILLION = 0.75
_EDGES_BILLION = tuple(_FIRST_EDGE_BILLION * 2**step for step in range(8))
SIZE_BANDS = (
    f"below {_EDGES_BILLION[0]:g} B",
    *(f"{low:g} to {2 * low:g} B" for low in _EDGES_BILLION[:-1]),
    f"above {_EDGES_BILLION[-1]:g} B",
)
"""Bands of parameters, each a doubling; 1, 1.5, 3, 7 to 8, 14, 32 and 70 B fall inside, not on an edge."""

_NEAR_CEILING = 5.0
_CROWDED_MODELS = 10


def size_band(parameters: str) -> pl.Expr:
    """Band of a column of parameter counts; null where unknown."""
    billions = pl.col(parameters) / 1e9
    place = pl.sum_horizontal((billions >= edge).cast(pl.Int64) for edge in _EDGES_BILLION)
    named = place.replace_strict(dict(enumerate(SIZE_BANDS)), return_dtype=pl.String)
    return pl.when(pl.col(parameters) > 0).then(named)


def quarter(date: str) -> pl.Expr:
    """Quarter of a date column, as `2024Q3`."""
    return pl.format("{}Q{}", pl.col(date).dt.year(), pl.col(date).dt.quarter())


def summaries(scores: pl.DataFrame, by: tuple[str, ...], grouping: str) -> pl.DataFrame:
    """Location and spread of each measure within each group.

    Args:
        scores: Long: the columns `by`, `measure`, `value`, and the grouping.
        by: Columns kept apart, such as the snapshot.
        grouping: Column whose values are the groups; rows without one are left out, groups below five entries too.

    Returns:
        Columns `by`, group_by, group, measure, entries, mean, mean_lower, mean_upper, standard_deviation, minimum,
        lower_quartile, median, upper_quartile, maximum. The interval of the mean is Student's at 95 % and takes
        entries as independent.
    """
    value = pl.col("value")
    rows = (
        scores.filter(pl.col(grouping).is_not_null(), value.is_not_null())
        .group_by(*by, pl.col(grouping).cast(pl.String).alias("group"), "measure")
        .agg(
            pl.len().cast(pl.Int64).alias("entries"),
            value.mean().alias("mean"),
            value.std().alias("standard_deviation"),
            value.min().alias("minimum"),
            value.quantile(0.25, "linear").alias("lower_quartile"),
            value.median().alias("median"),
            value.quantile(0.75, "linear").alias("upper_quartile"),
            value.max().alias("maximum"),
        )
        .filter(pl.col("entries") >= FEWEST)
    )
    freedom = rows["entries"].to_numpy() - 1
    margin = pl.Series(student_quantile(freedom, (1 + LEVEL) / 2) / np.sqrt(freedom + 1), dtype=pl.Float64)
    return rows.with_columns(
        pl.lit(grouping).alias("group_by"),
        (pl.col("mean") - margin * pl.col("standard_deviation")).alias("mean_lower"),
        (pl.col("mean") + margin * pl.col("standard_deviation")).alias("mean_upper"),
    )


def z_score(value: str, within: tuple[str, ...]) -> pl.Expr:
    """Standard deviations above the mean of those that share the columns `within`.

    Null where one of these is unknown, fewer than five share them, or all have one value.
    """
    column = pl.col(value)
    spread, count = column.std().over(within), column.count().over(within)
    is_complete = pl.all_horizontal(pl.col(name).is_not_null() for name in within)
    # Equal values leave a spread of rounding errors, not of zero.
    usable = is_complete & (count >= FEWEST) & (spread > 1e-9)
    return pl.when(usable).then((column - column.mean().over(within)) / spread)


def saturation(scores: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    """How well a benchmark still separates models at its top.

    `saturated`: the best is within 5 points of the ceiling. `crowded`: not that, but ten or more entries differ from
    the best by less than 1.96 standard errors of the difference, taken as independent. `open`: neither. The ceiling is
    100, which mislabelled questions put out of reach.

    Args:
        scores: Long: the columns `by`, `benchmark`, `entry_id`, `score`, `standard_error`.
        by: Columns kept apart, such as the snapshot.

    Returns:
        Columns `by`, benchmark, entries, best_score, best_standard_error, headroom, tenth_best_gap,
        within_noise_of_best, floor_share (entries with no point above chance), top_tenth_signal_to_noise (spread of
        the best tenth over its standard errors; below 1 their order is mostly noise), saturation.
    """
    score, error = pl.col("score"), pl.col("standard_error")
    best, its_error = score.max(), error.sort_by("score").last()
    top = score >= score.quantile(0.9)
    close = (best - score) < TWO_SIDED_95 * (error**2 + its_error**2).sqrt()
    rows = (
        scores.filter(score.is_not_null())
        .group_by(*by, "benchmark")
        .agg(
            pl.len().cast(pl.Int64).alias("entries"),
            best.alias("best_score"),
            its_error.alias("best_standard_error"),
            (100 - best).alias("headroom"),
            (best - score.top_k(_CROWDED_MODELS).min()).alias("tenth_best_gap"),
            # The best is not its own rival.
            (close.sum().cast(pl.Int64) - 1).clip(lower_bound=0).alias("within_noise_of_best"),
            (score <= 0).mean().alias("floor_share"),
            (score.filter(top).std() / (error.filter(top) ** 2).mean().sqrt()).alias("top_tenth_signal_to_noise"),
        )
    )
    return rows.with_columns(
        pl.when(pl.col("headroom") <= _NEAR_CEILING)
        .then(pl.lit("saturated"))
        .when(pl.col("within_noise_of_best") >= _CROWDED_MODELS)
        .then(pl.lit("crowded"))
        .otherwise(pl.lit("open"))
        .alias("saturation"),
        pl.col("top_tenth_signal_to_noise").fill_nan(None),
    )
