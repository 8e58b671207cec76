"""When a measurement must not be taken at its word: conditions and the flags they raise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONTENDED, THROTTLED, UNSTABLE = "contended", "throttled", "unstable"
SHORT_ENERGY_WINDOW, ABOVE_ROOF, LAYER_SUM_GAP = "short_energy_window", "above_roof", "layer_sum_gap"
EMULATED, CLOCK_BACKWARDS = "emulated", "clock_backwards"

WAITING_LIMIT = 0.05
"""Share of the time in which a thread could have run and was kept waiting, or the hypervisor ran somebody else."""
SPREAD_LIMIT = 0.10
"""Interquartile range over median."""
ROOF_MARGIN = 1.05
LAYER_SUM_MARGIN = 0.10
ENERGY_WINDOW_S = 2.0
# Bits of NVML's event reasons that slow a clock down: power cap, hardware slowdown, thermal (software, hardware),
# power brake. `sw power cap` is normal for large products at full load and is told as well.
THROTTLE_MASK = 0x4 | 0x8 | 0x20 | 0x40 | 0x80


def flags_of(point: Mapping[str, Any]) -> list[str]:
    """Flags of a measured point, from its own record; a quantity that is unknown raises none."""
    flags = []
    waiting, steal = point.get("waiting_share"), point.get("steal_share")
    if max(waiting or 0.0, steal or 0.0) > WAITING_LIMIT:
        flags.append(CONTENDED)
    if (point.get("throttle_mask") or 0) & THROTTLE_MASK:
        flags.append(THROTTLED)
    spread, converged = point.get("latency_relative_iqr"), point.get("latency_converged")
    if (spread is not None and spread > SPREAD_LIMIT) or converged is False:
        flags.append(UNSTABLE)
    window = point.get("energy_window_s")
    if point.get("energy_j") is not None and (window is None or window < ENERGY_WINDOW_S):
        flags.append(SHORT_ENERGY_WINDOW)
    if (point.get("fraction_of_ceiling") or 0.0) > ROOF_MARGIN:
        flags.append(ABOVE_ROOF)
    gap = point.get("layer_sum_ratio")
    if gap is not None and abs(gap - 1.0) > LAYER_SUM_MARGIN:
        flags.append(LAYER_SUM_GAP)
    if point.get("is_emulated"):
        flags.append(EMULATED)
    if point.get("clock_went_backwards"):
        flags.append(CLOCK_BACKWARDS)
    return flags


def scheduling() -> tuple[int, int] | None:
    """Nanoseconds that the threads of this process have run, and have waited to; None where Linux does not tell."""
    run = waited = 0
    try:
        for thread in Path("/proc/self/task").iterdir():
            parts = (thread / "schedstat").read_text().split()
            run, waited = run + int(parts[0]), waited + int(parts[1])
    except (OSError, ValueError, IndexError):
        return None
    return run, waited


def stolen() -> tuple[int, int] | None:
    """Ticks that the hypervisor gave to others, and all ticks, over all processors; None where Linux does not tell."""
    try:
        fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    except (OSError, ValueError):
        return None
    return (fields[7], sum(fields[:8])) if len(fields) > 7 else None


def share_between(before: tuple[int, int] | None, after: tuple[int, int] | None, *, of_sum: bool) -> float | None:
    """Growth of the second number over the growth of both (`of_sum`), or of the first over the second.

    None where a reading is missing, nothing has passed, or a counter went backwards.
    """
    if before is None or after is None:
        return None
    first, second = after[0] - before[0], after[1] - before[1]
    if first < 0 or second < 0:
        return None
    total = first + second if of_sum else second
    return (second if of_sum else first) / total if total else None
