"""An unknown `model_type` whose fields are those of a known form is read as that form, and says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from profiling.errors import UnsupportedModelType
from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config
from profiling.models.families.forms import Form, declared
from profiling.models.families.spec import State

_NEEDED = ("hidden_size", "num_attention_heads", "vocab_size")
_READ = frozenset({
    *_NEEDED, "num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_key_value_heads", "num_kv_heads",
    "head_dim", "kv_channels", "intermediate_size", "dense_intermediate_size", "ffn_hidden_size",
    "moe_intermediate_size",
    "num_attention_heads_per_layer", "num_key_value_heads_per_layer", "layer_types", "layers_block_type",
    "hybrid_override_pattern", "attn_type_list", "linear_attn_config", "full_attention_interval", "layer_group_size",
    "attn_layer_period", "attn_layer_offset", "full_attn_idxs", "sliding_window", "sliding_window_size",
    "sliding_window_pattern", "global_attn_every_n_layers", "attention_chunk_size", "mlp_layer_types",
    "moe_layer_freq", "first_k_dense_replace", "num_dense_layers", "n_dense_layers", "decoder_sparse_step",
    "mlp_only_layers", "moe_layer_start_index", "moe_layer_end_index", "moe_layer_interval", "expert_layer_period",
    "expert_layer_offset", "n_routed_experts", "num_local_experts", "num_experts", "moe_num_experts",
    "expert_ffn_hidden_size", "n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert",
    "shared_expert_intermediate_size", "shared_intermediate_size", "moe_shared_expert_intermediate_size",
    "share_expert_dim", "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", "moe_k",
    "moe_top_k", "top_k_experts", "routed_expert_hidden_size", "moe_latent_size", "kv_lora_rank", "q_lora_rank",
    "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim", "qk_head_dim", "index_n_heads", "index_head_dim",
    "index_topk", "indexer_types", "linear_num_key_heads", "linear_num_value_heads", "linear_key_head_dim",
    "linear_value_head_dim", "linear_conv_kernel_dim", "linear_num_heads", "linear_head_dim",
    "short_conv_kernel_size", "mamba_num_heads", "mamba_n_heads", "mamba_head_dim", "mamba_d_head", "n_groups",
    "mamba_n_groups", "ssm_state_size", "mamba_d_state", "conv_kernel", "mamba_d_conv", "mamba_expand",
    "mamba_dt_rank", "conv_L_cache", "num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules",
    "max_position_embeddings", "model_max_length", "max_window_layers",
})  # fmt: skip
"""Whole numbers, lists and tables that decide a size and that are read."""
_OF_STATES = frozenset({
    "linear_attn_config", "linear_num_key_heads", "linear_num_value_heads", "linear_num_heads", "mamba_num_heads",
    "mamba_n_heads", "ssm_state_size", "mamba_d_state", "mamba_d_conv", "mamba_dt_rank", "conv_L_cache",
})  # fmt: skip
"""Of these, those that only layers with a fixed state have."""
_HARMLESS = frozenset({
    "n_group", "topk_group", "num_expert_group", "ep_size", "pretraining_tp", "no_rope_layers",
    "no_rope_layer_interval", "rotary_dim", "chunk_size", "mamba_chunk_size", "num_logits_to_keep",
    "original_max_position_embeddings", "initial_context_length", "partial_rotary_factor", "rope_theta", "top_k",
    "num_beams", "num_beam_groups", "num_return_sequences", "max_length", "min_length", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "top_p", "seq_length", "expand", "seed", "layer_rope_theta",
})  # fmt: skip
"""Those that change no size."""
_HARMLESS_ENDS = ("_id", "_ids", "_index", "_token", "_config", "_parameters", "_scaling", "_coef", "_eps", "_kwargs",
                  "_factor", "_words", "_tokens", "_map", "_heads_pruned", "_params", "_theta", "_multipliers",
                  "_limit")  # fmt: skip
_HARMLESS_TABLES = frozenset({
    "rope_parameters", "rope_scaling", "quantization_config", "auto_map", "id2label", "label2id", "architectures",
    "pruned_heads", "task_specific_params", "vision_config", "audio_config",
})  # fmt: skip


def not_understood(fields: Mapping[str, Any]) -> list[str]:
    """Fields that may decide a size and that nothing here reads."""
    unread_names = []
    for name, value in fields.items():
        if name in _READ or name in _HARMLESS or name in _HARMLESS_TABLES or name.startswith("_"):
            continue
        if isinstance(value, bool | float | str) or value is None or not value:
            continue
        if name.endswith(_HARMLESS_ENDS) and name != "linear_attn_config":
            continue
        unread_names.append(name)
    return sorted(unread_names)


def inferred(config: Config) -> Architecture:
    """The architecture of a family that is not known, by its fields.

    Raises:
        UnsupportedModelType: Fields are missing, or may decide a size and are not understood; the message names them.
    """
    fields = config.fields
    missing = [name for name in _NEEDED if fields.get(name) is None]
    if missing:
        raise UnsupportedModelType(f"its config lacks {', '.join(missing)}")
    if _activation(fields) not in _GATED | _UNGATED:
        raise UnsupportedModelType(f"its activation {_activation(fields)} is not understood")
    strange = not_understood(fields)
    if strange:
        raise UnsupportedModelType(f"its fields {', '.join(strange[:6])} are not understood")
    form = _form(config)
    model = declared(form)(config)
    like = "latent attention" if fields.get("kv_lora_rank") else "grouped-query attention"
    experts = " with routed experts" if reading.has_experts(config) else ""
    state = " and layers with a fixed state" if model.state_bytes_per_sequence() else ""
    if not state and (unplaced := sorted(name for name in _OF_STATES if fields.get(name))):
        raise UnsupportedModelType(f"its fields {', '.join(unplaced[:6])} are of layers that no field places")
    note = (
        f"model_type {config.model_type!r} is not known here; its fields are those of a decoder with {like}{experts}"
        f"{state}, and it is read as one: norms and biases are guessed, so sizes are within a few percent"
    )
    return replace(model, is_inferred_form=True, notes=(*model.notes, note))


_GATED_ALWAYS = frozenset({"silu", "swish", "swiglu", "silu_and_mul"})
_GATED = _GATED_ALWAYS | {"gelu", "gelu_pytorch_tanh", "geglu"}
"""Activations with a gate beside: with plain layer norms only those that were made for it."""
_UNGATED = frozenset({"relu", "relu2", "gelu_new", "gelu_fast", "quick_gelu", "gelu", "gelu_pytorch_tanh"})


def _activation(fields: Mapping[str, Any]) -> str:
    return str(fields.get("hidden_act") or fields.get("mlp_hidden_act") or fields.get("hidden_activation") or "silu")


def _form(config: Config) -> Form:
    fields = config.fields
    rms = fields.get("rms_norm_eps") is not None or fields.get("layer_norm_eps") is None
    gated = _activation(fields) in (_GATED if rms else _GATED_ALWAYS)
    normed = any(bool(fields.get(name)) for name in ("use_qk_norm", "qk_layernorm", "qk_norm"))
    bias = next((name for name in ("use_qkv_bias", "add_qkv_bias", "qkv_bias", "use_bias") if fields.get(name)), "")
    return Form(
        norm="rms" if rms else "layer",
        gated=gated,
        query_key_norm="head" if normed else "none",
        query_key_value_bias=bias or "attention_bias",
        selection_bias=fields.get("topk_method") == "noaux_tc" or fields.get("scoring_func") == "sigmoid",
        state=_state(config),
        windows=fields.get("use_sliding_window") is not False,
    )


def _state(config: Config) -> Any:
    """How the state of such fields is read; where no state is described, asking for one says which field lacks."""
    fields = config.fields
    if fields.get("linear_num_key_heads") is not None:
        return reading.delta_net
    if fields.get("linear_attn_config") is not None or fields.get("linear_num_heads") is not None:
        return reading.kimi_delta
    if fields.get("conv_L_cache") is not None:
        return reading.short_convolution
    if fields.get("mamba_dt_rank") is not None:
        return reading.mamba_one

    def mamba(stated: Config) -> State:
        return reading.mamba_two(stated)

    return mamba
