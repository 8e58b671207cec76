"""Sums over the operators of a pass on a whole grid, whose arrays are (accelerators, precisions, batches, contexts)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from profiling.engines.parts import engine_seconds
from profiling.roofline.operator import TIMED, Operator
from profiling.roofline.operator_time import operator_time
from profiling.roofline.roof import Roof

Array = npt.NDArray[np.float64]
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
    """Running totals of a pass."""

    bound: Array
    computing: Array
    """Part of the bound that is of operators bound by compute."""
    communicating: Array
    likely: Array

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Sums:
        """Nothing yet."""
        return cls(*(np.zeros(shape) for _ in range(4)))

    def add(self, loads: Sequence[Operator], rates: Sequence[Rates], *, bound: bool, likely: bool) -> None:
        """Adds bound and likely time of operators."""
        for some in rates:
            for load in loads:
                time = operator_time(load if len(rates) == 1 else of_rows(load, some.rows), some.roof)
                if bound:
                    of_one = time.bound_s
                    of_all = load.count * of_one
                    self.bound[some.rows] += of_all
                    if load.communicates:
                        self.communicating[some.rows] += of_all
                    else:
                        self.computing[some.rows] += of_all * (time.compute_s >= of_one)
                if likely:
                    self.likely[some.rows] += engine_seconds(time, some.opened_per_s, some.factors)
