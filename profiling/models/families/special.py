"""Families that a form describes but for what their configs say in words of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from profiling.errors import UnsupportedModelType
from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config, decoder
from profiling.models.families.blocks import norm_gains
from profiling.models.families.forms import Form, base, declared, ends_of, layers_of, plain_numbers, with_defaults
from profiling.models.families.spec import Mixture, Norm, Placement
from profiling.models.families.traits import FORMS, PLAIN
from profiling.models.steps import AttentionCore, Embedding, Experts, Linear, Normalisation, Step


def _stating(config: Config, **fields: Any) -> Config:
    return Config({**config.fields, **fields})


def gpt_bigcode(config: Config) -> Architecture:
    """GPT-BigCode (StarCoder 1): GPT-2 with one key-value head."""
    is_multi_query = config.flag("multi_query", default=True)
    return declared(FORMS["gpt2"])(_stating(config, num_key_value_heads=1) if is_multi_query else config)


def gpt_neo(config: Config) -> Architecture:
    """GPT-Neo: every second layer local over 256 tokens."""
    kinds = config.get("attention_layers")
    if kinds is None:
        expanded = [kind for group, times in config.get("attention_types", default=[]) for kind in group * times]
        kinds = expanded or ["global", "local"] * reading.layer_count(config)
    form = replace(PLAIN, query_key_value_bias=False, rotary=False, positions=2048, tied=True, windows=True)
    window = config.integer("window_size", default=256)
    return declared(form)(_stating(config, layer_types=kinds, sliding_window=window))


def opt(config: Config) -> Architecture:
    """OPT: learned positions from row 2 on; the 350M model norms after each block and projects embeddings."""
    form = FORMS["opt"]
    specs = layers_of(config, form)
    hidden = specs[0].hidden_size
    projected = int(config.get("word_embed_proj_dim", default=hidden))
    ends = replace(
        ends_of(config, form),
        final_norm=specs[0].placement == "pre" and not config.flag("_remove_final_layer_norm", default=False),
        embedding_width=projected if projected != hidden else 0,
    )
    return decoder(config, specs, ends)


def falcon(config: Config) -> Architecture:
    """Falcon 1: 7B shares one key-value head, 40B and 180B groups of them, RW is plain with ALiBi.

    40B was first published as RefinedWeb, without the field that says so.
    """
    new = config.flag("new_decoder_architecture", default=config.model_type == "RefinedWeb")
    heads = config.integer("num_attention_heads", "n_head")
    kv_heads = 1 if config.flag("multi_query", default=True) else heads
    if new:
        kv_heads = config.integer("num_kv_heads", "n_head_kv", default=heads)
    placement: Placement = "pre"
    if new or config.flag("parallel_attn", default=True):
        norms = int(config.get("num_ln_in_parallel_attn", default=2 if new else 1))
        placement = "parallel_two_norms" if norms == 2 else "parallel"
    form = replace(PLAIN, placement=placement, rotary=not config.flag("alibi", default=False), tied=True,
                   query_key_value_bias="bias", output_bias="bias", feed_forward_bias="bias")  # fmt: skip
    return declared(form)(_stating(config, num_key_value_heads=kv_heads))


def mpt(config: Config) -> Architecture:
    """MPT: ALiBi, no biases anywhere."""
    width = int(config.get("expansion_ratio", default=4)) * config.integer("d_model", "hidden_size")
    kv_heads = dict(config.get("attn_config", default={})).get("kv_n_heads")
    form = Form(gated=False, norm="layer_without_bias", rotary=False, tied=True, windows=False)
    return declared(form)(_stating(config, intermediate_size=width, num_key_value_heads=kv_heads))


def qwen1(config: Config) -> Architecture:
    """Qwen (2023): a bias on query, key and value; the config states twice the feed-forward width."""
    form = replace(FORMS["qwen2"], windows=False)
    return declared(form)(_stating(config, intermediate_size=config.integer("intermediate_size") // 2))


def chatglm(config: Config) -> Architecture:
    """ChatGLM 2 and 3, GLM-4 in its first form: shared key-value groups, a bias on query, key and value.

    The first ChatGLM has GPT-2's layers, with positions turned in; it alone states `inner_hidden_size`.
    """
    if config.get("inner_hidden_size") is not None:
        names = (("intermediate_size", "inner_hidden_size"), ("max_position_embeddings", "max_sequence_length"))
        return declared(replace(PLAIN, tied=True, names=names))(config)
    groups = config.integer("multi_query_group_num", default=1)
    shared = config.flag("multi_query_attention", default=True)
    norm: Norm = "rms" if config.flag("rmsnorm", default=True) else "layer"
    form = Form(norm=norm, query_key_value_bias="!add_qkv_bias", output_bias=False, windows=False)
    return declared(form)(_stating(config, num_key_value_heads=groups if shared else None))


_PLAIN_DEEPSEEKS = frozenset({"deepseek", "deepseek_ocr2_text", "unlimited_ocr_text"})


def deepseek(config: Config) -> Architecture:
    """DeepSeek V2, V3, R1 and Kimi K2: latent attention, dense first layers, shared experts.

    Small models of the family attend plainly (DeepSeek-MoE, DeepSeek-VL2-Tiny, DeepSeek-OCR): `use_mla` is false.
    """
    corrected = config.get("topk_method") == "noaux_tc" or config.model_type in {"deepseek_v3", "kimi_k2"}
    latent = config.model_type not in _PLAIN_DEEPSEEKS and config.flag("use_mla", default=True)
    model = declared(Form(latent=latent, selection_bias=corrected))(config)
    if config.model_type != "unlimited_ocr_text":
        return model
    note = "of the tokens that it writes it keeps the last alone; all are counted, as those of the page are kept"
    return replace(model, notes=(*model.notes, note))


def llama4(config: Config) -> Architecture:
    """Llama 4 (text decoder): experts with a shared one, three of four layers attend within chunks."""
    width = config.integer("intermediate_size")
    mixture = Mixture(
        experts=config.integer("num_local_experts"),
        per_token=config.integer("num_experts_per_tok", default=1),
        intermediate_size=width,
        shared_intermediate_size=width,
    )
    normed = config.flag("use_qk_norm", default=True)
    form = Form(dense_width="intermediate_size_mlp", feed_forward_bias=False)
    plain = base(config, form)
    step = int(config.get("interleave_moe_layer_step", default=1))
    count = reading.layer_count(config)
    sparse = config.get("moe_layers", default=[i for i in range(count) if (i + 1) % step == 0])
    chunk = config.get("attention_chunk_size", default=8192)
    specs = []
    for index, kind in enumerate(reading.layer_kinds(config, count, every=4)):
        spec = replace(plain, mixture=mixture) if index in sparse else plain
        is_local = kind != "full"
        if is_local and chunk:
            spec = replace(spec, window=int(chunk), window_kind="chunked")
        # Layers without rotary embedding (global ones) have no norm on query and key.
        if is_local and normed:
            spec = replace(spec, query_key_norm="without_gains")
        specs.append(replace(spec, rotary=is_local))
    return decoder(config, specs, ends_of(config, form))


def dbrx(config: Config) -> Architecture:
    """DBRX: sixteen experts, four per token; norms without bias."""
    nested = {**dict(config.get("attn_config", default={})), **dict(config.get("ffn_config", default={}))}
    names = {"kv_n_heads": "num_key_value_heads", "ffn_hidden_size": "ffn_hidden_size",
             "moe_num_experts": "moe_num_experts", "moe_top_k": "moe_top_k"}  # fmt: skip
    stated = _stating(config, **{ours: nested[theirs] for theirs, ours in names.items() if nested.get(theirs)})
    wide = _stating(stated, intermediate_size=stated.integer("ffn_hidden_size", "intermediate_size"))
    return declared(Form(norm="layer_without_bias", windows=False))(wide)


def cohere2_moe(config: Config) -> Architecture:
    """Command A with experts: one norm for attention and feed-forward side by side, shared experts as wide."""
    norm: Norm = "rms" if config.get("rms_norm_eps") is not None else "layer_without_bias"
    form = Form(norm=norm, placement="parallel", tied=True, every=4, dense_width="prefix_dense_intermediate_size")
    return declared(form)(config)


def mimo_v2(config: Config) -> Architecture:
    """MiMo-V2: values narrower than keys; local layers have twice the key-value heads and sinks.

    Older configs state the kinds of layers as numbers (1: local) and the local layers' heads apart.
    """
    count = reading.layer_count(config)
    pattern = config.get("hybrid_layer_pattern")
    stated = config
    if isinstance(pattern, list) and not config.get("layer_types"):
        stated = _stating(config, layer_types=["local" if each else "global" for each in pattern[:count]])
    heads, kv_heads = config.integer("num_attention_heads"), config.integer("num_key_value_heads")
    local_heads = config.integer("swa_num_attention_heads", default=heads)
    local_kv_heads = config.integer("swa_num_key_value_heads", default=2 * kv_heads)
    local_dim, local_value_dim = (
        config.integer("swa_head_dim", "head_dim"),
        config.integer("swa_v_head_dim", "v_head_dim"),
    )
    local_sinks = local_heads if config.flag("add_swa_attention_sink_bias", default=True) else 0
    sinks = heads if config.flag("add_full_attention_sink_bias", default=False) else 0
    form = Form(query_key_value_bias="attention_bias", output_bias=False, selection_bias=True)
    specs = [
        replace(spec, heads=local_heads, kv_heads=local_kv_heads, head_dim=local_dim, value_dim=local_value_dim,
                extra_attention_parameters=local_sinks)
        if spec.window
        else replace(spec, value_dim=config.integer("v_head_dim"), extra_attention_parameters=sinks)
        for spec in layers_of(stated, form)
    ]  # fmt: skip
    return decoder(stated, specs, ends_of(config, form))


def doge(config: Config) -> Architecture:
    """Doge: Qwen 3's layers with a mask that values choose, and scaled residuals; some with experts of one number.

    Raises:
        UnsupportedModelType: It has experts (`is_moe`), which are rows of a table here and not known.
    """
    if config.flag("is_moe", default=False):
        raise UnsupportedModelType(f"{config.name}: experts that are rows of a table (is_moe) are not known here")
    form = Form(query_key_norm="head")
    specs = []
    for spec in layers_of(_stating(config, num_experts=0), form):  # stated where there are none, too
        mask: tuple[Step, ...] = (
            Linear(name="mask", inputs=("value",), width_in=spec.kv_heads * spec.head_dim, width_out=spec.kv_heads,
                   bias=config.flag("attention_bias", default=False)),
            plain_numbers("mask_scale", spec.kv_heads),
        )  # fmt: skip
        scales = plain_numbers("residual_scales", 2 * spec.hidden_size)
        specs.append(replace(spec, attention_steps=mask, layer_steps=(scales,)))
    return decoder(config, specs, ends_of(config, form))


def gpt_neox_japanese(config: Config) -> Architecture:
    """GPT-NeoX of ABEJA: no biases but one, behind the last attention; the feed-forward width is stated as a factor."""
    factor = config.integer("intermediate_multiple_size", default=4)
    form = replace(PLAIN, query_key_value_bias=False, output_bias=False, feed_forward_bias=False, tied=True,
                   widening=factor)  # fmt: skip
    specs = layers_of(config, form)
    bias = plain_numbers("output_bias", specs[0].hidden_size)
    return decoder(config, [*specs[:-1], replace(specs[-1], layer_steps=(bias,))], ends_of(config, form))


def diffllama(config: Config) -> Architecture:
    """Differential Transformer (arXiv 2410.05258) in Llama's layers: what one half of the heads sees less the other."""
    form = Form(windows=False)
    specs = layers_of(config, form)
    spec = specs[0]
    own: tuple[Step, ...] = (
        # Values of each half of the heads are weighed by the scores of all: attention runs twice over one cache.
        AttentionCore(name="attention_again", inputs=("rotary", "value"), heads=spec.heads, kv_heads=spec.kv_heads,
                      head_dim=spec.head_dim, value_head_dim=spec.head_dim, owns_cache=False),
        plain_numbers("difference", 4 * spec.head_dim),
    )  # fmt: skip
    return decoder(config, [replace(layer, attention_steps=own) for layer in specs], ends_of(config, form))


def modernbert_decoder(config: Config) -> Architecture:
    """ModernBERT's layers as a decoder (Ettin, arXiv 2507.11412): windows half as wide, a product before the head."""
    count, every = reading.layer_count(config), config.integer("global_attn_every_n_layers", default=3)
    kinds = ["sliding_attention" if index % every else "full_attention" for index in range(count)]
    stated = _stating(
        config, layer_types=config.get("layer_types", default=kinds),
        sliding_window=config.get("sliding_window", default=config.integer("local_attention", default=128) // 2),
    )  # fmt: skip
    norm: Norm = "layer" if config.flag("norm_bias", default=False) else "layer_without_bias"
    form = Form(norm=norm, tied=True, head_bias="!decoder_bias")
    specs, ends = layers_of(stated, form), ends_of(stated, form)
    hidden = specs[0].hidden_size
    # The norm of the embeddings is the first layer's too, which has none of its own; the head's is counted last.
    biased = config.flag("classifier_bias", default=False)
    dense = Linear(name="head_dense", inputs=("layers",), width_in=hidden, width_out=hidden, bias=biased, rows="last")
    return decoder(stated, specs, replace(ends, after_steps=(dense, _norm("head_norm", norm, hidden))))


def _norm(name: str, norm: Norm, width: int) -> Step:
    return Normalisation(name=name, inputs=("head_dense",), width=width, gains=norm_gains(norm, width), rows="last")


def jetmoe(config: Config) -> Architecture:
    """JetMoE (arXiv 2404.07413): queries and outputs of attention are routed to experts as feed-forward blocks are."""
    names = (("num_local_experts", "moe_num_experts"), ("num_experts_per_tok", "moe_top_k"),
             ("moe_intermediate_size", "ffn_hidden_size"))  # fmt: skip
    form = Form(tied=True, names=names, windows=False)
    stated = with_defaults(config, form)
    kv_heads, dim = stated.integer("num_key_value_heads"), stated.integer("kv_channels", "head_dim", default=128)
    chosen = stated.integer("num_experts_per_tok")
    stated = _stating(stated, num_attention_heads=kv_heads * chosen, head_dim=dim)
    specs = layers_of(stated, form)
    hidden, source = specs[0].hidden_size, "attention_norm"
    routed: tuple[Step, ...] = (
        *(
            Linear(name=name, inputs=(source,), width_in=hidden, width_out=kv_heads * dim, split="column",
                   units=kv_heads, writes_cache=True)
            for name in ("key", "value")
        ),
        Linear(name="attention_router", inputs=(source,), width_in=hidden,
               width_out=stated.integer("num_local_experts")),
        AttentionCore(name="attention", inputs=("attention_router", "key", "value"), heads=kv_heads * chosen,
                      kv_heads=kv_heads, head_dim=dim, value_head_dim=dim, extra_parameters=hidden),
        # Each expert's query and output matrix: as the two of a feed-forward block.
        Experts(name="attention_experts", inputs=("attention", "attention_router"), gated=False,
                count=stated.integer("num_local_experts"), per_token=chosen, hidden_size=hidden,
                intermediate_size=kv_heads * dim),
    )  # fmt: skip
    bias = plain_numbers("experts_bias", hidden)
    specs = [replace(spec, own_attention=routed, layer_steps=(bias,)) for spec in specs]
    return decoder(stated, specs, ends_of(stated, form))


def cpmant(config: Config) -> Architecture:
    """CPM-Ant: Llama's layers with a table of relative positions, and rows of prompts behind those of tokens."""
    form = Form(
        rotary=False, windows=False,
        names=(("intermediate_size", "dim_ff"), ("head_dim", "dim_head")),
    )  # fmt: skip
    stated = with_defaults(config, form)
    specs, ends = layers_of(stated, form), ends_of(stated, form)
    segments, hidden = stated.integer("segment_types", default=32), specs[0].hidden_size
    prompts = stated.integer("prompt_types", default=32) * stated.integer("prompt_length", default=32)
    buckets = segments**2 + stated.integer("position_bias_num_buckets", default=512)
    tables: tuple[Step, ...] = tuple(
        Embedding(name=name, inputs=("tokens",), entries=rows, width=width, scales_with_vocabulary=False)
        for name, rows, width in (
            ("prompt_embedding", prompts, hidden), ("segment_embedding", segments, hidden),
            ("relative_positions", buckets, specs[0].heads),
        )
    )  # fmt: skip
    # Its head has rows for tokens alone, so that no table is shared.
    return decoder(stated, specs, replace(ends, tied=False, before_steps=tables))


def xlnet(config: Config) -> Architecture:
    """XLNet (arXiv 1906.08237): relative positions by a product of their own; it reads in any order, and writes."""
    form = replace(
        PLAIN, placement="post", query_key_value_bias=False, output_bias=False, rotary=False, tied=True,
        head_bias=True,
        names=(("intermediate_size", "d_inner"), ("head_dim", "d_head"), ("num_hidden_layers", "n_layer")),
    )  # fmt: skip
    stated = with_defaults(config, form)
    specs, ends = layers_of(stated, form), ends_of(stated, form)
    spec = specs[0]
    width = spec.heads * spec.head_dim
    own: tuple[Step, ...] = (
        Linear(name="relative_key", inputs=("input",), width_in=spec.hidden_size, width_out=width, split="column",
               units=spec.heads),
        plain_numbers("biases_and_segments", 5 * width),
    )  # fmt: skip
    mask = plain_numbers("mask", spec.hidden_size)
    specs = [replace(layer, attention_steps=own) for layer in specs]
    model = decoder(stated, specs, replace(ends, before_steps=(mask,)))
    note = (
        "its own code keeps what enters layers and forms all keys and values anew; keys and values are counted as kept"
    )
    return replace(model, notes=(*model.notes, note))


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "gpt_bigcode": gpt_bigcode, "gpt_neo": gpt_neo, "opt": opt, "mpt": mpt, "qwen": qwen1,
    **dict.fromkeys(("falcon", "RefinedWeb", "RefinedWebModel"), falcon),
    "chatglm": chatglm, **dict.fromkeys(_PLAIN_DEEPSEEKS, deepseek),
    "deepseek_v2": deepseek, "deepseek_v3": deepseek, "kimi_k2": deepseek,
    "llama4": llama4, "llama4_text": llama4, "dbrx": dbrx, "cohere2_moe": cohere2_moe, "mimo_v2_flash": mimo_v2,
    "doge": doge, "gpt_neox_japanese": gpt_neox_japanese, "diffllama": diffllama, "jetmoe": jetmoe,
    "modernbert-decoder": modernbert_decoder, "cpmant": cpmant, "xlnet": xlnet,
}  # fmt: skip
