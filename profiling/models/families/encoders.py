"""Models with an encoder: MobileBERT; T5 and BART with a decoder as well."""

from __future__ import annotations

from dataclasses import replace

from profiling.models.architecture import Architecture, Layer, Stack
from profiling.models.families.assembly import (
    Config,
    Ends,
    grouped_layers,
    max_position,
    stack,
)
from profiling.models.families.forms import base
from profiling.models.families.spec import LayerSpec
from profiling.models.families.traits import ENCODER
from profiling.models.steps import AttentionCore, Embedding, Linear, Normalisation, Pointwise, Step


def mobilebert(config: Config) -> Architecture:
    """MobileBERT (arXiv 2004.02984): thin layers behind bottlenecks, four feed-forward blocks in each."""
    hidden = config.integer("hidden_size")
    thin = config.integer("intra_bottleneck_size", "true_hidden_size", default=128)
    heads = config.integer("num_attention_heads")
    width = config.integer("intermediate_size")
    blocks = config.integer("num_feedforward_networks", default=4)
    dim = thin // heads
    steps: list[Step] = []

    def linear(name: str, source: str, width_in: int, width_out: int, units: int = 0) -> None:
        steps.append(Linear(name=name, inputs=(source,), width_in=width_in, width_out=width_out, bias=True,
                            units=units))  # fmt: skip

    def scaled(name: str, source: str, size: int) -> None:
        steps.append(Normalisation(name=name, inputs=(source,), width=size, gains=2 * size))

    def added(name: str, first: str, second: str, size: int) -> None:
        steps.append(Pointwise(name=name, inputs=(first, second), width=size, operands=2))

    for name in ("bottleneck_input", "bottleneck_attention"):
        linear(name, "input", hidden, thin)
        scaled(f"{name}_norm", name, thin)
    for name in ("query", "key"):
        linear(name, "bottleneck_attention_norm", thin, thin, heads)
    linear("value", "input", hidden, thin, heads)
    steps.append(
        AttentionCore(name="attention", inputs=("query", "key", "value"), heads=heads, kv_heads=heads,
                      head_dim=dim, value_head_dim=dim, causal=False, cached=False)
    )  # fmt: skip
    linear("output", "attention", thin, thin, heads)
    added("attention_residual", "bottleneck_input_norm", "output", thin)
    scaled("attention_output_norm", "attention_residual", thin)
    stream = "attention_output_norm"
    for index in range(blocks):
        linear(f"up_{index}", stream, thin, width)
        steps.append(Pointwise(name=f"activation_{index}", inputs=(f"up_{index}",), width=width))
        linear(f"down_{index}", f"activation_{index}", width, thin)
        added(f"feed_forward_residual_{index}", stream, f"down_{index}", thin)
        scaled(f"feed_forward_norm_{index}", f"feed_forward_residual_{index}", thin)
        stream = f"feed_forward_norm_{index}"
    linear("bottleneck_output", stream, thin, hidden)
    added("output_residual", "input", "bottleneck_output", hidden)
    scaled("output_norm", "output_residual", hidden)

    table = config.integer("embedding_size", default=128)
    vocabulary = config.integer("vocab_size")
    positions = config.integer("max_position_embeddings", default=512)
    segments = config.integer("type_vocab_size", default=2)
    before: tuple[Step, ...] = (
        Embedding(name="token_embedding", inputs=("tokens",), entries=vocabulary, width=table),
        # Three neighbouring embeddings are laid side by side and projected.
        Linear(name="embedding_projection", inputs=("token_embedding",), width_in=3 * table, width_out=hidden,
               bias=True),
        Embedding(name="position_embedding", inputs=("tokens",), entries=positions, width=hidden,
                  scales_with_vocabulary=False),
        Embedding(name="segment_embedding", inputs=("tokens",), entries=segments, width=hidden,
                  scales_with_vocabulary=False),
        Normalisation(name="embedding_norm", inputs=("segment_embedding",), width=hidden, gains=2 * hidden),
    )  # fmt: skip
    layer = Layer("layer", tuple(steps), config.integer("num_hidden_layers"))
    pooler = Linear(name="pooler", inputs=("layers",), width_in=hidden, width_out=hidden, bias=True, rows="one")
    after = (pooler,) if config.flag("classifier_activation", default=True) else ()
    only = Stack("encoder", before, (layer,), after)
    return Architecture(config.name, config.model_type, hidden, vocabulary, (only,), positions)


def _two_stacks(config: Config, sides: tuple[tuple[list[LayerSpec], Ends], ...], hidden: int) -> Architecture:
    vocabulary = config.integer("vocab_size")
    stacks = []
    for role, (specs, ends) in zip(("encoder", "decoder"), sides, strict=True):
        layers, order = grouped_layers(specs)
        stacks.append(
            stack("encoder" if role == "encoder" else "decoder", layers, ends, vocabulary=vocabulary,
                  hidden=hidden, order=order)
        )  # fmt: skip
    return Architecture(
        config.name, config.model_type, hidden, vocabulary, tuple(stacks), max_position(config)
    )  # fmt: skip


def t5(config: Config) -> Architecture:
    """T5, Flan-T5, mT5, UMT5: relative position biases in the first layer of each stack (UMT5: in all)."""
    hidden = config.integer("d_model")
    heads = config.integer("num_heads")
    table = config.integer("relative_attention_num_buckets", default=32) * heads
    plain = LayerSpec(
        hidden_size=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=config.integer("d_kv"),
        intermediate_size=config.integer("d_ff"),
        gated=str(config.get("feed_forward_proj", default="relu")).startswith("gated"),
        rotary=False,
    )

    def specs(spec: LayerSpec, count: int) -> list[LayerSpec]:
        first = replace(spec, extra_attention_parameters=table)
        return [first if index == 0 or config.model_type == "umt5" else spec for index in range(count)]

    count = config.integer("num_layers")
    encoder_side = specs(replace(plain, causal=False), count)
    decoder_side = specs(
        replace(plain, cross_attention=True), config.integer("num_decoder_layers", default=count)
    )  # fmt: skip
    tied = config.flag("tie_word_embeddings", default=config.model_type == "t5")
    return _two_stacks(
        config, ((encoder_side, Ends(head=False)), (decoder_side, Ends(tied=tied, shared_table=True))), hidden
    )


def bart(config: Config) -> Architecture:
    """BART and mBART: learned positions from row 2 on, a norm behind the embeddings."""
    pre_norm = config.model_type == "mbart"
    side = replace(base(config, ENCODER), placement="pre" if pre_norm else "post")
    positions = config.integer("max_position_embeddings", default=1024) + 2
    decoder_spec = replace(
        side,
        causal=True,
        cross_attention=True,
        intermediate_size=config.integer("decoder_ffn_dim", default=side.intermediate_size),
    )
    ends = Ends(norm="layer", final_norm=pre_norm, head=False, positions=positions, embedding_norm=True)
    closing = replace(ends, head=True, tied=config.flag("tie_word_embeddings", default=True), shared_table=True)
    return _two_stacks(
        config,
        (
            ([side] * config.integer("encoder_layers"), ends),
            ([decoder_spec] * config.integer("decoder_layers"), closing),
        ),
        side.hidden_size,
    )


FAMILIES = {
    "mobilebert": mobilebert, "t5": t5, "mt5": t5, "umt5": t5, "bart": bart, "mbart": bart,
}  # fmt: skip
