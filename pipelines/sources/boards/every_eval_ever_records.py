"""Results as records of Every Eval Ever, schema 0.3.0: https://github.com/evaleval/every_eval_ever."""

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

SCHEMA_VERSION = "0.3.0"
_RELATIONSHIP = {
    "vendor": "first_party",
    "independent": "third_party",
    "community": "collaborative",
    "estimate": "other",
}
_ONE_RECORD = [
    "source", "snapshot_date", "name_in_source", "model_id", "mode", "effort", "host", "precision_served", "reporter",
]  # fmt: skip
_BOUNDS = {"fraction": (0.0, 1.0), "percent": (0.0, 100.0), "usd": (0.0, "Infinity"), "seconds": (0.0, "Infinity")}


def records(results: pl.DataFrame) -> Iterator[tuple[str, dict[str, Any]]]:
    """One record per source, state and model as it was run.

    Args:
        results: Rows of `core.benchmark_results`.

    Yields:
        Path `data/SOURCE/DEVELOPER/MODEL/ID.json` and the record.
    """
    ordered = results.sort(*_ONE_RECORD, "benchmark", "metric", nulls_last=True)
    for (*_,), group in ordered.group_by(_ONE_RECORD, maintain_order=True):
        first = group.row(0, named=True)
        model = str(first["model_id"] or first["name_in_source"])
        developer, _, name = model.rpartition("/")
        marks = [first[field] for field in ("mode", "effort", "host", "precision_served", "reporter") if first[field]]
        # Hosts and remarks stand in names that a path cannot hold.
        digest = hashlib.sha256(repr([first[field] for field in _ONE_RECORD]).encode()).hexdigest()[:8]
        key = f"{_path_safe('_'.join([model, *marks]))}_{digest}"
        retrieved = _epoch(first["retrieved_at"])
        record = {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": f"{first['source']}/{key}/{retrieved}",
            "retrieved_timestamp": retrieved,
            "source_metadata": {
                "source_name": first["source"],
                "source_type": "documentation",
                "source_organization_name": first["source"],
                "source_organization_url": first["source_url"],
                "evaluator_relationship": _RELATIONSHIP[first["reporter"]],
                "additional_details": _texts(snapshot_date=first["snapshot_date"], licence=first["licence"]),
            },
            "eval_library": {"name": "unknown", "version": "unknown"},
            "model_info": {
                "name": first["name_in_source"],
                "id": model,
                **({"developer": developer} if developer else {}),
                **({"inference_platform": first["host"]} if first["host"] else {}),
                "additional_details": {
                    "deployment_type": "unknown",
                    "model_availability": "open_weights" if first["model_id"] else "unknown",
                    **_texts(precision_served=first["precision_served"]),
                },
            },
            "evaluation_results": [_result(row) for row in group.iter_rows(named=True)],
        }
        folder = _path_safe(developer or "unknown")
        yield f"data/{first['source']}/{folder}/{_path_safe(name or model)}/{key}.json", record


def _result(row: Mapping[str, Any]) -> dict[str, Any]:
    least, most = _BOUNDS.get(row["unit"], ("-Infinity", "Infinity"))
    uncertainty: dict[str, Any] = {}
    if row["standard_error"] is not None:
        uncertainty["standard_error"] = {"value": row["standard_error"], "method": row["standard_error_origin"]}
    if row["ci_low"] is not None and row["ci_high"] is not None:
        interval = {"lower": row["ci_low"], "upper": row["ci_high"]}
        level = {} if row["ci_level"] is None else {"confidence_level": row["ci_level"]}
        uncertainty["confidence_interval"] = {**interval, **level}
    if row["n_items"] is not None:
        uncertainty["num_samples"] = row["n_items"]
    generation = _texts(
        mode=row["mode"], effort=row["effort"], scaffold=row["scaffold"], n_trials=row["n_trials"],
        cost_usd=row["cost_usd"], cost_basis=row["cost_basis"],
    )  # fmt: skip
    thinks = {"thinking": True, "non-thinking": False}.get(row["mode"] or "")
    arguments = {} if thinks is None else {"generation_args": {"reasoning": thinks}}
    return {
        "evaluation_name": row["benchmark"],
        "source_data": {"dataset_name": row["benchmark"], "source_type": "url", "url": [row["source_url"]]},
        **({"evaluation_timestamp": row["measured_on"].isoformat()} if row["measured_on"] else {}),
        "metric_config": {
            "evaluation_description": f"{row['benchmark']}, version {row['benchmark_version']}: {row['metric']}",
            "metric_name": row["metric"],
            "metric_unit": row["unit"],
            "lower_is_better": not row["higher_is_better"],
            "score_type": "continuous",
            "min_score": least,
            "max_score": most,
            "additional_details": _texts(
                benchmark_version=row["benchmark_version"], category=row["category"], chance_level=row["chance_level"]
            ),
        },
        "score_details": {"score": row["score"], **({"uncertainty": uncertainty} if uncertainty else {})},
        "generation_config": {**arguments, "additional_details": generation},
    }


def _texts(**values: object) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


def _epoch(at: dt.datetime) -> str:
    return str(at.timestamp())


def _path_safe(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text).strip("._") or "unknown"
