"""Numbered SQL runs once per database, in order, whole or not at all, and may not be rewritten."""

from pathlib import Path

import duckdb
import pytest

from warehouse import migrations
from warehouse.migrations import ChangedMigration, migrate


@pytest.fixture
def series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of migrations of our own, read in place of the shipped ones."""
    monkeypatch.setattr(migrations.resources, "files", lambda _: tmp_path)
    (tmp_path / "0002_test.sql").write_text("INSERT INTO kept VALUES (2)")
    (tmp_path / "0001_test.sql").write_text("CREATE TABLE kept (x INTEGER); INSERT INTO kept VALUES (1)")
    (tmp_path / "0001_other.sql").write_text("CREATE TABLE other (x INTEGER)")
    return tmp_path


def test_the_shipped_migrations_build_an_empty_database_once() -> None:
    with duckdb.connect(":memory:") as connection:
        assert migrate(connection, "warehouse") == ["0001_warehouse.sql", "0002_warehouse.sql"]
        assert migrate(connection, "warehouse") == []


def test_migrations_of_a_series_run_in_order_and_once(series: Path) -> None:
    with duckdb.connect(":memory:") as connection:
        assert migrate(connection, "test") == ["0001_test.sql", "0002_test.sql"]
        (series / "0003_test.sql").write_text("INSERT INTO kept VALUES (3)")
        assert migrate(connection, "test") == ["0003_test.sql"]
        assert connection.sql("FROM kept ORDER BY x").fetchall() == [(1,), (2,), (3,)]
        with pytest.raises(duckdb.CatalogException):
            connection.sql("FROM other")


def test_a_migration_that_was_changed_after_it_ran_is_refused(series: Path) -> None:
    with duckdb.connect(":memory:") as connection:
        migrate(connection, "test")
        (series / "0002_test.sql").write_text("INSERT INTO kept VALUES (22)")
        with pytest.raises(ChangedMigration, match=r"0002_test\.sql was changed after it ran; add a new migration"):
            migrate(connection, "test")


def test_a_migration_that_fails_leaves_nothing_of_itself_and_runs_once_it_is_mended(series: Path) -> None:
    with duckdb.connect(":memory:") as connection:
        (series / "0002_test.sql").write_text("INSERT INTO kept VALUES (2); INSERT INTO nowhere VALUES (1)")
        with pytest.raises(duckdb.CatalogException, match="nowhere"):
            migrate(connection, "test")
        assert connection.sql("FROM kept").fetchall() == [(1,)]
        (series / "0002_test.sql").write_text("INSERT INTO kept VALUES (2)")
        assert migrate(connection, "test") == ["0002_test.sql"]
