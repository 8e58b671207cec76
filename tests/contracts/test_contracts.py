"""Every table, as it stands in the lake and in the published database, is what its contract promises."""

import re
from pathlib import Path

import duckdb
import polars as pl
import pytest

from warehouse.contracts import BY_RELATION, TABLES, VIEWS, Column, ContractBroken, Table
from warehouse.contracts.violations import violations
from warehouse.lake import Lake
from warehouse.publish import current

# Unit → how names of columns in that unit may end; a unit in the name needs no second look at the dictionary.
ENDINGS = {"GiB": ("_gib",), "bytes": ("_bytes",), "kg": ("_kg",), "h": ("_hours", "_repeated_per_task"), "s": ("_s",)}

PLANE = Table(
    "core.plane",
    "Points.",
    (
        Column("name", pl.String, "Name.", required=True),
        Column("size", pl.Float64, "Cost.", minimum=0, maximum=10),
        Column("kind", pl.String, "Vocabulary.", allowed=("a", "b")),
    ),
    ("name",),
    "test",
)


@pytest.mark.parametrize("table", [*TABLES, *VIEWS], ids=lambda table: table.relation)
def test_every_table_and_column_is_named_and_explained(table: Table) -> None:
    assert re.fullmatch(r"(raw|meta|core|marts)\.[a-z0-9_]+", table.relation)
    assert table.meaning.endswith(".")
    assert table.capability
    for column in table.columns:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", column.name)
        assert len(column.meaning) > 3
        assert column.name.endswith(ENDINGS.get(column.unit, ("",)))


def test_a_relation_belongs_to_one_table() -> None:
    assert len(BY_RELATION) == len(TABLES) + len(VIEWS)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([("x", 1.0, "a"), ("y", None, None)], {}),
        ([(None, 1.0, "a")], {"name is missing": 1}),
        ([("x", -0.1, "a"), ("y", 10.1, "b")], {"size below 0": 1, "size above 10": 1}),
        ([("x", float("nan"), "a"), ("y", float("inf"), "a")], {"size is not finite": 2, "size above 10": 2}),
        ([("x", 1.0, "c"), ("y", 1.0, "")], {"kind outside a, b": 2}),
        ([("x", 1.0, "a"), ("x", 2.0, "a"), ("x", 3.0, "a")], {"repeated name": 2}),
        ([], {}),
    ],
)
def test_what_breaks_a_contract_is_named_and_counted(rows: list[tuple[object, ...]], found: dict[str, int]) -> None:
    assert violations(PLANE, pl.DataFrame(rows, schema=PLANE.polars_schema, orient="row")) == found


def test_a_contract_that_names_a_column_twice_or_a_key_it_lacks_is_refused() -> None:
    column = Column("x", pl.Int64, "X.")
    with pytest.raises(ContractBroken, match=r"core\.bad names a column twice"):
        Table("core.bad", "Bad.", (column, column), (), "test")
    with pytest.raises(ContractBroken, match=r"key of core\.bad names no column of it: y"):
        Table("core.bad", "Bad.", (column,), ("y",), "test")


@pytest.mark.parametrize(
    "home", ["bundled_home", pytest.param("leaderboard_home", marks=[pytest.mark.data, pytest.mark.slow])]
)
def test_every_table_of_the_lake_keeps_its_contract(home: str, request: pytest.FixtureRequest) -> None:
    lake = Lake(request.getfixturevalue(home) / "lake")
    there = [table for table in TABLES if lake.has(table)]
    assert {"core.models", "marts.pareto_front", "marts.efficiency"} <= {table.relation for table in there}
    broken = {table.relation: violations(table, lake.read(table)) for table in there}
    assert {relation: found for relation, found in broken.items() if found} == {}
    assert all(lake.scan(table).collect_schema() == pl.Schema(table.polars_schema) for table in there)


def test_the_published_database_has_exactly_the_columns_of_the_contracts_and_their_meanings(bundled_home: Path) -> None:
    published = [*(table for table in TABLES if table.schema != "raw"), *VIEWS]
    with duckdb.connect(str(current(bundled_home / "published").path), read_only=True) as connection:
        for table in published:
            described = connection.sql(f"DESCRIBE {table.relation}").fetchall()
            assert [row[0] for row in described] == table.column_names
        uncommented = connection.sql(
            "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE NOT internal AND comment IS NULL"
            " UNION ALL SELECT schema_name || '.' || table_name || '.' || column_name FROM duckdb_columns()"
            " WHERE NOT internal AND comment IS NULL AND schema_name IN ('core', 'marts')"
        ).fetchall()
        assert uncommented == []
        dictionary = connection.sql("SELECT relation, column_name FROM meta.columns").fetchall()
        assert set(dictionary) == {(table.relation, column.name) for table in published for column in table.columns}
        described_tables = connection.sql("SELECT relation FROM meta.tables").fetchall()
        assert {relation for (relation,) in described_tables} == {table.relation for table in published}
