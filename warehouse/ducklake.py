"""The same release in a DuckLake: a catalogue (a file, or PostgreSQL) and Parquet on a disk or an object store.

For when the readers are on many machines. One transaction holds a whole release, so readers see the one before or
this one; the catalogue keeps the others as snapshots. `python -m warehouse.ducklake CATALOGUE DATA` publishes the lake
of the home. It needs DuckDB's extension `ducklake`, which is not a part of DuckDB.
"""

import sys
from collections.abc import Sequence

import duckdb

from warehouse import database
from warehouse.contracts import TABLES, VIEWS, Table
from warehouse.lake import Lake
from warehouse.publish import BrokenRelease, complete, load
from warehouse.settings import Settings

_CATALOGUE = "published"
# As the migrations of a file make them; a DuckLake has no keys.
_DICTIONARY = (
    "CREATE OR REPLACE TABLE meta.tables (relation VARCHAR, meaning VARCHAR, key VARCHAR[], capability VARCHAR)",
    (
        "CREATE OR REPLACE TABLE meta.columns (relation VARCHAR, position INTEGER, column_name VARCHAR, "
        " meaning VARCHAR, unit VARCHAR, required BOOLEAN)"
    ),
)


class NoDuckLake(RuntimeError):
    """The extension, the catalogue or its store cannot be had; the message says which."""


def connect(
    catalogue: str, data: str, *, read_only: bool = False, extension: str = "ducklake"
) -> duckdb.DuckDBPyConnection:
    """A connection whose tables are those of the DuckLake.

    Args:
        catalogue: File of the catalogue, or `postgres:…` as DuckLake takes it.
        data: Folder or address of its Parquet files.
        read_only: Whether nothing may be written.
        extension: Name or file of the extension.

    Raises:
        NoDuckLake: this DuckDB has no such extension, or the catalogue cannot be opened.
    """
    connection = database.connect()
    try:
        connection.load_extension(extension)
    except duckdb.Error as error:
        connection.close()
        raise NoDuckLake(
            f"DuckDB {duckdb.__version__} has no extension `ducklake` here; where its own repository can be reached,"
            f" `INSTALL ducklake` brings it ({' '.join(str(error).split())[:200]})"
        ) from error
    mode = ", READ_ONLY" if read_only else ""
    try:
        connection.execute(
            f"ATTACH '{_quoted(f'ducklake:{catalogue}')}' AS {_CATALOGUE} (DATA_PATH '{_quoted(data)}'{mode})"
        )
        connection.execute(f"USE {_CATALOGUE}")
    except duckdb.Error as error:
        connection.close()
        raise NoDuckLake(f"The DuckLake {catalogue} cannot be opened: {error}") from error
    return connection


def publish(
    connection: duckdb.DuckDBPyConnection, lake: Lake, tables: Sequence[Table], views: Sequence[Table] = ()
) -> int:
    """Replace every table and view of the DuckLake by those of the lake at once; the number of the snapshot.

    Raises:
        BrokenRelease: a table differs from the lake; nothing has changed.
    """
    published = [table for table in tables if table.schema != "raw"]
    connection.execute("BEGIN")
    try:
        for schema in sorted({"meta", *(table.schema for table in (*published, *views))}):
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for view in views:
            connection.execute(f"DROP VIEW IF EXISTS {view.relation}")
        for table in published:
            connection.execute(f"DROP TABLE IF EXISTS {table.relation}")
        for statement in _DICTIONARY:
            connection.execute(statement)
        load(connection, lake, published)
        complete(connection, lake, published, views, view_columns=False)
    except (duckdb.Error, BrokenRelease):
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    ((snapshot,),) = connection.sql(f"SELECT max(snapshot_id) FROM {_CATALOGUE}.snapshots()").fetchall()
    return int(snapshot)


def _quoted(text: str) -> str:
    return text.replace("'", "''")


def main(catalogue: str, data: str) -> None:
    """Publish the lake of the home."""
    with connect(catalogue, data) as connection:
        print(f"snapshot {publish(connection, Settings().lake, TABLES, VIEWS)}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except NoDuckLake as error:
        sys.exit(str(error))
