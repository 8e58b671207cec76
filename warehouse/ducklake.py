"""The same release in a DuckLake: a catalogue (a file, or PostgreSQL) and Parquet on a disk or an object store.

For when the readers are on many machines. One transaction holds a whole release, so readers see the one before or
this one; the catalogue keeps the others as snapshots. Needs DuckDB's extensions `ducklake`, `postgres` for a catalogue
in PostgreSQL, and `httpfs` for an object store. Where the DuckDB of Skyline has none of them, another Python publishes:
`python -m warehouse.ducklake CATALOGUE DATA` publishes the lake of the home, and imports nothing but this room.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from importlib import util
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from warehouse import database
from warehouse.contracts import TABLES, VIEWS, Table
from warehouse.database import literal
from warehouse.lake import Lake
from warehouse.publish import BrokenRelease, complete, load
from warehouse.settings import Settings

_CATALOGUE = "published"
_POSTGRES = "postgres:"
# Name of the extension → module of the wheel that brings it, where it is installed.
_WHEELS = {
    "ducklake": "duckdb_extension_ducklake",
    "httpfs": "duckdb_extension_httpfs",
    "postgres": "duckdb_extension_postgres_scanner",
}
_PATIENCE_S = 900.0
_ASK_EVERY_S = 0.5
# As `schema.sql` makes them in a file; a DuckLake has no keys.
_DICTIONARY = (
    "CREATE OR REPLACE TABLE meta.tables (relation VARCHAR, meaning VARCHAR, key VARCHAR[], capability VARCHAR)",
    (
        "CREATE OR REPLACE TABLE meta.columns (relation VARCHAR, position INTEGER, column_name VARCHAR, "
        " meaning VARCHAR, unit VARCHAR, required BOOLEAN)"
    ),
)


class NoDuckLake(RuntimeError):
    """The extension, the catalogue or its store cannot be had; the message says which."""


class DuckLakeBusy(RuntimeError):
    """Somebody else, here or on another machine, is publishing to the DuckLake."""


def connect(
    catalogue: str, data: str, *, read_only: bool = False, extension: str | None = None
) -> duckdb.DuckDBPyConnection:
    """A connection whose tables are those of the DuckLake.

    An object store is reached as S3's own clients do, by `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`
    and, for another store than Amazon's, `AWS_ENDPOINT_URL`; PostgreSQL by `PGPASSWORD` and its other variables.

    Args:
        catalogue: File of the catalogue, or `postgres:…` as DuckLake takes it.
        data: Folder or address of its Parquet files.
        read_only: Whether nothing may be written.
        extension: File of the extension `ducklake`, where it is not to be looked for.

    Raises:
        NoDuckLake: this DuckDB has no such extension, or the catalogue cannot be opened.
    """
    connection = database.connect()
    try:
        if data.startswith("s3:"):
            _load(connection, "httpfs")
            connection.execute(_secret())
        if catalogue.startswith(_POSTGRES):
            _load(connection, "postgres")
        _load(connection, "ducklake", extension)
        mode = ", READ_ONLY" if read_only else ""
        connection.execute(
            f"ATTACH {literal(f'ducklake:{catalogue}')} AS {_CATALOGUE} (DATA_PATH {literal(data)}{mode})"
        )
        connection.execute(f"USE {_CATALOGUE}")
    except duckdb.Error as error:
        connection.close()
        raise NoDuckLake(f"The DuckLake {_without_password(catalogue)} cannot be opened: {_reason(error)}") from error
    except NoDuckLake:
        connection.close()
        raise
    return connection


def _load(connection: duckdb.DuckDBPyConnection, name: str, file: str | None = None) -> None:
    wheel = None if file else util.find_spec(_WHEELS[name])
    if wheel and wheel.origin:
        file = str(next(Path(wheel.origin).parent.rglob("*.duckdb_extension")))
    try:
        connection.load_extension(file or name)
    except duckdb.Error as error:
        raise NoDuckLake(
            f"DuckDB {duckdb.__version__} has no extension `{name}` here. Where its own repository can be reached,"
            f" `INSTALL {name}` brings it; else `make ducklake` makes a Python whose DuckDB has it, and"
            f" SKYLINE_DUCKLAKE_PYTHON names that. ({_reason(error)})"
        ) from error


def _secret() -> str:
    """How the object store is reached, in the words of DuckDB, from the variables of S3's own clients."""
    environment = os.environ
    words = {
        "KEY_ID": environment.get("AWS_ACCESS_KEY_ID"),
        "SECRET": environment.get("AWS_SECRET_ACCESS_KEY"),
        "SESSION_TOKEN": environment.get("AWS_SESSION_TOKEN"),
        "REGION": environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
    }
    options = [f"{name} {literal(value)}" for name, value in words.items() if value]
    if endpoint := environment.get("AWS_ENDPOINT_URL"):
        address = urlsplit(endpoint)
        # Stores beside Amazon's name a bucket in the path, not in the host.
        options += [
            f"ENDPOINT {literal(address.netloc)}", "URL_STYLE 'path'", f"USE_SSL {address.scheme == 'https'}"
        ]  # fmt: skip
    return f"CREATE SECRET ({', '.join(['TYPE s3', *options])})"


@contextlib.contextmanager
def only_publisher(catalogue: str, patience_s: float = _PATIENCE_S) -> Iterator[None]:
    """Be the one who publishes to a catalogue in PostgreSQL, whatever machine the others are on.

    The lock is PostgreSQL's and ends with the connection, so that a publisher who is killed keeps nobody out. A
    catalogue in a file is locked by DuckDB itself, which refuses a second one.

    Args:
        catalogue: As of `connect`.
        patience_s: How long to wait for another.

    Raises:
        DuckLakeBusy: another one is publishing still.
        NoDuckLake: the database cannot be reached.
    """
    if not catalogue.startswith(_POSTGRES):
        yield
        return
    with database.connect() as connection:
        _load(connection, "postgres")
        try:
            connection.execute(f"ATTACH {literal(catalogue.removeprefix(_POSTGRES))} AS lock (TYPE postgres)")
        except duckdb.Error as error:
            raise NoDuckLake(
                f"The catalogue {_without_password(catalogue)} cannot be reached: {_reason(error)}"
            ) from error
        until = time.monotonic() + patience_s
        while not _locked(connection):
            if time.monotonic() >= until:
                raise DuckLakeBusy(
                    f"Another publisher is writing to {_without_password(catalogue)}; wait until it has finished."
                )
            time.sleep(_ASK_EVERY_S)
        yield


def _locked(connection: duckdb.DuckDBPyConnection) -> bool:
    """Take the lock until the transaction ends, that is with the connection, or leave nothing behind."""
    number = int.from_bytes(hashlib.sha256(b"skyline ducklake").digest()[:7])
    connection.execute("BEGIN")
    ask = f"SELECT * FROM postgres_query('lock', 'SELECT pg_try_advisory_xact_lock({number})')"
    ((taken,),) = connection.sql(ask).fetchall()
    if not taken:
        connection.execute("ROLLBACK")
    return bool(taken)


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


def publish_elsewhere(settings: Settings) -> str | None:
    """Publish the lake of the home to the DuckLake of the settings, in a process of its own; None where there is none.

    Returns:
        What it said: the number of the snapshot.

    Raises:
        NoDuckLake: it could not be done; the message says why. Readers of the DuckLake keep the release before.
    """
    if settings.ducklake_catalogue is None:
        return None
    # The password that a catalogue may hold is not for the list of processes.
    variables = {
        "SKYLINE_HOME": str(settings.home), "SKYLINE_DUCKLAKE_DATA": settings.ducklake_data or "",
        "SKYLINE_DUCKLAKE_CATALOGUE": settings.ducklake_catalogue.get_secret_value(),
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
    }  # fmt: skip
    command = [str(settings.ducklake_python or sys.executable), "-m", "warehouse.ducklake"]
    done = subprocess.run(  # noqa: S603 - the operator's own Python
        command, env=os.environ | variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
        raise NoDuckLake(f"the DuckLake was not published: {reason}")
    return done.stdout.strip()


def _without_password(catalogue: str) -> str:
    """A catalogue without the password that may be in it."""
    return " ".join(word for word in catalogue.split() if not word.startswith("password="))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def main(arguments: Sequence[str]) -> None:
    """Publish the lake of the home; catalogue and data as given, or of the settings."""
    settings = Settings()
    of_settings = settings.ducklake_catalogue.get_secret_value() if settings.ducklake_catalogue else ""
    catalogue, data = arguments or (of_settings, settings.ducklake_data or "")
    if not catalogue or not data:
        raise NoDuckLake(
            "Name a catalogue and where its Parquet files are: python -m warehouse.ducklake CATALOGUE DATA"
        )
    with only_publisher(catalogue), connect(catalogue, data) as connection:
        print(f"snapshot {publish(connection, settings.lake, TABLES, VIEWS)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:3])
    except (NoDuckLake, DuckLakeBusy, BrokenRelease) as error:
        sys.exit(str(error))
