"""Models with an encoder and a decoder: T5 and what is like it, BART and what is like it, T5Gemma."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from profiling.errors import InvalidConfig
from profiling.models.architecture import Architecture
from profiling.models.families.assembly import Config, Ends, grouped_layers, max_position, stack
from profiling.models.families.encoders import sparse_reach
from profiling.models.families.forms import Form, base, ends_of, layers_of, plain_numbers, switched, with_defaults
from profiling.models.families.spec import LayerSpec, Mixture, Placement
from profiling.models.families.traits import ENCODER, FORMS
from profiling.models.steps import AttentionCore, Linear, Step


def _two_stacks(config: Config, sides: Sequence[tuple[list[LayerSpec], Ends]]) -> Architecture:
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


_SIDES = ("encoder", "decoder")
_LOCAL_RADIUS = 127
"""Tokens to either side that LongT5 reads in its encoder (arXiv 2112.07916, section 3.1.1)."""


def t5(config: Config) -> Architecture:
    """T5, Flan-T5, mT5, UMT5, LongT5, Switch: relative position biases in the first layer of each stack (UMT5: in all).

    LongT5 reads its neighbours in the encoder; Switch has experts, of which each token takes one, in some layers.
    """
    hidden = config.integer("d_model")
    heads = config.integer("num_heads")
    table = config.integer("relative_attention_num_buckets", default=32) * heads
    long = config.model_type == "longt5"
    plain = LayerSpec(
        hidden_size=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=config.integer("d_kv"),
        intermediate_size=config.integer("d_ff"),
        gated=str(config.get("feed_forward_proj", default="relu")).startswith("gated"),
        rotary=False,
    )
    each_has_table = config.model_type == "umt5"

    def specs(spec: LayerSpec, count: int, side: str) -> list[LayerSpec]:
        first = replace(spec, extra_attention_parameters=spec.extra_attention_parameters + table)
        layers = [first if index == 0 or each_has_table else spec for index in range(count)]
        if config.model_type != "switch_transformers":
            return layers
        step = config.integer(f"{side}_sparse_step", default=4)
        mixture = _mixture(config, plain.intermediate_size, per_token=1, expert_bias=False)
        return [
            replace(layer, mixture=mixture) if step == 1 or index % step == 1 else layer
            for index, layer in enumerate(layers)
        ]

    count = config.integer("num_layers")
    reading_side = replace(plain, causal=False)
    if long:
        reach = 2 * config.integer("local_radius", default=_LOCAL_RADIUS) + 1
        wide = config.get("encoder_attention_type", default="local") != "local"
        # Sums of blocks, which all tokens read: a table of their positions in the first layer, a norm in each.
        reading_side = replace(reading_side, window=reach)
        if wide:
            norm = plain_numbers("block_norm", hidden)
            reading_side = replace(reading_side, attention_steps=(norm,))
    encoder_side = specs(reading_side, count, "encoder")
    if long and wide:
        more = encoder_side[0].extra_attention_parameters + table
        encoder_side[0] = replace(encoder_side[0], extra_attention_parameters=more)
    decoder_side = specs(
        replace(plain, cross_attention=True), config.integer("num_decoder_layers", default=count), "decoder"
    )  # fmt: skip
    tied = config.flag("tie_word_embeddings", default=config.model_type in {"t5", "longt5", "switch_transformers"})
    return _two_stacks(config, ((encoder_side, Ends(head=False)), (decoder_side, Ends(tied=tied, shared_table=True))))


def _mixture(config: Config, width: int, *, per_token: int, expert_bias: bool) -> Mixture:
    return Mixture(experts=config.integer("num_experts"), per_token=per_token, intermediate_size=width, gated=False,
                   router_bias=config.flag("router_bias", default=False), expert_bias=expert_bias)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What is particular about a family like BART; the defaults are BART's."""

    placement: Placement = "post"
    positions: bool = True
    """Whether a table of positions is stored; else they are computed."""
    first_position: int | None = 2
    """Rows of that table before the first position; None: as many as the padding token and those before it."""
    embedding_norm: bool = True
    attention_bias: bool | str = True
    """As `forms.Form.query_key_value_bias`."""
    shared_table: bool = True
    """Whether both stacks read one table of tokens, and the head as well."""
    every_expert: bool = False
    """Experts in every so manieth layer (NLLB-MoE, arXiv 2207.04672, section 6.2)."""


_BEFORE = _Kind(placement="pre", first_position=0, embedding_norm=False)
_BARTS: Mapping[str, _Kind] = {
    "bart": _Kind(), "florence2_language": _Kind(), "plbart": _Kind(), "mvp": _Kind(), "mbart": _Kind(placement="pre"),
    "blenderbot-small": _Kind(first_position=0), "blenderbot": _BEFORE, "pegasus": _BEFORE,
    "marian": _Kind(first_position=0, embedding_norm=False),
    # Its norm of embeddings comes behind the layers.
    "bigbird_pegasus": replace(_BEFORE, attention_bias="use_bias"),
    "m2m_100": replace(_BEFORE, positions=False),
    "nllb-moe": replace(_BEFORE, positions=False, every_expert=True),
    "pegasus_x": replace(_BEFORE, positions=False, attention_bias=False),
    "led": _Kind(first_position=0), "prophetnet": _Kind(first_position=0),
    "fsmt": _Kind(first_position=None, embedding_norm=False, shared_table=False),
}  # fmt: skip
"""Families with the layers of BART (arXiv 1910.13461), by what differs."""


def bart(config: Config) -> Architecture:
    """BART and its like: layer norms and biases everywhere, two matrices in the feed-forward blocks."""
    kind = _BARTS[config.model_type]
    config = with_defaults(config, _PROPHETNET)
    bias = switched(config, kind.attention_bias)
    plain = replace(
        base(config, ENCODER), placement=kind.placement, query_key_value_bias=bias, output_bias=bias
    )  # fmt: skip
    hidden, sides = plain.hidden_size, []
    for side in _SIDES:
        reads = side == "encoder"
        width = config.integer(f"{side}_ffn_dim", default=plain.intermediate_size)
        spec = replace(plain, causal=not reads, cross_attention=not reads, intermediate_size=width)
        specs = [spec] * config.integer(f"{side}_layers")
        if kind.every_expert:
            step = config.integer(f"{side}_sparse_step", default=4)
            routed = replace(spec, mixture=_mixture(config, width, per_token=2, expert_bias=True))
            specs = [routed if (index + 1) % step == 0 else spec for index in range(len(specs))]
        rows = config.integer(f"max_{side}_position_embeddings", "max_position_embeddings", default=1024)
        first = int(config.get("pad_token_id", default=1)) + 1 if kind.first_position is None else kind.first_position
        ends = Ends(
            norm="layer", final_norm=kind.placement == "pre", embedding_norm=kind.embedding_norm, head=not reads,
            positions=rows + first if kind.positions else 0,
            tied=not reads and config.flag("tie_word_embeddings", default=kind.shared_table),
            shared_table=not reads and kind.shared_table,
        )  # fmt: skip
        own = _OWN.get((config.model_type, side))
        sides.append(own(config, specs, ends) if own else (specs, ends))
    if not kind.shared_table:
        source, target = (config.integer(f"{name}_vocab_size", "vocab_size") for name in ("src", "tgt"))
        model = _two_stacks(Config({**config.fields, "vocab_size": target}), sides)
        read = stack("encoder", model.stacks[0].layers, sides[0][1], vocabulary=source, hidden=hidden)
        return replace(model, stacks=(read, model.stacks[1]))
    model = _two_stacks(config, sides)
    return replace(model, notes=(_AHEAD,)) if config.model_type == "prophetnet" else model


_Side = tuple[list[LayerSpec], Ends]


def _sparse_blocks(config: Config, specs: Sequence[LayerSpec], ends: Ends) -> _Side:
    """BigBird-Pegasus: its encoder reads blocks of tokens, of which some are drawn by chance."""
    return [replace(spec, chosen=sparse_reach(config)) for spec in specs], ends


def _global_tokens(config: Config, specs: Sequence[LayerSpec], ends: Ends) -> _Side:
    """Pegasus-X (arXiv 2208.04347): blocks beside a few tokens of their own that read everything."""
    hidden = specs[0].hidden_size
    tokens = config.integer("num_global_tokens", default=32)
    block = config.integer("block_size", default=512)
    more = plain_numbers("global_norm", 2 * hidden)
    table = plain_numbers("global_tokens", tokens * hidden)
    local = [replace(spec, chosen=block + tokens, layer_steps=(more,)) for spec in specs]
    return local, replace(ends, before_steps=(table,))


def _global_products(config: Config, specs: Sequence[LayerSpec], ends: Ends) -> _Side:
    """LED (arXiv 2004.05150): windows, and for a few tokens queries, keys and values by matrices of their own."""
    hidden, window = specs[0].hidden_size, config.get("attention_window", default=512)
    windows = list(window) if isinstance(window, list) else [window] * len(specs)
    own = plain_numbers("global_products", 3 * (hidden * hidden + hidden))
    return [
        replace(spec, window=int(width), attention_steps=(own,)) for spec, width in zip(specs, windows, strict=True)
    ], ends  # fmt: skip


def _streams_ahead(config: Config, specs: Sequence[LayerSpec], ends: Ends) -> _Side:
    """ProphetNet (arXiv 2001.04063): a query of relative positions, and a row for each token that is predicted."""
    hidden, heads = specs[0].hidden_size, specs[0].heads
    buckets = config.integer("num_buckets", default=32)
    relative = Linear(name="relative_query", inputs=("input",), width_in=hidden, width_out=buckets * heads, bias=True)
    rows = plain_numbers("tokens_ahead", config.integer("ngram", default=2) * hidden)
    layers = [replace(spec, attention_steps=(relative,)) for spec in specs]
    return layers, replace(ends, before_steps=(rows,))


_AHEAD = "its decoder reads a token once more for each that it predicts ahead, which is not counted"
_PROPHETNET = Form(names=(
    ("encoder_layers", "num_encoder_layers"), ("decoder_layers", "num_decoder_layers"),
    ("encoder_attention_heads", "num_encoder_attention_heads"),
))  # fmt: skip
"""Names that its configs have for what the others call as BART does."""
_OWN = {
    ("bigbird_pegasus", "encoder"): _sparse_blocks, ("pegasus_x", "encoder"): _global_tokens,
    ("led", "encoder"): _global_products, ("prophetnet", "decoder"): _streams_ahead,
}  # fmt: skip
"""What one side of a family does that no other does."""


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
    **dict.fromkeys(("t5", "mt5", "umt5", "longt5", "switch_transformers"), t5), **dict.fromkeys(_BARTS, bart),
    "t5gemma": t5gemma, "t5gemma2": t5gemma2,
}  # fmt: skip
