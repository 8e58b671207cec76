"""The watched folder: a file or a bundle dropped into the inbox is ingested by the next tick."""

import time
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.defs.jobs import LOAD_BUNDLE, MEASURE_SHARDS, REFRESH
from pipelines.defs.profiles.assets import BUNDLES
from pipelines.defs.profiles.shards import SHARDS, shard_folder
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.lib.resources import Home
from pipelines.sources.inbox import (
    Dropped,
    arriving_bundles,
    code_of_readers,
    complete_files,
    digest_of_state,
    new_bundles,
    new_files,
)
from pipelines.sources.profiles.recognition import SOURCE
from pipelines.sources.raw_store import SET_ASIDE, RawStore

_STATE = "skyline/state"
_RUN_KEY = "dagster/run_key"
"""Tag under which Dagster keeps the key of a run that a sensor asked for."""
_ATTEMPTS = 5


def _key(state: str, context: dg.SensorEvaluationContext) -> str | None:
    """The key of a run for that state; another after each run for it that failed, and none after too many.

    Dagster launches one run per key. What was read is marked and asked for no more, so whoever asks again for the same
    state does so because a run ended before it had read it.
    """
    ended_badly = [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    failed = context.instance.get_runs_count(dg.RunsFilter(tags={_STATE: state}, statuses=ended_badly))
    return f"{state}-{failed}" if failed < _ATTEMPTS else None


def _reading(folder: Path) -> dict[str, Any]:
    """Configuration of a refresh that reads the inbox first."""
    return {"ops": {RAW_FILES.to_python_identifier(): {"config": {"sources": [str(folder.resolve())]}}}}


def _refresh_of_bundles(context: dg.SensorEvaluationContext, home: Home) -> tuple[str, dg.DagsterRun | None] | None:
    """The key of a refresh for what earlier ticks loaded, and the run that was asked for under it, if one was.

    The key changes exactly when what was loaded does.
    """
    partitions = set(context.instance.get_dynamic_partitions(str(BUNDLES.name)))
    store = RawStore(home.settings.raw)
    landed = [
        each for source in (SOURCE, SET_ASIDE) for each in store.snapshots(source) if each.manifest.uri in partitions
    ]
    if not landed:
        return None
    key = f"profiles-{digest_of_state(f'{each.sha256}:{each.manifest.uri}' for each in landed)}"
    return key, next(iter(context.instance.get_runs(dg.RunsFilter(tags={_RUN_KEY: key}), limit=1)), None)


def _bundles_first(context: dg.SensorEvaluationContext, home: Home) -> list[str]:
    """Bundles whose refresh will read the files of the same drop too: one drop makes one refresh."""
    arrived, _ = new_bundles(home.settings, code_of_readers())
    named = [each for each in arrived if _may_be_a_partition(each.name, context)]
    loading = [each.name for each in named if _key(_state_of(each), context)]
    return [*loading, *arriving_bundles(home.settings)]


def _state_of(bundle: Dropped) -> str:
    return digest_of_state(iter((bundle.name, bundle.state)))


@dg.sensor(
    job=REFRESH,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ingests files dropped into the inbox.",
)
def inbox(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult | dg.SkipReason:
    """Ask for one run per new state of what was not yet read."""
    folder = home.settings.inbox
    files = new_files(home.settings, code_of_readers())
    if not files:
        return dg.SkipReason(f"Nothing new in {folder}.")
    if first := _bundles_first(context, home):
        return dg.SkipReason(f"{', '.join(first[:5])} first; the refresh after it reads these files too.")
    of_bundles = _refresh_of_bundles(context, home)
    if of_bundles and (of_bundles[1] is None or not of_bundles[1].is_finished):
        return dg.SkipReason("The refresh of the bundles that were stored reads these files too.")
    state = digest_of_state(f"{each.name}:{each.state}" for each in files)
    key = _key(state, context)
    if key is None:
        return dg.SkipReason(
            f"{_ATTEMPTS} runs failed before reading {files[0].name}; check their logs, then touch the file."
        )
    request = dg.RunRequest(run_key=key, run_config=_reading(folder), tags={_STATE: state})
    return dg.SensorResult(run_requests=[request])


def _may_be_a_partition(name: str, context: dg.SensorEvaluationContext) -> bool:
    """Whether Dagster takes the name of a bundle, and the name is that of its folder; else whoever runs it is told."""
    if "..." in name or "\\" in name:
        context.log.warning(f"{name} cannot be loaded under that name; rename its folder.")
        return False
    return True


@dg.sensor(
    jobs=[LOAD_BUNDLE, REFRESH],
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Stores bundles of measurements that have arrived completely, then derives and publishes.",
)
def bundles(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult | dg.SkipReason:
    """One run per bundle and state of it that was not yet read; a refresh once all are stored, of files too."""
    folder = home.settings.inbox
    arrived, waiting = new_bundles(home.settings, code_of_readers())
    requests = []
    for each in [folder for folder in arrived if _may_be_a_partition(folder.name, context)]:
        state = _state_of(each)
        if key := _key(state, context):
            tags = {_STATE: state}
            requests.append(dg.RunRequest(run_key=key, job_name=LOAD_BUNDLE.name, partition_key=each.name, tags=tags))
    partitions = set(context.instance.get_dynamic_partitions(str(BUNDLES.name)))
    of_bundles = None if requests else _refresh_of_bundles(context, home)
    if of_bundles and of_bundles[1] is None:
        # While others are still being loaded, one refresh after the last is enough.
        config = _reading(folder) if new_files(home.settings, code_of_readers()) else None
        requests.append(dg.RunRequest(run_key=of_bundles[0], job_name=REFRESH.name, run_config=config))
    if not requests:
        return dg.SkipReason(f"Waiting for {', '.join(waiting)}." if waiting else f"No new bundle in {folder}.")
    fresh = [
        request.partition_key
        for request in requests
        if request.partition_key and request.partition_key not in partitions
    ]
    added = [BUNDLES.build_add_request(fresh)] if fresh else []
    return dg.SensorResult(run_requests=requests, dynamic_partitions_requests=added)


@dg.sensor(
    job=MEASURE_SHARDS,
    minimum_interval_seconds=30,
    description="Measures plans dropped into profiles/shards on a Ray cluster. Off until switched on.",
)
def shards(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult | dg.SkipReason:
    """One partition and one run per plan and state of it."""
    folder = shard_folder(home.settings)
    plans = [path for path in complete_files(folder, time.time()) if path.suffix == ".json"]
    if not plans:
        return dg.SkipReason(f"No plan in {folder}.")
    partitions = set(context.instance.get_dynamic_partitions(str(SHARDS.name)))
    fresh = [path.stem for path in plans if path.stem not in partitions]
    requests = [
        dg.RunRequest(run_key=digest_of_state(iter((p.stem, str(p.stat().st_mtime_ns)))), partition_key=p.stem)
        for p in plans
    ]
    return dg.SensorResult(
        run_requests=requests, dynamic_partitions_requests=[SHARDS.build_add_request(fresh)] if fresh else []
    )
