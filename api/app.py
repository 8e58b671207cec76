"""The application: routes, errors, guards, health and metrics, put together."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import duckdb
from fastapi import APIRouter, FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import advice, inference, performance, published
from api.answers import Problem, Refusal, problem, refused
from api.cache import Remembered
from api.guards import BEARER, Guard
from dashboards.measuring import Measuring
from pipelines.defs.frontier.front_of_file import UnusableTable
from pipelines.lib.door import published_door
from profiling.answers.evidence import Evidence
from profiling.errors import ProfilingError, UnknownAccelerator, UnknownModel
from warehouse.console import Console, ConsoleBusy, Limits, QueryCancelled, QueryFailed, QueryRefused
from warehouse.publish import NotPublished
from warehouse.reader import PerRelease, Reader
from warehouse.settings import Settings

VERSION = "v1"
_MOST_ASKING = 32
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (UnknownModel, 404),
    (UnknownAccelerator, 404),
    (ProfilingError, 422),
    (UnusableTable, 422),
    (QueryRefused, 422),
    (QueryFailed, 422),
    (QueryCancelled, 499),
    (ConsoleBusy, 503),
    (NotPublished, 503),
)
_MEANINGS = {
    400: "The request cannot be read.",
    401: "No valid token.",
    404: "Nothing has that name.",
    413: "The request is too large.",
    422: "The question is not valid.",
    429: "Asked too often.",
    503: "Nothing is published yet, or the server is busy.",
}


def create(settings: Settings) -> FastAPI:
    """The interface on one home.

    Args:
        settings: The home, the token, and how often may be asked.
    """
    app = FastAPI(
        title="Skyline",
        version=VERSION,
        description="Open language models compared: quality, fit, speed, cost and carbon, each number with its "
        "source and its error. The same functions as the command line, on the published warehouse.",
        openapi_url=f"/api/{VERSION}/openapi.json",
        # Their pages fetch scripts from another host.
        docs_url=None,
        redoc_url=None,
    )
    app.state.reader = Reader(settings.published)
    app.state.console = Console(settings.published, Limits(cells=200_000, result_mib=16))
    # Statements wait in threads of their own, so that no other answer waits for them.
    app.state.asking = ThreadPoolExecutor(_MOST_ASKING, thread_name_prefix="sql")
    app.state.door = published_door(app.state.reader, settings)
    app.state.models = PerRelease(app.state.reader, lambda read: read("core.models").sort("model_id"))
    app.state.settings, app.state.measuring = settings, Measuring(settings)
    app.state.evidence = PerRelease(app.state.reader, Evidence.of)
    guards: list[Any] = [Security(BEARER)] if settings.api_token is not None else []
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": text}
        for status, text in _MEANINGS.items()
        if status != 401 or settings.api_token is not None
    }
    responses[200] = {"content": {"text/csv": {"schema": {"type": "string"}}}}
    routes = APIRouter(prefix=f"/api/{VERSION}", dependencies=guards, responses=responses)
    routes.include_router(published.ROUTES)
    routes.include_router(performance.ROUTES)
    routes.include_router(advice.ROUTES)
    routes.include_router(inference.ROUTES)
    app.include_router(routes)
    for kind, status in _STATUS:
        app.add_exception_handler(kind, _sentence(status))
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, _validation_problem)
    app.add_exception_handler(duckdb.Error, _sentence(503, "The published warehouse does not hold what is asked for;"
                                                      " run `skyline refresh`: "))  # fmt: skip
    app.add_middleware(Remembered, reader=app.state.reader, prefix=routes.prefix)
    refused_total = _add_health(app)
    app.add_middleware(Guard, settings=settings, description=app.openapi_url or "", refused=refused_total)
    return app


def _sentence(status: int, before: str = "") -> Callable[[Request, Exception], Response]:
    def answer(_request: Request, error: Exception) -> Response:
        retry = {"Retry-After": "5"} if status == 503 else None
        return problem(status, before + " ".join(str(error).split()), retry)

    return answer


def _validation_problem(_request: Request, error: Exception) -> Response:
    """What was sent does not have the described form: where, and what would."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for no other
    problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
    more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
    return problem(422, "; ".join(problems[:3]) + more)


def _add_health(app: FastAPI) -> Callable[[int], None]:
    """`/healthz`, `/readyz` and `/metrics`: for those who run this, not for those who ask; without token or limit.

    They wait for no thread, since all may be answering. Returned is what counts refusals by status.
    """
    registry = CollectorRegistry()
    requests = Counter("skyline_api_requests_total", "Requests answered.", ["route", "status"], registry=registry)
    refusals = Counter("skyline_api_refused_total", "Requests refused.", ["status"], registry=registry)
    seconds = Histogram("skyline_api_request_seconds", "Time to answer.", ["route"], registry=registry)

    @app.get("/healthz", include_in_schema=False)
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def ready() -> dict[str, str]:
        release = app.state.reader.release()
        return {"status": "ready", "release": release.path.name}

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.add_middleware(_RequestMetrics, requests=requests, seconds=seconds)
    return lambda status: refusals.labels(status).inc()


class _RequestMetrics:
    """ASGI middleware that counts answers and their time."""

    def __init__(self, app: ASGIApp, requests: Counter, seconds: Histogram) -> None:
        self._app, self._requests, self._seconds = app, requests, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            # The route, not the address: what strangers type must not become names of series.
            route = getattr(scope.get("route"), "path", "unknown")
            self._requests.labels(route, status).inc()
            self._seconds.labels(route).observe(time.perf_counter() - began)
