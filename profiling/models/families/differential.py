"""Motif: what one group of heads sees less what another sees, in plain heads (2.6B, 2-12.7B) or over latents (3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from profiling.errors import InvalidConfig
from profiling.models.architecture import Architecture
from profiling.models.families import reading
from profiling.models.families.assembly import Config, decoder
from profiling.models.families.forms import Form, ends_of, layers_of, plain_numbers, with_defaults
from profiling.models.families.spec import LatentAttention, LayerSpec
from profiling.models.steps import AttentionCore, Linear, Normalisation, Pointwise, Step

_POLYNOMIAL = 4
"""Learned numbers of an activation that is a polynomial of third degree (PolyNorm, arXiv 2411.03884)."""


def motif(config: Config) -> Architecture:
    """Motif 2.6B (arXiv 2410.05258), 2-12.7B (arXiv 2510.06949) and 3, by what their configs state.

    Raises:
        InvalidConfig: Heads do not divide into groups of those that are taken off and those they are taken off from.
    """
    if config.get("kv_lora_rank") is not None:
        return _over_latents(config)
    form = Form(query_key_value_bias="use_bias", output_bias="use_bias", feed_forward_bias="use_bias", windows=False)
    noise = config.get("num_noise_heads")
    specs = []
    for spec in layers_of(config, form):
        numbers = (plain_numbers("difference", 6 * spec.head_dim), plain_numbers("activation", _POLYNOMIAL))
        if noise is None:
            specs.append(replace(spec, attention_steps=(_again(spec),), layer_steps=numbers))
        else:
            specs.append(replace(spec, own_attention=_grouped(config, spec), layer_steps=numbers))
    return decoder(config, specs, ends_of(config, form))


def _again(spec: LayerSpec) -> AttentionCore:
    """Values are twice as wide as keys: the scores of each head weigh both halves."""
    return AttentionCore(name="attention_again", inputs=("rotary", "value"), heads=spec.heads, kv_heads=spec.kv_heads,
                         head_dim=spec.head_dim, value_head_dim=spec.head_dim, owns_cache=False)  # fmt: skip


def _signals(config: Config) -> int:
    """Heads from which those that see noise are taken off; so many of them to one."""
    heads, noise = config.integer("num_attention_heads"), config.integer("num_noise_heads")
    if heads <= noise or heads % noise:
        raise InvalidConfig(f"{config.name}: {heads} heads are not groups of several around {noise} num_noise_heads")
    return heads - noise


def _linear(name: str, source: str, width_in: int, width_out: int, units: int = 0) -> Linear:
    return Linear(name=name, inputs=(source,), width_in=width_in, width_out=width_out, units=units,
                  split="column" if units else "none", writes_cache=name in {"key", "value", "latent"})  # fmt: skip


def _closing(spec: LayerSpec, source: str, width: int) -> Linear:
    return Linear(name="output", inputs=(source,), width_in=width, width_out=spec.hidden_size, split="row",
                  bias=spec.output_bias, units=spec.kv_heads)  # fmt: skip


def _grouped(config: Config, spec: LayerSpec) -> tuple[Step, ...]:
    """Several heads to one that is taken off; what leaves attention is as wide as the values of the former."""
    source, hidden, dim = "attention_norm", spec.hidden_size, spec.head_dim
    width = 2 * _signals(config) * dim
    keys = spec.kv_heads * dim
    return (
        _linear("query", source, hidden, spec.heads * dim, spec.heads),
        _linear("key", source, hidden, keys, spec.kv_heads),
        _linear("value", source, hidden, keys, spec.kv_heads),
        Pointwise(name="rotary", inputs=("query", "key"), width=spec.heads * dim + keys, operations=3, split="column"),
        AttentionCore(name="attention", inputs=("rotary", "value"), heads=spec.heads, kv_heads=spec.kv_heads,
                      head_dim=dim, value_head_dim=dim),
        _again(spec),
        Pointwise(name="attention_difference", inputs=("attention", "attention_again"), width=width, operands=2,
                  operations=2, split="column"),
        _closing(spec, "attention_difference", width),
    )  # fmt: skip


def _over_latents(config: Config) -> Architecture:
    """Motif 3: latents open into as many keys and values as there are groups of heads; four residual streams."""
    form = Form(selection_bias=True, names=(
        ("num_experts_per_tok", "experts_top_k"), ("first_k_dense_replace", "n_dense_first_layers"),
        ("decoder_sparse_step", "interleave_moe_layer_step"),
    ))  # fmt: skip
    stated = with_defaults(config, form)
    count, dim = reading.layer_count(stated), stated.integer("head_dim")
    period = stated.integer("sliding_window_period", default=2)
    kinds = ["sliding_attention" if index % period else "full_attention" for index in range(count)]
    stated = Config({
        "layer_types": kinds if config.flag("use_sliding_window", default=False) else ["full_attention"] * count,
        **stated.fields, "use_sliding_window": None,
        "qk_nope_head_dim": dim - stated.integer("qk_rope_head_dim"), "num_noise_heads": _noise(stated),
    })  # fmt: skip
    streams = config.integer("mhc_expansion_rate", default=4) if config.flag("mhc_enabled", default=False) else 0
    specs = []
    for spec in layers_of(stated, form):
        # Of both blocks: a norm over all streams. Every expert has an activation of its own.
        mixture = spec.mixture
        experts = mixture.experts + bool(mixture.shared_intermediate_size) if mixture else 1
        numbers = plain_numbers("activations", 2 * streams * spec.hidden_size + experts * _POLYNOMIAL)
        specs.append(replace(
            spec, own_attention=_latent(stated, spec), layer_steps=(numbers,), streams=streams,
            stream_mixes=2 * streams + streams**2, stream_rounds=config.integer("mhc_sinkhorn_iters", default=20),
        ))  # fmt: skip
    return decoder(stated, specs, ends_of(stated, form))


def _noise(config: Config) -> int:
    """Heads that are taken off; keys and values are shared by one of them and those around it.

    Raises:
        InvalidConfig: There are not as many of them as keys and values.
    """
    noise, kv_heads = config.integer("num_noise_heads"), config.integer("num_key_value_heads")
    if noise != kv_heads:
        raise InvalidConfig(f"{config.name}: num_noise_heads {noise} must be num_key_value_heads {kv_heads}")
    return noise


def _latent(config: Config, spec: LayerSpec) -> tuple[Step, ...]:
    mla, heads = spec.latent or reading.latent_of(config), spec.heads
    source, hidden, signals = "attention_norm", spec.hidden_size, _signals(config)
    rank, width = mla.query_rank or hidden, signals * mla.value_dim
    gated = config.flag("elementwise_attn_output_gate", default=False)
    gate: tuple[Step, ...] = (_linear("attention_gate", "query_norm", rank, width, signals),) if gated else ()
    return (
        *_compressed(mla, hidden, heads, source),
        *gate,
        _linear("difference", source, hidden, signals, signals),
        Linear(name="key_value_up", inputs=("latent_norm",), width_in=mla.kv_rank, rows="context", split="column",
               width_out=spec.kv_heads * (mla.plain_dim + mla.value_dim), units=spec.kv_heads),
        Pointwise(name="rotary", inputs=("query", "latent"), width=(heads + 1) * mla.rotary_dim, operations=3,
                  split="column"),
        AttentionCore(name="attention", inputs=("rotary", "key_value_up"), heads=heads, kv_heads=spec.kv_heads,
                      head_dim=mla.plain_dim + mla.rotary_dim, value_head_dim=mla.value_dim,
                      latent_width=mla.kv_rank + mla.rotary_dim, latent_value_width=mla.kv_rank, window=spec.window),
        Pointwise(name="attention_gated", inputs=("attention", "difference", *(step.name for step in gate)),
                  width=width, operands=2, operations=7, split="column"),
        _closing(spec, "attention_gated", width),
    )  # fmt: skip


def _compressed(mla: LatentAttention, hidden: int, heads: int, source: str) -> tuple[Step, ...]:
    """Queries through a latent of their own, and the latent that the cache keeps."""
    rank, width = mla.query_rank or hidden, mla.plain_dim + mla.rotary_dim
    return (
        _linear("query_down", source, hidden, rank),
        Normalisation(name="query_norm", inputs=("query_down",), width=rank, gains=rank),
        _linear("query", "query_norm", rank, heads * width, heads),
        _linear("latent", source, hidden, mla.kv_rank + mla.rotary_dim),
        Normalisation(name="latent_norm", inputs=("latent",), width=mla.kv_rank, gains=mla.kv_rank),
    )


FAMILIES: Mapping[str, Callable[[Config], Architecture]] = {"motif": motif, "Motif": motif}
