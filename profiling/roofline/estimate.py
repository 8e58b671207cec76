"""Time: for every operator the least its device allows (bound), and what it will likely take (prediction).

The bound is max(FLOPs / peak, bytes / bandwidth) with data-sheet peaks (Williams, Waterman & Patterson 2009), less
the activations that fit the last-level cache: without that, measured kernels on warm caches lie below it. An
operator is bound by memory or compute by which side of the ridge its intensity lies, not by how far below the
roof it runs. Predictions come from a calibration, or from documented defaults with a wide interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, cast

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import Accelerator
from profiling.engines.table import Engine, engine_of, product_rate, vector_rate
from profiling.engines.time import Basis, EngineTimes, shipped_times
from profiling.memory.engines import EngineProfile
from profiling.memory.need import MemoryNeed, memory_need
from profiling.models.architecture import Architecture
from profiling.models.stored import Group
from profiling.roofline.operators import Operator, operators
from profiling.roofline.tokens import shifted_lengths
from profiling.roofline.whole import TIME_NAMES, EngineTime, PassTime, bound_of, cut_as_by, link_of
from profiling.roofline.workload import Precision, Values, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What a device offers to a precision; rates per second, each a number or an array."""

    product_peak: Values
    attention_peak: Values
    vector_peak: Values
    bandwidth: Values
    link: Values
    link_latency_s: Values = 0.0
    """Of one hop between nodes, beyond what is counted per call within one."""
    product_format: str = "fp16"
    attention_format: str = "fp16"
    cache_bytes: Values = 0.0
    """Last-level cache, 0 where unknown: activations up to that size need not come from memory."""
    achievable_matmul_fraction: float | None = None
    group_peaks: Mapping[Group, Values] = field(default_factory=dict)
    """Of groups of weights whose products run in another format than `product_format`."""
    group_formats: Mapping[Group, str] = field(default_factory=dict)
    group_efficiencies: Mapping[Group, float] = field(default_factory=dict)
    """Share of the peak that products of a group reach, where the engine's unit is not that of the format."""
    engine: str = ""
    """Name of the engine, whose own kernels may have been measured."""
    attention_efficiency: float | None = None
    """Share of the peak that attention over prompts reaches, where the engine does not use the matrix units for it."""

    def peak_of(self, operator: Operator) -> Values:
        """Operations per second for the unit the operator runs on."""
        if operator.unit == "product":
            return self.group_peaks.get(operator.group, self.product_peak)
        return self.attention_peak if operator.unit == "attention_product" else self.vector_peak

    def calibration_class(self, operator: Operator) -> str:
        """Name under which measurements are fitted: gemm_bf16, prefill_attention, expert_gemm_fp8@vllm."""
        if operator.operator_class in {"gemm", "expert_gemm"}:
            format_ = self.group_formats.get(operator.group, self.product_format)
            suffix = {"fp16": "bf16"}.get(format_, format_)
            own = f"@{self.engine}" if operator.operator_class == "expert_gemm" and self.engine else ""
            return f"{operator.operator_class}_{suffix}{own}"
        return operator.operator_class


def roof_of(accelerator: Accelerator, precision: Precision, engine: Engine | None = None) -> Roof:
    """The roof of a device for single-valued bit widths, by the fastest units that the engine may use.

    Products of a stored format run in the format of its numbers where the device has it, else in fp16; otherwise in
    the narrowest format that holds both operands: W4A16 at the fp16 rate, W8A8 at that of fp8 or int8. Element by
    element work is bounded by the fp32 rate.

    Raises:
        UnsupportedPrecision: The device has no products that narrow.
    """
    product = product_format(accelerator, precision, "feed_forward")
    others = {group: product_format(accelerator, precision, group) for group in PRODUCT_GROUPS}
    others = {group: name for group, name in others.items() if name != product}
    attention = accelerator.format_for(float(precision.attention_bits))
    rates = {
        group: product_rate(engine, accelerator, others.get(group, product), float(precision.number_bits(group)))
        for group in PRODUCT_GROUPS
    }
    if precision.two_of_four and accelerator.computes_two_of_four:
        rates = {group: rate * (1 if group == "head" else 2) for group, rate in rates.items()}
    halves = [group for group in PRODUCT_GROUPS if others.get(group, product) == "fp16"]
    reached = {group: share for group in halves if (share := _reached(engine, precision, group)) is not None}
    return Roof(
        product_peak=rates["feed_forward"],
        group_efficiencies=reached,
        engine=engine.name if engine else "",
        attention_efficiency=attention_reached(engine, accelerator, attention),
        attention_peak=accelerator.peak(attention),
        vector_peak=accelerator.vector_peak,
        bandwidth=accelerator.bandwidth_bytes_per_s,
        link=accelerator.link_bytes_per_s or np.nan,
        product_format=product,
        attention_format=attention,
        cache_bytes=accelerator.last_level_cache_bytes or 0.0,
        achievable_matmul_fraction=accelerator.achievable_matmul_fraction,
        group_peaks={group: rate for group, rate in rates.items() if rate != rates["feed_forward"]},
        group_formats=others,
    )


def _reached(engine: Engine | None, precision: Precision, group: Group) -> float | None:
    """Share of its peak that an engine's 16-bit products of a group reach; None: as everywhere."""
    if engine is None:
        return None
    if engine.integer_products and float(precision.number_bits(group)) < 16:
        return engine.integer_efficiency
    return engine.half_efficiency


def attention_reached(engine: Engine | None, accelerator: Accelerator, attention: str) -> float | None:
    """Share of the peak of a format that an engine's attention over prompts reaches; None: as everywhere."""
    if engine is None or engine.vector_attention is None:
        return None
    return engine.vector_attention * vector_rate(accelerator) / accelerator.peak(attention)


PRODUCT_GROUPS: tuple[Group, ...] = ("feed_forward", "attention", "experts", "other", "head")
"""Groups of weights that matrix products read."""


def product_format(accelerator: Accelerator, precision: Precision, group: Group) -> str:
    """The format in which this device multiplies a group of weights.

    Raises:
        UnsupportedPrecision: No format is stated and the device has no products as narrow as the operands.
    """
    stated = precision.compute_of(group)
    if stated is None:
        return accelerator.format_for(float(precision.product_bits))
    return stated if stated in accelerator.peaks else accelerator.format_for(16)


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
    communicates = operator.operator_class == "communication"
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
    basis: Basis
    """What the times of whole passes rest on: measured rows of the engine, and how far they were off when left out."""

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
    times: EngineTimes | None = None,
    extra_bytes: float = 0.0,
    held: EngineProfile | None = None,
) -> Estimate:
    """Time, latencies and rates of one configuration, with its memory verdict.

    Operators are those of the device; times of whole passes are what the engine makes of them, with the interval of
    measured passes that were left out of its fit. A batch passes through pipeline stages one after the other: they
    add memory, not speed, for a single batch, except where the engine cuts prompts into parts that follow each other.

    Args:
        model: The model.
        accelerator: The device.
        workload: What is asked.
        calibration: Operator models by class; used where the engine runs such kernels.
        engine: Whose memory is counted and whose passes are timed: "vllm-v1", "llama.cpp", "mlx", …
        times: Fitted effects of engines; those that ship where None.
        extra_bytes: Memory of what lies beside the model on each device: adapters, a model that drafts.
        held: What the engine adds to the memory; None: as it starts by itself.

    Raises:
        InvalidWorkload, IllegalParallelism, UnsupportedPrecision: The question cannot be asked so.
    """
    workload.check(model)
    need = replace(memory_need(model, accelerator, workload, held or engine), extras=extra_bytes)
    timed = EngineTime(engine_of(engine, accelerator), times or shipped_times(), accelerator)
    fitted = calibration if timed.engine.reference_kernels else None

    def ask(asked: Workload) -> tuple[list[OperatorTime], PassTime]:
        shown = operator_times(model, accelerator, asked, fitted, timed.engine)
        cut = cut_as_by(timed.engine, asked)
        run = shown if cut is asked else operator_times(model, accelerator, cut, fitted, timed.engine)
        bound = bound_of(shown, accelerator, asked)
        return shown, timed.interval(timed.likely_s(run, model, cut), bound, asked)

    batch = float(workload.batch)
    first: PassTime | None = None
    per_token: PassTime | None = None
    asked = workload
    if workload.stage == "generate":
        _, first = ask(workload.at("prefill"))
        # One column per decode step: token i attends the prompt, the i tokens before it and itself.
        lengths = np.add(workload.context, np.arange(1, max(workload.generated, 2), dtype=np.float64))
        if workload.cache_tokens is not None:
            shifted = shifted_lengths(int(float(workload.context)), workload.generated, workload.cache_tokens)
            lengths = np.array(shifted, dtype=np.float64)
        _, steps = ask(workload.at("decode", lengths))
        mean = PassTime(*(np.mean(np.broadcast_to(getattr(steps, n), lengths.shape)) for n in TIME_NAMES))
        per_token = _per_token(mean, workload)
        rest = [np.add(getattr(first, n), (workload.generated - 1) * np.asarray(getattr(per_token, n)))
                for n in TIME_NAMES]  # fmt: skip
        whole = PassTime(*rest)
        asked = workload.at("decode", float(np.median(lengths)))
        shown, _ = ask(asked)
        tokens = batch * workload.generated
    else:
        shown, whole = ask(workload)
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
        basis=timed.basis(asked),
    )


def _per_token(step: PassTime, workload: Workload) -> PassTime:
    """Time between tokens; with speculation a step costs its drafts as well and yields several tokens."""
    return step.scaled((1 + workload.draft * workload.draft_cost) / workload.tokens_per_step)


def _rate(tokens: float, time: PassTime) -> PassTime:
    return PassTime(tokens / time.bound_s, tokens / time.likely_s, tokens / time.high_s, tokens / time.low_s)
