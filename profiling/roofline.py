"""Time: for every operator the least its device allows (bound), and what it will likely take (prediction).

The bound is max(FLOPs / peak, bytes / bandwidth) with data-sheet peaks (Williams, Waterman & Patterson 2009), less
the activations that fit the last-level cache: without that, measured kernels on warm caches lie below it. An
operator is bound by memory or compute by which side of the ridge its intensity lies, not by how far below the
roof it runs. Predictions come from a calibration, or from documented defaults with a wide interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from profiling.accelerators import Accelerator
from profiling.architecture import Architecture
from profiling.errors import InvalidWorkload
from profiling.memory import MemoryNeed, memory_need
from profiling.operators import Operator, operators
from profiling.workload import Precision, Values, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What a device offers to a precision; rates per second, each a number or an array."""

    product_peak: Values
    attention_peak: Values
    vector_peak: Values
    bandwidth: Values
    link: Values
    product_format: str = "fp16"
    attention_format: str = "fp16"
    cache_bytes: Values = 0.0
    """Last-level cache, 0 where unknown: activations up to that size need not come from memory."""
    achievable_matmul_fraction: float | None = None

    def peak_of(self, operator: Operator) -> Values:
        """Operations per second for the unit the operator runs on."""
        if operator.unit == "product":
            return self.product_peak
        return self.attention_peak if operator.unit == "attention_product" else self.vector_peak

    def calibration_class(self, operator: Operator) -> str:
        """Name under which measurements of such operators are fitted, as gemm_bf16 or prefill_attention."""
        if operator.operator_class in {"gemm", "expert_gemm"}:
            suffix = {"fp16": "bf16"}.get(self.product_format, self.product_format)
            return f"{operator.operator_class}_{suffix}"
        return operator.operator_class


def roof_of(accelerator: Accelerator, precision: Precision) -> Roof:
    """The roof of a device for single-valued bit widths.

    Products run in the narrowest format that holds both operands: W4A16 at the fp16 rate, W8A8 at that of fp8 or
    int8. Element by element work is bounded by the fp32 rate.

    Raises:
        UnsupportedPrecision: The device has no products that narrow.
    """
    product = accelerator.format_for(float(precision.product_bits))
    attention = accelerator.format_for(float(precision.attention_bits))
    return Roof(
        product_peak=accelerator.peak(product),
        attention_peak=accelerator.peak(attention),
        vector_peak=accelerator.vector_peak,
        bandwidth=accelerator.bandwidth_bytes_per_s,
        link=accelerator.link_bytes_per_s or np.nan,
        product_format=product,
        attention_format=attention,
        cache_bytes=accelerator.last_level_cache_bytes or 0.0,
        achievable_matmul_fraction=accelerator.achievable_matmul_fraction,
    )


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
    "elementwise": DefaultEfficiency(compute=0.50, bandwidth=0.70, fixed_s=1e-6),
    "lookup": DefaultEfficiency(compute=0.50, bandwidth=0.50, fixed_s=2e-6),
    "communication": DefaultEfficiency(compute=1.0, bandwidth=0.75, fixed_s=1e-5),
}


def gemm_compute_efficiency(achievable_matmul_fraction: float | None) -> float:
    """Share of the peak a product is taken to reach on a device that is not calibrated."""
    return 0.87 * achievable_matmul_fraction if achievable_matmul_fraction else DEFAULTS["gemm"].compute


def default_model(operator: Operator, roof: Roof) -> DefaultEfficiency:
    """The documented default for this operator on this device."""
    default = DEFAULTS[operator.operator_class]
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

    @property
    def bound_s(self) -> Values:
        """The least time the device allows."""
        return np.maximum(np.maximum(self.compute_s, self.memory_s), self.link_s)

    @property
    def bound_by(self) -> str:
        """memory, compute or communication, of a single configuration."""
        sides = {"memory": self.memory_s, "compute": self.compute_s, "communication": self.link_s}
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
    communicates = operator.operator_class == "communication"
    link_s = np.divide(operator.communication_bytes, roof.link) if communicates else 0.0
    fitted = (calibration or {}).get(roof.calibration_class(operator))
    moving_s = link_s if communicates else memory_s
    prediction = default_model(operator, roof)(operator, compute_s, moving_s)
    if fitted is not None:
        prediction = fitted(operator, compute_s, moving_s, prediction)
    return OperatorTime(
        operator=operator, compute_s=compute_s, memory_s=memory_s, link_s=link_s, prediction=prediction,
        calibrated=fitted is not None and bool(np.all(fitted.measured(operator))),
    )  # fmt: skip


def operator_times(
    model: Architecture, accelerator: Accelerator, workload: Workload, calibration: Calibration | None = None
) -> list[OperatorTime]:
    """Bound and prediction of every operator of one pass (prefill, decode or encode).

    Raises:
        InvalidWorkload, IllegalParallelism, UnsupportedPrecision: The question cannot be asked so.
    """
    roof = roof_of(accelerator, workload.precision)
    if workload.parallelism.devices > 1 and not accelerator.link_bytes_per_s:
        raise InvalidWorkload(
            f"{accelerator.name} has no known link bandwidth, so {workload.parallelism.devices} devices cannot be "
            "timed; add link_gb_per_s_per_direction to a user-defined accelerator"
        )
    found = operators(model, workload, accelerator.last_level_cache_bytes or np.inf)
    return [operator_time(operator, roof, calibration) for operator in found]


@dataclass(frozen=True, slots=True)
class PassTime:
    """Seconds of a whole pass: the bound, and the prediction with its interval."""

    bound_s: Values
    likely_s: Values
    low_s: Values
    high_s: Values

    def scaled(self, factor: float) -> PassTime:
        """All times multiplied."""
        return PassTime(*(factor * np.asarray(getattr(self, name)) for name in _TIME_NAMES))


_TIME_NAMES = ("bound_s", "likely_s", "low_s", "high_s")


def pass_time(times: Sequence[OperatorTime]) -> PassTime:
    """Operators one after another; interval ends are added, as errors of kernels of one device go together."""
    return PassTime(
        bound_s=sum((time.operator.count * time.bound_s for time in times), start=0.0),
        likely_s=sum((time.operator.count * time.prediction.likely_s for time in times), start=0.0),
        low_s=sum((time.operator.count * time.prediction.low_s for time in times), start=0.0),
        high_s=sum((time.operator.count * time.prediction.high_s for time in times), start=0.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The answer for one configuration. Rates and latencies are None when the configuration does not fit."""

    model: str
    accelerator: str
    workload: Workload
    need: MemoryNeed
    operators: tuple[OperatorTime, ...]
    """Of the pass asked for; of a decode step in the middle for stage generate."""
    time: PassTime
    """Of the pass, or of the whole generation."""
    time_to_first_token: PassTime | None
    time_per_output_token: PassTime | None
    tokens_per_s: PassTime | None
    """Tokens processed (prefill, encode) or produced (decode, generate) per second; bound_s holds the rate at the
    bound, low_s and high_s the rates at the slow and fast end."""

    @property
    def fits(self) -> str:
        """fits, borderline or does not fit."""
        return self.need.verdict

    @property
    def calibrated(self) -> bool:
        """Whether the operators that make up most of the time are predicted from measurements."""
        measured = sum(float(t.operator.count * t.bound_s) for t in self.operators if t.calibrated)
        return measured > 0.5 * sum(float(t.operator.count * t.bound_s) for t in self.operators)

    @property
    def bound_by(self) -> str:
        """What bounds the largest part of the time."""
        parts: dict[str, float] = {}
        for time in self.operators:
            parts[time.bound_by] = parts.get(time.bound_by, 0.0) + float(time.operator.count * time.bound_s)
        return max(parts, key=lambda side: parts[side])

    @property
    def fraction_of_roof(self) -> float:
        """Bound over prediction."""
        return float(self.time.bound_s) / float(self.time.likely_s)


def estimate(
    model: Architecture,
    accelerator: Accelerator,
    workload: Workload,
    calibration: Calibration | None = None,
    engine: str = "vllm-v1",
) -> Estimate:
    """Time, latencies and rates of one configuration, with its memory verdict.

    A batch passes through pipeline stages one after the other: they add memory, not speed, for a single batch.

    Raises:
        InvalidWorkload, IllegalParallelism, UnsupportedPrecision: The question cannot be asked so.
    """
    workload.check(model)
    need = memory_need(model, accelerator, workload, engine)
    batch = float(workload.batch)
    first: PassTime | None = None
    per_token: PassTime | None = None
    if workload.stage == "generate":
        first = pass_time(operator_times(model, accelerator, workload.at("prefill"), calibration))
        # One column per decode step: token i attends the prompt, the i tokens before it and itself.
        lengths = np.add(workload.context, np.arange(1, max(workload.generated, 2), dtype=np.float64))
        steps = pass_time(operator_times(model, accelerator, workload.at("decode", lengths), calibration))
        mean = PassTime(*(np.mean(np.broadcast_to(getattr(steps, n), lengths.shape)) for n in _TIME_NAMES))
        per_token = _per_token(mean, workload)
        rest = [np.add(getattr(first, n), (workload.generated - 1) * np.asarray(getattr(per_token, n)))
                for n in _TIME_NAMES]  # fmt: skip
        whole = PassTime(*rest)
        shown = operator_times(
            model, accelerator, workload.at("decode", float(np.median(lengths))), calibration
        )  # fmt: skip
        tokens = batch * workload.generated
    else:
        shown = operator_times(model, accelerator, workload, calibration)
        whole = pass_time(shown)
        if workload.stage == "decode":
            per_token = _per_token(whole, workload)
            tokens = batch * workload.tokens_per_step / (1 + workload.draft * workload.draft_cost)
        else:
            first = whole if workload.stage == "prefill" and model.kind != "encoder" else None
            tokens = batch * (float(workload.context) - float(workload.prefix))
    runs = need.verdict != "does not fit"
    return Estimate(
        model=model.name,
        accelerator=accelerator.name,
        workload=workload,
        need=need,
        operators=tuple(shown),
        time=whole,
        time_to_first_token=first if runs else None,
        time_per_output_token=per_token if runs else None,
        tokens_per_s=_rate(tokens, whole) if runs else None,
    )


def _per_token(step: PassTime, workload: Workload) -> PassTime:
    """Time between tokens; with speculation a step costs its drafts as well and yields several tokens."""
    return step.scaled((1 + workload.draft * workload.draft_cost) / workload.tokens_per_step)


def _rate(tokens: float, time: PassTime) -> PassTime:
    return PassTime(tokens / time.bound_s, tokens / time.likely_s, tokens / time.high_s, tokens / time.low_s)
