"""What must hold across rows and tables before they are published; contracts are checked where tables are written."""

import dagster as dg
import polars as pl

from pipelines.lib.resources import Home
from warehouse.contracts.frontier import PARETO_FRONT
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, SNAPSHOTS

_COLLAPSE_SHARE = 0.5
# Boards print averages to two digits, and some exports their terms too.
_ROUNDING_POINTS = 0.011


def beaten_members(front: pl.DataFrame) -> int:
    """How many members of two-objective fronts another member of the same front beats.

    Deliberately not the algorithm that made the fronts: along a front sorted by cost, scores must rise wherever
    costs do, and members of equal cost must have equal scores.
    """
    group = ["snapshot_id", "objectives", "segment_by", "segment"]
    steps = (
        front.filter(pl.col("cost").is_not_null())
        .sort(*group, "cost", "score")
        .with_columns(
            before_cost=pl.col("cost").shift().over(group),
            before_score=pl.col("score").shift().over(group),
        )
        .filter(pl.col("before_cost").is_not_null())
    )
    dearer = pl.col("cost") > pl.col("before_cost")
    broken = (dearer & (pl.col("score") <= pl.col("before_score"))) | (
        ~dearer & (pl.col("score") != pl.col("before_score"))
    )
    return int(steps.select(broken.sum()).item())


@dg.asset_check(asset=list(PARETO_FRONT.asset_key), blocking=True, description="No member beats another.")
def front_is_non_dominated(skyline: Home) -> dg.AssetCheckResult:
    """Prove every two-objective front by another way than it was computed."""
    beaten = beaten_members(skyline.lake.read(PARETO_FRONT))
    return dg.AssetCheckResult(passed=beaten == 0, metadata={"beaten_members": beaten})


def collapsed_snapshots(snapshots: pl.DataFrame) -> pl.DataFrame:
    """Full snapshots with fewer than half the rows of the full snapshot before, or that lost half of their rows.

    A snapshot that is cut off below is known as `top_n` and is not meant here; one that merely shrank is.
    """
    full = snapshots.filter(pl.col("coverage") == "full").sort("board", "as_of_date")
    before = pl.col("rows_loaded").shift().over("board")
    collapsed = pl.col("rows_loaded") < _COLLAPSE_SHARE * before
    gutted = pl.col("rows_loaded") < _COLLAPSE_SHARE * pl.col("rows_read")
    return full.filter((collapsed | gutted).fill_null(value=False))


@dg.asset_check(asset=list(SNAPSHOTS.asset_key), blocking=True, description="No full snapshot lost half of its rows.")
def rows_do_not_collapse(skyline: Home) -> dg.AssetCheckResult:
    """Compare every full snapshot with the one before it and with its own file."""
    collapsed = collapsed_snapshots(skyline.lake.read(SNAPSHOTS))
    return dg.AssetCheckResult(
        passed=collapsed.is_empty(),
        metadata={"collapsed": dg.MetadataValue.json(collapsed["snapshot_id"].to_list())},
        description=f"collapsed: {', '.join(collapsed['snapshot_id'])}" if collapsed.height else None,
    )


def wrong_averages(entries: pl.DataFrame, scores: pl.DataFrame) -> int:
    """Entries whose stated average is not the mean of their benchmarks, beyond rounding."""
    means = scores.group_by("snapshot_id", "entry_id").agg(pl.col("score").mean().alias("mean"))
    joined = entries.filter(pl.col("average").is_not_null()).join(means, on=["snapshot_id", "entry_id"])
    return int(joined.select(((pl.col("average") - pl.col("mean")).abs() > _ROUNDING_POINTS).sum()).item())


@dg.asset_check(
    asset=list(LEADERBOARD_ENTRIES.asset_key),
    additional_deps=[list(BENCHMARK_SCORES.asset_key)],
    description="Every average is the mean of its benchmarks, to rounding.",
)
def averages_are_means(skyline: Home) -> dg.AssetCheckResult:
    """Recompute the averages; a board's slip is shown, and does not block."""
    wrong = wrong_averages(skyline.lake.read(LEADERBOARD_ENTRIES), skyline.lake.read(BENCHMARK_SCORES))
    return dg.AssetCheckResult(
        passed=wrong == 0, severity=dg.AssetCheckSeverity.WARN, metadata={"entries_off_by_more_than_rounding": wrong}
    )
