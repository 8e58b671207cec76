"""From a description of a layer in the words of model cards to its steps and the edges between them."""

from __future__ import annotations

from dataclasses import dataclass

from profiling.models.architecture import Layer
from profiling.models.families.spec import Indexer, LatentAttention, LayerSpec, Mixture, Norm
from profiling.models.families.states import state_steps
from profiling.models.steps import AttentionCore, Experts, IndexScores, Linear, Normalisation, Pointwise, Rows, Step


def norm_gains(norm: Norm, width: int) -> int:
    """Learned numbers of a norm over `width`."""
    return {"rms": 1, "layer": 2, "layer_without_bias": 1, "without_gains": 0}[norm] * width


def normalisation(name: str, source: str, spec: LayerSpec) -> Normalisation:
    """A norm over the hidden width."""
    gains = norm_gains(spec.norm, spec.hidden_size)
    return Normalisation(name=name, inputs=(source,), width=spec.hidden_size, gains=gains)


def _plain_attention(spec: LayerSpec, source: str, prefix: str, *, cross: bool) -> list[Step]:
    heads, kv_heads, dim = spec.heads, spec.kv_heads, spec.head_dim
    value_dim = spec.value_dim or dim
    bias = spec.query_key_value_bias
    key_bias = bias if spec.key_bias is None else spec.key_bias
    kv_source = "encoder" if cross else source
    kv_rows: Rows = "source" if cross else "new"
    kv_width_in = spec.source_width if cross and spec.source_width else spec.hidden_size
    cached = cross or spec.causal
    own = cross or spec.owns_cache
    values = own and not spec.value_from_key
    fused = 0 if cross else (heads + (kv_heads if own else 0)) * dim + (kv_heads * value_dim if values else 0)
    steps: list[Step] = [
        Linear(name=f"{prefix}query", inputs=(source,), width_in=spec.hidden_size, width_out=heads * dim,
               bias=bias, split="column", units=heads, fused_width=fused),
    ]  # fmt: skip
    for name, present, has_bias, width in (("key", own, key_bias, dim), ("value", values, bias, value_dim)):
        if present:
            steps.append(
                Linear(name=f"{prefix}{name}", inputs=(kv_source,), width_in=kv_width_in,
                       width_out=kv_heads * width, bias=has_bias, rows=kv_rows, split="column", units=kv_heads,
                       writes_cache=cached, fused_width=fused)
            )  # fmt: skip
    query, key = f"{prefix}query", f"{prefix}key" if own else f"{prefix}query"
    value = (f"{prefix}value",) if values else ()
    if spec.query_key_norm != "none" and not cross:
        per_head = {"head": (1, 1), "head_layer_norm": (heads, kv_heads), "width": (heads, kv_heads)}
        query_gains, key_gains = per_head.get(spec.query_key_norm, (0, 0))
        steps.append(
            Normalisation(name=f"{prefix}query_norm", inputs=(query,), width=heads * dim,
                          gains=query_gains * dim, split="column")
        )  # fmt: skip
        query = f"{prefix}query_norm"
        if own:
            steps.append(
                Normalisation(name=f"{prefix}key_norm", inputs=(key,), width=kv_heads * dim,
                              gains=key_gains * dim, split="column")
            )  # fmt: skip
        key = f"{prefix}key_norm" if own else query
    if spec.rotary and not cross:
        # Per pair of numbers four products and two sums: three operations per number.
        steps.append(
            Pointwise(name=f"{prefix}rotary", inputs=(query, key) if own else (query,),
                      width=(heads + (kv_heads if own else 0)) * dim, operations=3, split="column")
        )  # fmt: skip
        query = key = f"{prefix}rotary"
    inputs = (query, *value) if query == key else (query, key, *value)
    if spec.indexer and not cross:
        steps += _index(spec, spec.indexer, source, "")
        inputs = (*inputs, "index_scores")
    steps.append(
        AttentionCore(name=f"{prefix}attention", inputs=inputs, heads=heads, kv_heads=kv_heads, head_dim=dim,
                      value_head_dim=value_dim, causal=spec.causal and not cross, cached=cached, cross=cross,
                      window=None if cross else spec.window, window_kind=spec.window_kind,
                      extra_parameters=0 if cross else spec.extra_attention_parameters, owns_cache=own,
                      tokens_per_entry=1 if cross else spec.tokens_per_entry,
                      chosen=None if cross else _chosen(spec))
    )  # fmt: skip
    steps += _closing(spec, (source, spec.hidden_size), heads * value_dim, prefix, cross=cross)
    return steps


def _chosen(spec: LayerSpec) -> int | None:
    return spec.indexer.chosen if spec.indexer else spec.chosen


def _closing(
    spec: LayerSpec, gate: tuple[str, int], width: int, prefix: str, *, cross: bool = False
) -> list[Step]:  # fmt: skip
    """Output gate (what it reads, and how wide that is), inner norm and output projection."""
    steps: list[Step] = []
    last = f"{prefix}attention"
    if spec.output_gate != "none" and not cross:
        gates = width if spec.output_gate == "elementwise" else spec.heads
        steps += [
            Linear(name="attention_gate", inputs=gate[:1], width_in=gate[1], width_out=gates,
                   split="column", units=spec.heads),
            Pointwise(name="attention_gated", inputs=(last, "attention_gate"), width=width, operands=2, operations=5,
                      split="column"),
        ]  # fmt: skip
        last = "attention_gated"
    if spec.inner_norms:
        steps.append(Normalisation(name="attention_inner_norm", inputs=(last,), width=width, gains=width,
                                   split="column"))  # fmt: skip
        last = "attention_inner_norm"
    if not cross:
        steps += spec.attention_steps
    steps.append(
        Linear(name=f"{prefix}output", inputs=(last,), width_in=width, width_out=spec.hidden_size,
               bias=spec.output_bias, split="row", units=spec.heads)
    )  # fmt: skip
    return steps


def _index(spec: LayerSpec, indexer: Indexer, source: str, latent: str) -> list[Step]:
    """The indexer of one layer; every device holds it whole, as its keys are one head."""
    from_latent = indexer.query_from_latent and spec.latent is not None and spec.latent.query_rank is not None
    rank = spec.latent.query_rank if from_latent and spec.latent and spec.latent.query_rank else spec.hidden_size
    steps: list[Step] = [
        Linear(name="index_query", inputs=(latent if from_latent else source,), width_in=rank,
               width_out=indexer.heads * indexer.width),
        Linear(name="index_key", inputs=(source,), width_in=spec.hidden_size, width_out=indexer.width),
        Normalisation(name="index_key_norm", inputs=("index_key",), width=indexer.width,
                      gains=indexer.norm_parameters + indexer.extra_parameters),
    ]  # fmt: skip
    inputs: tuple[str, ...] = ("index_query", "index_key_norm")
    if indexer.head_weights:
        steps.append(Linear(name="index_weights", inputs=(source,), width_in=spec.hidden_size,
                            width_out=indexer.heads))  # fmt: skip
        inputs = (*inputs, "index_weights")
    steps.append(
        IndexScores(name="index_scores", inputs=inputs, heads=indexer.heads, width=indexer.width,
                    entry_bits=indexer.entry_bits, tokens_per_entry=indexer.tokens_per_entry)
    )  # fmt: skip
    return steps


def _latent_attention(spec: LayerSpec, mla: LatentAttention, source: str) -> list[Step]:
    heads, hidden = spec.heads, spec.hidden_size
    query_key = mla.plain_dim + mla.rotary_dim
    latent = mla.kv_rank + mla.rotary_dim
    steps: list[Step] = []
    query_source, query_in = source, hidden
    if mla.query_rank is not None:
        query_source, query_in = "query_norm", mla.query_rank * (2 if mla.query_up_doubled else 1)
        steps += [
            Linear(name="query_down", inputs=(source,), width_in=hidden, width_out=mla.query_rank,
                   bias=spec.query_key_value_bias),
            Normalisation(name="query_norm", inputs=("query_down",), width=mla.query_rank,
                          gains=mla.query_rank),
        ]  # fmt: skip
    steps += [
        Linear(name="query", inputs=(query_source,), width_in=query_in, width_out=heads * query_key,
               split="column", units=heads),
        Linear(name="latent", inputs=(source,), width_in=hidden, width_out=latent, writes_cache=True,
               bias=spec.query_key_value_bias),
        Normalisation(name="latent_norm", inputs=("latent",), width=mla.kv_rank, gains=mla.kv_rank),
        # In decoding this product is absorbed into query and output (section 2.1.2 of the paper): as many
        # FLOPs per new token. In prefill it opens the latents of the whole context.
        Linear(name="key_value_up", inputs=("latent_norm",), width_in=mla.kv_rank,
               width_out=heads * (mla.plain_dim + mla.value_dim), rows="context", split="column", units=heads),
    ]  # fmt: skip
    inputs: tuple[str, ...] = ("query", "key_value_up")
    if mla.rotary_dim:
        steps.append(Pointwise(name="rotary", inputs=("query", "latent"), width=(heads + 1) * mla.rotary_dim,
                               operations=3, split="column"))  # fmt: skip
        inputs = ("rotary", "key_value_up")
    if spec.indexer:
        steps += _index(spec, spec.indexer, source, query_source)
        inputs = (*inputs, "index_scores")
    gate = (query_source, query_in) if mla.query_up_doubled else (source, hidden)
    return [
        *steps,
        AttentionCore(name="attention", inputs=inputs, heads=heads, kv_heads=heads,
                      head_dim=query_key, value_head_dim=mla.value_dim, latent_width=latent,
                      latent_value_width=mla.kv_rank, window=spec.window, chosen=_chosen(spec),
                      extra_parameters=spec.extra_attention_parameters),
        *_closing(spec, gate, heads * mla.value_dim, ""),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForward:
    """A feed-forward block: two matrices, or three when gated."""

    hidden_size: int
    intermediate_size: int
    gated: bool
    bias: bool
    inner_norm: bool = False


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
    last = f"{prefix}activation"
    if block.inner_norm:
        last = f"{prefix}inner_norm"
        steps.append(Normalisation(name=last, inputs=(f"{prefix}activation",), width=width, gains=width,
                                   split="column"))  # fmt: skip
    steps.append(
        Linear(name=f"{prefix}down", inputs=(last,), width_in=width, width_out=hidden,
               bias=block.bias, split="row")
    )  # fmt: skip
    return steps


def _mixture(spec: LayerSpec, mixture: Mixture, source: str) -> list[Step]:
    hidden = spec.hidden_size
    inner = mixture.latent_size or hidden
    routes = mixture.experts + mixture.idle_routes
    steps: list[Step] = []
    into = source
    if mixture.router:
        steps.append(Linear(name="router", inputs=(source,), width_in=hidden, width_out=routes,
                            bias=mixture.router_bias or mixture.selection_bias))  # fmt: skip
    if mixture.sink_routes:
        steps.append(Linear(name="sink_router", inputs=(source,), width_in=hidden, width_out=mixture.sink_routes))
    if mixture.latent_size:
        steps.append(Linear(name="experts_down", inputs=(source,), width_in=hidden, width_out=inner))
        into = "experts_down"
    if mixture.latent_norms:
        steps.append(Normalisation(name="experts_norm", inputs=(into,), width=inner,
                                   gains=mixture.latent_norms * inner))  # fmt: skip
        into = "experts_norm"
    steps.append(
        Experts(name="experts", inputs=(into, "router"), count=mixture.experts, per_token=mixture.per_token,
                hidden_size=inner, intermediate_size=mixture.intermediate_size, gated=mixture.gated,
                bias=mixture.expert_bias, idle_routes=mixture.idle_routes)
    )  # fmt: skip
    result = "experts"
    if mixture.latent_size:
        steps.append(Linear(name="experts_up", inputs=("experts",), width_in=inner, width_out=hidden))
        result = "experts_up"
    if not mixture.shared_intermediate_size:
        return steps
    shared = FeedForward(
        hidden_size=hidden,
        intermediate_size=mixture.shared_intermediate_size,
        gated=mixture.gated,
        bias=False,
    )
    steps += feed_forward(shared, source, "shared_")
    joined = [result, "shared_down"]
    if mixture.shared_gate:
        steps.append(Linear(name="shared_expert_gate", inputs=(source,), width_in=hidden, width_out=1))
        joined.append("shared_expert_gate")
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
    layer = _LayerSteps(spec)
    if spec.attention or spec.state:
        layer.attend(cross=False)
    if spec.cross_attention:
        layer.attend(cross=True)
    if spec.feed_forward:
        layer.feed()
    layer.steps.extend(spec.layer_steps)
    return Layer(name=name, steps=tuple(layer.steps), count=count)


class _LayerSteps:
    """Steps of a layer as they are laid down, and the name of what is in the residual stream."""

    def __init__(self, spec: LayerSpec) -> None:
        self.spec = spec
        self.steps: list[Step] = []
        self.stream = "input"
        self.attended = ""
        self.before = spec.placement in {"pre", "sandwich", "parallel", "parallel_two_norms"}
        self.after = spec.placement in {"output", "sandwich"}
        self.parallel = spec.placement.startswith("parallel")

    def append(self, block: list[Step]) -> str:
        self.steps.extend(block)
        return block[-1].name

    def enter(self, name: str) -> str:
        """The stream as a block sees it: one of several mixed together, then normed."""
        spec, source = self.spec, self.stream
        if spec.streams:
            width = spec.streams * spec.hidden_size
            source = self.append([
                Linear(name=f"{name}_mix", inputs=(source,), width_in=width, width_out=spec.stream_mixes, bias=True),
                # One scale for what goes in, one for what comes out, one for stream to stream.
                Normalisation(name=f"{name}_streams", inputs=(source, f"{name}_mix"), width=width,
                              gains=2 if spec.stream_mixes == 2 * spec.streams else 3,
                              balancing_rounds=spec.stream_rounds),
            ])  # fmt: skip
        return self.append([normalisation(f"{name}_norm", source, spec)]) if self.before else source

    def leave(self, name: str, end: str) -> str:
        """Adds what a block gives to the stream."""
        spec = self.spec
        if self.after:
            end = self.append([normalisation(f"{name}_output_norm", end, spec)])
        width = max(spec.streams, 1) * spec.hidden_size
        self.stream = self.append([_add(f"{name}_residual", width, self.stream, end)])
        if spec.placement == "post":
            self.stream = self.append([normalisation(f"{name}_norm", self.stream, spec)])
        return self.stream

    def attend(self, *, cross: bool) -> None:
        spec = self.spec
        name = "cross_attention" if cross else "attention"
        source = self.enter(name)
        ends = []
        if spec.state and not cross:
            ends.append(self.append(state_steps(spec.state, spec.hidden_size, source)))
        if spec.own_attention and not cross:
            ends.append(self.append(list(spec.own_attention)))
        elif cross or (spec.attention and not spec.latent):
            ends.append(self.append(_plain_attention(spec, source, "cross_" if cross else "", cross=cross)))
        elif spec.attention and spec.latent:
            ends.append(self.append(_latent_attention(spec, spec.latent, source)))
        if len(ends) > 1:
            ends = [self.append([_add("mixers_sum", spec.hidden_size, *ends)])]
        if self.parallel:
            self.attended = ends[0]
        else:
            self.leave(name, ends[0])

    def feed(self) -> None:
        spec = self.spec
        source = "attention_norm" if spec.placement == "parallel" else self.enter("feed_forward")
        ends = []
        if spec.mixture:
            ends.append(self.append(_mixture(spec, spec.mixture, source)))
        if not spec.mixture or spec.has_dense_and_experts:
            block = FeedForward(
                hidden_size=spec.hidden_size,
                intermediate_size=spec.intermediate_size,
                gated=spec.gated,
                bias=spec.feed_forward_bias,
                inner_norm=spec.inner_norms,
            )
            ends.append(self.append(feed_forward(block, source)))
        if len(ends) > 1:
            ends = [self.append([_add("feed_forward_sum", spec.hidden_size, *ends)])]
        if self.parallel:
            end = ends[0]
            if self.after:
                end = self.append([normalisation("feed_forward_output_norm", end, spec)])
            self.append([_add("feed_forward_residual", spec.hidden_size, "input", self.attended, end)])
        else:
            self.leave("feed_forward", ends[0])
