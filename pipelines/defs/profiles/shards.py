"""Sweeps over a cluster: one partition is one shard of a plan, and its bundle lands in the inbox like any other."""

import shutil
from pathlib import Path

import dagster as dg
from pydantic import Field

from pipelines.defs.profiles.ray_shards import Measured, sweep
from pipelines.lib.resources import Home
from pipelines.runs.executor import ONLY_MEASURES
from profiling.measure.archive import build
from profiling.measure.bundle import SUFFIX as BUNDLE_SUFFIX
from warehouse.settings import Settings

SHARDS = dg.DynamicPartitionsDefinition(name="sweep_shards")
SWEPT_SHARDS = dg.AssetKey(["raw", "swept_shards"])


def shard_folder(settings: Settings) -> Path:
    """Where plans of shards lie (`profile plan --shards`), one file each; the file's stem is the partition."""
    return settings.home / "profiles" / "shards"


class ShardConfig(dg.Config):
    """How shards are measured.

    Attributes:
        address: Of the Ray cluster; empty: what RAY_ADDRESS says, else Ray on this machine for the time of the run.
        gpus: GPUs that one shard takes.
        cpus: Processors that one shard takes.
        arguments: Further arguments of `skyline profile run`.
    """

    address: str = ""
    gpus: float = Field(default=0.0, ge=0)
    cpus: float = Field(default=1.0, ge=0)
    arguments: list[str] = Field(default_factory=list)


@dg.asset(
    key=SWEPT_SHARDS,
    partitions_def=SHARDS,
    group_name="profiles",
    kinds={"ray", "torch"},
    op_tags=ONLY_MEASURES,
    tags={"layer": "raw"},
    description="Shards of a sweep, each measured by a task on a Ray cluster; the bundles go to the inbox.",
)
def swept_shards(context: dg.AssetExecutionContext, config: ShardConfig, home: Home) -> dg.MaterializeResult[None]:
    """Measure the shard, unless its bundle is there already; runs of other shards wait for the cluster beside it."""
    settings = home.settings
    settings.inbox.mkdir(parents=True, exist_ok=True)
    name = context.partition_key
    plan, bundle = shard_folder(settings) / f"{name}.json", settings.inbox / f"{name}{BUNDLE_SUFFIX}"
    if not plan.exists():
        raise dg.Failure(f"No plan at {plan}; `skyline profile plan GRID --shards N` makes them.")
    if bundle.exists():
        return dg.MaterializeResult(metadata={"measured": False, "bundle": dg.MetadataValue.path(str(bundle))})
    plans = {name: plan.read_bytes()}
    (measured,) = sweep(
        plans, _program(settings), config.arguments, config.address or None, gpus=config.gpus, cpus=config.cpus
    )
    context.log.info(measured.output)
    if not measured.bundle:
        raise dg.Failure(
            f"{name} was not measured: {(measured.output.strip().splitlines() or ['no reason given'])[-1]}"
        )
    _land(measured, settings, bundle)
    return dg.MaterializeResult(
        metadata={"measured": True, "node": measured.node, "bundle": dg.MetadataValue.path(str(bundle))}
    )


def _program(settings: Settings) -> bytes:
    path = settings.home / "profiles" / "profiling.pyz"
    path.parent.mkdir(parents=True, exist_ok=True)
    build(path)
    return path.read_bytes()


def _land(measured: Measured, settings: Settings, bundle: Path) -> None:
    """Into the inbox whole, so that nobody finds half of it."""
    partial = settings.home / "profiles" / f"{measured.name}{BUNDLE_SUFFIX}.part"
    shutil.rmtree(partial, ignore_errors=True)
    measured.unpack(partial)
    partial.rename(bundle)
