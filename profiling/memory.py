"""Memory per device: weights and KV cache exactly, what the engine adds as an interval; what fits, and on how many.

The parts and the reason that the engine's share is an interval: published sizing rules miss measured serving
memory by 18 to 26 % on average, almost all of it engine behaviour that does not grow with the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, cast

import numpy as np

from profiling.accelerators import GIB, Accelerator
from profiling.architecture import Architecture, Stack
from profiling.errors import DoesNotFit, InvalidWorkload, nearest
from profiling.operators import GAIN_BITS, Operator, operators
from profiling.steps import AttentionCore, Embedding, Experts, Linear, Step
from profiling.workload import Parallelism, Precision, Values, Workload, legal_tensor_ways

Verdict = Literal["fits", "borderline", "does not fit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineProfile:
    """What an inference engine takes per device beside weights and cache, as measured ranges in GiB."""

    activation_gib: tuple[float, float]
    mixture_activation_gib: tuple[float, float]
    other_gib: tuple[float, float]
    utilisation: float
    """Part of the device's memory the engine allows itself."""
    basis: str


ENGINES: Mapping[str, EngineProfile] = {
    "vllm-v1": EngineProfile(
        activation_gib=(4.8, 5.6), mixture_activation_gib=(7.4, 8.0), other_gib=(0.15, 0.6), utilisation=0.9,
        basis="llm-d-planner's measurements of vLLM v1: profiling peak with graphs, non-torch memory",
    ),
    "vllm-v0": EngineProfile(
        activation_gib=(0.2, 1.4), mixture_activation_gib=(0.2, 7.0), other_gib=(0.1, 3.6), utilisation=0.9,
        basis="logs of vLLM v0 and eager runs",
    ),
    "transformers-4bit": EngineProfile(
        activation_gib=(0.0, 0.0), mixture_activation_gib=(0.0, 0.0), other_gib=(0.5, 0.8), utilisation=1.0,
        basis="1,401 rows of LLM-Perf, batch 1",
    ),
    "llama.cpp": EngineProfile(
        activation_gib=(0.0, 0.0), mixture_activation_gib=(0.0, 0.0), other_gib=(0.92, 2.05), utilisation=1.0,
        basis="oobabooga's fit of 19,517 runs: constant of 1516.5 MiB, ± 577 MiB for 95 %",
    ),
}  # fmt: skip


def engine_profile(name: str) -> EngineProfile:
    """The profile of that engine.

    Raises:
        InvalidWorkload: No such engine; the message names those there are.
    """
    if name not in ENGINES:
        near = nearest(name, ENGINES, 1)
        raise InvalidWorkload(
            f"no engine profile {name!r}{f'; nearest: {near}' if near else ''}; known: {', '.join(ENGINES)}"
        )
    return ENGINES[name]


def _step_bytes(step: Step, precision: Precision, parallelism: Parallelism) -> Values:
    ways = parallelism.tensor
    if isinstance(step, Linear):
        bits = precision.embedding if step.is_head else precision.weight_bits
        share = 1.0
        if step.split != "none":
            share = ceil(step.units / ways) / step.units if step.units else 1 / ways
        matrix = 0 if step.tied else step.width_in * step.width_out
        bias = step.width_out * GAIN_BITS / 8 if step.bias else 0.0
        return (matrix * np.divide(bits, 8) + bias) * share
    if isinstance(step, Experts):
        matrices = step.count * (3 if step.gated else 2) * step.hidden_size * step.intermediate_size
        rest = step.parameters - matrices
        return (matrices * np.divide(precision.experts, 8) + rest * GAIN_BITS / 8) / ways
    if isinstance(step, Embedding):
        return step.parameters * np.divide(precision.embedding, 8) / ways
    return step.parameters * GAIN_BITS / 8


def weight_bytes(model: Architecture, precision: Precision, parallelism: Parallelism | None = None) -> Values:
    """Bytes of weights on the fullest device; the whole model without parallelism.

    Each class of weights has its own width: matrices, routed experts, embeddings and head; norm gains and biases
    stay at 16 bits. With pipeline stages: ceil(layers / pp) average layers and the larger of embedding and head.
    """
    split = parallelism or Parallelism()
    total: Values = 0.0
    for stack in model.stacks:
        layers: Values = 0.0
        for layer in stack.layers:
            one: Values = sum((_step_bytes(step, precision, split) for step in layer.steps), start=0.0)
            layers = layers + layer.count * one
        ends = [
            sum((_step_bytes(step, precision, split) for step in side), start=0.0)
            for side in (stack.before, stack.after)
        ]
        end = ends[0] + ends[1] if split.pipeline == 1 else np.maximum(ends[0], ends[1])
        total = total + layers * _stage_share(stack, split) + end
    return total


def _stage_share(stack: Stack, parallelism: Parallelism) -> float:
    return ceil(stack.depth / parallelism.pipeline) / stack.depth


@dataclass(frozen=True, slots=True)
class Range:
    """A lower and an upper bound in bytes."""

    low: Values
    high: Values


def kv_cache_bytes(model: Architecture, workload: Workload) -> Range:
    """Bytes of KV cache on one device when all sequences have reached the end of the workload.

    Low: layers with a window keep only the window. High: they keep whole pages for every token, as engines do
    that give all layers of a hybrid model the same blocks. Without windows both are exact. KV heads are copied
    when there are fewer than devices; the latent of MLA is held whole by every device.
    """
    if model.kind == "encoder" or workload.stage == "encode":
        return Range(0.0, 0.0)
    length = np.add(workload.context, workload.generated if workload.stage == "generate" else 0)
    source = workload.context if workload.source is None else workload.source
    number = np.divide(workload.precision.kv_bits, 8)
    ways = workload.parallelism.tensor
    low: Values = 0.0
    high: Values = 0.0
    for layer in model.main.layers:
        for core in (step for step in layer.steps if isinstance(step, AttentionCore) and step.cached):
            shared = 1.0 if core.latent_width else ceil(core.kv_heads / ways) / core.kv_heads
            per_token = layer.count * core.cache_width * number * shared
            tokens: Values = source if core.cross else length
            kept = np.minimum(tokens, core.window) if core.window else tokens
            low = low + per_token * kept
            high = high + per_token * tokens
    share = _stage_share(model.main, workload.parallelism) * np.asarray(workload.batch, dtype=np.float64)
    return Range(low * share, high * share)


def activation_peak_bytes(model: Architecture, workload: Workload) -> Values:
    """Largest set of activations alive at once: what one operator reads and writes, and the residual stream."""
    stage = "prefill" if workload.stage == "generate" else workload.stage
    return activation_peak_of(operators(model, workload.at(stage), check=False), model, workload.precision)


def activation_peak_of(found: Sequence[Operator], model: Architecture, precision: Precision) -> Values:
    """`activation_peak_bytes` from operators that are at hand."""
    peak: Values = 0.0
    for op in found:
        alive = (op.activation_read_bytes + op.activation_write_bytes) / op.launches
        peak = np.maximum(peak, alive)
    widest = max(found, key=lambda op: float(np.max(op.shape.get("m", 0.0))))
    rows = widest.shape.get("m", 0.0)
    return cast("Values", peak + rows * model.hidden_size * np.divide(precision.activation_bits, 8))


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes per device by part, against what the device has."""

    weights: Values
    kv_cache: Range
    activations: Range
    other: Range
    budget: Values
    """What the engine may use of the device."""

    @property
    def low(self) -> Values:
        """The least that is needed."""
        return self.weights + self.kv_cache.low + self.activations.low + self.other.low

    @property
    def high(self) -> Values:
        """The most that may be needed."""
        return self.weights + self.kv_cache.high + self.activations.high + self.other.high

    @property
    def verdict(self) -> Verdict:
        """Of a single configuration: fits, borderline (depends on the engine), does not fit."""
        if float(self.high) <= float(self.budget):
            return "fits"
        return "borderline" if float(self.low) <= float(self.budget) else "does not fit"


def memory_need(
    model: Architecture, accelerator: Accelerator, workload: Workload, engine: str = "vllm-v1"
) -> MemoryNeed:
    """What the workload needs on each device, part by part.

    Raises:
        InvalidWorkload, IllegalParallelism: See `Workload.check`.
    """
    workload.check(model)
    return need_of(
        model,
        workload,
        accelerator.usable_memory_bytes,
        engine_profile(engine),
        activation_peak_bytes(model, workload),
    )


def need_of(
    model: Architecture,
    workload: Workload,
    capacity_bytes: Values,
    profile: EngineProfile,
    activation_bytes: Values,
) -> MemoryNeed:
    """`memory_need` from its ingredients, for grids: all of them may be arrays."""
    activation = profile.mixture_activation_gib if model.is_mixture_of_experts else profile.activation_gib
    return MemoryNeed(
        weights=weight_bytes(model, workload.precision, workload.parallelism),
        kv_cache=kv_cache_bytes(model, workload),
        activations=Range(
            np.maximum(activation[0] * GIB, activation_bytes), np.maximum(activation[1] * GIB, activation_bytes)
        ),
        other=Range(profile.other_gib[0] * GIB, profile.other_gib[1] * GIB),
        budget=np.multiply(capacity_bytes, profile.utilisation),
    )


def require_fit(
    model: Architecture, accelerator: Accelerator, workload: Workload, engine: str = "vllm-v1"
) -> MemoryNeed:
    """The need, if it fits or is borderline.

    Raises:
        DoesNotFit: The message says how much is missing and how many devices would do.
    """
    need = memory_need(model, accelerator, workload, engine)
    if need.verdict != "does not fit":
        return need
    try:
        plan = gpus_needed(model, accelerator, workload, engine)
        way_out = f"tp={plan.tensor} x pp={plan.pipeline} ({plan.devices} devices) would do"
    except DoesNotFit:
        way_out = "no legal split over 128 devices would do either"
    raise DoesNotFit(
        f"{model.name} needs at least {float(need.low) / GIB:.1f} GiB per device, {accelerator.name} has "
        f"{float(need.budget) / GIB:.1f} GiB for it; {way_out}"
    )


def _largest(good: Callable[[int], bool], lowest: int) -> int:
    """Largest whole number up to 2^20 for which `good` holds, by bisection; 0 if it fails at `lowest`."""
    if not good(lowest):
        return 0
    low, high = lowest, lowest * 2
    while high < 2**20 and good(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if good(middle) else (low, middle)
    return low


def max_batch(model: Architecture, accelerator: Accelerator, workload: Workload, engine: str = "vllm-v1") -> int:
    """Most sequences that fit for sure at this context (0: not one), at most 2^20."""

    def good(batch: int) -> bool:
        return memory_need(model, accelerator, replace(workload, batch=batch), engine).verdict == "fits"

    return _largest(good, 1)


def max_context(model: Architecture, accelerator: Accelerator, workload: Workload, engine: str = "vllm-v1") -> int:
    """Longest context that fits for sure at this batch (0: not one token), at most 2^20."""

    def good(context: int) -> bool:
        return memory_need(model, accelerator, replace(workload, context=context), engine).verdict == "fits"

    return _largest(good, int(np.max(workload.prefix)) + 1)


def gpus_needed(
    model: Architecture,
    accelerator: Accelerator,
    workload: Workload,
    engine: str = "vllm-v1",
    *,
    node_size: int = 8,
    accept: tuple[Verdict, ...] = ("fits",),
) -> Parallelism:
    """The fewest devices on which the workload fits, split legally.

    Within a node tensor parallelism by a legal degree that divides the node; beyond it whole nodes as pipeline
    stages. Experts keep the degree the workload asks for only where it stays legal, else 1.

    Raises:
        DoesNotFit: Not even 128 devices are enough.
    """
    plans = possible_splits(model, node_size)
    for plan in plans:
        if memory_need(model, accelerator, replace(workload, parallelism=plan), engine).verdict in accept:
            return plan
    raise DoesNotFit(
        f"{model.name} does not fit on {plans[-1].devices} x {accelerator.name}; use fewer bits or a shorter context"
    )


def possible_splits(model: Architecture, node_size: int = 8) -> list[Parallelism]:
    """Legal splits over up to 128 devices, fewest first: tensor parallel in a node, then whole nodes as stages."""
    ways = [tensor for tensor in legal_tensor_ways(model, node_size) if node_size % tensor == 0]
    stages = range(2, min(model.main.depth, 128 // ways[-1]) + 1)
    return [*map(Parallelism, ways), *(Parallelism(ways[-1], count) for count in stages)]


def rule_of_thumb_bytes(parameters: float, bits: float) -> float:
    """The common rule `parameters × 4 bytes / (32 / bits) × 1.2`, shown beside the exact need for comparison."""
    return parameters * 4 / (32 / bits) * 1.2


def rule_of_thumb_gpus(parameters: float, bits: float, accelerator: Accelerator) -> int:
    """Devices the rule asks for: its bytes over the memory as sold."""
    return ceil(rule_of_thumb_bytes(parameters, bits) / accelerator.memory_bytes)
