"""Results of other tools as points of a bundle: vllm bench serve, AIPerf, optimum-benchmark."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from profiling.errors import ProfilingError
from profiling.foreign import NotJson, parse_json, text_of
from profiling.measure.bundle import Row
from profiling.measure.recorded import point, served_environment, spread, write_bundle
from profiling.measure.timing import quantile

_KWH = 3.6e6


class UnreadableResult(ProfilingError):
    """A file is not a result of the tool that was named."""


def import_file(tool: str, file: Path, out: Path) -> list[Row]:
    """Write a bundle from a result file, and give its points.

    Raises:
        UnreadableResult: The file is not what the tool writes; the message names what it lacks.
    """
    try:
        rows, environment = _READERS[tool](text_of(file))
        json.dumps([environment, *rows], allow_nan=False)  # before anything of it is written
    except ValueError as error:
        if isinstance(error, UnreadableResult):
            raise
        raise UnreadableResult(f"{file} cannot be read: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise UnreadableResult(f"{file} is not a result of {tool}: it lacks or misplaces {error}") from error
    write_bundle(out, f"{tool} {file.name}", environment, rows)
    return rows


def _environment(tool: str, date: str | None, described: Mapping[str, Any]) -> Row:
    measured_at = date or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return served_environment({"imported_from": tool, "measured_at": measured_at, **described})


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else float(milliseconds) / 1e3


def _vllm(text: str) -> tuple[list[Row], Row]:
    """`vllm bench serve --save-result` (with `--save-detailed` raw values as well); times in milliseconds."""
    result: Mapping[str, Any] = parse_json(text)
    completed = int(result["completed"])
    measured: Row = {
        "requests": completed,
        "errors": int(result.get("failed") or int(result.get("num_prompts", completed)) - completed),
        "took_s": float(result["duration"]), "requests_per_s": float(result["request_throughput"]),
        "tokens_per_s": float(result["output_throughput"]),
    }  # fmt: skip
    for stem, name in (("ttft", "ttft"), ("inter_token", "itl")):
        measured |= {
            f"{stem}_p50_s": _seconds(result[f"median_{name}_ms"]),
            f"{stem}_p90_s": _seconds(result.get(f"p90_{name}_ms")),
            f"{stem}_p99_s": _seconds(result.get(f"p99_{name}_ms")),
        }  # fmt: skip
    if result.get("ttfts"):
        measured |= spread("ttft", [float(value) for value in result["ttfts"]])
        measured |= spread("inter_token", [float(value) for intervals in result.get("itls", []) for value in intervals])
    what = {
        "model": str(result["model_id"]),
        "backend": f"vllm bench ({result.get('backend') or result.get('endpoint_type')})",
        "batch": result.get("max_concurrency"), "context": round(int(result["total_input_tokens"]) / max(completed, 1)),
    }  # fmt: skip
    return [point(what, measured)], _environment("vllm bench", _vllm_date(result.get("date")), {})


def _vllm_date(stated: Any) -> str | None:
    """`20251017-202208` as an ISO date; None for any other form."""
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.strptime(str(stated), "%Y%m%d-%H%M%S"))
    except ValueError:
        return None


def _aiperf(text: str) -> tuple[list[Row], Row]:
    """`profile_export_aiperf.json`, one object of statistics, or `profile_export.jsonl`, one record per request."""
    try:
        whole = parse_json(text)
    except NotJson:
        return _aiperf_records([parse_json(line) for line in text.splitlines() if line.strip()])
    if "metadata" in whole:
        return _aiperf_records([whole])
    config = whole["input_config"]
    gpus = [
        gpu
        for host in (whole.get("telemetry_data") or {}).get("endpoints", {}).values()
        for gpu in host["gpus"].values()
    ]

    def statistic(name: str, share: str) -> float | None:
        value = whole.get(name, {}).get(share)
        return None if value is None else float(value) * _factor(whole[name]["unit"])

    measured: Row = {
        "requests": int(whole["request_count"]["avg"]),
        "errors": sum(int(error["count"]) for error in whole.get("error_summary") or []),
        "took_s": statistic("benchmark_duration", "avg"),
        "requests_per_s": statistic("request_throughput", "avg"),
        "tokens_per_s": statistic("output_token_throughput", "avg"),
        **{f"ttft_{share}_s": statistic("time_to_first_token", share) for share in ("p50", "p90", "p99")},
        **{f"inter_token_{share}_s": statistic("inter_token_latency", share) for share in ("p50", "p90", "p99")},
    }  # fmt: skip
    prompts = whole.get("total_isl", {}).get("avg")
    what = {
        "model": str(config["endpoint"]["model_names"][0]), "backend": "aiperf",
        "batch": (config.get("loadgen") or {}).get("concurrency"),
        "context": None if prompts is None else round(prompts / max(measured["requests"], 1)),
    }  # fmt: skip
    names = {"accelerator": gpus[0]["gpu_name"], "accelerators": len(gpus)} if gpus else {}
    return [point(what, measured)], _environment("AIPerf", whole.get("start_time"), names)


def _aiperf_records(records: list[Mapping[str, Any]]) -> tuple[list[Row], Row]:
    good = [record["metrics"] for record in records if not record.get("error")]
    ends = [int(record["metadata"]["request_end_ns"]) for record in records]
    starts = [int(record["metadata"]["request_start_ns"]) for record in records]
    took_s = (max(ends) - min(starts)) / 1e9

    def values(name: str) -> list[float]:
        return [float(record[name]["value"]) * _factor(record[name]["unit"]) for record in good if name in record]

    prompts = values("input_sequence_length")
    tokens = sum(values("output_sequence_length"))
    measured: Row = {
        "requests": len(good), "errors": len(records) - len(good), "took_s": took_s,
        "requests_per_s": len(good) / took_s, "tokens_per_s": tokens / took_s,
        **spread("ttft", values("time_to_first_token")), **spread("inter_token", values("inter_token_latency")),
    }  # fmt: skip
    what = {
        # Records name neither model nor concurrency.
        "model": "not stated", "backend": "aiperf", "batch": None,
        "context": round(sum(prompts) / len(prompts)) if prompts else None,
    }  # fmt: skip
    return [point(what, measured)], _environment(
        "AIPerf", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(min(starts) / 1e9)), {}
    )


def _factor(unit: str) -> float:
    """To seconds, for units of time; 1 for others."""
    return {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}.get(unit, 1.0)


def _optimum(text: str) -> tuple[list[Row], Row]:
    """`benchmark.json` of optimum-benchmark: config and report; megabytes are decimal, energy in kWh."""
    whole: Mapping[str, Any] = parse_json(text)
    config, report = whole["config"], whole["report"]
    backend, scenario, machine = config["backend"], config["scenario"], config.get("environment", {})
    batch, length = int(scenario["input_shapes"]["batch_size"]), int(scenario["input_shapes"]["sequence_length"])
    rows = []
    # Decoding is told per token, or as one time for all of them.
    for name, stage in (("prefill", "prefill"), ("per_token", "decode"), ("forward", "encode")):
        if name not in report or not (report[name].get("latency") or {}).get("values"):
            continue
        latency = [
            float(value) * _factor(report[name]["latency"]["unit"]) for value in report[name]["latency"]["values"]
        ]
        memory = (
            (report[name].get("memory") or report.get("decode", {}).get("memory") or {}) if stage != "encode" else {}
        )
        energy = report[name].get("energy") or {}
        what = {
            "model": str(backend["model"]), "backend": f"optimum-benchmark {backend['name']}", "stage": stage,
            "batch": batch, "context": length, "precision": backend.get("torch_dtype"),
            "attention_kernel": backend.get("attn_implementation"),
        }  # fmt: skip
        measured: Row = {
            "latency_s": quantile(latency, 0.5), "latency_p90_s": quantile(latency, 0.9),
            "latency_p99_s": quantile(latency, 0.99), "latency_values_s": latency, "repeats": len(latency),
            "tokens": batch * (length if stage != "decode" else 1),
            "allocated_peak_bytes": _megabytes(memory.get("max_allocated")),
            "reserved_peak_bytes": _megabytes(memory.get("max_reserved")),
            "device_used_bytes": _megabytes(memory.get("max_global_vram")),
            "energy_j": float(energy["total"]) * _KWH if energy.get("total") else None,
            "energy_method": "codecarbon, sampled" if energy.get("total") else None,
        }  # fmt: skip
        rows.append(point(what, measured))
    if not rows:
        raise UnreadableResult("the report has neither prefill, per_token nor forward latencies")
    gpus = machine.get("gpu") or []
    described = {
        "accelerator": next(iter(gpus), None) if isinstance(gpus, list) else gpus, "processor": machine.get("cpu"),
        "python": machine.get("python_version"), "device_kind": backend.get("device"),
        "software": f"optimum-benchmark {machine.get('optimum_benchmark_version')}",
    }  # fmt: skip
    return rows, _environment("optimum-benchmark", None, described)


def _megabytes(value: Any) -> float | None:
    return None if value is None else float(value) * 1e6


_READERS: Mapping[str, Callable[[str], tuple[list[Row], Row]]] = {"vllm": _vllm, "aiperf": _aiperf, "optimum": _optimum}
