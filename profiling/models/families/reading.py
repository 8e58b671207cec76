"""What a `config.json` says of each layer, under all the names that its fields have had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from profiling.errors import InvalidConfig
from profiling.models.families.assembly import Config
from profiling.models.families.spec import (
    DeltaNet,
    Indexer,
    LatentAttention,
    LayerSpec,
    MambaOne,
    MambaTwo,
    Mixture,
    ShortConvolution,
)

Kind = Literal["full", "sliding", "chunked", "state", "feed_forward", "experts"]
"""What a layer does first: attention, a state, or (Nemotron-H) a feed-forward block alone."""

_WORDS: Mapping[str, Kind] = {
    "full_attention": "full", "attention": "full", "global": "full", "hybrid": "full", "indexed_attention": "full",
    "sliding_attention": "sliding", "sliding_window": "sliding", "local": "sliding", "hybrid_sliding": "sliding",
    "chunked_attention": "chunked", "linear_attention": "state", "mamba": "state", "mamba2": "state",
    "conv": "state", "short_conv": "state", "kda": "state", "recurrent": "state", "mlp": "feed_forward",
    "moe": "experts", "M": "state", "*": "full", "-": "feed_forward", "E": "experts",
    "deepseek_sparse_attention": "full", "qwen_sparse_attention": "full", "compressed_sparse_attention": "full",
    "heavily_compressed_attention": "full", "minimax_m3_sparse": "full", "reference_sliding_attention": "full",
}  # fmt: skip
FP8_KEY_WITH_SCALE_BITS = 8 + 32 / 128
"""DeepSeek-V3.2 keeps index keys of 128 numbers in fp8 with one 32-bit scale: 132 bytes a token."""


def layer_count(config: Config) -> int:
    """Number of layers."""
    pattern = config.get("hybrid_override_pattern", "layers_block_type", "layer_types")
    default = len(pattern) if isinstance(pattern, str | list) else None
    return config.integer("num_hidden_layers", "num_layers", "n_layer", "n_layers", default=default)


def layer_kinds(config: Config, count: int, *, every: int | None = None) -> list[Kind]:
    """The kind of each layer.

    Args:
        config: The config.
        count: Number of layers.
        every: Where nothing says which layers are local, every so manieth is not; None: all are.

    Raises:
        InvalidConfig: A word for a layer that is not known.
    """
    words = config.get("layers_block_type", "hybrid_override_pattern", "layer_types", "attn_type_list")
    if isinstance(words, str | list) and words:
        return [_kind(config, word) for word in list(words)[:count]]
    linear = config.get("linear_attn_config")
    if isinstance(linear, Mapping) and linear.get("full_attn_layers"):
        full = {int(index) - 1 for index in linear["full_attn_layers"]}  # counted from one
        return ["full" if index in full else "state" for index in range(count)]
    if config.get("full_attention_interval", "layer_group_size"):
        interval = config.integer("full_attention_interval", "layer_group_size")
        return ["full" if (index + 1) % interval == 0 else "state" for index in range(count)]
    if config.get("attn_layer_period"):
        period, offset = config.integer("attn_layer_period"), int(config.get("attn_layer_offset", default=0))
        return ["full" if index % period == offset else "state" for index in range(count)]
    if listed := next((name for name in ("full_attn_idxs", "attn_layer_indices") if name in config.fields), ""):
        full = {int(index) for index in config.get(listed, default=())}
        return ["full" if index in full else "state" for index in range(count)]
    return _windows(config, count, every)


def _kind(config: Config, word: object) -> Kind:
    if isinstance(word, int):  # MiniMax-Text-01: 0 is lightning attention, 1 is softmax
        return "full" if word else "state"
    kind = _WORDS.get(str(word))
    if kind is None:
        raise InvalidConfig(f"{config.name}: no layer of kind {str(word)[:40]!r} is known")
    return kind


def _windows(config: Config, count: int, every: int | None) -> list[Kind]:
    pattern = config.get("sliding_window_pattern", "_sliding_window_pattern", "global_attn_every_n_layers")
    switched, first = config.get("use_sliding_window"), config.get("max_window_layers")
    if switched and first is not None:
        return ["full" if index < int(first) else "sliding" for index in range(count)]
    if switched is not False and isinstance(pattern, str) and pattern and set(pattern) <= {"L", "G"}:
        return ["full" if pattern[index % len(pattern)] == "G" else "sliding" for index in range(count)]
    each = every if pattern is None else pattern
    if switched is False or (pattern is not None and not (isinstance(pattern, int) and pattern > 0)):
        return ["full"] * count
    return ["full" if each is not None and (index + 1) % each == 0 else "sliding" for index in range(count)]


def sparse_layers(config: Config, count: int) -> list[bool]:
    """Which layers have routed experts, where the model has them at all."""
    kinds = config.get("mlp_layer_types")
    if isinstance(kinds, list) and kinds:
        return [str(kind) == "sparse" for kind in kinds[:count]]
    listed = config.get("moe_layers_enum")  # Step 3.5: "3,4,5"
    if isinstance(listed, str):
        named = {int(index) for index in listed.split(",") if index.strip()}
        return [index in named for index in range(count)]
    frequency = config.get("moe_layer_freq", default=1)
    if isinstance(frequency, list):
        return [bool(each) for each in frequency[:count]]
    if config.get("moe_num_experts") is not None and config.get("moe_layer_start_index") is not None:
        first = _least(config.get("moe_layer_start_index"))
        last = config.get("moe_layer_end_index", default=count - 1)
        last = count - 1 if last == -1 else _least(last)
        step = config.integer("moe_layer_interval", default=1)
        return [first <= index <= last and (index + 1) % step == 0 for index in range(count)]
    if config.get("expert_layer_period"):
        period, offset = config.integer("expert_layer_period"), int(config.get("expert_layer_offset", default=0))
        return [index % period == offset for index in range(count)]
    first = int(config.get("first_k_dense_replace", "num_dense_layers", "n_dense_layers", default=0))
    step = int(config.get("decoder_sparse_step", default=1))
    dense = set(config.get("mlp_only_layers", default=[]))
    return [
        index >= first and index % int(frequency) == 0 and (index + 1) % step == 0 and index not in dense
        for index in range(count)
    ]


def _least(value: object) -> int:
    return int(min(value)) if isinstance(value, Sequence) and not isinstance(value, str) else int(str(value))


def has_experts(config: Config) -> bool:
    """Whether the config states routed experts; one alone (Jamba Reasoning) is a block like any other."""
    return _experts(config) not in (None, 0, 1)


def _experts(config: Config) -> Any:
    names = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts")
    return config.get(*names, default=config.family_default(*names))


def mixture_of(config: Config, *, selection_bias: bool = False, gated: bool = True) -> Mixture:
    """The routed experts of a config, with the shared ones beside them."""
    names = ("n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts")
    width = config.integer("moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size")
    shared = config.get("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert",
                        default=0)  # fmt: skip
    shared_each = config.get("moe_shared_expert_intermediate_size", default=width)
    together = ("shared_expert_intermediate_size", "shared_intermediate_size", "share_expert_dim")
    shared_width = config.get(*together, default=config.family_default(*together))
    if shared_width is None:
        shared_width = int(_least(shared)) * int(shared_each)
    listed = _experts(config)  # ERNIE 4.5 VL: those for text, those for images
    by_kind = isinstance(listed, list) and len(listed) == 2 and all(type(each) is int and each > 0 for each in listed)
    return Mixture(
        experts=listed[0] if by_kind else config.integer(*names),
        per_token=config.integer("num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk",
                                 "top_k_experts", "moe_k", "moe_top_k"),
        intermediate_size=width,
        shared_intermediate_size=int(shared_width),
        selection_bias=selection_bias,
        gated=gated,
        idle_routes=int(config.get("zero_expert_num", default=0)),
        latent_size=int(config.get("routed_expert_hidden_size", "moe_latent_size", "moe_hidden_size", default=0)),
    )  # fmt: skip


def latent_of(config: Config) -> LatentAttention:
    """Latent attention by its widths."""
    rank = config.get("q_lora_rank")
    return LatentAttention(
        kv_rank=config.integer("kv_lora_rank"),
        query_rank=int(rank) if rank is not None else None,
        rotary_dim=int(config.get("qk_rope_head_dim", default=config.family_default("qk_rope_head_dim") or 0)),
        plain_dim=config.integer("qk_nope_head_dim"),
        value_dim=config.integer("v_head_dim"),
    )


def indexer_of(config: Config) -> Indexer | None:
    """The indexer of DeepSeek sparse attention, if there is one: its keys are kept in fp8 with a scale."""
    if config.get("index_n_heads") is None or config.get("index_topk") is None:
        return None
    width = config.integer("index_head_dim")
    pool = int(config.get("index_kpool", default=0))
    return Indexer(
        heads=config.integer("index_n_heads"),
        width=width,
        chosen=config.integer("index_topk"),
        entry_bits=round(width * FP8_KEY_WITH_SCALE_BITS),
        norm_parameters=2 * width,
        extra_parameters=pool * width + (width * config.integer("hidden_size") if pool else 0),
    )


def indexed(config: Config, spec: LayerSpec, index: int) -> LayerSpec:
    """The layer with its indexer, or with the choice of the layer before it where `indexer_types` says shared."""
    indexer = indexer_of(config)
    if indexer is None:
        return spec
    types = config.get("indexer_types")
    if isinstance(types, list) and index < len(types) and str(types[index]) == "shared":
        return replace(spec, chosen=indexer.chosen)
    return replace(spec, indexer=indexer)


_STATE_BITS = {"float32": 32, "fp32": 32, "bfloat16": 16, "float16": 16}


def state_bits(config: Config) -> int:
    """Width of a number of a Mamba state: as the config says, else that of activations."""
    stated = config.get("mamba_ssm_cache_dtype", "mamba_ssm_dtype")
    return _STATE_BITS.get(str(stated).removeprefix("torch."), 16)


def mamba_two(config: Config, *, norm: bool = True) -> MambaTwo:
    """Mamba 2 by the names of Nemotron-H, Granite 4 and Falcon-H1."""
    heads = config.integer("mamba_num_heads", "mamba_n_heads")
    width = config.get("mamba_head_dim", "mamba_d_head")
    if width == "auto":
        width = config.integer("hidden_size") * config.integer("mamba_expand", default=2) // heads
    return MambaTwo(
        heads=heads,
        head_dim=Config({**config.fields, "mamba_head_dim": width}).integer("mamba_head_dim"),
        groups=config.integer("n_groups", "mamba_n_groups", default=1),
        state=config.integer("ssm_state_size", "mamba_d_state"),
        kernel=config.integer("conv_kernel", "mamba_d_conv", default=4),
        convolution_bias=config.flag("use_conv_bias", "mamba_conv_bias", default=True),
        projection_bias=config.flag("mamba_proj_bias", default=False),
        norm=norm,
        state_bits=state_bits(config),
    )


def mamba_one(config: Config) -> MambaOne:
    """Mamba 1 by the names of Jamba."""
    hidden = config.integer("hidden_size")
    rank = config.get("mamba_dt_rank")
    return MambaOne(
        inner=hidden * config.integer("mamba_expand", default=2),
        state=config.integer("mamba_d_state", default=16),
        step_rank=rank if isinstance(rank, int) else -(-hidden // 16),
        kernel=config.integer("mamba_d_conv", default=4),
        convolution_bias=config.flag("mamba_conv_bias", default=True),
        projection_bias=config.flag("mamba_proj_bias", default=False),
        inner_norms=True,
        state_bits=state_bits(config),
    )


def delta_net(config: Config) -> DeltaNet:
    """Gated DeltaNet by the names of Qwen3-Next."""
    return DeltaNet(
        key_heads=config.integer("linear_num_key_heads"),
        value_heads=config.integer("linear_num_value_heads"),
        key_dim=config.integer("linear_key_head_dim"),
        value_dim=config.integer("linear_value_head_dim"),
        kernel=config.integer("linear_conv_kernel_dim", default=4),
    )


def kimi_delta(config: Config, *, low_rank: bool = True) -> DeltaNet:
    """Kimi Delta Attention, by `linear_attn_config` (older) or `linear_num_heads` (newer)."""
    nested = config.get("linear_attn_config")
    stated = Config({**config.fields, **nested}) if isinstance(nested, Mapping) else config
    heads = stated.integer("num_heads", "linear_num_heads")
    width = stated.integer("linear_head_dim", "head_dim")
    return DeltaNet(
        key_heads=heads,
        value_heads=heads,
        key_dim=width,
        value_dim=width,
        kernel=stated.integer("short_conv_kernel_size", "linear_conv_kernel_dim", default=4),
        decay_per_channel=True,
        decay_rank=width if low_rank else None,
        gate_rank=width if low_rank and not stated.flag("use_full_rank_gate", default=False) else None,
    )


def short_convolution(config: Config) -> ShortConvolution:
    """The convolution of LFM2."""
    return ShortConvolution(
        kernel=config.integer("conv_L_cache", default=3), bias=config.flag("conv_bias", default=False)
    )
