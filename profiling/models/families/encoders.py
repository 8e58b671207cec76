"""Encoders that traits alone do not describe, and models with an encoder and a decoder: T5 and BART."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from profiling.errors import InvalidConfig, UnsupportedModelType
from profiling.models.architecture import Architecture, Layer, Stack
from profiling.models.families import reading
from profiling.models.families.assembly import (
    Config,
    Ends,
    encoder,
    grouped_layers,
    max_position,
    stack,
)
from profiling.models.families.forms import Form, base, declared, ends_of, layers_of, plain_numbers
from profiling.models.families.spec import LayerSpec
from profiling.models.families.traits import ENCODER, FORMS
from profiling.models.steps import AttentionCore, Embedding, Linear, Normalisation, Pointwise, Step


def mpnet(config: Config) -> Architecture:
    """MPNet (arXiv 2004.09297): BERT without segments; all layers share one table of relative positions."""
    spec = base(config, ENCODER)
    table = config.integer("relative_attention_num_buckets", default=32) * spec.heads
    specs = [replace(spec, extra_attention_parameters=table), *[spec] * (config.integer("num_hidden_layers") - 1)]
    positions = config.integer("max_position_embeddings", default=512)
    ends = Ends(norm="layer", final_norm=False, head=False, positions=positions, embedding_norm=True, pooler=True)
    return encoder(config, specs, ends)


def deberta(config: Config) -> Architecture:
    """DeBERTa-v2 and v3 (arXiv 2111.09543): one table of relative positions, projected by keys and queries."""
    hidden, reach = config.integer("hidden_size"), config.integer("max_position_embeddings", default=512)
    if config.get("conv_kernel_size"):
        raise UnsupportedModelType(f"{config.name}: DeBERTa-v2 with a convolution (conv_kernel_size) is not known here")
    relative: tuple[Step, ...] = ()
    if config.flag("relative_attention", default=False):
        half = max(int(config.get("position_buckets", default=0)), 0) or reach
        table = Embedding(name="relative_positions", inputs=("tokens",), entries=2 * half, width=hidden,
                          scales_with_vocabulary=False)  # fmt: skip
        norm = Normalisation(name="relative_norm", inputs=("relative_positions",), width=hidden, gains=2 * hidden)
        relative = (table, norm) if "layer_norm" in str(config.get("norm_rel_ebd")) else (table,)
    ends = Ends(
        norm="layer", final_norm=False, head=False, embedding_norm=True, before_steps=relative,
        positions=reach if config.flag("position_biased_input", default=True) else 0,
        segments=int(config.get("type_vocab_size", default=0)),
    )  # fmt: skip
    return encoder(config, [base(config, ENCODER)] * config.integer("num_hidden_layers"), ends)


def bert(config: Config) -> Architecture:
    """BERT, and Jina Embeddings 2 (arXiv 2310.19923): gated blocks, distances in place of learned positions."""
    form = FORMS["bert"]
    if config.get("position_embedding_type") != "alibi":
        return declared(form)(config)
    gated = str(config.get("feed_forward_type", default="original")).endswith("glu")
    spec = replace(base(config, form), gated=gated, feed_forward_bias=not gated)
    if gated:
        spec = replace(spec, layer_steps=(_bias("down", spec.hidden_size),))
    ends = ends_of(config, replace(form, positions=0))
    return encoder(config, [spec] * config.integer("num_hidden_layers"), ends)


def _bias(name: str, width: int) -> Step:
    """A bias that its neighbours in the block do not have."""
    return Normalisation(name=f"{name}_bias", inputs=(name,), width=1, gains=width)


def turned_bert(config: Config) -> Architecture:
    """BERT with turned positions: Nomic Embed and GTE with gated blocks, Jina Embeddings 3 without.

    Nomic Embed 2 (arXiv 2502.07972) has experts in every second layer, and biases.
    """
    spec = base(config, ENCODER)
    routed = config.model_type == "nomic_bert" and reading.has_experts(config)
    gated = config.model_type in {"nomic_bert", "gte", "new"} and not routed
    biased = config.model_type != "nomic_bert" or routed
    spec = replace(
        spec, gated=gated, rotary=True, query_key_value_bias=biased, output_bias=biased,
        feed_forward_bias=not gated, layer_steps=(_bias("down", spec.hidden_size),) if gated and biased else (),
    )  # fmt: skip
    ends = Ends(norm="layer", final_norm=False, head=False, segments=int(config.get("type_vocab_size", default=0)),
                embedding_norm=True, pooler=not gated and not routed)  # fmt: skip
    specs = [spec] * config.integer("num_hidden_layers", "n_layer")
    if routed:
        every = config.integer("moe_every_n_layers", default=2)
        stated = Config({**config.fields, "intermediate_size": spec.intermediate_size})
        mixture = replace(reading.mixture_of(stated, gated=False), shared_intermediate_size=0)
        sparse = replace(spec, mixture=mixture, layer_steps=(_bias("experts", spec.hidden_size),))
        specs = [sparse if index % every == every - 1 else spec for index in range(len(specs))]
    return encoder(config, specs, ends)


def xlm_roberta(config: Config) -> Architecture:
    """XLM-RoBERTa; Jina Embeddings 3 turns its positions."""
    turned = config.get("position_embedding_type") == "rotary"
    return turned_bert(config) if turned else declared(FORMS["bert"])(config)


def eurobert(config: Config) -> Architecture:
    """EuroBERT (arXiv 2503.05500): Llama's layers, which see both sides."""
    form = Form(windows=False)
    spec = replace(base(config, form), causal=False)
    return encoder(config, [spec] * config.integer("num_hidden_layers"), Ends(head=False))


def modernbert(config: Config) -> Architecture:
    """ModernBERT (arXiv 2412.13663): gated blocks, turned positions, all but every third layer within a window."""
    count, biased = config.integer("num_hidden_layers"), config.flag("attention_bias", default=False)
    spec = replace(
        base(config, ENCODER), gated=True, norm="layer" if config.flag("norm_bias", default=False) else
        "layer_without_bias", placement="pre", query_key_value_bias=biased, output_bias=biased,
        feed_forward_bias=config.flag("mlp_bias", default=False), rotary=True,
    )  # fmt: skip
    local = replace(spec, window=config.integer("local_attention", default=128))
    every = config.integer("global_attn_every_n_layers", default=3)
    types = config.get("layer_types", default=["full_attention" if not at % every else "" for at in range(count)])
    specs = [spec if kind == "full_attention" else local for kind in types]
    # The norm of the embeddings is the first layer's too, which has none of its own.
    ends = Ends(norm=spec.norm, head=False)
    return encoder(config, specs, ends)


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


def narrow_tables(config: Config, hidden: int, *, pooler: bool = False) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """Tables of tokens, positions and segments narrower than the layers, a projection, and a pooler behind them."""
    width = config.integer("embedding_size", default=128)
    rows = {
        "position_embedding": config.integer("max_position_embeddings", default=512),
        "segment_embedding": config.integer("type_vocab_size", default=2),
    }
    before: list[Step] = [
        Embedding(name="token_embedding", inputs=("tokens",), entries=config.integer("vocab_size"), width=width),
        *(
            Embedding(name=name, inputs=("tokens",), entries=entries, width=width, scales_with_vocabulary=False)
            for name, entries in rows.items()
        ),
        Normalisation(name="embedding_norm", inputs=("segment_embedding",), width=width, gains=2 * width),
    ]
    if width != hidden:
        before.append(Linear(name="embedding_projection", inputs=("embedding_norm",), width_in=width,
                             width_out=hidden, bias=True))  # fmt: skip
    last = Linear(name="pooler", inputs=("layers",), width_in=hidden, width_out=hidden, bias=True, rows="one")
    return tuple(before), (last,) if pooler else ()


def electra(config: Config) -> Architecture:
    """ELECTRA (arXiv 2003.10555): BERT behind tables that may be narrower than its layers, without a pooler."""
    spec = base(config, ENCODER)
    layers, order = grouped_layers([spec] * config.integer("num_hidden_layers"))
    before, after = narrow_tables(config, spec.hidden_size)
    only = Stack("encoder", before, tuple(layers), after, order)
    vocabulary = config.integer("vocab_size")
    return Architecture(config.name, config.model_type, spec.hidden_size, vocabulary, (only,), max_position(config))


def _two_stacks(config: Config, sides: tuple[tuple[list[LayerSpec], Ends], ...]) -> Architecture:
    vocabulary = config.integer("vocab_size")
    stacks = []
    for role, (specs, ends) in zip(("encoder", "decoder"), sides, strict=True):
        layers, order = grouped_layers(specs)
        stacks.append(
            stack("encoder" if role == "encoder" else "decoder", layers, ends, vocabulary=vocabulary,
                  hidden=specs[0].hidden_size, order=order)
        )  # fmt: skip
    hidden = sides[-1][0][0].hidden_size
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
    return _two_stacks(config, ((encoder_side, Ends(head=False)), (decoder_side, Ends(tied=tied, shared_table=True))))


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
    )


def m2m_100(config: Config) -> Architecture:
    """M2M-100 and NLLB (arXiv 2207.04672): mBART's layers, with positions that are computed and no norm before them."""
    side = replace(base(config, ENCODER), placement="pre")
    write = replace(
        side, causal=True, cross_attention=True,
        intermediate_size=config.integer("decoder_ffn_dim", default=side.intermediate_size),
    )  # fmt: skip
    ends = Ends(norm="layer", head=False)
    closing = replace(ends, head=True, tied=config.flag("tie_word_embeddings", default=True), shared_table=True)
    sides = (([side] * config.integer("encoder_layers"), ends), ([write] * config.integer("decoder_layers"), closing))
    return _two_stacks(config, sides)


def t5gemma(config: Config) -> Architecture:
    """T5Gemma (arXiv 2504.06225): two stacks of Gemma 2, each with widths and a table of its own."""
    form = FORMS["gemma2"]
    read, write = (_side(config, name) for name in ("encoder", "decoder"))
    encoder_side = [replace(spec, causal=False) for spec in layers_of(read, form)]
    decoder_side = [
        replace(spec, cross_attention=True, source_width=encoder_side[0].hidden_size) for spec in layers_of(write, form)
    ]
    ends = replace(ends_of(write, form), tied=config.flag("tie_word_embeddings", default=True))
    return _two_stacks(write, ((encoder_side, replace(ends, head=False)), (decoder_side, ends)))


def t5gemma2(config: Config) -> Architecture:
    """T5Gemma 2 (arXiv 2512.14856): two stacks of Gemma 3 over one table.

    The decoder attends its own tokens and those of the encoder together, by the same matrices.
    """
    form = FORMS["gemma3"]
    read, write = (_side(config, name) for name in ("encoder", "decoder"))
    encoder_side = [replace(spec, causal=False) for spec in layers_of(read, form)]
    decoder_side = []
    for spec in layers_of(write, form):
        source: tuple[Step, ...] = (
            *(
                Linear(name=f"cross_{name}", inputs=("encoder",), width_in=encoder_side[0].hidden_size,
                       width_out=spec.kv_heads * spec.head_dim, rows="source", split="column", units=spec.kv_heads,
                       writes_cache=True, tied=True)
                for name in ("key", "value")
            ),
            AttentionCore(name="cross_attention", inputs=("rotary", "cross_key", "cross_value"), heads=spec.heads,
                          kv_heads=spec.kv_heads, head_dim=spec.head_dim, value_head_dim=spec.head_dim, causal=False,
                          cross=True),
        )  # fmt: skip
        decoder_side.append(replace(spec, attention_steps=source))
    ends = replace(ends_of(write, form), tied=config.flag("tie_word_embeddings", default=True))
    end_of_image = plain_numbers("end_of_image", encoder_side[0].hidden_size)
    return _two_stacks(
        write,
        (
            (encoder_side, replace(ends, head=False, before_steps=(end_of_image,))),
            (decoder_side, replace(ends, shared_table=True)),
        ),
    )


def _side(config: Config, name: str) -> Config:
    """The config of one stack under the name and type of the whole; of one that reads images too, its text part."""
    own = config.get(name)
    own = own.get("text_config", own) if isinstance(own, Mapping) else own
    if not isinstance(own, Mapping):
        raise InvalidConfig(f"{config.name}: config.json of model_type {config.model_type!r} lacks {name}")
    whole = {"model_type": config.model_type, "_name_or_path": config.name}
    return Config({"vocab_size": config.get("vocab_size"), **own, **whole})


FAMILIES = {
    "mobilebert": mobilebert, "t5": t5, "mt5": t5, "umt5": t5, "bart": bart, "mbart": bart, "modernbert": modernbert,
    "bert": bert, "xlm-roberta": xlm_roberta, "eurobert": eurobert, "mpnet": mpnet,
    "deberta-v2": deberta, "electra": electra, "m2m_100": m2m_100, "t5gemma": t5gemma,
    "t5gemma2": t5gemma2,
    **dict.fromkeys(("nomic_bert", "gte", "new", "jina_embeddings_v3"), turned_bert),
}  # fmt: skip
