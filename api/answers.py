"""How answers and errors are written: rows as JSON or CSV, errors as one sentence."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_origin

import polars as pl
from fastapi import Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from api.meanings import meanings
from profiling.answers.lengths import length, seconds
from profiling.errors import nearest
from warehouse import spreadsheets
from warehouse.columns import columns_of, meanings_in

MOST_BYTES_WRITTEN = 32 << 20
Length = Annotated[int, BeforeValidator(length)]
"""Tokens, as people write them: 4096, 32k, 1M."""
Seconds = Annotated[float, BeforeValidator(seconds)]
"""A time, as people write it: 2s, 50ms, 0.05."""
_DEVICES = ("accelerator", "device", "machine")
_ALSO_CALLED = {
    "ttft": ("ttft_s",), "tpot": ("tpot_s",), "context": ("seq",), "seq": ("context",), "kv_format": ("kv_bits",),
    "host_memory": ("host_memory_gib",), **dict.fromkeys(_DEVICES, _DEVICES),
}  # fmt: skip
"""Names that the command line has beside, or in place of, those here."""
Form = Annotated[Literal["json", "csv"], Query(description="How the rows are written.")]


class FormatQuery(BaseModel):
    """A question that is answered with rows; a parameter that it does not have is an error, not left aside."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["json", "csv"] = Field(default="json", description="How the rows are written.")

    @model_validator(mode="before")
    @classmethod
    def _by_names_of_the_command_line(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        own, answers = cls.model_fields, dict(given)
        for name in [name for name in given if name not in own]:
            other = next((field for field in _ALSO_CALLED.get(name, ()) if field in own), None)
            if other is None or other in given:
                near = nearest(name, own)
                raise ValueError(f"there is no parameter {name!r}{f'; nearest: {near}' if near else ''}")
            value = answers.pop(name)
            many = get_origin(own[other].annotation) is list
            answers[other] = [value] if many and not isinstance(value, list) else value
        return answers


class Rows(BaseModel):
    """Rows, and what the reader should know beside them."""

    # Numbers that JSON has no word for are null there.
    model_config = ConfigDict(ser_json_bytes="base64", ser_json_inf_nan="null")

    rows: list[dict[str, Any]] = Field(description="One object per row; keys are columns, units are in their names.")
    columns: dict[str, dict[str, str]] = Field(
        default={}, description="Type, unit and meaning of every column; each quantity has one unit throughout."
    )
    notes: list[str] = Field(default=[], description="Assumptions and caveats.")
    is_cut: bool = Field(default=False, description="Whether there were more rows than were asked for.")
    release: str | None = Field(default=None, description="Published release that was read.")


class Problem(BaseModel):
    """Why there is no answer."""

    detail: str = Field(description="One sentence, with a remedy where one is known.")


class Refusal(Exception):
    """An answer that is an error, with the status that HTTP has for it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def refused(_request: Request, error: Exception) -> Response:
    """The response to a `Refusal`."""
    assert isinstance(error, Refusal)  # noqa: S101 - registered for no other
    return problem(error.status, error.detail)


def problem(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    """An error as JSON."""
    return JSONResponse({"detail": detail}, status, headers)


def rows(frame: pl.DataFrame, form: str, *, sql: str | None = None, **more: Any) -> Response:
    """A frame as the client wants it; `more` are the other fields of `Rows`.

    Args:
        frame: The rows.
        form: json or csv.
        sql: The statement that they come from, which says what their columns mean; None: they are computed.
        more: Other fields of `Rows`.

    Raises:
        Refusal: it would be larger than anybody should be sent.
    """
    if form == "csv":
        headers = {"Content-Disposition": 'attachment; filename="rows.csv"'}
        return _bounded(spreadsheets.to_csv(frame), "text/csv; charset=utf-8", headers)
    meaning = meanings(frame.columns) if sql is None else meanings_in(sql)
    answer = Rows(rows=frame.to_dicts(), columns=columns_of(frame, meaning), **more)
    return _bounded(answer.model_dump_json().encode(), "application/json")


def _bounded(written: bytes, kind: str, headers: dict[str, str] | None = None) -> Response:
    if len(written) > MOST_BYTES_WRITTEN:
        raise Refusal(422, f"The answer is larger than {MOST_BYTES_WRITTEN >> 20} MiB as {kind}; ask for less.")
    return Response(written, media_type=kind, headers=headers)
