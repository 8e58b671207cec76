"""The operators of a pass: FLOPs, bytes by class and shape of each, for one device, and the edges between them.

A multiply-add counts as two operations. Bytes are those an ideal kernel moves to and from main memory: every
operand once. Formulas hold for numbers and for arrays that broadcast.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from profiling.models.architecture import Architecture, Layer, Stack
from profiling.models.steps import (
    AttentionCore,
    Convolution,
    Embedding,
    Experts,
    IndexScores,
    Linear,
    Normalisation,
    Pointwise,
    StateUpdate,
    Step,
)
from profiling.models.stored import group_of
from profiling.roofline.adapters import low_rank
from profiling.roofline.attention import flash_attention, index_scores, naive_attention
from profiling.roofline.operator import (
    BYTE_CLASSES,
    GAIN_BITS,
    TILE_ROWS,
    Operator,
    OperatorClass,
    Pass,
    Unit,
)
from profiling.roofline.states import convolution, state_update
from profiling.roofline.tokens import tokens_of
from profiling.roofline.workload import Values, Workload

__all__ = ["BYTE_CLASSES", "GAIN_BITS", "Operator", "OperatorClass", "Unit", "operators", "totals"]


def operators(
    model: Architecture, workload: Workload, on_chip_bytes: Values = np.inf, *, check: bool = True
) -> list[Operator]:
    """Every distinct operator of one pass on one device, in the order data flows.

    Args:
        model: The architecture.
        workload: At stage prefill, decode or encode. (Generation is prefill and many decodes: roofline.py.)
        on_chip_bytes: Last-level cache of the device. Flash attention reads keys and values once if those of a
            head stay on chip, else once per block of queries that fits (FlashAttention, arXiv 2205.14135,
            theorem 2). The default gives the least possible traffic.
        check: Whether to check the workload first.

    Returns:
        Operators whose `inputs` are names of others of the same place, "input" (what enters the layer) or names
        of other places.
    """
    if check:
        workload.check(model)
    steps: list[Operator] = []
    for stack in model.stacks:
        tokens = tokens_of(workload, stack.role, two_stacks=len(model.stacks) > 1)
        if tokens is not None:
            steps.extend(_stack_operators(stack, Pass(workload, tokens, on_chip_bytes), model.hidden_size))
    return steps


def _stack_operators(stack: Stack, run: Pass, hidden: int) -> Iterator[Operator]:
    role = stack.role
    for step in stack.before:
        yield from _of_step(step, run, f"{role}.before", 1)
    for layer in stack.layers:
        yield from _of_layer(layer, run, f"{role}.{layer.name}", hidden)
    for step in stack.after:
        yield from _of_step(step, run, f"{role}.after", 1)
        if isinstance(step, Linear) and step.is_head and run.tensor > 1:
            moved = run.batch * run.tokens.last * step.width_out * run.activation * (run.tensor - 1) / run.tensor
            yield Operator(name="logits_gather", place=f"{role}.after", operator_class="communication",
                           communication_bytes=moved, inputs=("head",))  # fmt: skip
    pipeline = run.workload.parallelism.pipeline
    if pipeline > 1:
        moved = run.batch * run.tokens.new * hidden * run.activation
        yield Operator(name="pipeline_send", place=f"{role}.between_stages", operator_class="communication",
                       count=pipeline - 1, communication_bytes=moved, launches=run.tokens.passes,
                       inputs=("layers",))  # fmt: skip


def _of_layer(layer: Layer, run: Pass, place: str, hidden: int) -> Iterator[Operator]:
    pending: str | None = None
    for step in layer.steps:
        partial = isinstance(step, Experts) or (isinstance(step, Linear) and step.split == "row")
        if pending and step.name.endswith("residual") and run.tensor > 1:
            # Ring all-reduce: each device sends and receives 2 (n - 1) / n of the array.
            moved = run.batch * run.tokens.new * hidden * run.activation * (2 * (run.tensor - 1) / run.tensor)
            yield Operator(name=f"{step.name}_all_reduce", place=place, operator_class="communication",
                           count=layer.count, communication_bytes=moved, launches=run.tokens.passes,
                           inputs=(pending,))  # fmt: skip
            pending = None
        yield from _of_step(step, run, place, layer.count)
        if partial:
            pending = step.name


def _of_step(step: Step, run: Pass, place: str, count: int) -> Iterator[Operator]:
    if isinstance(step, Linear):
        if np.all(np.asarray(run.tokens.rows(step.rows)) > 0):
            yield _linear(step, run, place, count)
            yield from low_rank(step, run, place, count)
    elif isinstance(step, AttentionCore):
        naive = run.workload.attention == "naive"
        made = naive_attention(step, run, place, count) if naive else (flash_attention(step, run, place, count),)
        yield from made
    elif isinstance(step, IndexScores):
        yield index_scores(step, run, place, count)
    elif isinstance(step, StateUpdate):
        yield state_update(step, run, place, count)
    elif isinstance(step, Convolution):
        yield convolution(step, run, place, count)
    elif isinstance(step, Experts):
        yield _experts(step, run, place, count)
        if run.workload.parallelism.data > 1:
            yield from _exchange(step, run, place, count)
        yield from low_rank(step, run, place, count)
    elif isinstance(step, Normalisation | Pointwise):
        yield _elementwise(step, run, place, count)
    elif isinstance(step, Embedding):
        rows = run.batch * run.tokens.new
        yield Operator(name=step.name, place=place, operator_class="lookup", count=count,
                       weight_bytes=rows * step.width * np.divide(run.precision.embedding, 8),
                       activation_write_bytes=rows * step.width * run.activation, launches=run.tokens.passes,
                       shape={"rows": rows, "width": float(step.width)}, inputs=step.inputs)  # fmt: skip


def _linear(step: Linear, run: Pass, place: str, count: int) -> Operator:
    rows = run.batch * run.tokens.rows(step.rows)
    width_in, width_out = float(step.width_in), float(step.width_out)
    if step.split == "column":
        width_out *= run.share(step.units)
    elif step.split == "row":
        width_in *= run.share(step.units)
    group = group_of(step)
    bits = run.precision.bits_of(group)
    once = step.rows in {"last", "one", "source"}
    passes = 1.0 if once else run.tokens.passes
    bias = width_out * GAIN_BITS / 8 if step.bias else 0.0
    written = rows * width_out
    to_cache = step.writes_cache
    return Operator(
        name=step.name,
        place=place,
        operator_class="gemm",
        unit="product",
        group=group,
        count=count,
        launches=passes,
        kernel_share=step.width_out / step.fused_width if step.fused_width else 1.0,
        flops=2 * rows * width_in * width_out,
        weight_bytes=(width_in * width_out * np.divide(bits, 8) + bias) * passes,
        numbers_opened=width_in * width_out * passes * np.less(bits, 16),
        activation_read_bytes=rows * width_in * run.activation,
        activation_write_bytes=0.0 if to_cache else written * run.activation,
        kv_write_bytes=written * np.divide(run.precision.kv_bits, 8) if to_cache else 0.0,
        shape={"m": rows / passes, "n": width_out, "k": width_in, "weight_bits": bits},
        inputs=step.inputs,
    )


def _experts(step: Experts, run: Pass, place: str, count: int) -> Operator:
    parallelism = run.workload.parallelism
    inner = parallelism.ways / parallelism.expert
    passes = run.tokens.passes
    tokens_in = run.sequences * run.tokens.new
    routed = tokens_in * step.used_per_token / parallelism.expert
    distinct = distinct_experts(step.count, step.used_per_token, tokens_in / passes)
    # All tokens may choose the same experts; every token chooses as many.
    least = np.minimum(distinct, step.used_per_token)
    width = step.intermediate_size / inner
    ups = 2.0 if step.gated else 1.0
    held = (ups + 1) * step.hidden_size * width
    matrices = held * np.divide(run.precision.experts, 8)
    biases = (ups * width + step.hidden_size) * GAIN_BITS / 8 if step.bias else 0.0
    return Operator(
        name=step.name,
        place=place,
        operator_class="expert_gemm",
        unit="product",
        group="experts",
        count=count,
        launches=passes,
        flops=2 * routed * (ups + 1) * step.hidden_size * width,
        weight_bytes=distinct / parallelism.expert * (matrices + biases) * passes,
        numbers_opened=distinct / parallelism.expert * held * passes * np.less(run.precision.experts, 16),
        padding=np.minimum(TILE_ROWS, tokens_in / passes) * distinct / parallelism.expert / (routed / passes),
        spared_bytes=(distinct - least) / parallelism.expert * (matrices + biases) * passes,
        activation_read_bytes=routed * (step.hidden_size + (ups + 1) * width) * run.activation,
        activation_write_bytes=routed * ((ups + 1) * width + step.hidden_size) * run.activation,
        shape={
            "m": routed / passes,
            "n": width,
            "k": float(step.hidden_size),
            "experts": distinct,
            "tokens": tokens_in / passes,
            "chosen": float(step.used_per_token),
            "held": step.count / parallelism.expert,
            "parts": float(parallelism.expert),
            "gated": float(step.gated),
            "weight_bits": run.precision.experts,
        },
        inputs=step.inputs,
    )


def _exchange(step: Experts, run: Pass, place: str, count: int) -> Iterator[Operator]:
    """Tokens of all groups are gathered for the experts, and sums handed back to the group of each.

    What vLLM, SGLang and TensorRT-LLM do within a node unless told otherwise: an all-gather and a reduce-scatter, in
    which a device receives and sends (n - 1) / n of the array. Sums are kept at 16 bits.
    """
    ways = run.workload.parallelism.ways
    numbers = run.sequences * run.tokens.new * step.hidden_size
    for name, width, returns in (("gather", run.activation, 0.0), ("scatter", np.maximum(run.activation, 2), 1.0)):
        whole = numbers * width
        yield Operator(
            name=f"{step.name}_{name}",
            place=place,
            operator_class="exchange",
            count=count,
            launches=run.tokens.passes,
            communication_bytes=whole * (ways - 1) / ways,
            shape={"message_bytes": whole / run.tokens.passes, "devices": float(ways), "returns": returns},
            inputs=(step.name,),
        )


def distinct_experts(count: int, per_token: float, tokens: Values) -> Values:
    """Experts that a pass over so many tokens reads, on average.

    Of n tokens that choose on their own and evenly, each expert is missed with probability (1 - k / E)^n.
    """
    return cast("Values", count * (1 - (1 - per_token / count) ** tokens))


def _elementwise(step: Normalisation | Pointwise, run: Pass, place: str, count: int) -> Operator:
    rows = run.batch * run.tokens.rows(step.rows)
    width = step.width / run.tensor if step.split == "column" else float(step.width)
    norm = isinstance(step, Normalisation)
    operands = 1 if norm else cast("Pointwise", step).operands
    # Norm: square, sum, scale by the root, gain; layer norm subtracts the mean as well.
    operations = 7 if norm else cast("Pointwise", step).operations
    return Operator(
        name=step.name,
        place=place,
        operator_class="elementwise",
        count=count,
        launches=run.tokens.passes,
        flops=rows * width * operations,
        weight_bytes=step.parameters * GAIN_BITS / 8 * run.tokens.passes,
        activation_read_bytes=rows * width * operands * run.activation,
        activation_write_bytes=rows * width * run.activation,
        shape={"rows": rows, "width": width},
        inputs=step.inputs,
    )


def totals(steps: list[Operator]) -> dict[str, Values]:
    """Sums over operators and occurrences: flops, bytes of every class, bytes_moved, communication_bytes."""
    names = ("flops", *BYTE_CLASSES, "bytes_moved", "communication_bytes")
    return {name: sum((op.count * getattr(op, name) for op in steps), start=0.0) for name in names}
