"""One point, in a process of its own: built, then four passes, of which only the first makes the headline.

Latency is taken without any instrument; energy over a steady loop of its own; memory of one step; modules by hooks.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profiling import systems
from profiling.errors import ProfilingError
from profiling.measure import gates, timing
from profiling.measure.bundle import write_json

OK, OOM_DEVICE, OOM_HOST, UNSUPPORTED, ERROR = "ok", "oom_device", "oom_host", "unsupported", "error"
KILLED, TIMEOUT, SKIPPED = "killed", "timeout", "skipped"

_WARM_UP_S = 0.3
_ENERGY_S = 3.0
_IDLE_S = 2.0


def run_child(request: Mapping[str, Any], result: Path) -> None:
    """Measure the point of a request and leave the outcome in a file; every failure is an outcome."""
    systems.die_with_parent()
    # So that a point fails instead of the machine.
    systems.limit_memory(request.get("memory_limit_bytes"))
    write_json(result, outcome(request))


def outcome(request: Mapping[str, Any]) -> dict[str, Any]:
    """`status`, and the measurements or the reason."""
    try:
        return {"status": OK, **measure(request)}
    except Exception as error:  # noqa: BLE001 - whatever it is becomes a typed outcome
        status, reason = classified(error)
        return {"status": status, "reason": reason}


def classified(error: Exception) -> tuple[str, str]:
    """Which outcome an error is, and its first line."""
    text = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    name = type(error).__name__
    if name == "OutOfMemoryError" or "CUDA out of memory" in text or "CUBLAS_STATUS_ALLOC_FAILED" in text:
        return OOM_DEVICE, text
    if isinstance(error, MemoryError) or "can't allocate memory" in text or "Cannot allocate memory" in text:
        return OOM_HOST, text
    unsupported = ("not implemented for", "No available kernel", "is not supported", "NotImplementedError")
    if (
        name in {"CannotRun", "NotImplementedError"}
        or isinstance(error, ProfilingError)
        or any(words in text for words in unsupported)
    ):
        return UNSUPPORTED, text
    return ERROR, f"{name}: {text}"


def measure(request: Mapping[str, Any]) -> dict[str, Any]:
    """All passes of one point: columns of its row, and rows of its modules under `layers`."""
    import torch  # noqa: PLC0415 - limits stand before the library loads

    from profiling.measure.backends import subject_of  # noqa: PLC0415
    from profiling.measure.layers import measure_layers  # noqa: PLC0415
    from profiling.measure.memory_pass import measure_memory  # noqa: PLC0415
    from profiling.measure.prediction import work_of  # noqa: PLC0415

    point, settings = request["point"], request.get("settings", {})
    if point["threads"]:
        torch.set_num_threads(int(point["threads"]))
    idle = _idle_power(request)
    subject = subject_of(point, request["config"], str(request["device"]))
    row: dict[str, Any] = {
        "build_s": subject.build_s, "tokens": subject.tokens_per_step, "attention_kernel_used": subject.kernel_used,
        "is_emulated": subject.precision == "int8_emulated",
    }  # fmt: skip
    cold, _ = subject.clock.run(subject.run, 1)
    step = subject.captured() if point["execution"] == "graph" else subject.run
    row |= {"cold_s": cold[0], **_latency(subject, step, settings)}
    if point["execution"] == "graph":
        eager = timing.repeat(subject.run, subject.clock, budget_s=2.0, minimum_s=0.3)
        row["eager_latency_s"] = statistics.median(eager.seconds)
    row |= _energy(request, subject, step, idle)
    row |= measure_memory(subject)
    layers = measure_layers(subject, float(settings.get("layer_budget_s", 3.0))) if settings.get("layers", True) else []
    if layers:
        row["layer_sum_s"] = sum(layer["time_s"] for layer in layers)
        row["layer_sum_ratio"] = row["layer_sum_s"] / row.get("eager_latency_s", row["latency_s"])
    return {**row, **work_of(point, request["config"]), "layers": layers}


def _latency(subject: Any, step: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The uninstrumented pass, on the path that is timed, after warming up on it."""
    warm_until = time.monotonic() + float(settings.get("warm_up_s", _WARM_UP_S))
    while True:
        step()
        if time.monotonic() >= warm_until:
            break
    subject.synchronise()
    scheduled, steal, wall_clock = gates.scheduling(), gates.stolen(), time.time()
    start_ns = time.monotonic_ns()
    repeats = timing.repeat(
        step, subject.clock, float(settings.get("budget_s", timing.BUDGET_S)),
        float(settings.get("minimum_s", timing.MINIMUM_S)),
    )  # fmt: skip
    end_ns = time.monotonic_ns()
    waiting = gates.share_between(scheduled, gates.scheduling(), of_sum=True)
    stolen = gates.share_between(steal, gates.stolen(), of_sum=False)
    values = repeats.seconds
    low, high = timing.median_interval(values)
    quartiles = timing.quantile(values, 0.75) - timing.quantile(values, 0.25)
    used = [value for value in repeats.processor_seconds if value is not None]
    row: dict[str, Any] = {
        "start_ns": start_ns, "end_ns": end_ns,
        "clock_went_backwards": time.time() < wall_clock,
        "latency_s": statistics.median(values), "latency_low_s": low, "latency_high_s": high,
        "latency_p10_s": timing.quantile(values, 0.1), "latency_p90_s": timing.quantile(values, 0.9),
        "latency_p99_s": timing.quantile(values, 0.99), "latency_relative_iqr": quartiles / statistics.median(values),
        "latency_converged": repeats.converged, "repeats": len(values), "latency_values_s": values,
        "processor_s": statistics.median(used) if used else None, "processor_values_s": used,
        "waiting_share": waiting, "steal_share": stolen,
    }  # fmt: skip
    if not used:
        row["processor_s_why"] = "the work is not done by the processor"
    for name, value in (("waiting_share", waiting), ("steal_share", stolen)):
        if value is None:
            row[f"{name}_why"] = "Linux did not report it, or no time passed"
    return row


def _counter(request: Mapping[str, Any]) -> tuple[Any, str, float | None]:
    """How to read the energy counter of the device; its name; where it wraps."""
    from profiling.measure.environment import cuda_uuid  # noqa: PLC0415
    from profiling.measure.telemetry.energy import processor_energy  # noqa: PLC0415
    from profiling.measure.telemetry.nvml import NoNvml, Nvml  # noqa: PLC0415
    from profiling.measure.telemetry.readings import Reading  # noqa: PLC0415

    device = str(request["device"])
    if not device.startswith("cuda"):
        counter = processor_energy()
        return counter.energy_j, counter.method, counter.wraps_at_j()
    try:
        return Nvml().device(cuda_uuid(device)).energy_j, "nvml counter", None
    except NoNvml as error:
        why = str(error)
        return lambda: Reading(None, why), "nvml counter", None


def _idle_power(request: Mapping[str, Any]) -> float | None:
    """Watts before anything runs, over two seconds; None where there is no counter or it did not move."""
    from profiling.measure.telemetry.readings import energy_between  # noqa: PLC0415

    read, method, wraps = _counter(request)
    before, started = read(), time.monotonic()
    if before.value is None:
        return None
    time.sleep(_IDLE_S)
    elapsed = time.monotonic() - started
    window = energy_between(before, read(), elapsed, method, wraps)
    return None if window.joules is None else window.joules / elapsed


def _energy(request: Mapping[str, Any], subject: Any, step: Any, idle_w: float | None) -> dict[str, Any]:
    """Energy of a step from a counter around a steady loop, with and without what the device draws idle."""
    from profiling.measure.telemetry.readings import energy_between  # noqa: PLC0415

    read, method, wraps = _counter(request)
    before = read()
    if before.value is None:
        return {
            "energy_j": None,
            "energy_why": before.why,
            "energy_net_j": None,
            "energy_window_s": None,
            "idle_w": None,
        }
    subject.synchronise()
    before, started, steps = read(), time.monotonic(), 0
    while time.monotonic() - started < _ENERGY_S:
        for _ in range(8):
            step()
        subject.synchronise()
        steps += 8
    elapsed = time.monotonic() - started
    window = energy_between(before, read(), elapsed, method, wraps)
    per_step = None if window.joules is None else window.joules / steps
    net = None if per_step is None or idle_w is None else per_step - idle_w * elapsed / steps
    row = {
        "energy_j": per_step, "energy_net_j": net, "energy_window_s": elapsed, "energy_steps": steps,
        "energy_method": window.method, "idle_w": idle_w,
    }  # fmt: skip
    return row if window.why is None else row | {"energy_why": window.why}


def main(result: Path) -> None:
    """Read a request from standard input, measure, write the outcome."""
    run_child(json.load(sys.stdin), result)
