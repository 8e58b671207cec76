"""Routes of the performance model: time of a model on an accelerator, and how many of them hold it."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from api import answers
from api.answers import Rows
from pipelines import performance_answers
from pipelines.performance_answers import Question
from profiling.errors import UnknownModel, nearest
from profiling.sources import catalogue
from profiling.workload import Parallelism

ROUTES = APIRouter()


class Configured(BaseModel):
    """What a question to the performance model has in common with the others; defaults as on the command line."""

    model: str = Field(
        min_length=1, max_length=200, description="Model of the catalogue.", examples=["Meta-Llama-3-8B"]
    )
    batch: int = Field(default=1, ge=1, le=65_536, description="Sequences in flight.")
    seq: int = Field(default=1024, ge=1, le=4_194_304, description="Prompt length; for decode, tokens attended.")
    weight_bits: float = Field(default=16, ge=1, le=32)
    activation_bits: float | None = Field(default=None, ge=1, le=32)
    kv_bits: float = Field(default=16, ge=1, le=32)
    embedding_bits: float | None = Field(default=None, ge=1, le=32)
    weight_format: str | None = Field(default=None, max_length=100, description="As awq-4bit-g128, instead of bits.")
    engine: str = Field(default="vllm-v1", max_length=100, description="Whose memory overhead is counted.")


class Analysed(Configured):
    """A question of `/roofline`."""

    accelerator: str = Field(min_length=1, max_length=200, examples=["H200"])
    stage: str = Field(default="decode", max_length=100, description="prefill, decode, generate or encode.")
    generated: int = Field(default=128, ge=0, le=262_144, description="Tokens made, for stage generate.")
    attention: str = Field(default="flash", max_length=100, description="flash or naive.")
    tp: int = Field(default=1, ge=1, le=1024, description="Devices that share every layer.")
    pp: int = Field(default=1, ge=1, le=1024, description="Groups of devices, each with some of the layers.")
    ep: int = Field(default=1, ge=1, le=1024, description="Devices the experts are dealt out to.")
    operators: bool = Field(default=False, description="One row per operator instead of the total.")
    ignore_memory: bool = Field(default=False, description="Times even of what does not fit.")
    format: Literal["json", "csv"] = Field(default="json", description="How the rows are written.")


class Fitted(Configured):
    """A question of `/fit`."""

    seq: int = Field(default=4096, ge=1, le=4_194_304, description="Tokens of context.")
    accelerator: list[str] = Field(default=[], max_length=20, description="All where none is named.")
    format: Literal["json", "csv"] = Field(default="json", description="How the rows are written.")


@ROUTES.get("/roofline", response_model=Rows, summary="Bound, likely time and memory of a model on an accelerator")
def roofline(request: Request, asked: Annotated[Analysed, Query()]) -> Response:
    """As `skyline roofline`."""
    question = replace(
        _question(asked), accelerator=asked.accelerator, stage=asked.stage, generated=asked.generated,
        attention=asked.attention, parallelism=Parallelism(asked.tp, asked.pp, asked.ep),
    )  # fmt: skip
    answer = performance_answers.roofline(
        question, request.app.state.lake, by_operator=asked.operators, ignore_memory=asked.ignore_memory
    )
    return answers.rows(answer.rows, asked.format, notes=list(answer.notes))


@ROUTES.get("/fit", response_model=Rows, summary="How many accelerators a model needs, and its memory by part")
def fit(asked: Annotated[Fitted, Query()]) -> Response:
    """As `skyline fit`."""
    answer = performance_answers.fit(_question(asked), asked.accelerator)
    return answers.rows(answer.rows, asked.format, notes=list(answer.notes))


def _question(asked: Configured) -> Question:
    return Question(
        model=_of_catalogue(asked.model), accelerator="", batch=asked.batch, context=asked.seq,
        weight_bits=asked.weight_bits, activation_bits=asked.activation_bits, kv_bits=asked.kv_bits,
        embedding_bits=asked.embedding_bits, weight_format=asked.weight_format, engine=asked.engine,
    )  # fmt: skip


def _of_catalogue(name: str) -> str:
    """The full name of a model of the catalogue: files of the server are not for those who ask.

    Raises:
        UnknownModel: there is none, or several; the message names the nearest.
    """
    known, folded = catalogue(), name.casefold()
    found = [name] if name in known else [k for k in known if folded in (k.casefold(), k.split("/")[-1].casefold())]
    if len(found) != 1:
        near = ", ".join(found) or nearest(name, known)
        raise UnknownModel(f"{name!r} is not one model of the catalogue{f'; nearest: {near}' if near else ''}")
    return found[0]
