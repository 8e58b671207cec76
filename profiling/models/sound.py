"""Towers that read sound: Whisper's transformer layers and conformers, timed by the widths configs state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiling.models.architecture import Tower

_FRAMES_PER_TOKEN = {
    "qwen2_audio_encoder": 2, "qwen2_5_omni_audio_encoder": 2, "qwen3_omni_moe_audio_encoder": 1, "voxtral_encoder": 4,
    "voxtral_realtime_encoder": 4, "audioflamingo3_encoder": 2, "gemma4_audio": 1,
}  # fmt: skip
"""Frames of the encoder that make a token (transformers' own pooling), where no field of the config says it."""
_TOKENS_PER_CHUNK = 13
"""What convolutions leave of a chunk of Qwen3-Omni (100 of the spectrum's columns, three times halved)."""
_WHISPER = frozenset({*_FRAMES_PER_TOKEN, "glmasr_encoder"} - {"gemma4_audio"})
"""Towers whose layers are Whisper's, after two convolutions or three."""
_CONFORMERS = frozenset({"gemma3n_audio", "gemma4_audio", "granite_speech_encoder", "granite_speech_plus_encoder"})
"""Towers of conformers (arXiv 2005.08100): half a feed-forward block, attention, a convolution, the other half."""
_GATED = frozenset({"voxtral_realtime_encoder"})
_CONTEXT = 13
"""Frames before a chunk that Gemma's conformers attend as well."""


def size_of(tower: Mapping[str, Any], *names: str) -> int:
    """The first of these fields that holds a positive whole number, else 0."""
    stated = (tower.get(name) for name in names)
    return next((each for each in stated if isinstance(each, int) and not isinstance(each, bool) and each > 0), 0)


def _widths(tower: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Layers, hidden size, width of the feed-forward blocks, heads; 0 where not stated."""
    layers = size_of(tower, "num_hidden_layers", "encoder_layers", "conf_num_hidden_layers", "num_layers")
    hidden = size_of(tower, "hidden_size", "d_model", "hidden_dim")
    wide = size_of(tower, "intermediate_size", "encoder_ffn_dim") or 4 * hidden
    heads = size_of(tower, "num_attention_heads", "encoder_attention_heads", "conf_num_attention_heads", "num_heads")
    return layers, hidden, wide, heads


def audio_tower(tower: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> Tower | None:
    """Widths of a tower for sound and the frames it makes; None where its layers or its pooling are not known.

    Args:
        tower: The part of the config that describes it.
        config: The whole, which says how its frames are pooled in some families.
    """
    kind = str(tower.get("model_type", ""))
    layers, hidden, wide, heads = _widths(tower)
    pooled = float(size_of(tower, "conf_reduction_factor") or _FRAMES_PER_TOKEN.get(kind, 0))
    pooled = pooled or float(size_of(config or {}, "downsample_rate"))
    if kind not in _WHISPER | _CONFORMERS or not pooled or not layers or not hidden or not heads:
        return None
    return Tower(
        layers=layers, hidden_size=hidden, intermediate_size=wide, heads=heads, gated=kind in _GATED,
        patches_per_token=pooled, patches_per_image=_attended(tower), is_conformer=kind in _CONFORMERS,
    )  # fmt: skip


def _attended(tower: Mapping[str, Any]) -> int | None:
    """Frames that attend each other; None: all."""
    window, at_once = size_of(tower, "n_window"), size_of(tower, "n_window_infer")
    if window:
        return _TOKENS_PER_CHUNK * at_once // (2 * window) if at_once else window
    if chunk := size_of(tower, "conf_attention_chunk_size", "attention_chunk_size"):
        return chunk + (size_of(tower, "conf_attention_context_left", "attention_context_left") or _CONTEXT) - 1
    return size_of(tower, "max_source_positions", "context_size", "sliding_window") or None
