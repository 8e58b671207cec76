"""Lineage is what steps read: every step runs alone, in a home that holds only what ships, with its reads recorded."""

from pathlib import Path

import dagster as dg
import pytest

from pipelines.definitions import defs
from pipelines.defs.jobs import REFRESH
from pipelines.defs.performance import tables as performance
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.sources.raw_store import RawStore
from warehouse.contracts import TABLES, Table
from warehouse.contracts import performance as performance_contracts
from warehouse.lake import Lake
from warehouse.settings import Settings

SELECTED = defs.resolve_job_def(REFRESH.name).asset_layer.selected_asset_keys
STEPS = sorted(
    (step for step in defs.resolve_asset_graph().assets_defs if step.keys & SELECTED and step.is_executable),
    key=lambda step: step.op.name,
)

HEAVY = {"quantisation_loss"}  # fits without each model once


def declared(step: dg.AssetsDefinition) -> set[dg.AssetKey]:
    """What the lineage says that the step depends on, apart from itself."""
    return {dependency for keys in step.asset_deps.values() for dependency in keys} - step.keys


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds every table; rows have only those that are made from nothing but what ships."""
    home = tmp_path_factory.mktemp("shipped") / "home"
    lake = Settings.model_validate({"home": str(home)}).lake
    for table in TABLES:
        lake.write(table, table.empty())
    with pytest.MonkeyPatch.context() as environment, dg.DagsterInstance.ephemeral() as instance:
        environment.setenv("SKYLINE_HOME", str(home))
        dg.materialize([step for step in STEPS if not declared(step)], instance=instance)
    return home


@pytest.mark.parametrize(
    "step",
    [pytest.param(step, id=step.op.name, marks=[pytest.mark.slow] * (step.op.name in HEAVY)) for step in STEPS],
)
def test_a_step_depends_on_what_it_reads_and_on_nothing_else(
    step: dg.AssetsDefinition, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: set[dg.AssetKey] = set()
    scan, parts, snapshots, sources = Lake.scan, Lake.parts, RawStore.snapshots, RawStore.sources

    def scanned(lake: Lake, table: Table) -> object:
        read.add(dg.AssetKey(list(table.asset_key)))
        return scan(lake, table)

    def looked_up(lake: Lake, table: Table) -> object:
        read.add(dg.AssetKey(list(table.asset_key)))
        return parts(lake, table)

    def listed(store: RawStore, source: str) -> object:
        read.add(RAW_FILES)
        return snapshots(store, source)

    def named(store: RawStore) -> object:
        read.add(RAW_FILES)
        return sources(store)

    monkeypatch.setattr(Lake, "scan", scanned)
    monkeypatch.setattr(Lake, "parts", looked_up)
    monkeypatch.setattr(RawStore, "snapshots", listed)
    monkeypatch.setattr(RawStore, "sources", named)
    monkeypatch.setenv("SKYLINE_HOME", str(home))
    # These need no table but that of calibrations, and minutes of others.
    for name in ("roofline_points", "roofline_operators", "gpu_requirements"):
        empty = getattr(performance_contracts, name.upper()).empty()
        monkeypatch.setattr(performance, name, lambda *_, empty=empty: empty)
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize([step], instance=instance)
    assert done.success
    assert read - step.keys == declared(step)
