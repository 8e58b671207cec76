"""What a checkpoint holds beside its text decoder: other towers and layers that predict ahead, named and sized."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from profiling.models import sound
from profiling.models.architecture import Architecture, Layer, Stack, Tower, Uncounted
from profiling.models.formats import TEXT_PARTS
from profiling.models.sound import size_of
from profiling.models.steps import AttentionCore, Embedding, Experts, Linear, Normalisation, Pointwise, Split, Step
from profiling.models.tower_forms import (
    Place,
    Sizes,
    TowerForm,
    form_name,
    form_of,
    places_of,
    projector_of,
    tower_parameters,
)

_TOWERS = {
    "vision_config": "vision tower", "vision_tower_config": "vision tower", "visual": "vision tower",
    "audio_config": "audio tower", "audio_encoder_config": "audio tower", "speech_config": "audio tower",
    "encoder_config": "audio tower", "embd_layer": "towers for images and sound with their adapters",
    "talker_config": "speech decoder", "token2wav_config": "speech synthesis",
}  # fmt: skip
_UNLIKE_TRANSFORMERS = frozenset({"inkling_vision"})
"""Towers that are no transformers: patches are joined step by step."""
_READ_WHOLE = frozenset({"blt"})
"""Families every part of whose configs is of the decoder, or named by its reader."""
_DENSE_AHEAD = ("inkling", "motif", "Motif")
"""Families whose layers that predict ahead have no experts (transformers)."""
MTP_FIELDS = ("num_nextn_predict_layers", "mtp_num_hidden_layers", "num_mtp_modules", "_num_mtp_layers",
          "mtp_num_layers", "num_mtp_layers")  # fmt: skip
"""Fields that say how many layers predict ahead."""


def _inner(tower: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = tower.get("vision_config")
    return inner if isinstance(inner, Mapping) and "hidden_size" not in tower else tower


def _about(sizes: Sizes) -> int | None:
    """Parameters of a tower whose form is not known: transformer layers without norms and biases, patches, a merger."""
    layers, hidden = sizes.optional("l"), sizes.optional("h")
    if not layers or not hidden:
        return None
    merged, out = (sizes("m"), sizes.optional("o")) if sizes.optional("spatial_merge_size") else (0, 0)
    patches = hidden * sizes.optional("c") * max(sizes.optional("f"), 1)
    return layers * (4 * hidden**2 + 2 * hidden * sizes("w")) + patches + (merged * (merged + out) if out else 0)


def vision_tower(
    config: Mapping[str, Any], tower: Mapping[str, Any], place: Place, decoder_width: int = 0
) -> Tower | None:
    """Widths of a tower and the patches it makes; None where a width is not stated.

    Patches are merged into tokens by `spatial_merge_size` (Qwen-VL, Mistral), by a shuffle of pixels (Llama 4,
    InternVL), or down to a stated number of tokens per image (Gemma).

    Args:
        config: The whole config.
        tower: The part of it that describes the tower.
        place: Where in the whole the tower stands.
        decoder_width: Hidden size of the decoder.
    """
    form = form_of(form_name(tower, place)) or TowerForm()
    sizes = Sizes(tower, form, config, place, decoder_width)
    layers, hidden, heads = sizes.optional("l"), sizes.optional("h"), sizes.optional("n")
    if not layers or not hidden or form.inside:
        return None
    # The work of attention does not depend on how many heads share the hidden size.
    widths = range(min(64, hidden), min(4096, hidden) + 1)
    heads = heads or hidden // next((width for width in widths if hidden % width == 0), hidden)
    per_image: int | None = sizes.optional("g")
    fixed, merge, shuffled = sizes.optional("mm_tokens_per_image"), sizes.stated_merge(), sizes.shuffled()
    if place.patches_per_token:
        ratio = place.patches_per_token
    elif fixed and per_image:
        ratio = per_image / fixed
    elif merge:
        ratio, per_image = float(merge**2), None
    else:
        ratio = 1 / shuffled**2 if shuffled else 1.0
    return Tower(
        layers=layers, hidden_size=hidden, intermediate_size=sizes("w"), heads=heads, gated=form.is_gated,
        patches_per_token=ratio, patches_per_image=per_image or None,
        projector=projector_of(tower, config, place, decoder_width),
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
    whole = {**nested, **config}
    for kind in (str(config.get("model_type", "")), str(nested.get("model_type", "")), str(text.get("model_type", ""))):
        if places := places_of(kind):
            break
    for key in dict.fromkeys((*_TOWERS, *places, *whole)):
        if part := _beside(key, whole, places.get(key, Place()), model.hidden_size):
            yield part
    if isinstance(tower := whole.get("mm_vision_tower"), str):  # LLaVA before transformers had it
        yield Uncounted(f"vision tower {tower.rpartition('/')[2]}", None)
    seen = text.get("moe_intermediate_size")
    if isinstance(seen, list) and len(seen) == 2 and isinstance(seen[1], int):  # ERNIE 4.5 VL, whose images have theirs
        experts = sum(n * step.count for n, step in model.counted_steps() if isinstance(step, Experts))
        routed = experts * (model.hidden_size + 1)  # the images' own router, with its corrections
        yield Uncounted("experts for images", experts * 3 * model.hidden_size * seen[1] + routed)
    yield from _task_adapters(text, model)
    yield from _ahead(config, text, model)


def _beside(key: str, whole: Mapping[str, Any], place: Place, decoder_width: int) -> Uncounted | None:
    """A part of a config beside the decoder by the field that describes it; None: it describes none."""
    stated = whole.get(key) or ({"model_type": place.form or place.usual} if place.unstated else None)
    if not isinstance(stated, Mapping):
        return None
    tower = _inner(stated)
    name, form = place.name or _TOWERS.get(key, ""), form_name(tower, place)
    if not name or (key == "encoder_config" and not form):
        name = _unread(key, stated, is_known=bool(form))
    if not name:
        return None
    parameters, widths = tower_parameters(tower, whole, place, decoder_width), None
    if name == "audio tower":
        filled_in = (form_of(form) or TowerForm()).defaults
        widths = sound.audio_tower({**filled_in, **tower}, whole)
    elif name == "vision tower":
        widths = vision_tower(whole, tower, place, decoder_width)
        if not form and str(tower.get("model_type", "")) not in _UNLIKE_TRANSFORMERS:
            parameters = _about(Sizes(tower, TowerForm(), whole, place, decoder_width))
    return None if parameters == 0 else Uncounted(name, parameters, tower=widths)


def _unread(key: str, part: Mapping[str, Any], *, is_known: bool) -> str:
    """The name of a model within a config that has none here, by its field; empty where the part describes none."""
    if key in TEXT_PARTS or not key.endswith("_config"):
        return ""
    is_model = "model_type" in part and Sizes(part, TowerForm(), {}, Place(), 0).optional("h")
    return key.removesuffix("_config").replace("_", " ") if is_known or is_model else ""


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
