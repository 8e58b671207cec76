"""Whole refreshes killed at random moments: the next one ends in its usual time, and nothing of the dead one stays."""

import contextlib
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
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from pipelines.runs.refresh import prepare_dagster_home
from pipelines.sources.leaderboards.recognition import LEADERBOARD
from pipelines.sources.raw_store import RawStore
from tests.crash.refresher import KINDS
from warehouse.contracts import TABLES
from warehouse.files import TEMPORARY_PREFIX, write_text
from warehouse.lake import Lake
from warehouse.publish import LINK, POINTER, current
from warehouse.reader import Reader
from warehouse.settings import Settings
from warehouse.versions import fault

REPOSITORY = Path(__file__).resolve().parents[2]
BOARD = REPOSITORY / "warehouse" / "reference" / "leaderboards" / "open_llm_v1_2024-06-15.csv"
ROWS_DROPPED = 50
KILLS = int(os.environ.get("SKYLINE_FAULTS", "4"))
# Every one of the whole ones takes minutes.
KILLS_OF = {"boards": KILLS, "everything": max(KILLS // 20, 1)}
PUBLISHING_S = 1.0
# A run that was created and never begun is none of these: nobody waits for it, and Dagster may yet begin it.
RUNNING = (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)
# A run that waits for the dead uses no processor: it is ended after so many times its usual time, and at least that.
TIMES_AS_LONG, AT_LEAST_S = 10, 120
# Snapshots whose entries are not those that were read of them: of one state of the warehouse there are none.
TORN = """
SELECT count(*) FROM (FROM core.leaderboard_entries SELECT snapshot_id, count(*) AS entries GROUP BY snapshot_id)
LEFT JOIN meta.snapshots USING (snapshot_id) WHERE rows_loaded IS DISTINCT FROM entries
"""
# What only has to come through whole is so small that a hundred refreshes are made in minutes.
MOST_ROWS = 500


class Refreshes:
    """Processes that refresh one home, forked from one that has imported everything."""

    def __init__(self, home: Path, rest: Path | None) -> None:
        self.home = home
        self.dropped: set[str] = set()
        command = [sys.executable, "-m", "tests.crash.refresher", *([str(rest)] if rest else [])]
        self._parent = subprocess.Popen(
            command, cwd=REPOSITORY, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )  # fmt: skip

    def _line(self) -> list[str]:
        assert self._parent.stdout is not None
        return self._parent.stdout.readline().split()

    def begin(self, kind: str, *, anew: bool) -> int:
        """Start one that has something to do, and return its process group.

        Args:
            kind: Of `KINDS`.
            anew: Whether nothing of the release before is known to be whole, so that all is loaded anew.
        """
        pointer = json.loads((self.home / "published" / POINTER).read_text()) | {"fingerprint": "something changed"}
        if anew:
            pointer.pop("sha256", None)
        write_text(self.home / "published" / POINTER, json.dumps(pointer))
        if kind == "sensor":
            day = dt.date(2023, 7, 1) + dt.timedelta(days=len(self.dropped))
            dropped = self.home / "inbox" / f"open_llm_v1_{day}.csv"
            dropped.parent.mkdir(exist_ok=True)
            lines = BOARD.read_text("utf-8").splitlines(keepends=True)
            first = 1 + ROWS_DROPPED * (len(self.dropped) % 50)
            dropped.write_text("".join([lines[0], *lines[first : first + ROWS_DROPPED]]), "utf-8")
            os.utime(dropped, (0, 0))
            self.dropped.add(dropped.name)
        assert self._parent.stdin is not None
        self._parent.stdin.write(f"{self.home} {kind}\n")
        self._parent.stdin.flush()
        return int(self._line()[0])

    def ended(self) -> tuple[int, float]:
        """Exit status of the one begun, and the processor seconds it took."""
        status, used_s = self._line()
        return int(status), float(used_s)

    def whole(self, kind: str, most_s: float) -> tuple[float, float]:
        """Seconds that one takes, and of a processor; one that takes too long is killed and fails the test."""
        began = time.monotonic()
        group = self.begin(kind, anew=False)
        late = threading.Timer(most_s, os.killpg, (group, signal.SIGKILL))
        late.start()
        status, used_s = self.ended()
        late.cancel()
        took_s = time.monotonic() - began
        assert status == 0, f"{kind} ended with {status} after {took_s:.0f} of {most_s:.0f} s"
        return took_s, used_s

    def close(self) -> None:
        """End the parent."""
        self._parent.communicate()


class Readers:
    """Threads that read a home until they are stopped."""

    def __init__(self, home: Path) -> None:
        self.reads, self.torn, self.failures = 0, 0, list[Exception]()
        self._published, self._stop = home / "published", threading.Event()
        self._threads = [threading.Thread(target=self._read) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        reader = Reader(self._published)
        while not self._stop.wait(0.05):
            try:
                self.torn += reader.query(TORN).item()
                self.reads += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what this test is about
                self.failures.append(error)

    def close(self) -> None:
        """Stop them."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture(params=KILLS_OF)
def refreshes(bundled_home: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Refreshes]:
    home = Path(shutil.copytree(bundled_home, tmp_path / "home", symlinks=True))
    rest = None
    if request.param == "boards":
        rest = tmp_path / "rest"
        for table in TABLES:
            Lake(rest).write(table, Lake(home / "lake").read(table).head(MOST_ROWS))
        shutil.rmtree(home / "lake")
    started = Refreshes(home, rest)
    yield started
    started.close()


def is_publishing(home: Path) -> bool:
    return any((home / "published").glob(f"{TEMPORARY_PREFIX}*.duckdb"))


def lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def runs_of(home: Path, *statuses: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
    folder = prepare_dagster_home(Settings.model_validate({"home": str(home)}))
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        return list(instance.get_runs(dg.RunsFilter(statuses=list(statuses))))


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_a_killed_refresh_never_stops_the_next_one(refreshes: Refreshes, request: pytest.FixtureRequest) -> None:
    of = request.node.callspec.params["refreshes"]
    seed, kills = int(os.environ.get("SKYLINE_FAULT_SEED", "4711")), KILLS_OF[of]
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    home = refreshes.home
    refreshes.whole("refresh", 3600)
    usual_s, usual_used_s = refreshes.whole("refresh", 3600)
    readers = Readers(home)
    killed: Counter[str] = Counter()
    killed_publishing, slowest = 0, 0.0

    def counts() -> str:
        kinds = ", ".join(f"{number} {kind}" for kind, number in killed.items())
        return (
            f"{killed.total()} of {kills} killed, of {of} ({kinds}), {killed_publishing} of them publishing; "
            f"{readers.reads} reads, {readers.torn} torn, {len(readers.failures)} failed; "
            f"slowest next refresh {slowest:.2f} times its usual {usual_used_s:.1f} processor s"
        )

    try:
        while killed.total() < kills:
            kill = killed.total()
            kind, about = list(KINDS)[kill % len(KINDS)], f"kill {kill} of seed {seed}"
            group = refreshes.begin(kind, anew=chance.random() < 0.5)
            # Three of four die while they publish, the others anywhere before.
            until = time.monotonic() + (chance.uniform(0, usual_s) if chance.random() < 0.25 else 3 * usual_s)
            while not is_publishing(home) and time.monotonic() < until and lives(group):
                time.sleep(0.005)
            was_publishing = is_publishing(home)
            time.sleep(chance.uniform(0, PUBLISHING_S))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
            status, _ = refreshes.ended()
            if status == 0:
                continue  # it had done what was asked
            assert status == -signal.SIGKILL, about
            killed[kind] += 1
            killed_publishing += was_publishing
            _, used_s = refreshes.whole("refresh", max(TIMES_AS_LONG * usual_s, AT_LEAST_S))
            slowest = max(slowest, used_s / usual_used_s)
            assert slowest < 3, about
            assert runs_of(home, *RUNNING) == [], about
            assert [*home.rglob(f"{TEMPORARY_PREFIX}*")] == [], about
            assert not (home / "writer.unfinished").exists(), about
            assert fault(current(home / "published").path, thorough=kill % 10 == 0) is None, about
            assert (home / "published" / LINK).resolve() == current(home / "published").path, about
            if killed.total() % 10 == 0:
                print(counts(), flush=True)
    finally:
        readers.close()
    assert (readers.torn, readers.failures) == (0, [])
    # What came into the inbox while somebody was killed is read by whoever comes next.
    refreshes.whole("sensor", max(TIMES_AS_LONG * usual_s, AT_LEAST_S))
    stored = {snapshot.manifest.uri for snapshot in RawStore(home / "raw").snapshots(LEADERBOARD)}
    lost = refreshes.dropped - stored
    dead = len(runs_of(home, dg.DagsterRunStatus.FAILURE))
    print(f"{counts()}; {dead} runs marked dead; {len(refreshes.dropped)} files dropped, {len(lost)} lost")
    assert lost == set()
