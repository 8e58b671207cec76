"""Time of operators: the least that the device allows (bound), and what each will likely take (prediction).

The bound is max(FLOPs / peak, bytes / bandwidth) with data-sheet peaks (Williams, Waterman & Patterson 2009), less
the activations that fit the last-level cache: without that, measured kernels on warm caches lie below it. An
operator is bound by memory or compute by which side of the ridge its intensity lies, not by how far below the
roof it runs. Predictions come from a calibration, or from documented defaults with a wide interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import Accelerator
from profiling.engines.table import Engine
from profiling.models.architecture import Architecture
from profiling.roofline.efficiency import DEFAULT_HIGH, DEFAULT_LOW, DEFAULTS
from profiling.roofline.links import link_of
from profiling.roofline.operators import Operator, operators
from profiling.roofline.roof import Roof, roof_of
from profiling.roofline.workload import Values, Workload


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds of one occurrence: likely, and an interval that holds 80 %."""

    likely_s: Values
    low_s: Values
    high_s: Values


class OperatorModel(Protocol):
    """What a calibration offers for a class of operators."""

    def __call__(self, operator: Operator, compute_s: Values, memory_s: Values, default: Prediction) -> Prediction:
        """Seconds of one occurrence of `operator`, whose bound is max(compute_s, memory_s).

        `default` is what holds for shapes that were not measured.
        """
        ...

    def measured(self, operator: Operator) -> npt.NDArray[np.bool_]:
        """For which of the operator's shapes there are measurements."""
        ...


Calibration = Mapping[str, OperatorModel]
"""Operator models by calibration class (`Roof.calibration_class`); classes it lacks get the defaults."""


@dataclass(frozen=True, kw_only=True)
class OperatorTime:
    """An operator with its times; seconds and FLOP/s of one occurrence."""

    operator: Operator
    compute_s: Values
    memory_s: Values
    link_s: Values
    unhindered_s: Values
    """Compute time at the efficiency that is reached by default, were memory infinitely fast."""
    sides_s: Values
    """That and the time of moving at the bandwidth that is reached by default, as the root of the sum of squares."""
    fixed_s: Values
    """What its calls take by default, whatever they do: kernels, and the network between nodes."""
    spared_s: Values
    """Part of the memory time that a fortunate pass is spared (experts that tokens have in common)."""
    network_s: Values
    """Part of the prediction that the network between nodes takes, whatever the engine."""
    fitted: Prediction | None = None
    """What a calibration says of it; None: the defaults hold."""
    calibrated: npt.NDArray[np.bool_] | bool = False
    """Whether, or for which of its shapes, what it says was measured."""

    @property
    def likely_s(self) -> Values:
        """Likely seconds."""
        return self.sides_s + self.fixed_s if self.fitted is None else self.fitted.likely_s

    @property
    def prediction(self) -> Prediction:
        """Likely seconds, and the interval that holds 80 %."""
        if self.fitted is not None:
            return self.fitted
        network = self.network_s
        own = self.likely_s - network
        bound = np.maximum(np.maximum(self.compute_s, self.memory_s), self.link_s)
        return Prediction(self.likely_s, np.maximum(bound, DEFAULT_LOW * own) + network, DEFAULT_HIGH * own + network)

    @property
    def compute_share(self) -> Values:
        """Part of the time that is of computing, by the squares of the two sides."""
        return np.square(self.unhindered_s / np.maximum(self.sides_s, 1e-30))

    @property
    def bound_s(self) -> Values:
        """The least time the device allows."""
        if self.operator.communicates:
            return self.link_s
        return np.maximum(self.compute_s, self.memory_s - self.spared_s)

    @property
    def bound_by(self) -> str:
        """memory, compute or communication, of a single configuration."""
        sides = {"memory": self.memory_s - self.spared_s, "compute": self.compute_s, "communication": self.link_s}
        return max(sides, key=lambda side: float(sides[side]))

    @property
    def intensity(self) -> Values:
        """FLOPs per byte of compulsory traffic, cold: points served from cache may lie above the slope."""
        moved = np.asarray(self.operator.bytes_moved, dtype=np.float64)
        return cast(
            "Values", np.divide(self.operator.flops, moved, out=np.zeros_like(moved + self.operator.flops),
                                where=moved > 0)
        )  # fmt: skip


def operator_time(operator: Operator, roof: Roof, calibration: Calibration | None = None) -> OperatorTime:
    """Bound and prediction of one operator; by default the root of the sum of squares of its sides (p-norm 2)."""
    default, communicates = DEFAULTS[operator.operator_class], operator.communicates
    compute_s = np.divide(operator.flops, roof.peak_of(operator))
    from_cache = np.minimum(operator.cacheable_bytes, roof.cache_bytes)
    memory_s = np.divide(operator.bytes_moved - from_cache, roof.bandwidth)
    link_s = np.divide(operator.communication_bytes, roof.link) if communicates else 0.0
    moving_s = link_s if communicates else memory_s
    unhindered_s = compute_s / roof.efficiency_of(operator)
    network_s = roof.link_latency_s * operator.launches if communicates else 0.0
    time = OperatorTime(
        operator=operator, compute_s=compute_s, memory_s=memory_s, link_s=link_s, unhindered_s=unhindered_s,
        sides_s=np.sqrt(np.square(unhindered_s) + np.square(np.divide(moving_s, default.bandwidth))),
        fixed_s=default.fixed_s * operator.launches * operator.kernel_share + network_s,
        spared_s=np.divide(operator.spared_bytes, roof.bandwidth), network_s=network_s,
    )  # fmt: skip
    fitted = (calibration or {}).get(roof.calibration_class(operator))
    if fitted is None:
        return time
    return replace(
        time, fitted=fitted(operator, compute_s, moving_s, time.prediction),
        calibrated=bool(np.all(fitted.measured(operator))),
    )  # fmt: skip


def operator_times(
    model: Architecture,
    accelerator: Accelerator,
    workload: Workload,
    calibration: Calibration | None = None,
    engine: Engine | None = None,
) -> list[OperatorTime]:
    """Bound and prediction of every operator of one pass (prefill, decode or encode).

    Raises:
        InvalidWorkload, IllegalParallelism, UnsupportedPrecision: The question cannot be asked so.
    """
    roof = roof_of(accelerator, workload.precision, engine)
    split = workload.parallelism
    if split.devices > 1:
        link = link_of(accelerator, split)
        roof = replace(roof, link=link.bytes_per_s, link_latency_s=link.latency_s)
    steps = operators(model, workload, accelerator.last_level_cache_bytes or np.inf)
    return [operator_time(operator, roof, calibration) for operator in steps]
