"""Kernel tables read into one typed frame; what a kernel should cost is decided in `calibration`, not here.

Layout of a folder: one folder per accelerator with `gemm_perf.parquet`, `context_attention_perf.parquet` and
`generation_attention_perf.parquet` (those that exist), one row per measured kernel, latency in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from profiling.foreign_parquet import UnreadableParquet, promise_of, read_parquet

Array = NDArray[np.float64]

OPERATOR_CLASSES = ("gemm_bf16", "gemm_fp8", "prefill_attention", "decode_attention")

GEMM_SHAPE = ("m", "n", "k")
ATTENTION_SHAPE = (
    "batch_size",
    "sequence_length",
    "query_heads",
    "key_value_heads",
    "head_dim",
    "window_size",
    "operand_bits",
    "key_value_bits",
)

KERNEL_SCHEMA: dict[str, pl.DataType] = {
    "accelerator": pl.String(),
    "device": pl.String(),
    "framework": pl.String(),
    "framework_version": pl.String(),
    "source_file": pl.String(),
    "source_row": pl.Int64(),
    "operator_class": pl.String(),
    # GEMM: C[m, n] = A[m, k] B[k, n]; A are activations, B are weights.
    "m": pl.Int64(),
    "n": pl.Int64(),
    "k": pl.Int64(),
    # Attention: `sequence_length` counts the keys a query may see, its own included; a window of 0 is none.
    "batch_size": pl.Int64(),
    "sequence_length": pl.Int64(),
    "query_heads": pl.Int64(),
    "key_value_heads": pl.Int64(),
    "head_dim": pl.Int64(),
    "window_size": pl.Int64(),
    "operand_bits": pl.Int64(),
    "key_value_bits": pl.Int64(),
    "latency_s": pl.Float64(),
    "flops": pl.Float64(),
    "bytes": pl.Float64(),
    "cacheable_bytes": pl.Float64(),
}
REJECTED_SCHEMA: dict[str, pl.DataType] = {
    "accelerator": pl.String(),
    "source_file": pl.String(),
    "source_row": pl.Int64(),
    "operator_class": pl.String(),
    "reason": pl.String(),
}

_BITS = {"bfloat16": 16, "float16": 16, "fp8": 8}
_GEMM_CLASSES = {"bfloat16": "gemm_bf16", "fp8": "gemm_fp8"}
_PROVENANCE = ("framework", "version", "device")
_GEMM_COLUMNS = (*_PROVENANCE, "gemm_dtype", "m", "n", "k", "latency")
_ATTENTION_COLUMNS = (
    *_PROVENANCE,
    "batch_size",
    "isl",
    "num_heads",
    "num_key_value_heads",
    "head_dim",
    "window_size",
    "beam_width",
    "attn_dtype",
    "kv_cache_dtype",
    "step",
    "latency",
)
_FILES = {
    "gemm_perf.parquet": (_GEMM_COLUMNS, None),
    "context_attention_perf.parquet": (_ATTENTION_COLUMNS, "prefill_attention"),
    "generation_attention_perf.parquet": (_ATTENTION_COLUMNS, "decode_attention"),
}


_MOST_ROWS = 5_000_000
_KINDS: dict[str, pl.DataType] = {
    **dict.fromkeys((*_PROVENANCE, "gemm_dtype", "attn_dtype", "kv_cache_dtype"), pl.String()),
    "latency": pl.Float64(),
}
"""Types of the columns that are not whole numbers."""


class UnreadableKernelTable(ValueError):
    """A folder or file is not a kernel table in the documented layout."""


@dataclass(frozen=True)
class KernelTables:
    """Kernels that can be used, and the rows that cannot, each with its reason."""

    kernels: pl.DataFrame
    rejected: pl.DataFrame


def accelerator_folders(folder: Path) -> list[Path]:
    """`folder` itself if it holds kernel tables, else its sub-folders that do, in order of name.

    Raises:
        UnreadableKernelTable: there is no such folder, or no kernel table in it.
    """
    if not folder.is_dir():
        raise UnreadableKernelTable(f"{folder} is not a folder; give one that holds {', '.join(_FILES)}")
    candidates = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    folders = [path for path in candidates if any((path / name).is_file() for name in _FILES)]
    if not folders:
        raise UnreadableKernelTable(f"{folder} holds none of {', '.join(_FILES)}, nor does a folder in it")
    return folders


def read_kernels(folder: Path) -> KernelTables:
    """Kernel tables of every accelerator below `folder`; the accelerator is named by its folder.

    Raises:
        UnreadableKernelTable: no table found, a file that is not Parquet, or one that lacks a column.
    """
    parts = [
        _read_file(path, table / path, *columns)
        for table in accelerator_folders(folder)
        for path, columns in ((Path(name), spec) for name, spec in _FILES.items())
        if (table / path).is_file()
    ]
    return KernelTables(pl.concat([part.kernels for part in parts]), pl.concat([part.rejected for part in parts]))


def work(kernels: pl.DataFrame) -> pl.DataFrame:
    """Add `flops`, `bytes` and `cacheable_bytes` of `work_of` to rows that have an operator class and a shape."""
    results = np.full((3, kernels.height), np.nan)
    for operator_class in kernels["operator_class"].unique():
        rows = (kernels["operator_class"] == operator_class).fill_null(value=False)
        names = (*GEMM_SHAPE, "operand_bits") if operator_class.startswith("gemm") else ATTENTION_SHAPE
        shapes = kernels.filter(rows).select(pl.col(name).cast(pl.Float64) for name in names)
        results[:, rows.to_numpy()] = work_of(operator_class, {name: shapes[name].to_numpy() for name in names})
    added = ("flops", "bytes", "cacheable_bytes")
    return kernels.with_columns(pl.Series(name, values) for name, values in zip(added, results, strict=True))


def work_of(operator_class: str, shapes: Mapping[str, Array]) -> tuple[Array, Array, Array]:
    """FLOPs, bytes and cacheable bytes of kernels of one class.

    FLOPs count a multiply and an add as two. Attention counts the causal half only, or the band inside the
    window, and no softmax (FlashAttention-2, Dao 2023, section 4.1). Bytes are compulsory traffic: every
    operand read once, every result written once; GEMM results and attention outputs are 16 bit.
    Cacheable bytes are the part that the kernel before may have left in cache: activations, not weights and
    not the keys and values that decode reads.

    Args:
        operator_class: One of `OPERATOR_CLASSES`.
        shapes: `m, n, k, operand_bits` of matrix products, `ATTENTION_SHAPE` of attention; equally long.
    """
    operand_bytes = shapes["operand_bits"] / 8
    if operator_class.startswith("gemm"):
        m, n, k = (shapes[name] for name in GEMM_SHAPE)
        activations = operand_bytes * m * k + 2 * m * n
        return 2 * m * n * k, activations + operand_bytes * k * n, activations
    batch, length, query_heads, kv_heads, head_dim, window = (shapes[name] for name in ATTENTION_SHAPE[:6])
    visible = np.where(window > 0, np.minimum(window, length), length)
    per_head = batch * head_dim
    keys_and_values = 2 * per_head * kv_heads * shapes["key_value_bits"] / 8
    queries = per_head * query_heads * operand_bytes
    if operator_class == "prefill_attention":
        pairs = visible * length - visible * (visible - 1) / 2
        # An 8-bit prefill kernel may write 8-bit outputs; the bound must not assume more.
        moved = length * (2 * queries + keys_and_values)
        return 4 * per_head * query_heads * pairs, moved, moved
    own = queries + per_head * query_heads * 2
    return 4 * per_head * query_heads * visible, visible * keys_and_values + own, own


def _read_file(name: Path, path: Path, columns: tuple[str, ...], attention_class: str | None) -> KernelTables:
    rows = _typed(path, columns).with_row_index("source_row").with_columns(pl.col("source_row").cast(pl.Int64))
    rows = rows.with_columns(
        accelerator=pl.lit(path.parent.name),
        source_file=pl.lit(str(name)),
        framework_version=pl.col("version"),
        latency_s=pl.col("latency").cast(pl.Float64) / 1e3,
    )
    typed = _gemm_rows(rows) if attention_class is None else _attention_rows(rows, attention_class)
    typed = _mark_repeats(typed)
    measured = work(typed.filter(pl.col("reason").is_null()))
    return KernelTables(
        measured.select(pl.col(name).cast(dtype) for name, dtype in KERNEL_SCHEMA.items()),
        typed.filter(pl.col("reason").is_not_null()).select(
            pl.col(name).cast(dtype) for name, dtype in REJECTED_SCHEMA.items()
        ),
    )


def _typed(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """The columns, texts as texts and sizes as whole numbers; what is neither is null, and its row rejected later."""
    try:
        content = path.read_bytes()
        promised = promise_of(content)
        if missing := [column for column in columns if column not in promised.columns]:
            raise UnreadableKernelTable(f"{path} lacks the columns {', '.join(missing)}; it has {promised.columns}")
        if nested := [column for column in columns if column in promised.nested]:
            raise UnreadableKernelTable(f"{path} has lists or records in {', '.join(nested)}")
        if promised.rows > _MOST_ROWS:
            raise UnreadableKernelTable(f"{path} has {promised.rows:,} rows; the most are {_MOST_ROWS:,}")
        table = read_parquet(content, columns)
        return table.select(pl.col(column).cast(_KINDS.get(column, pl.Int64()), strict=False) for column in columns)
    except (UnreadableParquet, pl.exceptions.PolarsError, OSError) as error:
        raise UnreadableKernelTable(f"{path} cannot be read as Parquet: {error}") from error


def _gemm_rows(rows: pl.DataFrame) -> pl.DataFrame:
    shape_ok = pl.all_horizontal(pl.col(name).is_not_null() & (pl.col(name) > 0) for name in GEMM_SHAPE)
    supported = pl.col("gemm_dtype").is_in(list(_GEMM_CLASSES)).fill_null(value=False)
    return rows.with_columns(
        operator_class=pl.col("gemm_dtype").replace_strict(_GEMM_CLASSES, default=None),
        operand_bits=pl.col("gemm_dtype").replace_strict(_BITS, default=None),
        **{name: pl.lit(None, dtype=pl.Int64) for name in ATTENTION_SHAPE if name != "operand_bits"},
    ).with_columns(
        reason=pl.when(~supported)
        .then(pl.format("gemm_dtype {} is not calibrated; only bfloat16 and fp8 are", _printed("gemm_dtype")))
        .when(~shape_ok)
        .then(pl.lit("m, n and k must be positive"))
        .otherwise(_latency_reason())
    )


def _attention_rows(rows: pl.DataFrame, operator_class: str) -> pl.DataFrame:
    sizes = ("batch_size", "sequence_length", "query_heads", "key_value_heads", "head_dim")
    typed = rows.with_columns(
        operator_class=pl.lit(operator_class),
        # Decode tables count cached tokens in `step` and the new one in `isl`.
        sequence_length=pl.col("isl") + pl.col("step"),
        query_heads=pl.col("num_heads"),
        key_value_heads=pl.col("num_key_value_heads"),
        operand_bits=pl.col("attn_dtype").replace_strict(_BITS, default=None),
        key_value_bits=pl.col("kv_cache_dtype").replace_strict(_BITS, default=None),
        **{name: pl.lit(None, dtype=pl.Int64) for name in GEMM_SHAPE},
    )
    positive = pl.all_horizontal(pl.col(name).is_not_null() & (pl.col(name) > 0) for name in sizes)
    has_widths = pl.col("operand_bits").is_not_null() & pl.col("key_value_bits").is_not_null()
    return typed.with_columns(
        reason=pl.when(~has_widths)
        .then(
            pl.format(
                "attention in {} with {} keys is not calibrated", _printed("attn_dtype"), _printed("kv_cache_dtype")
            )
        )
        .when(~positive | (pl.col("window_size").fill_null(-1) < 0))
        .then(pl.lit("sizes must be positive and the window not negative"))
        .when(pl.col("query_heads") % pl.col("key_value_heads") != 0)
        .then(pl.lit("the key-value heads do not divide the query heads"))
        .when(pl.col("beam_width").ne_missing(1))
        .then(pl.format("beam width {} reads a cache shape that is not modelled", _printed("beam_width")))
        .otherwise(_latency_reason())
    )


def _printed(column: str) -> pl.Expr:
    """What a row says, for its reason; a reason with a null in it would be none."""
    return pl.col(column).cast(pl.String).fill_null("nothing")


def _latency_reason() -> pl.Expr:
    latency = pl.col("latency_s")
    sound = latency.is_not_null() & latency.is_finite() & (latency > 0)
    named = pl.all_horizontal(pl.col(name).is_not_null() for name in _PROVENANCE)
    return (
        pl.when(~sound)
        .then(pl.lit("the latency is not a positive number"))
        .when(~named)
        .then(pl.lit("framework, version and device must be stated"))
        .otherwise(None)
    )


def _mark_repeats(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep one row per device, framework and shape, the median of its sound rows, so no shape weighs twice."""
    key = [*_PROVENANCE, "operator_class", *GEMM_SHAPE, *ATTENTION_SHAPE]
    sound = pl.col("reason").is_null()
    ranked = rows.with_columns(
        rank=pl.col("latency_s").rank("ordinal").over([*key, "reason"]),
        times=pl.len().over([*key, "reason"]),
    )
    repeat = sound & (pl.col("rank") != (pl.col("times") + 1) // 2)
    return ranked.with_columns(
        reason=pl.when(repeat)
        .then(pl.format("the shape was measured {} times; its median row is kept", "times"))
        .otherwise("reason")
    )
