"""What stands before every answer: who may ask, how often, how much they may send, and what browsers are told."""

import secrets
from collections.abc import Awaitable, Callable

from fastapi import Request
from fastapi.security import HTTPBearer
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import Refusal, problem
from warehouse.settings import Settings

MOST_BYTES_SENT = 4 << 20
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
BEARER = HTTPBearer(auto_error=False, description="The token that the one who serves this has set.")


def limiter(settings: Settings) -> Callable[[Request], Awaitable[None]]:
    """A dependency that refuses an address which asks too often."""
    asked, window = MovingWindowRateLimiter(MemoryStorage()), RateLimitItemPerMinute(settings.api_requests_per_minute)

    async def not_too_often(request: Request) -> None:
        address = request.client.host if request.client else "unknown"
        if not asked.hit(window, address):
            often = f"At most {settings.api_requests_per_minute} requests a minute; try again later."
            raise Refusal(429, often, {"Retry-After": "10"})

    return not_too_often


def token_holder(settings: Settings) -> Callable[[Request], Awaitable[None]]:
    """A dependency that asks for the token."""

    async def holds_token(request: Request) -> None:
        said = await BEARER(request)
        expected = settings.api_token.get_secret_value().encode() if settings.api_token else b""
        if said is None or not secrets.compare_digest(said.credentials.encode(), expected):
            raise Refusal(401, "A valid token is needed: `Authorization: Bearer …`.", {"WWW-Authenticate": "Bearer"})

    return holds_token


class Guard:
    """ASGI middleware: bounds what is sent, and adds the headers that browsers heed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0
        body: list[Message] = []
        # Read here, so that no route begins before the whole is known to be small enough.
        while True:
            message = await receive()
            body.append(message)
            received += len(message.get("body", b""))
            if received > MOST_BYTES_SENT:
                await problem(413, f"At most {MOST_BYTES_SENT >> 20} MiB can be sent.")(scope, receive, send)
                return
            if not message.get("more_body"):
                break

        async def again() -> Message:
            return body.pop(0) if body else await receive()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_HEADERS]
            await send(message)

        await self._app(scope, again, answer)
