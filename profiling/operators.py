"""The operators of a pass: FLOPs, bytes by class and shape of each, for one device, and the edges between them.

A multiply-add counts as two operations. Bytes are those an ideal kernel moves to and from main memory: every
operand once. Formulas hold for numbers and for arrays that broadcast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np

from profiling.architecture import Architecture, Layer, Stack
from profiling.steps import AttentionCore, Embedding, Experts, Linear, Normalisation, Pointwise, Step
from profiling.tokens import Tokens, tokens_of
from profiling.workload import Precision, Values, Workload

OperatorClass = Literal[
    "gemm", "expert_gemm", "prefill_attention", "decode_attention", "elementwise", "lookup", "communication"
]
Unit = Literal["product", "attention_product", "vector"]
GAIN_BITS = 16
"""Norm gains and biases stay at 16 bits in every quantised format in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator on one device; bytes and FLOPs are of one occurrence, of which there are `count`."""

    name: str
    place: str
    """Stack and kind of layer, e.g. "decoder.moe"."""
    operator_class: OperatorClass
    unit: Unit = "vector"
    count: int = 1
    launches: Values = 1.0
    """Kernel calls of one occurrence: 1, or the number of prefill chunks."""
    kernel_share: float = 1.0
    """Part of a kernel that this operator is, where engines compute several products as one."""
    flops: Values = 0.0
    weight_bytes: Values = 0.0
    activation_read_bytes: Values = 0.0
    activation_write_bytes: Values = 0.0
    kv_read_bytes: Values = 0.0
    kv_write_bytes: Values = 0.0
    communication_bytes: Values = 0.0
    shape: Mapping[str, Values] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()

    @property
    def bytes_moved(self) -> Values:
        """All bytes to and from main memory."""
        return (
            self.weight_bytes
            + self.activation_read_bytes
            + self.activation_write_bytes
            + self.kv_read_bytes
            + self.kv_write_bytes
        )

    @property
    def cacheable_bytes(self) -> Values:
        """The part that the kernel before may have left in cache, or the next may take from it: activations.

        Weights and the keys and values that decoding reads are not in it: too much passes in between.
        """
        passing = self.activation_read_bytes + self.activation_write_bytes + self.kv_write_bytes
        return passing + self.kv_read_bytes if self.operator_class == "prefill_attention" else passing


BYTE_CLASSES = (
    "weight_bytes", "activation_read_bytes", "activation_write_bytes", "kv_read_bytes", "kv_write_bytes",
)  # fmt: skip


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
    found: list[Operator] = []
    for stack in model.stacks:
        tokens = tokens_of(workload, stack.role, two_stacks=len(model.stacks) > 1)
        if tokens is not None:
            found.extend(_stack_operators(stack, _Pass(workload, tokens, on_chip_bytes), model.hidden_size))
    return found


@dataclass(frozen=True, slots=True)
class _Pass:
    """A pass through one stack: workload and tokens, with what the formulas share."""

    workload: Workload
    tokens: Tokens
    on_chip_bytes: Values

    @property
    def batch(self) -> Values:
        return self.workload.batch

    @property
    def precision(self) -> Precision:
        return self.workload.precision

    @property
    def activation(self) -> Values:
        """Bytes of an activation."""
        return np.divide(self.precision.activation_bits, 8)

    @property
    def tensor(self) -> int:
        return self.workload.parallelism.tensor

    def share(self, units: int) -> float:
        """Part of a split side that one device holds; whole heads, copied when there are too few."""
        if not units:
            return 1 / self.tensor
        return -(-units // self.tensor) / units


def _stack_operators(stack: Stack, run: _Pass, hidden: int) -> Iterator[Operator]:
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


def _of_layer(layer: Layer, run: _Pass, place: str, hidden: int) -> Iterator[Operator]:
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


def _of_step(step: Step, run: _Pass, place: str, count: int) -> Iterator[Operator]:
    if isinstance(step, Linear):
        if np.all(np.asarray(run.tokens.rows(step.rows)) > 0):
            yield _linear(step, run, place, count)
    elif isinstance(step, AttentionCore):
        naive = run.workload.attention == "naive"
        yield from _naive_attention(step, run, place, count) if naive else (_flash(step, run, place, count),)
    elif isinstance(step, Experts):
        yield _experts(step, run, place, count)
    elif isinstance(step, Normalisation | Pointwise):
        yield _elementwise(step, run, place, count)
    elif isinstance(step, Embedding):
        rows = run.batch * run.tokens.new
        yield Operator(name=step.name, place=place, operator_class="lookup", count=count,
                       weight_bytes=rows * step.width * np.divide(run.precision.embedding, 8),
                       activation_write_bytes=rows * step.width * run.activation, launches=run.tokens.passes,
                       shape={"rows": rows, "width": float(step.width)}, inputs=step.inputs)  # fmt: skip


def _linear(step: Linear, run: _Pass, place: str, count: int) -> Operator:
    rows = run.batch * run.tokens.rows(step.rows)
    width_in, width_out = float(step.width_in), float(step.width_out)
    if step.split == "column":
        width_out *= run.share(step.units)
    elif step.split == "row":
        width_in *= run.share(step.units)
    bits = run.precision.embedding if step.is_head else run.precision.weight_bits
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
        count=count,
        launches=passes,
        kernel_share=step.width_out / step.fused_width if step.fused_width else 1.0,
        flops=2 * rows * width_in * width_out,
        weight_bytes=(width_in * width_out * np.divide(bits, 8) + bias) * passes,
        activation_read_bytes=rows * width_in * run.activation,
        activation_write_bytes=0.0 if to_cache else written * run.activation,
        kv_write_bytes=written * np.divide(run.precision.kv_bits, 8) if to_cache else 0.0,
        shape={"m": rows / passes, "n": width_out, "k": width_in, "weight_bits": bits},
        inputs=step.inputs,
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    """Attention as one device sees it."""

    heads: float
    kv_heads: float
    query_width: float
    value_width: float
    read: Values
    """Keys read per sequence by all passes."""
    kv_number_bytes: Values
    from_cache: bool


def _attention_shape(core: AttentionCore, run: _Pass) -> _Shape:
    heads = float(core.heads) / run.tensor if core.heads % run.tensor == 0 else float(core.heads)
    tokens = run.tokens
    read = tokens.source if core.cross else tokens.read(core)
    cache_number = np.divide(run.precision.kv_bits, 8)
    if core.latent_width and tokens.decoding:
        return _Shape(heads, 1.0, core.latent_width, core.latent_value_width, read, cache_number, True)
    if core.latent_width:  # prefill: keys and values were opened from the latent as activations
        return _Shape(heads, heads, core.head_dim, core.value_head_dim, read, run.activation, False)
    kv_heads = core.kv_heads * run.share(core.kv_heads)
    number = cache_number if core.cached else run.activation
    return _Shape(heads, kv_heads, core.head_dim, core.value_head_dim, read, number, core.cached)


def _attention_class(run: _Pass) -> OperatorClass:
    return "decode_attention" if run.tokens.decoding else "prefill_attention"


def _shape_columns(core: AttentionCore, shape: _Shape, run: _Pass) -> dict[str, Values]:
    return {
        "batch": run.batch, "queries": run.tokens.new / run.tokens.passes, "keys": run.tokens.context,
        "heads": shape.heads, "kv_heads": shape.kv_heads, "head_dim": shape.query_width,
        "value_dim": shape.value_width, "window": float(core.window or 0), "causal": float(core.causal),
        "operand_bits": run.precision.activation_bits, "kv_bits": run.precision.kv_bits,
    }  # fmt: skip


def _kv_bytes(core: AttentionCore, shape: _Shape, run: _Pass) -> Values:
    latent = bool(core.latent_width) and run.tokens.decoding
    width = shape.query_width if latent else shape.query_width + shape.value_width
    return shape.read * shape.kv_heads * width * shape.kv_number_bytes


def _flash(core: AttentionCore, run: _Pass, place: str, count: int) -> Operator:
    shape = _attention_shape(core, run)
    queries = run.tokens.new * shape.heads
    per_sequence = _kv_bytes(core, shape, run)
    # Keys and values of one KV head stay on chip, or are streamed again for every block of queries that does.
    one_head = per_sequence / shape.kv_heads / run.tokens.passes
    block = queries / shape.kv_heads * (shape.query_width + shape.value_width) * run.activation
    streams = np.where(one_head <= run.on_chip_bytes, 1.0, np.maximum(1.0, np.ceil(block / run.on_chip_bytes)))
    keys_and_values = run.batch * per_sequence * streams
    return Operator(
        name=core.name,
        place=place,
        operator_class=_attention_class(run),
        unit="attention_product",
        count=count,
        launches=run.tokens.passes,
        flops=2 * run.batch * run.tokens.pairs(core) * shape.heads * (shape.query_width + shape.value_width),
        activation_read_bytes=run.batch * queries * shape.query_width * run.activation
        + (0.0 if shape.from_cache else keys_and_values),
        activation_write_bytes=run.batch * queries * shape.value_width * run.activation,
        kv_read_bytes=keys_and_values if shape.from_cache else 0.0,
        shape=_shape_columns(core, shape, run),
        inputs=core.inputs,
    )


def _naive_attention(core: AttentionCore, run: _Pass, place: str, count: int) -> Iterator[Operator]:
    """Scores, softmax and weighted sum as separate kernels; the mask saves nothing."""
    shape = _attention_shape(core, run)
    tokens = run.tokens
    visible = tokens.read(core) / tokens.passes
    length = tokens.source if core.cross else visible
    queries = run.batch * tokens.new * shape.heads
    scores = queries * length * run.activation
    read = run.batch * shape.read * shape.kv_heads * shape.kv_number_bytes
    # The latent holds keys and values alike: the weighted sum reads its value part again.
    for suffix, width, extra in (
        ("scores", shape.query_width, "query"),
        ("softmax", 0.0, ""),
        ("values", shape.value_width, ""),
    ):
        from_cache = read * width if shape.from_cache else 0.0
        fresh = 0.0 if shape.from_cache else read * width
        own = queries * width * run.activation
        is_softmax = suffix == "softmax"
        yield Operator(
            name=f"{core.name}_{suffix}",
            place=place,
            operator_class="elementwise" if is_softmax else _attention_class(run),
            unit="vector" if is_softmax else "attention_product",
            count=count,
            launches=tokens.passes,
            # Five per element: maximum, difference, exponential, sum, quotient.
            flops=5 * queries * length if is_softmax else 2 * queries * length * width,
            activation_read_bytes=fresh + (own if extra else scores),
            activation_write_bytes=own if suffix == "values" else scores,
            kv_read_bytes=from_cache,
            shape=_shape_columns(core, shape, run),
            inputs=core.inputs if extra else (f"{core.name}_{'scores' if is_softmax else 'softmax'}",),
        )


def _experts(step: Experts, run: _Pass, place: str, count: int) -> Operator:
    parallelism = run.workload.parallelism
    inner = parallelism.tensor / parallelism.expert
    passes = run.tokens.passes
    tokens_in = run.batch * run.tokens.new
    routed = tokens_in * step.per_token / parallelism.expert
    # Uniform routing: a token misses a given expert with probability 1 - k / E.
    distinct = step.count * (1 - (1 - step.per_token / step.count) ** (tokens_in / passes))
    width = step.intermediate_size / inner
    ups = 2.0 if step.gated else 1.0
    matrices = (ups + 1) * step.hidden_size * width * np.divide(run.precision.experts, 8)
    biases = (ups * width + step.hidden_size) * GAIN_BITS / 8 if step.bias else 0.0
    return Operator(
        name=step.name,
        place=place,
        operator_class="expert_gemm",
        unit="product",
        count=count,
        launches=passes,
        flops=2 * routed * (ups + 1) * step.hidden_size * width,
        weight_bytes=distinct / parallelism.expert * (matrices + biases) * passes,
        activation_read_bytes=routed * (step.hidden_size + (ups + 1) * width) * run.activation,
        activation_write_bytes=routed * ((ups + 1) * width + step.hidden_size) * run.activation,
        shape={"m": routed / passes, "n": width, "k": float(step.hidden_size), "experts": distinct},
        inputs=step.inputs,
    )


def _elementwise(step: Normalisation | Pointwise, run: _Pass, place: str, count: int) -> Operator:
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


def totals(found: list[Operator]) -> dict[str, Values]:
    """Sums over operators and occurrences: flops, bytes of every class, bytes_moved, communication_bytes."""
    names = ("flops", *BYTE_CLASSES, "bytes_moved", "communication_bytes")
    return {name: sum((op.count * getattr(op, name) for op in found), start=0.0) for name in names}
