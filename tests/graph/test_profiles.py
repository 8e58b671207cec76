"""Bundles on their way from the inbox to the warehouse: whole ones land, copied halves wait, spoilt ones say why."""

import json
import os
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import pytest
from dagster._core.utils import make_new_run_id

from pipelines.defs.sources.sensors import bundles, inbox
from pipelines.lib.resources import Home
from pipelines.sources.collect import MEASURED
from pipelines.sources.profiles.recognition import SOURCE
from pipelines.sources.raw_store import RawStore
from profiling.measure.recorded import point, served_environment, write_bundle
from warehouse.contracts import profiles as tables
from warehouse.lake import Lake
from warehouse.publish import current

from .graph_run import Run
from .test_sensor import SCRAPE

# Files that were set aside whole stand among what the leaderboards rejected.
DERIVED = ("core/models", "marts/profile_points", "meta/rejected_rows", "published/warehouse")


def rested(folder: Path) -> Path:
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
    return folder


def dropped(home: Path, name: str = "mine.bundle", latency_s: float = 0.5) -> Path:
    folder = home / "inbox" / name
    row = point(
        {"model": "org/measured-1b", "stage": "decode", "batch": 2, "context": 64, "precision": "bfloat16"},
        {"latency_s": latency_s, "tokens": 2},
    )
    write_bundle(folder, "dropped", served_environment({"endpoint": "http://here"}), [row])
    return rested(folder)


def tick(run: Run) -> dg.SensorResult | dg.SkipReason:
    with dg.build_sensor_context(instance=run.instance) as context:
        result = bundles(context, home=Home(folder=str(run.home)))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def load(run: Run, asked: dg.RunRequest) -> None:
    """What the daemon does with a request of the sensor."""
    assert asked.partition_key
    run.instance.add_dynamic_partitions("profile_bundles", [asked.partition_key])
    run.environment.setenv("SKYLINE_HOME", str(run.home))
    from pipelines.definitions import defs  # noqa: PLC0415

    result = defs.resolve_job_def("load_profile_bundle").execute_in_process(
        instance=run.instance, partition_key=asked.partition_key
    )
    assert result.success


def published(run: Run, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(current(run.home / "published").path), read_only=True) as connection:
        return connection.sql(query).fetchall()


def test_what_this_project_measured_is_in_the_warehouse_with_its_flags(bundled_home: Path) -> None:
    lake = Lake(bundled_home / "lake")
    points, layers = lake.read(tables.POINTS), lake.read(tables.LAYERS)
    assert points.height >= 20
    assert set(points["status"]) == {"ok"}
    contended = points.filter(pl.col("waiting_share") > 0.05)
    assert contended["is_contended"].all()
    assert points["energy_j"].is_null().all()
    assert points["energy_why"].is_not_null().all()
    sums = layers.group_by("point_id").agg(pl.col("time_share").sum())["time_share"]
    assert sums.to_list() == pytest.approx([1.0] * points.height)
    errors = lake.read(tables.PREDICTION_ERROR)
    assert set(errors["stage"]) == {"prefill", "decode", "encode"}


def test_a_bundle_goes_from_the_inbox_to_the_published_warehouse_and_only_once(run: Run) -> None:
    dropped(run.home)
    first = tick(run)
    assert isinstance(first, dg.SensorResult)
    (asked,) = first.run_requests or []
    assert (asked.job_name, asked.partition_key) == ("load_profile_bundle", "mine.bundle")
    load(run, asked)
    load(run, asked)
    assert sum("mine" in each.manifest.uri for each in RawStore(run.home / "raw").snapshots(SOURCE)) == 1
    second = tick(run)
    assert isinstance(second, dg.SensorResult)
    # What was read is marked, and asked for no more.
    (refresh,) = second.run_requests or []
    assert (refresh.job_name, len(refresh.run_key or "")) == ("refresh", len("profiles-") + 64)
    assert run(DERIVED).success
    query = "SELECT tokens_per_s FROM marts.profile_points WHERE model = 'org/measured-1b'"
    assert published(run, query) == [(4.0,)]
    assert published(run, "SELECT count(*) FROM meta.snapshots WHERE uri LIKE '%mine.bundle'") == [(1,)]


def test_a_drop_of_files_and_bundles_makes_one_refresh(run: Run) -> None:
    dropped(run.home)
    board = run.home / "inbox" / "2023-05-24.csv"
    board.write_text(SCRAPE)
    os.utime(board, (0, 0))

    def asked() -> list[dg.RunRequest]:
        with dg.build_sensor_context(instance=run.instance) as context:
            ticks = [sensor(context, home=Home(folder=str(run.home))) for sensor in (inbox, bundles)]
        return [request for tick in ticks if isinstance(tick, dg.SensorResult) for request in tick.run_requests or []]

    (first,) = asked()
    assert first.job_name == "load_profile_bundle"
    load(run, first)
    (second,) = asked()
    assert second.job_name == "refresh"
    # As Dagster's daemon stores it, before it runs: no tick asks again.
    queued = dg.DagsterRun(job_name="refresh", run_id=make_new_run_id(), tags={"dagster/run_key": second.run_key or ""})
    run.instance.add_run(queued)
    assert asked() == []
    assert run(["raw/files"], config=dict(second.run_config)).success
    assert asked() == []


def test_a_bundle_that_is_still_being_copied_waits(run: Run) -> None:
    folder = dropped(run.home)
    mark = (folder / "_COMPLETE").read_bytes()
    (folder / "_COMPLETE").unlink()
    waiting = tick(run)
    assert isinstance(waiting, dg.SkipReason)
    assert "Waiting for mine.bundle" in str(waiting.skip_message)
    (folder / "_COMPLETE").write_bytes(mark)
    assert isinstance(tick(run), dg.SkipReason)  # written this moment
    rested(folder)
    assert isinstance(tick(run), dg.SensorResult)


def test_a_spoilt_bundle_is_set_aside_with_the_reason_and_loads_once_it_is_mended(run: Run) -> None:
    folder = dropped(run.home)
    whole = (folder / "points.jsonl").read_bytes()
    (folder / "points.jsonl").write_bytes(whole[:-5])
    rested(folder)
    asked = tick(run)
    assert isinstance(asked, dg.SensorResult)
    (first,) = asked.run_requests or []
    load(run, first)
    assert run(DERIVED).success
    reasons = published(run, "SELECT reason FROM meta.rejected_rows WHERE uri = 'mine.bundle'")
    assert [str(reason) for (reason,) in reasons] == [
        "whole file set aside: points.jsonl is not what was sealed: its SHA-256 differs"
    ]
    assert published(run, "SELECT count(*) FROM marts.profile_points WHERE model = 'org/measured-1b'") == [(0,)]
    (folder / "points.jsonl").write_bytes(whole)
    os.utime(folder / "points.jsonl", (1, 1))
    mended = tick(run)
    assert isinstance(mended, dg.SensorResult)
    second = next(each for each in mended.run_requests or [] if each.partition_key)
    assert second.run_key != first.run_key
    load(run, second)
    assert run(DERIVED).success
    assert published(run, "SELECT count(*) FROM marts.profile_points WHERE model = 'org/measured-1b'") == [(1,)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:AssetExecutionContext.run_id is deprecated")  # called by dagster's own client
@pytest.mark.filterwarnings("ignore::dagster.PreviewWarning")  # raised inside dagster's own client
def test_a_sweep_of_this_machine_runs_through_dagster_and_lands_in_the_inbox(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    tiny = {
        "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
        "intermediate_size": 64, "vocab_size": 97,
    }  # fmt: skip
    grid = tmp_path / "grid.json"
    grid.write_text(
        json.dumps({"models": {"tiny": tiny}, "contexts": [8], "stages": ["decode"], "precisions": ["float32"]})
    )
    config = {"ops": {"raw__local_sweep": {"config": {"plan": str(grid), "device": "cpu", "most_seconds": 20.0}}}}
    result = run(job="measure_here", config=config)
    assert result.success, [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    assert isinstance(tick(run), dg.SkipReason | dg.SensorResult)
    assert (run.home / "inbox" / "local.bundle" / "_COMPLETE").exists()


def test_shipped_measurements_are_small_and_what_was_sealed() -> None:
    from profiling.measure.bundle import verify  # noqa: PLC0415

    shipped = sorted(MEASURED.glob("*.bundle"))
    assert shipped
    for folder in shipped:
        bundle = verify(folder)
        assert sum(path.stat().st_size for path in folder.rglob("*")) < 1 << 19
        assert bundle.environment["processor_cores"] > 0
        assert all(isinstance(point["latency_values_s"], list) for point in bundle.points)
