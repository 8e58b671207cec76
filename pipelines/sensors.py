"""The watched folder: a file or a bundle dropped into the inbox is ingested by the next tick."""

import time
from pathlib import Path

import dagster as dg

from pipelines.assets.profiles import BUNDLES
from pipelines.assets.shards import SHARDS, shard_folder
from pipelines.assets.sources import RAW_FILES
from pipelines.jobs import LOAD_BUNDLE, MEASURE_SHARDS, REFRESH
from pipelines.resources import Home
from pipelines.sources.profile_bundles import SOURCE, is_bundle
from pipelines.sources.raw_store import SET_ASIDE, RawStore
from pipelines.sources.recognition import SUFFIXES
from profiling.measure.bundle import SUFFIX as BUNDLE_SUFFIX
from profiling.measure.bundle import is_complete

# A file that is still being copied keeps changing; one that has been still for this long is whole.
SETTLED_AFTER_S = 2.0


def settled_files(inbox: Path, now_s: float) -> list[Path]:
    """Files of the inbox, at any depth, of a kind that some source reads and that nobody is still writing."""
    if not inbox.is_dir():
        return []
    found = (path for path in sorted(inbox.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file())
    loose = (p for p in found if not any(part.endswith(BUNDLE_SUFFIX) for part in p.relative_to(inbox).parts[:-1]))
    return [p for p in loose if not p.name.startswith(".") and now_s - p.stat().st_mtime >= SETTLED_AFTER_S]


@dg.sensor(
    job=REFRESH,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ingests files dropped into the inbox.",
)
def inbox(home: Home) -> dg.SensorResult | dg.SkipReason:
    """Ask for one run per new state of the inbox."""
    folder = home.settings.inbox
    files = settled_files(folder, time.time())
    if not files:
        return dg.SkipReason(f"Nothing in {folder}.")
    # The key names every file's state, so that an unchanged inbox asks for nothing twice.
    state = "|".join(f"{p.relative_to(folder)}:{p.stat().st_mtime_ns}:{p.stat().st_size}" for p in files)
    config = {"ops": {"__".join(RAW_FILES): {"config": {"sources": [str(folder.resolve())]}}}}
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=state, run_config=config)])


def bundle_state(folder: Path, now_s: float) -> str | None:
    """Names what lies in a bundle's folder; None while it is incomplete or something in it is still moving."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    # Tools that copy need not keep the order of files: the mark alone does not say that all is there.
    if not is_complete(folder) or any(now_s - path.stat().st_mtime < SETTLED_AFTER_S for path in files):
        return None
    return "|".join(f"{p.relative_to(folder)}:{p.stat().st_mtime_ns}:{p.stat().st_size}" for p in files)


@dg.sensor(
    jobs=[LOAD_BUNDLE, REFRESH],
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Stores bundles of measurements that have wholly arrived, then derives and publishes.",
)
def bundles(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult | dg.SkipReason:
    """One run per bundle and state of it; a refresh once what was stored has changed."""
    folder = home.settings.inbox
    found = [path for path in sorted(folder.glob(f"*{BUNDLE_SUFFIX}")) if is_bundle(path)]
    states = {path.name: bundle_state(path, time.time()) for path in found}
    arrived = {name: state for name, state in states.items() if state is not None}
    waiting = sorted(set(states) - set(arrived))
    requests = [
        dg.RunRequest(run_key=f"{name}|{state}", job_name=LOAD_BUNDLE.name, partition_key=name)
        for name, state in arrived.items()
    ]
    # What was loaded by earlier ticks; the key changes exactly when that does.
    store = RawStore(home.settings.raw)
    landed = [each for source in (SOURCE, SET_ASIDE) for each in store.snapshots(source) if each.manifest.uri in states]
    stored = "|".join(f"{each.sha256}:{each.manifest.uri}" for each in landed)
    if stored:
        requests.append(dg.RunRequest(run_key=f"profiles|{stored}", job_name=REFRESH.name))
    if not requests:
        return dg.SkipReason(f"Waiting for {', '.join(waiting)}." if waiting else f"No bundle in {folder}.")
    known = set(context.instance.get_dynamic_partitions(str(BUNDLES.name)))
    fresh = [name for name in arrived if name not in known]
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
    plans = [path for path in settled_files(folder, time.time()) if path.suffix == ".json"]
    if not plans:
        return dg.SkipReason(f"No plan in {folder}.")
    known = set(context.instance.get_dynamic_partitions(str(SHARDS.name)))
    fresh = [path.stem for path in plans if path.stem not in known]
    requests = [dg.RunRequest(run_key=f"{p.stem}|{p.stat().st_mtime_ns}", partition_key=p.stem) for p in plans]
    return dg.SensorResult(
        run_requests=requests, dynamic_partitions_requests=[SHARDS.build_add_request(fresh)] if fresh else []
    )
