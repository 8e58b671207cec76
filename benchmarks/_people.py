"""People who choose on pages at the same moment, each as a browser without a screen."""

import asyncio
import json
import re
import secrets
import statistics
import time
import urllib.request
from typing import Any

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

_ROUNDS = 12
_PATIENCE_S = 120
_QUIET_S = 2  # in which a page that was opened or changed comes to rest


class Person:
    """A browser without a screen: it pulls its page, chooses, and knows when new data for a chart has come."""

    def __init__(self, port: int, slug: str, title: str) -> None:
        """Choose in the field of that title, on the page of that address."""
        self._address, self._title = f"127.0.0.1:{port}/{slug}", title
        self._frames: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def enter(self) -> None:
        """Open the page as a browser does, and wait until nothing more comes."""
        html = await asyncio.to_thread(self._page)
        token = re.search(r'"token":"([^"]+)"', html)
        assert token is not None
        path = self._address.partition("?")[0]
        request = HTTPRequest(f"ws://{path}/ws", headers={"Origin": f"http://{self._address.partition('/')[0]}"})
        self._socket = await websocket_connect(
            request,
            subprotocols=["bokeh", token[1]],
            max_message_size=1 << 28,
            on_message_callback=self._frames.put_nowait,
        )
        await self._next('"ACK"')
        await self._send("PULL-DOC-REQ", {})
        frame = await self._next('"doc"')
        ready = {"type": "event", "name": "document_ready", "values": {"type": "map"}}
        await self._send(
            "PATCH-DOC", {"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": ready}]}
        )
        # A page sends its fields with its document or, where its first chart comes before them, after it.
        while (found := _select(json.loads(frame), self._title)) is None:
            frame = await self._next(json.dumps(self._title))
        self._id, options, value = found
        values = [option[0] if isinstance(option, list) else option for option in options]
        self._values = [value, next(option for option in values if option != value)]
        await asyncio.sleep(_QUIET_S)

    def _page(self) -> str:
        with urllib.request.urlopen(f"http://{self._address}", timeout=120) as answer:
            return str(answer.read().decode())

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        for frame in ({"msgid": secrets.token_hex(8), "msgtype": kind}, {}, content):
            await self._socket.write_message(json.dumps(frame))

    async def _next(self, text: str) -> str:
        """The next frame with that text."""
        async with asyncio.timeout(_PATIENCE_S):
            while (frame := await self._frames.get()) is not None:
                if isinstance(frame, str) and text in frame:
                    return frame
        reason = self._socket.close_reason or self._socket.close_code
        raise ConnectionError(f"{self._address} was closed by its server: {reason}")

    async def choose(self) -> float:
        """Milliseconds from a choice until new data for a chart is there."""
        self._values.reverse()
        while not self._frames.empty():
            self._frames.get_nowait()
        started = time.perf_counter()
        event = {"kind": "ModelChanged", "model": {"id": self._id}, "attr": "value", "new": self._values[0]}
        await self._send("PATCH-DOC", {"events": [event]})
        await self._next('"ColumnDataChanged"')
        return (time.perf_counter() - started) * 1000


def _select(node: Any, title: str) -> tuple[str, list[Any], str] | None:
    """The select of that title in a document: its id, options and value."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            attributes = node.get("attributes")
            if isinstance(attributes, dict) and attributes.get("title") == title and "options" in attributes:
                return node["id"], attributes["options"], attributes["value"]
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return None


async def choice_times(port: int, slug: str, title: str, people: int) -> tuple[float, float]:
    """Median milliseconds of one who chooses alone, and the 95th percentile of so many at once, in turns."""
    everybody = [Person(port, slug, title) for _ in range(people)]
    for visitor in everybody:
        await visitor.enter()
    alone: list[float] = []
    together: list[float] = []
    for _ in range(_ROUNDS):
        alone.append(await everybody[0].choose())
        await asyncio.sleep(1)
        together += await asyncio.gather(*(visitor.choose() for visitor in everybody))
        await asyncio.sleep(_QUIET_S)
    return statistics.median(alone), statistics.quantiles(together, n=20)[-1]
