"""Decoders with routed experts or latent attention: Mixtral, Qwen MoE, DeepSeek, Kimi, gpt-oss, Llama 4."""

from __future__ import annotations

from dataclasses import replace

from profiling.models.architecture import Architecture
from profiling.models.families import gated, reading
from profiling.models.families.assembly import Config, Ends, decoder
from profiling.models.families.forms import Form, declared, layers_of
from profiling.models.families.spec import LatentAttention, LayerSpec, Mixture, Norm


def _simple(config: Config, *, default_experts: int, default_chosen: int) -> Mixture:
    return Mixture(
        experts=config.integer("num_local_experts", "num_experts", "n_routed_experts", default=default_experts),
        per_token=config.integer("num_experts_per_tok", "experts_per_token", default=default_chosen),
        intermediate_size=config.integer("moe_intermediate_size", "intermediate_size"),
    )


def mixtral(config: Config) -> Architecture:
    """Mixtral: eight experts, two per token, in every layer."""
    mixture = _simple(config, default_experts=8, default_chosen=2)
    specs = [replace(spec, mixture=mixture) for spec in gated.window_layers(config)]
    return decoder(config, specs, gated.ends(config))


def phimoe(config: Config) -> Architecture:
    """Phi-3.5-MoE: layer norms with bias, biases in attention and head."""
    bias = config.flag("attention_bias", default=True)
    mixture = _simple(config, default_experts=16, default_chosen=2)
    specs = [
        replace(spec, norm="layer", query_key_value_bias=bias, output_bias=bias, mixture=mixture)
        for spec in gated.window_layers(config)
    ]
    ends = Ends(
        norm="layer",
        tied=config.flag("tie_word_embeddings", default=False),
        head_bias=config.flag("lm_head_bias", default=True),
    )
    return decoder(config, specs, ends)


def _sparse_layers(config: Config, dense: list[LayerSpec], mixture: Mixture) -> list[LayerSpec]:
    step = int(config.get("decoder_sparse_step", default=1))
    dense_layers = set(config.get("mlp_only_layers", default=[]))
    return [
        replace(spec, mixture=mixture) if index not in dense_layers and (index + 1) % step == 0 else spec
        for index, spec in enumerate(dense)
    ]


def qwen2_moe(config: Config) -> Architecture:
    """Qwen 1.5 and 2 MoE: routed experts beside a shared one behind a gate."""
    mixture = replace(
        _simple(config, default_experts=60, default_chosen=4),
        shared_intermediate_size=config.integer("shared_expert_intermediate_size"),
        shared_gate=True,
    )
    return decoder(config, _sparse_layers(config, gated.qwen2_specs(config), mixture), gated.ends(config))


def qwen3_moe(config: Config) -> Architecture:
    """Qwen 3 MoE: routed experts only."""
    mixture = _simple(config, default_experts=128, default_chosen=8)
    return decoder(config, _sparse_layers(config, gated.qwen3_specs(config), mixture), gated.ends(config))


def olmoe(config: Config) -> Architecture:
    """OLMoE: norms over the whole query and key."""
    mixture = _simple(config, default_experts=64, default_chosen=8)
    spec = replace(gated.base(config), query_key_norm="width", mixture=mixture)
    return decoder(config, [spec] * gated.layer_count(config), gated.ends(config))


def minimax_m2(config: Config) -> Architecture:
    """MiniMax M2: norms over the whole query and key, a correction added to the router's scores."""
    mixture = replace(_simple(config, default_experts=256, default_chosen=8), selection_bias=True)
    spec = replace(gated.base(config), query_key_norm="width", mixture=mixture)
    return decoder(config, [spec] * gated.layer_count(config), gated.ends(config))


def _deepseek_mixture(config: Config) -> Mixture:
    each = config.integer("moe_intermediate_size")
    return Mixture(
        experts=config.integer("n_routed_experts"),
        per_token=config.integer("num_experts_per_tok"),
        intermediate_size=each,
        shared_intermediate_size=int(config.get("n_shared_experts", default=0)) * each,
        selection_bias=config.get("topk_method") == "noaux_tc"
        or config.model_type in {"deepseek_v3", "kimi_k2", "glm4_moe"},
    )


def _dense_first(config: Config, dense: LayerSpec) -> list[LayerSpec]:
    mixture = _deepseek_mixture(config)
    first = int(config.get("first_k_dense_replace", default=0))
    every = int(config.get("moe_layer_freq", default=1))
    return [
        replace(dense, mixture=mixture) if index >= first and index % every == 0 else dense
        for index in range(gated.layer_count(config))
    ]


def deepseek(config: Config) -> Architecture:
    """DeepSeek-MoE 16B: plain attention, fine-grained experts, shared experts, a dense first layer."""
    return decoder(config, _dense_first(config, gated.base(config)), gated.ends(config))


def deepseek_latent(config: Config) -> Architecture:
    """DeepSeek V2, V3, R1 and Kimi K2: latent attention, dense first layers, shared experts.

    Small models of the family attend plainly (DeepSeek-VL2-Tiny, DeepSeek-OCR): `use_mla` is false.
    """
    if not config.flag("use_mla", default=True):
        return deepseek(config)
    heads = config.integer("num_attention_heads")
    rank = config.get("q_lora_rank")
    latent = LatentAttention(
        kv_rank=config.integer("kv_lora_rank"),
        query_rank=int(rank) if rank is not None else None,
        rotary_dim=config.integer("qk_rope_head_dim"),
        plain_dim=config.integer("qk_nope_head_dim"),
        value_dim=config.integer("v_head_dim"),
    )
    bias = config.flag("attention_bias", default=False)
    dense = LayerSpec(
        hidden_size=config.integer("hidden_size"),
        heads=heads,
        kv_heads=heads,
        head_dim=latent.plain_dim + latent.rotary_dim,
        intermediate_size=config.integer("intermediate_size"),
        latent=latent,
        query_key_value_bias=bias,
        output_bias=bias,
    )
    specs = _dense_first(config, dense)
    return decoder(config, specs, gated.ends(config))


def glm4_moe(config: Config) -> Architecture:
    """GLM-4.5 and 4.6: plain attention with biases, DeepSeek-like experts."""
    dense = replace(
        gated.base(config),
        query_key_value_bias=config.flag("attention_bias", default=False),
        query_key_norm="head" if config.flag("use_qk_norm", default=False) else "none",
    )
    return decoder(config, _dense_first(config, dense), gated.ends(config))


def gpt_oss(config: Config) -> Architecture:
    """gpt-oss: biases everywhere, attention sinks, every second layer local."""
    mixture = replace(
        _simple(config, default_experts=128, default_chosen=4), router_bias=True, expert_bias=True
    )  # fmt: skip
    base = gated.base(config)
    spec = replace(
        base,
        query_key_value_bias=True,
        output_bias=True,
        extra_attention_parameters=base.heads,
        mixture=mixture,
    )
    local = replace(spec, window=config.integer("sliding_window", default=128))
    count = gated.layer_count(config)
    types = config.get("layer_types")
    pattern = config.window_pattern(count, None) if types else [index % 2 == 0 for index in range(count)]
    specs = [local if is_local else spec for is_local in pattern]
    return decoder(config, specs, gated.ends(config))


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
    base = replace(gated.base(config), intermediate_size=config.integer("intermediate_size_mlp", default=width))
    step = int(config.get("interleave_moe_layer_step", default=1))
    count = gated.layer_count(config)
    sparse = config.get("moe_layers", default=[i for i in range(count) if (i + 1) % step == 0])
    chunk = config.get("attention_chunk_size", default=8192)
    specs = []
    for index, is_local in enumerate(config.window_pattern(count, 4)):
        spec = replace(base, mixture=mixture) if index in sparse else base
        if is_local and chunk:
            spec = replace(spec, window=int(chunk), window_kind="chunked")
        # Layers without rotary embedding (global ones) have no norm on query and key.
        if is_local and normed:
            spec = replace(spec, query_key_norm="without_gains")
        specs.append(replace(spec, rotary=is_local))
    return decoder(config, specs, gated.ends(config))


def dbrx(config: Config) -> Architecture:
    """DBRX: sixteen experts, four per token; norms without bias."""
    attention = dict(config.get("attn_config", default={}))
    experts = dict(config.get("ffn_config", default={}))
    hidden = config.integer("d_model", "hidden_size")
    heads = config.integer("n_heads", "num_attention_heads")
    width = int(experts.get("ffn_hidden_size") or config.integer("ffn_hidden_size", "intermediate_size"))
    mixture = Mixture(
        experts=int(experts.get("moe_num_experts") or config.integer("moe_num_experts", "num_experts")),
        per_token=int(experts.get("moe_top_k") or config.integer("moe_top_k", "num_experts_per_tok")),
        intermediate_size=width,
    )
    kv_heads = int(attention.get("kv_n_heads") or config.integer("num_key_value_heads", default=heads))
    spec = LayerSpec(
        hidden_size=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=hidden // heads,
        intermediate_size=width,
        norm="layer_without_bias",
        mixture=mixture,
    )
    tied = config.flag("tie_word_embeddings", default=False)
    count = config.integer("n_layers", "num_hidden_layers")
    return decoder(config, [spec] * count, Ends(norm="layer_without_bias", tied=tied))


def grok1(config: Config) -> Architecture:
    """Grok-1: eight experts, four norms per layer, tied head."""
    mixture = _simple(config, default_experts=8, default_chosen=2)
    spec = replace(gated.base(config), placement="sandwich", mixture=mixture)
    tied = config.flag("tie_word_embeddings", default=True)
    return decoder(config, [spec] * gated.layer_count(config), Ends(tied=tied))


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
    fields = dict(config.fields)
    if isinstance(pattern, list) and not config.get("layer_types"):
        fields["layer_types"] = ["sliding_attention" if each else "full_attention" for each in pattern[:count]]
    stated = Config(fields)
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
    return decoder(stated, specs, gated.ends(config))


FAMILIES = {
    "mixtral": mixtral, "phimoe": phimoe, "qwen2_moe": qwen2_moe, "qwen3_moe": qwen3_moe, "olmoe": olmoe,
    "minimax_m2": minimax_m2, "deepseek": deepseek, "deepseek_v2": deepseek_latent,
    "deepseek_v3": deepseek_latent, "kimi_k2": deepseek_latent, "glm4_moe": glm4_moe, "gpt_oss": gpt_oss,
    "llama4": llama4, "llama4_text": llama4, "dbrx": dbrx, "grok-1": grok1,
    "cohere2_moe": cohere2_moe, "mimo_v2_flash": mimo_v2,
}  # fmt: skip
