"""From bundles of measurements to points, modules, telemetry and errors of predictions; and a sweep of this machine."""

import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
from filelock import FileLock, Timeout
from pydantic import Field

from pipelines.defs.profiles.tables import prediction_errors, predictions_of
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.lib.contract_assets import makes, spec, write
from pipelines.lib.resources import Home
from pipelines.runs.executor import ONLY_MEASURES
from pipelines.sources.collect import collect
from pipelines.sources.profiles import read as profile_bundles
from pipelines.sources.raw_store import RawStore
from pipelines.sources.source_files import NothingFound
from profiling.measure.bundle import SUFFIX as BUNDLE_SUFFIX
from profiling.measure.bundle import is_complete
from profiling.measure.environment import child_variables
from warehouse.contracts import profiles as tables
from warehouse.files import vacated

BUNDLES = dg.DynamicPartitionsDefinition(name="profile_bundles")
RAW_BUNDLES = dg.AssetKey(["raw", "profile_bundles"])
LOCAL_SWEEP = dg.AssetKey(["raw", "local_sweep"])
# Time enough for a plan of a night.
_LONGEST_SWEEP_S = 12 * 3600


@dg.asset(
    key=RAW_BUNDLES,
    partitions_def=BUNDLES,
    group_name="profiles",
    kinds={"file"},
    tags={"layer": "raw"},
    description="A bundle from the inbox: stored once if its seal is intact, otherwise set aside with the reason.",
)
def raw_bundle(context: dg.AssetExecutionContext, skyline: Home) -> dg.MaterializeResult[None]:
    """Store one bundle; storing it again changes nothing."""
    folder = skyline.settings.inbox / context.partition_key
    try:
        collection = collect([str(folder)], skyline.settings, context.log.info)
        new, reasons = len(collection.new), [reason for _, reason in collection.set_aside]
    except NothingFound as error:
        # It stands among the rejected rows with its reason; the rest of the pipeline goes on.
        new, reasons = 0, [str(error)]
    for reason in reasons:
        context.log.warning(reason)
    return dg.MaterializeResult(metadata={"new": new, "set_aside": dg.MetadataValue.json(reasons)})


class SweepConfig(dg.Config):
    """What to measure here.

    Attributes:
        plan: Plan or grid, a file.
        name: Name of the bundle.
        device: cpu, cuda or cuda:1; empty lets torch decide.
        most_seconds: No point is started after that long.
    """

    plan: str = Field(min_length=1)
    name: str = "local"
    device: str = ""
    most_seconds: float = Field(default=600.0, gt=0, le=_LONGEST_SWEEP_S)


@dg.asset(
    key=LOCAL_SWEEP,
    group_name="profiles",
    kinds={"torch"},
    op_tags=ONLY_MEASURES,
    tags={"layer": "raw"},
    description="A sweep on this machine's device, in a separate process; the bundle goes to the inbox.",
)
def local_sweep(
    context: dg.AssetExecutionContext, config: SweepConfig, home: Home, pipes: dg.PipesSubprocessClient
) -> dg.MaterializeResult[None]:
    """Run `profile run`; what was measured before an interruption is kept and continued."""
    inbox = home.settings.inbox.resolve()
    inbox.mkdir(parents=True, exist_ok=True)
    # Measured beside the inbox and moved there whole, so that nobody finds half of it.
    work = home.settings.home.resolve() / "profiles" / f"{config.name}{BUNDLE_SUFFIX}"
    work.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pipelines.defs.profiles.sweep_process",
        str(Path(config.plan).resolve()),
        str(work),
    ]
    command += [str(config.most_seconds), config.device]
    # Two sweeps at once would measure each other. The system lets go of a lock if this process is killed.
    try:
        with FileLock(vacated(work.parent / "device.lock"), timeout=config.most_seconds):
            reported = pipes.run(context=context, command=command, env=child_variables()).get_custom_messages()
    except Timeout:
        raise dg.Failure(f"Another sweep is still measuring here after {config.most_seconds:g} s.") from None
    if not is_complete(work):
        raise dg.Failure(f"The sweep did not finish within {config.most_seconds:g} s; run it again to continue.")
    target = inbox / work.name
    if target.exists():
        raise dg.Failure(f"{target} is there already; name another.")
    work.rename(target)
    outcomes = dg.MetadataValue.json(reported[-1] if reported else {})
    return dg.MaterializeResult(metadata={"bundle": dg.MetadataValue.path(str(target)), "outcomes": outcomes})


_TABLES = (*profile_bundles.MAKERS, tables.REJECTED_ROWS, tables.PREDICTION_ERROR)


@dg.multi_asset(name="profiles", **makes(*(spec(table, [RAW_FILES]) for table in _TABLES)))
def profiles(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Read every stored bundle; predict each point by the ceilings of its device and the points of other models."""
    stored = profile_bundles.load_bundles(RawStore(skyline.settings.raw))
    lake = skyline.lake
    points = profile_bundles.points(stored, predictions_of(stored))
    yield write(lake, tables.REJECTED_ROWS, tables.REJECTED_ROWS.concat(stored.rejected))
    yield write(lake, tables.POINTS, points, flagged=points.filter(pl.col("flags") != "").height)
    for table, make in profile_bundles.MAKERS.items():
        if table is not tables.POINTS:
            yield write(lake, table, make(stored))
    yield write(lake, tables.PREDICTION_ERROR, prediction_errors(points))


@dg.asset_check(asset=tables.POINTS.asset_key, description="How many points ended well and passed every gate.")
def points_pass_their_gates(skyline: Home) -> dg.AssetCheckResult:
    """Count flags; a flagged point is shown as such, and does not keep others from being published."""
    points = skyline.lake.read(tables.POINTS)
    flags = points.select(pl.col("flags").str.split(", ").explode()).filter(pl.col("flags") != "").to_series()
    counts = {str(name): int(rows) for name, rows in flags.value_counts().iter_rows()}
    return dg.AssetCheckResult(
        passed=not counts,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"points": points.height, "flags": dg.MetadataValue.json(counts)},
    )
