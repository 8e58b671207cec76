"""What a device's page says of the device itself: rows of peaks and of memory, each with what it rests on."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from dashboards.parts import formats
from profiling.accuracy.held_out import held_out_errors
from profiling.answers.energy import Draw, drawn_w, host_draw, host_idle_draw, idle_draw
from profiling.devices.accelerators import GIB, GIGA, Accelerator
from profiling.engines.table import device_class
from profiling.engines.time import shipped_times

_TERA = 1e12
_FORMATS = {
    "fp32": "FP32", "tf32": "TF32", "fp16": "FP16 and BF16", "fp8": "FP8", "int8": "INT8", "fp4": "FP4", "int4": "INT4",
}  # fmt: skip


def figures(device: Accelerator) -> list[dict[str, Any]]:
    """Peaks, bandwidths and power: one row per figure that is known."""
    rows: list[dict[str, Any]] = []

    def add(figure: str, value: float | None, unit: str, basis: str = "") -> None:
        if value is not None:
            rows.append({"figure": figure, "value": value, "unit": unit, "basis": basis})

    for name, label in _FORMATS.items():
        unit = "TOPS" if name.startswith("int") else "TFLOP/s"
        if name in device.peaks:
            sums = ", 32-bit sums" if name in {"fp16", "fp8"} else ""
            add(f"{label} peak", device.peaks[name] / _TERA, unit, f"dense{sums}")
        if name in device.peaks_with_fp16_sums:
            add(f"{label} peak, 16-bit sums", device.peaks_with_fp16_sums[name] / _TERA, unit, "dense")
    add("Memory bandwidth", device.bandwidth_bytes_per_s / GIGA, "GB/s")
    add("Last-level cache", _scaled(device.last_level_cache_bytes, 1e6), "MB")
    if device.link_kind not in {"", "none", "unknown"}:
        joined = f"{device.link_kind}, up to {device.node_size} devices"
        add("Link to its neighbours", _scaled(device.link_bytes_per_s, GIGA), "GB/s per direction", joined)
    add("Between nodes", _scaled(device.between_nodes_bytes_per_s, GIGA), "GB/s per direction", "per device")
    add("Power", device.power_w, "W", "as the maker states")
    _add_drawn(device, add)
    if device.achievable_matmul_fraction is not None:
        add("Largest share of the FP16 peak measured", 100 * device.achievable_matmul_fraction, "%", "matrix products")
    return rows


def _add_drawn(device: Accelerator, add: Callable[[str, float | None, str, str], None]) -> None:
    """What it draws under load and idle, and its host beside it, each with its range and source."""
    drawn = drawn_w(device)
    if drawn is not None:
        low, likely, high = drawn
        add("Power under load", likely, "W", f"{low:.0f} to {high:.0f}; the share that metered devices draw")
    for figure, draw in _host_and_idle_power(device).items():
        whose = "" if draw.what == device.name else f"; {draw.what}"
        add(figure, draw.watts.likely, "W", f"{draw.watts.low:.0f} to {draw.watts.high:.0f}{whose}")


def _host_and_idle_power(device: Accelerator) -> dict[str, Draw]:
    draws = {
        "Power, idle with a model loaded": idle_draw(device),
        "Power of its host under load, per device": host_draw(device),
        "Power of its host, idle, per device": host_idle_draw(device),
    }
    return {figure: draw for figure, draw in draws.items() if draw is not None}


def power_sources(device: Accelerator) -> str:
    """Where the draw of its host and of idle time is from, in sentences."""
    return " ".join(f"{figure}: {draw.source} ({draw.note})." for figure, draw in _host_and_idle_power(device).items())


def identity(device: Accelerator, row: Mapping[str, Any]) -> list[dict[str, str]]:
    """What it is, its memory, and what the figures rest on."""
    rows: list[dict[str, str]] = []

    def add(fact: str, value: object, basis: object = "", address: str = "") -> None:
        if value not in (None, ""):
            rows.append({"fact": fact, "value": str(value), "basis": str(basis or ""), "address": address})

    kinds = {"gpu": "graphics card or accelerator", "igpu": "processor with graphics", "asic": "accelerator"}
    add("Maker", device.vendor)
    add("Kind", kinds.get(device.kind, device.kind.upper() if len(device.kind) < 4 else device.kind))
    add("Released", row.get("release_date"))
    add("Memory", f"{device.memory_bytes / GIGA:g} GB {_memory_kind(device.memory_kind)}".strip(), "as sold")
    low, high = (each / GIB for each in device.usable_memory_range_bytes)
    add(
        "Memory that models may use",
        f"{device.usable_memory_bytes / GIB:.2f} GiB" + (f" (range {low:.2f} to {high:.2f})" if low < high else ""),
        f"{device.memory_basis}{'; ' + row['reported_memory_source'] if row.get('reported_memory_source') else ''}",
    )
    if device.usable_fraction < 1:
        add("Share of it", f"{100 * device.usable_fraction:.0f} %", device.usable_fraction_source)
    add("How to raise it", device.raising_usable_memory)
    add("Sources of the figures", device.source, sources_named(device.source, str(row.get("source_list") or "")))
    add("Notes on the figures", device.flags)
    return rows


def sources_named(source: str, listed: str) -> str:
    """What the short names of sources (`S3`) stand for, of those that a device's figures cite.

    Args:
        source: As the table of devices has it.
        listed: All short names with their meanings: `S1: …; S2: …`.
    """
    cited = set(re.findall(r"\bS\d+\b", source))
    entries = re.split(r"; (?=(?:S\d+|[A-Z]|links): )", listed)
    meanings = {entry.split(": ", 1)[0]: entry for entry in entries if ": " in entry}
    return "; ".join(meanings[name] for name in sorted(cited & meanings.keys()))


def _memory_kind(kind: str) -> str:
    """Such as `GDDR with inline ECC`."""
    return " ".join(word if word in {"with", "inline"} else word.upper() for word in kind.split())


def _scaled(value: float | None, by: float) -> float | None:
    return None if value is None else value / by


def price_line(row: Mapping[str, Any] | None) -> str:
    """The usual price and what it rests on, its range included, in a sentence; empty where nobody offers the device."""
    if row is None:
        return ""
    usual, old = formats.significant(row["usd_per_device_hour"]), formats.days_old(row["newest_date"])
    return f"Usually ${usual} per device and hour: {row['basis']}{old}."


def errors(device: Accelerator) -> list[dict[str, Any]]:
    """How far predictions are off: engines measured on the device itself, else those measured on its class."""
    times = shipped_times()
    own = _rows_by_engine(times.measured, device.name)
    of_class = _rows_by_engine(times.classes, device_class(device))
    rows: list[dict[str, Any]] = []
    for row in held_out_errors(times).iter_rows(named=True):
        engine = row["engine"]
        is_own = engine in own
        if (is_own or engine in of_class) and row["left_out"] == ("models" if is_own else "devices"):
            basis = "this device" if is_own else f"its class: {device_class(device)}"
            measured = own[engine] if is_own else of_class[engine]
            rows.append({**row, "basis": basis, "measured_rows": measured})
    return sorted(rows, key=lambda row: (row["basis"] != "this device", row["engine"], row["stage"]))


def _rows_by_engine(counted: Mapping[str, int], place: str) -> dict[str, int]:
    rows_of_key = {key.partition("|")[0]: rows for key, rows in counted.items() if key.partition("|")[2] == place}
    return {engine: rows for engine, rows in rows_of_key.items() if rows}
