"""Bundles of measurements: what the stored ones hold, as the frames of the contracts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import polars as pl

from pipelines.sources.accounts import account, rejected_file
from pipelines.sources.profiles.recognition import SOURCE
from pipelines.sources.raw_store import RawSnapshot, RawStore
from profiling.calibration.measured import comparable
from profiling.measure.bundle import Bundle, UnusableBundle, unpack
from warehouse.contracts import profiles as tables
from warehouse.contracts.table import Table
from warehouse.contracts.violations import violations


@dataclass
class StoredBundles:
    """What the stored bundles hold."""

    bundles: list[tuple[RawSnapshot, Bundle]] = field(default_factory=list)
    rejected: list[pl.DataFrame] = field(default_factory=list)


def load_bundles(store: RawStore) -> StoredBundles:
    """Read every stored bundle; of several of one run, which grew, the last that was retrieved."""
    result = StoredBundles()
    newest: dict[str, tuple[RawSnapshot, Bundle]] = {}
    for stored in sorted(store.snapshots(SOURCE), key=lambda each: each.manifest.retrieved_at):
        try:
            bundle = unpack(stored.path.read_bytes())
            _require_valid(stored, bundle)
        except (UnusableBundle, OSError) as error:
            result.rejected.append(rejected_file(stored, str(error)))
            continue
        newest[bundle.run_id] = stored, bundle
    result.bundles = list(newest.values())
    return result


def _require_valid(stored: RawSnapshot, bundle: Bundle) -> None:
    """Make every table of the bundle once: seals say that nothing was changed, not that it was ever right.

    Raises:
        UnusableBundle: a value is of another kind than its column, or outside its contract.
    """
    bundles = StoredBundles([(stored, bundle)])
    for table, make in MAKERS.items():
        try:
            broken_rows = violations(table, table.conform(make(bundles)))
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
            pl.exceptions.PolarsError,
        ) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise UnusableBundle(f"its rows do not make {table.relation}: {type(error).__name__}: {reason}") from error
        if broken_rows:
            raise UnusableBundle(f"its rows break {table.relation}: {'; '.join(broken_rows)}")
    try:
        models = bundle.plan.get("models", {})
        for point in bundle.final_points():
            if config := models.get(point["model"]):
                comparable(point, config, bundle.ceilings, bundle.environment_id)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnusableBundle(f"its points cannot be compared: {type(error).__name__}: {error}") from error


def snapshots(stored: StoredBundles) -> pl.DataFrame:
    """Rows of `raw.profile_snapshots`."""
    return tables.SNAPSHOTS.frame(
        account(file, "run", len(bundle.points), len(bundle.final_points()), rows_rejected=0)
        for file, bundle in stored.bundles
    )


def device_of(environment: Mapping[str, Any]) -> str:
    """Accelerator, else server, else processor."""
    for name in ("accelerator", "endpoint", "processor", "imported_from"):
        if environment.get(name):
            return str(environment[name])
    return "not stated"


def environments(stored: StoredBundles) -> pl.DataFrame:
    """Rows of `core.profile_environments`."""
    return tables.ENVIRONMENTS.frame(
        {
            **bundle.environment,
            "snapshot_id": file.snapshot_id,
            "run_id": bundle.run_id,
            "device": device_of(bundle.environment),
            "device_kind": str(bundle.environment.get("device_kind") or "serve"),
            "memory_bytes": _float(bundle.environment.get("memory_bytes")),
            "name": str(bundle.plan.get("name")),
        }
        for file, bundle in stored.bundles
    )


def ceilings(stored: StoredBundles) -> pl.DataFrame:
    """Rows of `core.profile_ceilings`."""
    rows = []
    for _, bundle in stored.bundles:
        for position, row in enumerate(bundle.ceilings):
            if not row.get("time_s"):
                continue
            product = 2.0 * row["m"] * row["n"] * row["k"] / row["time_s"] if row["kind"] == "gemm" else None
            traffic = row["bytes"] / row["time_s"] if row["kind"] in {"copy", "read"} else None
            named = {"run_id": bundle.run_id, "environment_id": bundle.environment_id, "position": position}
            rows.append({**row, **named, "bytes_per_s": traffic, "flops_per_s": product})
    return tables.CEILINGS.frame(rows)


_FLOATS = (
    "weights_bytes", "kv_cache_bytes", "activation_peak_bytes", "allocated_peak_bytes", "reserved_peak_bytes", "flops",
)  # fmt: skip


def points(
    stored: StoredBundles, predictions: Mapping[tuple[str, str], Mapping[str, Any]] = MappingProxyType({})
) -> pl.DataFrame:
    """Rows of `marts.profile_points`.

    Args:
        stored: The bundles.
        predictions: Columns of what was predicted, by run and point.
    """
    rows = []
    for _, bundle in stored.bundles:
        for point in bundle.final_points():
            latency, tokens, energy = point.get("latency_s"), point.get("tokens"), point.get("energy_j")
            rate = point.get("tokens_per_s")
            flags = point.get("flags") or []
            rows.append(
                {
                    **point,
                    **{name: _float(point.get(name)) for name in _FLOATS},
                    "run_id": bundle.run_id,
                    "environment_id": bundle.environment_id,
                    "device": device_of(bundle.environment),
                    "attention_kernel": point.get("attention_kernel_used") or point.get("attention_kernel"),
                    "flags": ", ".join(flags),
                    "is_contended": "contended" in flags if point.get("waiting_share") is not None else None,
                    "tokens_per_s": rate if rate is not None else tokens / latency if tokens and latency else None,
                    "joules_per_token": energy / tokens if energy and tokens else None,
                    **predictions.get((bundle.run_id, str(point["point_id"])), {}),
                }
            )
    return tables.POINTS.frame(rows)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def layers(stored: StoredBundles) -> pl.DataFrame:
    """Rows of `marts.profile_layers`."""
    rows: list[dict[str, Any]] = []
    for _, bundle in stored.bundles:
        by_point: dict[str, list[Mapping[str, Any]]] = {}
        for layer in bundle.final_layers():
            by_point.setdefault(str(layer["point_id"]), []).append(layer)
        for members in by_point.values():
            total = sum(layer["time_s"] for layer in members) or 1.0
            rows += [
                {
                    **layer,
                    "run_id": bundle.run_id,
                    "layer": _layer(str(layer["path"])),
                    "time_share": layer["time_s"] / total,
                    **{
                        name: _float(layer.get(name))
                        for name in ("flops", "moved_bytes", "allocated_bytes", "peak_bytes")
                    },
                }
                for layer in members
            ]
    return tables.LAYERS.frame(rows)


def _layer(path: str) -> int | None:
    return next((int(part) for part in path.split(".") if part.isdigit()), None)


def telemetry(stored: StoredBundles) -> pl.DataFrame:
    """Rows of `marts.profile_telemetry`; samples whose clock stands or goes back are left out."""
    rows: list[dict[str, Any]] = []
    for _, bundle in stored.bundles:
        rows += [
            {
                **sample,
                "run_id": bundle.run_id,
                "position": position,
                "elapsed_s": elapsed,
                "clock_mhz": _float(sample.get("sm_mhz", sample.get("processor_mhz"))),
                "memory_used_bytes": _float(sample.get("memory_used_bytes")),
                "temperature_c": _float(sample.get("temperature_c")),
            }
            for position, (elapsed, sample) in enumerate(_forward(bundle.telemetry))
        ]
    return tables.TELEMETRY.frame(rows)


def _forward(samples: Sequence[Mapping[str, Any]]) -> Iterable[tuple[float, Mapping[str, Any]]]:
    first = last = None
    for sample in samples:
        moment = sample.get("t_ns")
        if moment is None or (last is not None and moment <= last):
            continue
        first = moment if first is None else first
        last = moment
        yield (moment - first) / 1e9, sample


MAKERS: Mapping[Table, Callable[[StoredBundles], pl.DataFrame]] = {
    tables.SNAPSHOTS: snapshots,
    tables.ENVIRONMENTS: environments,
    tables.CEILINGS: ceilings,
    tables.POINTS: points,
    tables.LAYERS: layers,
    tables.TELEMETRY: telemetry,
}
"""What makes each table of bundles; points with nothing predicted for them."""
