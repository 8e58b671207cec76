"""Routes that read the published warehouse: models, accelerators, fronts, ratings, and SQL of one's own."""

import asyncio
import datetime as dt
import re
import threading
from typing import Annotated

import polars as pl
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from analytics.units import counted
from api import answers
from api.answers import Form, FormatQuery, Rows
from pipelines.defs.frontier.front_of_file import front_of_table, table_of_rows
from warehouse.console import QueryCancelled
from warehouse.reader import Reader

ROUTES = APIRouter()


def _iso_date(value: object) -> object:
    # Pydantic alone takes numbers too, as seconds since 1970.
    if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise ValueError("a date is written as 2024-06-19")
    return value


Day = Annotated[dt.date, BeforeValidator(_iso_date)]
Text = Annotated[str | None, Field(max_length=200)]
_LOOK_FOR_DISCONNECT_S = 0.1


class ListQuery(FormatQuery):
    """Which rows of a list, and how they are written."""

    limit: int = Field(default=1000, ge=1, le=10_000, description="Rows at most.")
    offset: int = Field(default=0, ge=0, le=10_000_000, description="Rows to skip.")


class NameQuery(ListQuery):
    """A list in which names are searched."""

    search: Text = Field(default=None, description="Part of a name, in either case.")
    limit: int = Field(default=100, ge=1, le=10_000, description="Rows at most.")


class FrontsQuery(ListQuery):
    """Which fronts."""

    objectives: str = Field(default="average_vs_size_gib", max_length=200, description="As average_vs_size_gib.")
    board: Text = None
    as_of_date: Day | None = None
    segment_by: str = Field(default="all", max_length=200)


class RatingsQuery(ListQuery):
    """Which boards of the Arena."""

    arena: str = Field(default="text", max_length=200)
    category: str = Field(default="overall", max_length=200)
    as_of_date: Day | None = None


def select(request: Request, query: ListQuery, sql: str) -> Response:
    """Rows of one of our own statements, one more than asked for to know whether there are more."""
    reader: Reader = request.app.state.reader
    chosen = query.model_dump(exclude={"limit", "offset", "format"})
    frame = reader.query(
        f"{sql} LIMIT $most OFFSET $passed", {**chosen, "most": query.limit + 1, "passed": query.offset}
    )
    release = reader.release().path.name
    is_cut = frame.height > query.limit
    return answers.rows(frame.head(query.limit), query.format, sql=sql, is_cut=is_cut, release=release)


@ROUTES.get("/models", response_model=Rows, summary="Models, by name")
def models(request: Request, query: Annotated[NameQuery, Query()]) -> Response:
    """Models of the warehouse with family, parameters, licence and dates, each with its source."""
    frame: pl.DataFrame = request.app.state.models()
    if query.search is not None:
        # A database takes ten times as long for a look at some thousand names.
        frame = frame.filter(pl.col("model_id").str.to_lowercase().str.contains(query.search.lower(), literal=True))
    release = request.app.state.reader.release().path.name
    page = frame.slice(query.offset, query.limit)
    is_cut = query.offset + page.height < frame.height
    return answers.rows(page, query.format, sql="FROM core.models", is_cut=is_cut, release=release)


@ROUTES.get("/accelerators", response_model=Rows, summary="Accelerators, by name")
def accelerators(request: Request, query: Annotated[NameQuery, Query()]) -> Response:
    """Accelerators with peaks, bandwidth and memory, and where each figure is from."""
    sql = (
        "FROM core.accelerators WHERE $search IS NULL OR contains(lower(accelerator), lower($search))"
        " ORDER BY accelerator"
    )
    return select(request, query, sql)


@ROUTES.get("/fronts", response_model=Rows, summary="Pareto fronts of the leaderboards")
def fronts(request: Request, query: Annotated[FrontsQuery, Query()]) -> Response:
    """Members of the fronts with their errors, by snapshot and position."""
    sql = (
        "FROM marts.pareto_front WHERE objectives = $objectives AND segment_by = $segment_by"
        " AND ($board IS NULL OR board = $board) AND ($as_of_date::DATE IS NULL OR as_of_date = $as_of_date)"
        " ORDER BY snapshot_id, segment, position"
    )
    return select(request, query, sql)


@ROUTES.get("/ratings", response_model=Rows, summary="Ratings as the Arena published them")
def ratings(request: Request, query: Annotated[RatingsQuery, Query()]) -> Response:
    """Boards of the Arena with intervals, newest first."""
    sql = (
        "FROM core.arena_board WHERE arena = $arena AND category = $category"
        " AND ($as_of_date::DATE IS NULL OR as_of_date = $as_of_date) ORDER BY as_of_date DESC, rating DESC, model"
    )
    return select(request, query, sql)


class Candidates(BaseModel):
    """A table of anybody's, and what is wanted of its columns."""

    model_config = ConfigDict(extra="forbid")

    rows: list[dict[str, str | float | int | bool | None]] = Field(min_length=1, max_length=100_000)
    minimise: list[str] = Field(default=[], max_length=10, description="Columns to minimise.")
    maximise: list[str] = Field(default=[], max_length=10, description="Columns to maximise.")


@ROUTES.post("/front", response_model=Rows, summary="The Pareto front of a table that you send")
def front(candidates: Candidates, format: Form = "json") -> Response:  # noqa: A002
    """Rows that no other row beats on every objective, as `skyline front` finds them."""
    table = table_of_rows(candidates.rows)
    members, left_out = front_of_table(table, candidates.minimise, candidates.maximise, "the table")
    notes = (
        [f"{counted(left_out, 'row')} left out: an objective is missing or not a finite number."] if left_out else []
    )
    return answers.rows(members, format, sql="", notes=notes)


class Statement(BaseModel):
    """SQL of one's own."""

    model_config = ConfigDict(extra="forbid")

    sql: str = Field(
        min_length=1, max_length=100_000, description="One SELECT statement.", examples=["FROM meta.tables"]
    )


@ROUTES.post("/sql", response_model=Rows, summary="One SELECT statement, read-only and within limits")
async def sql(request: Request, statement: Statement, format: Form = "json") -> Response:  # noqa: A002
    """Rows of the statement; files, network, extensions and settings are out of reach, time and memory are bounded."""
    cancel = threading.Event()
    asker = request.scope.get("skyline.address", "")

    def answer() -> Response:
        result = request.app.state.console.ask(statement.sql, None, cancel, asker)
        # Here, since writing many rows takes time that others would wait for.
        release = result.release.path.name
        return answers.rows(result.frame, format, sql=statement.sql, is_cut=result.is_cut, release=release)

    asking = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(request.app.state.asking, answer))
    while not (await asyncio.wait({asking}, timeout=_LOOK_FOR_DISCONNECT_S))[0]:
        if await request.is_disconnected():
            cancel.set()
    if cancel.is_set():
        raise QueryCancelled("The client has disconnected.")
    return asking.result()
