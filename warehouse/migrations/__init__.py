"""Numbered SQL for what is not derived: each file runs once per database, in one transaction, recorded."""

import hashlib
from importlib import resources

import duckdb


class ChangedMigration(RuntimeError):
    """A migration that a database has run no longer reads as it did."""


def migrate(connection: duckdb.DuckDBPyConnection, series: str) -> list[str]:
    """Run the migrations of the series that the database has not run, in order; return their names.

    Raises:
        ChangedMigration: the text of one already run has changed since.
    """
    connection.execute("CREATE SCHEMA IF NOT EXISTS meta")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS meta.migrations"
        " (name VARCHAR PRIMARY KEY, sha256 VARCHAR NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())"
    )
    applied = dict(connection.sql("SELECT name, sha256 FROM meta.migrations").fetchall())
    ran: list[str] = []
    files = (f for f in resources.files(__name__).iterdir() if f.name.endswith(f"_{series}.sql"))
    for file in sorted(files, key=lambda f: f.name):
        text = file.read_text("utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        if file.name in applied:
            if applied[file.name] != digest:
                raise ChangedMigration(f"{file.name} was changed after it ran; add a new migration instead.")
            continue
        connection.execute("BEGIN")
        try:
            connection.execute(text)
            connection.execute("INSERT INTO meta.migrations (name, sha256) VALUES (?, ?)", [file.name, digest])
        except duckdb.Error:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        ran.append(file.name)
    return ran
