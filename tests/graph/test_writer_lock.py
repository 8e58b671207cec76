"""Runs from Dagster's interface hold the lock that `skyline refresh` holds; what only looks does not."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from filelock import FileLock, Timeout

from pipelines.assets.profiles import LOCAL_SWEEP
from pipelines.assets.shards import SWEPT_SHARDS
from pipelines.definitions import defs
from pipelines.resources import HeldHome, Home
from pipelines.writer_lock import HomeBusy, only_writer
from warehouse.settings import Settings


def is_free(home: Path) -> bool:
    try:
        with FileLock(home / "writer.lock", timeout=0):
            return True
    except Timeout:
        return False


@dg.asset
def looks(skyline: Home) -> bool:
    return is_free(skyline.settings.home)


def run(home: Path, patience_s: float = 0.1) -> dg.ExecuteInProcessResult:
    held = HeldHome(folder=str(home), patience_s=patience_s)
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize([looks], resources={"skyline": held}, instance=instance)


def test_a_run_holds_the_home_to_its_end_and_not_longer(tmp_path: Path) -> None:
    assert run(tmp_path).output_for_node("looks") is False
    assert is_free(tmp_path)


def test_a_run_waits_its_turn_and_then_says_who_is_in_the_way(tmp_path: Path) -> None:
    with only_writer(Settings.model_validate({"home": str(tmp_path)})), pytest.raises(dg.DagsterError) as refused:
        run(tmp_path)
    assert isinstance(refused.value.__cause__, HomeBusy)
    hold = "import sys, time, filelock\nwith filelock.FileLock(sys.argv[1]): print('held', flush=True); time.sleep(1.5)"
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / "writer.lock")], stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    assert run(tmp_path, patience_s=60).success
    assert other.wait() == 0
    other.stdout.close()


def test_everything_that_writes_is_given_the_held_home() -> None:
    resources = defs.resources or {}
    assert isinstance(resources["skyline"], HeldHome)
    assert not isinstance(resources["home"], HeldHome)
    needs = {
        key: definition.required_resource_keys
        for definition in defs.resolve_asset_graph().assets_defs
        for key in definition.keys
    }
    sweeps = {"/".join(LOCAL_SWEEP), "/".join(SWEPT_SHARDS)}
    assert {key.to_user_string() for key, keys in needs.items() if "skyline" not in keys} == sweeps
    assert all("skyline" not in sensor.required_resource_keys for sensor in defs.sensors or [])
