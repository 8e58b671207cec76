"""Measurements that cannot be: faster than the hardware, or of weights that the device cannot hold."""

from __future__ import annotations

from profiling.accuracy.cases import Case
from profiling.devices.accelerators import GIB
from profiling.memory.weights import weight_bytes

_TOO_FAST = 1.25
"""How much faster than its data sheet allows a measurement may be: clocks and memory beyond the sheet stay below."""
_TOO_LARGE = 1.03


def too_large(case: Case) -> str | None:
    """Why the weights cannot have been on the devices, or None."""
    weight = float(weight_bytes(case.model, case.precision, case.split))
    room = case.device.total_memory_bytes
    if weight <= _TOO_LARGE * room:
        return None
    return (
        f"weights of {weight / GIB:.1f} GiB per device exceed the {room / GIB:.1f} GiB of {case.device.name}: part ran "
        "elsewhere"
    )


def too_fast(case: Case, bound_s: float) -> str | None:
    """Why it cannot have been that fast, or None."""
    if not case.stage.startswith(("decode", "prefill")) or not bound_s > _TOO_FAST * case.measured_s:
        return None
    return (
        f"{case.measured_s:.4g} s is {bound_s / case.measured_s:.2f} times faster than the bandwidth and peak of "
        f"{case.device.name} allow"
    )
