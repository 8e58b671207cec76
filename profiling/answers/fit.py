"""What a model needs: devices, largest batch, longest context, and what would make a configuration fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from profiling.answers.advise_split import LAYERED, SPLIT_BASIS
from profiling.answers.cache_flags import WHOLE, cache_flags
from profiling.answers.commands import PROMPT, commands, split_flags
from profiling.answers.door import Door
from profiling.answers.engine_choice import engine_cautions, engine_for, usual_engine
from profiling.answers.notes import length_notes, model_notes
from profiling.answers.placement import Piece, Placement, Split, host_of
from profiling.answers.question import ENGINE, Question
from profiling.answers.split import best_split, placed
from profiling.devices.accelerators import GIB, Accelerator
from profiling.devices.fleet import Fleet
from profiling.devices.names import resolve_device
from profiling.engines.formats import formats_of, owner_of
from profiling.errors import DoesNotFit, InvalidWorkload, UnsupportedPrecision
from profiling.memory.engines import EngineProfile, borrowed, engine_profile
from profiling.memory.need import (
    gpus_needed,
    max_batch,
    max_context,
    memory_need,
    rule_of_thumb_bytes,
)
from profiling.memory.requirements import requirements
from profiling.models.architecture import Architecture
from profiling.models.parts import expert_layers
from profiling.roofline.roof import roof_of
from profiling.roofline.workload import Parallelism, Precision, Stage


def requirement_rows(
    models: Sequence[Architecture],
    devices: Sequence[Accelerator],
    precisions: Mapping[str, Precision],
    batches: Sequence[int],
    contexts: Sequence[int],
    engine: str,
    profile: EngineProfile | None = None,
) -> pl.DataFrame:
    """Devices needed, memory by part and the rule of thumb, a row per combination; `profile`: an engine with options.

    Raises:
        ProfilingError: The question cannot be asked so.
    """
    formats = list(precisions.values())
    answers = [requirements(model, devices, formats, batches, contexts, profile or engine) for model in models]
    bits = [float(precision.weight_bits) for precision in formats]
    shape = (len(models), len(devices), len(formats), len(batches), len(contexts))
    # Series and arrays throughout: expressions of Polars take longer than all else of one question.
    model_at, device_at, precision_at, batch_at, context_at = np.indices(shape).reshape(len(shape), -1)

    def of(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(answer, name).reshape(-1) for answer in answers])

    parts = ("weights", "kv_cache_low", "kv_cache_high", "overhead_low", "overhead_high", "budget")
    gib = {name: of(name) / GIB for name in parts}
    low, high = (gib["weights"] + gib[f"kv_cache_{end}"] + gib[f"overhead_{end}"] for end in ("low", "high"))
    memory = np.array([float(device.memory_bytes) for device in devices])[device_at]
    thumbs = np.array([[rule_of_thumb_bytes(model.parameters_total, each) / GIB for each in bits] for model in models])
    thumb = thumbs[model_at, precision_at]
    whole = {
        "tensor_parallel": "tensor",
        "pipeline_parallel": "pipeline",
        "devices": "devices",
        "max_batch": "max_batch",
    }
    impossible = np.flatnonzero(of("devices") == 0)
    verdict = np.where(high <= gib["budget"], 0, np.where(low <= gib["budget"], 1, 2))
    return pl.DataFrame({
        "model": pl.Series([model.name for model in models])[model_at],
        "accelerator": pl.Series([device.name for device in devices])[device_at],
        "memory_bytes": memory,
        "precision": pl.Series(list(precisions))[precision_at],
        "weight_bits": np.array(bits)[precision_at],
        "batch": np.array(batches, dtype=np.int64)[batch_at],
        "context": np.array(contexts)[context_at],
        **{f"{name}_gib": values for name, values in gib.items()},
        **{column: pl.Series(of(name)).scatter(impossible, None) for column, name in whole.items()},
        "rule_of_thumb_gib": thumb,
        "engine": pl.Series([engine])[np.zeros(len(memory), dtype=np.int64)],
        "verdict": pl.Series(["fits", "borderline", "does not fit"])[verdict],
        "rule_of_thumb_devices": np.ceil(thumb * GIB / memory).astype(np.int64),
        "rule_of_thumb_error_pct": 100 * (2 * thumb / (low + high) - 1),
    })  # fmt: skip


_COLUMNS = {
    "accelerator": "accelerator", "engine": "engine", "verdict": "verdict_on_one", "devices": "devices",
    "tensor_parallel": "tensor_parallel", "pipeline_parallel": "pipeline_parallel", "max_batch": "max_batch",
    "weights_gib": "weights_gib", "kv_cache_low_gib": "kv_cache_low_gib", "kv_cache_high_gib": "kv_cache_high_gib",
    "overhead_low_gib": "overhead_low_gib", "overhead_high_gib": "overhead_high_gib",
    "budget_gib": "memory_budget_gib", "rule_of_thumb_devices": "rule_of_thumb_devices",
    "rule_of_thumb_gib": "rule_of_thumb_gib", "rule_of_thumb_error_pct": "rule_of_thumb_error_pct",
}  # fmt: skip


def fit(door: Door, question: Question, accelerators: Sequence[str]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Devices needed and memory by part, a row per accelerator; on named ones also the longest context.

    Args:
        door: Whose facts.
        question: Model, load and formats; its accelerator and stage are not looked at.
        accelerators: Names; every known one where none is named.

    Returns:
        The rows, and what the reader should know beside them.

    Raises:
        ProfilingError: The question cannot be asked so; the message names the nearest valid choice.
    """
    model, stated, question = door.model(question.model), door.format_note(question), door.formatted(question)
    chosen = [door.device(name) for name in accelerators] or list(door.devices.values())
    stage: Stage = "encode" if model.kind == "encoder" else "decode"
    query = replace(question, stage=stage)
    by_engine: dict[str, list[int]] = {}
    for place, device in enumerate(chosen):
        by_engine.setdefault(question.engine or engine_for(model, device, question.weight_format), []).append(place)
    answers = [
        requirement_rows(
            [model], [chosen[place] for place in places], {"": query.precision_of(model)}, [query.batch],
            [query.context], engine, query.profile(engine),
        )
        for engine, places in by_engine.items()
    ]  # fmt: skip
    # As they were asked; of one engine they are, and expressions of Polars take as long as all else of one question.
    rows = answers[0] if len(answers) == 1 else pl.concat(answers)[np.argsort(np.concatenate(list(by_engine.values())))]
    rows = rows[["model", *_COLUMNS]]
    rows.columns = ["model", *_COLUMNS.values()]
    if accelerators:
        longest = [
            longest_context(door, replace(query, accelerator=device.name, engine=engine))
            for device, engine in zip(chosen, rows["engine"], strict=True)
        ]
        rows.insert_column(rows.width, pl.Series("max_context", longest, dtype=pl.Int64))
        if query.weight_bits is None and stage == "decode":  # bits alone name no file
            rows = rows.with_columns(pl.Series("run", _runs(model, query, chosen, rows), dtype=pl.String))
    engines = " and ".join(by_engine)
    usual = "the usual one for such devices"
    if owner_of(question.weight_format or "") in by_engine:
        usual = "whose own format that is"
    elif any(engine_for(model, device) != usual_engine(model, device) for device in chosen):
        usual += f" that reads {model.checkpoint_type or model.model_type}"
    notes = [f"Engine: {engines}, {'as asked' if question.engine else usual}."]
    notes += [note for name in accelerators if (note := resolve_device(name, door.devices).note)]
    notes += [note for engine in by_engine for note in (*borrowed(engine), *_no_such_cache(engine, query))]
    named = [door.device(name) for name in accelerators]
    pairs = zip(named, rows["engine"], strict=False) if named else ()
    stored_as = query.format_of(model)
    notes += dict.fromkeys(
        note for device, engine in pairs for note in engine_cautions(engine, model, device, stored_as)
    )
    notes += [stated] if stated else []
    if query.weight_format is None and query.weight_bits is None:
        stored = model.published_format
        notes += [f"Weights as published: {stored.name} ({stored.basis}).", *stored.notes]
    notes += model_notes(model)
    notes += length_notes(model, question.context)
    if rows["devices"].null_count():
        notes.append("Where no number of devices is given, even 128 are not enough; use fewer bits or less context.")
    return rows, tuple(notes)


def _runs(
    model: Architecture, query: Question, devices: Sequence[Accelerator], rows: pl.DataFrame
) -> Iterator[str | None]:
    """The command that runs the model on as many of each device as it needs; None where even 128 are not enough."""
    weight_format = query.weight_format or model.published_format.name
    kv = f"{query.kv_bits:g}"
    for device, row in zip(devices, rows.iter_rows(named=True), strict=True):
        if row["devices"] is None:
            yield None
            continue
        cache_format = kv if not _no_such_cache(row["engine"], query) else WHOLE
        split = Parallelism(tensor=row["tensor_parallel"], pipeline=row["pipeline_parallel"])
        yield commands(
            model, weight_format, row["engine"], device, split=split, context=query.context, users=query.batch,
            kv=cache_format, options=query.options,
        )[0]  # fmt: skip


def _no_such_cache(engine: str, question: Question) -> tuple[str, ...]:
    try:
        cache_flags(engine, f"{question.kv_bits:g}")
    except InvalidWorkload as error:
        return (f"The cache is counted as asked, but {error}.",)
    return ()


def fit_on(
    door: Door,
    question: Question,
    machines: Sequence[str],
    *,
    kv: str | None = None,
    host_memory_gib: float = 0.0,
    host: str | None = None,
    placement: Placement | None = None,
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Whether a model runs on machines as people have them, where its layers and experts lie, and how fast it is.

    Args:
        door: Whose facts.
        question: Model, load and formats; its accelerator, stage and split are not looked at.
        machines: Each one or several devices, alike or not: `4090`, `3 x 3090`, `3090 + 3060`.
        kv: The format of the cache by name, for the commands; None: the engine's with the bits of the question.
        host_memory_gib: Memory of the machine beside its cards; 0: nothing is left to the processor.
        host: The processor; None: a common one, which the notes name.
        placement: What is left to the processor; None: the fastest split that fits for sure.

    Returns:
        A row per machine (`Split.row` with the model and the command to run), and what the reader should know.

    Raises:
        ProfilingError: The question cannot be asked so; the message names the nearest valid choice.
    """
    if not machines:
        raise InvalidWorkload("name the card in that machine, such as 4090")
    model, stated, question = door.model(question.model), door.format_note(question), door.formatted(question)
    workload = replace(question, stage="decode").workload_of(model)
    prompt = min(PROMPT, question.context)
    rows, notes = [], [stated] if stated else []
    is_placed = bool(host_memory_gib) or placement is not None
    for machine in machines:
        resolved = resolve_device(machine, door.devices)
        fleet = resolved.fleet
        notes += [resolved.note] if resolved.note else []
        engine = _engine_on(question, model, fleet, is_placed=is_placed)
        weight_format = question.format_of(model) or model.published_format.name
        if not engine_profile(engine).by_layers:
            row, remarks = _served(door, replace(question, engine=engine), fleet, weight_format, prompt, kv)
            rows.append({"model": model.name, "weight_format": weight_format, **row})
            notes += [f"Engine: {engine}, {'as asked' if question.engine else 'the usual one'}.", *remarks]
            continue
        notes += [f"Layers are distributed as llama.cpp does it; {SPLIT_BASIS}."]
        notes += engine_cautions(engine, model, fleet.devices[0], question.format_of(model))
        processor = None
        if host_memory_gib:
            processor, assumed = host_of(door, fleet.devices[0], host_memory_gib, host)
            notes += [assumed] if assumed else []
        split = placed(door, model, fleet, workload, prompt=prompt) if placement is None else None
        if processor is not None and placement is not None:
            split = placed(door, model, fleet, workload, host=processor, placement=placement, prompt=prompt)
        elif processor is not None and (split is None or split.verdict != "fits"):
            split = best_split(door, model, fleet, workload, processor, prompt=prompt)
        if split is None:
            raise InvalidWorkload("layers on the processor need system memory: state its size in GiB")
        run, check = commands(
            model, weight_format, engine, fleet.devices[0], context=question.context, users=question.batch,
            flags=split.flags, kv=kv or f"{question.kv_bits:g}", options=question.options,
        )  # fmt: skip
        rows.append({"model": model.name, "weight_format": weight_format, **split.row(), "run": run, "check": check})
    notes += [*model_notes(model), *length_notes(model, question.context)]
    return pl.DataFrame(rows, infer_schema_length=None), tuple(dict.fromkeys(notes))


def _engine_on(question: Question, model: Architecture, fleet: Fleet, *, is_placed: bool) -> str:
    """What runs the model on a machine: only llama.cpp's layers are dealt out to unlike cards and system memory."""
    by_layers = fleet.is_mixed or is_placed or model.kind != "decoder"
    if question.engine is None:
        return LAYERED if by_layers else engine_for(model, fleet.devices[0], question.weight_format)
    if by_layers and not engine_profile(question.engine).by_layers:
        raise InvalidWorkload(
            f"unlike cards and system memory are shared by layers, which llama.cpp does; {question.engine} needs alike "
            "devices that hold the whole model"
        )
    return question.engine


def _served(
    door: Door, question: Question, fleet: Fleet, weight_format: str, prompt: int, kv: str | None
) -> tuple[dict[str, object], tuple[str, ...]]:
    """A row as of `Split.row` where a server splits every layer over devices alike, and what to know beside it."""
    asked = replace(question, accelerator=fleet.name, stage="decode")
    answer, first = door.answer(asked), door.answer(replace(asked, stage="prefill", context=prompt))
    engine, split = str(question.engine), answer.estimate.workload.parallelism
    run, check = commands(
        answer.model, weight_format, engine, answer.device, split=split, context=question.context,
        users=question.batch, kv=kv or f"{question.kv_bits:g}", options=question.options,
    )  # fmt: skip
    depth, step = answer.model.main.depth, answer.estimate.time
    card = Piece(device=answer.device, model=answer.model, layers=depth, need=answer.estimate.need, step=step)
    whole = Split(
        fleet=fleet, pieces=(card,), placement=Placement(), step=step, first=first.estimate.time,
        batch=int(question.batch), layers=depth,
    )  # fmt: skip
    row = whole.row() | {"layers_per_card": None, "flags": split_flags(engine, split), "run": run, "check": check}
    return row, answer.notes


def placement_of(model: Architecture, gpu_layers: int | None, cpu_moe: int | None) -> Placement | None:
    """What llama.cpp's `--n-gpu-layers` and `--n-cpu-moe` leave to the processor; None where neither is given.

    Layers below 0 are llama.cpp's words for as many as fit.

    Raises:
        InvalidWorkload: Experts of a model without any are to stay on the processor.
    """
    gpu_layers = None if gpu_layers is None or gpu_layers < 0 else gpu_layers
    if gpu_layers is None and cpu_moe is None:
        return None
    if cpu_moe and not model.is_mixture_of_experts:
        raise InvalidWorkload(f"{model.name} has no routed experts to stay on the processor (--n-cpu-moe {cpu_moe})")
    depth = model.main.depth
    experts = sum(place < (cpu_moe or 0) for place in expert_layers(model))
    return Placement(cpu_layers=0 if gpu_layers is None else max(depth - gpu_layers, 0), cpu_expert_layers=experts)


def is_several(door: Door, machines: Sequence[str]) -> bool:
    """Whether any of these names means more than one device.

    Raises:
        UnknownAccelerator: One means none.
    """
    return any(len(resolve_device(machine, door.devices).fleet.devices) > 1 for machine in machines)


def longest_context(door: Door, question: Question) -> int | None:
    """At this batch on the devices needed, within what the model was made for; None where 128 devices fail."""
    model, device = door.model(question.model), door.device(question.accelerator)
    workload, engine = question.workload_of(model), question.profile(question.engine or ENGINE)
    try:
        plan = gpus_needed(model, device, workload, engine)
    except DoesNotFit:
        return None
    longest = max_context(model, device, replace(workload, parallelism=plan), engine)
    return min(longest, model.max_position) if model.max_position else longest


class WayOut(NamedTuple):
    """A change that makes a configuration fit."""

    text: str
    changes: Mapping[str, str | int | None]


def ways_out(door: Door, question: Question) -> list[WayOut]:
    """What would make a configuration fit: more devices, fewer bits, one larger device, a smaller batch."""
    model, device = door.model(question.model), door.device(question.accelerator)
    question = door.settled(question)
    workload, engine = question.workload_of(model), question.profile(question.engine or ENGINE)
    need = memory_need(model, device, workload, engine)
    offers: list[WayOut] = []
    try:
        plan = gpus_needed(model, device, workload, engine)
        ways = {"tp": plan.tensor, "pp": plan.pipeline}
        split = " × ".join(f"{name}={count}" for name, count in ways.items() if count > 1)
        offers.append(WayOut(
            f"{plan.devices} × {device.name} ({split})", {"tensor": plan.tensor, "pipeline": plan.pipeline}
        ))  # fmt: skip
    except DoesNotFit:
        pass
    for weights in filter(None, formats_of(question.engine or ENGINE)):
        other = replace(question, weight_format=weights, activation_bits=None)
        if _bits(other, model) < _bits(question, model) and _fits(door, other):
            offers.append(WayOut(f"{weights} weights", {"weight_format": weights, "activation_bits": None}))
            break
    share = engine.utilisation
    larger = [
        other for other in door.devices.values()
        if other.kind == device.kind and float(need.high) <= other.usable_memory_bytes * share
    ]  # fmt: skip
    if larger:
        least = min(larger, key=lambda other: other.usable_memory_bytes)
        offers.append(WayOut(f"{least.name} ({least.usable_memory_bytes / GIB:.0f} GiB)", {"accelerator": least.name}))
    batch = max_batch(model, device, workload, engine)
    if 0 < batch < question.batch:
        offers.append(WayOut(f"batch {batch:,}", {"batch": batch}))
    return offers


def _bits(question: Question, model: Architecture) -> float:
    return float(question.precision_of(model).weight_bits)


def _fits(door: Door, question: Question) -> bool:
    model, device = door.model(question.model), door.device(question.accelerator)
    try:
        roof_of(device, question.precision_of(model))
        need = memory_need(model, device, question.workload_of(model), question.profile(question.engine or ENGINE))
    except UnsupportedPrecision:
        return False
    return need.verdict == "fits"
