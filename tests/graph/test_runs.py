"""Whole runs in this process: what is sound is published, what is broken is not, and readers keep what they had."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest

from analytics.fronts import frontier
from pipelines.defs.leaderboards import tables as leaderboards
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.runs.refresh import RefreshFailed, refresh, why_failed
from warehouse.contracts import TABLES
from warehouse.publish import current, releases
from warehouse.settings import Settings

from .graph_run import Run, materialised

Frame = pl.DataFrame


def rows_of(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(current(home / "published").path), read_only=True) as connection:
        return connection.sql(sql).fetchall()


@pytest.mark.slow
def test_a_whole_run_from_nothing_writes_every_table_and_publishes_it(run: Run, tmp_path: Path) -> None:
    fresh = replace(run, home=tmp_path / "fresh")
    result = fresh(config={"ops": {RAW_FILES.to_python_identifier(): {"config": {"sources": ["bundled"]}}}})
    assert result.success
    assert materialised(result) >= {"/".join(table.asset_key) for table in TABLES} | {"published/warehouse"}
    assert rows_of(fresh.home, "SELECT count(*) > 0 FROM marts.pareto_front") == [(True,)]
    failed = {check.check_name: check.severity for check in result.get_asset_check_evaluations() if not check.passed}
    # The measurements that ship were disturbed, and on the newest board of the Arena models of unknown licence stand
    # above the best open one; the gates say so.
    assert failed == dict.fromkeys(("points_pass_their_gates", "boards_are_decided"), dg.AssetCheckSeverity.WARN)
    counted = {
        event.asset_key.to_user_string(): event.materialization.metadata["dagster/row_count"].value
        for event in result.get_asset_materialization_events()
        if event.asset_key and "dagster/row_count" in event.materialization.metadata
    }
    assert counted["core/models"] == rows_of(fresh.home, "SELECT count(*) FROM core.models")[0][0]


def forget_what_was_made_of_snapshots(home: Path) -> None:
    """What was made before is not made again."""
    for parts in (home / "lake" / "marts").glob("*.parts.json"):
        parts.unlink()


def repeated(frame: Frame) -> Frame:
    return pl.concat([frame, frame.head(1)])


def without_family(frame: Frame) -> Frame:
    return frame.with_columns(family=pl.lit(None, pl.String))


def without_parameters(frame: Frame) -> Frame:
    return frame.with_columns(parameters_total=pl.lit(0, pl.Int64))


def with_a_beaten_member(front: Frame) -> Frame:
    worse = front.head(1).with_columns(
        pl.format("{} again", "entry_id").alias("entry_id"), pl.col("cost") * 2, pl.col("score") / 2
    )
    return pl.concat([front, worse])


@pytest.mark.parametrize(
    ("module", "function", "broken", "key", "check"),
    [
        (leaderboards, "resolve_models", repeated, "core/models", "contract"),
        (leaderboards, "resolve_models", without_family, "core/models", "contract"),
        (leaderboards, "resolve_models", without_parameters, "core/models", "contract"),
        (frontier, "fronts", with_a_beaten_member, "marts/pareto_front", "front_is_non_dominated"),
    ],
    ids=["repeated key", "missing value", "value out of range", "beaten member"],
)
def test_a_table_that_breaks_its_promise_is_not_published_and_the_release_before_stays(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    function: str,
    broken: Callable[[Frame], Frame],
    key: str,
    check: str,
) -> None:
    before = current(run.home / "published"), releases(run.home / "published")
    forget_what_was_made_of_snapshots(run.home)
    sound = getattr(module, function)
    monkeypatch.setattr(module, function, lambda *given: broken(sound(*given)))
    result = run([key, "published/warehouse"])
    assert not result.success
    failed = {
        (c.asset_key.to_user_string(), c.check_name) for c in result.get_asset_check_evaluations() if not c.passed
    }
    assert (key, check) in failed
    assert "published/warehouse" not in materialised(result)
    assert (current(run.home / "published"), releases(run.home / "published")) == before


@pytest.mark.data
@pytest.mark.slow
def test_a_board_that_lost_most_of_its_rows_is_not_published_and_the_error_names_the_snapshot(
    shared_data: Path, home: Path, tmp_path: Path
) -> None:
    before = current(home / "published")
    export = pl.read_csv(shared_data / "open_llm_leaderboard/v2/2024-08-13_ui_export.csv", infer_schema=False)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    export.write_csv(inbox / "2024-08-13.csv")
    export.gather_every(3).write_csv(inbox / "2024-09-13.csv")
    with pytest.raises(RefreshFailed, match=r"rows_do_not_collapse of .* failed: collapsed: open_llm_v2:2024-09-13"):
        refresh([str(inbox)], Settings.model_validate({"home": str(home)}))
    assert current(home / "published") == before


def fails(*_: object) -> None:
    raise ArithmeticError("the sums do not add up")


def test_a_step_that_fails_is_named_with_its_reason(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = current(run.home / "published")
    forget_what_was_made_of_snapshots(run.home)
    monkeypatch.setattr(frontier, "dominated", fails)
    result = run(["marts/pareto_front", "published/warehouse"])
    assert re.fullmatch(r"step fronts failed: .*the sums do not add up.*", why_failed(result))
    assert current(run.home / "published") == before


@pytest.mark.slow
def test_a_whole_refresh_of_which_a_step_fails_leaves_readers_the_release_before(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = current(home / "published")
    forget_what_was_made_of_snapshots(home)
    monkeypatch.setattr(frontier, "dominated", fails)
    monkeypatch.setattr("pipelines.runs.refresh.fingerprint", lambda _: "code has changed")
    with pytest.raises(RefreshFailed, match=r"step fronts failed: .*the sums do not add up.* The previous release"):
        refresh(["bundled"], Settings.model_validate({"home": str(home)}))
    assert current(home / "published") == before


def test_refreshing_from_the_same_facts_derives_nothing(home: Path) -> None:
    before = current(home / "published"), releases(home / "published")
    lines: list[str] = []
    done = refresh(["bundled"], Settings.model_validate({"home": str(home)}), lines.append)
    assert done.unchanged
    assert done.collected.new == []
    assert done.collected.known >= 3
    assert (current(home / "published"), releases(home / "published")) == before
    assert "starting the pipeline" not in lines
