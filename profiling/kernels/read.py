"""Tables of measured kernels, by accelerator and engine, as seconds, work and sizes of one kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from profiling.calibration.kernels import UnreadableKernelTable
from profiling.devices.accelerators import Accelerator
from profiling.foreign_parquet import UnreadableParquet, read_parquet
from profiling.kernels.kinds import FORMATS, KINDS, Kind

Array = npt.NDArray[np.float64]
_ENGINES = {"trtllm": "tensorrt-llm"}
_ABSENT = {"step": 0, "window_size": 0, "score_mode": "", "head_k_dim": 128, "head_v_dim": 128}
"""What a column means that a table lacks."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Kernels of one kind and variant on one device, by one engine."""

    device: Accelerator
    engine: str
    version: str
    kind: Kind
    variant: str
    compute_s: Array
    memory_s: Array
    sizes: Array
    """(kernels, sizes of the kind), as they are."""
    measured_s: Array

    def some(self, where: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Measured:
        """Those of some rows."""
        return Measured(
            self.device, self.engine, self.version, self.kind, self.variant, self.compute_s[where],
            self.memory_s[where], self.sizes[where], self.measured_s[where],
        )  # fmt: skip

    def groups(self) -> npt.NDArray[np.int64]:
        """Of each kernel, the number of the sizes that are held out together."""
        names = list(self.kind.sizes)
        columns = self.sizes[:, [names.index(name) for name in self.kind.held_out]]
        return np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1)


def systems(folder: Path) -> list[Path]:
    """Folders of accelerators in a folder of `<accelerator>/<engine>/<kind>/<table>_perf.parquet`.

    Raises:
        UnreadableKernelTable: It holds none.
    """
    folders = sorted({path.parents[2] for path in folder.glob("*/*/*/*_perf.parquet")})
    if not folders:
        raise UnreadableKernelTable(f"{folder} holds no <accelerator>/<engine>/<kind>/<table>_perf.parquet")
    return folders


def measured_kernels(system: Path, device: Accelerator, kinds: Sequence[str] = ()) -> Iterator[Measured]:
    """Sound kernels of every engine, kind and variant of one accelerator.

    Rows without a positive time are left out: some tables give 0 for what is too short to time.

    Raises:
        UnreadableKernelTable: A table lacks a column of its kind, or cannot be read.
    """
    for engine in sorted(path for path in system.iterdir() if path.is_dir()):
        for kind in KINDS.values():
            if kinds and kind.name not in kinds:
                continue
            files = [path for name in kind.files for path in sorted(engine.glob(f"*/{name}"))]
            if files:
                tables = [table for path in files for table in _tables(path, kind)]
                yield from _variants(tables, kind, device, _ENGINES.get(engine.name, engine.name))


def _tables(path: Path, kind: Kind) -> Iterator[pl.DataFrame]:
    try:
        table = read_parquet(path.read_bytes())
    except UnreadableParquet as error:
        raise UnreadableKernelTable(f"{path} cannot be read: {error}") from error
    lacking = {name: value for name, value in _ABSENT.items() if name not in table.columns}
    table = table.with_columns(**{name: pl.lit(value) for name, value in lacking.items()})
    formats = pl.col(kind.format) if kind.format in table.columns else pl.lit(kind.format)
    cache = pl.col(kind.cache) if kind.cache else formats
    try:
        typed = table.with_columns(
            pl.col(pl.Int64).cast(pl.Float64), format=formats, cache_bits=_bits(cache, 1),
            weight_bits=_bits(formats, 1), activation_bits=_bits(formats, 2),
        )  # fmt: skip
        for timed, latency_s in kind.latency_s.items():
            names = [timed] if timed else []
            variant = pl.concat_str(
                [*(pl.col(name).cast(pl.String).fill_null("") for name in kind.variant), *map(pl.lit, names)],
                separator="|",
            )
            yield typed.select(
                "format", pl.col("version").cast(pl.String), variant=variant, measured_s=latency_s,
                flops=kind.flops.cast(pl.Float64), bytes=kind.bytes.cast(pl.Float64),
                **{f"size_{name}": value.cast(pl.Float64) for name, value in kind.sizes.items()},
            ).filter(pl.col("measured_s") > 0, pl.col("measured_s").is_finite())  # fmt: skip
    except pl.exceptions.PolarsError as error:
        raise UnreadableKernelTable(f"{path} is no table of {kind.name}: {error}") from error


def _bits(formats: pl.Expr, place: int) -> pl.Expr:
    bits_of_format = {name: float(row[place]) for name, row in FORMATS.items()}
    return formats.cast(pl.String).replace_strict(bits_of_format, default=16.0, return_dtype=pl.Float64)


def _variants(tables: list[pl.DataFrame], kind: Kind, device: Accelerator, engine: str) -> Iterator[Measured]:
    whole = pl.concat(tables).drop_nulls()
    for (variant,), rows in whole.group_by("variant", maintain_order=True):
        format_ = FORMATS.get(str(rows["format"][0]), ("fp16", 16, 16))[0]
        peak = device.peaks.get(format_) or device.peaks["fp16"]
        yield Measured(
            device, engine, str(rows["version"][0]), kind, str(variant),
            rows["flops"].to_numpy() / peak, rows["bytes"].to_numpy() / _rate(kind, device),
            rows.select(f"size_{name}" for name in kind.sizes).to_numpy(), rows["measured_s"].to_numpy(),
        )  # fmt: skip


def _rate(kind: Kind, device: Accelerator) -> float:
    communicates = kind.name in {"all_reduce", "collectives"} or kind.name.startswith("expert_dispatch")
    return (device.link_bytes_per_s or device.bandwidth_bytes_per_s) if communicates else device.bandwidth_bytes_per_s
