"""Decoders with gated feed-forward blocks: Llama and what came after it."""

from __future__ import annotations

from dataclasses import replace

from profiling.models.architecture import Architecture
from profiling.models.families.assembly import Config, Ends, decoder
from profiling.models.families.spec import LayerSpec, QueryKeyNorm


def base(config: Config) -> LayerSpec:
    """Widths and heads under their usual names; no biases, RMS norm before each block."""
    hidden = config.integer("hidden_size")
    heads = config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", "num_kv_heads", default=heads)
    return LayerSpec(
        hidden_size=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=config.integer("head_dim", "kv_channels", default=hidden // heads),
        intermediate_size=config.integer("intermediate_size", "ffn_hidden_size"),
    )


def layer_count(config: Config) -> int:
    """Number of layers."""
    return config.integer("num_hidden_layers", "num_layers", "n_layer")


def ends(config: Config, *, tied: bool = False) -> Ends:
    """RMS norm and head; `tied` where the config does not say."""
    return Ends(tied=config.flag("tie_word_embeddings", default=tied))


def _windowed(config: Config, spec: LayerSpec, every: int | None) -> list[LayerSpec]:
    window = config.get("sliding_window")
    count = layer_count(config)
    if window is None:
        return [spec] * count
    local = replace(spec, window=int(window))
    return [local if is_local else spec for is_local in config.window_pattern(count, every)]


def window_layers(config: Config) -> list[LayerSpec]:
    """Layers that all look back over `sliding_window`, if there is one."""
    return _windowed(config, base(config), every=None)


def llama(config: Config) -> Architecture:
    """Llama 1–3, Yi, DeepSeek LLM, Vicuna, SmolLM2, Falcon 3, MiniCPM 1–2, InternLM 2, Baichuan, Granite."""
    bias = config.flag("attention_bias", default=False)
    spec = replace(
        base(config),
        query_key_value_bias=bias,
        output_bias=bias,
        feed_forward_bias=config.flag("mlp_bias", default=False),
    )
    return decoder(config, [spec] * layer_count(config), ends(config))


def internlm(config: Config) -> Architecture:
    """InternLM 1: Llama with a bias on all four attention matrices."""
    bias = config.flag("bias", default=True)
    spec = replace(base(config), query_key_value_bias=bias, output_bias=bias)
    return decoder(config, [spec] * layer_count(config), ends(config))


def internlm3(config: Config) -> Architecture:
    """InternLM 3: separate flags for the biases."""
    bias = config.flag("qkv_bias", default=False)
    mlp_bias = config.flag("bias", default=False)
    spec = replace(base(config), query_key_value_bias=bias, output_bias=mlp_bias, feed_forward_bias=mlp_bias)
    return decoder(config, [spec] * layer_count(config), ends(config))


def mistral(config: Config) -> Architecture:
    """Mistral, and Phi-3 to 4 with fused matrices of the same counts: Llama whose layers may all have a window."""
    return decoder(config, window_layers(config), ends(config))


def qwen1(config: Config) -> Architecture:
    """Qwen (2023): a bias on query, key and value; the config states twice the feed-forward width."""
    stated = base(config)
    spec = replace(stated, query_key_value_bias=True, intermediate_size=stated.intermediate_size // 2)
    return decoder(config, [spec] * layer_count(config), ends(config))


def qwen2_specs(config: Config) -> list[LayerSpec]:
    """Layers of Qwen 1.5, 2 and 2.5: a bias on query, key and value; a window only when switched on."""
    spec = replace(base(config), query_key_value_bias=True)
    return qwen_windows(config, spec)


def qwen_windows(config: Config, spec: LayerSpec) -> list[LayerSpec]:
    """Layers from `max_window_layers` on use the window, if `use_sliding_window`."""
    count = layer_count(config)
    window = config.get("sliding_window")
    if not config.flag("use_sliding_window", default=False) or window is None:
        return [spec] * count
    first = int(config.get("max_window_layers", default=28))
    return [replace(spec, window=int(window)) if index >= first else spec for index in range(count)]


def qwen2(config: Config) -> Architecture:
    """Qwen 1.5, 2, 2.5."""
    return decoder(config, qwen2_specs(config), ends(config))


def qwen3_specs(config: Config) -> list[LayerSpec]:
    """Layers of Qwen 3: an RMS norm per query and key head, no bias."""
    bias = config.flag("attention_bias", default=False)
    spec = replace(
        base(config), query_key_norm="head", query_key_value_bias=bias, output_bias=bias
    )  # fmt: skip
    return qwen_windows(config, spec)


def qwen3(config: Config) -> Architecture:
    """Qwen 3, dense."""
    return decoder(config, qwen3_specs(config), ends(config))


def gemma(config: Config) -> Architecture:
    """Gemma 1, MiniCPM 1 and 2: Llama with a tied head."""
    return decoder(config, [base(config)] * layer_count(config), ends(config, tied=True))


def gemma2(config: Config) -> Architecture:
    """Gemma 2: four norms per layer, every second layer local."""
    spec = replace(base(config), placement="sandwich")
    return decoder(config, _windowed(config, spec, every=2), ends(config, tied=True))


def gemma3(config: Config) -> Architecture:
    """Gemma 3 (text decoder): four norms, norms on query and key, five of six layers local."""
    spec = replace(base(config), placement="sandwich", query_key_norm="head")
    every = int(config.get("sliding_window_pattern", "_sliding_window_pattern", default=6))
    return decoder(config, _windowed(config, spec, every=every), ends(config, tied=True))


def olmo(config: Config) -> Architecture:
    """OLMo 1: layer norms without learned numbers."""
    bias = config.flag("attention_bias", default=False)
    spec = replace(base(config), norm="without_gains", query_key_value_bias=bias, output_bias=bias)
    ends = Ends(norm="without_gains", tied=config.flag("tie_word_embeddings", default=False))
    return decoder(config, [spec] * layer_count(config), ends)


def olmo2(config: Config) -> Architecture:
    """OLMo 2: norms after attention and feed-forward, norms over the whole query and key."""
    spec = replace(base(config), placement="output", query_key_norm="width")
    return decoder(config, [spec] * layer_count(config), ends(config))


def olmo3(config: Config) -> Architecture:
    """OLMo 3: OLMo 2 with three of four layers local."""
    spec = replace(base(config), placement="output", query_key_norm="width")
    return decoder(config, _windowed(config, spec, every=4), ends(config))


def cohere(config: Config) -> Architecture:
    """Command R, Aya: one norm without bias for attention and feed-forward side by side; tied head."""
    norm: QueryKeyNorm = "width" if config.flag("use_qk_norm", default=False) else "none"
    bias = config.flag("attention_bias", default=False)
    spec = replace(
        base(config),
        norm="layer_without_bias",
        placement="parallel",
        query_key_norm=norm,
        query_key_value_bias=bias,
        output_bias=bias,
    )
    ends = Ends(norm="layer_without_bias", tied=config.flag("tie_word_embeddings", default=True))
    every = int(config.get("sliding_window_pattern", "_sliding_window_pattern", default=4))
    specs = (
        _windowed(config, spec, every)
        if config.model_type == "cohere2"
        else [spec] * layer_count(config)
    )  # fmt: skip
    return decoder(config, specs, ends)


def chatglm(config: Config) -> Architecture:
    """ChatGLM 2 and 3, GLM-4 in its first form: shared key-value groups, a bias on query, key and value."""
    groups = config.integer("multi_query_group_num", default=1)
    plain = base(config)
    spec = replace(
        plain,
        kv_heads=groups if config.flag("multi_query_attention", default=True) else plain.heads,
        query_key_value_bias=config.flag("add_qkv_bias", default=True),
        norm="rms" if config.flag("rmsnorm", default=True) else "layer",
    )
    return decoder(config, [spec] * layer_count(config), ends(config))


def glm(config: Config) -> Architecture:
    """GLM-4 as transformers has it; `glm4` (0414) has four norms."""
    spec = replace(
        base(config),
        query_key_value_bias=config.flag("attention_bias", default=config.model_type == "glm"),
        placement="sandwich" if config.model_type == "glm4" else "pre",
    )
    return decoder(config, [spec] * layer_count(config), ends(config))


def stablelm(config: Config) -> Architecture:
    """StableLM 3B and 2: layer norms with bias, gated feed-forward, optional biases and head norms."""
    parallel = config.flag("use_parallel_residual", default=False)
    spec = replace(
        base(config),
        norm="layer",
        placement="parallel" if parallel else "pre",
        query_key_value_bias=config.flag("use_qkv_bias", default=False),
        query_key_norm="head_layer_norm" if config.flag("qk_layernorm", default=False) else "none",
    )
    return decoder(config, [spec] * layer_count(config), replace(ends(config), norm="layer"))


FAMILIES = {
    "llama": llama, "yi": llama, "baichuan": llama, "internlm2": llama, "granite": llama, "minicpm": gemma,
    "internlm": internlm, "internlm3": internlm3, "mistral": mistral, "qwen": qwen1, "qwen2": qwen2,
    "qwen3": qwen3, "gemma": gemma, "gemma2": gemma2, "gemma3": gemma3, "gemma3_text": gemma3, "phi3": mistral,
    "olmo": olmo, "olmo2": olmo2, "olmo3": olmo3, "cohere": cohere, "cohere2": cohere,
    "chatglm": chatglm, "glm": glm, "glm4": glm, "stablelm": stablelm,
}  # fmt: skip
