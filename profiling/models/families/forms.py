"""Families declared by their traits: a `Form` says what a family does that its config does not state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config, Ends, decoder, encoder
from profiling.models.families.spec import (
    LayerSpec,
    Norm,
    OutputGate,
    Placement,
    QueryKeyNorm,
    State,
)
from profiling.models.steps import Normalisation, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What is particular about a family; the defaults are those of Llama.

    A trait given as a word is the name of the config's field that switches it on; "!" before it: on unless the
    field says otherwise.
    """

    gated: bool = True
    norm: Norm = "rms"
    placement: Placement = "pre"
    other_placement: tuple[str, Placement] | None = None
    """Field that switches to another placement, and which."""
    state_placement: Placement | None = None
    """Where layers that mix by a state place their norms differently."""
    query_key_norm: QueryKeyNorm = "none"
    norm_switch: str = ""
    """Field that switches the norms of query and key."""
    query_key_value_bias: bool | str = "attention_bias"
    output_bias: bool | str = "attention_bias"
    feed_forward_bias: bool | str = "mlp_bias"
    head_bias: bool | str = "lm_head_bias"
    tied: bool = False
    rotary: bool = True
    positions: int = 0
    """Rows of the table of learned positions where the config does not state them; 0: there is none."""
    position_offset: int = 0
    """Rows of that table before the first position."""
    segments: int = 0
    """Rows of the table of segments where the config does not state them; 0: there is none."""
    embedding_norm: bool = False
    is_encoder: bool = False
    pooler: bool = False
    output_gate: OutputGate = "none"
    gate_switch: str = ""
    """Field that switches the output gate."""
    sinks: bool = False
    latent: bool | None = None
    """Latent attention; None: where the config has `kv_lora_rank`."""
    selection_bias: bool = False
    experts_gated: bool | None = None
    expert_biases: bool = False
    """Biases of router and experts."""
    shared_gate: bool = False
    dense_width: str = "intermediate_size"
    widening: int = 0
    """Width of the feed-forward block over the hidden width where the config states none; 0: it must."""
    every: int | None = None
    """Where the config names no pattern, every so manieth layer is global; None: the window holds for all."""
    windows: bool = True
    """Whether `sliding_window` limits layers that the pattern calls local."""
    state: Callable[[Config], State] | None = None
    """What the layers of kind "state" do."""
    inner_norms: bool = False
    extra_numbers: int = 0
    """Learned numbers of a layer beyond its matrices and norms (an activation's slopes)."""
    default: tuple[tuple[str, object], ...] = ()
    """Fields that published configs leave out, as transformers fills them in."""
    names: tuple[tuple[str, str], ...] = ()
    """The usual name of a field, and the one that only this family has for it."""


def switched(config: Config, trait: bool | str) -> bool:
    """The trait, or what the field of that name says."""
    if isinstance(trait, bool):
        return trait
    return config.flag(trait.removeprefix("!"), default=trait.startswith("!"))


def base(config: Config, form: Form) -> LayerSpec:
    """The layer that all of a model's layers vary, by the usual names of widths and heads."""
    hidden = config.integer("hidden_size", "n_embd", "n_embed", "d_model", "dim")
    heads = config.integer("num_attention_heads", "n_head", "num_heads", "n_heads", "encoder_attention_heads")
    kv_heads = config.integer("num_key_value_heads", "num_kv_heads", "num_attention_groups", default=heads)
    width = config.integer(form.dense_width, "dense_intermediate_size", "intermediate_size", "ffn_hidden_size",
                           "n_inner", "ffn_dim", "hidden_dim", "encoder_ffn_dim", "moe_intermediate_size",
                           default=form.widening * hidden or None)  # fmt: skip
    # transformers writes 0 where it does not apply
    stated = config.get("head_dim", "kv_channels", default=config.family_default("head_dim")) or hidden // heads
    normed = not form.norm_switch or switched(config, form.norm_switch)
    return LayerSpec(
        hidden_size=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=Config({**config.fields, "head_dim": stated}).integer("head_dim"),
        intermediate_size=width,
        gated=form.gated,
        norm=form.norm,
        placement=_placement(config, form),
        query_key_norm=form.query_key_norm if normed else "none",
        query_key_value_bias=switched(config, form.query_key_value_bias),
        output_bias=switched(config, form.output_bias),
        feed_forward_bias=switched(config, form.feed_forward_bias),
        output_gate=form.output_gate if not form.gate_switch or switched(config, form.gate_switch) else "none",
        extra_attention_parameters=heads if form.sinks else 0,
        rotary=form.rotary,
        causal=not form.is_encoder,
        inner_norms=form.inner_norms,
        layer_steps=(plain_numbers("extra", form.extra_numbers),) if form.extra_numbers else (),
        latent=reading.latent_of(config) if _is_latent(config, form) else None,
    )


def _of_local_layers(config: Config, plain: LayerSpec) -> LayerSpec:
    """The layer with the heads that the config states apart for those with a window (Inkling 2, Step 3.5)."""
    other = config.get("attention_other_setting")
    local = Config({
        "model_type": config.model_type, "swa_num_attention_heads": plain.heads,
        "swa_num_key_value_heads": plain.kv_heads, "swa_head_dim": plain.head_dim,
        **{name: value for name, value in config.fields.items() if name.startswith("swa_") and value is not None},
        **(other if isinstance(other, Mapping) else {}),
    })  # fmt: skip
    return replace(
        plain,
        heads=local.integer("num_attention_heads", "swa_num_attention_heads"),
        kv_heads=local.integer("num_attention_groups", "swa_num_key_value_heads"),
        head_dim=local.integer("head_dim", "swa_head_dim"),
    )


def _is_latent(config: Config, form: Form) -> bool:
    return form.latent if form.latent is not None else config.get("kv_lora_rank") is not None


def plain_numbers(name: str, numbers: int) -> Step:
    """Learned numbers that cost next to nothing to use."""
    return Normalisation(name=name, inputs=("input",), width=1, gains=numbers)


def layers_of(config: Config, form: Form) -> list[LayerSpec]:
    """Every layer of a model of that form, bottom to top."""
    plain, count = base(config, form), reading.layer_count(config)
    window = config.get("sliding_window", "sliding_window_size", "attention_chunk_size") if form.windows else None
    pattern = reading.layer_kinds(config, count, every=form.every)
    sparse = reading.sparse_layers(config, count) if reading.has_experts(config) else [False] * count
    # mixture_of is asked once: equal layers share what they hold
    mixture = None
    if any(sparse):
        gated = form.gated if form.experts_gated is None else form.experts_gated
        mixture = replace(
            reading.mixture_of(config, selection_bias=form.selection_bias, gated=gated), shared_gate=form.shared_gate,
            router_bias=form.expert_biases, expert_bias=form.expert_biases,
        )  # fmt: skip
    state = form.state(config) if form.state and "state" in pattern else None
    local = _of_local_layers(config, plain)
    types = config.get("indexer_types")
    chosen = types if isinstance(types, list) else []
    made: dict[tuple[object, ...], LayerSpec] = {}  # equal layers are one, as comparing them takes a while

    def layer(index: int) -> LayerSpec:
        kind, spec = pattern[index], plain
        if kind == "state":
            spec = replace(spec, state=state, attention=False, latent=None, indexer=None,
                           placement=form.state_placement or spec.placement)  # fmt: skip
        else:
            if kind in {"sliding", "chunked"} and window:
                spec = replace(local, window=int(window), window_kind="chunked" if kind == "chunked" else "sliding")
            spec = reading.indexed(config, spec, index)
        return replace(spec, mixture=mixture) if sparse[index] else spec

    def key(index: int) -> tuple[object, ...]:
        return pattern[index], sparse[index], str(chosen[index]) if index < len(chosen) else ""

    for index in range(len(pattern)):
        if key(index) not in made:
            made[key(index)] = layer(index)
    # Hunyuan-Large: so many neighbours read the cache of the first of them (arXiv 2411.02265, section 2.1).
    sharing = config.integer("cla_share_factor", default=2) if config.flag("use_cla", default=False) else 1
    return [
        made[key(index)] if index % sharing == 0 else replace(made[key(index)], owns_cache=False)
        for index in range(len(pattern))
    ]


def _placement(config: Config, form: Form) -> Placement:
    field, other = form.other_placement or ("", form.placement)
    return other if field and switched(config, field) else form.placement


def ends_of(config: Config, form: Form) -> Ends:
    """Tables of embeddings, final norm and head."""
    rows = config.integer("n_positions", "max_position_embeddings", default=form.positions) if form.positions else 0
    return Ends(
        norm=form.norm,
        tied=config.flag("tie_word_embeddings", "tie_embedding", default=form.tied),
        head_bias=switched(config, form.head_bias),
        positions=rows + form.position_offset,
        segments=config.integer("type_vocab_size", default=form.segments) if form.segments else 0,
        embedding_norm=form.embedding_norm,
        final_norm=_placement(config, form) != "post",
        head=not form.is_encoder,
        pooler=form.pooler,
    )


def with_defaults(config: Config, form: Form) -> Config:
    """The config with what published ones leave out, and by the usual names of its fields."""
    default = dict(form.default)
    own = {usual: config.get(name, default=config.family_default(name)) for usual, name in form.names}
    default |= {usual: value for usual, value in own.items() if value is not None}
    return Config({**default, **{k: v for k, v in config.fields.items() if v is not None or k not in default}})


def described(config: Config, form: Form) -> tuple[Config, list[LayerSpec], Ends]:
    """The config with what published ones leave out, its layers, and what stands around them."""
    config = with_defaults(config, form)
    return config, layers_of(config, form), ends_of(config, form)


def declared(form: Form) -> Callable[[Config], Architecture]:
    """The reader of a family of that form."""

    def read(config: Config) -> Architecture:
        return (encoder if form.is_encoder else decoder)(*described(config, form))

    return read
