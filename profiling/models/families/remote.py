"""Families whose code comes with their checkpoints and is not part of transformers: Molmo, MiniCPM-V, Grok, PLaMo 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from profiling.errors import UnsupportedModelType
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


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "molmo": molmo, "minicpmv": minicpmv, "minicpmo": minicpmv, "grok-2": grok2, "plamo3": plamo3,
}  # fmt: skip
