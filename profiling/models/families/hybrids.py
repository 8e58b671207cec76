"""Families with layers of several kinds that a declaration alone does not describe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from profiling.errors import InvalidConfig
from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config, Ends, decoder
from profiling.models.families.forms import Form, base, declared, ends_of, layers_of, with_defaults
from profiling.models.families.spec import LayerSpec
from profiling.models.families.traits import FORMS
from profiling.models.steps import Embedding, Linear, Normalisation, Step

_LFM2 = Form(query_key_norm="head", tied=True, state=reading.short_convolution)
_KIMI = Form(state=reading.kimi_delta, selection_bias=True)


def lfm2(config: Config) -> Architecture:
    """LFM2: short convolutions and attention; the stated feed-forward width is two thirds of itself, rounded up."""
    width = config.integer("intermediate_size", "block_ff_dim")
    if config.flag("block_auto_adjust_ff_dim", default=True):
        multiple = config.integer("block_multiple_of", default=256)
        width = int(float(config.get("block_ffn_dim_multiplier", default=1.0)) * int(2 * width / 3))
        width = -(-width // multiple) * multiple
    adjusted = Config({**config.fields, "intermediate_size": width})
    return decoder(adjusted, layers_of(adjusted, _LFM2), ends_of(adjusted, _LFM2))


def kimi_linear(config: Config) -> Architecture:
    """Kimi Linear and Kimi K3: delta attention, latent attention in every fourth layer, experts."""
    specs = layers_of(config, _KIMI)
    gate = config.flag("mla_use_output_gate", default=False)
    norms = 1 if config.flag("latent_moe_use_norm", default=False) else 0

    def finished(spec: LayerSpec) -> LayerSpec:
        narrow = spec.mixture and spec.mixture.latent_size
        mixture = replace(spec.mixture, latent_norms=norms) if spec.mixture and narrow else spec.mixture
        return replace(spec, output_gate="elementwise" if spec.latent and gate else "none", mixture=mixture)

    return decoder(config, [finished(spec) for spec in specs], ends_of(config, _KIMI))


def granite_hybrid(config: Config) -> Architecture:
    """Granite 4: Mamba-2 or attention, then a shared feed-forward block with or without experts beside it."""
    shared = config.integer("shared_intermediate_size")
    form = Form(tied=True, state=reading.mamba_two)
    if reading.has_experts(config):
        return decoder(config, layers_of(config, form), ends_of(config, form))
    dense = Config({**config.fields, "intermediate_size": shared})
    return decoder(dense, layers_of(dense, form), ends_of(dense, form))


def falcon_h1(config: Config) -> Architecture:
    """Falcon-H1: attention and Mamba-2 side by side in every layer."""
    form = Form()
    state = reading.mamba_two(config, norm=config.flag("mamba_rms_norm", default=False))
    spec = replace(base(config, form), state=state)
    return decoder(config, [spec] * reading.layer_count(config), ends_of(config, form))


def nemotron_h(config: Config) -> Architecture:
    """Nemotron-H, Nano 2 and 3: every layer is one block — Mamba-2, attention, feed-forward or experts."""
    form = Form(gated=False, query_key_value_bias="attention_bias", output_bias="attention_bias")
    count = reading.layer_count(config)
    kinds = reading.layer_kinds(config, count)
    plain = replace(base(config, form), rotary=False)
    layer_of_letter: dict[str, LayerSpec] = {
        "full": replace(plain, feed_forward=False),
        "feed_forward": replace(plain, attention=False),
    }
    if "state" in kinds:
        layer_of_letter["state"] = replace(plain, attention=False, feed_forward=False, state=reading.mamba_two(config))
    if "experts" in kinds:
        mixture = reading.mixture_of(config, selection_bias=True, gated=False)
        layer_of_letter["experts"] = replace(plain, attention=False, mixture=mixture)
    missing = next((kind for kind in kinds if kind not in layer_of_letter), None)
    if missing:
        raise InvalidConfig(f"{config.name}: layers of kind {missing!r} are not known in {config.model_type}")
    return decoder(config, [layer_of_letter[kind] for kind in kinds], ends_of(config, form))


def nemotron_nas(config: Config) -> Architecture:
    """Llama-Nemotron: a Llama whose layers were pruned one by one, as `block_configs` lists."""
    hidden, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    plain = LayerSpec(hidden_size=hidden, heads=heads, kv_heads=heads, head_dim=hidden // heads,
                      intermediate_size=hidden)  # fmt: skip
    specs = []
    for block in config.get("block_configs", default=[]):
        attention, width = block["attention"], block["ffn"]
        spec = plain
        if attention.get("no_op"):
            spec = replace(spec, attention=False)
        elif attention.get("replace_with_linear"):
            spec = replace(spec, own_attention=(Linear(name="output", inputs=("attention_norm",), width_in=hidden,
                                                       width_out=hidden, split="row"),))  # fmt: skip
        else:
            window = attention.get("window_length")
            spec = replace(spec, kv_heads=heads // int(attention["n_heads_in_group"]),
                           window=int(window) if window else None)  # fmt: skip
        if width.get("no_op"):
            spec = replace(spec, feed_forward=False)
        else:
            wide = int(2 * float(width["ffn_mult"]) * hidden / 3)
            spec = replace(spec, intermediate_size=-(-wide // 256) * 256)
        if spec.attention or spec.feed_forward:
            specs.append(spec)
    if not specs:
        raise InvalidConfig(f"{config.name}: config.json of model_type 'nemotron-nas' lacks block_configs")
    return decoder(config, specs, ends_of(config, Form()))


def _per_layer_steps(hidden: int, width: int) -> tuple[Step, ...]:
    """What a layer does with its own embedding of the token (Gemma 3n, 4)."""
    return (
        Linear(name="per_layer_gate", inputs=("feed_forward_residual",), width_in=hidden, width_out=width),
        Linear(name="per_layer_projection", inputs=("per_layer_gate",), width_in=width, width_out=hidden),
        Normalisation(name="per_layer_norm", inputs=("per_layer_projection",), width=hidden, gains=hidden),
    )


def _per_layer_ends(config: Config, count: int, hidden: int, width: int) -> tuple[Step, ...]:
    """The table of every layer's embeddings and the projection that joins the token's own."""
    entries = config.integer("vocab_size_per_layer_input", default=262_144)
    return (
        Embedding(name="per_layer_embedding", inputs=("tokens",), entries=entries, width=count * width),
        Linear(name="per_layer_model_projection", inputs=("token_embedding",), width_in=hidden,
               width_out=count * width),
        Normalisation(name="per_layer_model_norm", inputs=("per_layer_model_projection",), width=count * width,
                      gains=width),
    )  # fmt: skip


def gemma3n(config: Config) -> Architecture:
    """Gemma 3n: per-layer embeddings, four residual streams (AltUp), a low-rank path beside, shared caches."""
    form = Form(placement="sandwich", query_key_norm="head", tied=True, every=5)
    hidden, count = config.integer("hidden_size"), reading.layer_count(config)
    streams = config.integer("altup_num_inputs", default=4)
    rank = config.integer("laurel_rank", default=64)
    width = config.integer("hidden_size_per_layer_input", default=256)
    low_rank_steps: tuple[Step, ...] = (
        Linear(name="low_rank_down", inputs=("attention_norm",), width_in=hidden, width_out=rank),
        Linear(name="low_rank_up", inputs=("low_rank_down",), width_in=rank, width_out=hidden),
        Normalisation(name="low_rank_norm", inputs=("low_rank_up",), width=hidden, gains=hidden),
        Normalisation(name="stream_norm", inputs=("feed_forward_residual",), width=hidden, gains=hidden),
        Linear(name="stream_router", inputs=("stream_norm",), width_in=hidden, width_out=streams),
        Linear(name="stream_prediction", inputs=("stream_router",), width_in=streams, width_out=streams * streams),
        Linear(name="stream_correction", inputs=("stream_router",), width_in=streams, width_out=streams),
        # Every stream is predicted from all and corrected by what the layer gave.
        Normalisation(name="stream_mix", inputs=("stream_prediction", "stream_correction"),
                      width=streams * hidden, gains=hidden),
    )  # fmt: skip
    more = tuple(
        Linear(name=f"stream_in_{index}", inputs=("token_embedding",), width_in=hidden, width_out=hidden)
        for index in range(1, streams)
    )
    back = tuple(
        Linear(name=f"stream_out_{index}", inputs=("layers",), width_in=hidden, width_out=hidden)
        for index in range(1, streams)
    )
    specs = [
        replace(spec, layer_steps=(*low_rank_steps, *_per_layer_steps(hidden, width)))
        for spec in _share_caches(config, layers_of(config, form))
    ]
    before = (*_per_layer_ends(config, count, hidden, width), *more)
    return decoder(config, specs, replace(ends_of(config, form), before_steps=before, after_steps=back))


def _share_caches(config: Config, specs: list[LayerSpec]) -> list[LayerSpec]:
    """The last `num_kv_shared_layers` read the cache of the last layer of their kind before them."""
    first = len(specs) - int(config.get("num_kv_shared_layers", default=0))
    return [replace(spec, owns_cache=False) if index >= first else spec for index, spec in enumerate(specs)]


def gemma4(config: Config) -> Architecture:
    """Gemma 4: wider heads in global layers, whose values may be the keys; experts beside a dense block."""
    form = Form(placement="sandwich", query_key_norm="head", tied=True, every=6)
    hidden, count = config.integer("hidden_size"), reading.layer_count(config)
    key_is_value = config.flag("attention_k_eq_v", default=False)
    stated = config.get("per_layer_config") is not None  # then each layer says it itself
    wide = config.integer("head_dim" if stated else "global_head_dim", default=512)
    kv_heads = config.integer("num_key_value_heads")
    few = config.integer("num_global_key_value_heads", default=kv_heads) if key_is_value else kv_heads
    routed = config.flag("enable_moe_block", default=False)
    per_layer = int(config.get("hidden_size_per_layer_input", default=0))
    shared_from = count - int(config.get("num_kv_shared_layers", default=0))
    doubled = config.flag("use_double_wide_mlp", default=False)
    dense = Config({**config.fields, "num_experts": None})

    def finished(index: int, spec: LayerSpec) -> LayerSpec:
        extra = _per_layer_steps(hidden, per_layer) if per_layer else ()
        spec = replace(spec, layer_steps=extra)
        if spec.window is None:
            spec = replace(spec, head_dim=wide, kv_heads=few, value_from_key=key_is_value)
        if doubled and index >= shared_from:
            spec = replace(spec, intermediate_size=2 * spec.intermediate_size)
        if not routed:
            return spec
        norms = _gemma4_norms(config, hidden)
        return replace(spec, mixture=mixture, has_dense_and_experts=True, layer_steps=(*norms, *extra))

    mixture = replace(reading.mixture_of(config), shared_intermediate_size=0) if routed else None
    layers = _share_caches(config, layers_of(dense, form))
    specs = [finished(index, spec) for index, spec in enumerate(layers)]
    ends = ends_of(config, form)
    if per_layer:
        ends = replace(ends, before_steps=_per_layer_ends(config, count, hidden, per_layer))
    return decoder(config, specs, ends)


def _gemma4_norms(config: Config, hidden: int) -> tuple[Step, ...]:
    """Norms before the experts and after either block, and the router's scales."""
    names = ("experts_input_norm", "experts_output_norm", "dense_output_norm")
    norms = [Normalisation(name=name, inputs=("feed_forward_norm",), width=hidden, gains=hidden) for name in names]
    scales = Normalisation(name="router_scale", inputs=("feed_forward_norm",), width=hidden,
                           gains=hidden + config.integer("num_experts"))  # fmt: skip
    return (*norms, scales)


def longcat(config: Config) -> Architecture:
    """LongCat-Flash: two latent attentions and dense blocks per layer, experts beside the first; some routes idle."""
    plain = with_defaults(config, Form(default=(("num_key_value_heads", config.get("num_attention_heads")),)))
    fields = {**plain.fields, "intermediate_size": config.integer("ffn_hidden_size", "intermediate_size")}
    stated = Config(fields)
    dense = base(stated, Form())
    mixture = reading.mixture_of(Config({**config.fields, "intermediate_size": None}), selection_bias=True)
    first = replace(dense, mixture=mixture, has_dense_and_experts=True)
    tables = _hashed_tables(config, dense.hidden_size) if config.model_type == "longcat_flash_ngram" else ()
    ends = Ends(tied=config.flag("tie_word_embeddings", default=False), before_steps=tables)
    return decoder(config, [first, dense] * config.integer("num_layers", "num_hidden_layers"), ends)


def _hashed_tables(config: Config, hidden: int) -> tuple[Step, ...]:
    """LongCat-Flash-Lite: several tables for the last two, three, … tokens, each with a matrix to the hidden width."""
    vocabulary, ratio = config.integer("vocab_size"), float(config.get("ngram_vocab_size_ratio", default=78))
    each, longest = config.integer("emb_split_num", default=4), config.integer("emb_neighbor_num", default=4)
    count = each * (longest - 1)
    width = hidden // count
    rows = count * int(ratio * vocabulary) + count**2  # each two rows longer than the one before, the first odd
    return (
        Embedding(name="ngram_embedding", inputs=("tokens",), entries=rows, width=width, rows_per_token=count,
                  scales_with_vocabulary=False),
        Linear(name="ngram_projection", inputs=("ngram_embedding",), width_in=count * width, width_out=hidden),
    )  # fmt: skip


_OF_DELTA = ("linear_num_heads", "linear_head_dim", "linear_attn_config", "kda_safe_gate", "kda_lower_bound")


def bailing_hybrid(config: Config) -> Architecture:
    """Ling 3.0 (delta attention); where nothing of it is stated Ling and Ring 2.5 and 2.6 (lightning attention)."""
    is_delta = config.get(*_OF_DELTA) is not None
    return declared(FORMS["bailing_hybrid" if is_delta else "bailing_moe_linear"])(config)


def mamba(config: Config) -> Architecture:
    """Mamba, Falcon-Mamba and Mamba-2 (Codestral Mamba): every layer is a state alone, without a feed-forward block."""
    hidden = config.integer("hidden_size")
    stated = Config({
        **config.fields, "mamba_n_heads": config.get("num_heads"), "mamba_d_head": config.get("head_dim"),
        "mamba_d_state": config.integer("state_size"), "mamba_d_conv": config.integer("conv_kernel", default=4),
        "mamba_expand": config.integer("expand", default=2), "mamba_dt_rank": config.get("time_step_rank"),
        "mamba_conv_bias": config.flag("use_conv_bias", default=True),
        "mamba_proj_bias": config.flag("use_bias", default=False),
    })  # fmt: skip
    two = config.model_type == "mamba2"
    mixer = None if two else reading.mamba_one(stated)
    inner = config.integer("intermediate_size", "d_inner", default=mixer.inner) if mixer else 0
    state = replace(mixer, inner=inner, inner_norms=False) if mixer else reading.mamba_two(stated)
    spec = LayerSpec(hidden_size=hidden, heads=1, kv_heads=1, head_dim=hidden, intermediate_size=hidden,
                     attention=False, feed_forward=False, state=state)  # fmt: skip
    ends = Ends(tied=config.flag("tie_word_embeddings", default=not two))
    return decoder(config, [spec] * reading.layer_count(config), ends)


def _image_rows(entries: int, hidden: int) -> Step:
    """Rows of the table for what stands in place of an image, beyond the vocabulary."""
    return Embedding(name="image_embedding", inputs=("tokens",), entries=entries, width=hidden,
                     scales_with_vocabulary=False)  # fmt: skip


def molmo2(config: Config) -> Architecture:
    """Molmo 2: Qwen 3 with rows for images beyond the vocabulary."""
    form = Form(query_key_norm="head")
    rows = _image_rows(config.integer("additional_vocab_size", default=128), config.integer("hidden_size"))
    return decoder(config, layers_of(config, form), replace(ends_of(config, form), before_steps=(rows,)))


def mllama(config: Config) -> Architecture:
    """Llama 3.2 Vision: a Llama with layers that read an image through attention across; text alone passes them by.

    Their matrices are counted and their time too, as for a text with an image; the image's keys and values are not.
    """
    form = Form()
    count = reading.layer_count(config)
    plain = base(config, form)
    hidden, width, shared = plain.hidden_size, plain.heads * plain.head_dim, plain.kv_heads * plain.head_dim
    source = "attention_norm"
    across: tuple[Step, ...] = (
        Linear(name="query", inputs=(source,), width_in=hidden, width_out=width, split="column", units=plain.heads),
        Linear(name="key", inputs=(source,), width_in=hidden, width_out=shared, split="column", units=plain.kv_heads),
        Linear(name="value", inputs=(source,), width_in=hidden, width_out=shared, split="column",
               units=plain.kv_heads),
        Normalisation(name="query_key_norm", inputs=("query", "key"), width=width + shared,
                      gains=2 * plain.head_dim + 2, split="column"),
        Linear(name="output", inputs=("query_key_norm",), width_in=width, width_out=hidden, split="row",
               units=plain.heads),
    )  # fmt: skip
    chosen = {int(index) for index in config.get("cross_attention_layers", default=(3, 8, 13, 18, 23, 28, 33, 38))}
    specs = [replace(plain, own_attention=across) if index in chosen else plain for index in range(count)]
    model = decoder(config, specs, replace(ends_of(config, form), before_steps=(_image_rows(8, hidden),)))
    note = f"{len(chosen)} layers attend to the image: the keys and values of an image (1,601 per tile) come beside"
    return replace(model, notes=(*model.notes, note))


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "lfm2": lfm2, "kimi_linear": kimi_linear, "granitemoehybrid": granite_hybrid, "falcon_h1": falcon_h1,
    "nemotron_h": nemotron_h, "nemotron-nas": nemotron_nas, "gemma3n_text": gemma3n, "gemma3n": gemma3n,
    "gemma4_text": gemma4, "gemma4": gemma4, "bailing_hybrid": bailing_hybrid,
    "longcat_flash": longcat, "longcat_flash_ngram": longcat,
    "mamba": mamba, "mamba2": mamba, "falcon_mamba": mamba, "mllama_text_model": mllama, "mllama": mllama,
    "molmo2_text": molmo2, "molmo2": molmo2,
}  # fmt: skip
