"""Families whose code comes with their checkpoints and is not part of transformers: Molmo, Arctic, Jais and more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from profiling.errors import InvalidConfig, UnsupportedModelType
from profiling.models.architecture import Architecture
from profiling.models.families.assembly import Config, decoder
from profiling.models.families.forms import Form, declared, ends_of, layers_of, plain_numbers, with_defaults
from profiling.models.families.traits import FORMS
from profiling.models.steps import AttentionCore, Convolution, Embedding, Linear, Normalisation, Pointwise, Step


def molmo(config: Config) -> Architecture:
    """Molmo (arXiv 2409.17146): Qwen 2 or OLMo; the stated feed-forward width is that of gate and up together."""
    stated = Config({**config.fields, "intermediate_size": config.integer("intermediate_size") // 2,
                     "vocab_size": config.integer("embedding_size", "vocab_size")})  # fmt: skip
    form = Form(
        placement="output" if config.flag("norm_after", default=False) else "pre",
        query_key_norm="width" if config.flag("attention_layer_norm", default=False) else "none",
        query_key_value_bias="qkv_bias", output_bias=False, feed_forward_bias=False, windows=False,
    )  # fmt: skip
    rows = Embedding(name="image_embedding", inputs=("tokens",), width=config.integer("hidden_size"),
                     entries=config.integer("additional_vocab_size", default=128),
                     scales_with_vocabulary=False)  # fmt: skip
    ends = replace(ends_of(stated, form), before_steps=(rows,), tied=config.flag("weight_tying", default=False))
    return decoder(stated, layers_of(stated, form), ends)


_MINICPMV = {"2.0": "minicpm", "2": "minicpm", "2.5": "llama", "2.6": "qwen2", "4.0": "llama", "4": "llama",
             "4.5": "qwen3"}  # fmt: skip
"""Whose decoder each version of MiniCPM-V and MiniCPM-o has; those without a version are 2.5."""


def minicpmv(config: Config) -> Architecture:
    """MiniCPM-V and MiniCPM-o (arXiv 2408.01800): by their version the decoder of MiniCPM, Llama, Qwen 2 or Qwen 3."""
    version = str(config.get("version", default="2.5"))
    if version not in _MINICPMV:
        raise UnsupportedModelType(f"{config.name}: version {version[:20]} of {config.model_type} is not known here")
    return declared(FORMS[_MINICPMV[version]])(config)


def grok2(config: Config) -> Architecture:
    """Grok 2: Grok 1 with narrower experts beside a dense block."""
    form = FORMS["grok-1"]
    beside = config.flag("residual_moe", default=False)
    specs = [replace(spec, has_dense_and_experts=beside) for spec in layers_of(config, form)]
    ends = ends_of(config, form)
    return decoder(config, specs, replace(ends, tied=config.flag("tie_word_embeddings", default=False)))


def plamo3(config: Config) -> Architecture:
    """PLaMo 3: Gemma 3's layers; every eighth looks back over everything."""
    form = Form(placement="sandwich", query_key_norm="head", tied=True, every=8)
    window = config.get("window_size", "sliding_window")
    return declared(form)(Config({**config.fields, "sliding_window": window}))


def openelm(config: Config) -> Architecture:
    """OpenELM (arXiv 2404.14619): Llama's layers with norms on query and key; heads and widths grow with depth.

    Raises:
        InvalidConfig: Heads or multipliers are not stated for every layer.
    """
    hidden, count = config.integer("model_dim"), config.integer("num_transformer_layers")
    heads, kv_heads, multipliers = (
        _of_each(config, name, count) for name in ("num_query_heads", "num_kv_heads", "ffn_multipliers")
    )
    divisor = config.integer("ffn_dim_divisor", default=256)
    stated = Config({
        **config.fields, "hidden_size": hidden, "num_hidden_layers": count,
        "num_attention_heads": [int(each) for each in heads], "num_key_value_heads": [int(each) for each in kv_heads],
        "intermediate_size": [_divisible(each * hidden, divisor) for each in multipliers],
        "max_position_embeddings": config.get("max_context_length", "max_position_embeddings"),
    })  # fmt: skip
    normed = config.flag("normalize_qk_projections", default=True)
    form = Form(gated=config.flag("ffn_with_glu", default=True), query_key_norm="head" if normed else "none",
                tied=config.flag("share_input_output_layers", default=True), windows=False)  # fmt: skip
    return declared(form)(stated)


def _of_each(config: Config, name: str, count: int) -> list[Any]:
    values = config.get(name)
    if not isinstance(values, list) or len(values) != count:
        raise InvalidConfig(f"{config.name}: {name} must hold a number for each of {count} layers")
    return values


def _divisible(width: float, divisor: int) -> int:
    """The multiple of the divisor nearest to a width, and no more than a tenth narrower."""
    near = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return near + divisor if near < 0.9 * width else near


def k2_horizon(config: Config) -> Architecture:
    """K2 Horizon: Llama's layers, whose norms run over groups; larger ones have experts and a gate behind attention.

    Raises:
        UnsupportedModelType: Values are routed (MoVA), which is not known here.
    """
    if config.get("mova_num_experts", "num_values", default=0):
        raise UnsupportedModelType(f"{config.name}: routed values (mova_num_experts) are not known here")
    form = Form(
        query_key_norm="head" if config.flag("query_key_norm", default=False) else "none", output_gate="elementwise",
        gate_switch="attention_gate_func", selection_bias=config.flag("moe_gate_bias", default=False), windows=False,
    )  # fmt: skip
    return declared(form)(config)


def jais(config: Config) -> Architecture:
    """Jais (arXiv 2308.16149) and BTLM (arXiv 2309.11568): GPT-2 with ALiBi and a gate in the feed-forward block."""
    form = replace(FORMS["gpt2"], gated=config.get("activation_function") == "swiglu")
    if config.get("position_embedding_type") == "alibi":
        form = replace(form, positions=0)
    return declared(form)(config)


def arctic(config: Config) -> Architecture:
    """Snowflake Arctic: experts beside a dense block as wide as the hidden size, which has a norm of its own."""
    hidden, step = config.integer("hidden_size"), config.integer("moe_layer_frequency", default=2)
    form = Form(windows=False, names=(("decoder_sparse_step", "moe_layer_frequency"),))
    stated = Config({**config.fields, "decoder_sparse_step": step})
    norm = Normalisation(name="dense_norm", inputs=("attention_residual",), width=hidden, gains=hidden)
    beside = config.flag("use_residual", "parallel_attn_mlp_res", default=False)
    specs = [
        replace(spec, has_dense_and_experts=True, intermediate_size=hidden, layer_steps=(norm,))
        if spec.mixture and beside else spec
        for spec in layers_of(stated, form)
    ]  # fmt: skip
    return decoder(stated, specs, ends_of(stated, form))


def telechat(config: Config) -> Architecture:
    """TeleChat and TeleChat 2: Llama's layers with biases where attention and the feed-forward block end."""
    form = Form(query_key_value_bias=False, output_bias=True, feed_forward_bias=False, tied=True, windows=False)
    specs = [replace(spec, layer_steps=(plain_numbers("down_bias", spec.hidden_size),))
             for spec in layers_of(config, form)]  # fmt: skip
    normed = config.flag("embed_layernorm", default=False)
    return decoder(config, specs, replace(ends_of(config, form), embedding_norm=normed))


def klear(config: Config) -> Architecture:
    """Klear: Qwen 3 with experts, whose sum a matrix of two columns weighs against a shared one."""
    form = Form(query_key_norm="head", selection_bias=True)
    weights = Linear(name="router_of_sum", inputs=("feed_forward_norm",), width_in=config.integer("hidden_size"),
                     width_out=2, bias=True)  # fmt: skip
    specs = [replace(spec, layer_steps=(weights,)) if spec.mixture else spec for spec in layers_of(config, form)]
    return decoder(config, specs, ends_of(config, form))


def plamo(config: Config) -> Architecture:
    """PLaMo 13B: one norm before attention and feed-forward block side by side; so many queries share a key."""
    queries = config.integer("n_shared_head", default=8)
    kv_heads = -(-config.integer("num_attention_heads") // queries)
    form = Form(placement="parallel", windows=False)
    return declared(form)(Config({**config.fields, "num_key_value_heads": kv_heads}))


def baichuan_m1(config: Config) -> Architecture:
    """Baichuan M1 (arXiv 2502.12671): keys and values mixed with those of the token before; heads differ by kind."""
    count, kernel = config.integer("num_hidden_layers"), config.integer("conv_window", default=2)
    local = set(config.get("sliding_window_layers", default=()))
    kinds = ["sliding_attention" if index in local else "full_attention" for index in range(count)]
    names = (("swa_num_attention_heads", "num_swa_attention_heads"),
             ("swa_num_key_value_heads", "num_swa_key_value_heads"))  # fmt: skip
    hidden, form = config.integer("hidden_size"), Form(names=names)
    stated = with_defaults(Config({**config.fields, "layer_types": kinds}), form)
    own = config.integer("num_swa_attention_heads", default=config.integer("num_attention_heads"))
    stated = Config({**stated.fields, "swa_head_dim": hidden // own})
    specs = []
    for spec in layers_of(stated, form):
        keys = spec.kv_heads * spec.head_dim
        mixes: tuple[Step, ...] = tuple(
            Convolution(name=f"{side}_convolution", inputs=(side,), channels=keys, kernel=kernel,
                        channels_per_kernel=spec.head_dim)
            for side in ("key", "value")
        )  # fmt: skip
        specs.append(replace(spec, attention_steps=mixes))
    return decoder(stated, specs, ends_of(stated, form))


def step3(config: Config) -> Architecture:
    """Step 3 (arXiv 2507.19427): queries through a narrower width, one wide key and value for all heads."""
    form = Form(windows=False)
    specs, source = layers_of(config, form), "attention_norm"
    spec, rank = specs[0], config.integer("share_q_dim")
    hidden, dim, width = spec.hidden_size, spec.head_dim, spec.heads * spec.head_dim
    own: tuple[Step, ...] = (
        Linear(name="query_down", inputs=(source,), width_in=hidden, width_out=rank),
        Normalisation(name="query_norm", inputs=("query_down",), width=rank, gains=rank),
        Linear(name="query", inputs=("query_norm",), width_in=rank, width_out=width, split="column", units=spec.heads),
        *(
            Linear(name=name, inputs=(source,), width_in=hidden, width_out=spec.kv_heads * dim, units=spec.kv_heads,
                   split="column", writes_cache=True)
            for name in ("key", "value")
        ),
        Pointwise(name="rotary", inputs=("query", "key"), width=width + dim, operations=3, split="column"),
        AttentionCore(name="attention", inputs=("rotary", "value"), heads=spec.heads, kv_heads=spec.kv_heads,
                      head_dim=dim, value_head_dim=dim),
        Linear(name="output", inputs=("attention",), width_in=width, width_out=hidden, split="row", units=spec.heads),
    )  # fmt: skip
    return decoder(config, [replace(each, own_attention=own) for each in specs], ends_of(config, form))


def smallthinker(config: Config) -> Architecture:
    """SmallThinker (arXiv 2507.20984): a router before attention; its lists of layers mark with 1 what has a window."""
    form = Form(names=(
        ("num_experts", "moe_num_primary_experts"), ("num_experts_per_tok", "moe_num_active_primary_experts"),
        ("moe_intermediate_size", "moe_ffn_hidden_size"), ("moe_layer_freq", "moe_layer_layout"),
    ))  # fmt: skip
    local = config.get("sliding_window_layout", default=[0] * config.integer("num_hidden_layers"))
    kinds = ["sliding_attention" if each else "full_attention" for each in local]
    return declared(form)(Config({"layer_types": kinds, **config.fields}))


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "jais": jais, "btlm": jais, "arctic": arctic, "telechat": telechat, "Klear": klear, "plamo": plamo,
    "baichuan_m1": baichuan_m1, "step3_text": step3, "step3_vl": step3, "smallthinker": smallthinker,
    "molmo": molmo, "minicpmv": minicpmv, "minicpmo": minicpmv, "grok-2": grok2, "plamo3": plamo3,
    "openelm": openelm, "k2_horizon": k2_horizon,
}  # fmt: skip
