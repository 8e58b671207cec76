"""Sums over the operators of a pass, or of a grid of passes: (accelerators, precisions, batches, contexts)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import Accelerator
from profiling.engines.parts import PLACES, Launches, engine_seconds, host_parts
from profiling.models.architecture import Architecture
from profiling.roofline.operator import TIMED, Operator
from profiling.roofline.operator_time import OperatorTime, operator_time
from profiling.roofline.roof import Roof
from profiling.roofline.whole import bound_together
from profiling.roofline.workload import Values, Workload

Array = npt.NDArray[np.float64]
BOUNDS = ("memory", "compute", "communication")
"""Sides that a bound may be of, by the numbers of `Sums.side`."""
CACHED_ROWS = 6_000
"""Configurations at a time whose arrays stay in the processor's cache."""


def merged(operators: Sequence[Operator]) -> list[Operator]:
    """Gate and up, the norms, the residuals: operators that are alike for the clock become one with their count."""
    groups: dict[tuple[object, ...], list[Operator]] = {}
    for op in operators:
        numbers = [np.asarray(getattr(op, name), dtype=np.float64) for name in TIMED]
        key = (op.operator_class, op.unit, op.group, *((array.shape, array.tobytes()) for array in numbers))
        groups.setdefault(key, []).append(op)
    alike = [(some[0], sum(op.count for op in some)) for some in groups.values()]
    return [first if first.count == count else replace(first, count=count) for first, count in alike]


def of_rows(operator: Operator, rows: slice) -> Operator:
    """The operator on some of the accelerators."""
    values = {name: getattr(operator, name) for name in TIMED}
    wide = {name: value[rows] for name, value in values.items() if np.ndim(value) == 4 and len(value) > 1}
    return replace(operator, **wide) if wide else operator


@dataclass(frozen=True, slots=True)
class Rates:
    """What operators are timed with on some accelerators."""

    rows: slice
    """Their places."""
    roof: Roof
    opened_per_s: Array
    """Numbers of weights that engines open, by accelerator."""
    factors: Array
    """What parts are multiplied by, on the last of five axes."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Running totals of passes: of one, or of a whole grid of them."""

    bound: Array
    computing: Array
    """Part of the bound that is of operators bound by compute."""
    communicating: Array
    likely: Array

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Sums:
        """Nothing yet."""
        return cls(*(np.zeros(shape) for _ in range(4)))

    @classmethod
    def least(cls, times: Iterable[OperatorTime], shape: tuple[int, ...] = ()) -> Sums:
        """Of the least times of operators; no likely ones."""
        sums = cls.zeros(shape)
        for time in times:
            sums.add_bound(time)
        return sums

    def add(self, loads: Sequence[Operator], rates: Sequence[Rates], *, bound: bool, likely: bool) -> None:
        """Adds bound and likely time of operators, timed with some accelerators at a time."""
        for some in rates:
            rows = self.of(some.rows)
            for load in loads:
                time = operator_time(load if len(rates) == 1 else of_rows(load, some.rows), some.roof)
                if bound:
                    rows.add_bound(time)
                if likely:
                    rows.add_likely(time, some.opened_per_s, some.factors)

    def of(self, rows: slice) -> Sums:
        """The totals of some accelerators: what is added to them is added here."""
        return Sums(self.bound[rows], self.computing[rows], self.communicating[rows], self.likely[rows])

    def add_bound(self, time: OperatorTime) -> None:
        """Adds the least time of all occurrences of an operator."""
        of_one = time.bound_s
        of_all = time.operator.count * of_one
        self.bound[...] += of_all
        if time.operator.communicates:
            self.communicating[...] += of_all
        else:
            self.computing[...] += of_all * (time.compute_s >= of_one)

    def add_likely(self, time: OperatorTime, opened_per_s: Values, factors: Array) -> None:
        """Adds the likely seconds of all occurrences of an operator by an engine; `factors` as of `engine_seconds`."""
        self.likely[...] += engine_seconds(time, opened_per_s, factors)

    def add_host(
        self, loads: Sequence[Operator], model: Architecture, workload: Workload, launches: Launches, factors: Array
    ) -> None:  # fmt: skip
        """Adds what the host does for a pass whose operators these are."""
        passes = reduce(np.maximum, [load.launches for load in loads])
        for name, seconds in host_parts(model, workload, passes, launches).items():
            self.likely[...] += seconds * factors[..., PLACES[name]]

    def bound_of_pass(self, moved: Values, accelerator: Accelerator, workload: Workload) -> Values:
        """The least time of a pass that moves so many bytes: see `whole.bound_together`."""
        cache_bytes = accelerator.last_level_cache_bytes or 0.0
        return bound_together(self.bound, moved, cache_bytes, accelerator.bandwidth_bytes_per_s, workload)

    def side(self) -> npt.NDArray[np.uint8]:
        """What the largest part of the bound is of: 0 memory, 1 compute, 2 communication."""
        waiting = self.bound - self.computing - self.communicating
        largest = np.where(self.computing > waiting, 1, 0).astype(np.uint8)
        largest[self.communicating > np.maximum(self.computing, waiting)] = 2
        return largest


def moved_bytes(times: Iterable[OperatorTime]) -> Values:
    """Bytes to and from main memory in a pass."""
    return sum((time.operator.count * time.operator.bytes_moved for time in times), start=0.0)


def least_time(times: Sequence[OperatorTime], accelerator: Accelerator, workload: Workload) -> Values:
    """The least time of a pass: prompts may pass through stages in parts, small loops may stay in cache."""
    shape = np.broadcast_shapes(np.shape(workload.batch), np.shape(workload.context))
    return Sums.least(times, shape).bound_of_pass(moved_bytes(times), accelerator, workload)
