"""From entries and scores of the lake to rows of the front tables, snapshot by snapshot; each is made once."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial

import polars as pl

from analytics.fronts import frontier
from pipelines.lib.by_snapshot import Rows, Snapshots, Wanted, not_made, write_parts
from warehouse.contracts import Table
from warehouse.contracts import frontier as tables
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, SNAPSHOTS
from warehouse.lake import Lake

INPUTS = (SNAPSHOTS, LEADERBOARD_ENTRIES, BENCHMARK_SCORES)
FRONTS = (tables.PARETO_FRONT, tables.DOMINATED_BY)
HISTORIES = (tables.PARETO_FRONT_HISTORY, tables.PARETO_HYPERVOLUME)
_AT_ONCE = 16
"""Snapshots that are made together: enough that calls do not cost more than the work, few enough for little memory."""
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
    made_from: dict[str, Hashable] = {}
    rows: dict[str, list[Rows]] = {}
    for (board,), group in snapshots.group_by("board", maintain_order=True):
        benchmarks = named.filter(pl.col("board") == board)["benchmark"].to_list()
        states = {name: (stored.made_from(name), benchmarks) for name in group["snapshot_id"]}
        new = not_made(lake, outputs, states)
        for start in range(0, len(new), _AT_ONCE):
            rows |= _rows(stored, new[start : start + _AT_ONCE], benchmarks, outputs, make)
        made_from |= states
    write_parts(lake, outputs, [Wanted(name, state, partial(rows.get, name)) for name, state in made_from.items()])


def _rows(
    stored: Snapshots, names: Sequence[str], benchmarks: list[str], outputs: Sequence[Table], make: _Make
) -> dict[str, list[Rows]]:
    """Rows of each output for each of the snapshots, which are made together: most of them are small."""
    entries, scores = (pl.concat(frames) for frames in zip(*(stored.rows(name) for name in names), strict=True))
    if entries.is_empty():
        return {name: [Rows(table.empty()) for table in outputs] for name in names}
    frames = make(_wide(entries, scores, benchmarks), benchmarks)
    by_name = [frame.partition_by("snapshot_id", as_dict=True, maintain_order=True) for frame in frames]
    return {
        name: [Rows(parts.get((name,), table.empty())) for table, parts in zip(outputs, by_name, strict=True)]
        for name in names
    }


def _wide(entries: pl.DataFrame, scores: pl.DataFrame, benchmarks: list[str]) -> pl.DataFrame:
    """Entries of snapshots of a board with all scores; a benchmark of the board that none of them has is null."""
    wide = frontier.wide_entries(entries, scores, entries["snapshot_id"].unique().to_list())
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
