"""A prompt over HTTP: a checkpoint that the operator allowed answers it, and says what that took."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.answers import Refusal
from dashboards.measuring import CannotMeasure, Measuring
from warehouse.settings import Settings

ROUTES = APIRouter()
_MOST_CHARACTERS = 20_000
_MOST_TOKENS = 512
_MOST_NAMED = 20
_KEPT = (
    "text", "model", "model_type", "backend", "precision", "context", "tokens", "ttft_p50_s", "inter_token_p50_s",
    "latency_s", "tokens_per_s", "utilisation_share", "utilisation_share_why", "joules_per_token", "energy_why",
    "weights_bytes", "host_peak_bytes", "allocated_peak_bytes",
)  # fmt: skip
_OF_A_MODULE = ("path", "kind", "time_s", "moved_bytes", "allocated_bytes", "peak_bytes")


class Prompted(BaseModel):
    """A prompt, and which checkpoint answers it."""

    checkpoint: str = Field(min_length=1, max_length=300, description="Folder below that of the operator.")
    prompt: str = Field(min_length=1, max_length=_MOST_CHARACTERS, description="It is not kept.")
    new_tokens: int = Field(default=32, ge=1, le=_MOST_TOKENS, description="Most tokens of the answer.")
    precision: Literal["float32", "bfloat16", "float16"] = Field(default="bfloat16", description="Of the weights.")


class Answered(BaseModel):
    """The answer, and what it took; what cannot be determined is null, with the reason under `NAME_why`."""

    answer: dict[str, Any] = Field(description="Text, latency, rate, memory, how busy the device was.")
    modules: list[dict[str, Any]] = Field(description="Time and memory of every module over the prompt.")
    bundle: str = Field(description="The measurement in the inbox, without prompt and answer.")


def _measuring(request: Request) -> Measuring:
    settings: Settings = request.app.state.settings
    if not settings.api_inference or settings.measure_checkpoints is None:
        raise Refusal(
            404, "No prompts are answered here: SKYLINE_API_INFERENCE=true and SKYLINE_MEASURE_CHECKPOINTS allow it."
        )
    found: Measuring = request.app.state.measuring
    return found


@ROUTES.post("/inference", response_model=Answered, summary="Let a checkpoint answer a prompt, and measure it")
async def answered(request: Request, asked: Prompted) -> Answered:
    """As `skyline profile generate`: greedy text with its times, memory and use of the device; one at a time."""
    measuring = _measuring(request)
    if asked.checkpoint not in (known := sorted(measuring.checkpoints)):
        there = ", ".join(known[:_MOST_NAMED]) or "none"
        raise Refusal(404, f"{asked.checkpoint!r} is no checkpoint of this server; there are: {there}.")
    try:
        found, bundle = await measuring.generate(asked.checkpoint, asked.prompt, asked.new_tokens, asked.precision)
    except CannotMeasure as error:
        raise Refusal(503, str(error)) from error
    modules = [{name: layer.get(name) for name in _OF_A_MODULE} for layer in found["layers"]]
    return Answered(answer={name: found[name] for name in _KEPT if name in found}, modules=modules, bundle=bundle)
