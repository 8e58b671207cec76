"""Fronts over every snapshot, how they moved, what they beat, and published fronts beside ours."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from analytics.fronts import frontier
from pipelines.defs.frontier import tables as frontier_tables
from pipelines.defs.frontier.tables import INPUTS
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from warehouse.contracts import frontier as tables
from warehouse.contracts.leaderboards import LEADERBOARD_ENTRIES, PUBLISHED_FRONTS, SNAPSHOTS


@dg.multi_asset(name="fronts", **makes(spec(tables.PARETO_FRONT, INPUTS), spec(tables.DOMINATED_BY, INPUTS)))
def fronts(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Entries that no other of the same snapshot and segment beats, and what beats each of the others."""
    members, beaten = frontier_tables.fronts(skyline.lake)
    yield write(skyline.lake, tables.PARETO_FRONT, members)
    yield write(skyline.lake, tables.DOMINATED_BY, beaten)


@dg.multi_asset(
    name="front_histories",
    **makes(spec(tables.PARETO_FRONT_HISTORY, INPUTS), spec(tables.PARETO_HYPERVOLUME, INPUTS)),
)
def front_histories(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """How the fronts of each snapshot moved over submission dates, and how much they covered."""
    intervals, areas = frontier_tables.histories(skyline.lake)
    yield write(skyline.lake, tables.PARETO_FRONT_HISTORY, intervals)
    yield write(skyline.lake, tables.PARETO_HYPERVOLUME, areas)


@dg.multi_asset(
    name="published_front_comparison",
    **makes(spec(tables.PUBLISHED_FRONT_COMPARISON, [PUBLISHED_FRONTS, SNAPSHOTS, LEADERBOARD_ENTRIES])),
)
def published_front_comparison(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Hold the fronts that others published against ours, and against themselves."""
    snapshots = skyline.lake.read(SNAPSHOTS).filter(pl.col("layout") == "v1_run_means")
    entries = skyline.lake.read(LEADERBOARD_ENTRIES).join(snapshots, on="snapshot_id", how="semi")
    compared = frontier.compare_published(skyline.lake.read(PUBLISHED_FRONTS), entries)
    verdicts = compared["verdict"].value_counts() if compared.height else pl.DataFrame()
    yield write(
        skyline.lake,
        tables.PUBLISHED_FRONT_COMPARISON,
        compared if compared.height else tables.PUBLISHED_FRONT_COMPARISON.empty(),
        verdicts=str(dict(verdicts.iter_rows())),
    )
