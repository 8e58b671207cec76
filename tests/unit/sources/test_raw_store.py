"""Whatever is retrieved is kept once, under the digest of its bytes, and never changes."""

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.sources.raw_store import Manifest, RawStore, digest


def manifest(source: str = "board", day: int = 1, uri: str = "a.csv") -> Manifest:
    return Manifest(source, "layout", "subject", dt.date(2024, 1, day), uri, None, "MIT", dt.datetime.now(dt.UTC))


@given(st.sets(st.binary(max_size=50), max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_went_in_comes_out_to_the_byte_with_where_it_is_from(
    tmp_path_factory: pytest.TempPathFactory, payloads: set[bytes]
) -> None:
    store = RawStore(tmp_path_factory.mktemp("raw"))
    for number, payload in enumerate(sorted(payloads)):
        store.add(payload, ".csv", manifest(uri=f"{number}.csv"))
    snapshots = store.snapshots("board")
    assert {snapshot.path.read_bytes() for snapshot in snapshots} == payloads
    assert all(snapshot.sha256 == digest(snapshot.path.read_bytes()) for snapshot in snapshots)
    assert {snapshot.manifest.uri for snapshot in snapshots} == {f"{number}.csv" for number in range(len(payloads))}


def test_storing_the_same_bytes_again_changes_nothing(store: RawStore, tmp_path: Path) -> None:
    first = store.add(b"x", ".csv", manifest(uri="first.csv"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}, store.fingerprint()
    again = store.add(b"x", ".csv", manifest(uri="second.csv"))
    assert again == first
    assert ({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}, store.fingerprint()) == before


def test_the_fingerprint_changes_with_every_file_that_is_added(store: RawStore) -> None:
    seen = {store.fingerprint()}
    for payload, named in [(b"x", manifest()), (b"y", manifest()), (b"x", manifest(day=2)), (b"x", manifest("other"))]:
        store.add(payload, ".csv", named)
        seen.add(store.fingerprint())
    assert len(seen) == 5


def test_snapshots_come_oldest_first_and_carry_subject_date_and_digest_in_their_name(store: RawStore) -> None:
    for day in (3, 1, 2):
        store.add(bytes([day]), ".csv", manifest(day=day))
    snapshots = store.snapshots("board")
    assert [snapshot.manifest.as_of.day for snapshot in snapshots] == [1, 2, 3]
    assert snapshots[0].snapshot_id == f"subject:2024-01-01:{digest(bytes([1]))[:10]}"


def test_a_file_whose_manifest_was_never_written_was_never_stored(store: RawStore, tmp_path: Path) -> None:
    stored = store.add(b"x", ".csv", manifest())
    (tmp_path / "raw" / "board" / "2024-01-01" / f"{stored.sha256}.manifest").unlink()
    assert not store.holds(stored.sha256)
    assert store.snapshots("board") == []
    store.add(b"x", ".csv", manifest())
    assert [snapshot.sha256 for snapshot in store.snapshots("board")] == [stored.sha256]


def test_a_manifest_whose_file_was_lost_is_not_served_and_heals_when_the_file_comes_again(store: RawStore) -> None:
    stored = store.add(b"x", ".csv", manifest())
    stored.path.unlink()
    assert store.snapshots("board") == []
    assert store.add(b"x", ".csv", manifest()).path.read_bytes() == b"x"
