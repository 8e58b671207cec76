"""How servers frame an answer: server-sent events, lines, Amazon's event stream, or one JSON document."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

Event = Mapping[str, Any]

_MOST_FRAME = 24 << 20
"""Bytes of the longest message that the event stream allows."""
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type; types 6 (bytes) and 7 (string) say their length."""


class Reply(Protocol):
    """What is read from a server."""

    def read(self, amount: int = -1, /) -> bytes:
        """So many bytes, or fewer at the end; all without an amount."""
        ...

    def readline(self) -> bytes:
        """A line with its end; nothing at the end."""
        ...


class TornFrame(ValueError):
    """A message that ends in its middle, or whose checksum is another."""


def events(reply: Reply) -> Iterator[Event]:
    """JSON objects of server-sent events, as far as `[DONE]`."""
    return _of_lines(iter(reply.readline, b""))


def document(reply: Reply) -> Iterator[Event]:
    """One JSON object that comes whole."""
    whole = json.loads(reply.read())
    if isinstance(whole, dict):
        yield whole


def aws_events(reply: Reply) -> Iterator[Event]:
    """JSON objects of Amazon's event stream, each under the name of its kind."""
    for kind, payload in _messages(reply):
        yield {kind: json.loads(payload or b"{}")}


def aws_lines(reply: Reply) -> Iterator[Event]:
    """JSON objects within the byte parts of Amazon's event stream: server-sent events, or a line each.

    A part need not end where a line ends.
    """

    def lines() -> Iterator[bytes]:
        rest = b""
        for kind, payload in _messages(reply):
            if kind != "PayloadPart":
                yield json.dumps({"error": f"{kind}: {payload.decode(errors='replace')}"}).encode()
                return
            *whole, rest = (rest + payload).split(b"\n")
            yield from whole
        yield rest

    return _of_lines(lines())


def _of_lines(lines: Iterator[bytes]) -> Iterator[Event]:
    for line in lines:
        text = line.decode("utf-8").strip()
        data = text[5:].strip() if text.startswith("data:") else text if text.startswith("{") else ""
        if data == "[DONE]":
            return
        if data:
            event = json.loads(data)
            if isinstance(event, dict):
                yield event


def _messages(reply: Reply) -> Iterator[tuple[str, bytes]]:
    """Kind and payload of each message of `application/vnd.amazon.eventstream`.

    A message is its length, that of its headers and a CRC-32 of both, the headers, the payload, and a CRC-32 of all
    before (https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html).

    Raises:
        TornFrame: The stream ends within a message, or bytes were lost.
    """
    while prelude := reply.read(12):
        if len(prelude) < 12:
            raise TornFrame("the event stream ends in the middle of a message")
        length, header_length, checksum = struct.unpack("!III", prelude)
        if zlib.crc32(prelude[:8]) != checksum or not header_length + 16 <= length <= _MOST_FRAME:
            raise TornFrame("the event stream holds bytes that are no message")
        rest = reply.read(length - 12)
        if len(rest) < length - 12:
            raise TornFrame("the event stream ends in the middle of a message")
        if zlib.crc32(prelude + rest[:-4]) != int.from_bytes(rest[-4:], "big"):
            raise TornFrame("a message of the event stream has another checksum than it says")
        headers = _headers(rest[:header_length])
        kind = headers.get(":event-type") or headers.get(":exception-type") or headers.get(":error-code") or "unknown"
        yield kind, rest[header_length:-4] or headers.get(":error-message", "").encode()


def _headers(data: bytes) -> dict[str, str]:
    """Those headers of a message that are strings."""
    headers, at = {}, 0
    try:
        while at < len(data):
            name = data[at + 1 : at + 1 + data[at]].decode()
            at += 1 + data[at]
            kind = data[at]
            at += 1
            if kind in _SIZES:
                at += _SIZES[kind]
                continue
            size = int.from_bytes(data[at : at + 2], "big")
            if kind == 7:
                headers[name] = data[at + 2 : at + 2 + size].decode()
            at += 2 + size
    except IndexError as error:
        raise TornFrame("a message of the event stream has headers that end in their middle") from error
    return headers
