"""Attention as operators: over plain, latent, shared, windowed, chosen and compressed keys, and their indexer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from profiling.models.steps import AttentionCore, IndexScores
from profiling.roofline.operator import Operator, OperatorClass, Pass
from profiling.roofline.workload import Values


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


def _attention_shape(core: AttentionCore, run: Pass) -> _Shape:
    heads = float(core.heads) / run.tensor if core.heads % run.tensor == 0 else float(core.heads)
    tokens = run.tokens
    read = tokens.source if core.cross else tokens.read(core)
    cache_number = np.divide(run.precision.kv_bits, 8)
    if core.latent_width and tokens.decoding:
        return _Shape(heads, 1.0, core.latent_width, core.latent_value_width, read, cache_number, True)
    if core.latent_width:  # prefill: keys and values were opened from the latent as activations
        opened = heads if core.kv_heads == core.heads else core.kv_heads * run.share(core.kv_heads)
        return _Shape(heads, opened, core.head_dim, core.value_head_dim, read, run.activation, False)
    kv_heads = core.kv_heads * run.share(core.kv_heads)
    number = cache_number if core.cached else run.activation
    return _Shape(heads, kv_heads, core.head_dim, core.value_head_dim, read, number, core.cached)


def _attention_class(run: Pass) -> OperatorClass:
    return "decode_attention" if run.tokens.decoding else "prefill_attention"


def _shape_columns(core: AttentionCore, shape: _Shape, run: Pass) -> dict[str, Values]:
    return {
        "batch": run.batch, "queries": run.tokens.new / run.tokens.passes, "keys": run.tokens.entries(core),
        "heads": shape.heads, "kv_heads": shape.kv_heads, "head_dim": shape.query_width,
        "value_dim": shape.value_width, "window": float(core.window or core.chosen or 0), "causal": float(core.causal),
        "operand_bits": run.precision.activation_bits, "kv_bits": run.precision.kv_bits,
    }  # fmt: skip


def _kv_bytes(core: AttentionCore, shape: _Shape, run: Pass) -> Values:
    latent = bool(core.latent_width) and run.tokens.decoding
    width = shape.query_width if latent or core.key_is_value else shape.query_width + shape.value_width
    return shape.read * shape.kv_heads * width * shape.kv_number_bytes


def flash_attention(core: AttentionCore, run: Pass, place: str, count: int) -> Operator:
    """Scores, softmax and weighted sum in one kernel; the mask saves what it hides."""
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


def naive_attention(core: AttentionCore, run: Pass, place: str, count: int) -> Iterator[Operator]:
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


def index_scores(step: IndexScores, run: Pass, place: str, count: int) -> Operator:
    """Every query of a pass against all index keys so far; each device holds the keys whole and does all heads."""
    tokens = run.tokens
    key_bytes = step.entry_bits / 8
    # A mask saves nothing where scores are formed as a full matrix first.
    pairs = (
        np.multiply(tokens.new, tokens.context) / step.tokens_per_entry
        if run.workload.attention == "naive"
        else tokens.entry_pairs(step.tokens_per_entry)
    )
    return Operator(
        name=step.name,
        place=place,
        operator_class="index_scores",
        unit="attention_product",
        count=count,
        launches=tokens.passes,
        flops=2 * run.batch * pairs * step.heads * step.width,
        activation_read_bytes=run.batch * tokens.new * step.heads * step.width * run.activation,
        kv_read_bytes=run.batch * tokens.read() / step.tokens_per_entry * key_bytes,
        kv_write_bytes=run.batch * tokens.new / step.tokens_per_entry * key_bytes,
        shape={"batch": run.batch, "keys": tokens.context, "heads": float(step.heads)},
        inputs=step.inputs,
    )
