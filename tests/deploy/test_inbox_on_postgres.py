"""With PostgreSQL, as deployed, an inbox of any size is asked for: a real server, Dagster's own way of storing runs."""

import os
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.utils import make_new_run_id

from pipelines.defs.sources.sensors import bundles, inbox
from pipelines.lib.resources import Home
from profiling.measure.recorded import point, served_environment, write_bundle
from tests.deploy.conftest import Postgres

pytestmark = pytest.mark.slow


@pytest.fixture
def instance(postgres: Postgres) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance of deploy/dagster/dagster.yaml, over a server that is started for this."""
    with dg.DagsterInstance.get() as shared:
        yield shared


def stored_runs(instance: dg.DagsterInstance, tick: dg.SensorResult | dg.SkipReason) -> int:
    """Store what a tick asks for as Dagster's daemon does, tags and all."""
    assert isinstance(tick, dg.SensorResult)
    for asked in tick.run_requests or []:
        tags = {"dagster/run_key": asked.run_key or "", "dagster/sensor_name": "of the test", **asked.tags}
        instance.add_run(dg.DagsterRun(job_name=asked.job_name or "refresh", run_id=make_new_run_id(), tags=tags))
    return len(tick.run_requests or [])


def test_no_number_of_files_or_bundles_is_too_many_for_the_database(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    home = Home(folder=str(tmp_path))
    row = point(
        {"model": "org/m", "stage": "decode", "batch": 2, "context": 64, "precision": "bfloat16"},
        {"latency_s": 1.0, "tokens": 2},
    )
    for number in range(3000):
        path = tmp_path / "inbox" / f"{number % 7}" / f"2024-01-{number % 28 + 1:02d}_{'long' * 20}_{number}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * (number % 50 + 1))
        os.utime(path, (0, 0))
    with dg.build_sensor_context(instance=instance) as context:
        ticks = [inbox(context, home=home)]
    for number in range(60):
        folder = tmp_path / "inbox" / f"{'b' * 200}{number}.bundle"
        write_bundle(folder, f"run-{number}", served_environment({"endpoint": "http://here"}), [row])
        for path in folder.rglob("*"):
            os.utime(path, (0, 0))
    with dg.build_sensor_context(instance=instance) as context:
        ticks.append(bundles(context, home=home))
    assert [stored_runs(instance, tick) for tick in ticks] == [1, 60]
