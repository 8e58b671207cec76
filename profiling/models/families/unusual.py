"""Families with steps that no other has: gates of streams, hashed n-grams, narrow experts, mixed keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from profiling.models.architecture import Architecture, Uncounted
from profiling.models.families import reading
from profiling.models.families.assembly import Config, Ends, decoder
from profiling.models.families.compressed import stream_end, streamed
from profiling.models.families.forms import Form, base, declared, ends_of, layers_of, plain_numbers, with_defaults
from profiling.models.families.spec import Indexer, LayerSpec
from profiling.models.steps import (
    Convolution,
    Embedding,
    Linear,
    Normalisation,
    Step,
)


def hy_v4(config: Config) -> Architecture:
    """Hy 4: gated latent attention with sinks, an indexer in some layers, four residual streams."""
    form = Form(selection_bias=True, output_gate="elementwise", sinks=True)
    specs = [streamed(spec, config, between=False) for spec in layers_of(config, form)]
    ends = ends_of(config, form)
    return decoder(config, specs, replace(ends, after_steps=stream_end(config, specs[0].hidden_size)))


def glm5_next(config: Config) -> Architecture:
    """GLM 5.3: delta attention, latent attention with a pooled indexer in every fourth layer, four streams."""
    form = Form(selection_bias=True, state=reading.kimi_delta)
    specs = [streamed(spec, config, between=True) for spec in layers_of(config, form)]
    return decoder(config, specs, ends_of(config, form))


def qwen4_exp(config: Config) -> Architecture:
    """Qwen 3.8 Flash Next: four residual streams behind gates, an indexer over blocks, a table of hashed n-grams.

    The streams' norm is that of the block, so that blocks have none of their own.
    """
    form = Form(norm="without_gains", query_key_norm="head", output_gate="elementwise", shared_gate=True,
                state=reading.delta_net, default=(("full_attention_interval", 4),))  # fmt: skip
    config = with_defaults(config, form)
    streams = config.integer("hc_count", default=4)
    wide, rank = streams * config.integer("hidden_size"), config.integer("hc_lowrank", default=320)
    indexer = None
    if config.get("indexer_n_heads") is not None:
        width = config.integer("indexer_head_dim")
        indexer = Indexer(
            heads=config.integer("indexer_n_heads"), width=width, chosen=config.integer("indexer_budget"),
            entry_bits=16 * width, query_from_latent=False, head_weights=False, norm_parameters=2 * width,
            tokens_per_entry=config.integer("indexer_compress_ratio"),
        )  # fmt: skip
    specs = []
    placed = sorted({int(each) for each in config.get("ple_layer_ids", default=())})  # counted from one
    for index, spec in enumerate(layers_of(config, form), start=1):
        gates = [step for name in ("attention", "feed_forward") for step in _stream_gate(name, wide, rank, streams)]
        words = _ngram_steps(config, placed.index(index), wide) if index in placed else ()
        specs.append(replace(spec, indexer=indexer if spec.attention else None, layer_steps=(*gates, *words)))
    tables = tuple(_ngram_table(config, place) for place in range(len(placed)))
    ends = replace(ends_of(config, form), before_steps=tables, after_steps=_stream_gate("end", wide, rank, 0))
    return decoder(config, specs, ends)


def _stream_gate(name: str, wide: int, rank: int, streams: int) -> tuple[Step, ...]:
    """How much of each stream a block reads, by a narrow pair of matrices, and how much each takes of its output."""
    source = f"{name}_streams"
    steps: tuple[Step, ...] = (
        Normalisation(name=source, inputs=("input",), width=wide, gains=wide),
        Linear(name=f"{name}_mix_down", inputs=(source,), width_in=wide, width_out=rank),
        Linear(name=f"{name}_mix", inputs=(f"{name}_mix_down",), width_in=rank, width_out=wide),
    )
    taken = Linear(name=f"{name}_taken", inputs=(source,), width_in=wide, width_out=streams)
    return (*steps, taken) if streams else steps


def _ngram_heads(config: Config) -> int:
    return (config.integer("ngram_size", default=3) - 1) * config.integer("heads_per_ngram", default=8)


def _ngram_table(config: Config, place: int) -> Step:
    """A row for each hash of two or three tokens: every head's rows are a prime of their own."""
    heads, base = _ngram_heads(config), config.integer("ngram_vocab_size_base", default=20_000_000)
    rows = sum(_primes_from(base, (place + 1) * heads)[place * heads :])
    whole = config.integer("make_ngram_vocab_size_divisible_by", default=128)
    width = config.integer("ple_embed_dim", "hidden_size") // heads
    return Embedding(name=f"ngram_embedding_{place}", inputs=("tokens",), entries=-(-rows // whole) * whole,
                     width=width, scales_with_vocabulary=False, rows_per_token=heads)  # fmt: skip


def _primes_from(least: int, count: int) -> list[int]:
    primes: list[int] = []
    each = least
    while len(primes) < count:
        if each > 1 and all(each % divisor for divisor in range(2, math.isqrt(each) + 1)):
            primes.append(each)
        each += 1
    return primes


def _ngram_steps(config: Config, place: int, wide: int) -> tuple[Step, ...]:
    """What a layer does with the hashed rows: a key for each stream, one value, a dilated convolution."""
    hidden, width = config.integer("hidden_size"), config.integer("ple_embed_dim", "hidden_size")
    kernel, reach = config.integer("ple_conv_kernel_size", default=4), config.integer("ngram_size", default=3)
    source = f"ngram_embedding_{place}"
    return (
        Linear(name="ngram_key", inputs=(source,), width_in=width, width_out=wide),
        Linear(name="ngram_value", inputs=(source,), width_in=width, width_out=hidden),
        Normalisation(name="ngram_norm", inputs=("ngram_key", "ngram_value"), width=3 * wide, gains=3 * wide),
        Convolution(name="ngram_convolution", inputs=("ngram_norm",), channels=wide, kernel=kernel,
                    state_inputs=(kernel - 1) * reach),
    )  # fmt: skip


def minimax_m3(config: Config) -> Architecture:
    """MiniMax M3: after the first layers attention reads the blocks of 128 tokens that an indexer chooses."""
    form = Form(query_key_norm="head", norm_switch="!use_qk_norm", selection_bias=True,
                output_gate="elementwise", gate_switch="attention_output_gate",
                dense_width="dense_intermediate_size")  # fmt: skip
    sparse = Config(dict(config.get("sparse_attention_config", default=config.fields)))
    specs = layers_of(config, form)
    kinds = config.get("layer_types", default=[])
    frequency = sparse.get("sparse_attention_freq", default=[kind == "minimax_m3_sparse" for kind in kinds])
    width = sparse.integer("sparse_index_dim", "index_head_dim", default=128)
    block = sparse.integer("sparse_block_size", "index_block_size", default=128)
    indexer = Indexer(
        heads=sparse.integer("sparse_num_index_heads", "index_n_heads", default=4),
        width=width,
        chosen=sparse.integer("sparse_topk_blocks", "index_topk_blocks", default=16) * block,
        entry_bits=16 * width,
        query_from_latent=False,
        head_weights=False,
        norm_parameters=2 * width,
    )
    specs = [
        replace(spec, indexer=indexer) if index < len(frequency) and frequency[index] else spec
        for index, spec in enumerate(specs)
    ]
    return decoder(config, specs, ends_of(config, form))


def muse_spark(config: Config) -> Architecture:
    """Muse Spark: gated attention, experts in half the width, a gate on either residual."""
    form = Form(output_gate="elementwise")
    hidden = config.integer("hidden_size")
    extra = (
        Normalisation(name="feed_forward_output_norm", inputs=("feed_forward_residual",), width=hidden, gains=hidden),
        Normalisation(name="residual_gates", inputs=("feed_forward_residual",), width=hidden, gains=2 * hidden),
    )
    specs = [
        replace(spec, layer_steps=extra, mixture=replace(spec.mixture, latent_norms=2) if spec.mixture else None)
        for spec in layers_of(config, form)
    ]
    return decoder(config, specs, ends_of(config, form))


def axk1(config: Config) -> Architecture:
    """A.X K1: DeepSeek-V3 with a norm after the experts."""
    form = Form(selection_bias=True)
    hidden = config.integer("hidden_size")
    norm = Normalisation(name="experts_output_norm", inputs=("feed_forward_residual",), width=hidden, gains=hidden)
    specs = [replace(spec, layer_steps=(norm,)) if spec.mixture else spec for spec in layers_of(config, form)]
    return decoder(config, specs, ends_of(config, form))


def axk2(config: Config) -> Architecture:
    """A.X K2: gated latent attention with an indexer, norms scaled by a low-rank product."""
    form = Form(selection_bias=True, output_gate="elementwise")
    hidden, rank = config.integer("hidden_size"), config.integer("gated_norm_rank", default=16)

    def scaled(name: str) -> tuple[Step, ...]:
        return (
            Linear(name=f"{name}_scale_down", inputs=("input",), width_in=hidden, width_out=rank),
            Linear(name=f"{name}_scale_up", inputs=(f"{name}_scale_down",), width_in=rank, width_out=hidden),
        )

    specs = []
    for spec in layers_of(config, form):
        latent = replace(spec.latent, query_up_doubled=True) if spec.latent else None
        both = (*scaled("attention_norm"), *(scaled("feed_forward_norm") if spec.mixture else ()))
        specs.append(replace(spec, latent=latent, layer_steps=both))
    return decoder(config, specs, ends_of(config, form))


def inkling(config: Config) -> Architecture:
    """Inkling: convolved keys and values, learned relative positions; shared experts take part in the routing."""
    stated = _by_own_names(config)
    kernel, relative = (
        stated.integer("conv_kernel_size", "sconv_kernel_size", default=4),
        stated.integer("d_rel", default=16),
    )
    form = Form(query_key_norm="head", selection_bias=True)
    specs = []
    for spec in layers_of(stated, form):
        attention = [*_relative_positions(stated, spec, relative, gains=0), *_key_convolutions(spec, kernel)]
        mixture = replace(spec.mixture, sink_routes=stated.integer("n_shared_experts")) if spec.mixture else None
        layer = (*_output_convolutions(spec.hidden_size, kernel), plain_numbers("scale", 1))
        specs.append(replace(spec, attention_steps=tuple(attention), layer_steps=layer, mixture=mixture, rotary=False))
    return decoder(stated, specs, replace(ends_of(stated, form), embedding_norm=True))


def _by_own_names(config: Config) -> Config:
    """Inkling's config as transformers reads it: checkpoints give the experts the name of the dense width."""
    count, fields = config.integer("num_hidden_layers"), dict(config.fields)
    dense = config.get("dense_intermediate_size")
    if dense is not None:
        fields |= {"moe_intermediate_size": config.integer("intermediate_size"), "intermediate_size": dense}
    if config.get("layer_types") is None:
        local = set(config.get("local_layer_ids", default=[index for index in range(count) if (index + 1) % 6]))
        fields["layer_types"] = ["hybrid_sliding" if index in local else "hybrid" for index in range(count)]
    if config.get("mlp_layer_types") is None:
        plain = int(config.get("dense_mlp_idx", default=0))
        fields["mlp_layer_types"] = ["dense" if index < plain else "sparse" for index in range(count)]
    return Config({**fields, "sliding_window": config.integer("sliding_window_size", default=512)})


def _relative_positions(config: Config, spec: LayerSpec, relative: int, *, gains: int) -> list[Step]:
    """A query of relative positions per head, and the table that it reads; `gains`: learned numbers beside."""
    reach = config.integer("rel_extent", default=1024)
    return [
        Linear(name="relative_query", inputs=("attention_norm",), width_in=spec.hidden_size,
               width_out=spec.heads * relative),
        plain_numbers("relative_positions", relative * min(reach, spec.window or reach) + gains),
    ]  # fmt: skip


def _key_convolutions(spec: LayerSpec, kernel: int) -> list[Step]:
    keys = spec.kv_heads * spec.head_dim
    return [
        Convolution(name=f"{side}_convolution", inputs=(side,), channels=keys, kernel=kernel)
        for side in ("key", "value")
    ]


def _output_convolutions(hidden: int, kernel: int) -> list[Step]:
    return [
        Convolution(name="attention_output_convolution", inputs=("output",), channels=hidden, kernel=kernel),
        Convolution(name="feed_forward_convolution", inputs=("experts",), channels=hidden, kernel=kernel),
    ]


def inkling2(config: Config) -> Architecture:
    """Inkling 2: convolved keys and values, learned relative positions, sinks per token, attention over depth."""
    form = Form(output_gate="elementwise", selection_bias=False)
    hidden, kernel = config.integer("hidden_size"), config.integer("conv_kernel_size", default=4)
    relative = config.integer("d_rel", default=16)
    kinds = [str(kind) for kind in config.get("layer_types", default=[])]
    specs = []
    for index, spec in enumerate(layers_of(config, form)):
        attention: list[Step] = [
            *_relative_positions(config, spec, relative, gains=spec.heads * (spec.head_dim + relative)),
            Linear(name="sink", inputs=("attention_norm",), width_in=hidden, width_out=spec.heads),
            *_key_convolutions(spec, kernel),
        ]
        numbers = 2 * hidden if index else hidden
        if kinds[index : index + 1] == ["hybrid"]:
            # Kernels depend on the token; query, key and value read the stream through norms of their own.
            attention += [
                Linear(name=f"{side}_kernel", inputs=("attention_norm",), width_in=hidden,
                       width_out=spec.kv_heads * kernel)
                for side in ("key", "value")
            ]  # fmt: skip
            numbers += 4 * hidden
        layer = (*_output_convolutions(hidden, kernel), plain_numbers("depth_queries", numbers))
        specs.append(replace(spec, attention_steps=tuple(attention), layer_steps=layer, rotary=False))
    ends = replace(
        ends_of(config, form), embedding_norm=True, after_steps=(plain_numbers("depth_query", hidden),)
    )  # fmt: skip
    return decoder(config, specs, ends)


def zaya(config: Config) -> Architecture:
    """ZAYA1: queries and keys mixed by two convolutions, a router of several layers.

    One more route does nothing; how often it is taken is learned, so that it is not counted on.
    """
    hidden, heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    kv_heads, dim = config.integer("num_key_value_heads"), config.integer("head_dim")
    experts, narrow = config.integer("num_experts"), config.integer("router_hidden_size", "zaya_mlp_expansion")
    channels = (heads + kv_heads) * dim
    form = Form(tied=True, dense_width="moe_intermediate_size")
    attention: tuple[Step, ...] = (
        Convolution(name="mixing_depthwise", inputs=("query", "key"), channels=channels, bias=True,
                    kernel=config.integer("cca_time0", default=2)),
        Convolution(name="mixing_grouped", inputs=("mixing_depthwise",), channels=channels, group_width=dim, bias=True,
                    kernel=config.integer("cca_time1", default=2)),
        plain_numbers("temperature", kv_heads),
    )  # fmt: skip
    router: tuple[Step, ...] = (
        Linear(name="router_down", inputs=("feed_forward_norm",), width_in=hidden, width_out=narrow, bias=True),
        Normalisation(name="router_norm", inputs=("router_down",), width=narrow, gains=narrow),
        Linear(name="router_first", inputs=("router_norm",), width_in=narrow, width_out=narrow, bias=True),
        Linear(name="router_second", inputs=("router_first",), width_in=narrow, width_out=narrow, bias=True),
        Linear(name="router", inputs=("router_second",), width_in=narrow, width_out=experts + 1),
    )  # fmt: skip
    specs = []
    for index, spec in enumerate(layers_of(config, form)):
        # Scales and biases of both residuals; from the second layer on the router also sees the one before.
        numbers = 8 * hidden + (narrow if index else 0)
        mixture = replace(spec.mixture, router=False) if spec.mixture else None
        specs.append(replace(spec, attention_steps=attention, mixture=mixture,
                             layer_steps=(*router, plain_numbers("residual_scales", numbers))))  # fmt: skip
    ends: Ends = replace(ends_of(config, form), before_steps=(plain_numbers("input_scales", 2 * hidden),))
    return decoder(config, specs, ends)


def blt(config: Config) -> Architecture:
    """Byte Latent Transformer (arXiv 2412.09871): a few layers over bytes, many over patches of them, a few over bytes.

    Bytes see a row for each hash of the last three to eight of them; patches and bytes read each other across.
    """
    local, inner, writing = (Config({**usual, **config.get(name, default={})}) for name, usual in _OF_BYTES.items())
    window, patch = config.get("local_attention_window_len", default=512), config.integer("patch_size", default=4)
    hidden = local.integer("hidden_size")

    def layers(part: Config, count: int, **traits: Any) -> list[LayerSpec]:
        return [replace(base(part, Form(windows=False)), **traits)] * count

    def across(name: str, part: Config, *, every: bool) -> tuple[list[tuple[Step, ...]], Step]:
        """Attention across behind each layer or one of them, and what brings one width to the other."""
        width, count = part.integer("hidden_size"), part.integer("num_hidden_layers")
        ways = part.integer("cross_attn_k", default=2)
        steps = (
            *(
                Linear(name=f"patch_{side}", inputs=("input",), width_in=width, width_out=width, split="column",
                       units=part.integer("num_attention_heads"))
                for side in ("query", "key", "value")
            ),
            Normalisation(name="patch_norms", inputs=("patch_query", "patch_key"), width=2 * width, gains=2 * width),
            Linear(name="patch_output", inputs=("patch_query",), width_in=width, width_out=width, split="row"),
        )  # fmt: skip
        wide = part.integer("hidden_size_global") if name == "decoder" else width
        joining = Linear(name=f"{name}_patches", inputs=("input",), width_in=wide, width_out=ways * width)
        place = count - 1 if name == "encoder" else 0
        return [steps if every or index == place else () for index in range(count)], joining

    sides: dict[str, list[LayerSpec]] = {}
    joining_steps: list[Step] = []
    for name, part in (("encoder", local), ("decoder", writing)):
        steps, joining = across(name, part, every=part.flag("cross_attn_all_layers", default=name == "decoder"))
        plain = layers(part, len(steps), window=window)
        sides[name] = [replace(spec, layer_steps=own) for spec, own in zip(plain, steps, strict=True)]
        joining_steps.append(joining)
    between = layers(inner, inner.integer("num_hidden_layers"), tokens_per_entry=patch)
    groups = config.get("encoder_hash_byte_group_size", default=(3, 4, 5, 6, 7, 8))
    hashes = len(groups) * config.integer("encoder_hash_byte_group_nb_functions", default=1)
    table = Embedding(name="hash_embedding", inputs=("tokens",), width=hidden, scales_with_vocabulary=False,
                      entries=hashes * config.integer("encoder_hash_byte_group_vocab", default=500_002),
                      rows_per_token=hashes)  # fmt: skip
    ends = Ends(tied=config.flag("tie_word_embeddings", default=False), before_steps=(table, *joining_steps))
    stated = Config({"vocab_size": 260, **config.fields})
    model = decoder(stated, [*sides["encoder"], *between, *sides["decoder"]], ends)
    patcher = config.get("patcher_config")
    if isinstance(patcher, Mapping):
        size = declared(Form(windows=False))(Config({"vocab_size": 260, **patcher})).parameters_total
        model = replace(model, not_counted=(Uncounted("patcher, which says where patches end", size),))
    note = (
        f"its tokens are bytes; layers over patches run once for about {patch} of them and are counted once for each, "
        "so that times are upper ends"
    )
    return replace(model, notes=(*model.notes, note))


_OF_BYTES: Mapping[str, Mapping[str, int]] = {
    "encoder_config": {"hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 1,
                       "intermediate_size": 2730},
    "global_config": {"hidden_size": 2048, "num_attention_heads": 16, "num_hidden_layers": 25,
                      "intermediate_size": 5632},
    "decoder_config": {"hidden_size": 1024, "hidden_size_global": 2048, "num_attention_heads": 16,
                       "num_hidden_layers": 9, "intermediate_size": 2816},
}  # fmt: skip
"""Widths of the three parts where a config leaves them to transformers' defaults."""


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "blt": blt,
    **dict.fromkeys(("qwen4_exp", "qwen4_exp_text", "qwen3_8_flash_next_text"), qwen4_exp),
    "hy_v4": hy_v4, "glm5_next_text": glm5_next, "glm5_next": glm5_next,
    "minimax_m3": minimax_m3, "minimax_m3_vl": minimax_m3, "minimax_m3_vl_text": minimax_m3,
    "muse_spark_text": muse_spark, "muse_spark": muse_spark, "axk1": axk1, "axk2": axk2,
    "inkling_text": inkling, "inkling_mm_model": inkling, "inkling2_text": inkling2, "inkling2": inkling2, "zaya": zaya,
}  # fmt: skip
