"""A prompt or a text over HTTP, for what the operator allowed: the answer and what it took, or what a format lost."""

from collections.abc import Iterable
from typing import Any, Literal, Self

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, model_validator

from api.answers import Refusal
from dashboards.measuring import CannotMeasure, Measuring
from warehouse.settings import Settings

ROUTES = APIRouter()
_MOST_CHARACTERS = 20_000
_MOST_TOKENS = 512
_MOST_NAMED = 20
_ANSWER_FIELDS = (
    "text", "model", "model_type", "backend", "precision", "context", "tokens", "ttft_p50_s", "inter_token_p50_s",
    "latency_s", "tokens_per_s", "utilisation_share", "utilisation_share_why", "joules_per_token", "energy_of",
    "energy_why", "weights_bytes", "host_peak_bytes", "allocated_peak_bytes", "prompt_tokens_source", "tokens_source",
    "inter_token_p50_s_why", "inter_token_source", "request_p50_s",
)  # fmt: skip
_OF_A_MODULE = ("path", "kind", "time_s", "moved_bytes", "allocated_bytes", "peak_bytes")


class Prompted(BaseModel):
    """A prompt, and which checkpoint or server answers it."""

    checkpoint: str | None = Field(
        default=None, min_length=1, max_length=300, description="Folder below the one set by the operator."
    )
    endpoint: str | None = Field(
        default=None,
        min_length=1,
        max_length=2000,
        description="Instead of a checkpoint: the address of a server that is offered.",
    )
    model: str | None = Field(
        default=None, min_length=1, max_length=200, description="With an endpoint: name of the model on that server."
    )
    prompt: str = Field(min_length=1, max_length=_MOST_CHARACTERS, description="The prompt is not stored.")
    new_tokens: int = Field(default=32, ge=1, le=_MOST_TOKENS, description="Maximum number of tokens of the answer.")
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        default="bfloat16", description="Number format of a checkpoint's weights."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.checkpoint is None) == (self.endpoint is None):
            raise ValueError("name either a checkpoint or an endpoint, not both")
        if (self.endpoint is None) != (self.model is None):
            raise ValueError("an endpoint needs the name of its model, a checkpoint takes none")
        return self


class Answered(BaseModel):
    """The answer, and what it took; what cannot be determined is null, with the reason under `NAME_why`."""

    answer: dict[str, Any] = Field(description="Text, latency, rate, memory and utilisation of the device.")
    modules: list[dict[str, Any]] = Field(
        description="Time and memory of every module for the prompt; empty for a server."
    )
    bundle: str = Field(description="The measurement in the inbox, without prompt and answer.")


class Question(BaseModel):
    """A prompt and the answer that is wanted."""

    prompt: str = Field(min_length=1, max_length=_MOST_CHARACTERS)
    answer: str = Field(min_length=1, max_length=_MOST_CHARACTERS)


class Scored(BaseModel):
    """Checkpoints and formats to hold against the first of them."""

    checkpoints: list[str] = Field(
        min_length=1, max_length=8, description="Folders and GGUF files below the one set by the operator."
    )
    precisions: list[Literal["float32", "bfloat16", "float16", "int8", "int8_emulated", "fp8"]] = Field(
        default=["bfloat16"], min_length=1, max_length=6,
        description="Number formats for unquantised checkpoints; others are read as stored.",
    )  # fmt: skip
    questions: list[Question] = Field(default=[], max_length=200, description="The questions are not stored.")


class Quality(BaseModel):
    """What was found, a row per checkpoint and format."""

    rows: list[dict[str, Any]] = Field(
        description="Perplexity and bits per byte of a bundled text, over the first row; scores of answers; bytes."
    )
    bundle: str = Field(description="The measurement in the inbox, without questions and answers.")


def _measuring(request: Request) -> Measuring:
    settings: Settings = request.app.state.settings
    if not settings.api_inference or (settings.measure_checkpoints is None and not settings.measure_endpoints):
        raise Refusal(
            404, "No prompts are answered here: SKYLINE_API_INFERENCE=true allows it, with SKYLINE_MEASURE_CHECKPOINTS "
            "or SKYLINE_MEASURE_ENDPOINTS.",
        )  # fmt: skip
    measuring: Measuring = request.app.state.measuring
    return measuring


@ROUTES.post(
    "/inference", response_model=Answered, summary="Let a checkpoint or server answer a prompt, and measure it"
)
async def answered(request: Request, body: Prompted) -> Answered:
    """As `skyline profile generate`, or `skyline profile endpoint --prompt`: the text and what it took; one at a time.

    Of a checkpoint that is times, memory and use of the device, module by module; of a server what a client sees.
    """
    measuring = _measuring(request)
    try:
        if body.endpoint is not None:
            server = _require_offered(body.endpoint, "server that may be asked from here", measuring.endpoints)
            result, bundle = await measuring.prompt(server, str(body.model), body.prompt, body.new_tokens)
        else:
            checkpoint = _require_offered(str(body.checkpoint), "checkpoint of this server", measuring.checkpoints)
            result, bundle = await measuring.generate(checkpoint, body.prompt, body.new_tokens, body.precision)
    except CannotMeasure as error:
        raise Refusal(503, str(error)) from error
    whys = [f"{name}_why" for name in _OF_A_MODULE]
    modules = [
        {name: layer.get(name) for name in _OF_A_MODULE} | {why: layer[why] for why in whys if why in layer}
        for layer in result.get("layers", ())
    ]
    return Answered(
        answer={name: result[name] for name in _ANSWER_FIELDS if name in result}, modules=modules, bundle=bundle
    )


@ROUTES.post("/quality", response_model=Quality, summary="Loss from number formats: perplexity and answers")
async def quality(request: Request, body: Scored) -> Quality:
    """As `skyline profile quality`: a quantised checkpoint or another format, held against the first that is named."""
    measuring = _measuring(request)
    names = [_require_offered(name, "checkpoint of this server", measuring.scored) for name in body.checkpoints]
    questions = [each.model_dump() for each in body.questions]
    try:
        rows, bundle = await measuring.quality(names, body.precisions, questions)
    except CannotMeasure as error:
        raise Refusal(503, str(error)) from error
    return Quality(rows=rows, bundle=bundle)


def _require_offered(name: str, kind: str, choices: Iterable[str]) -> str:
    offered = sorted(choices)
    if name not in offered:
        examples = ", ".join(offered[:_MOST_NAMED]) or "none"
        raise Refusal(404, f"{name!r} is no {kind}; there are: {examples}.")
    return name
