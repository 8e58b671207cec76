"""From entries and scores of the lake to rows of the front tables, snapshot by snapshot; each is made once."""

from collections.abc import Callable, Sequence
from functools import partial

import polars as pl

from analytics.fronts import frontier
from pipelines.lib.by_snapshot import Rows, Snapshots, Wanted, write_parts
from warehouse.contracts import Table
from warehouse.contracts import frontier as tables
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, SNAPSHOTS
from warehouse.lake import Lake

INPUTS = (SNAPSHOTS, LEADERBOARD_ENTRIES, BENCHMARK_SCORES)
FRONTS = (tables.PARETO_FRONT, tables.DOMINATED_BY)
HISTORIES = (tables.PARETO_FRONT_HISTORY, tables.PARETO_HYPERVOLUME)
_Make = Callable[[pl.DataFrame, list[str]], Sequence[pl.DataFrame]]


def write_fronts(lake: Lake) -> None:
    """Write the entries that no other of the same snapshot and segment beats; and what beats each of the others."""
    _write(lake, FRONTS, _fronts)


def write_histories(lake: Lake) -> None:
    """Write how the fronts of each snapshot moved over submission dates, and how much they covered."""
    _write(lake, HISTORIES, _histories)


def _write(lake: Lake, outputs: Sequence[Table], make: _Make) -> None:
    """Write tables of every snapshot but single runs, which have no front."""
    snapshots = lake.read(SNAPSHOTS).filter(pl.col("coverage") != "run")
    stored = Snapshots(lake, (LEADERBOARD_ENTRIES, BENCHMARK_SCORES))
    named = lake.scan(BENCHMARK_SCORES).select("board", "benchmark").unique(maintain_order=True).collect()
    wanted = []
    for (board,), group in snapshots.group_by("board", maintain_order=True):
        benchmarks = named.filter(pl.col("board") == board)["benchmark"].to_list()
        wanted += [
            Wanted(name, (stored.made_from(name), benchmarks), partial(_rows, stored, name, benchmarks, outputs, make))
            for name in group["snapshot_id"]
        ]
    write_parts(lake, outputs, wanted)


def _rows(stored: Snapshots, name: str, benchmarks: list[str], outputs: Sequence[Table], make: _Make) -> list[Rows]:
    entries, scores = stored.rows(name)
    if entries.is_empty():
        return [Rows(table.empty()) for table in outputs]
    return [Rows(frame) for frame in make(_wide(entries, scores, benchmarks), benchmarks)]


def _wide(entries: pl.DataFrame, scores: pl.DataFrame, benchmarks: list[str]) -> pl.DataFrame:
    """Entries of one snapshot with all scores; a benchmark of its board that it has not is null."""
    wide = frontier.wide_entries(entries, scores, entries["snapshot_id"].head(1).to_list())
    columns = [name for each in benchmarks for name in (each, f"{each} standard_error")]
    return wide.with_columns(pl.lit(None, pl.Float64).alias(name) for name in columns if name not in wide.columns)


def _fronts(wide: pl.DataFrame, benchmarks: list[str]) -> Sequence[pl.DataFrame]:
    members = [frontier.fronts(wide, objectives) for objectives in frontier.objective_sets(benchmarks)]
    beaten = [frontier.dominated(wide, frontier.Objectives(frontier.AVERAGE, (cost,))) for cost in frontier.COSTS]
    return _joined(tables.PARETO_FRONT, members), _joined(tables.DOMINATED_BY, beaten)


def _histories(wide: pl.DataFrame, benchmarks: list[str]) -> Sequence[pl.DataFrame]:
    intervals: list[pl.DataFrame] = []
    areas: list[pl.DataFrame] = []
    for objectives in frontier.objective_sets(benchmarks):
        if len(objectives.costs) > 1:
            continue
        history, area = frontier.histories(wide, objectives)
        if area.height:
            intervals.append(history)
            areas.append(area)
    return _joined(tables.PARETO_FRONT_HISTORY, intervals), _joined(tables.PARETO_HYPERVOLUME, areas)


def _joined(table: Table, frames: list[pl.DataFrame]) -> pl.DataFrame:
    return pl.concat([table.empty(), *(frame.select(table.column_names) for frame in frames)])
