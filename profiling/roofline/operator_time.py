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

    def later(self, seconds: Values) -> Prediction:
        """All of it so much later."""
        return Prediction(self.likely_s + seconds, self.low_s + seconds, self.high_s + seconds)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultEfficiency:
    """Shares of peak and bandwidth reached and a fixed time per kernel, for accelerators without calibration.

    Medians of fits to measured kernels of A100, H100, H200, B200, L40S and RTX PRO 6000 (research of this
    project: compute 0.55–0.78 in bf16 products, about 0.45 in attention; bandwidth 0.73–0.82; fixed time 1.4–6 µs
    for products, 8–18 µs for attention, of which captured graphs hide a part). Where the largest measured share of
    a device's matrix peak is known, 0.87 of it replaces the compute share: the median ratio on those devices.
    The interval is what those six devices and unknown engines span.
    """

    compute: float
    bandwidth: float
    fixed_s: float

    def __call__(self, operator: Operator, compute_s: Values, memory_s: Values) -> Prediction:
        """Seconds: sqrt of the sum of squares of the two sides (p-norm 2), and the fixed time."""
        sides = np.hypot(np.divide(compute_s, self.compute), np.divide(memory_s, self.bandwidth))
        likely = sides + self.fixed_s * operator.launches * operator.kernel_share
        bound = np.maximum(compute_s, memory_s)
        return Prediction(likely, np.maximum(bound, DEFAULT_LOW * likely), DEFAULT_HIGH * likely)


DEFAULT_LOW, DEFAULT_HIGH = 0.65, 1.8
"""Ends of the interval of a default, as shares of its likely time."""


DEFAULTS: Mapping[str, DefaultEfficiency] = {
    "gemm": DefaultEfficiency(compute=0.72, bandwidth=0.78, fixed_s=2e-6),
    "expert_gemm": DefaultEfficiency(compute=0.55, bandwidth=0.70, fixed_s=8e-6),
    "prefill_attention": DefaultEfficiency(compute=0.45, bandwidth=0.78, fixed_s=8e-6),
    "decode_attention": DefaultEfficiency(compute=0.45, bandwidth=0.60, fixed_s=6e-6),
    # Not measured here: an indexer reads like decode attention, a state like an elementwise kernel.
    "index_scores": DefaultEfficiency(compute=0.45, bandwidth=0.60, fixed_s=6e-6),
    "state_update": DefaultEfficiency(compute=0.25, bandwidth=0.60, fixed_s=6e-6),
    "elementwise": DefaultEfficiency(compute=0.50, bandwidth=0.70, fixed_s=1e-6),
    "lookup": DefaultEfficiency(compute=0.50, bandwidth=0.50, fixed_s=2e-6),
    "communication": DefaultEfficiency(compute=1.0, bandwidth=0.75, fixed_s=1e-5),
    "exchange": DefaultEfficiency(compute=1.0, bandwidth=0.75, fixed_s=1e-5),
}


def gemm_compute_efficiency(achievable_matmul_fraction: float | None) -> float:
    """Share of the peak a product is taken to reach on a device that is not calibrated."""
    return 0.87 * achievable_matmul_fraction if achievable_matmul_fraction else DEFAULTS["gemm"].compute


def default_model(operator: Operator, roof: Roof) -> DefaultEfficiency:
    """The documented default for this operator on this device."""
    default = DEFAULTS[operator.operator_class]
    if operator.unit == "product" and operator.group in roof.group_efficiencies:
        return replace(default, compute=roof.group_efficiencies[operator.group])
    if operator.operator_class == "prefill_attention" and roof.attention_efficiency is not None:
        return replace(default, compute=roof.attention_efficiency)
    if operator.operator_class == "gemm":
        return replace(default, compute=gemm_compute_efficiency(roof.achievable_matmul_fraction))
    return default


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTime:
    """An operator with its times; seconds and FLOP/s of one occurrence."""

    operator: Operator
    compute_s: Values
    memory_s: Values
    link_s: Values
    prediction: Prediction
    calibrated: bool
    unhindered_s: Values = 0.0
    """Compute time at the efficiency that is reached by default, were memory infinitely fast."""
    waiting_s: Values = 0.0
    """Memory time at the efficiency that is reached by default, were products infinitely fast."""
    spared_s: Values = 0.0
    """Part of the memory time that a fortunate pass is spared (experts that tokens have in common)."""
    network_s: Values = 0.0
    """Part of the prediction that the network between nodes takes, whatever the engine."""

    @property
    def bound_s(self) -> Values:
        """The least time the device allows."""
        return np.maximum(np.maximum(self.compute_s, self.memory_s - self.spared_s), self.link_s)

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

    @property
    def fraction_of_roof(self) -> Values:
        """Predicted share of the roof: bound over prediction."""
        return np.divide(self.bound_s, self.prediction.likely_s)


def operator_time(operator: Operator, roof: Roof, calibration: Calibration | None = None) -> OperatorTime:
    """Bound and prediction of one operator."""
    compute_s = np.divide(operator.flops, roof.peak_of(operator))
    from_cache = np.minimum(operator.cacheable_bytes, roof.cache_bytes)
    memory_s = np.divide(operator.bytes_moved - from_cache, roof.bandwidth)
    communicates = operator.communicates
    link_s = np.divide(operator.communication_bytes, roof.link) if communicates else 0.0
    fitted = (calibration or {}).get(roof.calibration_class(operator))
    moving_s = link_s if communicates else memory_s
    default = default_model(operator, roof)
    prediction = default(operator, compute_s, moving_s)
    network_s = roof.link_latency_s * np.asarray(operator.launches) if communicates else 0.0
    prediction = prediction.later(network_s)
    if fitted is not None:
        prediction = fitted(operator, compute_s, moving_s, prediction)
    return OperatorTime(
        operator=operator, compute_s=compute_s, memory_s=memory_s, link_s=link_s, prediction=prediction,
        calibrated=fitted is not None and bool(np.all(fitted.measured(operator))),
        unhindered_s=np.divide(compute_s, default.compute), waiting_s=np.divide(moving_s, default.bandwidth),
        spared_s=np.divide(operator.spared_bytes, roof.bandwidth), network_s=network_s,
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
    found = operators(model, workload, accelerator.last_level_cache_bytes or np.inf)
    return [operator_time(operator, roof, calibration) for operator in found]
