"""Encoders that traits alone do not describe."""

from __future__ import annotations

from dataclasses import replace

from profiling.errors import UnsupportedModelType
from profiling.models.architecture import Architecture, Layer, Stack
from profiling.models.families import reading
from profiling.models.families.assembly import (
    Config,
    Ends,
    decoder,
    encoder,
    grouped_layers,
    max_position,
)
from profiling.models.families.forms import Form, base, declared, described, ends_of, plain_numbers
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
    width = config.integer("embedding_size", "input_embedding_size", default=128)
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
    """ELECTRA (arXiv 2003.10555) and RemBERT (arXiv 2010.12821): BERT behind tables that may be narrower than layers.

    ELECTRA has no pooler; the wide table of RemBERT's head is no part of its published checkpoint.
    """
    spec = base(config, ENCODER)
    layers, order = grouped_layers([spec] * config.integer("num_hidden_layers"))
    before, after = narrow_tables(config, spec.hidden_size, pooler=config.model_type == "rembert")
    only = Stack("encoder", before, tuple(layers), after, order)
    vocabulary = config.integer("vocab_size")
    return Architecture(config.name, config.model_type, spec.hidden_size, vocabulary, (only,), max_position(config))


def sparse_reach(config: Config) -> int | None:
    """Tokens that BigBird's blocks let a token see (arXiv 2007.14062, section 2); None: all of them.

    Two blocks of tokens that all see, its own block and both neighbours, and some by chance.
    """
    if config.get("attention_type", default="block_sparse") != "block_sparse":
        return None
    blocks = 2 + 3 + config.integer("num_random_blocks", default=3)
    return blocks * config.integer("block_size", default=64)


def big_bird(config: Config) -> Architecture:
    """BigBird: BERT whose tokens see some blocks of the others."""
    config, specs, ends = described(config, replace(FORMS["bert"], positions=4096))
    return encoder(config, [replace(spec, chosen=sparse_reach(config)) for spec in specs], ends)


def ernie(config: Config) -> Architecture:
    """ERNIE 2 and 3: BERT, with a table of tasks where the config asks for it."""
    config, specs, ends = described(config, FORMS["bert"])
    tasks = config.integer("task_type_vocab_size", default=3) if config.flag("use_task_id", default=False) else 0
    return encoder(config, specs, _with_tables(ends, specs[0].hidden_size, task_embedding=(tasks, 0)))


def roc_bert(config: Config) -> Architecture:
    """RoCBERT: BERT that sees how a sign sounds and what it looks like beside what it means."""
    config, specs, ends = described(config, FORMS["bert"])
    hidden = specs[0].hidden_size
    kinds = (("pronunciation", 910, 768), ("shape", 24_858, 512))
    tables = {
        kind: (config.integer(f"{kind}_vocab_size", default=rows), config.integer(f"{kind}_embed_dim", default=width))
        for kind, rows, width in kinds
    }
    ends = _with_tables(ends, hidden, **tables)
    if config.flag("concat_input", default=True):
        seen = [width for kind, (_, width) in tables.items() if config.flag(f"enable_{kind}", default=True)]
        joined = Linear(name="embedding_projection", inputs=("token_embedding",), bias=True, width_out=hidden,
                        width_in=hidden + sum(seen))  # fmt: skip
        ends = replace(ends, before_steps=(*ends.before_steps, joined))
    return encoder(config, specs, ends)


def _with_tables(ends: Ends, hidden: int, **tables: tuple[int, int]) -> Ends:
    """More tables before the layers, each by its rows and its width (0: that of the layers)."""
    steps = tuple(
        Embedding(name=name, inputs=("tokens",), entries=rows, width=width or hidden, scales_with_vocabulary=False)
        for name, (rows, width) in tables.items()
        if rows
    )
    return replace(ends, before_steps=(*ends.before_steps, *steps))


def roformer(config: Config) -> Architecture:
    """RoFormer (arXiv 2104.09864): BERT with turned positions, whose angles its checkpoints store."""
    form = replace(ENCODER, rotary=True, positions=0, segments=2)
    config, specs, ends = described(config, form)
    spec = specs[0]
    width = config.integer("embedding_size", default=spec.hidden_size)
    angles = plain_numbers("angles", config.integer("max_position_embeddings", default=1536) * spec.head_dim)
    narrow = width if width != spec.hidden_size else 0
    ends = replace(ends, embedding_width=narrow, projection_bias=True, before_steps=(angles,))
    return encoder(config, specs, ends)


def xmod(config: Config) -> Architecture:
    """X-MOD (arXiv 2205.06266): BERT with a narrow block per language in each layer, of which a text takes one."""
    before = config.flag("pre_norm", default=False)
    form = replace(FORMS["bert"], placement="pre" if before else "post")
    config, specs, ends = described(config, form)
    hidden = specs[0].hidden_size
    narrow = int(hidden / float(config.get("adapter_reduction_factor", default=2)))
    norm = 2 * hidden if config.flag("adapter_layer_norm", default=False) else 0
    others = (len(config.get("languages", default=("en_XX",))) - 1) * (2 * hidden * narrow + narrow + hidden)
    steps: tuple[Step, ...] = (
        Linear(name="language_down", inputs=("input",), width_in=hidden, width_out=narrow, bias=True),
        Linear(name="language_up", inputs=("language_down",), width_in=narrow, width_out=hidden, bias=True),
        plain_numbers("other_languages", others + norm),
    )
    return encoder(config, [replace(spec, layer_steps=steps) for spec in specs], ends)


def xlm(config: Config) -> Architecture:
    """XLM (arXiv 1901.07291) and FlauBERT: BERT with a row per language; those that see only what came before write."""
    writes = config.flag("causal", default=False)
    form = replace(
        ENCODER, is_encoder=not writes, tied=True, head_bias=True,
        placement="pre" if config.flag("pre_norm", default=False) else "post",
        names=(("hidden_size", "emb_dim"), ("num_hidden_layers", "n_layers"), ("num_attention_heads", "n_heads")),
    )  # fmt: skip
    config, specs, ends = described(config, form)
    languages = int(config.get("n_langs", default=1)) if config.flag("use_lang_emb", default=True) else 1
    ends = _with_tables(replace(ends, final_norm=False), specs[0].hidden_size,
                        language_embedding=(languages if languages > 1 else 0, 0))  # fmt: skip
    return (decoder if writes else encoder)(config, specs, ends)


FAMILIES = {
    "mobilebert": mobilebert, "modernbert": modernbert, "big_bird": big_bird, "ernie": ernie, "rembert": electra,
    "roc_bert": roc_bert, "roformer": roformer, "xmod": xmod, "xlm": xlm, "flaubert": xlm,
    "bert": bert, "xlm-roberta": xlm_roberta, "eurobert": eurobert, "mpnet": mpnet,
    "deberta-v2": deberta, "electra": electra,
    **dict.fromkeys(("nomic_bert", "gte", "new", "jina_embeddings_v3"), turned_bert),
}  # fmt: skip
