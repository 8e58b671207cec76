"""The application: routes, errors, guards, health and metrics, put together."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import duckdb
from fastapi import APIRouter, Depends, FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest

from api import performance, published
from api.answers import Problem, Refusal, problem, refused
from api.guards import BEARER, Guard, limiter, token_holder
from pipelines.front_of_file import UnusableTable
from profiling.errors import ProfilingError, UnknownAccelerator, UnknownModel
from warehouse.console import Console, ConsoleBusy, QueryCancelled, QueryFailed, QueryRefused
from warehouse.publish import NotPublished
from warehouse.reader import Reader
from warehouse.settings import Settings

VERSION = "v1"
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
    400: "Not readable at all.",
    401: "No valid token.",
    404: "Nothing of that name.",
    413: "Too much was sent.",
    422: "It cannot be asked so.",
    429: "Asked too often.",
    503: "Nothing is published yet, or too much is being answered just now.",
}


def create(settings: Settings) -> FastAPI:
    """The interface on one home.

    Args:
        settings: The home, the token, and how often may be asked.
    """
    app = FastAPI(
        title="Skyline",
        version=VERSION,
        description="Open language models in one row: quality, fit, speed, cost and carbon, each number with its "
        "source and its error. The same functions as the command line, on the published warehouse.",
        openapi_url=f"/api/{VERSION}/openapi.json",
        # Their pages fetch scripts from another host.
        docs_url=None,
        redoc_url=None,
    )
    app.state.reader, app.state.console = Reader(settings.published), Console(settings.published)
    app.state.lake = settings.lake
    guards: list[Any] = [Depends(limiter(settings))]
    if settings.api_token is not None:
        guards += [Security(BEARER), Depends(token_holder(settings))]
    responses: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": text}
        for status, text in _MEANINGS.items()
        if status != 401 or settings.api_token is not None
    }
    responses[200] = {"content": {"text/csv": {"schema": {"type": "string"}}}}
    routes = APIRouter(prefix=f"/api/{VERSION}", dependencies=guards, responses=responses)
    routes.include_router(published.ROUTES)
    routes.include_router(performance.ROUTES)
    app.include_router(routes)
    for kind, status in _STATUS:
        app.add_exception_handler(kind, _sentence(status))
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(duckdb.Error, _sentence(503, "The published warehouse does not hold what is asked for;"
                                                      " run `skyline refresh`: "))  # fmt: skip
    _add_health(app)
    app.add_middleware(Guard)
    return app


def _sentence(status: int, before: str = "") -> Callable[[Request, Exception], Response]:
    def answer(_request: Request, error: Exception) -> Response:
        retry = {"Retry-After": "5"} if status == 503 else None
        return problem(status, before + " ".join(str(error).split()), retry)

    return answer


def _misunderstood(_request: Request, error: Exception) -> Response:
    """What was sent does not have the described form: where, and what would."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for no other
    found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return problem(422, "; ".join(found[:3]) + more)


def _add_health(app: FastAPI) -> None:
    """`/healthz`, `/readyz` and `/metrics`: for those who run this, not for those who ask; without token or limit."""
    registry = CollectorRegistry()
    requests = Counter("skyline_api_requests_total", "Requests answered.", ["route", "status"], registry=registry)
    seconds = Histogram("skyline_api_request_seconds", "Time to answer.", ["route"], registry=registry)

    @app.middleware("http")
    async def measure(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        began = time.perf_counter()
        response = await call_next(request)
        # The route, not the address: what strangers type must not become names of series.
        route = getattr(request.scope.get("route"), "path", "unknown")
        requests.labels(route, response.status_code).inc()
        seconds.labels(route).observe(time.perf_counter() - began)
        return response

    @app.get("/healthz", include_in_schema=False)
    def alive() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    def ready() -> dict[str, str]:
        release = app.state.reader.release()
        return {"status": "ready", "release": release.path.name}

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
