"""The kinds of measured kernels: which files hold them, what they move and multiply, and which sizes decide.

Sizes are columns of the public tables of ai-dynamo/aiconfigurator. FLOPs and bytes seed the law of a surface and need
not be exact: what they leave out the surface learns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

Expression = pl.Expr
_col = pl.col
FORMATS: Mapping[str, tuple[str, float, float]] = {
    # As tables name them: the format of the products, bits of a weight, bits of an activation.
    "bfloat16": ("fp16", 16, 16), "float16": ("fp16", 16, 16), "half": ("fp16", 16, 16),
    "fp8": ("fp8", 8, 8), "fp8_e4m3": ("fp8", 8, 8), "fp8_block": ("fp8", 8, 8), "fp8_ootb": ("fp8", 8, 8),
    "int8": ("int8", 8, 8), "int8_wo": ("fp16", 8, 16), "sq": ("int8", 8, 8),
    "int4_wo": ("fp16", 4.25, 16), "nvfp4": ("fp4", 4.5, 4.5), "w4afp8": ("fp8", 4.25, 8),
    "w4a16_mxfp4": ("fp16", 4.25, 16), "w4a8_mxfp4_mxfp8": ("fp8", 4.25, 8), "w4a16_nvfp4": ("fp16", 4.5, 16),
}  # fmt: skip
"""Formats whose products a device lacks run in fp16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of kernels; expressions are of the columns of its tables, `weight_bits` and `cache_bits` among them."""

    name: str
    files: tuple[str, ...]
    variant: tuple[str, ...]
    """Columns that tell kernels apart that have surfaces of their own."""
    format: str
    """Column that names the format, or one of `FORMATS` where there is none."""
    flops: Expression
    bytes: Expression
    sizes: Mapping[str, Expression]
    """Positive sizes, by name; their logarithms are what a surface is over."""
    held_out: tuple[str, ...]
    """Sizes that kernels of one fold share: no kernel of the same is in another."""
    latency_s: Mapping[str, Expression] = field(default_factory=lambda: {"": _col("latency") / 1e3})
    """Seconds by what is timed, which becomes part of the variant."""
    cache: str = ""
    """Column that names the format of cached keys and values."""
    switches: bool = False
    """Whether engines choose among kernels by thresholds so much that a smooth surface misses them."""


def _kind(name: str, *files: str, **stated: object) -> Kind:
    return Kind(name=name, files=tuple(f"{file}_perf.parquet" for file in files), **stated)  # type: ignore[arg-type]


def _attention(
    name: str, file: str, length: Expression, pairs: Callable[[Expression], Expression], rows: Expression,
    *, prefill: bool,
) -> Kind:  # fmt: skip
    batch, heads, kv_heads = _col("batch_size"), _col("num_heads"), _col("num_key_value_heads")
    blocks = batch * heads * (length / 128).ceil() if prefill else batch * kv_heads
    window = pl.when(_col("window_size") > 0).then(_col("window_size")).otherwise(2**40)
    visible = pl.min_horizontal(length, window)
    width = _col("head_dim")
    return _kind(
        name, file, variant=("attn_dtype", "kv_cache_dtype", "kernel_source"), format="attn_dtype",
        cache="kv_cache_dtype",
        flops=4 * batch * heads * width * pairs(visible),
        bytes=batch * width * (2 * kv_heads * visible * _col("cache_bits") / 8 + 4 * heads * rows),
        sizes={"batch_size": batch, "length": length, "visible": visible} | (
            {"heads": heads, "key_value_heads": kv_heads, "head_dim": width, "blocks": blocks} if prefill
            # Kernels of one new token share keys and values among the heads of a group; engines choose them by its size
            # and split a sequence by how many blocks there are. What is cached is in the last-level cache, or is not.
            else {
                "group": heads / kv_heads, "key_value_heads": kv_heads, "head_dim": width, "blocks": blocks,
                "cached": blocks * visible * width,
            }
        ),
        held_out=("heads" if prefill else "group", "key_value_heads", "head_dim"), switches=not prefill,
    )  # fmt: skip


def _latent(name: str, *files: str, prefill: bool, module: bool) -> Kind:
    """Attention over DeepSeek's latent cache; a module has the projections around it too."""
    batch, heads = _col("batch_size"), _col("num_heads")
    length = _col("isl") + _col("step") if not prefill else _col("isl")
    rows = batch * _col("isl") if prefill else batch
    attention = (
        heads * batch * length * (length + 1) * (192 + 128) if prefill else 2 * batch * heads * length * (576 + 512)
    )
    moved = (
        batch * length * heads * (2 * 192 + 2 * 128) * 2 if prefill else batch * length * 576 * _col("cache_bits") / 8
    )
    matrices = 7168 * (1536 + 576) + heads * (1536 * 192 + 512 * 256 + 128 * 7168)
    named = "gemm_type" if module else "mla_dtype"
    return _kind(
        name, *files, format=named, cache="kv_cache_dtype", variant=(named, "kv_cache_dtype", "kernel_source"),
        flops=attention + (2 * rows * matrices if module else 0),
        bytes=moved + (matrices * _col("weight_bits") / 8 if module else 0),
        sizes={"batch_size": batch, "length": length, "heads": heads},
        held_out=("batch_size", "heads"),
    )  # fmt: skip


def _state(name: str, file: str, heads: Expression, keys: Expression, values: Expression, **sizes: Expression) -> Kind:
    """Layers that keep a state per head instead of keys and values."""
    batch, length = _col("batch_size"), pl.max_horizontal(_col("seq_len"), 1)
    state = batch * heads * keys * values
    return _kind(
        name, file, variant=("phase", "kernel_source"), format="bfloat16",
        flops=8 * batch * length * heads * keys * values,
        bytes=2 * batch * length * heads * (2 * keys + 2 * values) + 8 * state,
        sizes={"batch_size": batch, "length": length, "heads": heads, "blocks": batch * heads, **sizes},
        held_out=("batch_size", "heads"),
    )  # fmt: skip


def _convolution(name: str, file: str) -> Kind:
    """The short convolution before a Mamba 2 state, over its values and the keys and queries of every group."""
    batch, length = _col("batch_size"), pl.max_horizontal(_col("seq_len"), 1)
    width = _col("nheads") * _col("head_dim") + 2 * _col("n_groups") * _col("d_state")
    return _kind(
        name, file, variant=("phase", "kernel_source"), format="bfloat16",
        flops=2 * batch * length * width * _col("d_conv"), bytes=4 * batch * width * (length + _col("d_conv")),
        sizes={"batch_size": batch, "length": length, "width": width, "states": batch * width},
        held_out=("batch_size", "width"), switches=True,
    )  # fmt: skip


def _sparse(name: str, *files: str) -> Kind:
    batch, heads, queries = _col("batch_size"), _col("num_heads"), pl.max_horizontal(_col("isl"), 1)
    length = queries + _col("step")
    attended = pl.min_horizontal(length, 2048)
    return _kind(
        name, *files, format="gemm_type", cache="kv_cache_dtype",
        variant=("op_name", "model", "gemm_type", "kv_cache_dtype", "kernel_source", "score_mode"),
        flops=batch * queries * (2 * heads * attended * 1088 + 2 * length * 8192 + 4e8),
        bytes=batch * length * 700 + 2e8,
        sizes={"batch_size": batch, "queries": queries, "length": length, "heads": heads},
        held_out=("batch_size", "heads", "queries"),
    )  # fmt: skip


def _experts() -> Kind:
    tokens, hidden, chosen = _col("num_tokens"), _col("hidden_size"), _col("topk")
    width, experts = _col("inter_size") / _col("moe_tp_size"), _col("num_experts") / _col("moe_ep_size")
    rows = pl.max_horizontal(tokens * chosen / _col("moe_ep_size"), 1.0)
    distinct = pl.max_horizontal(
        pl.min_horizontal(experts * (1 - (1 - 1 / pl.max_horizontal(experts, 1.001)) ** rows), rows), 1.0
    )
    matrices = pl.when(_col("kernel_source").str.contains("nongated")).then(2).otherwise(3)
    numbers = matrices * hidden * width
    return _kind(
        "experts", "moe", variant=("moe_dtype", "kernel_source"), format="moe_dtype",
        flops=2 * rows * numbers,
        bytes=distinct * numbers * _col("weight_bits") / 8 + rows * (2 * hidden + 3 * width) * 2,
        sizes={
            "tokens": tokens, "rows": rows, "rows_per_expert": rows / distinct, "hidden_size": hidden, "width": width,
            "held": experts, "chosen": chosen,
            # Routing: 1 where it is balanced, more where few experts have most tokens.
            "skew": 1 + _col("distribution").str.extract(r"([\d.]+)$").cast(pl.Float64).fill_null(0.0),
        },
        held_out=("hidden_size", "width", "held", "chosen"),
    )  # fmt: skip


_M, _N, _K = _col("m"), _col("n"), _col("k")
_MESSAGE, _DEVICES = _col("message_size"), _col("num_gpus")


def _collective(name: str, *files: str, format_: str, variant: tuple[str, ...]) -> Kind:
    moved = _MESSAGE * _col("weight_bits") / 8 * (_DEVICES - 1) / _DEVICES
    return _kind(
        name, *files, variant=variant, format=format_, flops=pl.lit(0.0), bytes=moved,
        sizes={"message": _MESSAGE, "devices": _DEVICES}, held_out=("message",),
    )  # fmt: skip


def _dispatch(file: str, timed: Mapping[str, Expression], name: str, variant: tuple[str, ...]) -> Kind:
    tokens, hidden = _col("num_token"), _col("hidden_size")
    return _kind(
        name, file, variant=variant, format="bfloat16", flops=pl.lit(0.0), bytes=2 * tokens * hidden * _col("num_topk"),
        sizes={
            "tokens": tokens, "hidden_size": hidden, "chosen": _col("num_topk"), "experts": _col("num_experts"),
            **({"multiprocessors": _col("dispatch_sms")} if "normal" in file else {}),
        },
        held_out=("hidden_size", "chosen", "experts"), latency_s=timed,
    )  # fmt: skip


def _causal(length: Expression) -> Callable[[Expression], Expression]:
    return lambda visible: visible * length - visible * (visible - 1) / 2


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind(
            "gemm", "gemm", variant=("gemm_dtype", "kernel_source"), format="gemm_dtype", flops=2 * _M * _N * _K,
            bytes=_M * _K * _col("activation_bits") / 8 + _N * _K * _col("weight_bits") / 8 + 2 * _M * _N,
            sizes={"m": _M, "n": _N, "k": _K, "tiles": (_M / 128).ceil() * (_N / 128).ceil()}, held_out=("n", "k"),
            switches=True,
        ),
        _attention(
            "prefill_attention", "context_attention", _col("isl") + _col("step"), _causal(_col("isl") + _col("step")),
            _col("isl"), prefill=True,
        ),
        _attention(
            "decode_attention", "generation_attention", _col("isl") + _col("step"), lambda visible: visible, pl.lit(1),
            prefill=False,
        ),
        _kind(
            "encoder_attention", "encoder_attention", variant=("attn_dtype", "kernel_source"), format="attn_dtype",
            flops=4 * _col("batch_size") * _col("num_heads") * _col("head_dim") * _col("isl") ** 2,
            bytes=8 * _col("batch_size") * _col("num_heads") * _col("head_dim") * _col("isl"),
            sizes={
                "batch_size": _col("batch_size"), "length": _col("isl"), "heads": _col("num_heads"),
                "head_dim": _col("head_dim"),
            },
            held_out=("heads", "head_dim"),
        ),
        _experts(),
        _latent("latent_prefill", "context_mla", prefill=True, module=False),
        _latent("latent_decode", "generation_mla", prefill=False, module=False),
        _latent("latent_prefill_module", "mla_context_module", prefill=True, module=True),
        _latent("latent_decode_module", "mla_generation_module", prefill=False, module=True),
        _kind(
            "latent_products", "mla_bmm", variant=("op_name", "bmm_dtype", "kernel_source"), format="bmm_dtype",
            flops=2 * _col("num_tokens") * _col("num_heads") * 512 * 128,
            bytes=_col("num_heads") * (512 * 128 * _col("weight_bits") / 8 + _col("num_tokens") * 1280),
            sizes={"tokens": _col("num_tokens"), "heads": _col("num_heads")}, held_out=("heads",),
        ),
        _sparse("sparse_attention", "dsa_context_module", "dsa_generation_module"),
        _sparse(
            "compressed_attention", "dsv4_csa_context_module", "dsv4_csa_generation_module", "dsv4_hca_context_module",
            "dsv4_hca_generation_module",
        ),
        _state(
            "gated_deltanet", "gdn", _col("num_v_heads"), _col("head_k_dim"), _col("head_v_dim"),
            key_heads=_col("num_k_heads"),
        ),
        _state("kda", "kda", _col("num_v_heads"), _col("head_k_dim"), _col("head_v_dim")),
        _convolution("mamba2", "mamba2"),
        _kind(
            "quantise", "scale_matrix", variant=("quant_dtype", "kernel_source"), format="fp8", flops=pl.lit(0.0),
            bytes=3 * _M * _K, sizes={"m": _M, "k": _K}, held_out=("k",),
        ),
        _collective(
            "all_reduce", "custom_allreduce", format_="allreduce_dtype",
            variant=("allreduce_dtype", "kernel_source"),
        ),
        _collective(
            "collectives", "nccl", "oneccl", format_="nccl_dtype", variant=("op_name", "nccl_dtype", "kernel_source"),
        ),
        _dispatch(
            "wideep_deepep_ll",
            {"dispatch": _col("dispatch_avg_t_us") / 1e6, "combine": _col("combine_avg_t_us") / 1e6},
            "expert_dispatch_decode", ("kernel_source",),
        ),
        _dispatch(
            "wideep_deepep_normal",
            {
                "dispatch": (_col("dispatch_transmit_us") + _col("dispatch_notify_us")) / 1e6,
                "combine": (_col("combine_transmit_us") + _col("combine_notify_us")) / 1e6,
            },
            "expert_dispatch_prefill", ("kernel_source",),
        ),
    )
}  # fmt: skip
"""Every kind, by name."""
