"""What a model's page says of the model itself, its formats and where it fits: rows, computed by the one door."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from analytics.units import decimal
from dashboards.parts import formats
from profiling.answers.commands import PROMPT
from profiling.answers.door import Door
from profiling.answers.evidence import Evidence
from profiling.answers.question import Question
from profiling.devices.accelerators import GIB, Accelerator
from profiling.engines.formats import FORMATS, SERVED_FORMATS, formats_of
from profiling.errors import ProfilingError
from profiling.memory.engines import default_engine
from profiling.memory.need import kv_cache_bytes, max_context, memory_need
from profiling.memory.weights import weight_bytes
from profiling.models.architecture import Architecture
from profiling.models.gguf import gguf_file_size_bytes
from profiling.models.stored import BF16
from profiling.roofline.precisions import precision_for
from profiling.roofline.workload import Workload

USUAL_DEVICES = (
    "RTX-3060-12GB", "RTX-5060-Ti-16GB", "RTX-3090", "RTX-4090", "RX-7900-XTX-24GB", "RTX-5090",
    "Apple-M4-Max-40core-128GB", "Ryzen-AI-Max+-395-128GB", "DGX-Spark-GB10-128GB", "RTX-PRO-6000-Blackwell", "L40S",
    "H100-SXM5-80GB", "H200-SXM-141GB", "MI300X-192GB", "B200-SXM-180GB", "Apple-M3-Ultra-80core-512GB",
)  # fmt: skip
"""Common devices, from a small card to a large server; ask the Advisor about any other."""
_MORE_GGUF = ("iq4_xs", "iq3_xxs", "iq2_xs")
_MOST_MEASURED = 3


def under_its_own_name(door: Door, model_id: str, shapes_id: str) -> Architecture:
    """The shapes of a model; the format of a copy that somebody quantised is not its own.

    Raises:
        ProfilingError: The operators of its family are not known.
    """
    model = door.model(shapes_id)
    return model if model.name == model_id else replace(model, name=model_id, published_format=BF16, stored_bytes=None)


def _source(row: Mapping[str, Any]) -> str:
    """Which source lists a model, by its name in print."""
    return formats.boards(row["facts_source"]) if row["facts_source"] else ""


def identity(model_id: str, model: Architecture | None, row: Mapping[str, Any]) -> list[dict[str, str]]:
    """Facts of a model, each with what it rests on."""
    rows: list[dict[str, str]] = []

    def add(fact: str, value: object, basis: object = "", address: str = "") -> None:
        if value not in (None, "", formats.MISSING):
            rows.append({"fact": fact, "value": str(value), "basis": str(basis or ""), "address": address})

    if "/" in model_id:
        add("On the hub", model_id, "", f"https://huggingface.co/{model_id}")
    add("Publisher", row["organization"] or row["organisation"])
    add("Made from", row["base_model"], "as boards state it", f"model/{row['base_model']}")
    add("Licence", row["licence"] or row["board_licence"], row["licence_basis"] if row["licence"] else "a board")
    released = row["release_date"] or row["listed_on"]
    add("Released", released, formats.boards(row["release_date_basis"] or "") if row["release_date"] else _source(row))
    if model is None:
        add("Parameters", formats.parameters(row["board_parameters"]), row["parameters_total_source"])
        add("Context", row["context_tokens"] and f"{row['context_tokens']:,} tokens", _source(row))
        return rows
    total, active = model.parameters_total, model.parameters_active
    used = "" if active == total else f"; {formats.parameters(active)} of them per token"
    add("Parameters", f"{formats.parameters(total)}{used}", f"{total:,}, counted from the config: {_checked(row)}")
    add("Layers", f"{model.main.depth}", _layers(model))
    add("Attention", f"{model.attention_kind}, {model.heads} heads, {model.kv_heads} of keys and values")
    add("Context", model.max_position and f"{model.max_position:,} tokens", "by its config")
    add("Vocabulary", f"{model.vocabulary_size:,}")
    add("Published as", model.published_format.name, model.published_format.basis)
    if model.kind != "encoder":
        grown, late = model.kv_bytes_per_token(), model.kv_bytes_per_token(beyond_window=True)
        windows = f"; {late:,.0f} beyond its windows" if late != grown else ""
        add("KV cache", f"{grown:,.0f} bytes per token{windows}", "at 16 bits")
        state = model.state_bytes_per_sequence()
        add("State", f"{state:,.0f} bytes per sequence" if state else "", "whatever its length")
    add("Not included", "; ".join(map(str, model.not_counted)), "in the checkpoint, but not in the parameters above")
    add("Notes", " ".join([*model.count_notes, *model.notes]))
    add("Shapes from", row["shapes_source"])
    return rows


def _layers(model: Architecture) -> str:
    """How many layers have what, where they are not all of the plain kind."""
    kinds: Counter[str] = Counter()
    for layer in model.main.layers:
        core = layer.attention
        window = f" within {core.window:,} tokens" if core is not None and core.window else ""
        mixes = "with a state instead of attention" if core is None else f"with attention{window}"
        kinds[f"{mixes}{' and experts' if layer.experts else ''}"] += layer.count
    return "" if list(kinds) == ["with attention"] else ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _checked(row: Mapping[str, Any]) -> str:
    difference = row["transformers_count_difference"]
    if difference is None:
        return "not checked against Transformers"
    return (
        "the same as Transformers counts"
        if difference == 0
        else f"Transformers' count differs by {decimal(difference, signed=True)}"
    )


def format_names(model: Architecture) -> Iterator[tuple[str, str]]:
    """Engine and format of every row of the table of formats, widest first in each engine."""
    seen = {model.published_format.name}
    yield "as published", model.published_format.name
    gguf = ["bf16", *(name for name in FORMATS["llama.cpp"] if name), *_MORE_GGUF]
    for engine, names in (
        ("servers", SERVED_FORMATS), ("llama.cpp", gguf), ("mlx", FORMATS["mlx"]), ("exllama", FORMATS["exllama"]),
    ):  # fmt: skip
        for name in names:
            if name and name not in seen:
                seen.add(name)
                yield engine, name


def format_rows(model: Architecture, evidence: Evidence, context: int) -> list[dict[str, Any]]:
    """One row per format: the file, the memory at a context for one sequence, and what it costs in quality."""
    rows = []
    for engine, name in format_names(model):
        try:
            precision = precision_for(model, name)
            weights = float(weight_bytes(model, precision))
            cache = kv_cache_bytes(model, Workload(batch=1, context=context, precision=precision))
        except ProfilingError:
            continue
        row: dict[str, Any] = {
            "engine": engine, "weight_format": name, "bits_per_weight": 8 * weights / model.parameters_total,
            "file_gib": weights / GIB, "file_low_gib": None, "file_high_gib": None,
            "memory_low_gib": (weights + float(cache.low)) / GIB,
            "memory_high_gib": (weights + float(cache.high)) / GIB, "basis": "sum over groups of weights",
        }  # fmt: skip
        if engine == "llama.cpp":
            size = gguf_file_size_bytes(model, name)
            row |= {
                "file_gib": size.bytes / GIB, "file_low_gib": size.low / GIB, "file_high_gib": size.high / GIB,
                "bits_per_weight": size.bits_per_weight, "basis": size.basis,
            }  # fmt: skip
        lost, measured = evidence.lost(model, name), evidence.measured(model, name)
        same = [loss for loss in measured if loss.is_same_format][:_MOST_MEASURED]
        row |= {
            "lost": lost and lost.likely, "lost_low": lost and lost.low, "lost_high": lost and lost.high,
            "measured": "; ".join(f"{loss.benchmark} {decimal(-loss.points, 1, signed=True)}" for loss in same),
        }  # fmt: skip
        rows.append(row)
    return rows


def device_rows(door: Door, model: Architecture, shapes_id: str, context: int) -> list[dict[str, Any]]:
    """One row per usual device: the widest format of its usual engine that fits for sure, and how fast that is."""
    return [_on(door, model, shapes_id, door.devices[name], context) for name in USUAL_DEVICES if name in door.devices]


def _on(door: Door, model: Architecture, shapes_id: str, device: Accelerator, context: int) -> dict[str, Any]:
    engine = default_engine(device)
    row: dict[str, Any] = {"accelerator": device.name, "engine": engine, "verdict": "unknown format"}
    for choice in formats_of(engine):
        name = choice or model.published_format.name
        try:
            workload = Workload(batch=1, context=context, precision=precision_for(model, name))
            need = memory_need(model, device, workload, engine)
        except ProfilingError:
            continue
        row |= {
            "weight_format": name, "verdict": need.verdict, "memory_low_gib": float(need.low) / GIB,
            "memory_high_gib": float(need.high) / GIB, "memory_budget_gib": float(need.budget) / GIB,
        }  # fmt: skip
        if need.verdict != "fits":
            continue
        question = Question(
            model=shapes_id, accelerator=device.name, context=context, engine=engine, weight_format=name
        )
        try:
            answer = door.answer(question)
            prompt = door.answer(replace(question, stage="prefill", context=min(PROMPT, context)))
        except ProfilingError:
            row["verdict"] = "the device cannot compute in it"
            continue
        rate, first = answer.estimate.tokens_per_s, prompt.estimate.time_to_first_token
        longest = max_context(model, device, workload, engine)
        return row | {
            "tokens_per_s": None if rate is None else float(rate.likely_s),
            "tokens_per_s_low": None if rate is None else float(rate.low_s),
            "tokens_per_s_high": None if rate is None else float(rate.high_s),
            "time_to_first_token_s": None if first is None else float(first.likely_s),
            "longest_context": min(longest, model.max_position or longest), "rests_on": answer.rests_on,
            "timed_as": answer.estimate.basis.stage,
            "usd_per_million_tokens": usd.likely if (usd := answer.usd_per_million_tokens) else None,
            "g_co2e_per_million_tokens": grams.likely if (grams := answer.grams_co2e_per_million_tokens) else None,
        }  # fmt: skip
    return row
