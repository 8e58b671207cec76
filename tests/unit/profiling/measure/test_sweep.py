"""A sweep survives: every way a point can end is typed, and what was measured is never lost or measured twice."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from profiling.measure import bundle, sweep
from profiling.measure.environment import child_variables
from profiling.measure.plan import make_plan
from profiling.measure.sweep import CannotSweep, Options, run

TINY = {
    "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 64, "vocab_size": 97,
}  # fmt: skip
# A stand-in for the child process: ends as its point's batch says. What torch does is tested below.
CHILD = """
import json, os, signal, sys, time
if sys.argv[1] == "environment":
    print(json.dumps({"environment_id": "e", "device": "cpu", "measured_at": "2026-01-01T00:00:00Z"})); sys.exit()
if sys.argv[1] == "telemetry":
    time.sleep(60)
request, result = json.load(sys.stdin), sys.argv[3]
open(os.environ["CALLS"], "a").write(request["point"]["point_id"] + "\\n")
def leave(row):
    open(result, "w").write(json.dumps(row))
batch = request["point"]["batch"]
if batch == 1: leave({"status": "ok", "latency_s": 0.5, "layers": [{"path": "a", "time_s": 0.5}]})
if batch == 2: leave({"status": "oom_device", "reason": "CUDA out of memory"})
if batch == 4: os.kill(os.getpid(), signal.SIGKILL)
if batch == 5: time.sleep(600)
if batch == 6: sys.exit("MemoryError")
if batch == 7: sys.exit("broken")
if batch == 8: leave({"status": "ok", "latency_s": float(time.sleep(30) or 1)})
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    script = tmp_path / "profile_child.py"
    script.write_text(CHILD)
    monkeypatch.setattr(sweep, "interpreter", lambda: [sys.executable, str(script)])
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return lambda: len((tmp_path / "calls").read_text().splitlines())


def plan_of(*batches: int, **more: Any) -> dict[str, Any]:
    grid = {"models": {"tiny": TINY}, "stages": ["decode"], "batches": list(batches), "contexts": [8], **more}
    return make_plan(grid)


QUIET = Options(calibrate_s=0, telemetry=False, timeout_s=2)


def outcomes(folder: Path) -> dict[int, tuple[str, str | None]]:
    return {row["batch"]: (row["status"], row.get("reason")) for row in bundle.verify(folder).final_points()}


def test_every_way_a_point_can_end_is_typed_and_the_sweep_goes_on(
    tmp_path: Path, calls: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a.bundle"
    run(plan_of(1, 4, 5, 7), folder, QUIET)
    run(plan_of(6), tmp_path / "b.bundle", QUIET)
    assert outcomes(folder) == {
        1: ("ok", None),
        4: ("killed", "ended by SIGKILL"),
        5: ("timeout", "not finished after 2 s"),
        7: ("error", "broken"),
    }
    assert outcomes(tmp_path / "b.bundle") == {6: ("oom_host", "MemoryError")}
    kills = iter([3, 4])
    monkeypatch.setattr(sweep, "oom_kills", lambda: next(kills))
    run(plan_of(4, seed=2), tmp_path / "c.bundle", QUIET)
    assert outcomes(tmp_path / "c.bundle")[4][0] == "oom_host"


def test_what_no_smaller_point_could_hold_is_skipped_with_the_reason(tmp_path: Path, calls: Callable[[], int]) -> None:
    folder = tmp_path / "a.bundle"
    run(plan_of(1, 2, 4, contexts=[8, 16]), folder, QUIET)
    content = {(row["batch"], row["context"]): row for row in bundle.verify(folder).final_points()}
    assert {at: row["status"] for at, row in content.items()} == {
        (1, 8): "ok", (1, 16): "ok", (2, 8): "oom_device", (2, 16): "skipped", (4, 8): "skipped", (4, 16): "skipped",
    }  # fmt: skip
    assert content[4, 16]["reason"] == f"no smaller than {content[2, 8]['point_id']}, which ended with oom_device"
    assert calls() == 3


def test_going_on_measures_only_what_is_missing_and_tries_failures_once_more(
    tmp_path: Path, calls: Callable[[], int]
) -> None:
    folder, plan = tmp_path / "a.bundle", plan_of(1, 7)
    run(plan, folder, QUIET)
    assert calls() == 2
    run(plan, folder, QUIET)
    run(plan, folder, QUIET)
    assert calls() == 3  # the error a second time, then no more
    points = folder / "points.jsonl"
    bundle.unseal(folder)
    points.write_bytes(points.read_bytes()[:-20])
    lines: list[str] = []
    run(plan, folder, QUIET, lines.append)
    assert calls() == 4
    assert "points.jsonl: a torn last line was dropped" in lines
    assert {row["status"] for row in bundle.verify(folder).final_points()} == {"ok", "error"}


def test_a_budget_ends_the_run_unsealed_and_a_later_one_finishes_it(tmp_path: Path, calls: Callable[[], int]) -> None:
    folder, plan = tmp_path / "a.bundle", plan_of(1, 3)
    run(plan, folder, Options(calibrate_s=0, telemetry=False, budget_s=0))
    assert not bundle.is_complete(folder)
    run(plan, folder, QUIET)
    assert bundle.is_complete(folder)


def test_what_there_is_when_the_time_is_up_is_sealed_if_asked_for_and_goes_on_later(
    tmp_path: Path, calls: Callable[[], int]
) -> None:
    folder, short = tmp_path / "a.bundle", Options(calibrate_s=0, telemetry=False, timeout_s=2, seal_at_end=True)
    run(plan_of(1, 3), folder, replace(short, budget_s=0))
    assert not bundle.is_complete(folder)  # of nothing there is no bundle
    run(plan_of(1, 3), folder, replace(short, budget_s=0.01))  # the first point begins in time, the second does not
    assert len(bundle.verify(folder).final_points()) == calls() == 1
    run(plan_of(1, 3), folder, short)
    assert len(bundle.verify(folder).final_points()) == calls() == 2


def test_another_plan_or_another_machine_is_refused(
    tmp_path: Path, calls: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a.bundle"
    run(plan_of(1), folder, QUIET)
    with pytest.raises(CannotSweep, match="another plan"):
        run(plan_of(7), folder, QUIET)
    stored = json.loads((folder / "environment.json").read_text())
    (folder / "environment.json").write_text(json.dumps({**stored, "environment_id": "elsewhere"}))
    with pytest.raises(CannotSweep, match="another machine"):
        run(plan_of(1), folder, QUIET)


def test_a_folder_that_somebody_measures_into_is_refused_and_free_once_they_are_gone(
    tmp_path: Path, calls: Callable[[], int]
) -> None:
    folder = tmp_path / "a.bundle"
    folder.mkdir()
    with (folder / ".running").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(CannotSweep, match="already measuring into"):
            run(plan_of(1), folder, QUIET)
    run(plan_of(1), folder, QUIET)
    assert bundle.is_complete(folder)
    assert not (folder / ".running").exists()


def test_a_full_disk_stops_the_sweep_with_a_sentence_and_it_goes_on_later(
    tmp_path: Path, calls: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, plan = tmp_path / "a.bundle", plan_of(1, 3)
    real = bundle.append

    def full(path: Path, row: Any) -> None:
        if path.name == "points.jsonl" and row["batch"] == 3:
            raise bundle.NotWritten("No space left on device")
        real(path, row)

    monkeypatch.setattr(bundle, "append", full)
    with pytest.raises(bundle.NotWritten, match="No space"):
        run(plan, folder, QUIET)
    monkeypatch.setattr(bundle, "append", real)
    run(plan, folder, QUIET)
    assert len(bundle.verify(folder).final_points()) == 2


GRID = {
    "models": {"tiny": TINY},
    "stages": ["decode"],
    "batches": [1, 2, 3],
    "contexts": [8],
    "precisions": ["float32"],
}
QUICK = ["--calibrate-seconds", "0", "--point-seconds", "0.3", "--device", "cpu"]


def command(folder: Path, *more: str) -> subprocess.Popen[str]:
    grid = folder.parent / "grid.json"
    return subprocess.Popen(
        [sys.executable, "-m", "profiling.measure", "run", str(grid), "--out", str(folder), *more],
        env=child_variables(), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_sweep_killed_with_the_hardest_signal_goes_on_where_it_was(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "grid.json").write_text(json.dumps(GRID))
    folder = tmp_path / "a.bundle"
    first = command(folder, *QUICK)
    points = folder / "points.jsonl"
    deadline = time.monotonic() + 120
    while not (points.exists() and points.read_bytes().count(b"\n")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    done = len(bundle.read_rows(points))
    assert 1 <= done < 3
    assert not bundle.is_complete(folder)
    out, errors = command(folder, *QUICK).communicate()
    assert json.loads(out) == {"ok": 3 - done}, errors
    content = bundle.verify(folder)
    assert [row["status"] for row in content.points] == ["ok"] * 3
    assert all(row["latency_s"] > 0 and row["energy_why"] and row["flops"] > 0 for row in content.points)
    assert {row["kind"] for row in content.layers} >= {"attention", "linear", "norm", "head", "between"}
    assert [row["device"] for row in content.telemetry][:1] == ["cpu"]


@pytest.mark.slow
def test_a_point_that_the_machine_refuses_memory_is_told_apart_and_larger_ones_are_not_tried(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    wide = {**TINY, "hidden_size": 1024, "intermediate_size": 8192, "num_hidden_layers": 64}
    grid = {**GRID, "models": {"wide": wide}, "batches": [1, 2]}
    (tmp_path / "grid.json").write_text(json.dumps(grid))
    folder = tmp_path / "a.bundle"
    # Torch itself needs some 2 GiB of address space; the weights are 6.4 GiB more.
    out, errors = command(folder, *QUICK, "--memory-limit-gib", "5").communicate()
    assert json.loads(out) == {"oom_host": 1, "skipped": 1}, errors
