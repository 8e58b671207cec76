"""Runs from Dagster's interface hold the lock that `skyline refresh` holds; what only looks or measures does not."""

import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock, Timeout

from pipelines.definitions import defs
from pipelines.defs.profiles.assets import LOCAL_SWEEP
from pipelines.defs.profiles.shards import SWEPT_SHARDS
from pipelines.lib.resources import Home, WrittenHome
from pipelines.runs.executor import ONLY_MEASURES, SIDE_BY_SIDE
from pipelines.runs.writer_lock import HomeBusy, only_writer, writing_step
from warehouse.settings import Settings

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def is_free(home: Path) -> bool:
    try:
        with FileLock(home / "writer.lock", timeout=0):
            return True
    except Timeout:
        return False


def settings_of(home: Path) -> Settings:
    return Settings.model_validate({"home": str(home)})


def meets_the_other(own: str, other: str) -> bool:
    """Whether the home is held, once the other step has begun too."""
    home = Settings().home
    (home / own).touch()
    until = time.monotonic() + 120
    while not (home / other).exists():
        assert time.monotonic() < until, f"{other} never began beside {own}"
        time.sleep(0.05)
    return not is_free(home)


@dg.op
def one() -> bool:
    return meets_the_other("one", "other")


@dg.op
def other() -> bool:
    return meets_the_other("other", "one")


@dg.op(tags=ONLY_MEASURES)
def measures() -> bool:
    return not is_free(Settings().home)


@dg.job(executor_def=SIDE_BY_SIDE, config=QUIET)
def two_steps() -> None:
    one()
    other()


@dg.job(executor_def=SIDE_BY_SIDE, config=QUIET)
def sweep() -> None:
    measures()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SKYLINE_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.slow
def test_independent_steps_run_side_by_side_and_the_run_holds_the_home_to_its_end(home: Path, tmp_path: Path) -> None:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        with dg.execute_job(dg.reconstructable(two_steps), instance=instance) as done:
            assert [done.output_for_node(name) for name in ("one", "other")] == [True, True]
        with dg.execute_job(dg.reconstructable(sweep), instance=instance) as swept:
            assert swept.output_for_node("measures") is False
    assert is_free(home)


def test_a_run_waits_its_turn_and_then_says_who_is_in_the_way(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.runs.executor.PATIENCE_S", 0.1)
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance, only_writer(settings_of(home)):
        refused = dg.execute_job(dg.reconstructable(two_steps), instance=instance, raise_on_error=False)
        assert not refused.success
        messages = [event.message for event in refused.all_events if event.is_failure] + [str(refused.all_events[-1])]
        assert any("Another process is writing to" in line for line in messages), messages


def test_a_writer_waits_for_steps_of_a_run_that_was_killed(tmp_path: Path) -> None:
    step = (
        "import sys, time\nfrom pipelines.runs.writer_lock import writing_step\n"
        "from warehouse.settings import Settings\n"
        "with writing_step(Settings.model_validate({'home': sys.argv[1]})):\n    print('held', flush=True)\n"
        "    time.sleep(1.5)"
    )
    orphan = subprocess.Popen([sys.executable, "-c", step, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert orphan.stdout is not None
    assert orphan.stdout.readline() == "held\n"
    settings = settings_of(tmp_path)
    with pytest.raises(HomeBusy), only_writer(settings):
        pass
    assert is_free(tmp_path)
    with writing_step(settings):  # of the same run: steps do not wait for each other
        pass
    with only_writer(settings, patience_s=60):
        assert orphan.poll() is not None or orphan.wait(5) == 0
    orphan.stdout.close()


def test_everything_that_writes_is_known_to_do_so() -> None:
    resources = defs.resources or {}
    assert isinstance(resources["skyline"], WrittenHome)
    assert type(resources["home"]) is Home
    needs = {
        key: definition.required_resource_keys
        for definition in defs.resolve_asset_graph().assets_defs
        for key in definition.keys
    }
    sweeps = {LOCAL_SWEEP.to_user_string(), SWEPT_SHARDS.to_user_string()}
    assert {key.to_user_string() for key, keys in needs.items() if "skyline" not in keys} == sweeps
    tagged = {
        key.to_user_string()
        for definition in defs.resolve_asset_graph().assets_defs
        for key in definition.keys
        if definition.is_executable and ONLY_MEASURES.items() <= dict(definition.op.tags).items()
    }
    assert tagged == sweeps
    assert all("skyline" not in sensor.required_resource_keys for sensor in defs.sensors or [])
