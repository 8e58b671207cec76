"""Places of the pages: who has one, who gives his up, and who is asked to come back."""

import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from panel.auth import BasicLoginHandler
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

from warehouse.addresses import client_address, counted_as, is_among, is_loopback

WRONG_PASSWORDS_PER_MINUTE = 10
# A browser opens its websocket within this time; whoever has not done so is no reader.
GRACE_S = 10.0
_CONNECTIONS_PER_ADDRESS = 256


@dataclass
class _Place:
    address: str
    context: Any
    taken_at: float = field(default_factory=time.monotonic)

    def is_unused(self, now: float, grace_s: float) -> bool:
        """Whether no browser is connected, and none will be."""
        session = self.context.session
        return now - self.taken_at > grace_s and (session is None or session.connection_count == 0)


class Places:
    """Sessions that are open: at most so many, and at most so many of one address."""

    def __init__(self, most: int, per_address: int, grace_s: float = GRACE_S) -> None:
        """Make places.

        Args:
            most: Sessions that may be open.
            per_address: Of one address.
            grace_s: How long a page may be without its browser.
        """
        self._most, self._per_address, self._grace_s = most, per_address, grace_s
        self._places: dict[str, _Place] = {}

    def __len__(self) -> int:
        return len(self._places)

    def take(self, name: str, address: str, context: Any) -> bool:
        """Take a place for a session, if need be that of one without a browser; return whether there was one.

        Args:
            name: Of the session.
            address: Whose it is, as limits count it.
            context: Bokeh's context of the session.
        """
        now = time.monotonic()
        own = [key for key, place in self._places.items() if place.address == address]
        full = own if len(own) >= self._per_address else []
        full = full or (list(self._places) if len(self._places) >= self._most else [])
        if full:
            unused = [key for key in full if self._places[key].is_unused(now, self._grace_s)]
            if not unused:
                return False
            oldest = self._places.pop(min(unused, key=lambda key: self._places[key].taken_at))
            if oldest.context.session is not None:
                oldest.context.session.request_expiration()
        self._places[name] = _Place(address, context, now)
        return True

    def sent(self, name: str) -> None:
        """Wait for the browser of a session from now on, since its page is made."""
        if place := self._places.get(name):
            place.taken_at = time.monotonic()

    def leave(self, name: str) -> None:
        """Free the place of a session, if it still has one."""
        self._places.pop(name, None)


def address_of(request: Any, proxies: Sequence[str]) -> str:
    """Whom limits count the sender of a request of tornado's as."""
    # Bokeh's own request has plain headers.
    listed = getattr(request.headers, "get_list", None)
    forwarded = ",".join(listed("X-Forwarded-For")) if listed else request.headers.get("X-Forwarded-For")
    return counted_as(client_address(str(getattr(request, "remote_ip", "unknown")), forwarded, proxies))


def has_left(request: Any) -> bool:
    """Whether the sender of a request closed its connection before it was answered, as a tab that is shut does.

    The kernel is asked: while pages are made, nobody else looks at connections.
    """
    stream = getattr(getattr(request, "connection", None), "stream", None)
    if stream is None or stream.closed() or isinstance(stream.socket, ssl.SSLSocket):
        return stream is not None and stream.closed()
    try:
        return not stream.socket.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True


def asker_of(document: Any, proxies: Sequence[str]) -> str:
    """Whom limits count the reader of a document as; nobody where no server has it."""
    context = getattr(document, "session_context", None)
    return address_of(context.request, proxies) if context is not None else ""


def root_of(document: Any, proxies: Sequence[str]) -> str:
    """Address of this server as the reader of a document has it, with its last slash; `/` where no server has it."""
    context = getattr(document, "session_context", None)
    return root_of_request(context.request, proxies) if context is not None else "/"


def root_of_request(request: Any, proxies: Sequence[str]) -> str:
    """Address of this server as the sender of a request has it; what a proxy says counts where it is trusted."""
    is_trusted = is_among(str(getattr(request, "remote_ip", "") or ""), proxies)
    scheme = request.headers.get("X-Forwarded-Proto", "") if is_trusted else ""
    host = request.headers.get("Host", "localhost")
    return f"{scheme if scheme in {'http', 'https'} else request.protocol}://{host}/"


class Login(BasicLoginHandler):
    """Panel's login, for those who have not just guessed wrongly many times."""

    _tries = MovingWindowRateLimiter(MemoryStorage())
    _most = RateLimitItemPerMinute(WRONG_PASSWORDS_PER_MINUTE, namespace="wrong passwords")

    def initialize(self, proxies: Sequence[str]) -> None:
        """Remember whose word counts about where a visitor comes from."""
        self._proxies = proxies

    def post(self) -> None:
        """Let in who knows the password; of ten wrong ones in a minute the address must wait."""
        address = address_of(self.request, self._proxies)
        if not self._tries.test(self._most, address):
            self.set_status(429)
            self.set_header("Retry-After", "60")
            self.write("Too many wrong passwords; come back in a minute.")
            return
        user, password = self.get_argument("username", ""), self.get_argument("password", "")
        if not self._validate(user, password):  # type: ignore[no-untyped-call]
            self._tries.hit(self._most, address)
        super().post()  # type: ignore[no-untyped-call]


def bound_connections(server: HTTPServer, proxies: Sequence[str]) -> None:
    """Close what one address opens beyond what browsers need; what idles is closed by its own timeout."""
    serve = server.handle_stream

    def handle_stream(stream: IOStream, address: tuple[Any, ...]) -> None:
        host = str(address[0]) if address else "unknown"
        counted = counted_as(host)
        is_bounded = not (is_loopback(host) or is_among(host, proxies))
        count = (
            sum(counted_as(str(connection.context.address[0])) == counted for connection in _open(server))
            if is_bounded
            else 0
        )
        if count >= _CONNECTIONS_PER_ADDRESS:
            stream.close()
            return
        serve(stream, address)

    server.handle_stream = handle_stream  # type: ignore[method-assign]


def _open(server: HTTPServer) -> list[Any]:
    return [connection for connection in server._connections if getattr(connection.context, "address", None)]
