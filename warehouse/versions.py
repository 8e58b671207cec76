"""Published versions: which there are, whether they are whole, and going back to one."""

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.database import connect
from warehouse.files import write_text
from warehouse.publish import POINTER, NotPublished, Release, current, flip_link, releases

ROLLED_BACK = "rolled back"


class NoSuchVersion(LookupError):
    """A version was named that is not kept."""


@dataclass(frozen=True)
class Version:
    """One kept release.

    Attributes:
        release: Its file and when it was published.
        size_bytes: Of the file.
        is_current: Whether readers open it.
        fault: Why it cannot be read; None where it is whole, or was not examined.
    """

    release: Release
    size_bytes: int
    is_current: bool
    fault: str | None = None


def versions(folder: Path, *, examine: bool = False) -> list[Version]:
    """Kept releases, newest first.

    Args:
        folder: Where releases live.
        examine: Whether every value of each is read.
    """
    try:
        read = current(folder).path
    except NotPublished:
        read = None
    found = [Release(path, "") for path in releases(folder)]
    return [
        Version(one, one.path.stat().st_size, one.path == read, fault(one.path) if examine else None) for one in found
    ]


def fault(database: Path, *, thorough: bool = True) -> str | None:
    """Why the database cannot be read, or None.

    Args:
        database: The file.
        thorough: Whether every value is read, so that DuckDB compares the checksum of every block; else the dictionary.
    """
    try:
        with connect(database, read_only=True) as connection:
            tables = [str(name) for (name,) in connection.sql("SELECT relation FROM meta.tables").fetchall()]
            for table in tables if thorough else []:
                connection.sql(f"SELECT max(hash(t)) FROM {table} AS t").fetchall()
    except (duckdb.Error, OSError) as error:
        return " ".join(str(error).split())
    return None


def rollback(folder: Path, name: str | None = None) -> Release:
    """Make an older release current again, until the next is published.

    Args:
        folder: Where releases live.
        name: File name of the release; None: the newest before the current one.

    Raises:
        NoSuchVersion: it is not kept, cannot be read, or there is none before.
        NotPublished: nothing is published.
    """
    kept = releases(folder)
    if name is None:
        read = current(folder).path
        chosen = next(iter(kept[kept.index(read) + 1 :]), None) if read in kept else None
    else:
        chosen = next((path for path in kept if path.name == name), None)
    if chosen is None:
        names = ", ".join(path.name for path in kept) or "none"
        raise NoSuchVersion(f"There is no {name or 'version before the current one'}; kept are: {names}.")
    if reason := fault(chosen):
        raise NoSuchVersion(f"{chosen.name} cannot be read ({reason}); the current version stays.")
    # No state of sources and code has this fingerprint, so the next refresh publishes anew.
    write_text(folder / POINTER, json.dumps({"file": chosen.name, "fingerprint": ROLLED_BACK}))
    flip_link(folder, chosen)
    return Release(chosen, ROLLED_BACK)
