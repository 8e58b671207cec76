"""A whole refresh to be killed: `python -m tests.crash.refresher HOME KIND`, or many of them from one set of imports.

Without arguments it reads lines `HOME KIND` and forks for each, so that hundreds of kills need not import hundreds of
times; it answers with the process's number, and with its exit status once it has ended.
"""

import os
import sys
from collections.abc import Callable

import dagster as dg

from pipelines.definitions import defs
from pipelines.defs.jobs import REFRESH
from pipelines.defs.sources.sensors import inbox
from pipelines.lib.resources import Home, WrittenHome
from pipelines.runs.refresh import prepare_dagster_home, rebuild, refresh
from pipelines.runs.writer_lock import only_writer
from warehouse.settings import Settings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def of_dagster(settings: Settings, **config: object) -> None:
    """A run as a worker of Dagster's makes it, in one process: under the writer's lock, in Dagster's own instance."""
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))
    home = WrittenHome(folder=str(settings.home))
    with only_writer(settings, patience_s=60), dg.DagsterInstance.get() as instance:
        done = defs.resolve_job_def(REFRESH.name).execute_in_process(
            instance=instance, run_config={**QUIET, **config}, resources={"skyline": home}
        )
    if not done.success:
        raise SystemExit(1)


def of_sensor(settings: Settings) -> None:
    """The run that the watched folder asks for."""
    with dg.build_sensor_context() as context:
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


def run(home: str, kind: str) -> None:
    """Do it."""
    KINDS[kind](Settings.model_validate({"home": home}))


def serve() -> None:
    """Fork for every line that comes."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setsid()
            status = 1
            try:
                run(*line.split())
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    if sys.argv[1:]:
        run(*sys.argv[1:])
    else:
        serve()
