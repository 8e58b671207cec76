"""The memory of one step: what the allocator gave at most, and what the device and the process held."""

from __future__ import annotations

import os
from typing import Any

import torch

from profiling import systems
from profiling.measure.environment import cuda_uuid
from profiling.measure.subject import Subject
from profiling.measure.telemetry.nvml import NoNvml, Nvml


def measure_memory(subject: Subject) -> dict[str, Any]:
    """Weights, cache, and the peak of one step; on a processor from the events of its allocator."""
    row: dict[str, Any] = {
        "weights_bytes": subject.weights_bytes(),
        "kv_cache_bytes": subject.cache_bytes(),
        # Libraries and code are in it: an upper bound, not a measure of the model.
        "host_peak_bytes": systems.peak_memory_bytes(),
    }
    return row | (_on_device(subject) if subject.device.type == "cuda" else _on_processor(subject))


def _on_device(subject: Subject) -> dict[str, Any]:
    device = subject.device
    subject.synchronise()
    resting = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    subject.run()
    subject.synchronise()
    peak = torch.cuda.max_memory_allocated(device)
    row: dict[str, Any] = {
        "allocated_peak_bytes": peak,
        "activation_peak_bytes": peak - resting,
        "reserved_peak_bytes": torch.cuda.max_memory_reserved(device),
    }
    try:
        nvml = Nvml()
        used = nvml.device(cuda_uuid(str(device))).sample()["memory_used_bytes"]
        nvml.close()
        row["device_used_bytes"] = used.value
        if used.value is None:
            row["device_used_bytes_why"] = used.why
    except NoNvml as error:
        row |= {"device_used_bytes": None, "device_used_bytes_why": str(error)}
    return row


def _on_processor(subject: Subject) -> dict[str, Any]:
    """Running sum of what the step allocates and frees, from the profiler: the resident size does not show peaks."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
        subject.run()
    results = profiler.profiler.kineto_results if profiler.profiler is not None else None
    events = [(e.start_ns(), e.nbytes()) for e in results.events() if e.name() == "[memory]"] if results else []
    missing: dict[str, None] = dict.fromkeys(("reserved_peak_bytes", "device_used_bytes"))
    whys = {f"{name}_why": "there is no device memory" for name in missing}
    if not events:
        why = "torch's profiler reported no allocations"
        return {"allocated_peak_bytes": None, "allocated_peak_bytes_why": why, "activation_peak_bytes": None,
                "activation_peak_bytes_why": why, **missing, **whys}  # fmt: skip
    allocated = peak = 0
    for _, change in sorted(events, key=lambda event: event[0]):
        allocated += change
        peak = max(peak, allocated)
    resting = subject.weights_bytes() + subject.cache_bytes()
    return {"allocated_peak_bytes": resting + peak, "activation_peak_bytes": peak, **missing, **whys}
