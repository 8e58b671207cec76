"""Connections to DuckDB, in one place: quiet, whoever calls."""

from pathlib import Path
from typing import Any

import duckdb


def connect(path: Path | str = ":memory:", *, read_only: bool = False, **config: Any) -> duckdb.DuckDBPyConnection:
    """A connection that prints nothing.

    Args:
        path: The file; by default a database in memory.
        read_only: Whether nothing may be changed.
        config: DuckDB's own settings, such as `memory_limit`.

    Raises:
        duckdb.Error: the file cannot be opened.
    """
    connection = duckdb.connect(str(path), read_only=read_only, config=config)
    # Where DuckDB takes the process for interactive, as under `python -c`, its bar is written into what is printed.
    connection.execute("SET enable_progress_bar = false")
    return connection


def literal(text: str) -> str:
    """A text as it stands in SQL."""
    return "'" + text.replace("'", "''") + "'"
