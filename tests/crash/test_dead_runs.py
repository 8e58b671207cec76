"""Runs whose process was killed are marked so; the living are left alone, and no run can wait for the dead."""

import os
import subprocess
from pathlib import Path

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.utils import make_new_run_id

from pipelines.definitions import defs
from pipelines.runs.dead_runs import mark_dead_runs, sweep_leftovers
from pipelines.runs.writer_lock import only_writer
from warehouse.settings import Settings

STARTED = dg.DagsterRunStatus.STARTED


def run(instance: dg.DagsterInstance, process: int | None) -> str:
    """A run that is taken for running, in a process that it named."""
    begun = dg.DagsterRun(job_name="refresh", run_id=make_new_run_id(), status=STARTED)
    instance.add_run(begun)
    if process is not None:
        instance.report_engine_event("executing", begun, EngineEventData.in_process(process))
    return begun.run_id


def test_runs_are_marked_whose_process_is_no_more_and_no_others() -> None:
    ended, unnoticed = subprocess.Popen(["true"]), subprocess.Popen(["true"])
    ended.wait()
    os.waitid(os.P_PID, unnoticed.pid, os.WEXITED | os.WNOWAIT)  # nobody has asked how it ended, so its number stays
    with dg.DagsterInstance.ephemeral() as instance:
        dead = [run(instance, ended.pid), run(instance, unnoticed.pid)]
        alive = [run(instance, os.getpid()), run(instance, None)]
        assert set(mark_dead_runs(instance)) == set(dead)
        assert mark_dead_runs(instance) == []
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    unnoticed.wait()
    assert statuses == dict.fromkeys(dead, dg.DagsterRunStatus.FAILURE) | dict.fromkeys(alive, STARTED)


def test_no_step_claims_a_slot_that_only_a_daemon_would_free() -> None:
    assert {asset.op.pool for asset in defs.resolve_asset_graph().assets_defs if asset.is_executable} == {None}


def test_a_writer_that_was_killed_is_noticed_until_somebody_has_dealt_with_it(tmp_path: Path) -> None:
    settings = Settings.model_validate({"home": str(tmp_path)})
    with only_writer(settings) as held:
        assert not held.interrupted
    (tmp_path / "writer.unfinished").touch()
    for _ in range(2):
        with only_writer(settings) as held:
            assert held.interrupted
    for left in ("raw/board/.partial-a.csv", "lake/core/.partial-b.parquet", "published/.partial-1.duckdb.tmp/spilled"):
        (tmp_path / left).parent.mkdir(parents=True)
        (tmp_path / left).touch()
    with only_writer(settings) as held:
        assert sweep_leftovers(settings) == 3
        held.interrupted = False
    assert [*tmp_path.rglob(".partial-*")] == []
    with only_writer(settings) as held:
        assert not held.interrupted
