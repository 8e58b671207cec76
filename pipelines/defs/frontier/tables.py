"""From entries and scores of the lake to rows of the front tables, snapshot by snapshot; each is made once."""

from collections.abc import Iterator
from functools import partial

import polars as pl

from analytics.fronts import frontier
from pipelines.lib.kept import Kept, by_snapshot
from pipelines.runs.fingerprint import code
from warehouse.contracts import Table
from warehouse.contracts import frontier as tables
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, SNAPSHOTS
from warehouse.lake import Lake

INPUTS = (SNAPSHOTS, LEADERBOARD_ENTRIES, BENCHMARK_SCORES)


def _snapshots(lake: Lake) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, list[str]]]:
    """Per snapshot: its entries, their scores, and the benchmarks of its board. Single runs have no front."""
    snapshots = lake.read(SNAPSHOTS).filter(pl.col("coverage") != "run")
    entries, scores = lake.read(LEADERBOARD_ENTRIES), lake.read(BENCHMARK_SCORES)
    entries_of, scores_of = by_snapshot(entries), by_snapshot(scores)
    for (board,), group in snapshots.group_by("board", maintain_order=True):
        benchmarks = scores.filter(pl.col("board") == board)["benchmark"].unique(maintain_order=True).to_list()
        for identity in group["snapshot_id"]:
            if identity in entries_of:
                yield entries_of[identity], scores_of.get(identity, scores.clear()), benchmarks


def _wide(entries: pl.DataFrame, scores: pl.DataFrame, benchmarks: list[str]) -> pl.DataFrame:
    """Entries of one snapshot with all scores; a benchmark of its board that it has not is null."""
    wide = frontier.wide_entries(entries, scores, entries["snapshot_id"].head(1).to_list())
    named = [name for each in benchmarks for name in (each, f"{each} standard_error")]
    return wide.with_columns(pl.lit(None, pl.Float64).alias(name) for name in named if name not in wide.columns)


def fronts(lake: Lake) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Entries that no other of the same snapshot and segment beats; and what beats each of the others."""
    with Kept(lake, "fronts", code()) as kept:
        made = [kept.frames(of[2], of[:2], partial(_fronts, *of)) for of in _snapshots(lake)]
    return _rows(tables.PARETO_FRONT, made, "members"), _rows(tables.DOMINATED_BY, made, "beaten")


def _fronts(entries: pl.DataFrame, scores: pl.DataFrame, benchmarks: list[str]) -> dict[str, pl.DataFrame]:
    wide = _wide(entries, scores, benchmarks)
    members = [frontier.fronts(wide, objectives) for objectives in frontier.objective_sets(benchmarks)]
    beaten = [frontier.dominated(wide, frontier.Objectives(frontier.AVERAGE, (cost,))) for cost in frontier.COSTS]
    return {"members": _joined(tables.PARETO_FRONT, members), "beaten": _joined(tables.DOMINATED_BY, beaten)}


def histories(lake: Lake) -> tuple[pl.DataFrame, pl.DataFrame]:
    """How the fronts of each snapshot moved over submission dates, and how much they covered."""
    with Kept(lake, "front_histories", code()) as kept:
        made = [kept.frames(of[2], of[:2], partial(_histories, *of)) for of in _snapshots(lake)]
    return _rows(tables.PARETO_FRONT_HISTORY, made, "intervals"), _rows(tables.PARETO_HYPERVOLUME, made, "areas")


def _histories(entries: pl.DataFrame, scores: pl.DataFrame, benchmarks: list[str]) -> dict[str, pl.DataFrame]:
    wide = _wide(entries, scores, benchmarks)
    intervals: list[pl.DataFrame] = []
    areas: list[pl.DataFrame] = []
    for objectives in frontier.objective_sets(benchmarks):
        if len(objectives.costs) > 1:
            continue
        history, area = frontier.histories(wide, objectives)
        if area.height:
            intervals.append(history)
            areas.append(area)
    return {
        "intervals": _joined(tables.PARETO_FRONT_HISTORY, intervals),
        "areas": _joined(tables.PARETO_HYPERVOLUME, areas),
    }


def _joined(table: Table, frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([table.empty(), *(frame.select(table.column_names) for frame in frames)])


def _rows(table: Table, made: list[dict[str, pl.DataFrame]], name: str) -> pl.DataFrame:
    return _joined(table, [frames[name] for frames in made])
