"""From a description of a layer in the words of model cards to its steps and the edges between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from profiling.architecture import Layer
from profiling.steps import AttentionCore, Experts, Linear, Normalisation, Pointwise, Rows, Step, WindowKind

Norm = Literal["rms", "layer", "layer_without_bias", "without_gains"]
Placement = Literal["pre", "post", "output", "sandwich", "parallel", "parallel_two_norms"]
QueryKeyNorm = Literal["none", "head", "head_layer_norm", "width", "without_gains"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentAttention:
    """Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1)."""

    kv_rank: int
    query_rank: int | None
    rotary_dim: int
    plain_dim: int
    value_dim: int


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSpec:
    """A transformer layer in the words of a model card."""

    hidden_size: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate_size: int
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
    extra_attention_parameters: int = 0


def norm_gains(norm: Norm, width: int) -> int:
    """Learned numbers of a norm over `width`."""
    return {"rms": 1, "layer": 2, "layer_without_bias": 1, "without_gains": 0}[norm] * width


def normalisation(name: str, source: str, spec: LayerSpec) -> Normalisation:
    """A norm over the hidden width."""
    gains = norm_gains(spec.norm, spec.hidden_size)
    return Normalisation(name=name, inputs=(source,), width=spec.hidden_size, gains=gains)


def _plain_attention(spec: LayerSpec, source: str, prefix: str, *, cross: bool) -> list[Step]:
    heads, kv_heads, dim = spec.heads, spec.kv_heads, spec.head_dim
    bias = spec.query_key_value_bias
    key_bias = bias if spec.key_bias is None else spec.key_bias
    kv_source = "encoder" if cross else source
    kv_rows: Rows = "source" if cross else "new"
    cached = cross or spec.causal
    fused = 0 if cross else (heads + 2 * kv_heads) * dim
    steps: list[Step] = [
        Linear(name=f"{prefix}query", inputs=(source,), width_in=spec.hidden_size, width_out=heads * dim,
               bias=bias, split="column", units=heads, fused_width=fused),
        Linear(name=f"{prefix}key", inputs=(kv_source,), width_in=spec.hidden_size, width_out=kv_heads * dim,
               bias=key_bias, rows=kv_rows, split="column", units=kv_heads, writes_cache=cached,
               fused_width=fused),
        Linear(name=f"{prefix}value", inputs=(kv_source,), width_in=spec.hidden_size, width_out=kv_heads * dim,
               bias=bias, rows=kv_rows, split="column", units=kv_heads, writes_cache=cached,
               fused_width=fused),
    ]  # fmt: skip
    query, key = f"{prefix}query", f"{prefix}key"
    if spec.query_key_norm != "none" and not cross:
        per_head = {"head": (1, 1), "head_layer_norm": (heads, kv_heads), "width": (heads, kv_heads)}
        query_gains, key_gains = per_head.get(spec.query_key_norm, (0, 0))
        steps += [
            Normalisation(name=f"{prefix}query_norm", inputs=(query,), width=heads * dim,
                          gains=query_gains * dim, split="column"),
            Normalisation(name=f"{prefix}key_norm", inputs=(key,), width=kv_heads * dim,
                          gains=key_gains * dim, split="column"),
        ]  # fmt: skip
        query, key = f"{prefix}query_norm", f"{prefix}key_norm"
    if spec.rotary and not cross:
        # Per pair of numbers four products and two sums: three operations per number.
        steps.append(
            Pointwise(name=f"{prefix}rotary", inputs=(query, key), width=(heads + kv_heads) * dim,
                      operations=3, split="column")
        )  # fmt: skip
        query = key = f"{prefix}rotary"
    inputs = (query, f"{prefix}value") if query == key else (query, key, f"{prefix}value")
    steps.append(
        AttentionCore(name=f"{prefix}attention", inputs=inputs, heads=heads, kv_heads=kv_heads, head_dim=dim,
                      value_head_dim=dim, causal=spec.causal and not cross, cached=cached, cross=cross,
                      window=None if cross else spec.window, window_kind=spec.window_kind,
                      extra_parameters=0 if cross else spec.extra_attention_parameters)
    )  # fmt: skip
    steps.append(
        Linear(name=f"{prefix}output", inputs=(f"{prefix}attention",), width_in=heads * dim,
               width_out=spec.hidden_size, bias=spec.output_bias, split="row", units=heads)
    )  # fmt: skip
    return steps


def _latent_attention(spec: LayerSpec, mla: LatentAttention, source: str) -> list[Step]:
    heads, hidden = spec.heads, spec.hidden_size
    query_key = mla.plain_dim + mla.rotary_dim
    latent = mla.kv_rank + mla.rotary_dim
    steps: list[Step] = []
    query_source, query_in = source, hidden
    if mla.query_rank is not None:
        query_source, query_in = "query_norm", mla.query_rank
        steps += [
            Linear(name="query_down", inputs=(source,), width_in=hidden, width_out=mla.query_rank,
                   bias=spec.query_key_value_bias),
            Normalisation(name="query_norm", inputs=("query_down",), width=mla.query_rank,
                          gains=mla.query_rank),
        ]  # fmt: skip
    return [
        *steps,
        Linear(name="query", inputs=(query_source,), width_in=query_in, width_out=heads * query_key,
               split="column", units=heads),
        Linear(name="latent", inputs=(source,), width_in=hidden, width_out=latent, writes_cache=True,
               bias=spec.query_key_value_bias),
        Normalisation(name="latent_norm", inputs=("latent",), width=mla.kv_rank, gains=mla.kv_rank),
        # In decoding this product is absorbed into query and output (section 2.1.2 of the paper): as many
        # FLOPs per new token. In prefill it opens the latents of the whole context.
        Linear(name="key_value_up", inputs=("latent_norm",), width_in=mla.kv_rank,
               width_out=heads * (mla.plain_dim + mla.value_dim), rows="context", split="column", units=heads),
        Pointwise(name="rotary", inputs=("query", "latent"), width=(heads + 1) * mla.rotary_dim, operations=3,
                  split="column"),
        AttentionCore(name="attention", inputs=("rotary", "key_value_up"), heads=heads, kv_heads=heads,
                      head_dim=query_key, value_head_dim=mla.value_dim, latent_width=latent,
                      latent_value_width=mla.kv_rank, window=spec.window),
        Linear(name="output", inputs=("attention",), width_in=heads * mla.value_dim, width_out=hidden,
               bias=spec.output_bias, split="row", units=heads),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForward:
    """A feed-forward block: two matrices, or three when gated."""

    hidden_size: int
    intermediate_size: int
    gated: bool
    bias: bool


def feed_forward(block: FeedForward, source: str, prefix: str = "") -> list[Step]:
    """Steps of a feed-forward block that reads `source`."""
    hidden, width = block.hidden_size, block.intermediate_size
    names = ("gate", "up") if block.gated else ("up",)
    steps: list[Step] = [
        Linear(name=f"{prefix}{name}", inputs=(source,), width_in=hidden, width_out=width, bias=block.bias,
               split="column", fused_width=len(names) * width)
        for name in names
    ]  # fmt: skip
    steps.append(
        Pointwise(name=f"{prefix}activation", inputs=tuple(f"{prefix}{name}" for name in names), width=width,
                  operands=len(names), operations=5 if block.gated else 4, split="column")
    )  # fmt: skip
    steps.append(
        Linear(name=f"{prefix}down", inputs=(f"{prefix}activation",), width_in=width, width_out=hidden,
               bias=block.bias, split="row")
    )  # fmt: skip
    return steps


def _mixture(spec: LayerSpec, mixture: Mixture, source: str) -> list[Step]:
    hidden = spec.hidden_size
    steps: list[Step] = [
        Linear(name="router", inputs=(source,), width_in=hidden, width_out=mixture.experts,
               bias=mixture.router_bias or mixture.selection_bias),
        Experts(name="experts", inputs=(source, "router"), count=mixture.experts, per_token=mixture.per_token,
                hidden_size=hidden, intermediate_size=mixture.intermediate_size, gated=mixture.gated,
                bias=mixture.expert_bias),
    ]  # fmt: skip
    if not mixture.shared_intermediate_size:
        return steps
    shared = FeedForward(
        hidden_size=hidden,
        intermediate_size=mixture.shared_intermediate_size,
        gated=mixture.gated,
        bias=False,
    )
    steps += feed_forward(shared, source, "shared_")
    joined = ["experts", "shared_down"]
    if mixture.shared_gate:
        steps.append(Linear(name="shared_gate", inputs=(source,), width_in=hidden, width_out=1))
        joined.append("shared_gate")
    return [
        *steps,
        Pointwise(name="experts_sum", inputs=tuple(joined), width=hidden, operands=2, operations=1),
    ]


def _add(name: str, hidden: int, *inputs: str) -> Pointwise:
    return Pointwise(name=name, inputs=inputs, width=hidden, operands=len(inputs), operations=len(inputs) - 1)


def transformer_layer(name: str, spec: LayerSpec, count: int = 1) -> Layer:
    """The steps of one layer, in the order data flows, for every placement of norms in use.

    `pre` Llama, GPT-2 · `post` BERT · `output` OLMo 2 · `sandwich` Gemma 2 · `parallel` GPT-J, Falcon-7B ·
    `parallel_two_norms` GPT-NeoX, Falcon-40B.
    """
    before = spec.placement in {"pre", "sandwich", "parallel", "parallel_two_norms"}
    after = spec.placement in {"output", "sandwich"}
    parallel = spec.placement.startswith("parallel")
    steps: list[Step] = []
    stream = "input"

    def append(block: list[Step]) -> str:
        steps.extend(block)
        return block[-1].name

    def attend(*, cross: bool) -> str:
        nonlocal stream
        prefix = "cross_" if cross else ""
        source = append([normalisation(f"{prefix}attention_norm", stream, spec)]) if before else stream
        block = (
            _latent_attention(spec, spec.latent, source)
            if spec.latent and not cross
            else _plain_attention(spec, source, prefix, cross=cross)
        )
        end = append(block)
        if after:
            end = append([normalisation(f"{prefix}attention_output_norm", end, spec)])
        if parallel:
            return end
        stream = append([_add(f"{prefix}attention_residual", spec.hidden_size, stream, end)])
        if spec.placement == "post":
            stream = append([normalisation(f"{prefix}attention_norm", stream, spec)])
        return stream

    attended = attend(cross=False)
    if spec.cross_attention:
        attend(cross=True)

    if spec.placement == "parallel":
        source = "attention_norm"
    else:
        source = append([normalisation("feed_forward_norm", stream, spec)]) if before else stream
    if spec.mixture:
        end = append(_mixture(spec, spec.mixture, source))
    else:
        block = FeedForward(
            hidden_size=spec.hidden_size,
            intermediate_size=spec.intermediate_size,
            gated=spec.gated,
            bias=spec.feed_forward_bias,
        )
        end = append(feed_forward(block, source))
    if after:
        end = append([normalisation("feed_forward_output_norm", end, spec)])
    residual = ("input", attended, end) if parallel else (stream, end)
    last = append([_add("feed_forward_residual", spec.hidden_size, *residual)])
    if spec.placement == "post":
        append([normalisation("feed_forward_norm", last, spec)])
    return Layer(name=name, steps=tuple(steps), count=count)
