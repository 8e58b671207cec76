"""Answers given before, per release: what a GET answers depends on nothing but the release and the address."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from warehouse.publish import NotPublished
from warehouse.reader import Reader

_MOST_BYTES = 64 << 20
_MOST_BYTES_OF_ONE = 2 << 20


@dataclass(frozen=True)
class _Answer:
    start: Message
    body: bytes
    route: Any


class Remembered:
    """ASGI middleware that gives an answer again as long as the release is the one it was made from."""

    def __init__(self, app: ASGIApp, reader: Reader, prefix: str) -> None:
        """Stand before an application.

        Args:
            app: What answers.
            reader: Whose release is asked.
            prefix: Of the addresses whose answers are remembered.
        """
        self._app, self._reader, self._prefix = app, reader, prefix
        self._release = ""
        self._answers: OrderedDict[tuple[str, bytes], _Answer] = OrderedDict()
        self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(self._prefix):
            await self._app(scope, receive, send)
            return
        try:
            release = self._reader.release().path.name
        except NotPublished:
            await self._app(scope, receive, send)
            return
        if release != self._release:
            self._release, self._bytes = release, 0
            self._answers.clear()
        key = (scope["path"], scope["query_string"])
        if stored_answer := self._answers.get(key):
            self._answers.move_to_end(key)
            scope["route"] = stored_answer.route  # by which it is counted
            await send({**stored_answer.start, "headers": list(stored_answer.start["headers"])})
            await send({"type": "http.response.body", "body": stored_answer.body})
            return
        start: Message = {}
        body = bytearray()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message, headers=list(message.get("headers", [])))
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
                # The release may have changed meanwhile.
                if not message.get("more_body") and start.get("status") == 200 and release == self._release:
                    self._keep(key, _Answer(start, bytes(body), scope.get("route")))
            await send(message)

        await self._app(scope, receive, answer)

    def _keep(self, key: tuple[str, bytes], answer: _Answer) -> None:
        if len(answer.body) > _MOST_BYTES_OF_ONE or key in self._answers:
            return
        self._answers[key] = answer
        self._bytes += len(answer.body)
        while self._bytes > _MOST_BYTES:
            _, oldest = self._answers.popitem(last=False)
            self._bytes -= len(oldest.body)
