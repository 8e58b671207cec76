"""Sums over the operators of a pass on a whole grid: the formulas of estimate.py and parts.py, in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiling.engines.parts import COLLECTIVE_S, PART_OF_CLASS, PLACES
from profiling.models.stored import Group
from profiling.roofline.operator import COMMUNICATING, Operator, OperatorClass, Unit
from profiling.roofline.operator_time import DEFAULTS
from profiling.roofline.roof import Roof
from profiling.roofline.workload import Values

Array = npt.NDArray[np.float64]
_CACHED_ROWS = 6_000


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """Operators that are alike for the clock: same class, FLOPs and bytes."""

    kind: OperatorClass
    unit: Unit
    group: Group
    count: int
    flops: Array
    moved: Array
    cacheable: Array
    calls: Array
    communicated: Array
    spared: Array
    numbers: Array
    padding: Array
    launches: Array


def merged(found: Sequence[Operator]) -> list[Load]:
    """Gate and up, the norms, the residuals: equal operators become one with a count."""
    groups: dict[tuple[object, ...], Load] = {}
    for op in found:
        calls = op.launches * op.kernel_share
        loads = (
            op.flops, op.bytes_moved, op.cacheable_bytes, calls, op.communication_bytes, op.spared_bytes,
            op.numbers_opened, op.padding, op.launches,
        )  # fmt: skip
        numbers = [np.asarray(value, dtype=np.float64) for value in loads]
        key = (op.operator_class, op.unit, op.group, *((array.shape, array.tobytes()) for array in numbers))
        count = op.count + (groups[key].count if key in groups else 0)
        groups[key] = Load(op.operator_class, op.unit, op.group, count, *numbers)
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class Rates:
    """What operators are timed with; arrays broadcast to (accelerators, precisions, batches, contexts)."""

    roofs: Roof
    efficiency: Mapping[Group, Array]
    """Share of their peak that products of a group reach by default; NaN: that of their class."""
    attention_efficiency: Array
    """Share of its peak that attention over prompts reaches by default."""
    factors: Array
    """(accelerators, precisions, parts)."""
    link: Array
    link_latency_s: Array
    opening_rate: Array
    rows_per_block: int

    def factor(self, part: str, rows: slice = slice(None)) -> Array:
        """What a part is multiplied by."""
        return np.asarray(self.factors[rows, :, PLACES[part]][:, :, None, None])


def _part(value: Values, rows: slice) -> Array:
    """Those accelerators of an array that has them as its first of four axes; others as they are."""
    array = np.asarray(value, dtype=np.float64)
    return array[rows] if array.ndim == 4 and array.shape[0] > 1 else array


@dataclass(frozen=True, slots=True)
class Sums:
    """Running totals of a block."""

    bound: Array
    computing: Array
    communicating: Array
    likely: Array
    low: Array
    high: Array
    compute: Array
    memory: Array

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Sums:
        """Nothing yet."""
        return cls(*(np.zeros(shape) for _ in range(8)))

    def add_all(self, loads: Sequence[Load], rates: Rates, *, bound: bool, likely: bool) -> None:
        """Adds the operators, a few accelerators at a time so that the totals stay in the processor's cache."""
        number = self.bound.shape[0]
        step = max(1, _CACHED_ROWS * number // rates.rows_per_block)
        for first in range(0, number, step):
            for load in loads:
                self._add(load, rates, slice(first, first + step), bound=bound, likely=likely)

    def _add(self, load: Load, rates: Rates, rows: slice, *, bound: bool, likely: bool) -> None:
        """Adds bound and likely time of like operators for some accelerators."""
        roofs, default = rates.roofs, DEFAULTS[load.kind]
        compute, memory = self.compute[rows], self.memory[rows]
        fixed = load.count * default.fixed_s * load.calls
        if load.kind in COMMUNICATING:
            self._exchange(load, rates, rows, fixed, bound=bound, likely=likely)
            return
        product = roofs.group_peaks.get(load.group, roofs.product_peak)
        peak = product if load.unit == "product" else roofs.attention_peak
        peak = roofs.vector_peak if load.unit == "vector" else peak
        np.multiply(load.count * _part(load.flops, rows), 1 / _part(peak, rows), out=compute)
        np.minimum(_part(load.cacheable, rows), _part(roofs.cache_bytes, rows), out=memory)
        np.subtract(_part(load.moved, rows), memory, out=memory)
        memory *= load.count / _part(roofs.bandwidth, rows)
        if bound:
            least = memory - load.count * _part(load.spared, rows) / _part(roofs.bandwidth, rows)
            np.maximum(compute, least, out=least)
            self.bound[rows] += least
            self.computing[rows] += np.multiply(compute, compute >= least)
        if likely:
            self._predict(load, rates, rows, fixed)

    def _predict(self, load: Load, rates: Rates, rows: slice, fixed: Array) -> None:
        default, part = DEFAULTS[load.kind], PART_OF_CLASS[load.kind]
        compute, memory, likely = self.compute[rows], self.memory[rows], self.likely[rows]
        efficiency: Values = default.compute
        if load.unit == "product":
            own = _part(rates.efficiency[load.group], rows)
            efficiency = np.where(np.isnan(own), default.compute, own)
        elif load.kind == "prefill_attention":
            efficiency = _part(rates.attention_efficiency, rows)
        compute *= np.divide(1, efficiency)
        if part in {"product", "expert"}:
            padded = compute * _part(load.padding, rows) * rates.factor("expert_padding", rows)
            opened = load.count * _part(load.numbers, rows) / _part(rates.opening_rate, rows)
            likely += padded + opened * rates.factor("unpacking", rows)
        compute *= compute
        memory *= 1 / default.bandwidth
        memory *= memory
        memory += compute
        if part in {"product", "expert"}:
            compute /= np.maximum(memory, 1e-60)
            slow, fast = rates.factor(f"{part}_memory", rows), rates.factor(f"{part}_compute", rows)
            compute *= fast - slow
            compute += slow
        else:
            compute[...] = rates.factor(part, rows)
        np.sqrt(memory, out=memory)
        memory += fixed
        memory *= compute
        likely += memory

    def _exchange(self, load: Load, rates: Rates, rows: slice, fixed: Array, *, bound: bool, likely: bool) -> None:
        default = DEFAULTS[load.kind]
        seconds = load.count * np.divide(_part(load.communicated, rows), _part(rates.link, rows))
        if bound:
            self.bound[rows] += seconds
            self.communicating[rows] += seconds
        if likely:
            predicted = (seconds / default.bandwidth + fixed) * rates.factor("communication", rows)
            self.likely[rows] += predicted + load.count * load.launches * _part(rates.link_latency_s, rows)
            calls = load.count * COLLECTIVE_S * load.launches
            self.likely[rows] += calls * rates.factor("collectives", rows)
