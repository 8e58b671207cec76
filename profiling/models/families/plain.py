"""Decoders with a two-matrix feed-forward block: GPT-2 to GPT-NeoX, OPT, BLOOM, Falcon, MPT, Phi."""

from __future__ import annotations

from dataclasses import replace

from profiling.models.architecture import Architecture
from profiling.models.families import gated
from profiling.models.families.assembly import Config, Ends, decoder
from profiling.models.families.spec import LayerSpec, Placement


def _base(config: Config) -> LayerSpec:
    hidden = config.integer("hidden_size", "n_embd", "n_embed", "d_model")
    heads = config.integer("num_attention_heads", "n_head", "num_heads", "n_heads")
    width = config.integer("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", default=4 * hidden)
    return LayerSpec(
        hidden_size=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        intermediate_size=width,
        gated=False,
        norm="layer",
    )


def _all_biases(spec: LayerSpec, *, bias: bool = True) -> LayerSpec:
    return replace(spec, query_key_value_bias=bias, output_bias=bias, feed_forward_bias=bias)


def _count(config: Config) -> int:
    return config.integer("num_hidden_layers", "n_layer", "num_layers", "n_layers")


def gpt2(config: Config) -> Architecture:
    """GPT-2, and GPT-BigCode (StarCoder 1) with one key-value head."""
    spec = replace(_all_biases(_base(config)), rotary=False)
    if config.model_type == "gpt_bigcode" and config.flag("multi_query", default=True):
        spec = replace(spec, kv_heads=1)
    positions = config.integer("n_positions", "max_position_embeddings", default=1024)
    tied = config.flag("tie_word_embeddings", default=True)
    return decoder(config, [spec] * _count(config), Ends(norm="layer", tied=tied, positions=positions))


def gptj(config: Config) -> Architecture:
    """GPT-J: attention and feed-forward side by side behind one norm; a bias in the head."""
    spec = replace(_base(config), placement="parallel", feed_forward_bias=True)
    tied = config.flag("tie_word_embeddings", default=False)
    return decoder(config, [spec] * _count(config), Ends(norm="layer", tied=tied, head_bias=True))


def gpt_neo(config: Config) -> Architecture:
    """GPT-Neo: every second layer local over 256 tokens."""
    spec = replace(_base(config), output_bias=True, feed_forward_bias=True, rotary=False)
    count = _count(config)
    kinds = config.get("attention_layers")
    if kinds is None:
        expanded = [kind for group, times in config.get("attention_types", default=[]) for kind in group * times]
        kinds = expanded or ["global", "local"] * count
    local = replace(spec, window=config.integer("window_size", default=256))
    specs = [local if kind == "local" else spec for kind in kinds[:count]]
    positions = config.integer("max_position_embeddings", default=2048)
    tied = config.flag("tie_word_embeddings", default=True)
    return decoder(config, specs, Ends(norm="layer", tied=tied, positions=positions))


def gpt_neox(config: Config) -> Architecture:
    """GPT-NeoX, Pythia, StableLM-alpha."""
    placement: Placement = (
        "parallel_two_norms" if config.flag("use_parallel_residual", default=True) else "pre"
    )  # fmt: skip
    bias = config.flag("attention_bias", default=True)
    spec = replace(_all_biases(_base(config)), query_key_value_bias=bias, output_bias=bias, placement=placement)
    tied = config.flag("tie_word_embeddings", default=False)
    return decoder(config, [spec] * _count(config), Ends(norm="layer", tied=tied))


def opt(config: Config) -> Architecture:
    """OPT: learned positions from row 2 on; the 350M model norms after each block and projects embeddings."""
    before = config.flag("do_layer_norm_before", default=True)
    bias = config.flag("enable_bias", default=True)
    spec = replace(_all_biases(_base(config), bias=bias), rotary=False, placement="pre" if before else "post")
    projected = int(config.get("word_embed_proj_dim", default=spec.hidden_size))
    ends = Ends(
        norm="layer",
        final_norm=before and not config.flag("_remove_final_layer_norm", default=False),
        tied=config.flag("tie_word_embeddings", default=True),
        positions=config.integer("max_position_embeddings", default=2048) + 2,
        embedding_width=projected if projected != spec.hidden_size else 0,
    )
    return decoder(config, [spec] * _count(config), ends)


def bloom(config: Config) -> Architecture:
    """BLOOM: ALiBi, a norm behind the embedding."""
    spec = replace(_all_biases(_base(config)), rotary=False)
    tied = config.flag("tie_word_embeddings", default=True)
    return decoder(config, [spec] * _count(config), Ends(norm="layer", tied=tied, embedding_norm=True))


def falcon(config: Config) -> Architecture:
    """Falcon 1: 7B shares one key-value head, 40B and 180B groups of them, RW is plain with ALiBi."""
    spec = _all_biases(_base(config), bias=config.flag("bias", default=False))
    new = config.flag("new_decoder_architecture", default=False)
    kv_heads = spec.heads
    if new:
        kv_heads = config.integer("num_kv_heads", "n_head_kv", default=spec.heads)
    elif config.flag("multi_query", default=True):
        kv_heads = 1
    placement: Placement = "pre"
    if new or config.flag("parallel_attn", default=True):
        norms = int(config.get("num_ln_in_parallel_attn", default=2 if new else 1))
        placement = "parallel_two_norms" if norms == 2 else "parallel"
    rotary = not config.flag("alibi", default=False)
    spec = replace(spec, kv_heads=kv_heads, placement=placement, rotary=rotary)
    tied = config.flag("tie_word_embeddings", default=True)
    return decoder(config, [spec] * _count(config), Ends(norm="layer", tied=tied))


def mpt(config: Config) -> Architecture:
    """MPT: ALiBi, no biases anywhere."""
    base = _base(config)
    width = int(config.get("expansion_ratio", default=4)) * base.hidden_size
    kv_heads = int(dict(config.get("attn_config", default={})).get("kv_n_heads") or base.heads)
    spec = replace(
        base, norm="layer_without_bias", intermediate_size=width, kv_heads=kv_heads, rotary=False
    )  # fmt: skip
    tied = config.flag("tie_word_embeddings", default=True)
    return decoder(config, [spec] * _count(config), Ends(norm="layer_without_bias", tied=tied))


def phi(config: Config) -> Architecture:
    """Phi-1, 1.5 and 2: attention and feed-forward side by side, a bias in the head."""
    base = _base(config)
    kv_heads = config.integer("num_key_value_heads", default=base.heads)
    spec = replace(_all_biases(base), placement="parallel", kv_heads=kv_heads)
    tied = config.flag("tie_word_embeddings", default=False)
    return decoder(config, [spec] * _count(config), Ends(norm="layer", tied=tied, head_bias=True))


def phi3small(config: Config) -> Architecture:
    """Phi-3-small: biases everywhere, gated; its block-sparse layers are counted as dense attention."""
    spec = replace(_all_biases(gated.base(config)), norm="layer")
    tied = config.flag("tie_word_embeddings", default=True)
    return decoder(config, [spec] * _count(config), Ends(norm="layer", tied=tied))


def starcoder2(config: Config) -> Architecture:
    """StarCoder 2: grouped queries, biases, a window in every layer."""
    bias = config.flag("use_bias", default=True)
    specs = [replace(_all_biases(spec, bias=bias), gated=False, norm="layer") for spec in gated.window_layers(config)]
    return decoder(config, specs, Ends(norm="layer", tied=config.flag("tie_word_embeddings", default=True)))


def nemotron(config: Config) -> Architecture:
    """Nemotron-4: squared ReLU without a gate."""
    bias = config.flag("attention_bias", default=False)
    spec = replace(
        gated.base(config),
        gated=False,
        norm="layer",
        query_key_value_bias=bias,
        output_bias=bias,
        feed_forward_bias=config.flag("mlp_bias", default=False),
    )
    ends = Ends(norm="layer", tied=config.flag("tie_word_embeddings", default=False))
    return decoder(config, [spec] * _count(config), ends)


FAMILIES = {
    "gpt2": gpt2, "gpt_bigcode": gpt2, "gptj": gptj, "gpt_neo": gpt_neo, "gpt_neox": gpt_neox, "opt": opt,
    "bloom": bloom, "falcon": falcon, "mpt": mpt, "phi": phi, "phi3small": phi3small,
    "starcoder2": starcoder2, "nemotron": nemotron,
}  # fmt: skip
