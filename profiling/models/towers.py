"""What a checkpoint holds beside its text decoder: other towers and layers that predict ahead, named and sized."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from profiling.models.architecture import Architecture, Uncounted

_TOWERS = {
    "vision_config": "vision tower", "vision_tower_config": "vision tower", "visual": "vision tower",
    "audio_config": "audio tower", "audio_encoder_config": "audio tower", "speech_config": "audio tower",
    "talker_config": "speech decoder", "token2wav_config": "speech synthesis",
}  # fmt: skip
# Towers whose feed-forward blocks have a gate: three matrices instead of two.
_GATED = ("pixtral", "qwen2_5_vl", "exaone4_5", "glm", "gemma4", "mimo", "llama4_gated")
AHEAD = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "_num_mtp_layers",
          "mtp_num_layers")  # fmt: skip
"""Fields that say how many layers predict ahead."""


def _first(fields: Mapping[str, Any], *names: str) -> int:
    """The first of these fields that holds a positive whole number, else 0."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return 0


def tower_parameters(tower: Mapping[str, Any]) -> int | None:
    """Parameters of a transformer tower by its widths: layers and patches, without small parts; None: not stated."""
    inner = tower.get("vision_config")
    if isinstance(inner, Mapping) and "hidden_size" not in tower:
        tower = inner
    layers = _first(tower, "num_hidden_layers", "depth", "layers", "encoder_layers", "num_layers", "n_layers")
    hidden = _first(tower, "embed_dim", "hidden_size", "d_model", "width", "dim")
    if str(tower.get("model_type", "")).startswith(("qwen2_5_vl", "qwen3", "exaone4_5", "glm")):
        hidden = _first(tower, "hidden_size", "embed_dim")
    if not layers or not hidden:
        return None
    ratio = tower.get("mlp_ratio")
    stated = hidden * ratio if isinstance(ratio, int | float) else 4 * hidden
    wide = _first(tower, "intermediate_size", "encoder_ffn_dim", "mlp_hidden_size", "ffn_hidden_size") or int(stated)
    matrices = 3 if str(tower.get("model_type", "")).startswith(_GATED) else 2
    patch = _first(tower, "patch_size", "spatial_patch_size")
    out = _first(tower, "out_hidden_size")
    merge = _first(tower, "spatial_merge_size") or 1
    merged = hidden * merge**2
    projector = merged * merged + merged * out if out and merge > 1 else 0
    return layers * (4 * hidden**2 + matrices * hidden * wide) + 3 * patch**2 * hidden + projector


def uncounted(config: Mapping[str, Any], text: Mapping[str, Any], model: Architecture) -> Iterator[Uncounted]:
    """What the config names beside the decoder.

    Args:
        config: The whole config.
        text: The part that describes the decoder; may be the same.
        model: The decoder, for the size of layers like its last.
    """
    for key, name in _TOWERS.items():
        tower = config.get(key)
        if isinstance(tower, Mapping) and tower:
            yield Uncounted(name, tower_parameters(tower))
    ahead = _first(text, *AHEAD) or _first(config, *AHEAD)
    if ahead and model.kind == "decoder":
        hidden = model.hidden_size
        last = model.main.layers[model.main.order[-1] if model.main.order else -1]
        each = sum(step.parameters for step in last.steps) + 2 * hidden**2 + 3 * hidden
        layers = "layer that predicts ahead" if ahead == 1 else "layers that predict ahead"
        yield Uncounted(f"{ahead} {layers} (MTP)", ahead * each, is_tower=False, layers_ahead=ahead)
