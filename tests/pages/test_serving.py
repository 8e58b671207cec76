"""Who may in, what browsers are told, and whether all is well: asked over HTTP, without a browser."""

import asyncio
import functools
import json
import logging
import re
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from tornado.httpclient import HTTPRequest
from tornado.ioloop import IOLoop
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from dashboards.places import WRONG_PASSWORDS_PER_MINUTE, Places
from dashboards.room import Room, held_bytes, room_for
from dashboards.serving import origins, require_guarded
from dashboards.sockets import MOST_BYTES, Allowance
from warehouse.guarded import Unguarded
from warehouse.logs import MOST_CHARACTERS, Brief
from warehouse.settings import Settings

from .served_pages import PATIENCE_S, Served, resident_kib, serve

_TELLS_MEMORY = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only /proc tells what a process holds"
)
PASSWORD = "open sesame"  # noqa: S105 - of this test
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol": "bokeh, token",
}  # fmt: skip


@pytest.fixture(scope="module")
def guarded(bundled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Pages behind a password."""
    yield from serve(bundled_home, tmp_path_factory.mktemp("guarded"), SKYLINE_PAGES_PASSWORD=PASSWORD)


def test_only_who_knows_the_password_sees_a_page(guarded: Served) -> None:
    with httpx.Client(base_url=guarded.url, trust_env=False, timeout=PATIENCE_S) as stranger:
        asked = stranger.get("leaderboard")
        assert (asked.status_code, "/login" in asked.headers["location"]) == (302, True)
        stranger.post("login", data={"username": "x", "password": "wrong"})
        assert stranger.get("leaderboard").status_code == 302
        assert stranger.get("ws", headers=UPGRADE | {"Origin": guarded.url.rstrip("/")}).status_code != 101
    with httpx.Client(base_url=guarded.url, trust_env=False, timeout=PATIENCE_S) as known:
        known.post("login", data={"username": "x", "password": PASSWORD})
        shown = known.get("leaderboard")
        assert (shown.status_code, "Skyline" in shown.text) == (200, True)


def test_every_answer_carries_what_browsers_heed_and_health_needs_no_password(guarded: Served) -> None:
    for path in ("healthz", "readyz", "leaderboard", "nothing", "login"):
        answer = httpx.get(guarded.url + path, trust_env=False, timeout=PATIENCE_S)
        policy = answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy, path
        assert "http" not in policy, path  # no other host
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "same-origin", path
    assert httpx.get(guarded.url + "healthz", trust_env=False, timeout=PATIENCE_S).json() == {"status": "alive"}
    for path in ("healthz", "readyz", "metrics"):
        assert httpx.head(guarded.url + path, trust_env=False, timeout=PATIENCE_S).status_code == 200
    assert (
        httpx.get(guarded.url + "readyz", trust_env=False, timeout=PATIENCE_S).json()["release"].startswith("skyline-")
    )


def test_an_address_that_leads_nowhere_is_answered_in_the_look_of_the_pages(guarded: Served) -> None:
    for path, root in (("nothing", "./"), ("nothing/at/all", "../../"), ("static/%00", "../"), ("assets/%00", "../")):
        answer = httpx.get(guarded.url + path, trust_env=False, timeout=PATIENCE_S)
        assert (answer.status_code, "There is no such page" in answer.text) == (404, True)
        assert f'href="{root}assets/skyline.css"' in answer.text
        assert "/dashboards" not in answer.text
        assert int(answer.headers["content-length"]) == len(answer.content)


def test_a_slash_too_many_or_too_few_leads_to_the_page_that_is_meant(served: Served) -> None:
    meant = {"docs": "docs/", "docs/": "docs/", "advisor/": "advisor", "choices/?devices=2": "choices?devices=2"}
    for path, address in meant.items():
        answer = httpx.get(served.url + path, trust_env=False, follow_redirects=True, timeout=PATIENCE_S)
        assert (answer.status_code, str(answer.url)) == (200, f"{served.url}{address}")


def test_who_comes_when_all_places_are_taken_is_asked_to_come_back_and_metrics_and_logs_count_both(
    bundled_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    small = serve(bundled_home, tmp_path_factory.mktemp("small"), SKYLINE_MOST_SESSIONS="1", SKYLINE_LOG_FORMAT="json")
    served = next(small)
    try:
        for _ in range(2):
            assert httpx.get(served.url + "sql", trust_env=False, timeout=PATIENCE_S).status_code == 200
        told = httpx.get(served.url + "metrics", trust_env=False, timeout=PATIENCE_S).text
        assert "skyline_pages_open 1.0" in told
        assert all(f'skyline_pages_sessions_total{{page="{page}"}} 1.0' in told for page in ("sql", "full"))
        lines = [json.loads(line) for line in served.log.read_text("utf-8").splitlines() if line.startswith("{")]
        assert [line["page"] for line in lines if line["message"] == "page opened"] == ["sql", "full"]
    finally:
        small.close()


async def _open_page(url: str, visitor: str) -> WebSocketClientConnection:
    """The websocket of a page that a visitor opened, once he is greeted."""
    said = {"X-Forwarded-For": visitor}
    with httpx.Client(trust_env=False, timeout=PATIENCE_S, headers=said) as browser:
        token = re.search(r'"token":"([^"]+)"', browser.get(f"{url}sql").text)
    assert token is not None
    address = HTTPRequest(f"{url.replace('http', 'ws')}sql/ws", headers=said)
    greeted = asyncio.Event()
    # What is not read would keep the end of the connection from being seen.
    connection = await websocket_connect(
        address, subprotocols=["bokeh", token[1]], on_message_callback=lambda _: greeted.set()
    )
    await greeted.wait()
    return connection


async def _send(connection: WebSocketClientConnection, most_bytes: int) -> int:
    """Send one message of which every part is small; return the bytes that were taken until the end, or the close."""
    sent = 0
    try:
        for part in ('{"msgid": "1", "msgtype": "PATCH-DOC", "num_buffers": 1000000}', "{}", '{"events": []}'):
            await connection.write_message(part)
        while sent < most_bytes:
            await connection.write_message('{"id": "x"}')
            await connection.write_message(b"x" * 900_000, binary=True)
            sent += 900_000
    except (WebSocketClosedError, OSError):
        pass
    return sent


async def _send_without_end(url: str, visitor: str) -> int:
    """Bytes that a visitor gets rid of until he is closed."""
    connection = await _open_page(url, visitor)
    sent = await _send(connection, 4 * MOST_BYTES)
    connection.close()
    return sent


@pytest.mark.slow
@_TELLS_MEMORY
def test_who_sends_without_end_is_closed_before_memory_or_log_is_full_and_others_are_answered(
    bundled_home: Path, tmp_path: Path
) -> None:
    pages = serve(bundled_home, tmp_path, SKYLINE_TRUSTED_PROXIES="127.0.0.0/8")
    served = next(pages)
    try:
        httpx.get(served.url + "sql", trust_env=False, timeout=PATIENCE_S)
        before = resident_kib(served.process)
        sent = IOLoop.current().run_sync(functools.partial(_send_without_end, served.url, "10.0.0.9"))
        assert MOST_BYTES < sent < 2 * MOST_BYTES
        # His second page sends nothing more; somebody else's does.
        again = IOLoop.current().run_sync(functools.partial(_send_without_end, served.url, "10.0.0.9"))
        assert again < MOST_BYTES / 2
        grown = resident_kib(served.process) - before
        assert grown < 4 * MOST_BYTES >> 10
        assert httpx.get(served.url + "healthz", trust_env=False, timeout=PATIENCE_S).status_code == 200
        assert served.log.stat().st_size < 1 << 20
        print(f"{sent >> 20} and {again >> 20} MiB sent, memory grew by {grown >> 10} MiB")
    finally:
        pages.close()


async def _bring_half(url: str, visitors: Sequence[str], most_bytes: int) -> list[asyncio.StreamWriter]:
    """Files of as many bytes as one may have, of which the last never comes."""
    host, _, port = url.removeprefix("http://").strip("/").partition(":")
    connections = []
    for visitor in visitors:
        _, writer = await asyncio.open_connection(host, int(port))
        headers = {"Host": host, "X-Skyline": "yes", "X-Forwarded-For": visitor, "Content-Length": most_bytes}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST /own/file?name=votes.csv HTTP/1.1\r\n{head}\r\n".encode())
        writer.write(bytes(most_bytes - 1))
        await writer.drain()
        connections.append(writer)
    return connections


@pytest.mark.slow
@_TELLS_MEMORY
def test_many_addresses_together_fill_no_memory_and_whoever_sends_little_stays(
    bundled_home: Path, tmp_path: Path
) -> None:
    chosen = {"SKYLINE_TRUSTED_PROXIES": "127.0.0.0/8", "SKYLINE_MOST_SESSIONS": "40", "SKYLINE_OWN_FILE_MIB": "16"}
    pages = serve(bundled_home, tmp_path, **chosen)
    served = next(pages)
    most = room_for(Settings.model_validate({"most_sessions": 40})).most_bytes
    try:
        httpx.get(served.url + "sql", trust_env=False, timeout=PATIENCE_S)
        before = resident_kib(served.process)

        async def attack() -> tuple[int, int, bool]:
            reader = await _open_page(served.url, "10.1.0.1")
            held: list[Any] = await _bring_half(served.url, [f"10.2.0.{n}" for n in range(24)], 16 << 20)
            sent = len(held) * 16 << 20
            for n in range(8):
                held.append(await _open_page(served.url, f"10.3.0.{n}"))
                sent += await _send(held[-1], MOST_BYTES - (2 << 20))
            grown = resident_kib(served.process) - before
            is_open = reader.close_code is None
            for socket in (reader, *held):
                socket.close()
            return sent, grown << 10, is_open

        sent, grown, is_open = IOLoop.current().run_sync(attack)
        print(
            f"{sent >> 20} MiB sent by 32 addresses, of {most >> 20} that have room; memory grew by {grown >> 20} MiB"
        )
        assert is_open
        assert sent > 2 * most
        assert grown < 1.5 * most
        assert "all pages together were sent more than fits" in served.log.read_text("utf-8")
        file = {"headers": {"X-Skyline": "yes", "X-Forwarded-For": "10.4.0.1"}, "content": b"a,b\n1,2\n"}
        answer = httpx.post(f"{served.url}own/file?name=rows.csv", trust_env=False, timeout=PATIENCE_S, **file)
        assert answer.status_code == 422  # read, and no table of ours
        assert httpx.get(served.url + "healthz", trust_env=False, timeout=PATIENCE_S).status_code == 200
    finally:
        pages.close()


def test_of_a_full_room_whoever_holds_most_gives_way_and_what_is_given_back_is_free() -> None:
    room, gone = Room(100), list[str]()
    first = room.share("10.0.0.1", lambda: gone.append("first"))
    second = room.share("10.0.0.1", lambda: gone.append("second"))
    little = room.share("10.0.0.2", lambda: gone.append("little"))
    assert [first.take(40), second.take(30), little.take(30)] == [True] * 3
    assert little.take(10)  # address 1 has 70 of them, most of it in its first share
    assert (gone, room.bytes, first.bytes) == (["first"], 70, 0)
    assert not second.take(71)
    assert (gone, room.bytes) == (["first", "second"], 40)
    little.free()
    assert second.take(100)
    assert (gone, room.bytes) == (["first", "second"], 100)


@pytest.mark.parametrize(
    "value",
    ["[]", "{}", '{"a": 1}', '{"a":[]}', "1.5", "99999", '"ab"', "null", "[[1,2]]", '{"a":1,"b":2}', '"a long text"'],
)
def test_room_counts_what_json_becomes_in_memory_and_not_its_characters(value: str) -> None:
    text = f"[{','.join([value] * 50_000)}]"
    tracemalloc.start()
    kept = json.loads(text)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 50_000
    assert grown < held_bytes(text) < 6 * (grown + len(text))


def test_what_an_address_may_send_comes_back_and_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("dashboards.sockets.time.monotonic", lambda: now)
    allowance = Allowance(most_bytes=100, refilled_in_s=10)
    assert [allowance.spend("10.0.0.1", 60) for _ in range(3)] == [True, False, False]
    assert allowance.spend("10.0.0.2", 100)
    now = 6.0
    assert [allowance.spend("10.0.0.1", 60), allowance.spend("10.0.0.1", 1)] == [True, False]
    now = 60.0
    assert not allowance.spend("10.0.0.1", 101)


def test_what_a_stranger_sent_is_not_written_down_whole() -> None:
    record = Brief("bokeh", logging.ERROR, __file__, 1, "cannot be read: %r", ("x" * 8_000_000,), None)
    assert record.getMessage().endswith(f"… ({8_000_018 - MOST_CHARACTERS:,} more characters)")
    assert Brief("bokeh", logging.ERROR, __file__, 1, "%d bytes", (8,), None).getMessage() == "8 bytes"


def test_a_page_of_another_host_opens_no_websocket_here(guarded: Served) -> None:
    asked = httpx.get(
        guarded.url + "ws", headers=UPGRADE | {"Origin": "http://evil.example"}, trust_env=False, timeout=PATIENCE_S
    )
    assert asked.status_code == 403


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.7", "pages.example"])  # noqa: S104 - not bound
def test_who_would_let_in_everybody_does_not_start_unless_told_to(address: str) -> None:
    def of(**chosen: object) -> Settings:
        return Settings.model_validate({"address": address, **chosen})

    with pytest.raises(Unguarded, match=rf"^Anyone who reaches {address}:5006 could read .* SKYLINE_PAGES_PASSWORD"):
        require_guarded(of())
    with pytest.raises(Unguarded, match="needs SKYLINE_OAUTH_KEY"):
        require_guarded(of(oauth_provider="github"))
    for chosen in (
        {"pages_password": PASSWORD},
        {"oauth_provider": "github", "oauth_key": "us", "oauth_secret": "x"},
        {"open_to_all": True},
        {"address": "127.0.0.1"},
        {"address": "localhost"},
        {"address": "::1"},
    ):
        require_guarded(of(**chosen))


@pytest.mark.parametrize("name", ["pages_password", "api_token", "oauth_secret", "cookie_secret"])
@pytest.mark.parametrize("nothing", ["", " ", "\t\n"])
def test_a_secret_that_is_empty_protects_nothing_and_nothing_starts(name: str, nothing: str) -> None:
    with pytest.raises(Unguarded, match=rf"^SKYLINE_{name.upper()} is empty"):
        require_guarded(Settings.model_validate({name: nothing}))


def test_origins_are_those_that_are_named() -> None:
    assert origins(Settings(origins=("pages.example:443",))) == ["pages.example:443"]


def test_who_guesses_passwords_must_wait_and_so_must_whoever_comes_from_there(guarded: Served) -> None:
    with httpx.Client(base_url=guarded.url, trust_env=False, timeout=PATIENCE_S) as guesser:
        codes = [
            guesser.post("login", data={"username": "x", "password": f"wrong {n}"}).status_code
            for n in range(WRONG_PASSWORDS_PER_MINUTE + 2)
        ]
        assert codes[-1] == 429
        assert guesser.post("login", data={"username": "x", "password": PASSWORD}).status_code == 429
        # What others say of where they come from is not believed.
        spoofed = guesser.post("login", headers={"X-Forwarded-For": "10.0.0.9"}, data={"password": PASSWORD})
        assert spoofed.status_code == 429


class Session:
    """What Bokeh has of a session."""

    def __init__(self, browsers: int) -> None:
        self.session, self.connection_count, self.ended = self, browsers, False

    def request_expiration(self) -> None:
        """End soon."""
        self.ended = True


def test_a_full_server_frees_itself_and_no_address_holds_all_places(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("dashboards.places.time.monotonic", lambda: now)
    places = Places(most=8, per_address=4)
    unread = [Session(0) for _ in range(10)]
    taken = [places.take(f"bot {n}", "10.0.0.1", each) for n, each in enumerate(unread)]
    assert taken == [True] * 4 + [False] * 6
    assert [places.take(f"reader {n}", f"10.0.1.{n}", Session(1)) for n in range(5)] == [True] * 4 + [False]
    now = 11.0
    # Readers stay; of those whose browser never came the oldest gives way.
    assert places.take("late reader", "10.0.2.1", Session(1))
    assert ([each.ended for each in unread[:2]], len(places)) == ([True, False], 8)
    assert [places.take(f"more {n}", f"10.0.3.{n}", Session(1)) for n in range(5)] == [True] * 3 + [False] * 2
    places.leave("late reader")
    assert places.take("another", "10.0.4.1", Session(1))
