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
_QUIET_S = 2  # in which a page that was opened or changed comes to rest


class Person:
    """A browser without a screen: it pulls its page, chooses, and knows when new data for a chart has come."""

    def __init__(self, port: int, slug: str, title: str) -> None:
        """Choose in the field of that title, on the page of that address."""
        self._address, self._title = f"127.0.0.1:{port}/{slug}", title
        self._wanted = ""
        self._waiting: asyncio.Future[str] | None = None

    async def enter(self) -> None:
        """Open the page as a browser does, and wait until nothing more comes."""
        html = await asyncio.to_thread(self._page)
        token = re.search(r'"token":"([^"]+)"', html)
        assert token is not None
        path = self._address.partition("?")[0]
        request = HTTPRequest(f"ws://{path}/ws", headers={"Origin": f"http://{self._address.partition('/')[0]}"})
        accepted = self._heard('"ACK"')
        self._socket = await websocket_connect(
            request, subprotocols=["bokeh", token[1]], max_message_size=1 << 28, on_message_callback=self._take
        )
        await accepted
        await self._send("PULL-DOC-REQ", {})
        while (found := _select(json.loads(await self._heard('"doc"'))["doc"], self._title)) is None:
            pass
        self._id, options, value = found
        values = [one[0] if isinstance(one, list) else one for one in options]
        self._values = [value, next(one for one in values if one != value)]
        ready = {"type": "event", "name": "document_ready", "values": {"type": "map"}}
        await self._send(
            "PATCH-DOC", {"events": [{"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": ready}]}
        )
        await asyncio.sleep(_QUIET_S)

    def _page(self) -> str:
        with urllib.request.urlopen(f"http://{self._address}", timeout=120) as answer:
            return str(answer.read().decode())

    async def _send(self, kind: str, content: dict[str, Any]) -> None:
        for frame in ({"msgid": secrets.token_hex(8), "msgtype": kind}, {}, content):
            await self._socket.write_message(json.dumps(frame))

    def _take(self, frame: str | bytes | None) -> None:
        if self._waiting is None or self._waiting.done():
            return
        if frame is None:
            reason = self._socket.close_reason or self._socket.close_code
            self._waiting.set_exception(ConnectionError(f"{self._address} was closed by its server: {reason}"))
        elif isinstance(frame, str) and self._wanted in frame:
            self._waiting.set_result(frame)

    def _heard(self, text: str) -> asyncio.Future[str]:
        self._wanted, self._waiting = text, asyncio.get_running_loop().create_future()
        return self._waiting

    async def choose(self) -> float:
        """Milliseconds from a choice until new data for a chart is there."""
        self._values.reverse()
        started = time.perf_counter()
        event = {"kind": "ModelChanged", "model": {"id": self._id}, "attr": "value", "new": self._values[0]}
        changed = self._heard('"ColumnDataChanged"')
        await self._send("PATCH-DOC", {"events": [event]})
        await changed
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


async def choosing(port: int, slug: str, title: str, people: int) -> tuple[float, float]:
    """Median milliseconds of one who chooses alone, and the 95th percentile of so many at once, in turns."""
    everybody = [Person(port, slug, title) for _ in range(people)]
    for one in everybody:
        await one.enter()
    alone: list[float] = []
    together: list[float] = []
    for _ in range(_ROUNDS):
        alone.append(await everybody[0].choose())
        await asyncio.sleep(1)
        together += await asyncio.gather(*(one.choose() for one in everybody))
        await asyncio.sleep(_QUIET_S)
    return statistics.median(alone), statistics.quantiles(together, n=20)[-1]
