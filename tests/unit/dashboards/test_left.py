"""Whether a browser still waits for the page that it asked for: nobody waits behind pages that none will see."""

import socket
import struct
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from dashboards.places import has_left


def shut(browser: socket.socket) -> None:
    browser.close()


def reset(browser: socket.socket) -> None:
    browser.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    browser.close()


@pytest.mark.parametrize(
    ("act", "left"),
    [(lambda _: None, False), (lambda browser: browser.send(b"GET /next"), False), (shut, True), (reset, True)],
    ids=["waits", "asks for more", "shut", "reset"],
)
def test_a_tab_that_was_shut_is_known_by_its_connection(act: Callable[[socket.socket], object], left: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as browser:
        ours, _ = server.accept()
        with ours:
            ours.setblocking(False)
            stream = SimpleNamespace(socket=ours, closed=lambda: False)
            act(browser)
            assert has_left(SimpleNamespace(connection=SimpleNamespace(stream=stream))) is left
            stream.closed = lambda: True
            assert has_left(SimpleNamespace(connection=SimpleNamespace(stream=stream)))
    assert not has_left(SimpleNamespace())
