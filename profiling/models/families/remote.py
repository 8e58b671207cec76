"""Families whose code comes with their checkpoints and is not part of transformers: Molmo, Grok, OpenELM and more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from profiling.errors import InvalidConfig, UnsupportedModelType
from profiling.models.architecture import Architecture
from profiling.models.families.assembly import Config, decoder
from profiling.models.families.forms import Form, declared, ends_of, layers_of
from profiling.models.families.traits import FORMS
from profiling.models.steps import Embedding


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


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "molmo": molmo, "minicpmv": minicpmv, "minicpmo": minicpmv, "grok-2": grok2, "plamo3": plamo3,
    "openelm": openelm, "k2_horizon": k2_horizon,
}  # fmt: skip
