"""One operator on one device, and the pass over a stack that it is part of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from profiling.models.stored import Group
from profiling.roofline.tokens import Tokens
from profiling.roofline.workload import Precision, Values, Workload

OperatorClass = Literal[
    "gemm",
    "expert_gemm",
    "prefill_attention",
    "decode_attention",
    "index_scores",
    "state_update",
    "elementwise",
    "lookup",
    "communication",
    "exchange",
]
Unit = Literal["product", "attention_product", "vector"]
TILE_ROWS = 64.0
"""Rows that a kernel of experts computes for each expert that any token chose, where there are as many tokens."""
GAIN_BITS = 16
"""Norm gains and biases stay at 16 bits in every quantised format in use."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator on one device; bytes and FLOPs are of one occurrence, of which there are `count`."""

    name: str
    place: str
    """Stack and kind of layer, e.g. "decoder.moe"."""
    operator_class: OperatorClass
    unit: Unit = "vector"
    group: Group = "feed_forward"
    """Whose width its weights have and whose format its products run in."""
    count: int = 1
    launches: Values = 1.0
    """Kernel calls of one occurrence: 1, or the number of prefill chunks."""
    kernel_share: float = 1.0
    """Part of a kernel that this operator is, where engines compute several products as one."""
    flops: Values = 0.0
    weight_bytes: Values = 0.0
    spared_bytes: Values = 0.0
    """Part of the weight bytes that a fortunate pass need not read: experts that all tokens may have in common."""
    numbers_opened: Values = 0.0
    """Stored numbers of weights below 16 bits, which are opened before products."""
    padding: Values = 0.0
    """Rows that kernels of experts compute beside those that tokens ask for, as a share of these: see `TILE_ROWS`."""
    activation_read_bytes: Values = 0.0
    activation_write_bytes: Values = 0.0
    kv_read_bytes: Values = 0.0
    kv_write_bytes: Values = 0.0
    communication_bytes: Values = 0.0
    shape: Mapping[str, Values] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()

    @property
    def communicates(self) -> bool:
        """Whether its time is that of the link between devices."""
        return self.operator_class in COMMUNICATING

    @cached_property
    def bytes_moved(self) -> Values:
        """All bytes to and from main memory."""
        return (
            self.weight_bytes
            + self.activation_read_bytes
            + self.activation_write_bytes
            + self.kv_read_bytes
            + self.kv_write_bytes
        )

    @cached_property
    def cacheable_bytes(self) -> Values:
        """The part that the kernel before may have left in cache, or the next may take from it: activations.

        Weights and the keys and values that decoding reads are not in it: too much passes in between.
        """
        passing = self.activation_read_bytes + self.activation_write_bytes + self.kv_write_bytes
        return passing + self.kv_read_bytes if self.operator_class == "prefill_attention" else passing


COMMUNICATING: frozenset[OperatorClass] = frozenset({"communication", "exchange"})
"""Sums and copies over the devices that share a matrix; the exchange of tokens among devices that share experts."""
TIMED = (
    "launches", "kernel_share", "flops", "weight_bytes", "spared_bytes", "numbers_opened", "padding",
    "activation_read_bytes", "activation_write_bytes", "kv_read_bytes", "kv_write_bytes", "communication_bytes",
)  # fmt: skip
"""What the time of an operator rests on, beside class, unit and group; where kernels were measured, its shape too."""
BYTE_CLASSES = (
    "weight_bytes", "activation_read_bytes", "activation_write_bytes", "kv_read_bytes", "kv_write_bytes",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pass:
    """A pass through one stack: workload and tokens, with what the formulas share."""

    workload: Workload
    tokens: Tokens
    on_chip_bytes: Values

    @property
    def batch(self) -> Values:
        """Sequences that a device attends to."""
        return self.workload.own_sequences

    @property
    def sequences(self) -> Values:
        """Sequences whose tokens pass through the experts: those of all groups."""
        return self.workload.batch

    @property
    def precision(self) -> Precision:
        """Bits per number."""
        return self.workload.precision

    @property
    def activation(self) -> Values:
        """Bytes of an activation."""
        return np.divide(self.precision.activation_bits, 8)

    @property
    def tensor(self) -> int:
        """Tensor parallel degree."""
        return self.workload.parallelism.tensor

    def share(self, units: int) -> float:
        """Part of a split side that one device holds; whole heads, copied when there are too few."""
        if not units:
            return 1 / self.tensor
        return -(-units // self.tensor) / units
