"""Accelerators: dense peaks, bandwidth, memory, links and power, each figure with its source and flag.

All figures are decimal (1 GB/s = 10^9 bytes/s) and dense (no structured sparsity). Numbers of the reviewed table
stand in reference/accelerators.csv; the codes of its `source` column in reference/accelerator_sources.csv.
"""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from profiling.errors import InvalidAccelerator, UnknownAccelerator, UnsupportedPrecision, nearest

GIB = 2**30
GIGA = 1e9
_PEAK_COLUMNS = {
    "fp32": "fp32_tflops", "tf32": "tf32_dense_tflops", "fp16": "fp16_dense_tflops", "fp8": "fp8_dense_tflops",
    "int8": "int8_dense_tops", "fp4": "fp4_dense_tflops", "int4": "int4_dense_tops",
}  # fmt: skip

_LARGEST_DENSE_RATIOS = {
    # Halving the width doubles the rate; with structured sparsity counted in, it looks like four times.
    ("tf32", "fp16"): 1.1,
    ("fp8", "fp16"): 2.2,
    ("int8", "fp16"): 4.2,  # GeForce halves FP16 with 32-bit sums, not INT8
    ("int4", "int8"): 2.2,
    # NVIDIA's B300 family spends its area on FP4 (2.8 to 3 times fp8); GeForce halves fp8 but not int8.
    ("fp4", "8-bit"): 3.4,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One device. Peaks in operations per second (a multiply-add is two), the rest in bytes and seconds."""

    name: str
    kind: str
    peaks: Mapping[str, float]
    """Dense operations per second by format: fp32, tf32, fp16 (and bf16), fp8, int8, fp4, int4."""
    bandwidth_bytes_per_s: float
    memory_bytes: float
    """As sold, decimal; a lower bound of what the device reports, which is often binary."""
    reported_memory_bytes: float | None = None
    """As the device reports it, where that is known."""
    last_level_cache_bytes: float | None = None
    register_file_bytes: float | None = None
    power_w: float | None = None
    link_bytes_per_s: float | None = None
    """To its neighbours, per direction."""
    achievable_matmul_fraction: float | None = None
    """Largest measured share of the fp16 peak in any matrix product."""
    vendor: str = ""
    source: str = ""
    flags: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def usable_memory_bytes(self) -> float:
        """What the device reports where known, else what it was sold as."""
        return self.reported_memory_bytes or self.memory_bytes

    def peak(self, number_format: str) -> float:
        """Dense operations per second in this format.

        Raises:
            UnsupportedPrecision: The device does not compute in it; the message lists those it does.
        """
        try:
            return self.peaks[number_format]
        except KeyError:
            raise UnsupportedPrecision(
                f"{self.name} has no {number_format} peak; it computes in {', '.join(self.peaks)}"
            ) from None

    def format_for(self, operand_bits: float) -> str:
        """The fastest format whose operands are that narrow: at 8 bits fp8 or int8, at 16 fp16.

        Raises:
            UnsupportedPrecision: No format here is so narrow (8-bit products on a device without them).
        """
        narrow = ("fp4", "int4") if operand_bits <= 4 else ("fp8", "int8") if operand_bits <= 8 else ("fp16",)
        if operand_bits > 16:
            narrow = ("tf32", "fp32")
        available = [name for name in narrow if name in self.peaks]
        if not available:
            raise UnsupportedPrecision(
                f"{self.name} has no {operand_bits:g}-bit products ({' or '.join(narrow)}); it computes in "
                f"{', '.join(self.peaks)}. Weights may still be stored in {operand_bits:g} bits: "
                "keep the activations at 16"
            )
        return max(available, key=lambda name: self.peaks[name])

    @property
    def vector_peak(self) -> float:
        """Rate of element by element work, taken as the fp32 peak where it is known."""
        return self.peaks.get("fp32") or max(self.peaks.values())


def validate(accelerator: Accelerator, known: Mapping[str, Accelerator] | None = None) -> Accelerator:
    """The accelerator itself, if its figures can be.

    Args:
        accelerator: To be checked.
        known: Reviewed accelerators; one of the same name must not differ by the factors of sparse peaks (2) or
            binary gigabytes (1.024, 1.049, 1.074).

    Raises:
        InvalidAccelerator: The message names the figure, the reason and what to enter.
    """
    name = accelerator.name
    figures = {
        **{f"{kind} peak": value for kind, value in accelerator.peaks.items()},
        "memory bandwidth": accelerator.bandwidth_bytes_per_s,
        "memory": accelerator.memory_bytes,
    }
    if not accelerator.peaks:
        raise InvalidAccelerator(f"{name}: no peak given; at least fp16_dense_tflops is needed")
    for label, value in figures.items():
        if not 0 < value < 1e19:
            raise InvalidAccelerator(f"{name}: {label} of {value:g} cannot be")
    eight_bit = [accelerator.peaks[kind] for kind in ("fp8", "int8") if kind in accelerator.peaks]
    peaks = {**accelerator.peaks, **({"8-bit": max(eight_bit)} if eight_bit else {})}
    for (fast, slow), largest in _LARGEST_DENSE_RATIOS.items():
        if fast in peaks and slow in peaks:
            ratio = peaks[fast] / peaks[slow]
            if ratio > largest:
                raise InvalidAccelerator(
                    f"{name}: the {fast} peak is {ratio:.2f} times the {slow} peak, a dense one is at most "
                    f"{largest:g} times; enter the figure without structured sparsity (usually half)"
                )
    reviewed = {_folded(other): entry for other, entry in (known or {}).items()}.get(_folded(name))
    if reviewed:
        _compare(accelerator, reviewed)
    return accelerator


def _compare(accelerator: Accelerator, reviewed: Accelerator) -> None:
    for kind in accelerator.peaks.keys() & reviewed.peaks.keys():
        ratio = accelerator.peaks[kind] / reviewed.peaks[kind]
        if abs(ratio / 2 - 1) < 0.02:
            raise InvalidAccelerator(
                f"{accelerator.name}: the {kind} peak is twice the reviewed dense one "
                f"({reviewed.peaks[kind] / 1e12:g} TFLOP/s): a figure with structured sparsity"
            )
    for label, ours, theirs in (
        ("memory bandwidth", accelerator.bandwidth_bytes_per_s, reviewed.bandwidth_bytes_per_s),
        ("memory", accelerator.memory_bytes, reviewed.memory_bytes),
    ):
        ratio = ours / theirs
        for factor in (1.024, 1.024**2, 1.024**3):
            if min(abs(ratio / factor - 1), abs(ratio * factor - 1)) < 0.002:
                raise InvalidAccelerator(
                    f"{accelerator.name}: {label} is {ratio:.3f} times the reviewed {theirs / GIGA:g} GB: "
                    "binary gigabytes; enter decimal ones (10^9)"
                )


def _folded(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _number(row: Mapping[str, object], column: str, scale: float = 1.0) -> float | None:
    value = row.get(column)
    if value is None or value == "":
        return None
    try:
        return float(str(value)) * scale
    except ValueError:
        raise InvalidAccelerator(f"{row.get('name')}: {column} is {value!r}, expected a number") from None


def from_record(row: Mapping[str, object]) -> Accelerator:
    """An accelerator from the columns of reference/accelerators.csv; missing figures stay missing.

    Raises:
        InvalidAccelerator: Name, bandwidth or memory is missing, or a figure is no number.
    """
    name = str(row.get("name") or "")
    bandwidth = _number(row, "memory_bandwidth_gb_per_s", GIGA)
    memory = _number(row, "memory_gb", GIGA)
    if not name or bandwidth is None or memory is None:
        raise InvalidAccelerator(
            f"{name or 'an accelerator'}: name, memory_bandwidth_gb_per_s and memory_gb are needed"
        )
    peaks = {kind: _number(row, column, 1e12) for kind, column in _PEAK_COLUMNS.items()}
    return Accelerator(
        name=name,
        kind=str(row.get("kind") or "gpu"),
        vendor=str(row.get("vendor") or ""),
        peaks={kind: value for kind, value in peaks.items() if value is not None},
        bandwidth_bytes_per_s=bandwidth,
        memory_bytes=memory,
        reported_memory_bytes=_number(row, "reported_memory_gib", GIB),
        last_level_cache_bytes=_number(row, "last_level_cache_mb", 1e6),
        register_file_bytes=_number(row, "register_file_mb", 1e6),
        power_w=_number(row, "power_w"),
        link_bytes_per_s=_number(row, "link_gb_per_s_per_direction", GIGA),
        achievable_matmul_fraction=_number(row, "achievable_matmul_fraction"),
        source=str(row.get("source") or ""),
        flags=str(row.get("flags") or ""),
    )


def read_table(path: str | Path) -> dict[str, Accelerator]:
    """Accelerators of a CSV table in the layout of reference/accelerators.csv, each validated."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        entries = [validate(from_record(row)) for row in csv.DictReader(file)]
    return {entry.name: entry for entry in entries}


@cache
def table() -> Mapping[str, Accelerator]:
    """The reviewed accelerators that ship, by name."""
    return read_table(Path(__file__).parent / "reference" / "accelerators.csv")


def from_toml(text: str) -> dict[str, Accelerator]:
    """User-defined accelerators: one TOML table per device, keys as the columns of the reviewed table.

    Example:
        ["My GPU"]
        fp16_dense_tflops = 500
        memory_bandwidth_gb_per_s = 3000
        memory_gb = 96

    Raises:
        InvalidAccelerator: A figure is missing, unknown, or that of a sparse peak or binary gigabytes.
    """
    try:
        described = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidAccelerator(f"not valid TOML: {error}") from error
    allowed = {*_PEAK_COLUMNS.values(), "kind", "vendor", "memory_bandwidth_gb_per_s", "memory_gb",
               "reported_memory_gib", "last_level_cache_mb", "register_file_mb", "power_w", "source", "flags",
               "link_gb_per_s_per_direction", "achievable_matmul_fraction"}  # fmt: skip
    entries = {}
    for name, figures in described.items():
        if not isinstance(figures, dict):
            raise InvalidAccelerator(f"{name}: expected a table of figures, one table per accelerator")
        unknown = sorted(set(figures) - allowed)
        if unknown:
            raise InvalidAccelerator(f"{name}: unknown key {unknown[0]!r}; nearest: {nearest(unknown[0], allowed)}")
        source = {"source": "user-defined"}
        entries[name] = validate(from_record({**source, **figures, "name": name}), table())
    return entries


def find(name: str, known: Mapping[str, Accelerator] | None = None) -> Accelerator:
    """The accelerator of that name; punctuation, case and unambiguous shortening are forgiven ("A6000").

    Raises:
        UnknownAccelerator: None or several match; the message names the nearest.
    """
    choices = table() if known is None else known
    if name in choices:
        return choices[name]
    folded = _folded(name)
    exact = [other for other in choices if _folded(other) == folded]
    starting = [other for other in choices if folded and _folded(other).startswith(folded)]
    partial = exact or starting or [other for other in choices if folded and folded in _folded(other)]
    if len(partial) == 1:
        return choices[partial[0]]
    if partial:
        raise UnknownAccelerator(f"{name!r} could be {', '.join(partial)}; give one of them")
    near = nearest(name, choices) or ", ".join(list(choices)[:5])
    raise UnknownAccelerator(f"no accelerator {name!r} among the {len(choices)} known; nearest: {near}")
