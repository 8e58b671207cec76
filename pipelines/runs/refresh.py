"""Refreshing a Skyline home in this process: collect, and only if that changed anything, derive and publish."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.runs.fingerprint import fingerprint
from pipelines.runs.lake_before import lake_from_nothing
from pipelines.runs.progress import listening
from pipelines.runs.writer_lock import Hold, only_writer
from pipelines.sources.accounts import WHOLE_FILE
from pipelines.sources.collect import collect
from pipelines.sources.mend import mend as mend_raw
from pipelines.sources.raw_store import RawStore
from pipelines.sources.source_files import Collection
from warehouse.contracts.sources import REJECTED_ROWS
from warehouse.files import vacated, write_text
from warehouse.publish import Release, current
from warehouse.settings import Settings
from warehouse.versions import mend as mend_published

if TYPE_CHECKING:
    import dagster as dg


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
        NotWritable: its disk is full, or it is not ours to write; readers keep the release before.
    """
    with only_writer(settings) as hold:
        _recover(hold, settings, report)
        mend_raw(settings, report)
        collected = collect(sources, settings, report)
        wanted_fingerprint = fingerprint(settings)
        release = mend_published(settings.published, report)
        if release is not None and release.fingerprint == wanted_fingerprint:
            return Refreshed(release, collected, unchanged=True)
        _derive(settings, report)
        for uri, reason in _rejected_files(collected, settings):
            report(f"{uri}: {reason}")
            collected.set_aside.append((uri, reason))
        return Refreshed(current(settings.published), collected, unchanged=False)


def rebuild(settings: Settings, report: Callable[[str], None] = lambda _: None) -> Release:
    """Derive and publish everything anew from the raw snapshots alone; then what was derived before is thrown away.

    Args:
        settings: The home.
        report: Called with one line per table.

    Raises:
        BrokenRaw: a raw file does not hold what its name says; nothing is thrown away.
        RefreshFailed: a step or a blocking check failed; readers keep the release before.
        HomeBusy: another process is writing to the home.
        NotWritable: its disk is full, or it is not ours to write; readers keep the release before.
    """
    with only_writer(settings) as hold:
        _recover(hold, settings, report)
        store = RawStore(settings.raw)
        if not store.sources():
            raise BrokenRaw(f"{settings.raw} holds no snapshot to rebuild from; run `skyline refresh`.")
        if broken := store.broken():
            raise BrokenRaw(
                f"{len(broken)} raw files do not hold what their names say, first {broken[0].path}: {broken[0].reason};"
                " restore them from a backup, or run `skyline refresh`, which sets them aside and fetches "
                "what it can again."
            )
        with lake_from_nothing(settings):
            _derive(settings, report)
        return current(settings.published)


def _rejected_files(collected: Collection, settings: Settings) -> list[tuple[str, str]]:
    """Name and reason of every new file that was recognised, and of which no reader could take a row."""
    import polars as pl  # noqa: PLC0415 - loads only when needed

    new = [file.manifest.uri for file in collected.new]
    whole = pl.col("snapshot_id").is_null() & pl.col("reason").str.starts_with(WHOLE_FILE)
    rejected = settings.lake.scan(REJECTED_ROWS).filter(whole & pl.col("uri").is_in(new))
    return list(rejected.select("uri", "reason").unique(maintain_order=True).collect().iter_rows())


def _recover(hold: Hold, settings: Settings, report: Callable[[str], None]) -> None:
    """Deal with what a writer left that was killed: half-written files, and runs that Dagster takes for running."""
    if hold.interrupted:
        report("the last writer was killed: removing its unfinished files")
        from pipelines.runs.dead_runs import mark_dead_runs, sweep_leftovers  # noqa: PLC0415 - loads slowly

        sweep_leftovers(settings)
        # Where its storage is away, the next writer marks them.
        hold.interrupted = not _tell_dagster(settings, report, mark_dead_runs)


def _derive(settings: Settings, report: Callable[[str], None]) -> None:
    report("starting the pipeline")
    settings = settings.model_copy(update={"home": settings.home.resolve()})
    with listening(report):
        _materialise(settings, report)


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the folder in which Dagster keeps its runs, with our settings (telemetry off), and return it."""
    folder = settings.dagster.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not vacated(folder / "dagster.yaml").exists():
        write_text(folder / "dagster.yaml", resources.files("pipelines").joinpath("dagster.yaml").read_text("utf-8"))
    return folder


def _tell_dagster(
    settings: Settings, report: Callable[[str], None], tell: Callable[["dg.DagsterInstance"], object]
) -> bool:
    """Have Dagster's storage know of what its interface shows; return whether it could be reached.

    Tables and releases do not rest on it, so that a database that is away keeps nothing from being published.
    """
    import dagster as dg  # noqa: PLC0415 - loads slowly

    try:
        with dg.DagsterInstance.from_config(str(prepare_dagster_home(settings))) as instance:
            tell(instance)
    except Exception as error:  # noqa: BLE001 - what keeps runs is configured, and fails in its own ways
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        report(f"Dagster's storage cannot be reached, so its interface will not show this refresh: {reason}")
        return False
    return True


def _materialise(settings: Settings, report: Callable[[str], None]) -> None:
    # Importing dagster takes seconds; a refresh with nothing to do must not pay them.
    import dagster as dg  # noqa: PLC0415

    from pipelines.definitions import defs  # noqa: PLC0415
    from pipelines.defs.jobs import REFRESH  # noqa: PLC0415
    from pipelines.lib.resources import WrittenHome  # noqa: PLC0415
    from pipelines.runs.dead_runs import mark_dead_runs  # noqa: PLC0415

    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def(REFRESH.name).execute_in_process(
            instance=instance,
            raise_on_error=False,
            # The terminal shows what `report` is told.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            resources={"skyline": WrittenHome(folder=str(settings.home))},
        )

    # A thousand events of a run cost more than its tables do; what Dagster's interface shows of a table is one of them.
    def tell(dagster_instance: dg.DagsterInstance) -> None:
        mark_dead_runs(dagster_instance)
        for event in result.get_asset_materialization_events():
            dagster_instance.report_runless_asset_event(event.materialization)

    _tell_dagster(settings, report, tell)
    if not result.success:
        raise RefreshFailed(f"{why_failed(result)}. The previous release stays current.")


def why_failed(result: "dg.ExecuteInProcessResult") -> str:
    """What broke a run that did not succeed: the blocking checks that failed, else the steps, each with its reason."""
    broken = [
        f"check {check.check_name} of {'.'.join(check.asset_key.path)} failed: {check.description or 'see metadata'}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.blocking
    ]
    failed = [
        f"step {event.step_key} failed: {_root_cause(event)}" for event in result.all_events if event.is_step_failure
    ]
    return "; ".join(broken or failed or [f"run {result.run_id} failed"])


def _root_cause(event: object) -> str:
    error = getattr(getattr(event, "step_failure_data", None), "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip().splitlines()[0] if error is not None else "no reason was recorded"
