"""Decoders that read images in layers or tokens of their own: IDEFICS, Kosmos, Chameleon, BLIP, Pix2Struct."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config, Ends, decoder
from profiling.models.families.blocks import FeedForward, feed_forward
from profiling.models.families.forms import Form, base, described, ends_of, plain_numbers
from profiling.models.families.spec import LayerSpec
from profiling.models.families.traits import PLAIN
from profiling.models.steps import Embedding, Linear, Normalisation, Step

_BESIDE = "keys and values of an image come beside, and so does the time to read them"


def idefics(config: Config) -> Architecture:
    """IDEFICS (arXiv 2306.16527): a Llama; before some layers a gated one that reads the image."""
    form = Form(windows=False)
    plain, count = base(config, form), reading.layer_count(config)
    hidden, inner = plain.hidden_size, plain.heads * plain.head_dim
    vision = config.get("vision_config", default={})
    seen = Config({"embed_dim": 768, **vision}).integer("embed_dim")
    across: list[Step] = [
        Normalisation(name="image_norm", inputs=("input",), width=hidden, gains=hidden),
        Linear(name="image_query", inputs=("image_norm",), width_in=hidden, width_out=inner, split="column",
               units=plain.heads),
        *(
            Linear(name=f"image_{name}", inputs=("image_norm",), width_in=seen, width_out=inner, split="column",
                   units=plain.heads)
            for name in ("key", "value")
        ),
        Linear(name="image_output", inputs=("image_query",), width_in=inner, width_out=hidden, split="row",
               units=plain.heads),
        Normalisation(name="image_feed_forward_norm", inputs=("image_output",), width=hidden, gains=hidden),
        *feed_forward(
            FeedForward(hidden_size=hidden, intermediate_size=plain.intermediate_size, gated=True, bias=False),
            "image_feed_forward_norm", "image_",
        ),
        plain_numbers("image_gates", 2),
    ]  # fmt: skip
    if config.flag("qk_layer_norms", default=False):
        across.append(plain_numbers("image_query_key_norm", 2 * plain.head_dim))
    every = config.integer("cross_layer_interval", default=1)
    specs = [replace(plain, layer_steps=tuple(across)) if index % every == 0 else plain for index in range(count)]
    ends = ends_of(config, form)
    rows = int(config.get("additional_vocab_size", default=0))
    if rows:
        table = Embedding(name="image_embedding", inputs=("tokens",), entries=rows, width=hidden,
                          scales_with_vocabulary=False)  # fmt: skip
        head = Linear(name="image_head", inputs=("layers",), width_in=hidden, width_out=rows, rows="last",
                      tied=ends.tied)  # fmt: skip
        ends = replace(ends, before_steps=(table,), after_steps=(head,))
    return _noted(decoder(config, specs, ends))


def kosmos(config: Config) -> Architecture:
    """Kosmos 2 (arXiv 2306.14824) and 2.5 (arXiv 2309.11419): norms inside the blocks; tokens of an image among text.

    Kosmos 2.5 has them in the feed-forward block alone, and marks what is of the image.
    """
    form = replace(
        PLAIN, rotary=False, tied=True,
        names=(("hidden_size", "embed_dim"), ("num_hidden_layers", "layers"),
               ("num_attention_heads", "attention_heads")),
    )  # fmt: skip
    config, specs, ends = described(config, form)
    spec = specs[0]
    hidden, later = spec.hidden_size, config.model_type.startswith("kosmos_2_5")
    norms = 2 * spec.intermediate_size + (0 if later else 2 * hidden)
    if later:
        ends = replace(ends, before_steps=(plain_numbers("segments", 2 * hidden),))
    inner = plain_numbers("inner_norms", norms)
    return decoder(config, [replace(layer, layer_steps=(inner,)) for layer in specs], ends)


def chameleon(config: Config) -> Architecture:
    """Chameleon (arXiv 2405.09818): Llama's layers with layer norms per head; an image is tokens of the vocabulary."""
    after = config.flag("swin_norm", default=False)
    form = Form(placement="output" if after else "pre", query_key_norm="width", windows=False)
    config, specs, ends = described(config, form)
    biases = plain_numbers("query_key_bias", (specs[0].heads + specs[0].kv_heads) * specs[0].head_dim)
    return decoder(config, [replace(spec, attention_steps=(biases,)) for spec in specs], ends)


def blip(config: Config) -> Architecture:
    """The text half of BLIP (arXiv 2201.12086): BERT that writes and reads the image in every layer."""
    form = replace(PLAIN, placement="post", rotary=False, positions=512, embedding_norm=True, tied=True,
                   head_bias=True)  # fmt: skip
    config, specs, ends = described(config, form)
    hidden, seen = specs[0].hidden_size, config.integer("encoder_hidden_size", default=768)
    dense = Linear(name="head_dense", inputs=("layers",), width_in=hidden, width_out=hidden, bias=True, rows="last")
    norm = Normalisation(name="head_norm", inputs=("head_dense",), width=hidden, gains=2 * hidden, rows="last")
    across = [replace(spec, cross_attention=True, source_width=seen) for spec in specs]
    return _noted(decoder(config, across, replace(ends, after_steps=(dense, norm))))


def pix2struct(config: Config) -> Architecture:
    """The text half of Pix2Struct (arXiv 2210.03347): T5's decoder, which reads patches in place of a text."""
    heads = config.integer("num_heads", default=12)
    spec = LayerSpec(
        hidden_size=config.integer("hidden_size"), heads=heads, kv_heads=heads, head_dim=config.integer("d_kv"),
        intermediate_size=config.integer("d_ff"), rotary=False, cross_attention=True,
    )  # fmt: skip
    table = config.integer("relative_attention_num_buckets", default=32) * heads
    first = replace(spec, extra_attention_parameters=table)
    specs = [first, *[spec] * (config.integer("num_layers") - 1)]
    return _noted(decoder(config, specs, Ends(tied=config.flag("tie_word_embeddings", default=False))))


def _noted(model: Architecture) -> Architecture:
    return replace(model, notes=(*model.notes, _BESIDE))


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "idefics": idefics, "kosmos_2_text_model": kosmos, "kosmos_2_5_text_model": kosmos, "blip_text_model": blip,
    "pix2struct_text_model": pix2struct, "chameleon": chameleon,
}  # fmt: skip
