"""Publishing: build a new database beside the old, prove it whole, flip the pointer, keep the last few.

A DuckDB file admits one writer or many readers, and a file replaced under one name serves old data to those
who hold it open; so every release has its own name, and `CURRENT` names the one to read.
"""

import datetime as dt
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import duckdb
import polars as pl

from warehouse.contracts import Table
from warehouse.contracts.table import SNAPSHOT
from warehouse.database import connect, literal
from warehouse.files import (
    TEMPORARY_PREFIX,
    NotReadable,
    listed,
    not_readable,
    ordinary,
    put,
    reading,
    remove,
    sha256_of,
    sync_folder,
    write_text,
)
from warehouse.format import FORMAT, refusal
from warehouse.lake import REST, Lake
from warehouse.project import version

POINTER = "CURRENT"
LINK = "skyline.duckdb"
_LOADERS = 2
# Where more than this share of the bytes changed, all is loaded anew: what is replaced leaves its blocks behind.
_MOST_CHANGED = 0.5
_RELEASE = re.compile(r"skyline-(\d+)\.duckdb")


class NotPublished(LookupError):
    """There is no published warehouse to read."""


class NotReadableHere(NotPublished, NotReadable):
    """There is one, and this user may not read it."""


class BrokenRelease(RuntimeError):
    """A freshly built database does not hold what the lake holds; the old one stays current."""


@dataclass(frozen=True)
class Release:
    """One published database: its file, when it was made, from what, and its size and time when it was published."""

    path: Path
    fingerprint: str
    state: tuple[int, int] | None = field(default=None, compare=False)

    @property
    def published_at(self) -> dt.datetime:
        """Moment of publishing, which is also its name."""
        return dt.datetime.fromtimestamp(_number(self.path) / 1e9, tz=dt.UTC)


def current(folder: Path) -> Release:
    """The release that readers should open.

    Raises:
        NotPublished: nothing was published there, or the pointer names a missing file.
        NotReadableHere: this user may not read the pointer or the release.
    """
    try:
        pointer = json.loads(ordinary(folder / POINTER).read_text(encoding="utf-8"))
        state = (int(pointer["size"]), int(pointer["mtime_ns"])) if "mtime_ns" in pointer else None
        release = Release(folder / str(pointer["file"]), str(pointer["fingerprint"]), state)
        form = int(pointer.get("format", 1))
    except FileNotFoundError:
        if existing := releases(folder):
            raise NotPublished(
                f"{folder / POINTER} is missing, though {len(existing)} releases are there; `skyline refresh` mends it."
            ) from None
        raise NotPublished(f"No warehouse is published in {folder}; run `skyline refresh` first.") from None
    except PermissionError as error:
        raise NotReadableHere(str(not_readable(error.filename))) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotPublished(f"{folder / POINTER} is not readable ({error}); run `skyline refresh`.") from error
    if form > FORMAT:
        raise NotPublished(refusal(folder, str(pointer.get("written_by", "a newer version"))))
    if not release.path.is_file():
        raise NotPublished(f"{release.path} is missing; run `skyline refresh` to publish it again.")
    if not os.access(release.path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise NotReadableHere(str(not_readable(release.path)))
    return release


def releases(folder: Path) -> list[Path]:
    """Database files of the folder, newest first.

    Raises:
        NotReadable: this user may not look into it.
    """
    with reading():
        paths = [path for path in listed(folder) if _RELEASE.fullmatch(path.name) and path.is_file()]
    return sorted(paths, key=_number, reverse=True)


def _number(path: Path) -> int:
    match = _RELEASE.fullmatch(path.name)
    return int(match.group(1)) if match else 0


def publish(
    lake: Lake,
    tables: Sequence[Table],
    folder: Path,
    fingerprint: str,
    keep: int = 3,
    views: Sequence[Table] = (),
) -> Release:
    """Build a database of the tables, verify it, and make it the current one.

    What did not change since the release before is copied with its file, so that a release costs what changed.

    Args:
        lake: Where the tables are read from; a table that is not there is created empty.
        tables: What to publish; tables of the `raw` schema are left out.
        folder: Where releases live.
        fingerprint: Names the inputs and code that the release was made from.
        keep: How many releases stay, the new one included.
        views: What is derived from the tables whenever it is asked for, by the SQL file of its name.

    Raises:
        BrokenRelease: the built database differs from the lake; the previous release stays current.
    """
    folder.mkdir(parents=True, exist_ok=True)
    published = [table for table in tables if table.schema != "raw"]
    building = folder / f"{TEMPORARY_PREFIX}{time.time_ns()}.duckdb"
    try:
        loaded = _digests(lake, published, views)
        changed = _changed_since(folder, lake, published, loaded, building)
        with connect(building) as connection:
            if changed is None:
                connection.execute(_sql("schema.sql"))
                _load_at_once(connection, lake, published)
                connection.execute("BEGIN")
                complete(connection, lake, published, views)
                connection.execute("COMMIT")
                connection.execute(_sql("macros.sql"))
            else:
                _load_at_once(connection, lake, [change.table for change in changed if change.snapshots is None])
                for change in changed:
                    _load_snapshots(connection, lake, change)
                _verify(connection, lake, published)
            _record_loads(connection, lake, published, loaded)
            connection.execute("CHECKPOINT")
        # A clock that was set back must not make the new release an old one.
        newest = max(map(_number, releases(folder)), default=0)
        target = folder / f"skyline-{max(time.time_ns(), newest + 1)}.duckdb"
        building.rename(target)
        sync_folder(folder)
    finally:
        building.unlink(missing_ok=True)
        building.with_name(building.name + ".wal").unlink(missing_ok=True)
    point_at(folder, target, fingerprint, sha256=sha256_of(target))
    _sweep(folder, target, keep)
    return Release(target, fingerprint)


def _digests(lake: Lake, tables: Sequence[Table], views: Sequence[Table]) -> dict[str, str]:
    """What each table is loaded from: the bytes of its Parquet, and all that shapes a release whatever its rows."""
    shape = hashlib.sha256(f"{duckdb.__version__} {FORMAT} {tables!r} {views!r}".encode())
    for name in ("schema.sql", "macros.sql", *(f"sql/{view.schema}/{view.name}.sql" for view in views)):
        shape.update(_sql(name).encode())
    return {table.relation: f"{shape.hexdigest()[:16]}-{lake.sha256(table)}" for table in tables}


@dataclass(frozen=True)
class _Change:
    """A table whose Parquet is another than that of the release before.

    Attributes:
        table: It.
        snapshots: Those whose rows differ, where it is made of snapshots and most of them stayed; else None.
        share: Of its rows, how many are loaded.
    """

    table: Table
    snapshots: list[str] | None
    share: float


def _changed_since(
    folder: Path, lake: Lake, tables: Sequence[Table], loaded: dict[str, str], building: Path
) -> list[_Change] | None:
    """Copy the current release to where the next is built, and return what changed since.

    None, and nothing is copied, where too much changed, or where the release is not byte for byte what was published.
    """
    try:
        release = current(folder)
        sha256 = json.loads((folder / POINTER).read_text(encoding="utf-8")).get("sha256")
        if sha256_of(release.path) != sha256:
            return None
        with connect(release.path, read_only=True) as connection:
            before = dict(connection.execute("SELECT relation, digest FROM meta.loaded WHERE part IS NULL").fetchall())
            shape = {digest.partition("-")[0] for digest in loaded.values()}
            if {digest.partition("-")[0] for digest in before.values()} != shape:
                return None
            other = [table for table in tables if before.get(table.relation) != loaded[table.relation]]
            changed = [_change(connection, lake, table) for table in other]
    except (NotPublished, duckdb.Error, OSError):
        return None
    sizes = {table.relation: lake.size_bytes(table) or 1 for table in tables}
    replaced = sum(change.share * sizes[change.table.relation] for change in changed)
    if replaced > _MOST_CHANGED * sum(sizes.values()):
        return None
    shutil.copyfile(release.path, building)
    return changed


def _change(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> _Change:
    """What of a table differs between a release and the lake: which snapshots, where it is made of such."""
    if SNAPSHOT not in table.column_names or not table.column(SNAPSHOT).required or not lake.has(table):
        return _Change(table, None, 1.0)
    differ = _changed_parts(connection, lake, table) if table.by_snapshot else None
    if differ is None:
        differ = _changed_rows(connection, lake, table)
    share = sum(differ.values()) / max(lake.rows(table), 1)
    return _Change(table, list(differ), share) if share <= _MOST_CHANGED else _Change(table, None, 1.0)


def _changed_parts(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> dict[str, int] | None:
    """Rows now of each snapshot whose part is another or gone; None where they share a part that is another."""
    noted = "SELECT part, digest FROM meta.loaded WHERE relation = $relation AND part IS NOT NULL"
    before = dict(connection.execute(noted, {"relation": table.relation}).fetchall())
    now = {part.name: part for part in lake.parts(table)}
    other = {name for name in before.keys() | now.keys() if name not in now or before.get(name) != now[name].sha256}
    return None if REST in other else {name: now[name].rows if name in now else 0 for name in sorted(other)}


def _changed_rows(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> dict[str, int]:
    """Rows now of each snapshot of which a release holds other rows, told by a pass over all."""
    columns = ", ".join(f'"{name}"' for name in table.column_names)
    sums = " ".join((
        f"SELECT {SNAPSHOT}, count(*) AS rows, sum(hash(t)) AS digest",
        f"FROM (SELECT {columns} FROM {{}}) AS t GROUP BY {SNAPSHOT}",
    ))  # fmt: skip
    return dict(
        connection.sql(
            f"WITH before AS ({sums.format(table.relation)}), now AS ({sums.format(lake.sql(table))})"
            f" SELECT {SNAPSHOT}, coalesce(now.rows, 0) FROM before FULL JOIN now USING ({SNAPSHOT})"
            " WHERE (before.rows, before.digest) IS DISTINCT FROM (now.rows, now.digest)"
        ).fetchall()
    )


def _load_snapshots(connection: duckdb.DuckDBPyConnection, lake: Lake, change: _Change) -> None:
    """Replace the rows of the snapshots that differ."""
    if not change.snapshots:
        return
    names = {"names": change.snapshots}
    columns = ", ".join(f'"{name}"' for name in change.table.column_names)
    of = f"WHERE {SNAPSHOT} IN (SELECT unnest($names::VARCHAR[]))"
    # A snapshot that is gone has no file of its own.
    rows = f"SELECT {columns} FROM {lake.sql(change.table, change.snapshots)}"
    connection.execute("BEGIN")
    connection.execute(f"DELETE FROM {change.table.relation} {of}", names)
    connection.execute(f"INSERT INTO {change.table.relation} {rows} {of}", names)
    connection.execute("COMMIT")


def _record_loads(
    connection: duckdb.DuckDBPyConnection, lake: Lake, tables: Sequence[Table], loaded: dict[str, str]
) -> None:
    """Write down what each table was loaded from, and each part of it."""
    rows: list[tuple[str, str | None, str]] = [(relation, None, digest) for relation, digest in loaded.items()]
    for table in tables:
        if table.by_snapshot and lake.has(table):
            rows += [(table.relation, part.name, part.sha256) for part in lake.parts(table)]
    noted = pl.DataFrame(rows, schema=["relation", "part", "digest"], orient="row", infer_schema_length=None)  # noqa: F841 - the SQL reads it
    connection.execute("BEGIN; DELETE FROM meta.loaded; INSERT INTO meta.loaded SELECT * FROM noted; COMMIT")


def _sql(name: str) -> str:
    return resources.files("warehouse").joinpath(*name.split("/")).read_text("utf-8")


def point_at(folder: Path, target: Path, fingerprint: str, **more: str) -> None:
    """Make a whole release the one that readers open, and note its size and time: it never changes after this.

    Args:
        folder: Where releases live.
        target: The release.
        fingerprint: What it was made from.
        more: What else the pointer says.
    """
    state = target.stat()
    pointer = {
        "file": target.name,
        "fingerprint": fingerprint,
        "size": state.st_size,
        "mtime_ns": state.st_mtime_ns,
        "format": FORMAT,
        "written_by": version(),
        **more,
    }
    write_text(folder / POINTER, json.dumps(pointer))
    flip_link(folder, target)


def _load_at_once(connection: duckdb.DuckDBPyConnection, lake: Lake, tables: Sequence[Table]) -> None:
    """Load the tables on several threads, dealt by size: DuckDB reads and compresses small tables on one each."""

    def load_part(part: Sequence[Table]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            load(cursor, lake, part)
            cursor.execute("COMMIT")

    ordered = sorted(tables, key=lake.size_bytes, reverse=True)
    with ThreadPoolExecutor(_LOADERS) as pool:
        list(pool.map(load_part, [ordered[start::_LOADERS] for start in range(_LOADERS)]))


def load(connection: duckdb.DuckDBPyConnection, lake: Lake, tables: Sequence[Table]) -> None:
    """Make every table with its comments in the current catalogue, empty where the lake has none."""
    for table in tables:
        _load(connection, lake, table)
        _comment(connection, table, "TABLE")


def complete(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    tables: Sequence[Table],
    views: Sequence[Table] = (),
    *,
    view_columns: bool = True,
) -> None:
    """Make the views beside loaded tables, list them all in the dictionary, and count what was loaded.

    With `load`, what a release is, wherever it is kept: a DuckDB file here, a DuckLake in `ducklake`.

    Args:
        connection: Its current catalogue has the tables, and `meta.tables` and `meta.columns`.
        lake: Where the tables were read from.
        tables: What was loaded.
        views: What is derived when it is asked for.
        view_columns: Whether columns of views can have comments there.

    Raises:
        BrokenRelease: a table differs from the lake.
    """
    for view in views:
        _create_view(connection, view)
        _comment(connection, view, "VIEW", columns=view_columns)
    _write_dictionary(connection, [*tables, *views])
    _verify(connection, lake, tables)


def _load(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> None:
    """Create the table, from the lake where it has one; required values were proven before they came here."""
    columns = ", ".join(f'"{name}"' for name in table.column_names)
    if lake.has(table):
        connection.execute(f"CREATE OR REPLACE TABLE {table.relation} AS SELECT {columns} FROM {lake.sql(table)}")
    else:
        nothing = table.empty()  # noqa: F841 - the SQL reads it by name
        connection.execute(f"CREATE OR REPLACE TABLE {table.relation} AS SELECT {columns} FROM nothing")


def _create_view(connection: duckdb.DuckDBPyConnection, view: Table) -> None:
    """Columns by name and in the types of the contract, so that a view promises what a table does."""
    sql = _sql(f"sql/{view.schema}/{view.name}.sql")
    columns = ", ".join(f'"{name}"' for name in view.column_names)
    connection.execute(f"CREATE VIEW {view.relation} AS SELECT {columns} FROM ({sql})")


def _comment(connection: duckdb.DuckDBPyConnection, table: Table, kind: str, *, columns: bool = True) -> None:
    """Write meanings down for tools; `_list` does so for SQL."""
    comments = [f"COMMENT ON {kind} {table.relation} IS {literal(table.meaning)}"]
    for column in table.columns if columns else ():
        text = f"{column.meaning} [{column.unit}]" if column.unit else column.meaning
        comments.append(f'COMMENT ON COLUMN {table.relation}."{column.name}" IS {literal(text)}')
    connection.execute(";".join(comments))


def _write_dictionary(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """Write every meaning into the tables of the dictionary."""
    dictionary = pl.DataFrame(  # noqa: F841 - the SQL reads it by name
        [
            (table.relation, position, column.name, column.meaning, column.unit or None, column.required)
            for table in tables
            for position, column in enumerate(table.columns, start=1)
        ],
        schema=["relation", "position", "column_name", "meaning", "unit", "required"],
        orient="row",
        infer_schema_length=None,
    )
    described = pl.DataFrame(  # noqa: F841 - the SQL reads it by name
        [(table.relation, table.meaning, list(table.key), table.capability) for table in tables],
        schema=["relation", "meaning", "key", "capability"],
        orient="row",
    )
    connection.execute("INSERT INTO meta.tables SELECT * FROM described")
    connection.execute("INSERT INTO meta.columns SELECT * FROM dictionary")


def _verify(connection: duckdb.DuckDBPyConnection, lake: Lake, tables: Sequence[Table]) -> None:
    for table in tables:
        row = connection.execute(f"SELECT count(*) FROM {table.relation}").fetchall()
        expected = lake.rows(table)
        if row[0][0] != expected:
            raise BrokenRelease(
                f"{table.relation} has {row[0][0]} rows in the new database and {expected} in the lake;"
                " the previous release stays current."
            )


def flip_link(folder: Path, target: Path) -> None:
    """Point the link for people with a database tool at the release."""
    link = folder / f"{TEMPORARY_PREFIX}link-{time.time_ns()}"
    link.symlink_to(target.name)
    put(link, folder / LINK)


def _sweep(folder: Path, newest: Path, keep: int) -> None:
    for stale in [path for path in releases(folder) if path != newest][max(keep, 1) - 1 :]:
        stale.unlink(missing_ok=True)
    for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
        remove(leftover)
