"""What stands before every answer: who may ask, how often, how much they may send, and what browsers are told."""

import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable

from fastapi.security import HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import problem
from warehouse.addresses import client_address, counted_as
from warehouse.settings import Settings

LOGGER = logging.getLogger(__name__)
MOST_BYTES_SENT = 4 << 20
WRONG_TOKENS_PER_MINUTE = 10
AT_ONCE_PER_ADDRESS, AT_ONCE = 32, 96
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
_MINUTE_S = 60.0
_HEALTH = frozenset({"/healthz", "/readyz", "/metrics"})
BEARER = HTTPBearer(auto_error=False, description="The token set by the operator of this server.")
"""For the description only: who asks is known before a route, or the body of a request, is looked at."""


class _ClientGone(Exception):
    """The client left before it had sent everything."""


class _RequestsPerMinute:
    """At most so many questions of one address in any minute.

    `limits`, which counts what is rare, starts a thread for every hundredth of a second in which it is asked; that
    costs as much as an answer does.
    """

    def __init__(self, most: int) -> None:
        self._most, self._swept_at_s = most, 0.0
        self._request_times_s: dict[str, deque[float]] = {}

    def hit(self, address: str) -> bool:
        """Count a question, unless it is one too many; return whether it was counted."""
        now = time.monotonic()
        if now - self._swept_at_s > _MINUTE_S:
            self._swept_at_s = now
            self._request_times_s = {who: at for who, at in self._request_times_s.items() if now - at[-1] < _MINUTE_S}
        at = self._request_times_s.setdefault(address, deque(maxlen=self._most))
        if len(at) == self._most and now - at[0] < _MINUTE_S:
            return False
        at.append(now)  # where it is full, the oldest leaves
        return True


class Guard:
    """ASGI middleware: lets in who may, bounds what is asked and sent, and adds the headers that browsers heed."""

    def __init__(self, app: ASGIApp, settings: Settings, description: str, refused: Callable[[int], None]) -> None:
        """Stand before an application.

        Args:
            app: What answers.
            settings: The token, the proxies that are trusted, and how often an address may ask.
            description: Path of the interface's description, which needs no token.
            refused: Is told the status of every refusal.
        """
        self._app, self._settings, self._description, self._tell = app, settings, description, refused
        self._token = settings.api_token.get_secret_value().encode() if settings.api_token else None
        self._requests = _RequestsPerMinute(settings.api_requests_per_minute)
        self._wrong_tokens = MovingWindowRateLimiter(MemoryStorage())
        self._wrong_token_limit = RateLimitItemPerMinute(WRONG_TOKENS_PER_MINUTE, namespace="wrong")
        self._at_once: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        if scope["method"] == "HEAD":  # the server sends no body of what is answered to it
            scope = {**scope, "method": "GET"}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        # Health is asked by those who would end a server that does not answer.
        if scope["path"] in _HEALTH:
            await self._app(scope, receive, answer)
            return
        headers = Headers(scope=scope)
        peer = scope["client"][0] if scope.get("client") else "unknown"
        client = client_address(peer, ",".join(headers.getlist("x-forwarded-for")), self._settings.trusted_proxies)
        address = counted_as(client)
        if refusal := self._refusal(address, scope["path"], headers):
            await self._refuse(refusal, scope, receive, answer)
            return
        try:
            body = await _read(headers, receive)
        except _ClientGone:
            return
        if body is None:
            refusal = problem(413, f"At most {MOST_BYTES_SENT >> 20} MiB can be sent.")
            await self._refuse(refusal, scope, receive, answer)
            return
        if self._at_once[address] >= AT_ONCE_PER_ADDRESS or self._at_once.total() >= AT_ONCE:
            busy = problem(503, "The server is busy; try again.", {"Retry-After": "1"})
            await self._refuse(busy, scope, receive, answer)
            return
        scope["skyline.address"] = address

        async def again() -> Message:
            return body.pop(0) if body else await receive()

        self._at_once[address] += 1
        try:
            await self._app(scope, again, answer)
        finally:
            self._at_once[address] -= 1
            if not self._at_once[address]:
                del self._at_once[address]

    def _refusal(self, address: str, path: str, headers: Headers) -> Response | None:
        """Why an address is not answered, as the response; None where it is."""
        if not self._wrong_tokens.test(self._wrong_token_limit, address):
            many = f"{WRONG_TOKENS_PER_MINUTE} wrong tokens in a minute; try again later."
            return problem(429, many, {"Retry-After": "60"})
        if not self._requests.hit(address):
            often = f"At most {self._settings.api_requests_per_minute} requests a minute; try again later."
            return problem(429, often, {"Retry-After": "10"})
        if self._token is None or path == self._description:
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and secrets.compare_digest(token.strip().encode(), self._token):
            return None
        if token:
            self._wrong_tokens.hit(self._wrong_token_limit, address)
            LOGGER.warning("A wrong token from %s.", address)
        return problem(401, "A valid token is needed: `Authorization: Bearer …`.", {"WWW-Authenticate": "Bearer"})

    async def _refuse(self, refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
        self._tell(refusal.status_code)
        await refusal(scope, receive, send)


async def _read(headers: Headers, receive: Receive) -> list[Message] | None:
    """All that was sent, so that no route begins before the whole is known to be small enough; None where it is not.

    Raises:
        _ClientGone: the client left.
    """
    stated = headers.get("content-length", "0")
    if stated.isdigit() and int(stated) > MOST_BYTES_SENT:
        return None
    body: list[Message] = []
    received = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGone
        body.append(message)
        received += len(message.get("body", b""))
        if received > MOST_BYTES_SENT:
            return None
        if not message.get("more_body"):
            return body
