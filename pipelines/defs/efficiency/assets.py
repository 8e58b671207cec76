"""Quality for its size and carbon: ratios and what they hide, residuals, and the time boards spent evaluating."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from analytics.fronts.efficiency import evaluation_hours, hours_from_co2_kg, rank_correlations
from pipelines.defs.efficiency.tables import RATIOS, SNAPSHOT, with_ratios
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from warehouse.contracts import frontier as tables
from warehouse.contracts.leaderboards import EVALUATION_RUNS, LEADERBOARD_ENTRIES, SNAPSHOTS

_INPUTS = (SNAPSHOTS, LEADERBOARD_ENTRIES)


@dg.multi_asset(
    name="efficiency",
    **makes(spec(tables.EFFICIENCY, _INPUTS), spec(tables.EFFICIENCY_CORRELATIONS, _INPUTS)),
)
def efficiency(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Ratios, their rank correlation to their own denominators, and what remains once size is accounted for."""
    boards = skyline.lake.read(SNAPSHOTS).filter(pl.col("coverage") != "run")
    entries = skyline.lake.read(LEADERBOARD_ENTRIES).join(boards, on="snapshot_id", how="semi")
    rated = with_ratios(entries)
    yield write(skyline.lake, tables.EFFICIENCY, rated)
    correlations = rank_correlations(rated, "average", list(RATIOS), by=SNAPSHOT)
    yield write(
        skyline.lake,
        tables.EFFICIENCY_CORRELATIONS,
        correlations.drop_nulls().with_columns(
            pl.col("denominator").replace_strict({d: name for d, (name, _) in RATIOS.items()}).alias("ratio"),
            pl.col("ratio_with_denominator").alias("spearman_with_denominator"),
            pl.col("score_with_denominator").alias("spearman_score_with_denominator"),
        ),
    )


@dg.multi_asset(name="evaluation_time", **makes(spec(tables.EVALUATION_TIME, [LEADERBOARD_ENTRIES, EVALUATION_RUNS])))
def evaluation_time(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Hours a board spent evaluating: from raw results, each run once, and as implied by its CO₂ figures."""
    rows = []
    for (board,), runs in skyline.lake.read(EVALUATION_RUNS).group_by("board"):
        long = runs.select(
            pl.col("snapshot_id").repeat_by("task_rows").alias("run_id"), pl.col("evaluation_time_s").alias("seconds")
        ).explode("run_id")
        time = evaluation_hours(long)
        timed = time.runs > time.runs_without_time
        rows.append(
            {
                "basis": f"{board} raw results",
                "board": board,
                "as_of_date": runs["ran_on"].max(),
                "method": "run_times",
                "runs": time.runs - time.runs_without_time,
                # Files that state no time say nothing of the total, least of all that it was none.
                "evaluation_hours": time.hours if timed else None,
                "evaluation_hours_repeated_per_task": time.hours_summed_over_rows if timed else None,
            }
        )
    implied = (
        skyline.lake.read(LEADERBOARD_ENTRIES)
        .with_columns(hours=hours_from_co2_kg(pl.col("evaluation_co2_kg")))
        .filter(pl.col("hours").is_not_null())
        .group_by("snapshot_id", "board", "as_of_date")
        .agg(pl.len().cast(pl.Int64).alias("runs"), pl.col("hours").sum().alias("evaluation_hours"))
        .select(
            pl.col("snapshot_id").alias("basis"),
            "board",
            "as_of_date",
            pl.lit("co2").alias("method"),
            "runs",
            "evaluation_hours",
            pl.lit(None, pl.Float64).alias("evaluation_hours_repeated_per_task"),
        )
    )
    counted = tables.EVALUATION_TIME.frame(rows)
    yield write(skyline.lake, tables.EVALUATION_TIME, pl.concat([counted, implied], how="vertical_relaxed"))
