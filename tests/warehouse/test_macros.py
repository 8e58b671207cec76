"""Functions for people who write SQL say the same as the code that made the tables."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics.fronts.objectives import Direction, usable
from analytics.fronts.pareto import pareto_front
from analytics.identity.models import BITS_PER_WEIGHT
from warehouse.publish import current

values = (
    st.sampled_from([None, float("nan"), float("inf"), float("-inf"), -1.0, 0.0, 0.5, 1.0, 2.0, 1e300]) | st.floats()
)


@pytest.fixture(scope="module")
def connection(bundled_home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(current(bundled_home / "published").path), read_only=True) as opened:
        yield opened


@given(st.lists(st.tuples(values, values), max_size=25))
@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_front_in_sql_is_the_front_in_python(
    connection: duckdb.DuckDBPyConnection, rows: list[tuple[float | None, float | None]]
) -> None:
    points = pl.DataFrame(rows, schema={"cost": pl.Float64, "score": pl.Float64}, orient="row").with_row_index("id")
    objectives = {"cost": Direction.MINIMISE, "score": Direction.MAXIMISE}
    connection.register("points", points)
    in_sql = connection.sql("FROM pareto_front('points', cost, score)").pl()
    assert in_sql.columns == points.columns
    assert sorted(in_sql["id"]) == sorted(pareto_front(usable(points, objectives)[0], objectives)["id"])


def test_the_front_in_sql_takes_expressions_and_any_published_table(connection: duckdb.DuckDBPyConnection) -> None:
    plain = connection.sql(
        "SELECT entry_id FROM pareto_front('core.leaderboard_entries', size_gib, average)"
    ).fetchall()
    scaled = connection.sql(
        "SELECT entry_id FROM pareto_front('core.leaderboard_entries', size_gib * 1024, 100 - error_pct)"
    ).fetchall()
    assert len(plain) > 3
    assert len(scaled) > 3


def test_every_published_front_is_had_back_from_the_entries_in_sql(connection: duckdb.DuckDBPyConnection) -> None:
    fronts = connection.sql(
        "SELECT snapshot_id, list_sort(list(entry_id)) FROM marts.pareto_front"
        " WHERE objectives = 'average_vs_size_gib' AND segment_by = 'all' GROUP BY ALL"
    ).fetchall()
    assert fronts
    for snapshot, members in fronts:
        of_one = "FROM core.leaderboard_entries WHERE snapshot_id = $snapshot"
        connection.register("one_snapshot", connection.sql(of_one, params={"snapshot": snapshot}).pl())
        front = connection.sql("SELECT entry_id FROM pareto_front('one_snapshot', size_gib, average)").fetchall()
        assert sorted(name for (name,) in front) == members


def test_weights_in_memory_are_parameters_times_bits_in_gib(connection: duckdb.DuckDBPyConnection) -> None:
    assert connection.sql("SELECT weights_gib(7e9, 16), error_pct(72.5)").fetchall() == [(7e9 * 2 / 2**30, 27.5)]


def test_bits_per_weight_are_those_that_sizes_were_computed_with(connection: duckdb.DuckDBPyConnection) -> None:
    for number_format, bits in BITS_PER_WEIGHT.items():
        assert connection.execute("SELECT bits_per_weight(?)", [number_format]).fetchall() == [(bits,)]
    assert connection.sql("SELECT bits_per_weight('fp6')").fetchall() == [(None,)]


def test_the_front_of_a_day_is_who_had_entered_and_not_yet_left(connection: duckdb.DuckDBPyConnection) -> None:
    day = dt.date(2024, 9, 1)
    sql = "SELECT count(*), max(entered_on), min(left_on) FROM front_on(?)"
    ((members, entered, left),) = connection.execute(sql, [day]).fetchall()
    assert members > 0
    assert entered <= day
    assert left is None or left > day
    assert connection.sql("SELECT count(*) FROM front_on(DATE '2020-01-01')").fetchall() == [(0,)]
