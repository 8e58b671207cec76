"""From entries and scores of the lake to rows of the front tables, board by board."""

from collections.abc import Iterator

import polars as pl

from pipelines.analytics import frontier
from warehouse.contracts import Table
from warehouse.contracts import frontier as tables
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, SNAPSHOTS
from warehouse.lake import Lake

INPUTS = (SNAPSHOTS, LEADERBOARD_ENTRIES, BENCHMARK_SCORES)


def _boards(lake: Lake) -> Iterator[tuple[pl.DataFrame, list[str]]]:
    """Per board: its entries with all scores, and its benchmarks. Single runs have no front."""
    snapshots = lake.read(SNAPSHOTS).filter(pl.col("coverage") != "run")
    entries, scores = lake.read(LEADERBOARD_ENTRIES), lake.read(BENCHMARK_SCORES)
    for (board,), group in snapshots.group_by("board", maintain_order=True):
        benchmarks = scores.filter(pl.col("board") == board)["benchmark"].unique(maintain_order=True).to_list()
        yield frontier.wide_entries(entries, scores, group["snapshot_id"].to_list()), benchmarks


def fronts(lake: Lake) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Entries that no other of the same snapshot and segment beats; and what beats each of the others."""
    members: list[pl.DataFrame] = []
    beaten: list[pl.DataFrame] = []
    for wide, benchmarks in _boards(lake):
        members += [frontier.fronts(wide, objectives) for objectives in frontier.objective_sets(benchmarks)]
        beaten += [frontier.dominated(wide, frontier.Objectives(frontier.AVERAGE, (cost,))) for cost in frontier.COSTS]
    return _rows(tables.PARETO_FRONT, members), _rows(tables.DOMINATED_BY, beaten)


def histories(lake: Lake) -> tuple[pl.DataFrame, pl.DataFrame]:
    """How the fronts of each snapshot moved over submission dates, and how much they covered."""
    intervals: list[pl.DataFrame] = []
    areas: list[pl.DataFrame] = []
    for wide, benchmarks in _boards(lake):
        for objectives in frontier.objective_sets(benchmarks):
            if len(objectives.costs) > 1:
                continue
            history, area = frontier.histories(wide, objectives)
            if area.height:
                intervals.append(history)
                areas.append(area)
    return _rows(tables.PARETO_FRONT_HISTORY, intervals), _rows(tables.PARETO_HYPERVOLUME, areas)


def _rows(table: Table, frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([table.empty(), *(frame.select(table.column_names) for frame in frames)])
