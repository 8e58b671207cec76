"""Attention to compressed entries within hyper-connections: DeepSeek V4 and V4.1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config, decoder
from profiling.models.families.forms import Form, base, ends_of
from profiling.models.families.spec import LayerSpec
from profiling.models.steps import AttentionCore, Embedding, IndexScores, Linear, Normalisation, Pointwise, Step

_FP4_KEY_WITH_SCALE_BITS = 4 + 8 / 32
"""DeepSeek V4.1 keeps index keys in fp4 with an 8-bit scale per 32 numbers."""


def stream_end(config: Config, hidden: int) -> tuple[Step, ...]:
    """What joins the streams of hyper-connections before the final norm."""
    streams = config.integer("hc_mult")
    return (
        Linear(name="streams_out", inputs=("layers",), width_in=streams * hidden, width_out=streams, bias=True),
        Normalisation(name="streams_sum", inputs=("layers", "streams_out"), width=streams * hidden, gains=1),
    )


def streamed(spec: LayerSpec, config: Config, *, between: bool) -> LayerSpec:
    """The layer within hyper-connections; `between`: streams are also mixed with one another."""
    streams = config.integer("hc_mult")
    rounds = config.integer("hc_sinkhorn_iters", default=0) if between else 0
    return replace(
        spec, streams=streams, stream_mixes=2 * streams + (streams**2 if between else 0), stream_rounds=rounds
    )


def deepseek_v4(config: Config) -> Architecture:
    """DeepSeek V4: a window of plain keys, and compressed ones beside it; four streams; the first routers hash."""
    form = Form(selection_bias=True, latent=False, dense_width="moe_intermediate_size")
    plain = streamed(base(config, form), config, between=True)
    count = reading.layer_count(config)
    ratios = _compress_ratios(config, count)
    mixture = reading.mixture_of(config, selection_bias=True)
    kinds = {
        ratio: replace(plain, mixture=mixture, own_attention=_compressed(config, ratio))
        for ratio in dict.fromkeys(ratios)
    }
    specs = [kinds[ratio] for ratio in ratios]
    ends = replace(ends_of(config, form), after_steps=stream_end(config, plain.hidden_size))
    return decoder(config, specs, ends)


def _compress_ratios(config: Config, count: int) -> list[int]:
    """Tokens per compressed entry of each layer, as the checkpoint lists them or by kinds of layers (newer)."""
    stated = config.get("compress_ratios")
    if isinstance(stated, list):
        return [int(ratio) for ratio in stated[:count]]
    rates = dict(config.get("compress_rates", default={}))
    return [int(rates.get(kind, 0)) for kind in list(config.get("layer_types", default=["full_attention"] * count))]


def _core(config: Config) -> AttentionCore:
    """Keys and values are the same vector of one head."""
    heads, dim = config.integer("num_attention_heads"), config.integer("head_dim")
    return AttentionCore(name="attention", inputs=("rotary",), heads=heads, kv_heads=1, head_dim=dim,
                         value_head_dim=dim, key_is_value=True)  # fmt: skip


def _within_window(config: Config) -> list[Step]:
    """Queries from a latent, one key, and attention within the window."""
    hidden, rank, core = config.integer("hidden_size"), config.integer("q_lora_rank"), _core(config)
    heads, dim = core.heads, core.head_dim
    return [
        Linear(name="query_down", inputs=("attention_norm",), width_in=hidden, width_out=rank),
        Normalisation(name="query_norm", inputs=("query_down",), width=rank, gains=rank),
        Linear(name="query", inputs=("query_norm",), width_in=rank, width_out=heads * dim, split="column",
               units=heads),
        Linear(name="key", inputs=("attention_norm",), width_in=hidden, width_out=dim, writes_cache=True),
        Normalisation(name="key_norm", inputs=("key",), width=dim, gains=dim),
        Pointwise(name="rotary", inputs=("query", "key_norm"), width=(heads + 1) * dim, operations=3),
        replace(core, window=config.integer("sliding_window", default=128), keeps_only_window=True,
                extra_parameters=heads),
    ]  # fmt: skip


def _beside_window(core: AttentionCore) -> list[Step]:
    """Attention to compressed entries, and the sum of both."""
    return [
        core,
        Pointwise(name="attention_sum", inputs=("attention", core.name), width=core.heads * core.head_dim,
                  operands=2, operations=1),
    ]  # fmt: skip


def _output(config: Config, last: str) -> tuple[Step, ...]:
    """Two products; the first is a matrix per group of heads: as many numbers as one of a group's width."""
    groups, rank, core = config.integer("o_groups", default=1), config.integer("o_lora_rank"), _core(config)
    return (
        Linear(name="output_down", inputs=(last,), width_in=core.heads * core.head_dim // groups,
               width_out=groups * rank, split="column", units=groups),
        Linear(name="output", inputs=("output_down",), width_in=groups * rank, width_out=config.integer("hidden_size"),
               split="row", units=groups),
    )  # fmt: skip


def _compressed(config: Config, ratio: int) -> tuple[Step, ...]:
    """Attention of one layer of DeepSeek V4; `ratio` 0: the window alone."""
    hidden, dim = config.integer("hidden_size"), config.integer("head_dim")
    rank, source = config.integer("q_lora_rank"), "attention_norm"
    steps = _within_window(config)
    if not ratio:
        return (*steps, *_output(config, "attention"))
    # Overlapping groups of four need two sets of values, groups of 128 one.
    wide = 2 * dim if ratio == 4 else dim
    steps += _compressor("compressed", source, hidden, wide, dim, ratio)
    chosen: int | None = None
    inputs: tuple[str, ...] = ("query", "compressed_norm")
    if ratio == 4 and config.get("index_n_heads") is not None:
        width, index_heads = config.integer("index_head_dim"), config.integer("index_n_heads")
        chosen, inputs = config.integer("index_topk"), (*inputs, "index_scores")
        steps += [
            Linear(name="index_query", inputs=("query_norm",), width_in=rank, width_out=index_heads * width),
            Linear(name="index_weights", inputs=(source,), width_in=hidden, width_out=index_heads),
            *_compressor("index_key", source, hidden, 2 * width, width, ratio),
            IndexScores(name="index_scores", inputs=("index_query", "index_weights", "index_key_norm"),
                        heads=index_heads, width=width, tokens_per_entry=ratio,
                        entry_bits=round(width * reading.FP8_KEY_WITH_SCALE_BITS)),
        ]  # fmt: skip
    core = replace(_core(config), name="compressed_attention", inputs=inputs, tokens_per_entry=ratio, chosen=chosen)
    return (*steps, *_beside_window(core), *_output(config, "attention_sum"))


def _compressor(name: str, source: str, hidden: int, wide: int, width: int, ratio: int) -> list[Step]:
    """What makes one entry of every `ratio` tokens: values, their weights, and a learned position within."""
    return [
        Linear(name=name, inputs=(source,), width_in=hidden, width_out=wide),
        Linear(name=f"{name}_gate", inputs=(source,), width_in=hidden, width_out=wide),
        Normalisation(name=f"{name}_norm", inputs=(name, f"{name}_gate"), width=wide, gains=width + ratio * wide),
    ]


def deepseek_v41(config: Config) -> Architecture:
    """DeepSeek V4.1: few layers compress and index, and those that follow read the same entries; tables of n-grams.

    Behind the last source of entries indexers score the candidates that it chose alone.
    """
    form = Form(selection_bias=True, latent=False, dense_width="moe_intermediate_size")
    plain = replace(
        streamed(base(config, form), config, between=True), mixture=reading.mixture_of(config, selection_bias=True)
    )
    specs = []
    for index, ratio in enumerate(_compress_ratios(config, reading.layer_count(config))):
        steps = (*_shared_entries(config, index, ratio), *_output(config, "attention_sum" if ratio else "attention"))
        specs.append(replace(plain, own_attention=steps, layer_steps=_ngrams(config, index)))
    model = decoder(config, specs, ends_of(config, form))
    note = "scores of the at most {:,} candidates in its last layers are not counted".format(
        config.integer("candidate_topk_blocks", default=1) * config.integer("candidate_block_size", default=1)
    )
    return replace(model, notes=(*model.notes, note))


def _places(config: Config, name: str) -> frozenset[int]:
    return frozenset(int(index) for index in config.get(name, default=()))


def _shared_entries(config: Config, index: int, ratio: int) -> list[Step]:
    """Attention of one layer up to its output; only the sources of entries keep them."""
    steps = _within_window(config)
    if not ratio:
        return steps
    hidden, dim, rank = config.integer("hidden_size"), config.integer("head_dim"), config.integer("q_lora_rank")
    owns, source = index in _places(config, "kv_source_layer_ids"), "attention_norm"
    if owns:
        steps.append(Linear(name="compressed", inputs=(source,), width_in=hidden, width_out=dim))
        if ratio > 1:
            steps.append(Linear(name="compressed_gate", inputs=(source,), width_in=hidden, width_out=dim))
        steps.append(Normalisation(name="compressed_norm", inputs=("compressed",), width=dim, gains=dim))
    if index in _places(config, "index_source_layer_ids"):
        width, heads = config.integer("index_head_dim"), config.integer("index_n_heads")
        steps += [
            Linear(name="index_query", inputs=("query_norm",), width_in=rank, width_out=heads * width),
            Linear(name="index_weights", inputs=(source,), width_in=hidden, width_out=heads),
        ]
        if owns:
            steps += [
                Linear(name="index_key", inputs=("compressed_norm",), width_in=dim, width_out=width),
                Normalisation(name="index_key_norm", inputs=("index_key",), width=width, gains=width),
                IndexScores(name="index_scores", inputs=("index_query", "index_weights", "index_key_norm"),
                            heads=heads, width=width, tokens_per_entry=ratio,
                            entry_bits=round(width * _FP4_KEY_WITH_SCALE_BITS)),
            ]  # fmt: skip
    core = replace(_core(config), name="compressed_attention", inputs=("query",), tokens_per_entry=ratio,
                   chosen=config.integer("index_topk"), owns_cache=owns)  # fmt: skip
    return [*steps, *_beside_window(core)]


def _ngrams(config: Config, index: int) -> tuple[Step, ...]:
    """Rows of a table by hashes of the last tokens, which give every stream a key and all of them one value."""
    placed = [int(each) for each in config.get("engram_layer_ids", default=())]
    if index not in placed:
        return ()
    hidden, streams = config.integer("hidden_size"), config.integer("hc_mult")
    rows = (config.integer("engram_max_ngram_size") - 1) * config.integer("engram_n_heads")
    width = config.integer("engram_head_dim")
    entries = int(config.get("engram_num_embeddings")[placed.index(index)])
    return (
        Embedding(name="ngram_embedding", inputs=("tokens",), entries=entries, width=width,
                  scales_with_vocabulary=False, rows_per_token=rows),
        Linear(name="ngram_key_value", inputs=("ngram_embedding",), width_in=rows * width,
               width_out=(streams + 1) * hidden),
        Normalisation(name="ngram_norm", inputs=("ngram_key_value",), width=2 * streams * hidden,
                      gains=2 * streams * hidden),
    )  # fmt: skip


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {
    "deepseek_v4": deepseek_v4, "deepseek_v41": deepseek_v41, "deepseek_v41_text": deepseek_v41,
}  # fmt: skip
