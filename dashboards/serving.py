"""How the pages are served: who may in, what browsers are told, what one session may cost, and whether all is well."""

import logging
import secrets
from collections.abc import Sequence
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform, RequestHandler
from tornado.websocket import WebSocketClosedError

from dashboards.data import Data
from dashboards.glossary import Words
from dashboards.parts.templates import render
from dashboards.places import GRACE_S, Login, Places
from warehouse.addresses import is_loopback
from warehouse.guarded import Unguarded, is_open_to_all, require_no_empty_secret
from warehouse.publish import NotPublished
from warehouse.settings import Settings

LOGGER = logging.getLogger(__name__)
PATIENCE_S = 10.0

# Bokeh makes functions from texts of its models, Panel's components are modules that a page makes itself (`blob:`), and
# pages carry their first state inline; no other host is named.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' ws: wss: data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


# A chart alone may stand in pages of others: it only shows, and whoever may not see it sees a login that may not.
FRAMED = {name: value for name, value in HEADERS.items() if name != "X-Frame-Options"} | {
    "Content-Security-Policy": POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")
}


def _is_for_a_frame(request: HTTPServerRequest) -> bool:
    return request.path.rstrip("/").endswith("/chart") and b"yes" in request.query_arguments.get("frame", ())


def is_no_visitor_who_left(record: logging.LogRecord) -> bool:
    """Whether a line of a log is about anything but an answer to a browser that was closed before it came.

    Bokeh waits for no answer that it sends, so asyncio takes that for an error that nobody looked at.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], WebSocketClosedError))


class Headers(OutputTransform):
    """Adds to every answer what browsers heed."""

    def __init__(self, request: HTTPServerRequest) -> None:
        """As tornado makes it, for one request."""
        self._path = request.path
        self._headers = FRAMED if _is_for_a_frame(request) else HEADERS

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: ARG002 - tornado's own form
    ) -> tuple[int, HTTPHeaders, bytes]:
        """The answer with our headers, what a handler has set itself stays; errors look like pages."""
        for name, value in self._headers.items():
            if name not in headers:
                headers[name] = value
        if "Cache-Control" not in headers and self._path.startswith(("/assets/", "/components/")):
            # What no version is in the address of is asked for anew, and answered in a few bytes where it is the same.
            headers["Cache-Control"] = "no-cache"
        if self._path == "/favicon.ico":
            headers["Cache-Control"] = "public, max-age=86400"
        if status_code >= 400 and chunk.startswith(b"<html><title>"):
            chunk = wrong(status_code, self._path)
            headers["Content-Type"] = "text/html; charset=utf-8"
            headers["Content-Length"] = str(len(chunk))
        return status_code, headers, chunk


def wrong(status: int, path: str) -> bytes:
    """A page for an error, that says no more of this server than its number does."""
    title, more = _WRONG.get(status, ("This request could not be answered", "The server's log has the details."))
    # One step up for each folder in the address, so that it holds below any prefix of a proxy.
    root = "../" * max(path.count("/") - 1, 0) or "./"
    return render(__file__, "error.html", title=title, more=more, status=status, root=root).encode("utf-8")


_WRONG = {
    404: (
        "There is no such page",
        "The address may be misspelled. The field above finds models, devices, pages and terms.",
    ),
    403: ("This request is not allowed here", "The request came from another site, or without a session of this one."),
    405: ("This is not possible at this address", "Pages accept only requests to read them."),
    500: (
        "This page could not be made",
        "This is a defect of Skyline, not of your data; the server's log has the details.",
    ),
}


class Alive(RequestHandler):
    """Whether the server answers at all; without authentication, for those who run it."""

    def get(self) -> None:
        """Say so."""
        self.write({"status": "alive"})

    head = get


class Ready(RequestHandler):
    """Whether there is a release to show."""

    def initialize(self, data: Data) -> None:
        """Remember where to look."""
        self._data = data

    def get(self) -> None:
        """Name the release, or answer 503."""
        try:
            self.write({"status": "ready", "release": self._data.release().path.name})
        except NotPublished as error:
            self.set_status(503)
            self.write({"status": "not ready", "detail": str(error)})

    head = get


class Metrics:
    """How many sessions are open, how many were opened, and how long their pages took to make."""

    def __init__(self, settings: Settings) -> None:
        """Count none yet.

        Args:
            settings: How many places there are, and how long a session without a browser keeps its own.
        """
        self.registry = CollectorRegistry()
        most = settings.most_sessions
        # Where only this machine comes in, nobody is crowded out.
        alone = is_loopback(settings.address) and not settings.trusted_proxies
        self.places = Places(most, most if alone else max(most // 2, 1), min(GRACE_S, settings.unused_session_s))
        self._opened = Counter("skyline_pages_sessions_total", "Sessions opened.", ["page"], registry=self.registry)
        self._seconds = Histogram("skyline_pages_build_seconds", "Time to make a page.", registry=self.registry)
        live = Gauge("skyline_pages_open", "Sessions open now.", registry=self.registry)
        live.set_function(lambda: len(self.places))

    def began(self, page: str, seconds: float) -> None:
        """Count a session whose page took so long to make."""
        self._opened.labels(page).inc()
        self._seconds.observe(seconds)
        LOGGER.info("page opened", extra={"page": page, "seconds": round(seconds, 3), "sessions": len(self.places)})


class MetricsText(RequestHandler):
    """The metrics, as Prometheus reads them."""

    def initialize(self, metrics: Metrics) -> None:
        """Remember what to tell."""
        self._metrics = metrics

    def get(self) -> None:
        """Tell it."""
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(generate_latest(self._metrics.registry))

    head = get


def options(settings: Settings, data: Data, metrics: Metrics, more: Sequence[tuple[Any, ...]] = ()) -> dict[str, Any]:
    """What `panel.serve` is given for it.

    Args:
        settings: Who may in, and what a session may cost.
        data: What is served.
        metrics: What is counted.
        more: Further patterns of addresses and what answers them.
    """
    guarded: dict[str, Any] = {}
    patterns: list[tuple[Any, ...]] = [
        ("/healthz", Alive),
        ("/readyz", Ready, {"data": data}),
        ("/glossary.json", Words),
        ("/metrics", MetricsText, {"metrics": metrics}),
        *more,
    ]
    if settings.oauth_provider is not None:
        guarded = {
            "oauth_provider": settings.oauth_provider,
            "oauth_key": settings.oauth_key,
            "oauth_secret": settings.oauth_secret.get_secret_value() if settings.oauth_secret else None,
            "oauth_redirect_uri": settings.oauth_redirect_uri,
        }
    elif settings.pages_password is not None:
        guarded = {"basic_auth": settings.pages_password.get_secret_value()}
        patterns.append(("/login", Login, {"proxies": settings.trusted_proxies}))
    if guarded:
        chosen = settings.cookie_secret.get_secret_value() if settings.cookie_secret else secrets.token_urlsafe(32)
        guarded["cookie_secret"] = chosen
    return {
        **guarded,
        "compress_response": True,
        "websocket_compression_level": 6,
        "websocket_origin": origins(settings),
        "websocket_max_message_size": settings.websocket_mib << 20,
        "session_token_expiration": settings.session_token_s,
        "unused_session_lifetime_milliseconds": settings.unused_session_s * 1000,
        "check_unused_sessions_milliseconds": min(2_000, settings.unused_session_s * 1000),
        "extra_patterns": patterns,
        # Who sends no whole request in this time is not waited for; websockets are not of these.
        "http_server_kwargs": {
            "idle_connection_timeout": PATIENCE_S,
            "body_timeout": PATIENCE_S,
            "max_header_size": 64 << 10,
            "max_body_size": 1 << 20,
        },
    }


def origins(settings: Settings) -> list[str]:
    """Hosts whose pages may open a websocket here."""
    if settings.origins:
        return list(settings.origins)
    if settings.address in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        # Whoever listens everywhere is reached under names that we cannot know; the pages only read.
        return ["*"]
    return [f"{settings.address}:{settings.port}", f"localhost:{settings.port}"]


def require_guarded(settings: Settings) -> None:
    """Refuse to let in everybody who reaches this machine, unless that is asked for in so many words.

    Raises:
        Unguarded: the pages would be open without a password beyond this machine, or a secret is empty or missing.
    """
    require_no_empty_secret(settings)
    if settings.oauth_provider is not None and not (settings.oauth_key and settings.oauth_secret):
        raise Unguarded("SKYLINE_OAUTH_PROVIDER is set; it needs SKYLINE_OAUTH_KEY and SKYLINE_OAUTH_SECRET.")
    if settings.pages_password is None and settings.oauth_provider is None and is_open_to_all(settings):
        raise Unguarded(
            f"Anyone who reaches {settings.address}:{settings.port} could read the pages and run SQL. Set"
            " SKYLINE_PAGES_PASSWORD or SKYLINE_OAUTH_PROVIDER, or SKYLINE_OPEN_TO_ALL=true if that is meant."
        )
