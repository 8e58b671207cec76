"""Routes of advice: what to run on a machine, what models are, which choices there are, how far off predictions are."""

from typing import Annotated, Literal

import polars as pl
from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from api import answers
from api.answers import FormatQuery, Length, Rows, Seconds
from api.performance import EngineQuery, door_of, of_catalogue
from api.published import ListQuery, Text, select
from profiling.accuracy.held_out import held_out_errors
from profiling.answers.advise import USES, advise
from profiling.answers.candidate import Need
from profiling.answers.describe import describe
from profiling.answers.design import TRIALS, VOCABULARY, ScalingFit, Wish, design, parameters_of
from profiling.answers.evidence import Evidence
from profiling.answers.format_comparison import comparisons, notes, parse_side, sentence
from profiling.devices.names import resolve_device
from profiling.engines.time import shipped_times
from profiling.errors import ProfilingError, UnknownAccelerator
from warehouse.reader import Reader

ROUTES = APIRouter()
_MOST_DEVICES = 1024


class AdviseQuery(EngineQuery):
    """A question of `/advise`; names and defaults as on the command line."""

    machine: str = Field(min_length=1, max_length=200, description="Device by any common name.", examples=["2x3090"])
    use: str = Field(default="chat", max_length=100, description=f"{', '.join(USES)}.")
    context: Length = Field(default=32_768, ge=1, le=4_194_304, description="Tokens of context that must fit.")
    users: int = Field(default=1, ge=1, le=4096, description="Concurrent requests.")
    engine: str | None = Field(default=None, max_length=100, description="None: the usual one for the device.")
    weight_format: list[str] = Field(
        default=[], max_length=20, description="Formats to consider; if none, those of the engine."
    )
    kv_format: str = Field(default="f16", max_length=40, description="Format of the KV cache, as q8_0 or fp8.")
    least_tokens_per_s: float = Field(default=8, ge=0, le=1e6, description="Minimum tokens per second for each user.")
    host_memory_gib: float = Field(default=0, ge=0, le=65_536, description="Memory of the host; 0: not known.")
    host: str | None = Field(
        default=None, max_length=100, description="Processor; None: a common one, which the notes name."
    )


@ROUTES.get("/advise", response_model=Rows, summary="The best models for a machine and a use")
def advised(request: Request, query: Annotated[AdviseQuery, Query()]) -> Response:
    """As `skyline advise`: models by verdict, most capable first, with speed, memory, evidence and commands to copy."""
    door = door_of(request)
    match = resolve_device(query.machine, door.devices)
    fleet = match.fleet
    if len(fleet.devices) > _MOST_DEVICES:
        raise UnknownAccelerator(f"{query.machine!r} is more than {_MOST_DEVICES} devices")
    device, count = fleet.parts[0]
    evidence: Evidence = request.app.state.evidence()
    need = Need(
        accelerator=device.name, devices=count, context=query.context, users=query.users, use=query.use,
        engine=query.engine, kv=query.kv_format, gpu_memory_utilization=query.gpu_memory_utilization,
        batched_tokens=query.batched_tokens, eager=query.eager, least_tokens_per_s=query.least_tokens_per_s,
        host_memory_gib=query.host_memory_gib, host=query.host, fleet=fleet if fleet.is_mixed else None,
    )  # fmt: skip
    for part, _ in fleet.parts:
        door = door.with_device(part)
    advice = advise(door, evidence, need, query.weight_format)
    rows = pl.DataFrame([candidate.row() for candidate in advice.candidates], infer_schema_length=None)
    return answers.rows(rows, query.format, notes=[*([match.note] if match.note else []), *advice.notes])


class CompareQuery(FormatQuery):
    """A question of `/compare`; names and defaults as on the command line."""

    model: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        min_length=1, max_length=20, description="MODEL or MODEL@FORMAT; the others are compared with the first."
    )
    use: str = Field(default="chat", max_length=100, description=f"{', '.join(USES)}.")
    kv_format: str = Field(default="f16", max_length=40, description="Format of the KV cache of all.")


@ROUTES.get("/compare", response_model=Rows, summary="Which model is more capable in the format in which it would run")
def compared(request: Request, query: Annotated[CompareQuery, Query()]) -> Response:
    """As `skyline compare`: ability in formats with its interval, and whether the difference is beyond noise."""
    evidence: Evidence = request.app.state.evidence()
    sides = [parse_side(text, evidence.abilities, query.kv_format) for text in query.model]
    results = comparisons(door_of(request), evidence, sides, query.use)
    rows = pl.DataFrame([result.row() for result in results], infer_schema_length=None)
    sentences = [sentence(results[0], result) for result in results[1:]]
    return answers.rows(rows, query.format, notes=[*sentences, *notes(results)])


class DesignQuery(FormatQuery):
    """A question of `/design`; names and defaults as on the command line."""

    params: str = Field(min_length=2, max_length=20, description="Total parameters: 3B or 700M.", examples=["3B"])
    device: str = Field(min_length=1, max_length=200, description="Device by any common name.", examples=["RTX-4090"])
    context: Length = Field(
        default=4096, ge=1, le=4_194_304, description="Tokens of the prompt, and of the context when decoding."
    )
    batch: int = Field(default=1, ge=1, le=65_536, description="Sequences in flight.")
    ttft_s: Seconds | None = Field(default=None, gt=0, le=3600, description="Longest acceptable time for the prompt.")
    tpot_s: Seconds | None = Field(default=None, gt=0, le=3600, description="Longest acceptable time per token.")
    weight_format: str | None = Field(default=None, max_length=100, description="None: 16 bits.")
    vocabulary: int = Field(default=VOCABULARY, ge=256, le=16_777_216, description="Tokens of the vocabulary.")
    engine: str | None = Field(default=None, max_length=100, description="None: the usual one for the device.")
    trials: int = Field(
        default=TRIALS, ge=1, le=TRIALS, description="Number of shapes to try; a larger number finds better ones."
    )


@ROUTES.get(
    "/design",
    response_model=Rows,
    summary="Model shapes of a given size that no other beats on a device, by prediction",
)
def designed(request: Request, query: Annotated[DesignQuery, Query()]) -> Response:
    """As `skyline design`: nobody trained these; speed, memory and expected ability are predicted, with their error."""
    door = door_of(request)
    wish = Wish(
        parameters=parameters_of(query.params), accelerator=door.device(query.device).name, context=query.context,
        batch=query.batch, time_to_first_token_s=query.ttft_s, time_per_output_token_s=query.tpot_s,
        weight_format=query.weight_format, vocabulary=query.vocabulary, engine=query.engine,
    )  # fmt: skip
    reader: Reader = request.app.state.reader
    rows, notes = design(door, wish, ScalingFit.newest(reader.query), query.trials)
    return answers.rows(rows, query.format, notes=list(notes))


class DescribeQuery(FormatQuery):
    """A question of `/describe`."""

    model: list[str] = Field(min_length=1, max_length=20, description="Models of the catalogue.")
    weight_format: str | None = Field(default=None, max_length=100, description="None: as published.")


@ROUTES.get(
    "/describe", response_model=Rows, summary="Description of models: parameters, stored format, weights, cache"
)
def described(request: Request, query: Annotated[DescribeQuery, Query()]) -> Response:
    """As `skyline describe`, for models of the catalogue and fetched ones; those that fail are named in the notes."""
    door = door_of(request)
    rows, notes = [], []
    for name in query.model:
        try:
            match = of_catalogue(name, door)
            form = query.weight_format or match.weight_format
            description = describe(match.require(), form, own_models=door.own_models)
        except ProfilingError as error:
            if len(query.model) == 1:
                raise
            notes.append(f"{name}: {error}")
            continue
        rows.append(description.row() | {"name": name})
        notes += description.notes
    return answers.rows(pl.DataFrame(rows, infer_schema_length=None), query.format, notes=notes)


class ChoicesQuery(ListQuery):
    """Which choices; what is not given limits nothing."""

    search: Text = Field(default=None, description="Part of a model's name, in either case.")
    accelerator: Text = Field(default=None, description="By its name in `/accelerators`.")
    devices: int | None = Field(default=None, ge=1, le=1024, description="Exactly so many.")
    precision: Text = Field(default=None, description="w16a16kv16, w8a8kv8 or w4a16kv16.")
    context: Length | None = Field(default=None, ge=1, le=4_194_304, description="Exact number of tokens.")
    batch: int | None = Field(default=None, ge=1, le=65_536, description="Exact number of sequences.")
    verdict: Literal["fits", "borderline", "does not fit"] | None = Field(
        default="fits", description="Whether it fits."
    )
    least_tokens_per_s: float | None = Field(default=None, ge=0, le=1e9, description="By the likely value.")
    most_usd_per_million_tokens: float | None = Field(default=None, ge=0, le=1e9, description="By the likely value.")
    limit: int = Field(default=100, ge=1, le=10_000, description="Rows at most.")


@ROUTES.get("/choices", response_model=Rows, summary="Every model on every accelerator, within limits")
def choices(request: Request, query: Annotated[ChoicesQuery, Query()]) -> Response:
    """Rows of `marts.choices`: quality, fit, speed, cost and carbon of a model in a precision on some accelerators."""
    sql = (
        "FROM marts.choices WHERE ($search IS NULL OR contains(lower(model_id), lower($search)))"
        " AND ($accelerator IS NULL OR accelerator = $accelerator) AND ($devices IS NULL OR devices = $devices)"
        " AND ($precision IS NULL OR precision = $precision) AND ($context IS NULL OR context = $context)"
        " AND ($batch IS NULL OR batch = $batch) AND verdict = $verdict"
        " AND ($least_tokens_per_s IS NULL OR tokens_per_s >= $least_tokens_per_s)"
        " AND ($most_usd_per_million_tokens IS NULL OR usd_per_million_tokens <= $most_usd_per_million_tokens)"
        " ORDER BY model_id, precision, accelerator, devices, batch, context"
    )
    return select(request, query, sql)


class AccuracyQuery(FormatQuery):
    """Which errors of predictions."""

    stage: Text = Field(default=None, description="What is timed, such as decode.")
    engine: Text = Field(default=None, description="As /accuracy names it; `all engines together` is one of them.")


@ROUTES.get("/accuracy", response_model=Rows, summary="Error of predictions on devices and models left out of the fit")
def accuracy(query: Annotated[AccuracyQuery, Query()]) -> Response:
    """Held-out errors of the engines that ship; `skyline accuracy FILE` says them of measurements of one's own."""
    rows = held_out_errors()
    for name, value in (("stage", query.stage), ("engine", query.engine)):
        rows = rows if value is None else rows.filter(pl.col(name) == value)
    return answers.rows(rows, query.format, notes=[f"Fitted to {shipped_times().source}."])
