"""How the pages are served: who may in, what browsers are told, what one session may cost, and whether all is well."""

import ipaddress
import logging
import secrets
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.web import OutputTransform, RequestHandler

from dashboards.data import Data
from warehouse.publish import NotPublished
from warehouse.settings import Settings

LOGGER = logging.getLogger(__name__)

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


class Headers(OutputTransform):
    """Adds to every answer what browsers heed."""

    def __init__(self, request: HTTPServerRequest) -> None:
        """As tornado makes it, for one request."""

    def transform_first_chunk(
        self,
        status_code: int,
        headers: HTTPHeaders,
        chunk: bytes,
        finishing: bool,  # noqa: ARG002 - tornado's own form
    ) -> tuple[int, HTTPHeaders, bytes]:
        """The answer with our headers; what a handler has set itself stays."""
        for name, value in HEADERS.items():
            if name not in headers:
                headers[name] = value
        return status_code, headers, chunk


class Alive(RequestHandler):
    """Whether the server answers at all; without authentication, for those who run it."""

    def get(self) -> None:
        """Say so."""
        self.write({"status": "alive"})


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


class Metrics:
    """How many sessions are open, how many were opened, and how long their pages took to make."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.open = 0
        self._opened = Counter("skyline_pages_sessions_total", "Sessions opened.", ["page"], registry=self.registry)
        self._seconds = Histogram("skyline_pages_build_seconds", "Time to make a page.", registry=self.registry)
        live = Gauge("skyline_pages_open", "Sessions open now.", registry=self.registry)
        live.set_function(lambda: self.open)

    def began(self, page: str, seconds: float) -> None:
        """Count a session whose page took so long to make."""
        self.open += 1
        self._opened.labels(page).inc()
        self._seconds.observe(seconds)
        LOGGER.info("page opened", extra={"page": page, "seconds": round(seconds, 3), "sessions": self.open})

    def ended(self) -> None:
        """Count a session as gone."""
        self.open -= 1


class Told(RequestHandler):
    """The metrics, as Prometheus reads them."""

    def initialize(self, metrics: Metrics) -> None:
        """Remember what to tell."""
        self._metrics = metrics

    def get(self) -> None:
        """Tell it."""
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(generate_latest(self._metrics.registry))


def options(settings: Settings, data: Data, metrics: Metrics) -> dict[str, Any]:
    """What `panel.serve` is given for it."""
    guarded: dict[str, Any] = {}
    if settings.oauth_provider is not None:
        guarded = {
            "oauth_provider": settings.oauth_provider,
            "oauth_key": settings.oauth_key,
            "oauth_secret": settings.oauth_secret.get_secret_value() if settings.oauth_secret else None,
            "oauth_redirect_uri": settings.oauth_redirect_uri,
        }
    elif settings.pages_password is not None:
        guarded = {"basic_auth": settings.pages_password.get_secret_value()}
    if guarded:
        chosen = settings.cookie_secret.get_secret_value() if settings.cookie_secret else secrets.token_urlsafe(32)
        guarded["cookie_secret"] = chosen
    return {
        **guarded,
        "websocket_origin": origins(settings),
        "websocket_max_message_size": settings.websocket_mib << 20,
        "session_token_expiration": settings.session_token_s,
        "unused_session_lifetime_milliseconds": settings.unused_session_s * 1000,
        "check_unused_sessions_milliseconds": min(17_000, settings.unused_session_s * 1000),
        "extra_patterns": [
            ("/healthz", Alive),
            ("/readyz", Ready, {"data": data}),
            ("/metrics", Told, {"metrics": metrics}),
        ],
    }


def origins(settings: Settings) -> list[str]:
    """Hosts whose pages may open a websocket here."""
    if settings.origins:
        return list(settings.origins)
    if settings.address in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        # Whoever listens everywhere is reached under names that we cannot know; the pages only read.
        return ["*"]
    return [f"{settings.address}:{settings.port}", f"localhost:{settings.port}"]


def warning(settings: Settings) -> str | None:
    """What to say to somebody who lets everybody in, if they do."""
    if settings.pages_password is not None or settings.oauth_provider is not None or is_loopback(settings.address):
        return None
    return (
        f"WARNING: everybody who reaches {settings.address}:{settings.port} may read the pages and ask SQL."
        " Set SKYLINE_PAGES_PASSWORD or SKYLINE_OAUTH_PROVIDER, and SKYLINE_ORIGINS."
    )


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
