"""The steps a layer is made of: each knows its shape and its parameters, nothing of workloads or machines.

Parameter counts (architecture.py), FLOPs and bytes (operators.py) and memory (memory.py) all read these same
steps, so that they cannot disagree about what a model is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rows = Literal["new", "context", "last", "one", "source"]
"""Which tokens a step runs over: those of this pass, all in the context, those that get logits, one per sequence
(pooler), those of the encoder."""

Split = Literal["column", "row", "none"]
"""How tensor parallelism divides a matrix: by outputs, by inputs, or not at all (every rank holds it)."""

WindowKind = Literal["sliding", "chunked"]
"""Sliding: each token sees the last `window`. Chunked (Llama 4): it sees back to the start of its chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One operation of a layer; `inputs` names the steps it reads, "input" being what enters the layer."""

    name: str
    inputs: tuple[str, ...]

    @property
    def parameters(self) -> int:
        """Stored numbers, all of them."""
        return 0

    @property
    def active_parameters(self) -> int:
        """Numbers one token makes use of."""
        return self.parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Step):
    """A matrix product of shape rows × `width_in` × `width_out`."""

    width_in: int
    width_out: int
    bias: bool = False
    rows: Rows = "new"
    split: Split = "none"
    units: int = 0
    """Indivisible pieces of the split side (heads); when tp exceeds them, ranks hold copies. 0: elements."""
    writes_cache: bool = False
    tied: bool = False
    """The matrix is stored elsewhere (embedding): read here, not counted here."""
    is_head: bool = False
    fused_width: int = 0
    """Outputs of the one product that engines compute this with (query, key and value; gate and up); 0: alone."""

    @property
    def parameters(self) -> int:
        """Matrix (unless stored elsewhere) and bias."""
        matrix = 0 if self.tied else self.width_in * self.width_out
        return matrix + (self.width_out if self.bias else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation(Step):
    """Layer or RMS norm over `width` numbers per token with `gains` learned numbers (0: none)."""

    width: int
    gains: int
    rows: Rows = "new"
    split: Split = "none"

    @property
    def parameters(self) -> int:
        """Gains and biases."""
        return self.gains


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointwise(Step):
    """An element by element operation on `operands` inputs of `width`, `operations` per element of output."""

    width: int
    operands: int = 1
    operations: int = 1
    split: Split = "none"
    rows: Rows = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionCore(Step):
    """Scores, softmax and weighted sum, over cached or fresh keys and values."""

    heads: int
    kv_heads: int
    head_dim: int
    value_head_dim: int
    causal: bool = True
    cached: bool = True
    cross: bool = False
    """Keys and values come from the encoder and have its length."""
    window: int | None = None
    window_kind: WindowKind = "sliding"
    latent_width: int = 0
    """MLA: width of the compressed cache entry per token, rotary part included; 0 for plain attention."""
    latent_value_width: int = 0
    extra_parameters: int = 0
    """Attention sinks or a table of relative position biases."""

    @property
    def parameters(self) -> int:
        """Sinks and bias tables."""
        return self.extra_parameters

    @property
    def cache_width(self) -> int:
        """Numbers kept per token and layer: K and V of every KV head, or the latent of MLA."""
        if not self.cached:
            return 0
        return self.latent_width or self.kv_heads * (self.head_dim + self.value_head_dim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts(Step):
    """Routed experts of a mixture: every token passes through `per_token` of `count` feed-forward blocks."""

    count: int
    per_token: int
    hidden_size: int
    intermediate_size: int
    gated: bool = True
    bias: bool = False

    @property
    def parameters_each(self) -> int:
        """Parameters of one expert."""
        ups = 2 if self.gated else 1
        matrices = (ups + 1) * self.hidden_size * self.intermediate_size
        return matrices + (ups * self.intermediate_size + self.hidden_size if self.bias else 0)

    @property
    def parameters(self) -> int:
        """All experts: what memory must hold."""
        return self.count * self.parameters_each

    @property
    def active_parameters(self) -> int:
        """The experts of one token."""
        return self.per_token * self.parameters_each


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(Step):
    """A look-up table of `entries` rows; `looked_up` is False for a position table that is read as a slice."""

    entries: int
    width: int
    scales_with_vocabulary: bool = True
    cross_stack: bool = False
    """The table is stored once for two stacks: read here, counted in the other."""

    @property
    def parameters(self) -> int:
        """The whole table."""
        return 0 if self.cross_stack else self.entries * self.width
