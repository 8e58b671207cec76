"""Latent attention whose layers differ: in ranks and heads (dots3.note), in turned positions (Mistral Large 4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from profiling.errors import UnsupportedModelType
from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config, decoder
from profiling.models.families.forms import Form, base, ends_of, layers_of, plain_numbers, with_defaults
from profiling.models.families.spec import LayerSpec


def mistral_large4(config: Config) -> Architecture:
    """Mistral Large 4: latent attention with an indexer in every layer; every fourth layer has no positions.

    Raises:
        UnsupportedModelType: Layers read the latents of earlier ones (`kv_source_layers`).
    """
    form = Form(default=(("first_k_dense_replace", 1), ("index_topk", 2048), ("index_head_dim", 128),
                         ("index_n_heads", 32)))  # fmt: skip
    config = with_defaults(config, form)
    count = reading.layer_count(config)
    sources = config.get("kv_source_layers", default=list(range(count)))
    if sources != list(range(count)):
        raise UnsupportedModelType(f"{config.name}: kv_source_layers, by which layers share latents, is not known here")
    turned = config.get("no_rope_layers")  # 1: turned
    if turned is None:
        every = config.integer("no_rope_layer_interval", default=4)
        turned = [int((index + 1) % every != 0) for index in range(count)]
    plain = Config({**config.fields, "q_lora_rank": None, "indexer_types": _indexers(config, count)})
    specs = []
    for index, spec in enumerate(layers_of(plain, form)):
        # Each head scales its scores by two numbers more.
        own = replace(spec, extra_attention_parameters=2 * spec.heads)
        if own.indexer:
            # Queries come from the hidden state through a norm of their own, and its heads scale their scores too.
            more = 2 * own.hidden_size + 2 * own.indexer.heads
            own = replace(own, indexer=replace(own.indexer, extra_parameters=own.indexer.extra_parameters + more))
        if own.latent and not turned[index]:
            width = own.latent.plain_dim + own.latent.rotary_dim
            own = replace(own, latent=replace(own.latent, rotary_dim=0, plain_dim=width))
        specs.append(own)
    return decoder(plain, specs, ends_of(plain, form))


def _indexers(config: Config, count: int) -> list[str]:
    """Which layers choose entries themselves ("full"), and which take the choice of the one before ("shared")."""
    stated = config.get("indexer_types")
    if isinstance(stated, list):
        return [str(kind) for kind in stated]
    pattern = config.get("index_topk_pattern")
    if pattern is not None:
        return [{"F": "full", "S": "shared"}.get(str(kind), str(kind)) for kind in pattern]
    frequency = max(int(config.get("index_topk_freq", default=1)), 1)
    offset = int(config.get("index_skip_topk_offset", default=2))
    return ["full" if max(index - offset + 1, 0) % frequency == 0 else "shared" for index in range(count)]


def dots3_note(config: Config) -> Architecture:
    """dots3.note: latent attention behind a gate per head; with an indexer, or within a window by ranks of its own."""
    window = config.get("sliding_window_size", default=512)
    form = Form(selection_bias=True, output_gate="head", latent=True,
                default=(("first_k_dense_replace", 1), ("sliding_window", window), ("index_topk", 2048),
                         ("index_head_dim", 128), ("index_n_heads", 64)))  # fmt: skip
    config = with_defaults(config, form)
    shared = config.integer("moe_shared_expert_intermediate_size", "shared_experts_intermediate_size", default=1536)
    config = Config({**config.fields, "moe_shared_expert_intermediate_size": shared})
    count = reading.layer_count(config)
    kinds = config.get("layer_types")
    if not kinds:
        windowed = config.flag("use_sliding_window", default=True)
        kinds = ["full" if not windowed or index < 2 or index % 4 == 1 else "sliding" for index in range(count)]
    local = [str(kind).startswith("sliding") for kind in kinds]
    # Its configs name the layers with an indexer full attention.
    typed_config = Config({**config.fields, "layer_types": ["local" if each else "global" for each in local],
                    "per_layer_config": None})  # fmt: skip
    own = dict(config.get("per_layer_config", default={}))
    specs = []
    for index, layer in enumerate(layers_of(typed_config, form)):
        stated = own.get(str(index)) or own.get(index) or {}
        spec = _within_window(config, form, layer, stated) if local[index] else layer
        rotary = spec.latent.rotary_dim if spec.latent else 0
        specs.append(replace(spec, attention_steps=(plain_numbers("rotary_key_norm", rotary),)))
    return decoder(typed_config, specs, ends_of(typed_config, form))


_LOCAL: Mapping[str, int] = {
    "num_attention_heads": 64, "num_key_value_heads": 64, "q_lora_rank": 1024, "kv_lora_rank": 1024,
    "qk_nope_head_dim": 192, "v_head_dim": 128,
}  # fmt: skip


def _within_window(config: Config, form: Form, layer: LayerSpec, stated: Mapping[str, Any]) -> LayerSpec:
    """The layer by the widths of those within a window, which older configs state by fields that begin with `swa_`."""
    if not stated:
        widths = {name: config.integer(f"swa_{name}", default=usual) for name, usual in _LOCAL.items()}
        whole = config.integer("swa_head_dim", default=256)
        rotary = config.integer("swa_qk_rope_head_dim", default=whole - widths["qk_nope_head_dim"])
        stated = {**widths, "qk_rope_head_dim": rotary}
    narrow = base(Config({**config.fields, **stated}), form)
    return replace(layer, heads=narrow.heads, kv_heads=narrow.kv_heads, latent=narrow.latent, indexer=None)


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "mistral_large4": mistral_large4, "mistral_large4_text": mistral_large4,
    "dots3_note": dots3_note, "dots3_note_text": dots3_note,
}  # fmt: skip
