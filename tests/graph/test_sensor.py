"""The watched folder: a file dropped there is ingested once it is whole, and only once."""

import os
import time
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipelines.defs.sources.sensors import inbox
from pipelines.lib.resources import Home
from warehouse.publish import current

from .graph_run import Run

SCRAPE = (
    "Model,Average,ARC (25-shot),HellaSwag (10-shot),MMLU (5-shot),TruthfulQA (0-shot),Parameters,URL\n"
    "org/dropped-7b,50.0,50.0,50.0,50.0,50.0,33.3,\n"
)


def tick(home: Path) -> dg.SensorResult | dg.SkipReason:
    with dg.DagsterInstance.ephemeral() as instance, dg.build_sensor_context(instance=instance) as context:
        result = inbox(context, home=Home(folder=str(home)))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def request(home: Path) -> dg.RunRequest:
    result = tick(home)
    assert isinstance(result, dg.SensorResult)
    (only,) = result.run_requests or []
    return only


def drop(home: Path, name: str = "2023-05-24.csv", seconds_ago: float = 60.0) -> Path:
    path = home / "inbox" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCRAPE)
    then = time.time() - seconds_ago
    os.utime(path, (then, then))
    return path


@pytest.mark.parametrize("name", [None, ".hidden.csv", "notes.txt"])
def test_an_inbox_with_nothing_to_read_asks_for_nothing(tmp_path: Path, name: str | None) -> None:
    if name:
        drop(tmp_path, name)
    assert isinstance(tick(tmp_path), dg.SkipReason)


def test_a_file_that_is_still_being_written_is_left_alone_until_it_rests(tmp_path: Path) -> None:
    path = drop(tmp_path, seconds_ago=0)
    assert isinstance(tick(tmp_path), dg.SkipReason)
    os.utime(path, (0, 0))
    assert request(tmp_path).run_key


def test_the_same_state_asks_under_the_same_key_and_a_changed_file_under_another(tmp_path: Path) -> None:
    path = drop(tmp_path)
    first = request(tmp_path).run_key
    assert request(tmp_path).run_key == first
    path.write_text(SCRAPE * 2)
    os.utime(path, (0, 0))
    changed = request(tmp_path).run_key
    drop(tmp_path, "deep/2023-05-25.csv")
    assert len({first, changed, request(tmp_path).run_key}) == 3


@pytest.mark.slow
def test_a_dropped_file_is_in_the_warehouse_after_the_run_that_it_asked_for(run: Run) -> None:
    drop(run.home)
    (run.home / "inbox" / "unreadable.csv").write_text("Model,Elo\nx,1\n")
    asked = request(run.home)
    assert run(config=dict(asked.run_config)).success
    with duckdb.connect(str(current(run.home / "published").path), read_only=True) as connection:
        counted = connection.sql("SELECT count(*) FROM core.models WHERE model_id = 'org/dropped-7b'").fetchall()
        aside = connection.sql("SELECT uri FROM meta.rejected_rows WHERE snapshot_id IS NULL").fetchall()
    assert (counted, aside) == ([(1,)], [("unreadable.csv",)])
