"""Fronts over every snapshot, how they moved, what they beat, and published fronts beside ours."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from analytics.fronts import frontier
from pipelines.defs.frontier.tables import FRONTS, HISTORIES, INPUTS, write_fronts, write_histories
from pipelines.lib.contract_assets import makes, spec, write, written
from pipelines.lib.resources import Home
from warehouse.contracts import frontier as tables
from warehouse.contracts.leaderboards import LEADERBOARD_ENTRIES, PUBLISHED_FRONTS, SNAPSHOTS


@dg.multi_asset(name="fronts", **makes(*(spec(table, INPUTS) for table in FRONTS)))
def fronts(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Entries that no other of the same snapshot and segment beats, and what beats each of the others."""
    write_fronts(skyline.lake)
    yield from (written(skyline.lake, table) for table in FRONTS)


@dg.multi_asset(name="front_histories", **makes(*(spec(table, INPUTS) for table in HISTORIES)))
def front_histories(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """How the fronts of each snapshot moved over submission dates, and how much they covered."""
    write_histories(skyline.lake)
    yield from (written(skyline.lake, table) for table in HISTORIES)


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
