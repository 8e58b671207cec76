"""Fronts over every snapshot, how they moved, what they beat, and published fronts beside ours."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from pipelines.analytics import frontier
from pipelines.assets.tables import makes, spec, write
from pipelines.resources import Home
from warehouse.contracts import frontier as tables
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, PUBLISHED_FRONTS, SNAPSHOTS
from warehouse.lake import Lake

_INPUTS = (SNAPSHOTS, LEADERBOARD_ENTRIES, BENCHMARK_SCORES)


def _boards(lake: Lake) -> Iterator[tuple[pl.DataFrame, list[str]]]:
    """Per board: its entries with all scores, and its benchmarks. Single runs have no front."""
    snapshots = lake.read(SNAPSHOTS).filter(pl.col("coverage") != "run")
    entries, scores = lake.read(LEADERBOARD_ENTRIES), lake.read(BENCHMARK_SCORES)
    for (board,), group in snapshots.group_by("board", maintain_order=True):
        benchmarks = scores.filter(pl.col("board") == board)["benchmark"].unique(maintain_order=True).to_list()
        yield frontier.wide_entries(entries, scores, group["snapshot_id"].to_list()), benchmarks


@dg.multi_asset(name="pareto_front", **makes(spec(tables.PARETO_FRONT, _INPUTS)))
def pareto_front(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Entries that no other of the same snapshot and segment beats."""
    members = [
        frontier.fronts(wide, objectives).select(tables.PARETO_FRONT.column_names)
        for wide, benchmarks in _boards(skyline.lake)
        for objectives in frontier.objective_sets(benchmarks)
    ]
    yield write(skyline.lake, tables.PARETO_FRONT, pl.concat([tables.PARETO_FRONT.empty(), *members], how="vertical"))


@dg.multi_asset(
    name="pareto_front_history",
    **makes(spec(tables.PARETO_FRONT_HISTORY, _INPUTS), spec(tables.PARETO_HYPERVOLUME, _INPUTS)),
)
def pareto_front_history(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """How the fronts of each snapshot moved over submission dates."""
    intervals, areas = [tables.PARETO_FRONT_HISTORY.empty()], [tables.PARETO_HYPERVOLUME.empty()]
    for wide, benchmarks in _boards(skyline.lake):
        for objectives in frontier.objective_sets(benchmarks):
            if len(objectives.costs) > 1:
                continue
            history, area = frontier.histories(wide, objectives)
            if area.height:
                intervals.append(history.select(tables.PARETO_FRONT_HISTORY.column_names))
                areas.append(area.select(tables.PARETO_HYPERVOLUME.column_names))
    yield write(skyline.lake, tables.PARETO_FRONT_HISTORY, pl.concat(intervals))
    yield write(skyline.lake, tables.PARETO_HYPERVOLUME, pl.concat(areas))


@dg.multi_asset(name="dominated_by", **makes(spec(tables.DOMINATED_BY, _INPUTS)))
def dominated_by(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """For every entry off the front of its snapshot, what beats it."""
    beaten = [
        frontier.dominated(wide, frontier.Objectives(frontier.AVERAGE, (cost,))).select(
            tables.DOMINATED_BY.column_names
        )
        for wide, _ in _boards(skyline.lake)
        for cost in frontier.COSTS
    ]
    yield write(skyline.lake, tables.DOMINATED_BY, pl.concat([tables.DOMINATED_BY.empty(), *beaten]))


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
