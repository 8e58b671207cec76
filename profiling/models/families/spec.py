"""A layer in the words of model cards: what families declare and blocks.py turns into steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from profiling.models.steps import Step, WindowKind

Norm = Literal["rms", "layer", "layer_without_bias", "without_gains"]
Placement = Literal["pre", "post", "output", "sandwich", "parallel", "parallel_two_norms"]
QueryKeyNorm = Literal["none", "head", "head_layer_norm", "width", "without_gains"]
OutputGate = Literal["none", "elementwise", "head"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1)."""

    kv_rank: int
    query_rank: int | None
    rotary_dim: int
    plain_dim: int
    value_dim: int
    query_up_doubled: bool = False
    """The second query matrix reads the latent twice, with and without its norm (A.X K2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexer:
    """A small attention that chooses which entries the main one reads (DeepSeek-V3.2, arXiv 2512.02556)."""

    heads: int
    width: int
    chosen: int
    """Most entries that attention reads per query."""
    entry_bits: int
    query_from_latent: bool = True
    """Its queries come from the query latent of MLA; else from the hidden state."""
    head_weights: bool = True
    """A matrix weighs the heads per token."""
    norm_parameters: int = 0
    extra_parameters: int = 0
    tokens_per_entry: int = 1
    """Tokens whose keys are averaged into one (Qwen 3.8 Flash Next)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MambaOne:
    """A selective state space with a state per channel (Mamba, arXiv 2312.00752)."""

    inner: int
    state: int
    step_rank: int
    kernel: int
    convolution_bias: bool = True
    projection_bias: bool = False
    inner_norms: bool = False
    """Norms of step size and both projections (Jamba)."""
    state_bits: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class MambaTwo:
    """A state space with one decay per head (Mamba-2, arXiv 2405.21060)."""

    heads: int
    head_dim: int
    groups: int
    state: int
    kernel: int
    convolution_bias: bool = True
    projection_bias: bool = False
    norm: bool = True
    state_bits: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaNet:
    """Gated DeltaNet (arXiv 2412.06464) and, with a decay per channel, Kimi Delta Attention (arXiv 2510.26692)."""

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    kernel: int
    decay_per_channel: bool = False
    decay_rank: int | None = None
    """Width between the two matrices of a per-channel decay; None: one matrix."""
    gate_rank: int | None = None
    """Width between the two matrices of the output gate; None: one matrix."""
    state_bits: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Lightning:
    """Linear attention with a fixed decay per head (MiniMax-01, arXiv 2501.08313)."""

    heads: int
    head_dim: int
    state_bits: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortConvolution:
    """A gated convolution over a few tokens, all of which its cache keeps (LFM2, arXiv 2511.23404)."""

    kernel: int
    bias: bool = False


State: TypeAlias = MambaOne | MambaTwo | DeltaNet | Lightning | ShortConvolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """A mixture of experts in place of the feed-forward block."""

    experts: int
    per_token: int
    intermediate_size: int
    shared_intermediate_size: int = 0
    shared_gate: bool = False
    router_bias: bool = False
    expert_bias: bool = False
    gated: bool = True
    selection_bias: bool = False
    """A correction added to the scores for choosing only (DeepSeek-V3, arXiv 2412.19437, section 2.1.2)."""
    idle_routes: int = 0
    """Routes beside the experts that cost nothing (LongCat-Flash)."""
    sink_routes: int = 0
    """Routes that the router scores beside and that every token takes (Inkling's shared experts)."""
    latent_size: int = 0
    """Narrower width the experts work in, between two projections (Kimi K3, Nemotron 3); 0: the hidden width."""
    latent_norms: int = 0
    """Norms of that width."""
    router: bool = True
    """The router is one matrix; else the family states its steps itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """A layer in the words of a model card."""

    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate_size: int
    value_dim: int = 0
    """Width of a value where it is not that of a key (MiMo-V2); 0: the same."""
    gated: bool = True
    norm: Norm = "rms"
    placement: Placement = "pre"
    query_key_value_bias: bool = False
    output_bias: bool = False
    feed_forward_bias: bool = False
    key_bias: bool | None = None
    """Where the key projection differs from query and value (Whisper-like); None: it does not."""
    query_key_norm: QueryKeyNorm = "none"
    rotary: bool = True
    causal: bool = True
    window: int | None = None
    window_kind: WindowKind = "sliding"
    mixture: Mixture | None = None
    latent: LatentAttention | None = None
    cross_attention: bool = False
    source_width: int = 0
    """Width of what the encoder gives, where it is not that of the decoder (T5Gemma 9B-2B); 0: the same."""
    extra_attention_parameters: int = 0
    attention: bool = True
    """False: no attention (a feed-forward block or a state alone)."""
    feed_forward: bool = True
    """False: no feed-forward block."""
    state: State | None = None
    """What mixes tokens by a fixed state: in place of attention, or beside it where `attention` is true."""
    output_gate: OutputGate = "none"
    """Sigmoid of a projection that scales what attention gives, per number or per head."""
    value_from_key: bool = False
    """Values are the key projection's outputs (global layers of Gemma 4)."""
    owns_cache: bool = True
    """False: keys and values are those of an earlier layer."""
    indexer: Indexer | None = None
    chosen: int | None = None
    """Most entries attention reads where another layer's indexer chose them."""
    inner_norms: bool = False
    """Norms before the output and the down projection (BitNet b1.58)."""
    has_dense_and_experts: bool = False
    """A dense feed-forward block runs beside the experts."""
    streams: int = 0
    """Parallel residual streams mixed before and after each block (hyper-connections, arXiv 2409.19606)."""
    stream_mixes: int = 0
    """Learned mixing weights per token: 2 n for in and out, n² for stream to stream."""
    stream_rounds: int = 0
    """Rounds that balance the weights from stream to stream."""
    tokens_per_entry: int = 1
    """Tokens that one entry of the cache stands for (layers over patches of bytes)."""
    own_attention: tuple[Step, ...] = ()
    """Steps of an attention unlike the others, from "attention_norm" to the output projection."""
    attention_steps: tuple[Step, ...] = ()
    """What else belongs to attention, by the names of steps there."""
    layer_steps: tuple[Step, ...] = ()
    """What else follows the feed-forward block."""
