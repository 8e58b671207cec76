"""Processors of every kind under one load: time, energy, cost, and what binds, so that CPUs, GPUs and TPUs compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

import polars as pl

from analytics.units import JOULES_PER_KWH
from profiling.answers.answer import Answer
from profiling.answers.door import Door
from profiling.answers.question import Question
from profiling.devices.accelerators import Accelerator
from profiling.errors import InvalidWorkload, ProfilingError

KINDS: Mapping[str, str] = {
    "cpu": "CPU", "gpu": "GPU", "igpu": "integrated GPU", "tpu": "TPU", "asic": "NPU",
    "edge": "Edge module",
}  # fmt: skip
"""Kinds of the table of devices, and what they are called."""
_CODES = {called.casefold(): kind for kind, called in KINDS.items()}
USUAL = (
    "Xeon-8480+ (1 socket)", "EPYC-9654 (1 socket)", "Grace-72c", "Ryzen-9-9950X (DDR5-6000)", "RTX-4090", "RTX-5090",
    "L40S", "A100-SXM4-80GB", "H100-SXM5-80GB", "B200-SXM-180GB", "MI300X-192GB", "Apple-M3-Max-40core-64GB",
    "Ryzen-AI-Max+-395-128GB", "TPU-v5e", "TPU-v5p", "TPU-v6e", "TPU-v7x", "Gaudi3", "Inferentia2", "Trainium2",
    "Ascend-910B", "Groq-LPU-v1 (1 chip)", "Jetson-AGX-Orin-64GB",
)  # fmt: skip
"""Some of every kind, for a first look."""
_SCHEMA = {
    "accelerator": pl.String, "kind": pl.String, "verdict": pl.String, "bound_by": pl.String,
    "predicted_low_s": pl.Float64, "predicted_s": pl.Float64, "predicted_high_s": pl.Float64, "bound_s": pl.Float64,
    "tokens_per_s": pl.Float64, "joules_per_token": pl.Float64, "host_joules_per_token": pl.Float64,
    "kwh_per_million_tokens": pl.Float64, "usd_per_million_tokens": pl.Float64,
    "g_co2e_per_million_tokens": pl.Float64, "weight_format": pl.String, "engine": pl.String,
    "memory_high_gib": pl.Float64, "memory_budget_gib": pl.Float64, "is_calibrated": pl.Boolean, "timed_as": pl.String,
    "reason": pl.String,
}  # fmt: skip


def compare_processors(door: Door, question: Question, accelerators: Iterable[str] = ()) -> pl.DataFrame:
    """One row per processor, fastest first; those that cannot answer come last, with the reason.

    Time, rate, energy and cost are those of one device of each. Where the model does not fit there is no time but that
    of the bound, which says what it would be if it did.

    Args:
        door: Whose facts.
        question: The load; its device is not looked at. Without an engine, each device has what people run on it.
        accelerators: Names of devices, or of kinds (`KINDS`, or as they are called: `npu`), or "all"; none: `USUAL`.

    Raises:
        UnknownModel, UnknownAccelerator, InvalidWorkload: A name means nothing; the message names the nearest.
    """
    door.model(question.model)
    rows = [_row(door, replace(question, accelerator=device.name), device) for device in _named(door, accelerators)]
    return pl.DataFrame(rows, _SCHEMA).sort("predicted_s", "accelerator", nulls_last=True)


def _named(door: Door, accelerators: Iterable[str]) -> list[Accelerator]:
    wanted = list(accelerators) or [name for name in USUAL if name in door.devices]
    processors: dict[str, Accelerator] = {}
    for name in wanted:
        kind = _CODES.get(name.casefold(), name.casefold())
        if kind == "all" or kind in KINDS:
            processors |= {each.name: each for each in door.devices.values() if kind in {"all", each.kind}}
        else:
            device = door.device(name)
            processors[device.name] = device
    if not processors:
        raise InvalidWorkload(f"no device is meant; name one, or a kind: {', '.join(_CODES)}, all")
    return list(processors.values())


def _row(door: Door, question: Question, device: Accelerator) -> dict[str, object]:
    row: dict[str, object] = {**dict.fromkeys(_SCHEMA), "accelerator": device.name, "kind": KINDS[device.kind]}
    try:
        answer = door.answer(question)
    except ProfilingError as error:
        return row | {"verdict": "cannot compute", "reason": str(error)}
    row |= {name: value for name, value in answer.row().items() if name in _SCHEMA and name != "accelerator"}
    row |= {"timed_as": answer.estimate.basis.stage, "kwh_per_million_tokens": _kwh(answer)}
    if not answer.runs:
        need, budget = row["memory_high_gib"], row["memory_budget_gib"]
        row["reason"] = f"needs {need:.1f} of {budget:.1f} GiB"
        row |= dict.fromkeys(("predicted_low_s", "predicted_s", "predicted_high_s"))
    return row


def _kwh(answer: Answer) -> float | None:
    """Of devices and hosts, for a million tokens: what energy is compared by."""
    return None if answer.energy is None else answer.energy.total.likely * 1e6 / JOULES_PER_KWH


def warned(door: Door, question: Question, rows: pl.DataFrame) -> list[str]:
    """What speaks against the load itself, such as more tokens than the model was made for.

    Args:
        door: Whose facts.
        question: The load.
        rows: From `compare_processors`.
    """
    timed = rows.filter(pl.col("bound_s").is_not_null())
    if timed.is_empty():
        return []
    return door.answer(replace(question, accelerator=timed["accelerator"][0])).warnings


def what_binds(rows: pl.DataFrame) -> str:
    """What binds where, in a sentence."""
    timed = rows.filter(pl.col("predicted_s").is_not_null())
    if timed.is_empty():
        return "The model fits none of these processors."
    fastest = timed.row(0, named=True)
    bounds = Counter(timed["bound_by"].to_list())
    limits = " and ".join(
        f"{bound} limits {'all' if count == timed.height else count}" for bound, count in bounds.most_common()
    )
    least = timed.filter(pl.col("kwh_per_million_tokens").is_not_null()).sort("kwh_per_million_tokens")
    thrifty = least["accelerator"][0] if least.height else ""
    ms, low, high = (f"{1e3 * fastest[name]:.3g}" for name in ("predicted_s", "predicted_low_s", "predicted_high_s"))
    of = "" if least.height == timed.height else f" of the {least.height} whose power is published"
    uses = f" {'It' if thrifty == fastest['accelerator'] else thrifty} uses the least energy{of}." if thrifty else ""
    return (
        f"{fastest['accelerator']} is the fastest of the {timed.height} that hold the model: {ms} ms "
        f"(80 %: {low} to {high})."
        f"{uses} {limits.capitalize()} of them."
    )
