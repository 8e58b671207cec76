"""Running a plan: one child process per point, every outcome typed and stored before the next, resumable.

The parent never loads torch; it can be killed at any moment and started again with the same command, and loses at most
the point that was being measured.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from profiling import systems
from profiling.errors import ProfilingError
from profiling.measure import bundle, gates
from profiling.measure.environment import child_variables, interpreter, oom_kills
from profiling.measure.plan import FIXED_AXES, SIZE_AXES
from profiling.measure.point import ERROR, KILLED, OK, OOM_DEVICE, OOM_HOST, SKIPPED, TIMEOUT
from profiling.measure.prediction import CannotPredict, Ceilings

ATTEMPTS = 2
_RETRIED = frozenset({ERROR, TIMEOUT, KILLED})
_TAIL = 2000
_RUNNING = ".running"
_GO_ON = "run the same command to continue"


class CannotSweep(ProfilingError):
    """The run cannot start or go on; what was measured is stored."""


@dataclass(frozen=True)
class Options:
    """How to run a plan.

    Attributes:
        device: `cpu`, `cuda` or `cuda:1`; None lets torch decide.
        timeout_s: Patience for one point.
        budget_s: No point is started after that long; None for no limit.
        seal_at_end: Whether what there is when the time is up is sealed too; the same command still goes on later.
        memory_limit_bytes: Address space of a child; None for no limit.
        calibrate_s: Seconds for ceilings, 0 for none.
        settings: Passed to each point: `budget_s`, `minimum_s`, `warm_up_s`, `layers`.
        telemetry: Whether to sample the device from the side.
    """

    device: str | None = None
    timeout_s: float = 600.0
    budget_s: float | None = None
    seal_at_end: bool = False
    memory_limit_bytes: int | None = None
    calibrate_s: float = 60.0
    settings: Mapping[str, Any] = field(default_factory=dict)
    telemetry: bool = True


Report = Callable[[str], None]


def run(plan: Mapping[str, Any], folder: Path, options: Options, report: Report = lambda _: None) -> dict[str, int]:
    """Measure what of the plan is not yet in the bundle, then seal it; outcomes by status.

    Raises:
        CannotSweep: The folder holds another plan or another machine's points, or a helper process failed.
        NotWritten: The disk is full; the same command goes on from there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _only_sweep(folder):
        return _run(plan, folder, options, report)


def _run(plan: Mapping[str, Any], folder: Path, options: Options, report: Report) -> dict[str, int]:
    (folder / "logs").mkdir(exist_ok=True)
    _same_plan(plan, folder)
    bundle.unseal(folder)
    for name in (bundle.POINTS, bundle.LAYERS, bundle.CEILINGS, bundle.TELEMETRY):
        if bundle.mend(folder / name):
            report(f"{name}: a torn last line was dropped")
    environment = _environment(plan, folder, options)
    device = str(environment["device"])
    if options.calibrate_s > 0 and not (folder / bundle.CEILINGS).exists():
        report(f"measuring ceilings, at most {options.calibrate_s:g} s")
        _ceilings(plan, folder, options, device)
    side = _start_telemetry(folder, environment) if options.telemetry else None
    try:
        counts = _points(plan, folder, options, device, report)
    finally:
        if side is not None:
            side.terminate()
            side.wait(10)
        (folder / _RUNNING).unlink(missing_ok=True)
    done = {str(row["point_id"]) for row in bundle.read_rows(folder / bundle.POINTS)}
    missing = {str(point["point_id"]) for point in plan["points"]} - done
    if not missing or (options.seal_at_end and done):
        bundle.seal(folder)
        without = f" without {len(missing)} point{'' if len(missing) == 1 else 's'}; {_GO_ON}" if missing else ""
        report(f"sealed {folder}{without}")
    else:
        report(f"{folder} is not finished; {_GO_ON}")
    return counts


@contextmanager
def _only_sweep(folder: Path) -> Iterator[None]:
    """Refuse a second run in the same folder while the first lives; the system lets go of what a dead one held.

    Raises:
        CannotSweep: Another process measures into it.
    """
    with (folder / _RUNNING).open("w", encoding="utf-8") as file:
        try:
            systems.lock(file)
        except BlockingIOError:
            raise CannotSweep(f"another process is already measuring into {folder}") from None
        yield


def _same_plan(plan: Mapping[str, Any], folder: Path) -> None:
    stored = folder / bundle.PLAN
    if not stored.exists():
        bundle.write_json(stored, plan)
        return
    if json.loads(stored.read_text("utf-8"))["run_id"] != plan["run_id"]:
        raise CannotSweep(f"{folder} holds another plan; name another folder")


def helper(arguments: Sequence[str], timeout_s: float) -> str:
    """What a helper process of this package prints.

    Raises:
        CannotSweep: It failed or took too long; the message has the end of what it said.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own package
            [*interpreter(), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s,
            check=False, env=child_variables(),
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise CannotSweep(f"`{arguments[0]}` took longer than {timeout_s:g} s") from error
    if done.returncode:
        raise CannotSweep(f"`{arguments[0]}` failed: {done.stderr.strip()[-_TAIL:] or f'exit code {done.returncode}'}")
    return done.stdout


def _environment(plan: Mapping[str, Any], folder: Path, options: Options) -> dict[str, Any]:
    """The stored environment if this is still the same machine, else a new one."""
    threads = next((point["threads"] for point in plan["points"] if point["threads"]), None)
    arguments = ["environment", *(["--device", options.device] if options.device else [])]
    arguments += ["--threads", str(threads)] if threads else []
    now: dict[str, Any] = json.loads(helper(arguments, 300))
    stored = folder / bundle.ENVIRONMENT
    if stored.exists():
        before: dict[str, Any] = json.loads(stored.read_text("utf-8"))
        if before["environment_id"] != now["environment_id"]:
            raise CannotSweep(f"{folder} was begun on another machine or torch; points of two do not mix in a bundle")
        return before
    bundle.write_json(stored, now)
    return now


def _ceilings(plan: Mapping[str, Any], folder: Path, options: Options, device: str) -> None:
    precisions = [p for p in dict.fromkeys(str(point["precision"]) for point in plan["points"]) if "emulated" not in p]
    threads = next((point["threads"] for point in plan["points"] if point["threads"]), None)
    partial = folder / f".{bundle.CEILINGS}.part"
    partial.unlink(missing_ok=True)
    arguments = ["ceilings", "--out", str(partial), "--device", device, "--seconds", str(options.calibrate_s)]
    arguments += ["--precisions", ",".join(precisions)] + (["--threads", str(threads)] if threads else [])
    helper(arguments, options.calibrate_s * 3 + 120)
    partial.replace(folder / bundle.CEILINGS)


def _start_telemetry(folder: Path, environment: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    uuid = environment.get("accelerator_uuid")
    arguments = ["telemetry", "--out", str(folder / bundle.TELEMETRY), *(["--uuid", str(uuid)] if uuid else [])]
    with (folder / "logs" / "telemetry.log").open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - our own package
            [*interpreter(), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=child_variables()
        )


def _points(plan: Mapping[str, Any], folder: Path, options: Options, device: str, report: Report) -> dict[str, int]:
    points = bundle.read_rows(folder / bundle.POINTS)
    attempts: dict[str, int] = {}
    for row in points:
        attempts[str(row["point_id"])] = int(row["attempt"])
    last = {str(row["point_id"]): row for row in points}
    ceilings = bundle.read_rows(folder / bundle.CEILINGS)
    out_of_memory = [row for row in last.values() if row["status"] in {OOM_DEVICE, OOM_HOST}]
    counts: dict[str, int] = {}
    end = None if options.budget_s is None else time.monotonic() + options.budget_s
    for place, point in enumerate(plan["points"], 1):
        point_id = str(point["point_id"])
        before = last.get(point_id)
        if before is not None and (before["status"] not in _RETRIED or attempts[point_id] >= ATTEMPTS):
            continue
        if end is not None and time.monotonic() >= end:
            report(f"the time is up; {_GO_ON}")
            break
        attempt = attempts.get(point_id, 0) + 1
        reason = dominated_by(point, out_of_memory)
        if reason:
            row = {**point, "attempt": attempt, "status": SKIPPED, "reason": reason}
        else:
            row = _measured(plan, point, attempt, folder, options, device)
        for layer in row.pop("layers", []):
            bundle.append(folder / bundle.LAYERS, {"point_id": point_id, "attempt": attempt, **layer})
        row |= _against_ceilings(row, ceilings)
        row["flags"] = gates.flags_of(row)
        bundle.append(folder / bundle.POINTS, row)
        if row["status"] in {OOM_DEVICE, OOM_HOST}:
            out_of_memory.append(row)
        counts[str(row["status"])] = counts.get(str(row["status"]), 0) + 1
        report(f"{place}/{len(plan['points'])} {_described(row)}")
    return counts


def dominated_by(point: Mapping[str, Any], out_of_memory: Sequence[Mapping[str, Any]]) -> str | None:
    """Why the point need not be tried: one that is no larger in any size ran out of memory."""
    for smaller in out_of_memory:
        if all(smaller[axis] == point[axis] for axis in FIXED_AXES) and all(
            smaller[axis] <= point[axis] for axis in SIZE_AXES
        ):
            return f"no smaller than {smaller['point_id']}, which ended with {smaller['status']}"
    return None


def _measured(
    plan: Mapping[str, Any], point: Mapping[str, Any], attempt: int, folder: Path, options: Options, device: str
) -> dict[str, Any]:
    request = {
        "point": point, "config": plan["models"][point["model"]], "device": device, "settings": dict(options.settings),
        "memory_limit_bytes": options.memory_limit_bytes,
    }  # fmt: skip
    result = folder / f".{point['point_id']}.result.json"
    result.unlink(missing_ok=True)
    started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    started = time.monotonic()
    log = folder / "logs" / f"{point['point_id']}.{attempt}.log"
    outcome = _child(request, result, log, options.timeout_s)
    result.unlink(missing_ok=True)
    if not log.stat().st_size:
        log.unlink()
    elapsed = time.monotonic() - started
    return {**point, "attempt": attempt, "started_at": started_at, "took_s": elapsed, **outcome}


def _child(request: Mapping[str, Any], result: Path, log: Path, timeout_s: float) -> dict[str, Any]:
    """Outcome of one child: what it wrote, or how it ended."""
    kills = oom_kills()
    with log.open("wb") as stream:
        child = subprocess.Popen(  # noqa: S603 - our own package
            [*interpreter(), "point", "--result", str(result)],
            stdin=subprocess.PIPE, stdout=stream, stderr=stream, start_new_session=True, env=child_variables(),
        )  # fmt: skip
        try:
            child.communicate(json.dumps(request).encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            _end(child)
            return {"status": TIMEOUT, "reason": f"not finished after {timeout_s:g} s"}
        except BrokenPipeError:
            child.wait()
        except BaseException:
            # Interrupted: the child is no use to anybody.
            _end(child)
            raise
    if result.exists():
        outcome: dict[str, Any] = json.loads(result.read_text("utf-8"))
        return outcome
    return _ended(child.returncode, kills, log)


def _ended(code: int, kills_before: int | None, log: Path) -> dict[str, Any]:
    """Why a child left no result; a SIGKILL is a lack of memory only where the kernel counted one."""
    output = log.read_bytes()[-_TAIL:].decode("utf-8", "replace").strip()
    if code < 0:
        name = signal.Signals(-code).name
        kills = oom_kills()
        if systems.was_killed(code) and kills is not None and kills_before is not None and kills > kills_before:
            return {"status": OOM_HOST, "reason": "the kernel killed it for memory (memory.events counted it)"}
        return {"status": KILLED, "reason": f"ended by {name}"}
    if "MemoryError" in output or "allocate memory" in output or "failed to map segment" in output:
        return {"status": OOM_HOST, "reason": output.splitlines()[-1]}
    return {"status": ERROR, "reason": output.splitlines()[-1] if output else f"exit code {code} without a word"}


def _end(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        systems.end_group(child.pid)
    child.wait()


def _against_ceilings(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Share of the measured ceiling that the point reaches; traffic counts only where it cannot lie in a cache."""
    if row["status"] != OK or row.get("flops") is None or row.get("is_emulated"):
        return {}
    ceilings = Ceilings(tuple(rows), str(row["precision"]))
    try:
        share = row["flops"] / row["latency_s"] / ceilings.flops_per_s()
    except CannotPredict as error:
        return {"fraction_of_ceiling": None, "fraction_of_ceiling_why": str(error)}
    return {"fraction_of_ceiling": share}


def _described(row: Mapping[str, Any]) -> str:
    what = f"{row['model']} {row['stage']} batch {row['batch']} context {row['context']} {row['precision']}"
    if row["status"] != OK:
        return f"{what}: {row['status']}, {row['reason']}"
    flags = f" [{', '.join(row['flags'])}]" if row["flags"] else ""
    return f"{what}: {row['latency_s'] * 1e3:.4g} ms{flags}"
