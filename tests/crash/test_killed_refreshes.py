"""Whole refreshes killed at random moments: the next one ends in its usual time, and nothing of the dead one stays."""

import datetime as dt
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.runs.refresh import prepare_dagster_home
from tests.crash.refresher import KINDS
from warehouse.files import TEMPORARY_PREFIX, write_text
from warehouse.publish import LINK, POINTER, current
from warehouse.reader import Reader
from warehouse.settings import Settings
from warehouse.versions import fault

REPOSITORY = Path(__file__).resolve().parents[2]
BOARD = REPOSITORY / "warehouse" / "reference" / "leaderboards" / "open_llm_v1_2024-06-15.csv"
KILLS = int(os.environ.get("SKYLINE_FAULTS", "2"))


class Refreshes:
    """Processes that refresh one home, forked from one that has imported everything."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._parent = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.refresher"], cwd=REPOSITORY, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip

    def _line(self) -> int:
        assert self._parent.stdout is not None
        return int(self._parent.stdout.readline())

    def begin(self, kind: str) -> int:
        """Start one that has something to do, and return its process group."""
        pointer = json.loads((self.home / "published" / POINTER).read_text())
        write_text(self.home / "published" / POINTER, json.dumps(pointer | {"fingerprint": "something changed"}))
        if kind == "sensor":
            day = dt.date(2024, 7, 1) + dt.timedelta(days=time.time_ns() % 300)
            dropped = self.home / "inbox" / f"open_llm_v1_{day}.csv"
            dropped.parent.mkdir(exist_ok=True)
            shutil.copyfile(BOARD, dropped)
            os.utime(dropped, (0, 0))
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{self.home} {kind}\n")
        self._parent.stdin.flush()
        return self._line()

    def ended(self) -> int:
        """Exit status of the one begun."""
        return self._line()

    def whole(self, kind: str, most_s: float) -> float:
        """Seconds that one takes; one that takes too long is killed and fails the test."""
        began = time.monotonic()
        group = self.begin(kind)
        late = threading.Timer(most_s, os.killpg, (group, signal.SIGKILL))
        late.start()
        status = self.ended()
        late.cancel()
        assert status == 0, f"{kind} ended with {status} after {time.monotonic() - began:.0f} of {most_s:.0f} s"
        return time.monotonic() - began

    def close(self) -> None:
        """End the parent."""
        self._parent.communicate()


@pytest.fixture
def refreshes(bundled_home: Path, tmp_path: Path) -> Iterator[Refreshes]:
    home = Path(shutil.copytree(bundled_home, tmp_path / "home", symlinks=True))
    started = Refreshes(home)
    yield started
    started.close()


def is_publishing(home: Path) -> bool:
    return any((home / "published").glob(f"{TEMPORARY_PREFIX}*.duckdb"))


def unfinished_runs(home: Path) -> list[dg.DagsterRun]:
    folder = prepare_dagster_home(Settings.model_validate({"home": str(home)}))
    unfinished = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED])
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        return list(instance.get_runs(unfinished))


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_a_killed_refresh_never_stops_the_next_one(refreshes: Refreshes) -> None:
    seed = int(os.environ.get("SKYLINE_FAULT_SEED", "4711"))
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    home, stop = refreshes.home, threading.Event()
    seen: list[int] = []
    failures: list[Exception] = []

    def read() -> None:
        reader = Reader(home / "published")
        while not stop.wait(0.05):
            try:
                seen.append(reader.query("SELECT count(*) FROM core.models").item())
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what this test is about
                failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for thread in readers:
        thread.start()
    usual_s = refreshes.whole("refresh", 600)
    publishing_s, killed_publishing = 1.0, 0
    for kill in range(KILLS):
        kind, about = list(KINDS)[kill % len(KINDS)], f"kill {kill} of seed {seed}"
        group = refreshes.begin(kind)
        # Three of four die while they publish, the others anywhere before.
        until = time.monotonic() + (chance.uniform(0, usual_s) if kill % 4 == 1 else 3 * usual_s)
        while not is_publishing(home) and time.monotonic() < until:
            time.sleep(0.01)
        killed_publishing += is_publishing(home)
        time.sleep(chance.uniform(0, publishing_s))
        os.killpg(group, signal.SIGKILL)
        refreshes.ended()
        usual_s = max(usual_s, refreshes.whole("refresh", 3 * usual_s))
        assert unfinished_runs(home) == [], about
        assert [*home.rglob(f"{TEMPORARY_PREFIX}*")] == [], about
        assert not (home / "writer.unfinished").exists(), about
        assert fault(current(home / "published").path) is None, about
        assert (home / "published" / LINK).resolve() == current(home / "published").path, about
        if kill % 10 == 9:
            print(
                f"{kill + 1} of {KILLS} killed, {killed_publishing} of them publishing; {len(seen)} reads", flush=True
            )
    stop.set()
    for thread in readers:
        thread.join()
    assert failures == []
    assert len(set(seen)) == 1
    print(f"{KILLS} refreshes killed, {killed_publishing} of them publishing; {len(seen)} reads, none torn")
