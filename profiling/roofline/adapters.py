"""Low-rank adapters as operators: the two thin products beside each matrix that they adapt."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from profiling.models.steps import Experts, Linear
from profiling.models.stored import group_of
from profiling.roofline.operator import Operator, Pass
from profiling.roofline.workload import ADAPTER_BITS, Values


def low_rank(step: Linear | Experts, run: Pass, place: str, count: int) -> Iterator[Operator]:
    """Down to the rank and up again (LoRA, arXiv 2106.09685, section 4.1), where the step is adapted.

    Each sequence has one of the adapters that are loaded: those that a pass reads are the distinct ones of its batch.
    The outer side is shared by devices as its matrix is; the rank is held whole.
    """
    adapters = run.workload.adapters
    if adapters is None or not {group_of(step), step.name} & adapters.targets:
        return
    rank = float(adapters.rank)
    chosen = adapters.count * (1 - (1 - 1 / adapters.count) ** np.asarray(run.batch, dtype=np.float64))
    if isinstance(step, Experts):
        ways = run.workload.parallelism.ways
        rows: Values = run.sequences * run.tokens.new * step.used_per_token / ways
        distinct = step.count * (1 - (1 - step.per_token / step.count) ** (run.sequences * run.tokens.new))
        sides = [(step.hidden_size, step.intermediate_size)] * (2 if step.gated else 1)
        for width_in, width_out in [*sides, (step.intermediate_size, step.hidden_size)]:
            yield from _pair(step.name, step.inputs, rows, float(width_in), float(width_out), rank, run, place, count,
                             read=chosen * distinct / ways)  # fmt: skip
        return
    rows = run.batch * run.tokens.rows(step.rows)
    row, column = (run.share(step.units) if step.split == side else 1.0 for side in ("row", "column"))
    yield from _pair(
        step.name, step.inputs, rows, step.width_in * row, step.width_out * column, rank, run, place, count, read=chosen
    )


def _pair(  # noqa: PLR0913, PLR0917 - two products of one step
    name: str, inputs: tuple[str, ...], rows: Values, width_in: float, width_out: float, rank: float, run: Pass,
    place: str, count: int, *, read: Values,
) -> Iterator[Operator]:  # fmt: skip
    passes = run.tokens.passes
    shapes = (("down", width_in, rank, inputs), ("up", rank, width_out, (f"{name}_adapter_down",)))
    for half, inner, outer, source in shapes:
        yield Operator(
            name=f"{name}_adapter_{half}", place=place, operator_class="gemm", unit="product", group="other",
            count=count, launches=passes, flops=2 * rows * inner * outer,
            weight_bytes=read * inner * outer * ADAPTER_BITS / 8 * passes,
            activation_read_bytes=rows * inner * run.activation, activation_write_bytes=rows * outer * run.activation,
            shape={"m": rows / passes, "n": outer, "k": inner, "weight_bits": float(ADAPTER_BITS)}, inputs=source,
        )  # fmt: skip
