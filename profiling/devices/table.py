"""The reviewed table of devices, and those that users describe in the same words.

Figures stand in reference/accelerators.csv; the codes of its `source` column in reference/accelerator_sources.csv.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from profiling.devices.device import GIB, GIGA, Accelerator, validate
from profiling.errors import InvalidAccelerator, nearest
from profiling.reference_files import FOLDER

PEAK_COLUMNS = {
    "fp32": "fp32_tflops", "tf32": "tf32_dense_tflops", "fp16": "fp16_dense_tflops", "fp8": "fp8_dense_tflops",
    "int8": "int8_dense_tops", "fp4": "fp4_dense_tflops", "int4": "int4_dense_tops",
}  # fmt: skip
FP16_SUM_COLUMNS = {"fp16": "fp16_sums_in_fp16_tflops", "fp8": "fp8_sums_in_fp16_tflops"}
_TABLE = FOLDER / "accelerators.csv"
_EXTRA_COLUMNS = frozenset(
    {
        "bus_bits",
        "data_rate_gbps_per_pin",
        "units",
        "unit",
        "boost_mhz",
        "flop_per_unit_and_clock",
        "pcie",
        "release_date",
        "reported_memory_source",
    }
)
"""Columns from which others are recomputed, and where they are from; kept as text in `Accelerator.extra`."""


def _number(row: Mapping[str, object], column: str, scale: float = 1.0) -> float | None:
    value = row.get(column)
    if value is None or value == "":
        return None
    try:
        return float(str(value)) * scale
    except ValueError:
        raise InvalidAccelerator(f"{row.get('name')}: {column} is {value!r}, expected a number") from None


def _truth(row: Mapping[str, object], column: str) -> bool:
    return str(row.get(column) or "").casefold() == "true"


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
    peaks = {kind: _number(row, column, 1e12) for kind, column in PEAK_COLUMNS.items()}
    sums = {kind: _number(row, column, 1e12) for kind, column in FP16_SUM_COLUMNS.items()}
    usable = _number(row, "usable_fraction") or 1.0
    node_size = _number(row, "node_size")
    return Accelerator(
        name=name,
        kind=str(row.get("kind") or "gpu"),
        vendor=str(row.get("vendor") or ""),
        peaks={kind: value for kind, value in peaks.items() if value is not None},
        bandwidth_bytes_per_s=bandwidth,
        memory_bytes=memory,
        reported_memory_bytes=_number(row, "reported_memory_gib", GIB),
        last_level_cache_bytes=_number(row, "last_level_cache_mb", 1e6),
        peaks_with_fp16_sums={kind: value for kind, value in sums.items() if value is not None},
        memory_kind=str(row.get("memory_kind") or ""),
        unified_memory=_truth(row, "is_unified_memory"),
        usable_fraction=usable,
        usable_fraction_range=(
            _number(row, "usable_fraction_low") or usable,
            _number(row, "usable_fraction_high") or usable,
        ),
        usable_fraction_source=str(row.get("usable_fraction_source") or ""),
        raising_usable_memory=str(row.get("raising_usable_memory") or ""),
        register_file_bytes=_number(row, "register_file_mb", 1e6),
        power_w=_number(row, "power_w"),
        link_bytes_per_s=_number(row, "link_gb_per_s_per_direction", GIGA),
        link_kind=str(row.get("link_kind") or ""),
        node_size=8 if node_size is None else int(node_size),
        between_nodes_bytes_per_s=_number(row, "between_nodes_gb_per_s_per_direction", GIGA),
        between_nodes_latency_s=_number(row, "between_nodes_latency_us", 1e-6),
        in_grid=_truth(row, "in_grid"),
        achievable_matmul_fraction=_number(row, "achievable_matmul_fraction"),
        source=str(row.get("source") or ""),
        flags=str(row.get("flags") or ""),
        extra={column: str(row[column]) for column in _EXTRA_COLUMNS if row.get(column)},
    )


def read_table(path: str | Path) -> dict[str, Accelerator]:
    """Accelerators of a CSV table in the layout of reference/accelerators.csv, each validated."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        entries = [validate(from_record(row), peaks_needed=False) for row in csv.DictReader(file)]
    return {entry.name: entry for entry in entries}


@cache
def table() -> Mapping[str, Accelerator]:
    """The reviewed accelerators that ship, by name."""
    return read_table(_TABLE)


def grid_devices() -> list[Accelerator]:
    """The devices of the published grids; the others are computed where they are asked for."""
    return [device for device in table().values() if device.in_grid]


def columns() -> frozenset[str]:
    """Columns of the reviewed table, and so the keys of a user-defined accelerator."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return frozenset(next(csv.reader(file)))


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
    allowed = columns() - {"name", "in_grid"}
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
