"""The daily partitions of boards: a source that is down fails alone, and is seen wherever somebody would look."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from dashboards.data import Data
from dashboards.pages.home.page import contents_table
from pipelines.commands.app import app
from pipelines.defs.boards.fetched import BOARD_FILES, SOURCES
from pipelines.defs.sources.schedules import daily_boards
from pipelines.lib.resources import Home
from pipelines.runs.refresh import refresh
from tests.unit.boards.test_fetching import CSV, declare
from tests.unit.sources.hub_server import HubServer, status, whole
from warehouse.settings import Settings

from .graph_run import Run

_NO_LOGS = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
ANSWERS, DOWN = "answers_today", "is_down_today"


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """As for the other graphs; a schedule wants an instance that lasts.

    It keeps no logs of steps: for these Dagster would redirect the streams of the whole worker, and start two processes
    a step and stream that it waits for.
    """
    with dg.instance_for_test(overrides={"compute_logs": _NO_LOGS}) as instance:
        yield Run(home, instance, monkeypatch)


@pytest.mark.slow
def test_a_source_that_is_down_fails_alone_and_is_seen_in_dagster_on_the_command_line_and_on_home(
    run: Run, server: HubServer
) -> None:
    server.serve("/answers.csv", whole(CSV))
    server.serve("/down.csv", status(500))
    declare(run.home, f"{server.address}/answers.csv", name=ANSWERS)
    declare(run.home, f"{server.address}/down.csv", name=DOWN)
    run.environment.setenv("SKYLINE_HOME", str(run.home))

    # The schedule asks for a run of its own of each source; the daemon would start them.
    morning = dt.datetime(2026, 11, 29, 5, tzinfo=dt.UTC)
    context = dg.build_schedule_context(instance=run.instance, scheduled_execution_time=morning)
    asked = daily_boards(context, home=Home(folder=str(run.home)))
    assert isinstance(asked, list)
    keys = {request.partition_key for request in asked}
    assert {ANSWERS, DOWN, "epoch_eci", "llm_stats", "every_eval_ever"} <= keys
    assert keys == set(run.instance.get_dynamic_partitions(str(SOURCES.name)))

    from pipelines.definitions import defs  # noqa: PLC0415

    job = defs.resolve_job_def("fetch_board")
    ended = {
        name: job.execute_in_process(instance=run.instance, partition_key=name, raise_on_error=False)
        for name in (DOWN, ANSWERS)
    }
    assert (ended[ANSWERS].success, ended[DOWN].success) == (True, False)
    (failure,) = [event for event in ended[DOWN].all_events if event.is_step_failure]
    assert "down.csv could not be fetched" in str(failure.step_failure_data.error)
    assert "it answers 500" in str(failure.step_failure_data.error)
    runs = {record.tags["dagster/partition"]: record.status for record in run.instance.get_runs()}
    assert runs == {ANSWERS: dg.DagsterRunStatus.SUCCESS, DOWN: dg.DagsterRunStatus.FAILURE}
    state = run.instance.get_status_by_partition(BOARD_FILES, [ANSWERS, DOWN], SOURCES)
    assert state is not None
    assert {name: event and event.value for name, event in state.items()} == {ANSWERS: "MATERIALIZED", DOWN: "FAILED"}

    settings = Settings.model_validate({"home": str(run.home)})
    refresh(["bundled"], settings)
    done = CliRunner().invoke(app, ["boards", "--format", "json"], env={"SKYLINE_HOME": str(run.home)})
    rows = {row["source"]: row for row in json.loads(done.stdout)}
    assert rows[ANSWERS]["last_outcome"] == "1 new"
    assert rows[ANSWERS]["results"] == 2
    assert "it answers 500" in rows[DOWN]["last_outcome"]
    assert rows["epoch_eci"]["results"] > 0, "what was there before stays"
    home = contents_table("freshness", Data(settings).ask("freshness"))
    (line,) = [line for line in home.splitlines() if "is_down_today" in line or "Is down today" in line]
    assert "never: " in line
    assert "it answers 500" in line
