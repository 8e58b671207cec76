"""Connections of the HTTP interface: none is kept that asks nothing, and no address holds all places.

A proxy in front does more of this, see `deploy/nginx.conf`; this holds where there is none.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from warehouse.addresses import counted_as, is_among

PATIENCE_S = 10.0
"""A whole request must have come so long after the connection was made or the answer before was sent."""
_READING_S = 60.0
"""So long may a client take nothing of its answer."""
_CHECK_S = 1.0
_MOST_HEAD_BYTES = 64 << 10


class Places:
    """Who is connected, and who gives way."""

    def __init__(self, proxies: Sequence[str] = (), per_address: int = 48, in_all: int = 256) -> None:
        """Make places.

        Args:
            proxies: Addresses through which many clients come.
            per_address: Connections of one address.
            in_all: Connections of all.
        """
        self._proxies, self._per_address, self._in_all = tuple(proxies), per_address, in_all
        self._by_address: defaultdict[str, set[Connection]] = defaultdict(set)
        self._timer: asyncio.TimerHandle | None = None

    def admit(self, connection: "Connection") -> bool:
        """Give a connection a place; where there is none, that one gives way that has waited longest for a request."""
        same_address = self._by_address[connection.address]
        is_proxy = is_among(connection.client[0] if connection.client else "", self._proxies)
        everybody = set().union(*self._by_address.values())
        full = same_address if len(same_address) >= self._per_address and not is_proxy else set()
        full = full or (everybody if len(everybody) >= self._in_all else set())
        if full:
            idle = [connection for connection in full if not connection.is_answering()]
            if not idle:
                return False
            min(idle, key=lambda connection: connection.waits_since).end()
        self._by_address[connection.address].add(connection)
        self._schedule_check(connection.loop)
        return True

    def leave(self, connection: "Connection") -> None:
        """Free its place."""
        same_address = self._by_address.get(connection.address, set())
        same_address.discard(connection)
        if not same_address:
            self._by_address.pop(connection.address, None)

    def _schedule_check(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None:
            self._timer = loop.call_later(_CHECK_S, self._end_overdue, loop)

    def _end_overdue(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        now = loop.time()
        for connection in [connection for same_address in self._by_address.values() for connection in same_address]:
            if connection.is_overdue(now):
                connection.end()
        if self._by_address:
            self._schedule_check(loop)


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with an end to its patience."""

    places: Places
    address: str = ""
    waits_since: float = 0.0
    _stuck_since: float | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a place, or leave."""
        super().connection_made(transport)
        self.address = counted_as(self.client[0] if self.client else "unknown")
        self.waits_since = self.loop.time()
        if not self.places.admit(self):
            self.end()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the place."""
        self.places.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse it, unless it is more than the head of a request may be."""
        before = self.cycle
        self._head_bytes += len(data)
        super().data_received(data)
        if self.cycle is not before or (self.cycle is not None and not self.cycle.response_complete):
            self._head_bytes = 0
        elif self._head_bytes > _MOST_HEAD_BYTES:
            self.end()

    def on_response_complete(self) -> None:
        """Wait for the next request from now on."""
        self.waits_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Note since when the client takes nothing."""
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It takes again."""
        self._stuck_since = None
        super().resume_writing()

    def is_answering(self) -> bool:
        """Whether a whole request is here and its answer is not yet sent."""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def is_overdue(self, now: float) -> bool:
        """Whether it keeps a place for nothing."""
        if self.is_answering():
            return self._stuck_since is not None and now - self._stuck_since > _READING_S
        return now - self.waits_since > PATIENCE_S

    def end(self) -> None:
        """Close it; what was not taken is not waited for."""
        self.places.leave(self)
        with contextlib.suppress(RuntimeError):
            self.transport.abort()


def connections(places: Places) -> type[Any]:
    """The class of connections that share those places, as uvicorn takes it."""
    return type("Connection", (Connection,), {"places": places})
