"""How often to repeat, and what to make of the repeats: medians, their intervals, and the clocks that time a step."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

MINIMUM_REPEATS = 10
MINIMUM_S = 1.0
TOLERANCE = 0.02
BUDGET_S = 10.0


def quantile(values: Sequence[float], share: float) -> float:
    """Linear interpolation between order statistics (type 7 of Hyndman & Fan 1996)."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """A 95 % interval of the median that assumes no distribution, from order statistics.

    The ranks are those whose binomial probabilities add to 95 % or more (Conover 1999, section 3.2). Fewer than six
    values carry no such interval: their whole range is given.
    """
    ordered = sorted(values)
    count = len(ordered)
    if count > 500:  # the normal approximation of the binomial; 0.5**count would vanish
        rank = math.floor((count - 1.96 * math.sqrt(count)) / 2)
        return ordered[rank], ordered[count - 1 - rank]
    below, total = 0, 0.5**count
    while count >= 6 and total <= 0.025 and below < count // 2:
        below += 1
        total += math.comb(count, below) * 0.5**count
    rank = max(below - 1, 0)
    return ordered[rank], ordered[count - 1 - rank]


def relative_width(values: Sequence[float]) -> float:
    """Width of the interval of the median over the median."""
    low, high = median_interval(values)
    return (high - low) / statistics.median(values)


class Clock(Protocol):
    """Times repeats of a step."""

    def run(self, step: Callable[[], object], repeats: int) -> tuple[list[float], list[float | None]]:
        """Seconds of each repeat by the clock on the wall, and of processor time where it is known."""


class ProcessorClock:
    """Steps that run in this process: monotonic clock, and the processor time of all its threads."""

    def run(self, step: Callable[[], object], repeats: int) -> tuple[list[float], list[float | None]]:
        """Seconds, and processor seconds summed over threads."""
        wall: list[float] = []
        used: list[float | None] = []
        for _ in range(repeats):
            used_before, before = time.process_time_ns(), time.perf_counter_ns()
            step()
            after, used_after = time.perf_counter_ns(), time.process_time_ns()
            wall.append((after - before) / 1e9)
            used.append((used_after - used_before) / 1e9)
        return wall, used


class CudaClock:
    """Steps on the current CUDA device: a pair of events around each, one synchronisation at the end."""

    def run(self, step: Callable[[], object], repeats: int) -> tuple[list[float], list[float | None]]:
        """Seconds between the events of each repeat; no processor time."""
        import torch  # noqa: PLC0415 - the parent of a sweep times nothing and has no torch

        pairs = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
        for first, last in pairs:
            first.record()
            step()
            last.record()
        torch.cuda.synchronize()
        return [first.elapsed_time(last) / 1e3 for first, last in pairs], [None] * repeats


@dataclass
class Repeats:
    """What was timed, in order."""

    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float | None] = field(default_factory=list)

    @property
    def converged(self) -> bool:
        """Whether the interval of the median is as narrow as asked."""
        return len(self.seconds) >= MINIMUM_REPEATS and relative_width(self.seconds) <= TOLERANCE


def repeat(
    step: Callable[[], object], clock: Clock, budget_s: float = BUDGET_S, minimum_s: float = MINIMUM_S
) -> Repeats:
    """Repeat until the median is known to 2 %, at least ten times and a second, within the budget.

    Chunks grow with what is still needed, so that a device is not idle between the repeats of one chunk.
    """
    repeats = Repeats()
    started = time.perf_counter()
    chunk = 1
    while True:
        wall, used = clock.run(step, chunk)
        repeats.seconds += wall
        repeats.processor_seconds += used
        elapsed = time.perf_counter() - started
        enough = len(repeats.seconds) >= MINIMUM_REPEATS and elapsed >= minimum_s
        if (enough and repeats.converged) or elapsed >= budget_s:
            return repeats
        typical = max(statistics.median(repeats.seconds), 1e-7)
        remaining = max(1, int((budget_s - elapsed) / typical))
        wanted = max(MINIMUM_REPEATS - len(repeats.seconds), int(minimum_s / 4 / typical), 1)
        chunk = min(remaining, wanted, 4096)
