"""A device that is in no table, in one line: `other: 16 GB at 288 GB/s, 30 TFLOPS`."""

from __future__ import annotations

import re
from functools import cache
from statistics import median

from profiling.devices.device import GIB, GIGA, Accelerator, validate
from profiling.devices.table import table
from profiling.errors import InvalidAccelerator

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_BANDWIDTH = re.compile(rf"{_NUMBER} ?(g|t)i?b(?:/s|ps|/sec| per second)", re.IGNORECASE)
_MEMORY = re.compile(rf"{_NUMBER} ?(gb|gib|g|mb|mib)\b(?!/|ps| per)", re.IGNORECASE)
_RATE = re.compile(rf"(?:(fp32|fp16|bf16|fp8|int8|fp4|int4) ?)?{_NUMBER} ?(t|p)(?:fl)?ops(?:/s)?(?: ?\(?(fp32|fp16|bf16|fp8|int8|fp4|int4))?", re.IGNORECASE)  # fmt: skip  # noqa: E501
_LINK = re.compile(rf"(?:link|nvlink|pcie)\D{{0,6}}{_NUMBER} ?gb/s", re.IGNORECASE)
_POWER = re.compile(rf"{_NUMBER} ?w\b", re.IGNORECASE)
_EXAMPLE = '"other: 16 GB at 288 GB/s, 30 TFLOPS"'


def is_described(text: str) -> bool:
    """Whether a text describes a device instead of naming one."""
    return text.strip().casefold().startswith("other:") or bool(_BANDWIDTH.search(text))


def described(text: str) -> Accelerator:
    """The device of such a line: memory, bandwidth and 16-bit rate.

    `int8 60 TOPS`, `link 32 GB/s`, `250 W` and `cpu` may follow. Without a rate that of the middle device of its kind
    for this bandwidth is taken, and the device's flags say so: decoding hardly depends on it, prompts do. Rates of a
    card in 32 bits, in 8-bit integers and with sums of 16 bits, in which engines open and multiply stored numbers, are
    those of the middle GeForce for its 16-bit rate, as which it is timed.

    Raises:
        InvalidAccelerator: Memory or bandwidth is missing or cannot be; the message says which, with an example.
    """
    line = re.sub(r"^\s*other:\s*", "", text, flags=re.IGNORECASE).strip()
    link = _LINK.search(line)
    rest = line if link is None else line[: link.start()] + line[link.end() :]
    bandwidth, said = _BANDWIDTH.search(rest), list(_RATE.finditer(rest))
    memory = _MEMORY.search(_BANDWIDTH.sub(" ", rest))
    missing = [what for what, value in (("memory (16 GB)", memory), ("bandwidth (288 GB/s)", bandwidth)) if not value]
    if missing or memory is None or bandwidth is None:
        raise InvalidAccelerator(f"{text!r} does not say its {' and its '.join(missing)}; as {_EXAMPLE}")
    peaks: dict[str, float] = {}
    with_fp16_sums: dict[str, float] = {}
    for rate in said:
        kind = (rate[1] or rate[4] or "fp16").casefold().replace("bf16", "fp16")
        peaks[kind] = _value(rate[2]) * (1e15 if rate[3].casefold() == "p" else 1e12)
    bandwidth_bytes = _value(bandwidth[1]) * GIGA * (1000 if bandwidth[2].casefold() == "t" else 1)
    is_cpu = bool(re.search(r"\bcpu\b", rest, re.IGNORECASE))
    unit = memory[2].casefold()
    is_binary = unit.endswith("ib")
    size = _value(memory[1]) / ((1024 if is_binary else 1000) if unit.startswith("m") else 1)
    power = _POWER.search(rest)
    flags = "described in one line; caches and everything unsaid are unknown"
    if not peaks:
        per_byte = _operations_per_byte("cpu" if is_cpu else "gpu")
        peaks["fp16"] = float(f"{per_byte * bandwidth_bytes:.2g}")
        flags = (
            f"no rate was said: {peaks['fp16'] / 1e12:g} TFLOPS in 16 bits are taken, {per_byte:.0f} per byte of "
            "bandwidth as the middle device of its kind has; the time of prompts rests on that"
        )
    if not is_cpu and "fp16" in peaks:
        unsaid = [kind for kind in ("fp32", "int8") if kind not in peaks]
        peaks |= {kind: float(f"{_per_fp16(kind) * peaks['fp16']:.2g}") for kind in unsaid}
        with_fp16_sums["fp16"] = float(f"{_per_fp16('fp16 sums') * peaks['fp16']:.2g}")
        rates = [f"{peaks[kind] / 1e12:g} in {kind}" for kind in unsaid]
        rates += [f"{with_fp16_sums['fp16'] / 1e12:g} with sums of 16 bits"]
        flags += f"; {' and '.join(rates)} are taken, as the middle GeForce has"
        flags += "" if link else f"; several are joined by PCIe of {_middle_link() / GIGA:g} GB/s"
        flags += "; its maker is not said, so it is timed as a GeForce, the kind of card with most measurements"
    if is_cpu and "fp16" in peaks:
        peaks.setdefault("fp32", peaks["fp16"])  # its vector units do both at the same rate or fp16 faster
    device = Accelerator(
        name=line,
        kind="cpu" if is_cpu else "gpu",
        peaks=peaks,
        peaks_with_fp16_sums=with_fp16_sums,
        bandwidth_bytes_per_s=bandwidth_bytes,
        memory_bytes=size * (GIB if is_binary else GIGA),
        reported_memory_bytes=size * GIB if is_binary else None,
        memory_kind="ddr" if is_cpu else "gddr",
        usable_fraction=0.9 if is_cpu else 1.0,
        usable_fraction_range=(0.85, 0.97) if is_cpu else (0.96, 1.0),
        link_bytes_per_s=_value(link[1]) * GIGA if link else None if is_cpu else _middle_link(),
        link_kind="unknown" if link else "" if is_cpu else "pcie",
        power_w=_value(power[1]) if power else None,
        source="user-defined",
        flags=flags,
    )
    return validate(device)


@cache
def _operations_per_byte(kind: str) -> float:
    """Median of 16-bit operations per byte of bandwidth of the table's devices of a kind."""
    devices = [device for device in table().values() if device.kind == kind]
    rates = [(device.peaks.get("fp16") or device.peaks.get("fp32"), device.bandwidth_bytes_per_s) for device in devices]
    return median(peak / bandwidth for peak, bandwidth in rates if peak)


@cache
def _middle_link() -> float:
    """Median bandwidth per direction of PCIe of the table's cards with GDDR, bytes per second."""
    return median(
        device.link_bytes_per_s
        for device in table().values()
        if device.kind == "gpu" and device.memory_kind == "gddr" and device.link_bytes_per_s
        and device.link_kind == "pcie"
    )  # fmt: skip


@cache
def _per_fp16(kind: str) -> float:
    """Median rate in a format per rate in 16 bits of the table's GeForce cards: those with faster sums of 16 bits."""
    cards = [device for device in table().values() if "fp16" in device.peaks_with_fp16_sums]
    rates = [{**card.peaks, "fp16 sums": card.peaks_with_fp16_sums["fp16"]} for card in cards]
    return median(peaks[kind] / peaks["fp16"] for peaks in rates if kind in peaks)


def _value(text: str) -> float:
    return float(text.replace(",", "."))
