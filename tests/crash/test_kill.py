"""Killed at any moment: nothing acknowledged is lost, nothing half is ever read; `make fault` kills more often."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pipelines.sources.raw_store import RawStore
from tests.warehouse.small_tables import TABLES, write_version
from warehouse.lake import Lake
from warehouse.publish import current, publish
from warehouse.reader import Reader
from warehouse.versions import NoSuchVersion, fault, rollback, versions

REPOSITORY = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("SKYLINE_FAULTS", "5"))
READERS, PUBLISHES = 8, 50 if KILLS >= 100 else 12
WHOLE = "SELECT count(*), min(version), max(version) FROM marts.versions"


def killed_after(home: Path, word: str, seconds: float) -> list[list[str]]:
    """What the writer said until its process group was killed, so long after it first said the word."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.writer", str(home)], cwd=REPOSITORY, stdout=subprocess.PIPE,
        start_new_session=True, text=True, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert process.stdout is not None
    first_lines = [process.stdout.readline()]
    while first_lines[-1] and not first_lines[-1].startswith(word):
        first_lines.append(process.stdout.readline())
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    lines = [*first_lines, *process.stdout.read().splitlines()]
    process.wait()
    process.stdout.close()
    return [line.split() for line in lines if line.strip()]


@pytest.mark.timeout(3600)
def test_killed_at_random_moments_readers_see_the_last_whole_version(tmp_path: Path) -> None:
    seed = int(os.environ.get("SKYLINE_FAULT_SEED", "4711"))
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    published, stored, reads = -1, -1, 0
    for kill in range(KILLS):
        events = killed_after(tmp_path, ("published", "stored")[kill % 2], chance.uniform(0, 0.4))
        stored = max([stored, *(int(number) for what, number in events if what == "stored")])
        published = max([published, *(int(number) for what, number in events if what == "published")])
        about = f"kill {kill} of seed {seed}"
        assert RawStore(tmp_path / "raw").broken() == [], about
        kept = RawStore(tmp_path / "raw").snapshots("test")
        # One snapshot may have been stored without having been said to be.
        assert stored + 1 <= len(kept) <= stored + 2, about
        assert len({release.sha256 for release in kept}) == len(kept), about
        if published < 0:
            continue
        rows, low, high = Reader(tmp_path / "published").query(WHOLE).row(0)
        reads += 1
        assert (rows, low) == (20_000, high), about
        assert high >= published, about
        assert fault(current(tmp_path / "published").path) is None, about
    assert reads > 0
    print(f"{KILLS} kills, {reads} reads, {published + 1} versions acknowledged")


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_eight_readers_through_every_publish(tmp_path: Path) -> None:
    lake, folder = Lake(tmp_path / "lake"), tmp_path / "published"
    write_version(lake, 0)
    publish(lake, TABLES, folder, "0")
    stop = threading.Event()
    seen: list[tuple[int, ...]] = []
    failures: list[Exception] = []

    def read(reader: Reader) -> None:
        while not stop.wait(0.01):
            try:
                seen.append(reader.query(WHOLE).row(0))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what this test is about
                failures.append(error)
                return

    threads = [threading.Thread(target=read, args=(Reader(folder),)) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    for version in range(1, PUBLISHES + 1):
        write_version(lake, version)
        publish(lake, TABLES, folder, str(version))
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {(rows, low == high) for rows, low, high in seen} == {(1000, True)}
    assert len(seen) > PUBLISHES


def test_going_back_and_what_cannot_be_gone_back_to(tmp_path: Path) -> None:
    lake, folder = Lake(tmp_path / "lake"), tmp_path / "published"
    made = []
    for version in range(3):
        write_version(lake, version, rows=50_000)
        made.append(publish(lake, TABLES, folder, str(version)))
    reader = Reader(folder)
    assert rollback(folder).path == made[1].path
    assert reader.query(WHOLE).row(0)[1:] == (1, 1)
    assert [version.is_current for version in versions(folder)] == [False, True, False]
    assert rollback(folder, made[2].path.name).path == made[2].path
    assert reader.query(WHOLE).row(0)[1:] == (2, 2)
    with made[0].path.open("r+b") as file:  # a disk that forgets
        file.seek(12_288)  # behind the three headers
        file.write(b"\xa5" * (made[0].path.stat().st_size - 12_288))
    assert [version.fault is None for version in versions(folder, examine=True)] == [True, True, False]
    for wrong in (made[0].path.name, "skyline-1.duckdb"):
        with pytest.raises(NoSuchVersion, match=r"current version stays|kept are"):
            rollback(folder, wrong)
    assert current(folder).path == made[2].path
