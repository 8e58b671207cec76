"""Closed-form laws of kernel time, one per operator class, each with named parameters; nothing here is fitted.

Every law is launch overhead plus the larger (a smooth maximum) of memory time and on-chip time. On-chip time is
counted in whole waves of thread blocks over the multiprocessors: tile and wave quantisation as described in
NVIDIA's "Matrix Multiplication Background User's Guide"; split-K as in CUTLASS; the causal triangle of key tiles
as in FlashAttention-2 (Dao 2023, section 3); keys split over blocks in decode as in Flash-Decoding (Dao et al.
2023). The roofline below all of them is Williams, Waterman & Patterson (2009).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shapes = Mapping[str, Array]

DEFAULT_MULTIPROCESSORS = 128
# A kernel that runs longer than this has warmed the chip to its power limit; H200 tables show the drop there.
POWER_LIMITED_AFTER_S = 3e-4
# Transfers need about this much in flight before the memory runs at its sustained rate.
RAMP_BYTES = 10e6


@dataclass(frozen=True)
class Peaks:
    """What the data sheet promises: dense FLOP/s by number format (`bf16`, `fp8`), memory bytes/s, decimal units.

    `cache_bytes` is the last-level cache: activations up to that size need not come from memory.
    `multiprocessors` is how many thread blocks run side by side (streaming multiprocessors); where it is not
    known, 128 stands in and the fitted efficiencies absorb the difference.
    """

    flops_per_s: Mapping[str, float]
    bytes_per_s: float
    cache_bytes: float = 0.0
    multiprocessors: int | None = None

    def __post_init__(self) -> None:
        rates = [*self.flops_per_s.values(), self.bytes_per_s]
        if not self.flops_per_s or not all(np.isfinite(rate) and rate > 0 for rate in rates):
            raise ValueError(f"peaks must be positive rates, got {dict(self.flops_per_s)} and {self.bytes_per_s}")

    @property
    def parallel_blocks(self) -> int:
        """Thread blocks that run side by side."""
        return self.multiprocessors or DEFAULT_MULTIPROCESSORS


@dataclass(frozen=True)
class Parameter:
    """One number of a law: `start` is the fit's first guess and the default where nothing was measured."""

    name: str
    unit: str
    start: float
    lower: float
    upper: float
    meaning: str


@dataclass(frozen=True)
class Law:
    """`prepare` computes what depends on the shape alone, once; `time_s` adds the parameters."""

    parameters: tuple[Parameter, ...]
    prepare: Callable[[Shapes, Peaks, str], dict[str, Array]]
    time_s: Callable[[Array, Mapping[str, Array]], Array]


_LAUNCH = Parameter("launch_overhead_us", "µs", 3.0, 0.1, 60.0, "time of a call that does no work")
_COMPUTE = Parameter("compute_efficiency", "1", 0.75, 0.05, 1.0, "share of peak FLOP/s inside a full tile")
_BANDWIDTH = Parameter("bandwidth_efficiency", "1", 0.8, 0.05, 1.0, "share of peak bytes/s of large transfers")
_RAMP = Parameter("bandwidth_ramp", "1", 1.0, 0.01, 20.0, "extra time of a small transfer, per 10 MB of peak rate")
_OVERLAP = Parameter("overlap_exponent", "1", 3.0, 1.0, 12.0, "1 adds memory and on-chip time, ∞ takes the larger")
_BLOCK = Parameter("block_overhead_us", "µs", 1.0, 0.02, 20.0, "start and end of one thread block")
_STREAM = Parameter(
    "block_stream_rate", "1", 3.0, 0.1, 30.0, "bytes/s one block draws, in shares of peak bytes/s per multiprocessor"
)
_SPLIT = Parameter("split_overhead_us", "µs", 3.0, 0.1, 30.0, "combining partial results of a split inner loop")

GEMM_PARAMETERS = (
    _LAUNCH,
    _COMPUTE,
    _BANDWIDTH,
    _RAMP,
    _OVERLAP,
    _BLOCK,
    _STREAM,
    _SPLIT,
    Parameter("power_slowdown", "1", 0.2, 1e-3, 2.0, "extra on-chip time of kernels long enough to hit the power cap"),
    Parameter("warm_read_cost", "1", 0.5, 0.02, 1.0, "cost of a cached activation byte, in memory bytes"),
    Parameter("warm_share", "1", 0.8, 0.05, 2.0, "share of the last-level cache that keeps activations"),
)
GEMM_FP8_PARAMETERS = (
    # Measured 8-bit calls find a scale and convert their input first: kernels of their own, 10 µs and more.
    Parameter("launch_overhead_us", "µs", 10.0, 0.1, 60.0, _LAUNCH.meaning),
    *GEMM_PARAMETERS[1:],
    Parameter("quantise_bytes", "byte", 8.0, 0.1, 40.0, "traffic per activation to turn 16 bit into 8 bit before"),
)
PREFILL_PARAMETERS = (
    Parameter("launch_overhead_us", "µs", 12.0, 0.1, 60.0, _LAUNCH.meaning),
    Parameter("compute_efficiency", "1", 0.6, 0.05, 1.0, _COMPUTE.meaning),
    Parameter("narrow_head_cost", "1", 0.3, 1e-3, 10.0, "loss of narrow heads: efficiency/(1 + cost·64/head_dim)"),
    Parameter("overlap_exponent", "1", 1.1, 1.0, 12.0, "1 adds total work and longest block, ∞ takes the larger"),
    Parameter("block_overhead_us", "µs", 2.0, 0.02, 20.0, _BLOCK.meaning),
    Parameter("block_row_passes", "1", 0.5, 0.01, 10.0, "passes over a block's query rows, in reads and writes"),
    Parameter("preprocessing_passes", "1", 0.6, 0.02, 10.0, "passes over Q, K, V for rotary embedding and cache write"),
    Parameter("window_tiles", "tile", 2.0, 0.01, 20.0, "key tiles visited beyond those a window needs"),
    Parameter("length_slowdown", "1", 0.1, 1e-3, 2.0, "extra on-chip time per 16,384 keys (power cap, cache misses)"),
)
DECODE_PARAMETERS = (
    Parameter("launch_overhead_us", "µs", 7.0, 0.1, 60.0, _LAUNCH.meaning),
    _BANDWIDTH,
    _RAMP,
    _OVERLAP,
    _BLOCK,
    _STREAM,
    Parameter("block_compute_efficiency", "1", 0.1, 1e-3, 1.0, "share of peak FLOP/s one block reaches on its keys"),
    _SPLIT,
    Parameter("head_dim_exponent", "1", 0.5, 0.01, 3.0, "block overhead grows as (head_dim/128)^exponent"),
)

# Tiles (rows, columns) and splits of the inner loop that GEMM libraries choose among; the law takes the fastest.
_TILES = ((128, 256), (256, 128), (128, 128), (64, 256), (256, 64), (128, 64), (64, 128), (64, 64))
_SPLITS = (1, 2, 4, 8, 16, 32)
_QUERY_TILE = 64
_DECODE_SPLITS = (1, 2, 4, 8, 16, 32, 64)
_KEY_BLOCK = 64
# Query heads that share one read of their keys and values; more (or one) and every query head reads its own.
GROUPED_UP_TO = 32


def variants(operator_class: str, shapes: Shapes) -> NDArray[np.str_]:
    """Kernel family of each shape; families are fitted apart because they are different programs.

    GEMM has one. Prefill has one per pair of operand and cache format. Decode has grouped kernels, which read
    keys once per group of 2 to 32 query heads, and per-head kernels for the rest, each per cache format.
    """
    if operator_class.startswith("gemm"):
        return np.full(len(shapes["m"]), "all")
    cache = np.where(shapes["key_value_bits"] <= 8, "_kv8", "_kv16")
    if operator_class == "prefill_attention":
        return np.char.add(np.where(shapes["operand_bits"] <= 8, "q8", "q16"), cache)
    grouped = _grouped(shapes)
    return np.char.add(np.where(grouped, "grouped", "per_head"), cache)


def number_format(operator_class: str, variant: str) -> str:
    """Widest peak the kernel could run at: with 8-bit keys the products may be 8 bit even if queries are 16."""
    if operator_class == "gemm_fp8" or (operator_class == "prefill_attention" and "8" in variant):
        return "fp8"
    return "bf16"


def law_of(operator_class: str) -> Law:
    """The law of an operator class."""
    return _LAWS[operator_class]


def _smooth_maximum(first: Array, second: Array, exponent: float) -> Array:
    larger = np.maximum(first, second)
    smaller = np.minimum(first, second)
    ratio = np.divide(smaller, larger, out=np.zeros_like(larger), where=larger > 0)
    return np.asarray(larger * (1 + ratio**exponent) ** (1 / exponent))


def _prepare_gemm(shapes: Shapes, peaks: Peaks, number: str) -> dict[str, Array]:
    m, n, k = shapes["m"], shapes["n"], shapes["k"]
    width, blocks, peak = (2.0 if number == "bf16" else 1.0), peaks.parallel_blocks, peaks.flops_per_s[number]
    splits = np.asarray(_SPLITS, dtype=np.float64)[:, None]
    depth = np.ceil(k / splits / 64) * 64
    waves, tile_s, stream_s = [], [], []
    for rows, columns in _TILES:
        tiles = np.ceil(m / rows) * np.ceil(n / columns)
        waves.append(np.ceil(tiles * splits / blocks))
        tile_s.append(2.0 * rows * columns * blocks / peak)
        edge = np.minimum(rows, m) + np.minimum(columns, n)
        stream_s.append(width * edge * blocks / peaks.bytes_per_s)
    by_tile_and_split = np.stack(waves)
    flops_s = 2 * m * n * k / peak
    return {
        "waves": by_tile_and_split,
        "steps": by_tile_and_split * depth,
        "split": (splits > 1).astype(np.float64),
        "tile_s": np.asarray(tile_s)[:, None],
        "stream_s": np.stack(stream_s),
        "long": flops_s / (flops_s + POWER_LIMITED_AFTER_S),
        "activation_bytes": width * m * k,
        "other_bytes": width * k * n + 2 * m * n,
        "activations": m * k,
        "bytes_per_s": np.full_like(m, peaks.bytes_per_s),
        "cache_bytes": np.full_like(m, max(peaks.cache_bytes, 1.0)),
    }


def _gemm_time_s(values: Array, shape: Mapping[str, Array]) -> Array:
    launch, compute, bandwidth, ramp, overlap, block, stream, split, power, warm_cost, warm_share = values[:11]
    slow = (1 + power * shape["long"]) / compute
    per_step = np.maximum(shape["tile_s"] * slow, shape["stream_s"] / stream)
    # Axes: tile, split, kernel.
    on_chip = shape["steps"] * per_step[:, None, :] + shape["waves"] * (block * 1e-6)
    on_chip = (on_chip + shape["split"] * (split * 1e-6)).min(axis=(0, 1))
    activation = shape["activation_bytes"]
    # Share of the activations that must come from memory: none well inside the cache, all well beyond it.
    missed = 1 / (1 + (warm_share * shape["cache_bytes"] / activation) ** 4)
    moved = shape["other_bytes"] + activation * (warm_cost + (1 - warm_cost) * missed)
    memory = (moved + ramp * RAMP_BYTES * moved / (moved + RAMP_BYTES)) / (bandwidth * shape["bytes_per_s"])
    time = launch * 1e-6 + _smooth_maximum(on_chip, memory, overlap)
    if len(values) > 11:
        time = time + values[11] * shape["activations"] / shape["bytes_per_s"]
    return np.asarray(time)


def _prepare_prefill(shapes: Shapes, peaks: Peaks, number: str) -> dict[str, Array]:
    batch, length, query_heads, kv_heads, head_dim, window = (
        shapes[name]
        for name in ("batch_size", "sequence_length", "query_heads", "key_value_heads", "head_dim", "window_size")
    )
    # Tile widths hold keys and values of one step in shared memory: wide heads take fewer keys, 8 bit more.
    key_tile = np.where(head_dim <= 64, 256.0, np.where(head_dim <= 128, 128.0, 64.0))
    if number == "fp8":
        key_tile = np.where(head_dim > 64, 2 * key_tile, key_tile)
    windowed = (window > 0) & (window < length)
    all_tiles = np.ceil(length / key_tile)
    blocks = peaks.parallel_blocks
    return {
        "query_tiles": np.ceil(length / _QUERY_TILE),
        "query_blocks": batch * query_heads / blocks,
        "key_tile": key_tile,
        "all_tiles": all_tiles,
        "window_tiles": np.where(windowed, np.ceil((window + _QUERY_TILE) / key_tile), all_tiles),
        "windowed": windowed.astype(np.float64),
        "head_ratio": 64 / head_dim,
        "tile_s": 4 * _QUERY_TILE * key_tile * head_dim * blocks / peaks.flops_per_s[number],
        "row_s": np.minimum(length, _QUERY_TILE) * head_dim * 8 * blocks / peaks.bytes_per_s,
        "token_s": batch * length * head_dim * (query_heads + kv_heads) * 8 / peaks.bytes_per_s,
    }


def _prefill_time_s(values: Array, shape: Mapping[str, Array]) -> Array:
    launch, compute, narrow, overlap, block, rows, passes, extra, longer = values
    reach = np.minimum(shape["window_tiles"] + extra * shape["windowed"], shape["all_tiles"])
    ratio = _QUERY_TILE / shape["key_tile"]
    queries = shape["query_tiles"]
    # Query tile i sees about (i + 1)·ratio key tiles, rounded up, until the window or the sequence ends it.
    climbing = np.minimum(queries, reach / ratio)
    visited = ratio * climbing * (climbing + 1) / 2 + (1 - ratio) / 2 * climbing + (queries - climbing) * reach
    visited = np.maximum(visited, queries)
    slow = (1 + narrow * shape["head_ratio"]) * (1 + longer * reach * shape["key_tile"] / 16384) / compute
    tile = shape["tile_s"] * slow
    start = block * 1e-6 + rows * shape["row_s"]
    total = shape["query_blocks"] * (queries * start + visited * tile)
    longest = start + reach * tile
    return np.asarray(launch * 1e-6 + passes * shape["token_s"] + _smooth_maximum(total, longest, overlap))


def _grouped(shapes: Shapes) -> NDArray[np.bool_]:
    group = shapes["query_heads"] / shapes["key_value_heads"]
    return np.asarray((group > 1) & (group <= GROUPED_UP_TO))


def _prepare_decode(shapes: Shapes, peaks: Peaks, number: str) -> dict[str, Array]:
    batch, length, query_heads, kv_heads, head_dim, window, kv_bits = (
        shapes[name]
        for name in (
            "batch_size", "sequence_length", "query_heads", "key_value_heads", "head_dim", "window_size",
            "key_value_bits",
        )
    )  # fmt: skip
    grouped = _grouped(shapes)
    windowed = (window > 0) & (window < length)
    visible = np.where(windowed, window, length)
    # A window starts inside a key block, so it touches one more than it fills.
    touched = np.ceil(visible / _KEY_BLOCK) * _KEY_BLOCK + np.where(windowed, _KEY_BLOCK, 0)
    blocks = peaks.parallel_blocks
    units = batch * np.where(grouped, kv_heads, query_heads)
    waves = [
        np.maximum(units * np.minimum(parts, np.ceil(touched / _KEY_BLOCK)) / blocks, 1.0) for parts in _DECODE_SPLITS
    ]
    key_bytes = 2 * head_dim * kv_bits / 8
    keys = [np.ceil(touched / parts / _KEY_BLOCK) * _KEY_BLOCK for parts in _DECODE_SPLITS]
    return {
        "waves": np.stack(waves),
        "keys": np.stack(keys),
        "split": np.stack([np.full_like(batch, float(parts > 1)) for parts in _DECODE_SPLITS]),
        "key_stream_s": key_bytes * blocks / peaks.bytes_per_s,
        "key_compute_s": 4
        * np.where(grouped, query_heads / kv_heads, 1.0)
        * head_dim * blocks / peaks.flops_per_s[number],
        "wide": head_dim / 128,
        "moved": batch * kv_heads * visible * key_bytes + 4 * batch * query_heads * head_dim,
        "bytes_per_s": np.full_like(batch, peaks.bytes_per_s),
    }  # fmt: skip


def _decode_time_s(values: Array, shape: Mapping[str, Array]) -> Array:
    launch, bandwidth, ramp, overlap, block, stream, compute, split, wide = values
    per_key = shape["key_stream_s"] / stream + shape["key_compute_s"] / compute
    start = block * 1e-6 * shape["wide"] ** wide
    on_chip = (shape["waves"] * (start + shape["keys"] * per_key) + shape["split"] * (split * 1e-6)).min(axis=0)
    moved = shape["moved"]
    memory = (moved + ramp * RAMP_BYTES * moved / (moved + RAMP_BYTES)) / (bandwidth * shape["bytes_per_s"])
    return np.asarray(launch * 1e-6 + _smooth_maximum(on_chip, memory, overlap))


_LAWS = {
    "gemm_bf16": Law(GEMM_PARAMETERS, _prepare_gemm, _gemm_time_s),
    "gemm_fp8": Law(GEMM_FP8_PARAMETERS, _prepare_gemm, _gemm_time_s),
    "prefill_attention": Law(PREFILL_PARAMETERS, _prepare_prefill, _prefill_time_s),
    "decode_attention": Law(DECODE_PARAMETERS, _prepare_decode, _decode_time_s),
}
