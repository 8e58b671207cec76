"""Benchmarks that a board redefined without saying so: most models moved at once while another benchmark stood."""

import polars as pl

LEAST_COMMON = 8
"""Models that two states must share before anything is said of them."""
MOST_MOVED = 0.5
"""A benchmark is redefined where a larger share of the common models moved …"""
STOOD = 0.1
"""… while of another benchmark of the board no larger share did."""
LEAST_SHIFT = 0.1
"""The median move, in standard deviations of the scores: below it figures were refitted or rounded, not redefined."""
_MARK = r" \(redefined \d{4}-\d{2}-\d{2}\)$"

_SERIES = ["source", "benchmark", "metric", "benchmark_version"]
_MODEL = ["name_in_source", "mode", "effort", "scaffold"]


def redefinitions(results: pl.DataFrame) -> pl.DataFrame:
    """Where a benchmark's scores moved together between two consecutive states of a source.

    Args:
        results: Rows with `source`, `snapshot_date`, `benchmark`, `metric`, `benchmark_version`, what names a model
            (`name_in_source`, `mode`, `effort`, `scaffold`), `score` and `unit`.

    Returns:
        `source`, `benchmark`, `metric`, `benchmark_version`, `before_date`, `after_date`, `common_models`,
        `moved_models`, `median_change`, `largest_change`, `stood` (a benchmark of the same dates that did not move).
    """
    dated = results.select(*_SERIES, *_MODEL, "snapshot_date", "score").unique([*_SERIES, *_MODEL, "snapshot_date"])
    dates = dated.select(*_SERIES, "snapshot_date").unique().sort(*_SERIES, "snapshot_date")
    steps = dates.with_columns(before_date=pl.col("snapshot_date").shift().over(_SERIES)).drop_nulls("before_date")
    after = dated.join(steps, on=[*_SERIES, "snapshot_date"], nulls_equal=True)
    before = dated.rename({"snapshot_date": "before_date", "score": "before"})
    common = after.join(before, on=[*_SERIES, *_MODEL, "before_date"], nulls_equal=True)
    change = pl.col("score") - pl.col("before")
    # The last digit of what is printed is no move.
    moved = change.abs() > 1e-6 * pl.max_horizontal(pl.col("before").abs(), pl.lit(1.0))
    summed = (
        common.group_by([*_SERIES, "before_date", "snapshot_date"])
        .agg(
            pl.len().alias("common_models"),
            moved.sum().alias("moved_models"),
            change.median().alias("median_change"),
            change.abs().max().alias("largest_change"),
            change.abs().median().alias("typical"),
            pl.col("before").std().alias("spread"),
        )
        .filter(pl.col("common_models") >= LEAST_COMMON)
        .with_columns((pl.col("moved_models") / pl.col("common_models")).alias("share"))
    )
    stood = (
        summed.filter(pl.col("share") <= STOOD)
        .sort("common_models", "benchmark", descending=[True, False])
        .group_by("source", "before_date", "snapshot_date", maintain_order=True)
        .agg(pl.col("benchmark").first().alias("stood"))
    )
    shifted = (pl.col("share") > MOST_MOVED) & (pl.col("typical") >= LEAST_SHIFT * pl.col("spread"))
    return (
        summed.filter(shifted)
        .join(stood, on=["source", "before_date", "snapshot_date"])
        .rename({"snapshot_date": "after_date"})
        .drop("typical", "spread", "share")
        .sort(*_SERIES, "after_date")
    )


def unmarked(version: pl.Expr) -> pl.Expr:
    """A version as the source states it, without the mark that `split` gave it."""
    return version.str.replace(_MARK, "")


def split(results: pl.DataFrame, redefined: pl.DataFrame) -> pl.DataFrame:
    """The results with versions that say after which redefinition they are; nothing is chained over one.

    Args:
        results: As for `redefinitions`.
        redefined: What `redefinitions` returned for them.
    """
    for row in redefined.sort("after_date").iter_rows(named=True):
        same = [pl.col(name) == row[name] for name in ("source", "benchmark", "metric")]
        # A second redefinition meets versions that the first has split already.
        of_it = unmarked(pl.col("benchmark_version")) == row["benchmark_version"]
        later = pl.all_horizontal(*same, of_it, pl.col("snapshot_date") >= row["after_date"])
        mark = f"{row['benchmark_version']} (redefined {row['after_date']})"
        results = results.with_columns(
            pl.when(later).then(pl.lit(mark)).otherwise("benchmark_version").alias("benchmark_version")
        )
    return results
