"""Connections for those who read: one read-only connection per process that follows the published release."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import duckdb
import polars as pl

from warehouse.database import connect
from warehouse.publish import POINTER, NotPublished, Release, current

_ATTEMPTS = 5
T = TypeVar("T")


class Reader:
    """Reads the current release of a published folder, from any thread.

    A new release is noticed at the next query; a query that has begun ends on the release it began on.
    """

    def __init__(self, published: Path) -> None:
        self._folder = published
        self._lock = threading.Lock()
        self._pointed_at: tuple[tuple[int, int], Release] | None = None
        self._release: Release | None = None
        self._connection: duckdb.DuckDBPyConnection | None = None

    def release(self) -> Release:
        """The release that a query would now read.

        Raises:
            NotPublished: nothing is published.
        """
        try:
            pointer = (self._folder / POINTER).stat()
        except OSError:
            return current(self._folder)
        # The pointer is never written to: another takes its place.
        state, pointed = (pointer.st_ino, pointer.st_mtime_ns), self._pointed_at
        if pointed is None or pointed[0] != state or not pointed[1].path.exists():
            self._pointed_at = pointed = state, current(self._folder)
        return pointed[1]

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> pl.DataFrame:
        """Whole result of one query with named parameters (`$name`).

        Raises:
            NotPublished: nothing is published.
            duckdb.Error: the query is wrong.
        """
        with self._cursor() as cursor:
            frame: pl.DataFrame = cursor.sql(sql, params=dict(parameters or {})).pl()
            return frame

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            for attempt in range(_ATTEMPTS):
                release = self.release()
                if self._connection is not None and self._release is not None and self._release.path == release.path:
                    break
                try:
                    # The connection before is not closed here: cursors of it may still be reading.
                    self._connection = connect(release.path, read_only=True)
                    self._release = release
                    break
                except duckdb.IOException:
                    # Swept between reading the pointer and opening the file: the pointer names a newer one by now.
                    if attempt + 1 == _ATTEMPTS:
                        raise
            if self._connection is None:
                raise NotPublished(f"No warehouse is published in {self._folder}; run `skyline refresh` first.")
            return self._connection.cursor()


class PerRelease(Generic[T]):
    """A value made from the tables of a release: made when first asked for, and again when the release changes."""

    def __init__(self, reader: Reader, make: Callable[[Callable[[str], pl.DataFrame]], T]) -> None:
        """Take the recipe.

        Args:
            reader: Of the published folder.
            make: Gets a function that reads a whole table by its full name.
        """
        self._reader, self._make = reader, make
        self._lock = threading.Lock()
        self._made: tuple[str, T] | None = None

    def __call__(self) -> T:
        """The value of the release that is read now.

        Raises:
            NotPublished: nothing is published.
        """
        name = self._reader.release().path.name
        with self._lock:
            if self._made is None or self._made[0] != name:
                self._made = name, self._make(lambda table: self._reader.query(f"FROM {table}"))
            return self._made[1]
