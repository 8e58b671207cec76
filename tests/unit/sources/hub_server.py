"""A real HTTP server on this machine that answers like the dataset hub, and misbehaves when told to."""

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class HubServer:
    """What is served under which path, and what was asked for.

    Attributes:
        address: Where it listens.
        answers: Path with query → answers in turn; the last one stays.
        asked: Path and `Range` header of every request so far.
        patience: Set when the server ends, so that answers that never come end too.
    """

    address: str = ""
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    patience: threading.Event = field(default_factory=threading.Event)

    def serve(self, path: str, *answers: Answer) -> None:
        """Answer requests of the path with these in turn; the last one stays."""
        self.answers[path] = list(answers)

    def silence(self, handler: BaseHTTPRequestHandler) -> None:
        """Take the request and say nothing until the client has given up."""
        self.patience.wait(10)
        handler.close_connection = True


def whole(payload: bytes, **headers: str) -> Answer:
    """All bytes, or those from the start of the range that was asked for."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        start = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
        handler.send_response(206 if start else 200)
        for name, value in {"Content-Length": str(len(payload) - start), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(payload[start:])

    return answer


def cut_after(payload: bytes, sent: int) -> Answer:
    """Promise all bytes, send some, hang up."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        handler.wfile.write(payload[:sent])
        handler.wfile.flush()
        handler.close_connection = True

    return answer


def ignoring_range(payload: bytes) -> Answer:
    """All bytes from the start, whatever part was asked for, as some mirrors do."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        del handler.headers["Range"]
        whole(payload)(handler)

    return answer


def compressing(payload: bytes) -> Answer:
    """Compressed bytes for whoever says it takes them, as the hub's caches do with JSON."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if "gzip" in (handler.headers.get("Accept-Encoding") or ""):
            whole(gzip.compress(payload), Content_Encoding="gzip")(handler)
        else:
            whole(payload)(handler)

    return answer


def status(code: int, **headers: str) -> Answer:
    """An error without a body."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()

    return answer


def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that the machine may have must not come between."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@contextmanager
def hub_server() -> Iterator[HubServer]:
    hub = HubServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            hub.asked.append((self.path, self.headers.get("Range")))
            turns = hub.answers.get(self.path, [status(404)])
            (turns.pop(0) if len(turns) > 1 else turns[0])(self)

        def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - the library's name
            """Keep the terminal quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.patience.set()
            server.shutdown()
            thread.join()
