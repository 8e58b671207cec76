"""A whole refresh to be killed, or hundreds of them from one set of imports: `python -m tests.crash.refresher [REST]`.

Reads lines `HOME KIND` and forks for each, so that hundreds of kills need not import hundreds of times; it answers with
the process's number, and once it has ended with its exit status and the processor seconds that it took.

With `REST`, a folder with the lake of a whole refresh, a run makes the tables of the boards only and publishes them
with all others, which come from there where the lake has none: every step from the inbox to the pointer is the real
one, and takes seconds.
"""

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import dagster as dg
from dagster._core.events import EngineEventData
from dagster._core.utils import make_new_run_id

import pipelines.definitions
import pipelines.defs.jobs
from pipelines.defs.published.assets import PUBLISHED
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.defs.sources.sensors import inbox
from pipelines.lib.resources import Home, WrittenHome
from pipelines.runs import refresh as refreshing
from pipelines.runs.fingerprint import code
from pipelines.runs.refresh import prepare_dagster_home, rebuild, refresh
from pipelines.runs.writer_lock import only_writer
from pipelines.sources.inbox import code_of_readers
from warehouse.contracts import TABLES
from warehouse.contracts.leaderboards import LEADERBOARD_ENTRIES
from warehouse.contracts.sources import SNAPSHOTS
from warehouse.lake import Lake
from warehouse.settings import Settings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def of_dagster(settings: Settings, **config: object) -> None:
    """A run as a worker of Dagster's makes it, in one process: under the writer's lock, in Dagster's own instance."""
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))
    home = WrittenHome(folder=str(settings.home))
    job = pipelines.definitions.defs.resolve_job_def(pipelines.defs.jobs.REFRESH.name)
    with only_writer(settings, patience_s=60), dg.DagsterInstance.get() as instance:
        run_id, process = make_new_run_id(), os.getpid()
        # A worker of Dagster's names its process before its run is taken for started, at whatever moment it is killed.
        named = EngineEventData.in_process(process)
        instance.report_engine_event(
            f"Started process for run (pid: {process}).", None, named, None, None, job.name, run_id
        )
        done = job.execute_in_process(
            instance=instance, run_config={**QUIET, **config}, resources={"skyline": home}, run_id=run_id
        )
    if not done.success:
        raise SystemExit(1)


def of_sensor(settings: Settings) -> None:
    """The run that the watched folder asks for."""
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance=instance) as context:
        tick = inbox(context, home=Home(folder=str(settings.home)))
    if not isinstance(tick, dg.SensorResult):
        raise TypeError(tick)
    (asked,) = tick.run_requests or []
    of_dagster(settings, **asked.run_config)


KINDS: dict[str, Callable[[Settings], object]] = {
    "refresh": lambda settings: refresh(["bundled"], settings),
    "rebuild": rebuild,
    "dagster": of_dagster,
    "sensor": of_sensor,
}


def boards_only(rest: Path) -> None:
    """From now on a refresh makes the tables of the boards, and takes the others from a folder."""
    files, boards, accounts = RAW_FILES, LEADERBOARD_ENTRIES.asset_key, SNAPSHOTS.asset_key
    made = dg.AssetSelection.assets(files, boards, accounts).required_multi_asset_neighbors()
    job = dg.define_asset_job("refresh_boards", selection=made | dg.AssetSelection.assets(PUBLISHED))
    pipelines.definitions.defs = dg.Definitions.merge(pipelines.definitions.defs, dg.Definitions(jobs=[job]))
    pipelines.defs.jobs.REFRESH = job
    derive = refreshing._derive

    def derived(settings: Settings, report: Callable[[str], None]) -> None:
        for table in TABLES:
            if not settings.lake.has(table):
                for file in (*Lake(rest).files(table), Lake(rest).path(table)):
                    there = settings.lake.folder / file.relative_to(rest)
                    there.parent.mkdir(parents=True, exist_ok=True)
                    if not there.exists():
                        os.link(file, there)
        derive(settings, report)

    refreshing._derive = derived


def serve() -> None:
    """Fork for every line that comes, after all was done that is the same for each of them."""
    pipelines.definitions.defs.resolve_job_def(pipelines.defs.jobs.REFRESH.name)
    code()
    code_of_readers()
    with dg.DagsterInstance.ephemeral():
        pass
    for line in sys.stdin:
        home, kind = line.split()
        child = os.fork()
        if child == 0:
            os.setsid()
            status = 1
            try:
                KINDS[kind](Settings.model_validate({"home": home}))
                status = 0
            except BaseException:  # noqa: BLE001 - a fork goes no further
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(child, flush=True)
        _, status, used = os.wait4(child, 0)
        print(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        boards_only(Path(sys.argv[1]))
    serve()
