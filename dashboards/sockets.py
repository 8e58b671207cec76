"""Websockets of the pages: what one address may send through all of its own, so that nobody fills our memory.

A message of Bokeh's has parts without number, each as large as a message may be, and what it says stays in the page.
"""

import time
from collections.abc import Sequence
from typing import Any

from bokeh.server import urls
from panel.io.server import WSHandler

from dashboards.places import address_of
from warehouse.addresses import is_loopback

MOST_BYTES = 64 << 20
"""An hour of turning and dragging sends a few of these; what a visitor brings comes over HTTP."""
REFILLED_IN_S = 600.0
_BEYOND = 1008  # the code of websockets for what a server will not take


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
    """Panel's websocket, for as long as its address sends no more than it may."""

    allowance: Allowance
    proxies: Sequence[str] = ()

    async def on_message(self, fragment: str | bytes) -> None:
        """Take a part of a message, or close."""
        address = address_of(self.request, self.proxies)
        if not is_loopback(address) and not self.allowance.spend(address, len(fragment)):
            self.close(_BEYOND, "This address has sent too much; come back in some minutes.")
            return
        await super().on_message(fragment)


def bound_sockets(allowance: Allowance, proxies: Sequence[str]) -> None:
    """Have the servers that are made from now on answer websockets so; as Panel does, in Bokeh's list of addresses."""
    bounded: Any = type("Socket", (Socket,), {"allowance": allowance, "proxies": tuple(proxies)})
    urls.per_app_patterns[:] = [
        (route, bounded if issubclass(handler, WSHandler) else handler)
        for route, handler in ((pattern[0], pattern[1]) for pattern in urls.per_app_patterns)
    ]
