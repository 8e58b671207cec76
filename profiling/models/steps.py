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

    @property
    def kernels(self) -> int:
        """Kernels that an engine launches for it, as engines for a single user were seen to; see `composed_kernels`."""
        return 1

    @property
    def composed_kernels(self) -> int:
        """More that are launched where an engine has no kernel of its own for it."""
        return 0


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
    balancing_rounds: int = 0
    """Rounds in which rows and columns of a small matrix are divided by their sums in turn (Sinkhorn and Knopp), as
    hyper-connections do with what they mix streams by."""

    @property
    def parameters(self) -> int:
        """Gains and biases."""
        return self.gains

    @property
    def kernels(self) -> int:
        """None for numbers that cost next to nothing to use."""
        return 1 if self.width > 1 else 0

    @property
    def composed_kernels(self) -> int:
        """Five a round: two sums, two divisions and a transposed copy between them."""
        return 5 * self.balancing_rounds


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
    owns_cache: bool = True
    """False where the layer reads keys and values that another layer has written (Gemma 3n, arXiv 2405.05254)."""
    key_is_value: bool = False
    """Keys and values are the same numbers, kept once (DeepSeek-V4)."""
    chosen: int | None = None
    """Most entries that a query attends, as an indexer chooses them; None: all it can see."""
    tokens_per_entry: int = 1
    """Tokens that one cache entry stands for (compressed attention)."""
    keeps_only_window: bool = False
    """The window is a buffer of its own in every engine (DeepSeek-V4): a fixed size, no growth."""

    @property
    def parameters(self) -> int:
        """Sinks and bias tables."""
        return self.extra_parameters

    @property
    def kernels(self) -> int:
        """Keys and values are written, then attended."""
        return 3

    @property
    def entry_width(self) -> int:
        """Numbers of one cache entry of the layer: K and V of every KV head, or the latent of MLA."""
        if self.latent_width:
            return self.latent_width
        return self.kv_heads * (self.head_dim + (0 if self.key_is_value else self.value_head_dim))

    @property
    def cache_width(self) -> float:
        """Numbers this layer adds to the cache per token."""
        return self.entry_width / self.tokens_per_entry if self.cached and self.owns_cache else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts(Step):
    """Routed experts of a mixture: every token passes through `per_token` of `count` feed-forward blocks."""

    count: int
    per_token: int
    hidden_size: int
    intermediate_size: int
    gated: bool = True
    bias: bool = False
    idle_routes: int = 0
    """Routes beside the experts that cost nothing (LongCat-Flash, arXiv 2509.01322, section 2.2)."""

    @property
    def kernels(self) -> int:
        """The choice of experts (shares, order, weights), three products, activation, sum of the chosen."""
        return 8

    @property
    def used_per_token(self) -> float:
        """Experts a token passes through on average, routes being equally likely."""
        return self.per_token * self.count / (self.count + self.idle_routes)

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
        return round(self.used_per_token * self.parameters_each)


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution(Step):
    """A short causal convolution along the sequence, which keeps its last inputs per sequence."""

    channels: int
    kernel: int
    bias: bool = False
    group_width: int = 1
    """Input channels each output channel sees; 1: depthwise."""
    state_inputs: int | None = None
    """Inputs kept per channel; None: the `kernel` − 1 that the next token needs."""
    channels_per_kernel: int = 1
    """Channels that one kernel is used for (Baichuan M1: those of a head)."""
    split: Split = "column"

    @property
    def parameters(self) -> int:
        """Kernels and biases."""
        kernels = self.channels // self.channels_per_kernel
        return kernels * (self.kernel * self.group_width + (1 if self.bias else 0))

    @property
    def state_width(self) -> int:
        """Numbers kept per sequence, at the width of activations."""
        return self.channels * (self.kernel - 1 if self.state_inputs is None else self.state_inputs)


_DELTA_RULE_PRODUCTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StateUpdate(Step):
    """A recurrence: every token decays a state of `heads` × `key_width` × `value_width`, adds to it and reads it.

    Per number of state and token: one operation of decay, two for each product with a vector. Plain linear
    attention and Mamba do two (write, read), the delta rule three (what the state already holds is read first).
    """

    heads: int
    key_width: int
    value_width: int
    products: int = 2
    keys: int = 1
    """Distinct key (and query) vectors per token; heads share them."""
    state_bits: int = 16
    """Width of a number of the state."""
    extra_parameters: int = 0
    """Decay rates, biases of the step size, skip connections."""

    @property
    def is_delta_rule(self) -> bool:
        """Whether it reads what the state already holds before it adds to it."""
        return self.products == _DELTA_RULE_PRODUCTS

    @property
    def kernels(self) -> int:
        """Decay, step size, norms of keys and queries, the recurrence, a copy of the state."""
        return 5

    @property
    def parameters(self) -> int:
        """Learned numbers of the recurrence itself."""
        return self.extra_parameters

    @property
    def state_width(self) -> int:
        """Numbers kept per sequence."""
        return self.heads * self.key_width * self.value_width


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexScores(Step):
    """Scores of every earlier entry by a small indexer, which chooses what attention then reads (DeepSeek-V3.2)."""

    heads: int
    width: int
    entry_bits: int
    """Bits of one cached index key, its scale included."""
    tokens_per_entry: int = 1

    @property
    def kernels(self) -> int:
        """Scores, their weighting and sum over heads, and the choice of the highest."""
        return 5

    @property
    def cache_bytes_per_token(self) -> float:
        """Growth of the index per token of context."""
        return self.entry_bits / 8 / self.tokens_per_entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding(Step):
    """A look-up table of `entries` rows; `looked_up` is False for a position table that is read as a slice."""

    entries: int
    width: int
    scales_with_vocabulary: bool = True
    cross_stack: bool = False
    """The table is stored once for two stacks: read here, counted in the other."""
    rows_per_token: int = 0
    """Rows that a token looks up where the table is not one of tokens; 0: counted as used whole, as those are."""

    @property
    def parameters(self) -> int:
        """The whole table."""
        return 0 if self.cross_stack else self.entries * self.width

    @property
    def active_parameters(self) -> int:
        """The rows of one token, or the whole table of tokens, as people count."""
        return self.rows_per_token * self.width if self.rows_per_token else self.parameters
