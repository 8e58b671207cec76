"""Bundles of points that no sweep made: a prompt, an endpoint, or the results of another tool."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from profiling.measure import bundle
from profiling.measure.bundle import Row, canonical_id
from profiling.measure.timing import quantile

SERVE = "serve"
"""Stage of a point that a server answered: time to first token, between tokens, and throughput."""

_POINT: Row = {
    "model_type": None, "config_sha256": None, "stage": SERVE, "batch": 1, "context": None, "precision": None,
    "attention_kernel": None, "execution": None, "backend": None, "threads": None, "seed": None, "weights": None,
}  # fmt: skip


def served_environment(described: Mapping[str, Any]) -> Row:
    """Environment of a server: what is known of it, and that its machine is not."""
    facts: Row = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "device_kind": SERVE, "processor": None,
        "accelerator": None, "torch": None, "system": None, "threads": None, **described,
    }  # fmt: skip
    return {"environment_id": canonical_id({k: v for k, v in facts.items() if k != "measured_at"}), **facts}


def point(what: Mapping[str, Any], measured: Mapping[str, Any]) -> Row:
    """A row of `points.jsonl` from its configuration and what was measured."""
    row = {**_POINT, **what}
    flags = measured.get("flags", [])
    return {"point_id": canonical_id(row), **row, "attempt": 1, "status": "ok", **measured, "flags": flags}


def spread(stem: str, values: Sequence[float]) -> Row:
    """Percentiles of raw seconds under `STEM_p50_s` and so on, with the values; null where there are none."""
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
    row: Row = {f"{stem}_{name}_s": quantile(values, share) if values else None for name, share in shares.items()}
    return row | {f"{stem}_values_s": list(values)}


def write_bundle(
    folder: Path,
    name: str,
    environment: Mapping[str, Any],
    points: Sequence[Row],
    layers: Sequence[Row] = (),
    models: Mapping[str, Any] | None = None,
) -> None:
    """Write and seal a whole bundle.

    Raises:
        UnusableBundle: The folder is there already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise bundle.UnusableBundle(f"{folder} is there already; name another")
    folder.mkdir(parents=True, exist_ok=True)
    described = [{key: row[key] for key in ("point_id", "model", *_POINT)} for row in points]
    plan = {"schema": 1, "name": name, "models": dict(models or {}), "points": described}
    stamped = {**plan, "measured_at": environment["measured_at"]}
    bundle.write_json(folder / bundle.PLAN, {"run_id": canonical_id(stamped), **plan})
    bundle.write_json(folder / bundle.ENVIRONMENT, environment)
    for layer in layers:
        bundle.append(folder / bundle.LAYERS, layer)
    for row in points:
        bundle.append(folder / bundle.POINTS, row)
    bundle.seal(folder)
