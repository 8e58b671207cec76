"""Refreshing a Skyline home in this process: collect, and only if that changed anything, derive and publish."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from pipelines.beside import ahead, beside, second_process
from pipelines.fingerprint import fingerprint
from pipelines.progress import listening
from pipelines.sources.collect import Collection, collect
from pipelines.sources.raw_store import RawStore
from pipelines.writer_lock import only_writer
from warehouse.publish import NotPublished, Release, current
from warehouse.settings import Settings
from warehouse.versions import fault


class RefreshFailed(RuntimeError):
    """A step or a blocking check failed; readers keep the release before."""


class BrokenRaw(RuntimeError):
    """The raw snapshots cannot be built from."""


@dataclass(frozen=True)
class Refreshed:
    """What a refresh did.

    Attributes:
        release: The release that is current now.
        collected: Files found.
        unchanged: Whether nothing was derived because nothing had changed.
    """

    release: Release
    collected: Collection
    unchanged: bool


def refresh(sources: Sequence[str], settings: Settings, report: Callable[[str], None] = lambda _: None) -> Refreshed:
    """Collect the sources and, unless the current release was made from just that, derive every table and publish.

    Args:
        sources: As `collect` takes them.
        settings: The home.
        report: Called with one line per file and per table.

    Raises:
        NothingFound, HubUnavailable, NotOnHub: as `collect`.
        RefreshFailed: a step or a blocking check failed; the message names it.
        HomeBusy: another process is writing to the home.
    """
    with only_writer(settings):
        collected = collect(sources, settings, report)
        wanted = fingerprint(settings)
        try:
            release = current(settings.published)
        except NotPublished:
            pass
        else:
            if release.fingerprint == wanted and fault(release.path, thorough=False) is None:
                return Refreshed(release, collected, unchanged=True)
        _derive(settings, report)
        return Refreshed(current(settings.published), collected, unchanged=False)


def rebuild(settings: Settings, report: Callable[[str], None] = lambda _: None) -> Release:
    """Derive and publish everything anew from the raw snapshots alone; what was derived before is thrown away.

    Args:
        settings: The home.
        report: Called with one line per table.

    Raises:
        BrokenRaw: a raw file does not hold what its name says; nothing is thrown away.
        RefreshFailed: a step or a blocking check failed; readers keep the release before.
        HomeBusy: another process is writing to the home.
    """
    with only_writer(settings):
        store = RawStore(settings.raw)
        if not store.sources():
            raise BrokenRaw(f"{settings.raw} holds no snapshot to rebuild from; run `skyline refresh`.")
        if broken := store.broken():
            raise BrokenRaw(
                f"{len(broken)} raw files do not hold what their names say, first {broken[0]}; restore them from a"
                " backup, or delete them with their manifests and run `skyline refresh`."
            )
        shutil.rmtree(settings.lake.folder, ignore_errors=True)
        _derive(settings, report)
        return current(settings.published)


def _derive(settings: Settings, report: Callable[[str], None]) -> None:
    report("starting the pipeline")
    settings = settings.model_copy(update={"home": settings.home.resolve()})
    # Importing dagster takes seconds; a refresh with nothing to do must not pay them.
    from pipelines.kept import keep  # noqa: PLC0415
    from pipelines.leaderboards import read_leaderboards  # noqa: PLC0415

    with second_process(), listening(report):
        ahead(read_leaderboards, settings.raw)
        beside(keep, settings)
        _materialise(settings)


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the folder in which Dagster keeps its runs, with our settings (telemetry off), and return it."""
    folder = settings.dagster.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "dagster.yaml").exists():
        with resources.as_file(resources.files("pipelines").joinpath("dagster.yaml")) as shipped:
            shutil.copyfile(shipped, folder / "dagster.yaml")
    return folder


def _materialise(settings: Settings) -> None:
    home = prepare_dagster_home(settings)
    os.environ["DAGSTER_HOME"] = str(home)
    from pipelines.definitions import defs  # noqa: PLC0415
    from pipelines.event_log import instance as instance_of  # noqa: PLC0415
    from pipelines.jobs import REFRESH  # noqa: PLC0415
    from pipelines.resources import Home  # noqa: PLC0415

    with instance_of(home) as instance:
        result = defs.resolve_job_def(REFRESH.name).execute_in_process(
            instance=instance,
            raise_on_error=False,
            # Every event is kept in the instance; the terminal shows what `report` is told.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            resources={"skyline": Home(folder=str(settings.home))},
        )
    broken = [
        f"check {check.check_name} of {'.'.join(check.asset_key.path)} failed: {check.description or 'see metadata'}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.blocking
    ]
    failed = [
        f"step {event.step_key} failed: {_root_cause(event)}" for event in result.all_events if event.is_step_failure
    ]
    if not result.success:
        reasons = broken or failed or [f"run {result.run_id} failed"]
        raise RefreshFailed(f"{'; '.join(reasons)}. The release before stays current.")


def _root_cause(event: object) -> str:
    error = getattr(getattr(event, "step_failure_data", None), "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip().splitlines()[0] if error is not None else "no reason was recorded"
