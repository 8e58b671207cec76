"""Tables that are made in SQL: one file each, over the lake, knowing only the inputs that were named."""

import datetime as dt
import re
from importlib import resources

import duckdb
import polars as pl
import pytest

from warehouse.contracts import BY_RELATION
from warehouse.contracts.frontier import REVISION_SUMMARY, SCORE_REVISIONS
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, LEADERBOARD_ENTRIES, SNAPSHOTS
from warehouse.contracts.table import Table
from warehouse.derive import derive
from warehouse.lake import Lake, MissingTable

INPUTS = (SNAPSHOTS, LEADERBOARD_ENTRIES, BENCHMARK_SCORES)


def filled(table: Table, rows: list[dict[str, object]]) -> pl.DataFrame:
    """Rows of the table with required columns that were not given set to something."""
    something = {pl.String: "x", pl.Int64: 1, pl.Float64: 0.0, pl.Date: dt.date(2024, 1, 1), pl.Boolean: True}
    plain = {
        column.name: something.get(column.dtype, dt.datetime(2024, 1, 1, tzinfo=dt.UTC))  # type: ignore[call-overload]
        for column in table.columns
        if column.required
    }
    return pl.DataFrame([{**plain, **row} for row in rows], schema=table.polars_schema)


def snapshots(lake: Lake, *rows: tuple[int, float, dict[str, float]], coverage: str = "full") -> None:
    """Snapshots on a day of January 2024 with a score resolution and averages by entry."""
    keys = [(f"s{day}", dt.date(2024, 1, day)) for day, _, _ in rows]
    lake.write(
        SNAPSHOTS,
        filled(
            SNAPSHOTS,
            [
                {"snapshot_id": name, "as_of_date": day, "coverage": coverage, "score_resolution": resolution}
                for (name, day), (_, resolution, _) in zip(keys, rows, strict=True)
            ],
        ),
    )
    entries = [
        {"snapshot_id": name, "as_of_date": day, "entry_id": entry, "model_id": entry, "average": average}
        for (name, day), (_, _, averages) in zip(keys, rows, strict=True)
        for entry, average in averages.items()
    ]
    lake.write(LEADERBOARD_ENTRIES, filled(LEADERBOARD_ENTRIES, entries))
    lake.write(BENCHMARK_SCORES, BENCHMARK_SCORES.empty())


def revisions(lake: Lake) -> list[tuple[object, ...]]:
    derived = derive(lake, SCORE_REVISIONS, INPUTS)
    return sorted(derived.select(pl.col("to_date").dt.day(), "entry_id", "change", "difference").rows(), key=str)


def test_every_sql_file_is_a_table_with_a_contract() -> None:
    folder = resources.files("warehouse").joinpath("sql")
    files = {
        f"{schema.name}.{file.name.removesuffix('.sql')}" for schema in folder.iterdir() for file in schema.iterdir()
    }
    assert files <= BY_RELATION.keys()
    assert {"marts.score_revisions", "marts.revision_summary"} <= files


def test_revisions_are_between_consecutive_snapshots_and_nowhere_else(lake: Lake) -> None:
    snapshots(
        lake, (1, 0, {"a": 10.0, "b": 20.0}), (2, 0, {"a": 12.5, "b": 20.0, "c": 1.0}), (3, 0, {"a": 10.0, "c": 1.0})
    )
    assert revisions(lake) == [
        (2, "a", "changed", 2.5),
        (2, "c", "added", None),
        (3, "a", "changed", -2.5),
        (3, "b", "removed", None),
    ]
    lake.write(SCORE_REVISIONS, derive(lake, SCORE_REVISIONS, INPUTS))
    summary = derive(lake, REVISION_SUMMARY, (SNAPSHOTS, LEADERBOARD_ENTRIES, SCORE_REVISIONS))
    rows = summary.sort("to_date", "measure").select("measure", "common", "added", "removed", "changed").rows()
    assert rows == [("average", 2, 0, 0, 1), ("entry", 2, 1, 0, 0), ("average", 2, 0, 0, 1), ("entry", 2, 0, 1, 0)]


def test_the_last_bit_of_a_double_and_a_digit_that_an_export_drops_are_no_revisions(lake: Lake) -> None:
    full = 63.39124834497326
    snapshots(
        lake, (1, 0, {"a": full, "b": full}), (2, 0.01, {"a": 63.39, "b": 63.41}), (3, 0.01, {"a": 63.39, "b": 63.42})
    )
    assert revisions(lake) == [(2, "b", "changed", 63.41 - full), (3, "b", "changed", 63.42 - 63.41)]
    snapshots(lake, (1, 0, {"a": full}), (2, 0, {"a": full + 1e-13}))
    assert revisions(lake) == []


@pytest.mark.parametrize("coverage", ["top_n", "reference", "run"])
def test_snapshots_that_do_not_hold_the_whole_board_revise_nothing(lake: Lake, coverage: str) -> None:
    snapshots(lake, (1, 0, {"a": 10.0, "b": 20.0}), (2, 0, {"a": 12.5}), coverage=coverage)
    assert revisions(lake) == []


def test_snapshots_without_an_entry_in_common_are_not_revisions_of_each_other(lake: Lake) -> None:
    snapshots(lake, (1, 0, {"a": 10.0}), (2, 0, {"renamed a": 10.0}))
    assert revisions(lake) == []


def test_an_input_that_was_not_named_is_unknown_and_one_that_was_not_written_is_missing(lake: Lake) -> None:
    with pytest.raises(MissingTable, match=rf"{re.escape(SNAPSHOTS.relation)} is not in"):
        derive(lake, SCORE_REVISIONS, INPUTS)
    snapshots(lake, (1, 0, {"a": 10.0}))
    with pytest.raises(duckdb.CatalogException, match="benchmark_scores"):
        derive(lake, SCORE_REVISIONS, INPUTS[:2])
