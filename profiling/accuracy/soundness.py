"""Measurements that cannot be: faster than the hardware, or of weights and cache that the device cannot hold."""

from __future__ import annotations

from profiling.accuracy.cases import Case
from profiling.devices.accelerators import GIB
from profiling.memory.need import kv_cache_bytes
from profiling.memory.weights import weight_bytes
from profiling.roofline.workload import Workload

_TOO_FAST = 1.25
"""How much faster than its data sheet allows a measurement may be: clocks and memory beyond the sheet stay below."""
_TOO_LARGE = 1.03
"""What of weights and of memory is known no better than to this factor."""


def too_large(case: Case) -> str | None:
    """Why weights, and the cache of all sequences at once, cannot have been on the devices, or None."""
    weight = float(weight_bytes(case.model, case.precision, case.split))
    room = case.device.total_memory_bytes
    if weight > _TOO_LARGE * room:
        return (
            f"weights of {weight / GIB:.1f} GiB per device exceed the {room / GIB:.1f} GiB of {case.device.name}: "
            "part ran elsewhere"
        )
    # Of serving, sequences that do not fit wait: see `Case.waiting`.
    if not case.stage.startswith(("decode", "prefill")):
        return None
    length = case.depth + case.input_tokens + case.output_tokens / 2
    steps = Workload(
        stage="decode", batch=case.batch, context=max(1.0, length), precision=case.precision, parallelism=case.split
    )
    cache = float(kv_cache_bytes(case.model, steps).low)
    if weight / _TOO_LARGE + cache <= _TOO_LARGE * room:
        return None
    return (
        f"a cache of {cache / GIB:.1f} GiB per device beside {weight / GIB:.1f} GiB of weights exceeds the "
        f"{room / GIB:.1f} GiB of {case.device.name}: part ran elsewhere, or not all of it at once"
    )


def too_fast(case: Case, bound_s: float) -> str | None:
    """Why it cannot have been that fast, or None."""
    if not case.stage.startswith(("decode", "prefill")):
        return None
    if bound_s > _TOO_FAST * case.measured_s:
        return (
            f"{case.measured_s:.4g} s is {bound_s / case.measured_s:.2f} times faster than the bandwidth and peak of "
            f"{case.device.name} allow"
        )
    # No pass reaches all of the bandwidth, but a step that verifies several tokens makes more than one.
    predicts_ahead = any(part.mtp_layers for part in case.model.not_counted)
    if case.stage.startswith("decode") and predicts_ahead and bound_s > case.measured_s:
        return (
            f"{case.measured_s:.4g} s is less than a step of one token takes on {case.device.name}, and the model has "
            "layers that predict further ones: several were made at once"
        )
    return None
