"""What a checkpoint holds beside its text decoder: other towers and layers that predict ahead, named and sized."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from profiling.models import sound
from profiling.models.architecture import Architecture, Layer, Stack, Tower, Uncounted
from profiling.models.formats import TEXT_PARTS
from profiling.models.sound import size_of
from profiling.models.steps import AttentionCore, Embedding, Experts, Linear, Normalisation, Pointwise, Split, Step

_TOWERS = {
    "vision_config": "vision tower", "vision_tower_config": "vision tower", "visual": "vision tower",
    "audio_config": "audio tower", "audio_encoder_config": "audio tower", "speech_config": "audio tower",
    "encoder_config": "audio tower", "embd_layer": "towers for images and sound with their adapters",
    "talker_config": "speech decoder", "token2wav_config": "speech synthesis",
}  # fmt: skip
# Towers whose feed-forward blocks have a gate: three matrices instead of two.
_GATED = ("pixtral", "qwen2_5_vl", "qwen2_5_omni_vision", "exaone4_5", "glm", "gemma4", "mimo", "llama4_gated",
          "deepseek_v41")  # fmt: skip
_MERGES = {"gemma4_vision": 3, "qwen2_5_vl": 2, "qwen2_vl": 2, "qwen2_5_omni_vision_encoder": 2}
"""Patches along a side that make a token, where a config leaves it to transformers' default."""
_HEADS = ("num_attention_heads", "num_heads", "encoder_attention_heads", "n_heads", "vt_num_attention_heads")
_PROJECTORS: Mapping[str, str] = {
    **dict.fromkeys(("llava", "llava_next", "llava_next_video", "llava_onevision"), "vt tt"),
    **dict.fromkeys(("deepseek_vl", "video_llama_3"), "vt tt"),
    **dict.fromkeys(("gemma3", "gemma4", "paligemma"), "vt"),
    **dict.fromkeys(("internvl", "internvl_chat", "qianfan_ocr"), "mt tt"),
    **dict.fromkeys(("muse_glimmer", "muse_spark"), "mp pp pt"),
    **dict.fromkeys(("qwen2_vl", "kimi_k25", "kimi_k3"), "mm mt"),
    **dict.fromkeys(("idefics3", "smolvlm"), "mt"), **dict.fromkeys(("minicpmv", "minicpmo"), "vt tt tt tt tt tt"),
    **dict.fromkeys(("mistral3", "mistral_large4", "lighton_ocr"), "mv vt tt"), "llama4": "wp pp pt",
    **dict.fromkeys(("lfm2_vl", "inkling2"), "mp pt"), "minimax_m3_vl": "vt tt nt tt",
    **dict.fromkeys(("glm4v", "glm4v_moe", "glm46v", "glmga"), "mt tt tw tw wt"),
    **dict.fromkeys(("glm5_next", "glm_ocr"), "mo oo ow ow wo"),
    "deepseek_v41": "mt tt", "paddleocr_vl": "mm mt", "cohere2_vision": "ma ht",
}  # fmt: skip
"""Matrices from the tower to the decoder by the model type of the whole, as transformers builds them: each from one
width to another. v the tower's, m that of merged patches, t and n the decoder's, once and of merged tokens, o what the
tower gives, p and w the projector's own and that of its gated block, a and h that of an alignment and its half."""
_OWN_WIDTH = {"muse_glimmer": 4096, "muse_spark": 4096, "lfm2_vl": 2560, "inkling2": 4096, "glm5_next": 10_240}
"""A projector's own width where the config leaves it to transformers' default."""
_USUAL_MERGE = 2
"""Patches along a side that make a token of families with a projector, where the config says nothing."""
_POSITIONS = {
    "gemma4_vision": 2 * 10_240,
    **dict.fromkeys(("muse_glimmer_vision", "muse_spark_vision", "inkling2_vision"), 32**2),
    **dict.fromkeys(("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"), 48**2),
}  # fmt: skip
_KIMIS_POSITIONS = 64**2
"""Rows of the table of positions where the config leaves them to transformers' default."""
_OF_VIDEO = ("qwen", "glm")
"""Beginnings of the towers whose patches reach over two frames, where the config does not say over how many."""
_UNSTATED = {"step3p7": 1_981_014_784, "phi3_v": 325_541_888, "fuyu": 11_063_296}
"""Parameters of vision towers that a family has though a config says nothing of them: those that transformers builds;
of Phi 3 Vision what the hub's total has beyond the decoder."""
_MOLMO_WIDTH, _MOLMO_TOWER = 1024, 298_253_312
"""Molmo's CLIP of 23 layers with its pooling, whose width a gated block leads from to the decoder."""
_IDEFICS = {"num_hidden_layers": 12, "intermediate_size": 3072, "num_attention_heads": 16}
_DEFAULTS: Mapping[str, Mapping[str, int]] = {"idefics3": _IDEFICS, "smolvlm": _IDEFICS}
"""Widths of towers that configs of a family may leave out, as transformers fills them in."""
_UNLIKE_TRANSFORMERS = frozenset({"inkling_vision"})
"""Towers that are no transformers: patches are joined step by step."""
_READ_WHOLE = frozenset({"blt"})
"""Families every part of whose configs is of the decoder, or named by its reader."""
_DENSE_AHEAD = ("inkling",)
"""Families whose layers that predict ahead have no experts (transformers)."""
_HEADLESS = frozenset({"minicpmv", "minicpmo"})
"""Families that leave out SigLIP's pooling though no field says so."""
MTP_FIELDS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "_num_mtp_layers",
          "mtp_num_layers", "num_mtp_layers")  # fmt: skip
"""Fields that say how many layers predict ahead."""


def _inner(tower: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = tower.get("vision_config")
    return inner if isinstance(inner, Mapping) and "hidden_size" not in tower else tower


def _widths(tower: Mapping[str, Any]) -> tuple[int, int, int, bool]:
    """Layers, hidden size, width of the feed-forward blocks, whether these have a gate; 0 where not stated."""
    layers = size_of(
        tower,
        "num_hidden_layers",
        "depth",
        "layers",
        "encoder_layers",
        "num_layers",
        "n_layers",
        "vt_num_hidden_layers",
    )
    hidden = size_of(tower, "embed_dim", "hidden_size", "d_model", "width", "dim", "vt_hidden_size")
    if str(tower.get("model_type", "")).startswith(("qwen2_5_vl", "qwen3", "exaone4_5", "glm")):
        hidden = size_of(tower, "hidden_size", "embed_dim")
    ratio = tower.get("mlp_ratio")
    stated = hidden * ratio if isinstance(ratio, int | float) else 4 * hidden
    wide = size_of(
        tower, "intermediate_size", "encoder_ffn_dim", "mlp_hidden_size", "ffn_hidden_size", "vt_intermediate_size"
    ) or int(stated)
    if str(tower.get("model_type", "")).startswith("glm4v"):
        wide = size_of(tower, "out_hidden_size") or wide  # its intermediate size is that of the projector
    return layers, hidden, wide, str(tower.get("model_type", "")).startswith(_GATED)


def tower_parameters(
    tower: Mapping[str, Any], config: Mapping[str, Any] | None = None, decoder_width: int = 0
) -> int | None:
    """Parameters of a transformer tower by its widths: layers, patches, positions and what leads to the decoder.

    Args:
        tower: The part of the config that describes the tower.
        config: The whole config, whose model type says how the tower is joined to the decoder.
        decoder_width: Hidden size of the decoder.

    Returns:
        Without norms and biases; None: the config does not state the widths.
    """
    tower = _inner(tower)
    layers, hidden, wide, gated = _widths(tower)
    if not layers or not hidden or tower.get("moe_intermediate_size"):  # experts, as many as the layer is high
        return None
    patch = size_of(tower, "patch_size", "spatial_patch_size")
    projector = sum(inside * outside for inside, outside in _projector(config or {}, tower, hidden, decoder_width))
    heads, shared = size_of(tower, *_HEADS), size_of(tower, "num_key_value_heads")
    inner = size_of(tower, "qkv_hidden_size") or hidden
    attention = hidden * inner * (2 + 2 * (shared / heads if 0 < shared < heads else 1))
    matrices = round(layers * (attention + (3 if gated else 2) * hidden * wide))
    frames = 2 if str(tower.get("model_type", "")).startswith(_OF_VIDEO) else 1
    patches = 3 * patch**2 * (size_of(tower, "temporal_patch_size") or frames)
    pooling = 0 if str((config or {}).get("model_type", "")) in _HEADLESS else _pooling_head(tower, hidden, wide)
    return matrices + (patches + _positions(tower)) * hidden + pooling + projector


def _pooling_head(tower: Mapping[str, Any], hidden: int, wide: int) -> int:
    """What SigLIP has to pool its patches: one more attention and feed-forward block, unless a config leaves it out."""
    has_head = str(tower.get("model_type", "")).startswith("siglip") and tower.get("vision_use_head", True)
    return 4 * hidden**2 + 2 * hidden * wide if has_head else 0


def _positions(tower: Mapping[str, Any]) -> int:
    """Rows of the table of positions; 0 where positions are turned in, or not stated."""
    kind = str(tower.get("model_type", ""))
    if high := size_of(tower, "pos_emb_height", "posemb_grid_size"):
        return high * (size_of(tower, "pos_emb_width") or high)
    stated = size_of(tower, "num_position_embeddings", "num_patches") or 2 * size_of(tower, "position_embedding_size")
    size, patch = size_of(tower, "image_size"), size_of(tower, "patch_size")
    if not stated and size and patch and kind.startswith(("clip", "siglip", "intern", "idefics3", "smolvlm", "llama4")):
        stated = (size // patch) ** 2
    return stated or _POSITIONS.get(kind, _KIMIS_POSITIONS if "vt_hidden_size" in tower else 0)


def _merge(tower: Mapping[str, Any]) -> int:
    """Patches along a side that make a token; 0 where not stated."""
    kernel = tower.get("merge_kernel_size")
    side = kernel[0] if isinstance(kernel, list) and kernel else None
    names: tuple[str, ...] = ("spatial_merge_size", "pooling_kernel_size", "merge_size", "side")
    if str(tower.get("model_type", "")).startswith("deepseek_v41"):
        names = (*names, "downsample_ratio")
    return size_of({**tower, "side": side}, *names)


def _projector(
    config: Mapping[str, Any], tower: Mapping[str, Any], hidden: int, decoder_width: int
) -> tuple[tuple[int, int], ...]:
    """Matrices from merged patches to the decoder, each by the widths it leads from and to.

    Where the family is not known: two if the tower states what it gives, and two more for each layer that is passed
    on (deepstack).
    """
    kind = str(config.get("model_type", ""))
    out, merge = size_of(tower, "out_hidden_size"), _merge(tower)
    if kind in _PROJECTORS and decoder_width:
        if kind == "qwen2_vl":  # its tower's width is `embed_dim`
            hidden = size_of(tower, "embed_dim") or hidden
        merge = merge or size_of(config, "spatial_merge_size", "downsample_factor", "scale_factor") or _USUAL_MERGE
        own = (
            size_of(config, "projector_hidden_size")
            or size_of(tower, "projection_hidden_dim", "vision_output_dim")
            or _OWN_WIDTH.get(kind, 0)
        )
        gated = size_of(tower, "projection_intermediate_size", "intermediate_size")
        widths = {
            "v": hidden, "m": hidden * merge**2, "t": decoder_width, "n": decoder_width * merge**2, "p": own,
            "o": out or decoder_width, "w": {"glm5_next": own, "glm_ocr": 3 * out}.get(kind, gated),
            "a": (aligned := size_of(config, "alignment_intermediate_size")), "h": aligned // 2,
        }  # fmt: skip
        return tuple((widths[pair[0]], widths[pair[1]]) for pair in _PROJECTORS[kind].split())
    merge = size_of(tower, "spatial_merge_size")
    if not out or merge < 2:
        return ()
    merged, passed_on = hidden * merge**2, tower.get("deepstack_visual_indexes")
    return ((merged, merged), (merged, out)) * (1 + len(passed_on if isinstance(passed_on, list) else ()))


def vision_tower(config: Mapping[str, Any], tower: Mapping[str, Any], decoder_width: int = 0) -> Tower | None:
    """Widths of a tower and the patches it makes; None where a width is not stated.

    Patches are merged into tokens by `spatial_merge_size` (Qwen-VL, Mistral), by a shuffle of pixels (Llama 4,
    InternVL), or down to a stated number of tokens per image (Gemma).
    """
    tower = _inner(tower)
    layers, hidden, wide, gated = _widths(tower)
    heads = size_of(tower, *_HEADS)
    if not layers or not hidden:
        return None
    # The work of attention does not depend on how many heads share the hidden size.
    heads = heads or hidden // next(width for width in range(min(64, hidden), hidden + 1) if hidden % width == 0)
    size, patch = size_of(tower, "image_size"), size_of(tower, "patch_size", "spatial_patch_size")
    per_image = (size // patch) ** 2 if size and patch else None
    merge = _merge(tower) or size_of(config, "spatial_merge_size", "scale_factor")
    merge = merge or _MERGES.get(str(tower.get("model_type", "")), 0)
    shuffled = next((r for r in (tower.get("pixel_shuffle_ratio"), config.get("downsample_ratio")) if r), None)
    fixed = size_of(config, "mm_tokens_per_image")
    if fixed and per_image:
        ratio = per_image / fixed
    elif merge:
        ratio, per_image = float(merge**2), None
    else:
        ratio = 1 / shuffled**2 if isinstance(shuffled, int | float) else 1.0
    return Tower(
        layers=layers, hidden_size=hidden, intermediate_size=wide, heads=heads, gated=gated, patches_per_token=ratio,
        patches_per_image=per_image, projector=_projector(config, tower, hidden, decoder_width),
    )  # fmt: skip


def projector_model(tower: Tower, name: str) -> Architecture | None:
    """The matrices between a tower and the decoder, over the decoder's tokens; None where they are not stated."""
    if not tower.projector:
        return None
    steps = tuple(
        Linear(name=f"project_{place}", inputs=("input",), width_in=inside, width_out=outside, bias=True)
        for place, (inside, outside) in enumerate(tower.projector)
    )
    width = tower.projector[0][0]
    return Architecture(name, "projector", width, 1, (Stack("encoder", (), (Layer("projector", steps, 1),), ()),))


def tower_model(tower: Tower, name: str) -> Architecture:
    """The layers of a tower as an encoder, for its time: matrices, attention over all patches, norms."""
    hidden, wide, heads = tower.hidden_size, tower.intermediate_size, tower.heads

    def linear(step: str, source: str, width_in: int, width_out: int, split: Split, units: int = 0) -> Linear:
        return Linear(
            name=step, inputs=(source,), width_in=width_in, width_out=width_out, bias=True, split=split, units=units
        )

    steps: list[Step] = [
        Normalisation(name="attention_norm", inputs=("input",), width=hidden, gains=2 * hidden),
        *(linear(each, "attention_norm", hidden, hidden, "column", heads) for each in ("query", "key", "value")),
        AttentionCore(
            name="attention", inputs=("query", "key", "value"), heads=heads, kv_heads=heads, head_dim=hidden // heads,
            value_head_dim=hidden // heads, causal=False, cached=False,
        ),
        linear("output", "attention", hidden, hidden, "row", heads),
        Pointwise(name="attention_residual", inputs=("input", "output"), width=hidden, operands=2),
        Normalisation(name="feed_forward_norm", inputs=("attention_residual",), width=hidden, gains=2 * hidden),
        *(
            linear(each, "feed_forward_norm", hidden, wide, "column")
            for each in (("gate", "up") if tower.gated else ("up",))
        ),
        Pointwise(name="activation", inputs=("up",), width=wide, operands=2 if tower.gated else 1, split="column"),
        linear("down", "activation", wide, hidden, "row"),
        Pointwise(name="feed_forward_residual", inputs=("attention_residual", "down"), width=hidden, operands=2),
    ]  # fmt: skip
    if tower.is_conformer:
        steps += [
            linear("first_up", "input", hidden, wide, "column"),
            Pointwise(name="first_activation", inputs=("first_up",), width=wide, split="column"),
            linear("first_down", "first_activation", wide, hidden, "row"),
            linear("convolution_in", "attention_residual", hidden, 2 * hidden, "column"),
            Pointwise(name="convolution", inputs=("convolution_in",), width=2 * hidden, operands=2, split="column"),
            linear("convolution_out", "convolution", hidden, hidden, "row"),
        ]
    layer = Layer("vision", tuple(steps), tower.layers)
    return Architecture(name, "vision tower", hidden, 1, (Stack("encoder", (), (layer,), ()),))


def _unstated(config: Mapping[str, Any]) -> int:
    """Parameters of the vision tower of a family whose configs say nothing of it; 0: there is none."""
    kind = str(config.get("model_type", ""))
    if kind == "molmo":
        wide = size_of(config, "intermediate_size") // 2
        return _MOLMO_TOWER + wide * (2 * _MOLMO_WIDTH + size_of(config, "hidden_size"))
    return _UNSTATED.get(kind, 0)


def _task_adapters(text: Mapping[str, Any], model: Architecture) -> Iterator[Uncounted]:
    """Low-rank adapters that a checkpoint holds for each of its tasks (Jina Embeddings 3)."""
    tasks, rank = text.get("lora_adaptations"), size_of(text, "lora_rank")
    if not isinstance(tasks, list) or not rank:
        return
    around = 0.0
    for count, step in model.counted_steps():
        if isinstance(step, Linear):  # one adapter for matrices that are computed together
            around += count * (step.width_out + step.width_in * (step.width_out / (step.fused_width or step.width_out)))
        elif isinstance(step, Embedding):
            around += count * (step.entries + step.width)
    yield Uncounted(f"adapters for {len(tasks)} tasks", round(len(tasks) * rank * around), is_tower=False)


def uncounted(config: Mapping[str, Any], text: Mapping[str, Any], model: Architecture) -> Iterator[Uncounted]:
    """What the config names beside the decoder.

    Args:
        config: The whole config.
        text: The part that describes the decoder; may be the same.
        model: The decoder, for the size of layers like its last.
    """
    if model.model_type in _READ_WHOLE:
        return
    # Where omni models and T5Gemma 2 keep what reads.
    nested = next((part for name in ("thinker_config", "encoder") if isinstance(part := config.get(name), Mapping)), {})
    towers = {**nested, **config}
    unstated = _unstated(config)
    for key, name in _TOWERS.items():
        tower = towers.get(key)
        if not isinstance(tower, Mapping) or not tower or (unstated and key == "embd_layer"):
            continue
        if name == "audio tower":
            if key != "encoder_config" or sound.is_known(str(tower.get("model_type", ""))):
                yield Uncounted(name, sound.audio_parameters(tower), tower=sound.audio_tower(tower, config))
        elif str(tower.get("model_type", "")) in _UNLIKE_TRANSFORMERS:
            yield Uncounted(name, None)
        elif name == "vision tower":
            tower = {**_DEFAULTS.get(str(config.get("model_type", "")), {}), **tower}
            widths = vision_tower(config, tower, model.hidden_size)
            yield Uncounted(name, tower_parameters(tower, config, model.hidden_size), tower=widths)
        else:
            yield Uncounted(name, tower_parameters(tower))
    for key, part in towers.items():
        stated = isinstance(part, Mapping) and "model_type" in part and _widths(part)[1]
        unread = (key.endswith("_config") and key not in {*_TOWERS, *TEXT_PARTS}) or key == "encoder_config"
        if stated and unread and not (key in _TOWERS and sound.is_known(str(part["model_type"]))):
            yield Uncounted(key.removesuffix("_config").replace("_", " "), None)
    seen = text.get("moe_intermediate_size")
    if isinstance(seen, list) and len(seen) == 2 and isinstance(seen[1], int):  # ERNIE 4.5 VL, whose images have theirs
        experts = sum(n * step.count for n, step in model.counted_steps() if isinstance(step, Experts))
        yield Uncounted("experts for images", experts * 3 * model.hidden_size * seen[1])
    if unstated and not towers.get("vision_config"):
        yield Uncounted("vision tower", unstated)
    yield from _task_adapters(text, model)
    yield from _ahead(config, text, model)


def _ahead(config: Mapping[str, Any], text: Mapping[str, Any], model: Architecture) -> Iterator[Uncounted]:
    """Layers that predict further tokens, each as wide as the model's last."""
    apart = config.get("mtp_config")
    stated = (text, config, apart if isinstance(apart, Mapping) else {})
    ahead = next((size for part in stated if (size := size_of(part, *MTP_FIELDS))), 0)
    if not ahead or model.kind != "decoder":
        return
    hidden = model.hidden_size
    last = model.main.layers[model.main.order[-1] if model.main.order else -1]
    if model.model_type.startswith(_DENSE_AHEAD):
        last = next((layer for layer in model.main.layers if not layer.experts), last)
    fewer = size_of(text, "dspark_n_routed_experts")  # DeepSeek V4.1 predicts ahead with fewer experts
    each = sum(
        step.parameters_each * fewer if fewer and isinstance(step, Experts) else step.parameters for step in last.steps
    )
    each += 2 * hidden**2 + 3 * hidden
    layers = "layer that predicts ahead" if ahead == 1 else "layers that predict ahead"
    yield Uncounted(f"{ahead} {layers} (MTP)", ahead * each, is_tower=False, mtp_layers=ahead)
