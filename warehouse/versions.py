"""Published versions: which there are, whether they are whole, and going back to one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.database import connect
from warehouse.files import NotReadable
from warehouse.publish import LINK, NotPublished, Release, current, flip_link, point_at, releases

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

    Raises:
        NotReadable: this user may not read them.
    """
    try:
        read = current(folder).path
    except NotReadable:
        raise
    except NotPublished:
        read = None
    all_releases = [Release(path, "") for path in releases(folder)]
    return [
        Version(release, release.path.stat().st_size, release.path == read, fault(release.path) if examine else None)
        for release in all_releases
    ]


def fault(database: Path, *, thorough: bool = True) -> str | None:
    """Why the database cannot be read, or None.

    Args:
        database: The file.
        thorough: Whether every value is read, so that DuckDB compares the checksum of every block; else the dictionary
            and one row of every table.
    """
    try:
        with connect(database, read_only=True) as connection:
            tables = [str(name) for (name,) in connection.execute("SELECT relation FROM meta.tables").fetchall()]
            stored = {
                f"{schema}.{name}"
                for schema, name in connection.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
            }
            for table in tables:
                # A view reads tables that are read themselves.
                if thorough:
                    connection.execute(f"SELECT max(hash(t)) FROM {table} AS t").fetchall()
                elif table in stored:
                    connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchall()
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
    existing = releases(folder)
    if name is None:
        read = current(folder).path
        chosen = next(iter(existing[existing.index(read) + 1 :]), None) if read in existing else None
    else:
        chosen = next((path for path in existing if path.name == name), None)
    if chosen is None:
        names = ", ".join(path.name for path in existing) or "none"
        raise NoSuchVersion(f"There is no {name or 'version before the current one'}; kept are: {names}.")
    if reason := fault(chosen):
        raise NoSuchVersion(f"{chosen.name} cannot be read ({reason}); the current version stays.")
    # No state of sources and code has this fingerprint, so the next refresh publishes anew.
    point_at(folder, chosen, ROLLED_BACK)
    return Release(chosen, ROLLED_BACK)


def fault_of_current(release: Release) -> str | None:
    """Why the current release cannot be read, or None; every value is read only if the file changed since published."""
    try:
        stat = release.path.stat()
    except OSError as error:
        return str(error)
    return fault(release.path, thorough=(stat.st_size, stat.st_mtime_ns) != release.state)


def mend(folder: Path, report: Callable[[str], None]) -> Release | None:
    """Mend pointer and link of a published folder, and return the release that is current and whole; None if none is.

    A pointer that is lost or names what cannot be read is set to the newest release that is whole, so that readers have
    one while the next is made.

    Args:
        folder: Where releases live; the caller holds the home for writing.
        report: Called with one line for everything that was mended.
    """
    try:
        release: Release | None = current(folder)
        reason = fault_of_current(release) if release else None
    except NotPublished as error:
        release, reason = None, str(error)
    if reason is not None:
        broken = release.path if release else None
        whole = next((path for path in releases(folder) if path != broken and fault(path) is None), None)
        if broken or whole:
            report(f"the current release cannot be read: {reason}")
        if whole is not None:
            point_at(folder, whole, ROLLED_BACK)
            report(f"readers are given {whole.name} until the next is published")
        return None
    if release is not None and not _is_linked(folder, release):
        flip_link(folder, release.path)
        report(f"mended the link {LINK}")
    return release


def link_fault(folder: Path, release: Release) -> str | None:
    """What is wrong with the link beside the pointer, or None."""
    return None if _is_linked(folder, release) else f"{folder / LINK} does not lead to {release.path.name}"


def _is_linked(folder: Path, release: Release) -> bool:
    link = folder / LINK
    return link.is_symlink() and link.readlink() == Path(release.path.name)
