"""A published release with rows of one reader's own among those of its tables; nothing is written anywhere."""

import threading
from collections.abc import Mapping
from typing import Any

import duckdb
import polars as pl

from warehouse.database import connect, literal
from warehouse.publish import Release
from warehouse.reader import Reader

_MEMORY = "256MB"
_PUBLISHED, _OWN = "published", "own_rows"


class Overlaid:
    """Answers queries as a `Reader` does, on views that append the reader's own rows to the published tables."""

    def __init__(self, reader: Reader, rows: Mapping[str, pl.DataFrame]) -> None:
        """Take the rows.

        Args:
            reader: Of the published folder.
            rows: Rows by the full name of their table, in its columns.
        """
        self._reader, self._rows = reader, dict(rows)
        self._lock = threading.Lock()
        self._made: tuple[Release, duckdb.DuckDBPyConnection] | None = None

    def touches(self, sql: str) -> bool:
        """Whether a query names a table that has rows of the reader's own."""
        return any(table in sql for table in self._rows)

    def release(self) -> Release:
        """The release that a query would now read.

        Raises:
            NotPublished: nothing is published.
        """
        return self._reader.release()

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Whole result of one query with named parameters (`$name`).

        Raises:
            NotPublished: nothing is published.
            duckdb.Error: the query is wrong.
        """
        with self._lock:
            release = self.release()
            if self._made is None or self._made[0].path != release.path:
                self._made = release, self._connected(release)
            cursor = self._made[1].cursor()
        with cursor:
            frame: pl.DataFrame = cursor.sql(sql, params=dict(parameters or {})).pl()
            return frame

    def _connected(self, release: Release) -> duckdb.DuckDBPyConnection:
        connection = connect(memory_limit=_MEMORY, threads=1)
        connection.execute(f"ATTACH {literal(str(release.path))} AS {_PUBLISHED} (READ_ONLY)")
        connection.execute(f"CREATE SCHEMA {_OWN}")
        there = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = $1 UNION ALL"
            " SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = $1 AND NOT internal",
            [_PUBLISHED],
        ).fetchall()
        for schema in dict.fromkeys(schema for schema, _ in there):
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        for schema, name in there:
            relation = f'"{schema}"."{name}"'
            union = ""
            if (rows := self._rows.get(f"{schema}.{name}")) is not None:
                own = f'{_OWN}."{schema}_{name}"'
                connection.register("arriving", rows)
                connection.execute(f"CREATE TABLE {own} AS FROM arriving")
                connection.unregister("arriving")
                union = f" UNION ALL BY NAME FROM {own}"
            connection.execute(f"CREATE VIEW {relation} AS FROM {_PUBLISHED}.{relation}{union}")
        return connection

    def close(self) -> None:
        """Give everything back."""
        with self._lock:
            if self._made is not None:
                self._made[1].close()
                self._made = None
            self._rows.clear()
