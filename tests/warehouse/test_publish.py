"""Releases: whole, verified, described, and never missing while another is being made."""

import json
import re
import threading
from pathlib import Path

import duckdb
import polars as pl
import pytest

from warehouse import publish as publishing
from warehouse.contracts import Column, Table
from warehouse.lake import REST, Lake
from warehouse.publish import LINK, POINTER, BrokenRelease, NotPublished, current, publish, releases
from warehouse.reader import Reader

from .small_tables import TABLES, write_version


class Dishonest(Lake):
    """A lake whose Parquet holds fewer rows than it says, as after a torn copy."""

    def scan(self, table: Table) -> pl.LazyFrame:
        """Every row twice."""
        rows = super().scan(table)
        return pl.concat([rows, rows])


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.sql(sql).fetchall()


def test_a_release_holds_what_the_lake_holds_and_tables_without_rows_too(lake: Lake, published: Path) -> None:
    write_version(lake, 1)
    release = publish(lake, TABLES, published, "made from this")
    assert current(published) == release
    assert release.fingerprint == "made from this"
    assert query(release.path, "SELECT count(*), min(version), max(version) FROM marts.versions") == [(1000, 1, 1)]
    assert query(release.path, "SELECT count(*) FROM core.points") == [(0,)]
    types = dict(query(release.path, "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'points'"))
    assert types == {"name": "VARCHAR", "size": "DOUBLE", "score": "DOUBLE", "kind": "VARCHAR"}


def test_tables_of_the_raw_layer_are_not_published(lake: Lake, published: Path) -> None:
    raw = Table("raw.hidden", "Not for readers.", (Column("x", pl.Int64, "X."),), (), "test")
    release = publish(lake, [*TABLES, raw], published, "f")
    assert query(release.path, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'hidden'") == [(0,)]


def test_every_table_and_column_carries_its_meaning_as_a_comment_and_as_a_row(lake: Lake, published: Path) -> None:
    release = publish(lake, TABLES, published, "f")
    comments = dict(query(release.path, "SELECT schema_name || '.' || table_name, comment FROM duckdb_tables()"))
    assert comments["marts.versions"] == "One row per row of one 'version'."
    assert all(comments.values())
    columns = query(
        release.path,
        "SELECT schema_name || '.' || table_name, column_name, comment FROM duckdb_columns()"
        " WHERE schema_name <> 'meta' AND database_name = current_database() AND NOT internal",
    )
    assert ("core.points", "score", "Quality. [points]") in columns
    assert all(comment for _, _, comment in columns)
    described = query(release.path, "SELECT relation, column_name FROM meta.columns ORDER BY relation, position")
    assert described == [(t.relation, c.name) for t in sorted(TABLES, key=lambda t: t.relation) for c in t.columns]
    assert query(
        release.path, "SELECT relation, key, capability FROM meta.tables WHERE capability = 'test' ORDER BY 1"
    ) == [
        ("core.points", ["name"], "test"),
        ("marts.versions", ["row"], "test"),
    ]


def test_a_release_that_does_not_hold_what_the_lake_says_is_thrown_away_and_the_old_one_stays(
    lake: Lake, published: Path
) -> None:
    write_version(lake, 1)
    before = publish(lake, TABLES, published, "first")
    write_version(lake, 2)
    with pytest.raises(BrokenRelease, match=r"marts\.versions has 1000 rows in the new database and 2000 in the lake"):
        publish(Dishonest(lake.folder), TABLES, published, "second")
    assert current(published) == before
    assert query(published / LINK, "SELECT DISTINCT version FROM marts.versions") == [(1,)]
    assert sorted(path.name for path in published.iterdir()) == sorted([POINTER, LINK, before.path.name])


def test_the_last_three_releases_stay_and_leftovers_of_runs_that_died_are_swept(lake: Lake, published: Path) -> None:
    published.mkdir()
    (published / ".partial-1.duckdb").write_bytes(b"died")
    (published / ".partial-1.duckdb.wal").write_bytes(b"died")
    made = [publish(lake, TABLES, published, str(number)) for number in range(5)]
    assert releases(published) == [release.path for release in reversed(made[2:])]
    assert len({release.path.name for release in made}) == 5
    assert {path.name for path in published.iterdir()} == {POINTER, LINK, *(r.path.name for r in made[2:])}
    publish(lake, TABLES, published, "only", keep=1)
    assert len(releases(published)) == 1


def test_the_link_for_people_with_a_database_tool_always_opens_the_newest(lake: Lake, published: Path) -> None:
    for version in (1, 2):
        write_version(lake, version)
        publish(lake, TABLES, published, "f")
        assert (published / LINK).is_symlink()
        assert not (published / LINK).readlink().is_absolute()  # the home may be moved
        assert query(published / LINK, "SELECT DISTINCT version FROM marts.versions") == [(version,)]


@pytest.mark.parametrize(
    ("pointer", "message"),
    [
        (None, "No warehouse is published in"),
        ("not json", "is not readable"),
        ('"text"', "is not readable"),
        ("{}", "is not readable"),
        (json.dumps({"file": "skyline-1.duckdb", "fingerprint": "f"}), "skyline-1.duckdb is missing"),
    ],
)
def test_without_a_release_to_read_the_error_says_to_refresh(
    published: Path, pointer: str | None, message: str
) -> None:
    published.mkdir()
    if pointer is not None:
        (published / POINTER).write_text(pointer)
    with pytest.raises(NotPublished, match=re.escape(message)) as refused:
        current(published)
    assert "`skyline refresh`" in str(refused.value)


def test_readers_meet_one_whole_version_at_every_moment_of_twenty_publishes(lake: Lake, published: Path) -> None:
    write_version(lake, 0)
    publish(lake, TABLES, published, "0")
    stop = threading.Event()
    seen: list[tuple[int, int, int]] = []
    failures: list[Exception] = []

    def read(reader: Reader) -> None:
        while not stop.wait(0.005):
            try:
                rows = reader.query("SELECT count(*), min(version), max(version) FROM marts.versions").rows()
                seen.extend(rows)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what this test is about
                failures.append(error)
                return

    shared = Reader(published)
    threads = [threading.Thread(target=read, args=(reader,)) for reader in (shared, Reader(published))]
    for thread in threads:
        thread.start()
    for version in range(1, 21):
        write_version(lake, version)
        publish(lake, TABLES, published, str(version))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {(rows, low == high) for rows, low, high in seen} == {(1000, True)}
    assert len({low for _, low, _ in seen}) > 1
    assert shared.query("SELECT max(version) AS newest FROM marts.versions")["newest"].item() == 20


GROWING = Table(
    "marts.growing", "Rows of snapshots.",
    (Column("snapshot_id", pl.String, "Snapshot.", required=True), Column("value", pl.Int64, "Value.")), (), "test",
)  # fmt: skip


def grown(*snapshots: str, value: int = 0) -> pl.DataFrame:
    return pl.DataFrame({
        "snapshot_id": [name for name in snapshots for _ in range(1000)],
        "value": pl.Series([*range(1000)] * (len(snapshots) - 1) + [number + value for number in range(1000)]),
    })  # fmt: skip


def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is loaded from now on: names of tables, and of single snapshots."""
    names: list[str] = []
    whole, parts = publishing._load, publishing._load_snapshots

    def load(connection: duckdb.DuckDBPyConnection, lake: Lake, table: Table) -> None:
        names.append(table.name)
        whole(connection, lake, table)

    def load_snapshots(connection: duckdb.DuckDBPyConnection, lake: Lake, change: publishing._Change) -> None:
        names.extend(change.snapshots or ())
        parts(connection, lake, change)

    monkeypatch.setattr(publishing, "_load", load)
    monkeypatch.setattr(publishing, "_load_snapshots", load_snapshots)
    return names


def test_a_release_costs_what_changed_since_the_one_before(
    lake: Lake, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, tables = loaded(monkeypatch), (*TABLES, GROWING)
    write_version(lake, 1)
    steps = [
        (grown("a", "b", "c"), {table.name for table in tables}),
        (grown("a", "b", "c"), set()),
        (grown("a", "b", "c", "d"), {"d"}),
        (grown("a", "b", "c", "d", value=7), {"d"}),
        (grown("a", "b", "c"), {"d"}),
        (grown("e", "f"), {"growing"}),
    ]
    for number, (frame, expected) in enumerate(steps):
        lake.write(GROWING, frame)
        release = publish(lake, tables, published, str(number))
        assert set(names) == expected, number
        names.clear()
        read = Reader(published).query("FROM marts.growing ORDER BY ALL")
        assert read.equals(frame.sort("snapshot_id", "value")), number
        assert query(release.path, "SELECT count(*), min(version) FROM marts.versions") == [(1000, 1)]
        comments = query(release.path, "SELECT comment FROM duckdb_columns() WHERE table_name = 'growing'")
        assert comments == [("Snapshot.",), ("Value.",)]


PARTED = Table("marts.parted", "Rows of snapshots.", GROWING.columns, (), "test", by_snapshot=True)


def test_of_a_table_kept_by_snapshot_only_the_parts_that_are_new_are_read(
    lake: Lake, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, tables = loaded(monkeypatch), (*TABLES, PARTED)
    monkeypatch.setattr(publishing, "_changed_rows", lambda *_: pytest.fail("a pass over all rows"))

    def parts(*snapshots: str, value: int = 0) -> pl.DataFrame:
        frames = {name: grown(name, value=value if name == snapshots[-1] else 0) for name in snapshots}
        added = [lake.add_part(PARTED, name, frame) for name, frame in frames.items()]
        lake.list_parts(PARTED, [*added, lake.add_part(PARTED, REST, PARTED.empty())])
        return pl.concat(frames.values())

    steps = [
        (("a", "b", "c"), 0, {table.name for table in tables}),
        (("a", "b", "c"), 0, set()),
        (("a", "b", "c", "d"), 0, {"d"}),
        (("a", "b", "c", "d"), 7, {"d"}),
        (("a", "b", "c"), 0, {"d"}),
        (("e", "f"), 0, {table.name for table in tables}),
    ]
    for number, (snapshots, value, expected) in enumerate(steps):
        frame = parts(*snapshots, value=value)
        publish(lake, tables, published, str(number))
        assert set(names) == expected, number
        names.clear()
        read = Reader(published).query("FROM marts.parted ORDER BY ALL")
        assert read.equals(frame.sort("snapshot_id", "value")), number


def test_where_snapshots_share_a_part_that_changed_their_rows_are_compared(
    lake: Lake, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, tables = loaded(monkeypatch), (*TABLES, PARTED)
    for number, (single, expected) in enumerate(
        ((("x", "y"), {table.name for table in tables}), (("x", "y", "z"), {"z"}), (("x",), {"y", "z"}))
    ):
        whole = [lake.add_part(PARTED, name, grown(name)) for name in ("a", "b")]
        lake.list_parts(PARTED, [*whole, lake.add_part(PARTED, REST, grown(*single))])
        publish(lake, tables, published, str(number))
        assert set(names) == expected, number
        names.clear()
        read = Reader(published).query("FROM marts.parted ORDER BY ALL")
        assert read.equals(grown("a", "b", *single).sort("snapshot_id", "value")), number


def test_a_release_that_lacks_a_part_is_thrown_away(lake: Lake, published: Path) -> None:
    def listed(*snapshots: str) -> None:
        added = [lake.add_part(PARTED, name, grown(name)) for name in snapshots]
        lake.list_parts(PARTED, [*added, lake.add_part(PARTED, REST, PARTED.empty())])

    listed("a", "b", "c")
    before = publish(lake, (*TABLES, PARTED), published, "first")
    listed("a", "b", "c", "d")
    # A torn copy: the list says what the file does not hold.
    grown("d").head(10).write_parquet(lake.files(PARTED, ["d"])[0])
    with pytest.raises(BrokenRelease, match=r"marts\.parted has 3010 rows in the new database and 4000 in the lake"):
        publish(lake, (*TABLES, PARTED), published, "second")
    assert current(published) == before


def test_nothing_is_taken_from_a_release_that_is_not_what_was_published(
    lake: Lake, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_version(lake, 1)
    before = publish(lake, TABLES, published, "first")
    with before.path.open("r+b") as file:
        file.seek(before.path.stat().st_size - 100)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    names = loaded(monkeypatch)
    publish(lake, TABLES, published, "second")
    assert set(names) == {table.name for table in TABLES}
