"""Layers with a fixed state as operators: it is read and written for every token, whatever the context."""

from __future__ import annotations

import numpy as np

from profiling.models.steps import Convolution, StateUpdate
from profiling.roofline.operator import GAIN_BITS, Operator, Pass
from profiling.roofline.workload import Values


def _state_traffic(run: Pass, bytes_per_sequence: Values) -> tuple[Values, Values]:
    """Bytes read and written: once each per pass; the first pass of a fresh prompt starts from nothing."""
    passes = run.tokens.passes
    fresh = 0.0 if run.tokens.decoding else np.where(np.asarray(run.workload.prefix) > 0, 0.0, 1.0)
    return run.batch * (passes - fresh) * bytes_per_sequence, run.batch * passes * bytes_per_sequence


def state_update(step: StateUpdate, run: Pass, place: str, count: int) -> Operator:
    """The recurrence of one layer, by the operations of its plain form: chunked kernels for prompts do a few more."""
    share = run.share(step.heads) if step.heads > 1 else 1 / run.tensor
    rows = run.batch * run.tokens.new
    numbers = step.state_width * share
    keys = 2 * step.keys * step.key_width * (share if step.keys > 1 else 1.0)
    values = step.heads * step.value_width * share
    read, written = _state_traffic(run, numbers * step.state_bits / 8)
    return Operator(
        name=step.name,
        place=place,
        operator_class="state_update",
        unit="attention_product",
        count=count,
        launches=run.tokens.passes,
        flops=rows * numbers * (1 + 2 * step.products),
        weight_bytes=step.parameters * share * GAIN_BITS / 8 * run.tokens.passes,
        activation_read_bytes=rows * (keys + values) * run.activation,
        activation_write_bytes=rows * values * run.activation,
        kv_read_bytes=read,
        kv_write_bytes=written,
        shape={"batch": run.batch, "rows": rows, "heads": step.heads * share, "key_dim": float(step.key_width),
               "value_dim": float(step.value_width)},
        inputs=step.inputs,
    )  # fmt: skip


def convolution(step: Convolution, run: Pass, place: str, count: int) -> Operator:
    """A short convolution along the sequence with the inputs it keeps."""
    share = 1 / run.tensor if step.split == "column" else 1.0
    channels = step.channels * share
    rows = run.batch * run.tokens.new
    read, written = _state_traffic(run, step.state_width * share * run.activation)
    return Operator(
        name=step.name,
        place=place,
        operator_class="elementwise",
        count=count,
        launches=run.tokens.passes,
        flops=2 * rows * channels * step.kernel * step.group_width,
        weight_bytes=step.parameters * share * GAIN_BITS / 8 * run.tokens.passes,
        activation_read_bytes=rows * channels * run.activation,
        activation_write_bytes=rows * channels * run.activation,
        kv_read_bytes=read,
        kv_write_bytes=written,
        shape={"rows": rows, "width": channels},
        inputs=step.inputs,
    )
