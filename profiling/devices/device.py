"""What a device is: dense peaks, bandwidth, memory as it reports it, links and power, and whether its figures can be.

All figures are decimal (1 GB/s = 10^9 bytes/s) and dense (no structured sparsity); memory that a device reports is
binary (1 GiB = 2^30 bytes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from analytics import units
from profiling.errors import InvalidAccelerator, UnsupportedPrecision

GIB = units.GIB
GIGA = 1e9

_LARGEST_DENSE_RATIOS = {
    # Halving the width doubles the rate; with structured sparsity counted in, it looks like four times.
    ("tf32", "fp16"): 1.1,
    ("fp8", "fp16"): 3.8,  # Trainium3 multiplies MXFP8 at 3.75 times its bf16 rate
    ("int8", "fp16"): 4.2,  # GeForce halves FP16 with 32-bit sums, not INT8
    ("int4", "int8"): 2.2,
    # NVIDIA's B300 family spends its area on FP4 (2.8 to 3 times fp8); GeForce halves fp8 but not int8.
    ("fp4", "8-bit"): 3.4,
}

_RESERVE_BYTES, _RESERVE_SHARE = 0.17 * GIB, 0.008
"""What NVIDIA's driver keeps of a card's binary gigabytes: the cards from 6 to 180 GiB, of which PyTorch printed the
memory (`reported_memory_gib` of the table), lie within 2.3 % of it; the B300 shows 7 % less."""
_WIDEST_RESERVE_SHARE = 0.04
"""Largest share that any of them was short of its binary gigabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One device. Peaks in operations per second (a multiply-add is two), the rest in bytes and seconds."""

    name: str
    kind: str
    """gpu, igpu (shares the memory of its machine), tpu, cpu, asic or edge."""
    peaks: Mapping[str, float]
    """Dense operations per second by format: fp32, tf32, fp16 (and bf16), fp8, int8, fp4, int4. Floating-point products
    are with 32-bit sums. A format that is not here is not computed in, or its rate is not known."""
    bandwidth_bytes_per_s: float
    memory_bytes: float
    """As sold, decimal."""
    peaks_with_fp16_sums: Mapping[str, float] = field(default_factory=dict)
    """Dense operations per second of fp16 and fp8 products summed in 16 bits, where that is faster (GeForce: twice)."""
    memory_kind: str = ""
    """hbm, gddr, gddr with inline ecc, lpddr, ddr or sram: whether "GB" means 2^30 or 10^9; empty: not known."""
    reported_memory_bytes: float | None = None
    """As the device reports it, where that is known."""
    unified_memory: bool = False
    """Whether it shares the memory of its machine."""
    usable_fraction: float = 1.0
    """Share of the memory that may be given to models before anybody changes a setting."""
    usable_fraction_range: tuple[float, float] = (1.0, 1.0)
    """The least that was seen, and the most that settings reach."""
    usable_fraction_source: str = ""
    raising_usable_memory: str = ""
    """How to get to the upper end, in words."""
    last_level_cache_bytes: float | None = None
    register_file_bytes: float | None = None
    power_w: float | None = None
    link_bytes_per_s: float | None = None
    """To its neighbours in the node, per direction."""
    link_kind: str = ""
    """nvlink, nvlink bridge, pcie, infinity fabric, …; `none` where devices cannot be joined, `unknown` or empty."""
    node_size: int = 8
    """Devices that this link joins."""
    between_nodes_bytes_per_s: float | None = None
    """Per device and direction beyond the node, in the maker's own design; None: not known."""
    between_nodes_latency_s: float | None = None
    achievable_matmul_fraction: float | None = None
    """Largest measured share of the fp16 peak in any matrix product."""
    in_grid: bool = False
    """Whether the published grids hold it; others are computed where they are asked for."""
    vendor: str = ""
    source: str = ""
    flags: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def total_memory_bytes(self) -> float:
        """What the device reports: measured where known, else by its kind of memory (`memory_basis`).

        "24 GB" of HBM or GDDR are 24 GiB less what the driver keeps; with inline ECC they are about 24 * 10^9 bytes.
        """
        if self.reported_memory_bytes:
            return self.reported_memory_bytes
        if not self._is_binary:
            return self.memory_bytes
        binary = self.memory_bytes / GIGA * GIB
        if self._is_nvidia_card:
            return binary - _RESERVE_BYTES - _RESERVE_SHARE * binary
        return binary

    @property
    def _is_nvidia_card(self) -> bool:
        return self.vendor == "NVIDIA" and self.kind == "gpu"

    @property
    def _is_binary(self) -> bool:
        return self.memory_kind in {"hbm", "gddr", "lpddr", "ddr"}

    @property
    def memory_basis(self) -> str:
        """What `total_memory_bytes` rests on, in words."""
        if self.reported_memory_bytes:
            return "as the device reports it"
        if self.memory_kind == "gddr with inline ecc":
            return "as sold, in decimal gigabytes: inline ECC takes about the difference to binary ones; not measured"
        if self._is_binary:
            reserve = (
                ", less what the driver keeps of such cards" if self.vendor == "NVIDIA" and self.kind == "gpu" else ""
            )
            return f"as sold, in binary gigabytes{reserve}; not measured"
        return "as sold, in decimal gigabytes: a lower bound; its kind of memory is not known"

    @property
    def usable_memory_bytes(self) -> float:
        """The share of it that models may use before anybody changes a setting."""
        return self.total_memory_bytes * self.usable_fraction

    @property
    def usable_memory_range_bytes(self) -> tuple[float, float]:
        """The least and the most that `usable_memory_bytes` may be: doubts about what it reports, and settings."""
        low = high = self.total_memory_bytes
        if not self.reported_memory_bytes:
            binary = self.memory_bytes / GIGA * GIB
            low = min(self.memory_bytes * 0.985, low) if not self._is_binary else binary * (1 - _WIDEST_RESERVE_SHARE)
            high = low if self.memory_kind == "sram" else max(binary, low) if self._is_binary else self.memory_bytes
        least, most = self.usable_fraction_range
        return low * least, high * most

    @property
    def is_pcie_only(self) -> bool:
        """Whether several of them have nothing faster than PCIe between them."""
        return self.link_kind == "pcie"

    @property
    def computes_two_of_four(self) -> bool:
        """Whether its matrix units skip zeros of weights of which two in every four are zero, at twice the rate.

        NVIDIA since Ampere (arXiv 2104.08378; the first with TF32) and AMD's MI300 series.
        """
        return self.kind == "gpu" and ((self.vendor == "NVIDIA" and "tf32" in self.peaks) or "MI3" in self.name)

    def with_memory(self, memory_gb: float) -> Accelerator:
        """The same chip with another amount of memory, as sold."""
        name = f"{re.sub(r'[- ]?[0-9.]+ ?GB$', '', self.name)} {memory_gb:g}GB"
        return replace(self, name=name, memory_bytes=memory_gb * GIGA, reported_memory_bytes=None)

    def with_usable_fraction(self, fraction: float) -> Accelerator:
        """The same device after its settings were changed.

        Raises:
            InvalidAccelerator: The share does not lie in (0, 1].
        """
        if not 0 < fraction <= 1:
            raise InvalidAccelerator(f"{self.name}: a usable share of {fraction:g} cannot be; it lies in (0, 1]")
        return replace(self, usable_fraction=fraction, usable_fraction_range=(fraction, fraction))

    def peak(self, number_format: str) -> float:
        """Dense operations per second in this format, with 32-bit sums.

        Raises:
            UnsupportedPrecision: The device does not compute in it, or how fast is not known; the message lists the
                formats that are.
        """
        try:
            return self.peaks[number_format]
        except KeyError:
            raise UnsupportedPrecision(f"{self.name} has no {number_format} peak; {self._computes_in}") from None

    @property
    def _computes_in(self) -> str:
        return f"it computes in {', '.join(self.peaks)}" if self.peaks else "none of its peaks is published"

    def format_for(self, operand_bits: float) -> str:
        """The fastest format whose operands are that narrow: at 8 bits fp8 or int8, at 16 fp16.

        Cards whose fp16 is a formality (Pascal: 1/64 of fp32) multiply 16-bit operands in fp32, as engines do there.

        Raises:
            UnsupportedPrecision: No format here is so narrow (8-bit products on a device without them).
        """
        narrow = ("fp4", "int4") if operand_bits <= 4 else ("fp8", "int8") if operand_bits <= 8 else ("fp16", "fp32")
        if operand_bits > 16:
            narrow = ("tf32", "fp32")
        available = [name for name in narrow if name in self.peaks]
        if not available:
            raise UnsupportedPrecision(
                f"{self.name} has no {operand_bits:g}-bit products ({' or '.join(narrow)}); {self._computes_in}. "
                f"Weights may still be stored in {operand_bits:g} bits: keep the activations at 16"
            )
        return max(available, key=lambda name: self.peaks[name])

    @property
    def vector_peak(self) -> float:
        """Rate of element by element work: the fp32 peak; infinite where unknown, so that it bounds nothing."""
        return self.peaks.get("fp32", float("inf"))


def validate(
    accelerator: Accelerator, known: Mapping[str, Accelerator] | None = None, *, peaks_needed: bool = True
) -> Accelerator:
    """The accelerator itself, if its figures can be.

    Args:
        accelerator: To be checked.
        known: Reviewed accelerators; one of the same name must not differ by the factors of sparse peaks (2) or
            binary gigabytes (1.024, 1.049, 1.074).
        peaks_needed: Whether a device without any published peak is refused.

    Raises:
        InvalidAccelerator: The message names the figure, the reason and what to enter.
    """
    name = accelerator.name
    figures = {
        **{f"{kind} peak": value for kind, value in accelerator.peaks.items()},
        "memory bandwidth": accelerator.bandwidth_bytes_per_s,
        "memory": accelerator.memory_bytes,
    }
    if peaks_needed and not accelerator.peaks:
        raise InvalidAccelerator(f"{name}: no peak given; at least fp16_dense_tflops is needed")
    for label, value in figures.items():
        if not 0 < value < 1e19:
            raise InvalidAccelerator(f"{name}: {label} of {value:g} cannot be")
    peaks = dict(accelerator.peaks)
    if "fp16" in peaks:  # where fp16 is a formality, 16-bit operands are multiplied in fp32
        peaks["fp16"] = max(peaks["fp16"], peaks.get("fp32", 0.0))
    eight_bit = [peaks[kind] for kind in ("fp8", "int8") if kind in peaks]
    peaks |= {"8-bit": max(eight_bit)} if eight_bit else {}
    for (fast, slow), largest in _LARGEST_DENSE_RATIOS.items():
        if fast in peaks and slow in peaks:
            ratio = peaks[fast] / peaks[slow]
            if ratio > largest:
                raise InvalidAccelerator(
                    f"{name}: the {fast} peak is {ratio:.2f} times the {slow} peak, a dense one is at most "
                    f"{largest:g} times; enter the figure without structured sparsity (usually half)"
                )
    reviewed = {folded(other): entry for other, entry in (known or {}).items()}.get(folded(name))
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


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """A name without case and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())
