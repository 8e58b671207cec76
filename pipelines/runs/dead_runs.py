"""What a writer that was killed leaves behind: runs that Dagster takes for running, and half-written files."""

import dagster as dg

from profiling import systems
from warehouse.files import TEMPORARY_PREFIX, remove
from warehouse.settings import Settings

_UNFINISHED = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def mark_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed whose process is no more, so that none counts as running for ever; return their names.

    A run may be alive without the writer's lock, while it waits for it or measures; it is dead once the process that
    it named is. Commands keep no runs.
    """
    unfinished = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED))
    dead = [run for run in unfinished if _process_is_gone(instance, run.run_id)]
    for run in dead:
        instance.report_run_failed(run, "The process of this run was killed; the next writer detected it.")
    return [run.run_id for run in dead]


def _process_is_gone(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether the process that last said it executes the run has ended; a run that named none may yet begin."""
    for entry in reversed(instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)):
        data = entry.dagster_event.engine_event_data if entry.dagster_event else None
        if data is not None and (named := data.metadata.get("pid")) is not None:
            return not _runs_since(int(str(named.value)), entry.timestamp)
    return False


def _runs_since(process: int, moment: float) -> bool:
    """Whether the process lives and is not a later one that was given the same number."""
    if not systems.is_alive(process):
        return False
    began_s = systems.began_s(process)
    return began_s is None or began_s <= moment + 1


def sweep_leftovers(settings: Settings) -> int:
    """Remove what was half written when a writer was killed; return how many files.

    The caller holds the writer's lock, so nobody is writing them.
    """
    leftovers = [*settings.home.glob(f"{TEMPORARY_PREFIX}*")]
    for folder in (settings.raw, settings.lake.folder, settings.published):
        leftovers += folder.rglob(f"{TEMPORARY_PREFIX}*")
    for leftover in leftovers:
        remove(leftover)
    return len(leftovers)
