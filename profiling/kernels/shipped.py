"""Surfaces of kernels as files: one JSON per device, those in reference/kernels ship."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from profiling import reference_files
from profiling.kernels.calibrate import KernelSurface, Transfer
from profiling.kernels.surface import Surface

FOLDER = reference_files.FOLDER / "kernels"
COMMAND = "skyline profile kernels FOLDER --save profiling/reference/kernels"
SUMMARY_SCHEMA: dict[str, type[pl.DataType]] = {
    "device": pl.String, "engine": pl.String, "kind": pl.String, "variants": pl.Int64, "kernels": pl.Int64,
    "mean_error_pct": pl.Float64, "median_error_pct": pl.Float64, "inside_pct": pl.Float64,
}  # fmt: skip
_TRANSFERS = "transfer.json"


def to_json(device: str, surfaces: Iterable[KernelSurface], source: str) -> str:
    """The content of a device's file, one surface per line."""
    head = {"device": device, "source": source, "made_by": COMMAND}
    lines = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    items = ",\n  ".join(json.dumps(_record(surface), separators=(",", ":")) for surface in surfaces)
    return "{\n" + ",\n".join([*lines, f' "surfaces": [\n  {items}\n ]']) + "\n}\n"


def from_json(text: str) -> tuple[KernelSurface, ...]:
    """The inverse of `to_json`."""
    document = json.loads(text)
    return tuple(_surface(row, document["device"]) for row in document["surfaces"])


def _surface(row: Mapping[str, Any], device: str) -> KernelSurface:
    made = {"device": device, "surface": Surface.from_dict(row["surface"])}
    return KernelSurface(**(dict(row) | made | {"measured_shapes": tuple(map(tuple, row["measured_shapes"]))}))


def _record(surface: KernelSurface) -> dict[str, Any]:
    row = {
        field.name: getattr(surface, field.name) for field in fields(surface) if field.name not in {"device", "surface"}
    }
    return row | {"surface": surface.surface.to_dict()}


def save(folder: Path, surfaces: Sequence[KernelSurface], transfers: Sequence[Transfer], source: str) -> None:
    """Writes one file per device, and one with the errors on devices left out; kinds not fitted anew stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for device in sorted({surface.device for surface in surfaces}):
        own = [surface for surface in surfaces if surface.device == device]
        path = folder.joinpath(f"{device}.json")
        kinds = {surface.kind for surface in own}
        stored = from_json(path.read_text("utf-8")) if path.exists() else ()
        whole = [*(surface for surface in stored if surface.kind not in kinds), *own]
        path.write_text(to_json(device, sorted(whole, key=_place), source), "utf-8")
    fitted = {surface.kind for surface in surfaces}
    stay = _read_transfers(folder.joinpath(_TRANSFERS))
    transfers = [*(transfer for transfer in stay if transfer.kind not in fitted), *transfers]
    rows = [{field.name: getattr(transfer, field.name) for field in fields(transfer)} for transfer in transfers]
    text = ",\n ".join(json.dumps(row) for row in rows)
    folder.joinpath(_TRANSFERS).write_text(f"[\n {text}\n]\n", "utf-8")


def _place(surface: KernelSurface) -> tuple[str, str, str]:
    return surface.engine, surface.kind, surface.variant


def _read_transfers(path: Path) -> tuple[Transfer, ...]:
    rows = json.loads(path.read_text("utf-8")) if path.exists() else []
    return tuple(Transfer(**(row | {"devices": tuple(row["devices"])})) for row in rows)


@cache
def shipped_surfaces() -> Mapping[str, tuple[KernelSurface, ...]]:
    """The surfaces that ship, by name of the device."""
    files = sorted(path for path in FOLDER.glob("*.json") if path.name != _TRANSFERS)
    surface_sets = [from_json(path.read_text("utf-8")) for path in files]
    return {surfaces[0].device: surfaces for surfaces in surface_sets}


@cache
def shipped_transfers() -> tuple[Transfer, ...]:
    """Errors of surfaces on devices that they never saw, as they ship."""
    return _read_transfers(FOLDER.joinpath(_TRANSFERS))


def summary(surfaces: Iterable[KernelSurface]) -> pl.DataFrame:
    """Held-out errors by device, engine and kind, in `SUMMARY_SCHEMA`: means over variants, weighted by kernels."""
    frame = _frame(surfaces, {name: kind for name, kind in SUMMARY_SCHEMA.items() if name != "variants"})
    weight = pl.col("kernels")
    means = [
        ((pl.col(name) * weight).sum() / weight.sum()).round(1).alias(name)
        for name in ("mean_error_pct", "median_error_pct", "inside_pct")
    ]
    number = pl.len().cast(pl.Int64).alias("variants")
    grouped = frame.group_by("device", "engine", "kind").agg(number, *means, weight.sum())
    return grouped.select(list(SUMMARY_SCHEMA)).sort("device", "engine", "kind")


def variant_table(surfaces: Iterable[KernelSurface]) -> pl.DataFrame:
    """Held-out errors of every variant."""
    names = ("device", "engine", "version", "kind", "variant", "kernels", "shapes", "mean_error_pct",
             "median_error_pct", "inside_pct")  # fmt: skip
    return _frame(surfaces, names).sort("device", "engine", "kind", "variant")


def transfer_table(transfers: Iterable[Transfer]) -> pl.DataFrame:
    """Errors on devices left out, one row per device, engine and kind."""
    names = ("device", "devices", "engine", "kind", "kernels", "mean_error_pct", "median_error_pct")
    frame = _frame(transfers, names).with_columns(pl.col("devices").list.join(" and "))
    return frame.rename({"devices": "predicted_from"}).sort("device", "engine", "kind")


def _frame(
    items: Iterable[KernelSurface | Transfer], schema: Sequence[str] | Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    return pl.DataFrame([{name: getattr(item, name) for name in schema} for item in items], schema=schema)
