"""Websockets of the pages: what one address may send through all of its own, and all together, so that memory lasts.

A message of Bokeh's has parts without number, each as large as a message may be, and what it says stays in the page.
"""

import functools
import logging
import time
import weakref
from collections.abc import MutableMapping, Sequence
from typing import Any

from bokeh.server import urls
from panel.io.server import WSHandler

from dashboards.places import address_of
from dashboards.room import Room, Share, held_bytes
from warehouse.addresses import is_loopback

LOGGER = logging.getLogger(__name__)
MOST_BYTES = 64 << 20
"""An hour of turning and dragging sends a few of these; what a visitor brings comes over HTTP."""
REFILLED_IN_S = 600.0
_BEYOND = 1008  # the code of websockets for what a server will not take
_LATER = 1013  # and for what it will take later


class Allowance:
    """What addresses may send: so much at once, and as much again in the time named."""

    def __init__(self, most_bytes: int = MOST_BYTES, refilled_in_s: float = REFILLED_IN_S) -> None:
        """Begin with all of it, for everybody."""
        self._most, self._per_s = most_bytes, most_bytes / refilled_in_s
        self._refilled_in_s, self._swept_at_s = refilled_in_s, time.monotonic()
        self._left: dict[str, tuple[float, float]] = {}

    def spend(self, address: str, size: int) -> bool:
        """Take so many bytes off what an address may send; return whether it had as many."""
        now = time.monotonic()
        if now - self._swept_at_s > self._refilled_in_s:
            self._swept_at_s = now
            self._left = {who: had for who, had in self._left.items() if now - had[1] < self._refilled_in_s}
        left, at = self._left.get(address, (float(self._most), now))
        left = min(left + (now - at) * self._per_s, self._most) - size
        self._left[address] = max(left, 0.0), now
        return left >= 0


class Socket(WSHandler):
    """Panel's websocket, for as long as its address sends no more than it may, and all together no more than fits."""

    allowance: Allowance
    room: Room
    sent: MutableMapping[Any, Share]
    proxies: Sequence[str] = ()
    _coming: Share | None = None

    def open(self, *arguments: Any, **named: Any) -> Any:
        """Open with room for the message that is coming, whose bytes nobody else counts before it is whole."""
        self._coming = self.room.share(address_of(self.request, self.proxies), functools.partial(_close, self))
        if self._coming.take(self.max_message_size):
            return super().open(*arguments, **named)  # type: ignore[no-untyped-call]
        return None

    async def on_message(self, fragment: str | bytes) -> None:
        """Take a part of a message, or close."""
        address = address_of(self.request, self.proxies)
        if not is_loopback(address) and not self.allowance.spend(address, len(fragment)):
            self.close(_BEYOND, "This address has sent too much; come back in some minutes.")
            return
        if self.connection is not None:
            share = self._sent(self.connection.session, address)
            if not share.take(held_bytes(fragment)):
                return
        await super().on_message(fragment)

    def _sent(self, session: Any, address: str) -> Share:
        """What was sent to a page; it may stay in it, so that it is counted until its session has ended."""
        if (share := self.sent.get(session)) is None:
            share = self.sent[session] = self.room.share(address, functools.partial(_end, weakref.ref(session)))
            session.document.on_session_destroyed(lambda session_context: share.free())  # noqa: ARG005 - Bokeh's own name
        return share

    def on_close(self) -> None:
        """Give back the room for the message that will not come."""
        if self._coming is not None:
            self._coming.free()
        super().on_close()


def _end(session: "weakref.ref[Any]") -> None:
    if (open_session := session()) is not None:
        open_session.request_expiration()
        for connection in list(open_session._subscribed_connections):
            _close(connection._socket)


def _close(socket: Socket) -> None:
    LOGGER.warning("closed a page of %s: all pages together were sent more than fits", socket.request.remote_ip)
    socket.close(_LATER, "All pages together were sent more than this server can hold, and this one most.")


def bound_sockets(allowance: Allowance, room: Room, proxies: Sequence[str]) -> None:
    """Have the servers that are made from now on answer websockets so; as Panel does, in Bokeh's list of addresses."""
    chosen = {"allowance": allowance, "room": room, "sent": weakref.WeakKeyDictionary(), "proxies": tuple(proxies)}
    bounded: Any = type("Socket", (Socket,), chosen)
    urls.per_app_patterns[:] = [
        (route, bounded if issubclass(handler, WSHandler) else handler)
        for route, handler in ((pattern[0], pattern[1]) for pattern in urls.per_app_patterns)
    ]
