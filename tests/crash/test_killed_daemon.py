"""Dagster's daemon killed in the middle of its ticks: what lies in the inbox is read, once, when it starts again."""

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from pipelines.runs.refresh import prepare_dagster_home
from pipelines.sources.raw_store import RawStore
from warehouse.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
BOARD = REPOSITORY / "warehouse" / "reference" / "leaderboards" / "open_llm_v1_2024-06-15.csv"
KILLS, PATIENCE_S = 2, 900.0


class Daemon:
    """Dagster's daemon on a home; one that is killed is started again."""

    def __init__(self, home: Path) -> None:
        settings = Settings.model_validate({"home": str(home)})
        folder = prepare_dagster_home(settings)
        self._log = (home.parent / "daemon.log").open("wb")
        self._environment = os.environ | {
            "DAGSTER_HOME": str(folder), "SKYLINE_HOME": str(home), "PYTHONPATH": str(REPOSITORY),
        }  # fmt: skip
        self.instance = dg.DagsterInstance.from_config(str(folder))
        self.start()

    def start(self) -> None:
        """Start it in a group of its own."""
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("dagster-daemon"), "run", "-m", "tests.crash.inbox_definitions"],
            cwd=REPOSITORY, env=self._environment, stdout=self._log, stderr=self._log, start_new_session=True,
        )  # fmt: skip

    def kill(self, *, alone: bool) -> None:
        """Kill it; alone, or with the code server and the runs that it has begun."""
        (os.kill if alone else os.killpg)(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def has_ticked(self, since_s: float) -> bool:
        """Whether a look at the inbox has begun since then."""
        return any(
            tick.timestamp >= since_s
            for state in self.instance.all_instigator_state()
            if state.instigator_name == "inbox"
            for tick in self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        )

    def close(self) -> None:
        """End it, with all that it began."""
        self.kill(alone=False)
        self._log.close()
        self.instance.dispose()


def wait_for(what: str, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_daemon_killed_in_the_middle_of_a_tick_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "inbox").mkdir(parents=True)
    lines = BOARD.read_text("utf-8").splitlines(keepends=True)
    chance = random.Random(4711)  # noqa: S311 - moments, not secrets
    dropped: set[str] = set()
    daemon = Daemon(home)

    def stored() -> list[str]:
        store = RawStore(home / "raw")
        return [snapshot.manifest.uri for source in store.sources() for snapshot in store.snapshots(source)]

    try:
        for kill in range(KILLS):
            day = dt.date(2023, 7, 1) + dt.timedelta(days=kill)
            path = home / "inbox" / f"open_llm_v1_{day}.csv"
            path.write_text("".join([lines[0], *lines[1 + 50 * kill : 51 + 50 * kill]]), "utf-8")
            os.utime(path, (0, 0))
            dropped.add(path.name)
            wait_for("no tick began", partial(daemon.has_ticked, time.time()))
            time.sleep(chance.uniform(0, 3))
            daemon.kill(alone=kill % 2 == 0)
            daemon.start()
        wait_for("not all was read", lambda: set(stored()) == dropped)
        # What was being launched is taken for dead after three minutes.
        wait_for("a run has not ended", lambda: all(run.is_finished for run in daemon.instance.get_runs()))
        assert sorted(stored()) == sorted(dropped)
        done = [run for run in daemon.instance.get_runs() if run.status is dg.DagsterRunStatus.SUCCESS]
        keys = [run.tags["dagster/run_key"] for run in done]
        assert sorted(set(keys)) == sorted(keys)
        assert len(done) <= KILLS
    finally:
        daemon.close()
