"""Routes of the performance model: time of a model on an accelerator, and how many of them hold it."""

from dataclasses import replace
from typing import Annotated

import polars as pl
from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator, Field, WithJsonSchema

from api import answers
from api.answers import FormatQuery, Length, Rows, Seconds
from profiling.answers.door import Door
from profiling.answers.energy import INCLUDES
from profiling.answers.extras import MTP
from profiling.answers.fit import fit as requirements_of
from profiling.answers.fit import fit_on, is_several, placement_of
from profiling.answers.improve import improvement_rows, operator_improvement_rows
from profiling.answers.processors import compare_processors, warned, what_binds
from profiling.answers.question import ENGINE, Question
from profiling.answers.sweep import sweep
from profiling.models.format_names import kv_format, kv_formats
from profiling.models.names import ModelName, resolve_model
from profiling.models.sources import catalogue
from profiling.serving.alternatives import energy_note, notes_with, plan_rows
from profiling.serving.plan import Promise, requested_plans
from profiling.serving.replica import Options
from profiling.serving.simulate import Traffic

ROUTES = APIRouter()
CacheBits = Annotated[
    float,
    BeforeValidator(lambda value: kv_format(value) if isinstance(value, str) else value),
    Field(ge=1, le=32, description="Bits per number of the KV cache, or its format."),
    WithJsonSchema({
        "anyOf": [{"type": "number", "minimum": 1, "maximum": 32}, {"type": "string", "enum": sorted(kv_formats())}],
        "description": "Bits per number of the KV cache, or its format.",
    }),
]  # fmt: skip


class EngineQuery(FormatQuery):
    """How an engine is started and its cache is stored."""

    kv_bits: CacheBits = 16
    gpu_memory_utilization: float | None = Field(
        default=None, gt=0, le=1, description="Share of memory that the engine may use."
    )
    batched_tokens: int | None = Field(default=None, ge=1, le=1_048_576, description="Maximum tokens per step.")
    eager: bool = Field(
        default=False, description="Run without captured graphs, which needs less memory; times still assume graphs."
    )


class ModelQuery(EngineQuery):
    """What a question to the performance model has in common with the others; defaults as on the command line."""

    model: str = Field(
        min_length=1, max_length=200, description="Model by any of its names.", examples=["llama 3.1 8b"]
    )
    batch: int = Field(default=1, ge=1, le=65_536, description="Sequences in flight.")
    seq: Length = Field(default=4096, ge=1, le=4_194_304, description="Prompt length; for decode, tokens attended.")
    weight_bits: float | None = Field(default=None, ge=1, le=32, description="None: as published.")
    activation_bits: float | None = Field(default=None, ge=1, le=32)
    embedding_bits: float | None = Field(default=None, ge=1, le=32)
    weight_format: str | None = Field(default=None, max_length=100, description="As awq-4bit-g128, instead of bits.")
    engine: str | None = Field(default=None, max_length=100, description="None: the usual one for the device.")


class RooflineQuery(ModelQuery):
    """A question of `/roofline`."""

    accelerator: str = Field(min_length=1, max_length=200, examples=["H200"])
    stage: str = Field(default="decode", max_length=100, description="prefill, decode, generate or encode.")
    generated: Length = Field(default=256, ge=0, le=262_144, description="Tokens generated, for stage generate.")
    attention: str = Field(default="flash", max_length=100, description="flash or naive.")
    tp: int = Field(default=1, ge=1, le=1024, description="Devices that share every layer.")
    pp: int = Field(default=1, ge=1, le=1024, description="Groups of devices, each with some of the layers.")
    ep: int = Field(default=1, ge=1, le=1024, description="Devices over which experts are distributed.")
    prefix: Length = Field(default=0, ge=0, le=4_194_304, description="Tokens of the prompt that are cached.")
    chunk: Length | None = Field(default=None, ge=1, le=4_194_304, description="Prompt tokens of one pass.")
    draft: int = Field(default=0, ge=0, le=64, description="Tokens proposed per step by speculative decoding.")
    draft_model: str | None = Field(default=None, max_length=200, description="Draft model, or mtp.")
    acceptance: float | None = Field(default=None, ge=0, le=1, description="None: 0.7, of mtp 0.85.")
    lora_rank: int = Field(default=0, ge=0, le=8192, description="Rank of unmerged adapters; 0: none.")
    lora_targets: str = Field(
        default="attention", max_length=200, description="What they adapt: groups, `all-linear`, `q_proj,v_proj`."
    )
    lora_count: int = Field(default=1, ge=1, le=4096, description="Adapters loaded.")
    image_tokens: Length = Field(default=0, ge=0, le=4_194_304, description="Image tokens in addition to the prompt.")
    audio_tokens: Length = Field(default=0, ge=0, le=4_194_304, description="Audio tokens in addition to the prompt.")
    cache_tokens: Length | None = Field(
        default=None, ge=2, le=4_194_304, description="Maximum tokens cached, for stage generate."
    )
    pruning: str | None = Field(default=None, max_length=40, description="2:4, unstructured-50% or structured-30%.")
    vocabulary: int | None = Field(default=None, ge=1, le=16_777_216, description="Another size of the vocabulary.")
    operators: bool = Field(default=False, description="One row per operator instead of the total.")
    ignore_memory: bool = Field(default=False, description="Show times even if it does not fit.")


class FitQuery(ModelQuery):
    """A question of `/fit`."""

    accelerator: list[str] = Field(
        default=[], max_length=20, description="Accelerators, such as 3x3090 or 3090 + 3060; all if none is named."
    )
    host_memory_gib: float = Field(default=0, ge=0, le=65_536, description="Memory of the host, without its cards.")
    host: str | None = Field(
        default=None, max_length=100, description="Processor; None: a common one, which the notes name."
    )
    n_gpu_layers: int | None = Field(default=None, ge=0, le=10_000, description="Layers on the cards.")
    n_cpu_moe: int | None = Field(
        default=None, ge=0, le=10_000, description="Layers whose experts stay on the processor."
    )


@ROUTES.get("/roofline", response_model=Rows, summary="Bound, likely time and memory of a model on an accelerator")
def roofline(request: Request, query: Annotated[RooflineQuery, Query()]) -> Response:
    """As `skyline roofline`."""
    door = door_of(request)
    question = replace(
        _question(request, query), accelerator=query.accelerator, stage=query.stage, generated=query.generated,
        attention=query.attention, tensor=query.tp, pipeline=query.pp, expert=query.ep, prefix=query.prefix,
        chunk=query.chunk, draft=query.draft, acceptance=query.acceptance, lora_rank=query.lora_rank,
        draft_model=query.draft_model
        if query.draft_model in {None, MTP}
        else of_catalogue(str(query.draft_model), door).require(),
        lora_targets=query.lora_targets, lora_count=query.lora_count, image_tokens=query.image_tokens,
        audio_tokens=query.audio_tokens,
        cache_tokens=query.cache_tokens, pruning=query.pruning, vocabulary=query.vocabulary,
    )  # fmt: skip
    if not query.ignore_memory:
        door.require_fit(question)
    rows = door.operator_rows(question) if query.operators else [door.answer(question).row()]
    frame = pl.DataFrame(rows, infer_schema_length=None)
    return answers.rows(frame, query.format, notes=list(door.answer(question).notes))


class SweepQuery(ModelQuery):
    """A question of `/sweep` and `/improve`."""

    accelerator: str = Field(min_length=1, max_length=200, examples=["H200"])
    stage: str | None = Field(default=None, max_length=100, description="None: decode, or encode for encoders.")
    attention: str = Field(default="flash", max_length=100, description="flash or naive.")
    tp: int = Field(default=1, ge=1, le=1024, description="Devices that share every layer.")
    over: list[str] = Field(default=[], max_length=8, description="/sweep: batch=1,8,32 or an axis alone; all if none.")
    operators: bool = Field(default=False, description="/improve: one row per operator.")


@ROUTES.get("/sweep", response_model=Rows, summary="Memory and time of a model while one thing is changed")
def swept(request: Request, query: Annotated[SweepQuery, Query()]) -> Response:
    """As `skyline sweep`: weights, cache, pruning, vocabulary, batch, context, attention, split."""
    door, question = door_of(request), _sweep_question(request, query)
    parted = (each.partition("=") for each in query.over)
    axes = {name: tuple(filter(None, values.split(","))) for name, _, values in parted}
    rows = sweep(door, question, axes or None)
    return answers.rows(rows, query.format, notes=list(door.answer(question).notes))


@ROUTES.get("/improve", response_model=Rows, summary="What would make a model faster on a device, and by how much")
def improved(request: Request, query: Annotated[SweepQuery, Query()]) -> Response:
    """As `skyline improve`: each change of the predicted time per token with its interval, the most first."""
    door, question = door_of(request), _sweep_question(request, query)
    rows = operator_improvement_rows(door, question) if query.operators else improvement_rows(door, question)
    return answers.rows(rows, query.format, notes=list(door.answer(question).notes))


def _sweep_question(request: Request, query: SweepQuery) -> Question:
    question = _question(request, query)
    is_encoder = door_of(request).model(question.model).kind == "encoder"
    stage = query.stage or ("encode" if is_encoder else "decode")
    return replace(question, accelerator=query.accelerator, stage=stage, attention=query.attention, tensor=query.tp)


@ROUTES.get("/fit", response_model=Rows, summary="How many accelerators a model needs, and its memory by part")
def fit(request: Request, query: Annotated[FitQuery, Query()]) -> Response:
    """As `skyline fit`."""
    door, question = door_of(request), _question(request, query)
    placement = placement_of(door.model(question.model), query.n_gpu_layers, query.n_cpu_moe)
    if query.host_memory_gib or placement is not None or is_several(door, query.accelerator):
        rows, notes = fit_on(
            door, question, query.accelerator, host_memory_gib=query.host_memory_gib, host=query.host,
            placement=placement,
        )  # fmt: skip
    else:
        rows, notes = requirements_of(door, question, query.accelerator)
    return answers.rows(rows, query.format, notes=list(notes))


class ProcessorsQuery(FormatQuery):
    """A question of `/processors`; names and defaults as on the command line."""

    model: str = Field(
        min_length=1, max_length=200, description="Model of the catalogue.", examples=["Meta-Llama-3.1-8B"]
    )
    accelerator: list[str] = Field(
        default=[], max_length=50, description="Devices, or kinds: cpu, gpu, igpu, tpu, npu, edge, all; some of each."
    )
    stage: str = Field(default="decode", max_length=100, description="prefill, decode, generate or encode.")
    batch: int = Field(default=1, ge=1, le=65_536, description="Sequences in flight.")
    seq: Length = Field(default=4096, ge=1, le=4_194_304, description="Prompt length; for decode, tokens attended.")
    weight_format: str | None = Field(default=None, max_length=100, description="None: as published.")


@ROUTES.get("/processors", response_model=Rows, summary="CPUs, GPUs, TPUs and NPUs under one load")
def processors(request: Request, query: Annotated[ProcessorsQuery, Query()]) -> Response:
    """As `skyline processors`: time, energy, cost and what binds, the fastest first; what cannot says why."""
    door = door_of(request)
    match = of_catalogue(query.model, door)
    question = Question(
        model=match.require(), accelerator="", stage=query.stage, batch=query.batch, context=query.seq,
        weight_format=query.weight_format or match.weight_format,
    )  # fmt: skip
    rows = compare_processors(door, question, query.accelerator)
    return answers.rows(rows, query.format, notes=[what_binds(rows), *warned(door, question, rows), INCLUDES])


class PlanQuery(EngineQuery):
    """A question of `/plan`; names and defaults as on the command line."""

    model: str = Field(min_length=1, max_length=200, examples=["meta-llama/Llama-3.3-70B-Instruct"])
    users: int | None = Field(default=None, ge=1, le=10_000, description="Requests in flight at all times.")
    requests_per_second: float | None = Field(default=None, gt=0, le=1000, description="Arrivals, instead of users.")
    input_tokens: Length = Field(default=2000, ge=1, le=4_194_304, description="Mean length of a prompt.")
    output_tokens: Length = Field(default=500, ge=1, le=262_144, description="Mean length of an answer.")
    spread: float = Field(default=0.5, ge=0, le=3, description="Coefficient of variation of both lengths.")
    ttft_s: Seconds | None = Field(
        default=None, gt=0, le=3600, description="90th percentile of the time to first token: 2s."
    )
    tpot_s: Seconds | None = Field(
        default=None, gt=0, le=3600, description="90th percentile of the time per output token."
    )
    weight_format: str | None = Field(default=None, max_length=100)
    engine: str = Field(default=ENGINE, max_length=100)
    accelerator: list[str] = Field(default=[], max_length=20, description="Devices, or fleets such as 8xH100.")
    most_devices: int = Field(default=64, ge=1, le=1024)
    cached_prefix: float = Field(default=0, ge=0, le=0.999, description="Share of every prompt that is reused.")
    draft: int = Field(default=0, ge=0, le=64, description="Tokens proposed per step by speculative decoding.")
    acceptance: float = Field(default=0.7, ge=0, le=1)
    disaggregated: bool = Field(default=False, description="Read prompts on separate replicas.")
    tp: int | None = Field(
        default=None, ge=1, le=64, description="Tensor-parallel degree of a replica; by default the best."
    )
    ep: int | None = Field(
        default=None, ge=1, le=64, description="Expert-parallel degree of a replica; by default the best."
    )
    dp: int | None = Field(
        default=None, ge=1, le=64, description="Data-parallel attention groups of a replica; by default the best."
    )
    spot: bool = Field(default=False, description="Rent interruptible devices.")


@ROUTES.get("/plan", response_model=Rows, summary="The fewest devices that meet latency targets")
def plan(request: Request, query: Annotated[PlanQuery, Query()]) -> Response:
    """As `skyline plan`."""
    users = 1 if query.users is None and query.requests_per_second is None else query.users
    traffic = Traffic(
        input_tokens=query.input_tokens, output_tokens=query.output_tokens, users=users,
        requests_per_s=query.requests_per_second, spread=query.spread, cached_prefix=query.cached_prefix,
    )  # fmt: skip
    promise = Promise(traffic=traffic, time_to_first_token_s=query.ttft_s, time_per_output_token_s=query.tpot_s)
    options = Options(
        weight_format=query.weight_format, kv_bits=query.kv_bits, engine=query.engine,
        most_devices=query.most_devices, draft=query.draft, acceptance=query.acceptance,
        spot=query.spot, tensor=query.tp, expert=query.ep, data=query.dp, disaggregated=query.disaggregated,
        gpu_memory_utilization=query.gpu_memory_utilization, batched_tokens=query.batched_tokens, eager=query.eager,
    )  # fmt: skip
    door = door_of(request)
    model = of_catalogue(query.model, door).require()
    plans = requested_plans(door, model, promise, options, query.accelerator)
    notes = [*notes_with(door, plans, options, query.accelerator), *energy_note(door, plans)]
    return answers.rows(plan_rows(door, model, promise, plans, options), query.format, notes=notes)


def door_of(request: Request) -> Door:
    """Where questions are asked, with the facts of the release that is read now."""
    door: Door = request.app.state.door()
    return door


def _question(request: Request, query: ModelQuery) -> Question:
    match = of_catalogue(query.model, door_of(request))
    as_named = match.weight_format if query.weight_bits is None else None
    return Question(
        model=match.require(), accelerator="", batch=query.batch, context=query.seq,
        weight_bits=query.weight_bits, activation_bits=query.activation_bits, kv_bits=query.kv_bits,
        embedding_bits=query.embedding_bits, weight_format=query.weight_format or as_named, engine=query.engine,
        gpu_memory_utilization=query.gpu_memory_utilization, batched_tokens=query.batched_tokens, eager=query.eager,
    )  # fmt: skip


def of_catalogue(name: str, door: Door | None = None) -> ModelName:
    """What a name means among the models of the catalogue, and those that the door knows beside them.

    Files of the server are not for those who ask: what names none is refused, whether or not there is such a file.

    Raises:
        UnknownModel: there is none, or several; the message names the nearest.
    """
    match = resolve_model(name, [*catalogue(), *(door.own_models if door else ())])
    match.require()
    return match
