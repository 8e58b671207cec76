"""A model's row of the catalogue from its architecture: the columns of reference/architectures.csv as we count them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiling.models.architecture import Architecture
from profiling.models.steps import AttentionCore, Linear

_BILLION = 1e9
_SHARED = ("n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert")


def record_of(model: Architecture, stated: Mapping[str, Any]) -> dict[str, str]:
    """The columns of a model that is known by its config.

    Args:
        model: Its architecture.
        stated: A row of reference/model_configs.jsonl: what its publisher and its source say beside the config.
    """
    layers = model.main.layers
    cores = {
        layer.name: [step for step in layer.steps if isinstance(step, AttentionCore) and step.cache_width]
        for layer in layers
    }
    routed = [layer.experts for layer in layers if layer.experts]
    windows = [core.window for group in cores.values() for core in group if core.window]
    ups = [step for layer in layers for step in layer.steps if isinstance(step, Linear) and step.name == "up"]
    published = stated.get("published_total_billions")
    counted = stated.get("parameters_total") if str(stated.get("counted_by", "")).startswith("transformers") else None
    config = stated["config"].get("text_config") or stated["config"]
    shared = next((config[name] for name in _SHARED if isinstance(config.get(name), int)), None)
    first = next((core for group in cores.values() for core in group), None)
    values: dict[str, Any] = {
        "model_id": stated["model_id"],
        "model_type": model.model_type,
        "model_type_in_source": stated["config"].get("model_type"),
        "hidden_size": model.hidden_size,
        "layers": model.main.depth,
        "heads": model.heads,
        "kv_heads": model.kv_heads,
        "head_dim": first.head_dim if first else None,
        "intermediate_size": _integer(config.get("intermediate_size")) or (ups[0].width_out if ups else None),
        "vocabulary_size": model.vocabulary_size,
        "max_position": model.max_position,
        "tied_embeddings": str(_has_tied_head(model)).lower(),
        "experts": routed[0].count if routed else None,
        "experts_per_token": routed[0].per_token if routed else None,
        "expert_intermediate_size": routed[0].intermediate_size if routed else None,
        "shared_experts": shared or None if routed else None,
        "first_dense_layers": _dense_first(model) or None if routed else None,
        "sliding_window": min(windows) if windows else None,
        "sliding_layers": sum(layer.count for layer in layers if any(c.window for c in cores[layer.name])) or None,
        "attention_kind": model.attention_kind,
        "kv_layers": sum(layer.count for layer in layers if cores[layer.name]),
        "kv_bytes_per_token_16bit": round(model.kv_bytes_per_token()),
        "kv_bytes_per_token_16bit_beyond_window": round(model.kv_bytes_per_token(beyond_window=True)),
        "parameters_total": model.parameters_total,
        "parameters_active_billions": model.parameters_active / _BILLION,
        "parameters_non_embedding_billions": model.parameters_non_embedding / _BILLION,
        "parameters_non_embedding_active_billions": model.parameters_non_embedding_active / _BILLION,
        "parameters_embedding_billions": model.parameters_embedding / _BILLION,
        "transformers_count": counted,
        "transformers_count_difference": model.parameters_total - counted if counted else None,
        "published_parameters_billions": published,
        "published_basis": "the catalogue that the config is from" if published else None,
        "published_difference_pct": round(100 * (model.parameters_total / _BILLION / published - 1), 3)
        if published
        else None,
        "release_date": stated.get("release_date"),
        "release_date_basis": _date_basis(stated),
        "license": stated.get("licence"),
        "license_basis": "hub, by the source of the config" if stated.get("licence") else None,
        "source": stated["source"],
    }
    return {name: "" if value is None else str(value) for name, value in values.items()}


def _integer(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _dense_first(model: Architecture) -> int:
    """Layers before the first with experts."""
    order = model.main.order or tuple([0] * model.main.depth)
    routed = [model.main.layers[kind].experts is not None for kind in order]
    return routed.index(True) if True in routed else 0


def _date_basis(stated: Mapping[str, Any]) -> str | None:
    if not stated.get("release_date"):
        return None
    return f"hub, by the source of the config{'; of its base model' if stated.get('release_date_of') else ''}"


def _has_tied_head(model: Architecture) -> bool:
    return any(isinstance(step, Linear) and step.is_head and step.tied for step in model.main.after)
