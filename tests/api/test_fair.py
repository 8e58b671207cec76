"""A server that stays fair: asked over real sockets, by clients who send slowly, nothing, too much, or guess."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.serving import serve
from warehouse.guarded import Unguarded
from warehouse.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
HEAD = b"GET /api/v1/models HTTP/1.1\r\nHost: x\r\nX: "
BODY = (
    b"POST /api/v1/sql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer tok\r\n"
    b"Content-Type: application/json\r\nContent-Length: 4000000\r\n\r\n{"
)


def served(home: Path, folder: Path, **variables: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY), "SKYLINE_HOME": str(home), "SKYLINE_API_PORT": str(port),
        "SKYLINE_API_TOKEN": "tok", **variables,
    }  # fmt: skip
    with (folder / "api.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "api"], env=environment, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                httpx.get(f"{url}/healthz", trust_env=False)
                break
            except httpx.TransportError:
                assert server.poll() is None, (folder / "api.log").read_text()
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(scope="module")
def api(bundled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from served(bundled_home, tmp_path_factory.mktemp("api"), SKYLINE_API_REQUESTS_PER_MINUTE="100000")


def held(url: str, number: int, head: bytes) -> list[socket.socket]:
    host, _, port = url.removeprefix("http://").partition(":")
    sockets = [socket.create_connection((host, int(port))) for _ in range(number)]
    for connection in sockets:
        connection.sendall(head)
    return sockets


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        while connection.recv(4096):  # what it was told before it was closed
            continue
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@pytest.mark.parametrize("number", [pytest.param(40, marks=pytest.mark.slow), 200])
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", marks=pytest.mark.slow, id="idle"),
        pytest.param(HEAD, id="head"),
        pytest.param(BODY, marks=pytest.mark.slow, id="body"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", marks=pytest.mark.slow, id="answered"),
    ],
)
def test_whoever_sends_no_whole_request_gives_way_and_is_closed(api: str, head: bytes, number: int) -> None:
    """Held are nearly as many, and more, connections than one address may have; all the while others are answered."""
    allowed = {"Authorization": "Bearer tok"}
    sockets = held(api, number, head)
    try:
        began, slowest, asked = time.monotonic(), 0.0, 0
        while time.monotonic() - began < 6:
            before = time.monotonic()
            for path in ("/healthz", "/readyz", "/api/v1/models?limit=1"):
                assert httpx.get(api + path, headers=allowed, trust_env=False, timeout=30).status_code == 200, path
                asked += 1
            slowest = max(slowest, time.monotonic() - before)
            time.sleep(0.2)
        assert slowest < 8, slowest
        while any(map(is_open, sockets)) and time.monotonic() - began < 25:
            time.sleep(0.5)
        assert sum(map(is_open, sockets)) == 0
        print(f"{number} connections held, {asked} requests answered meanwhile")
    finally:
        for connection in sockets:
            connection.close()


CHUNKS = BODY.replace(b"Content-Length: 4000000\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "more"),
    [(b"", b"\r\n"), (b"GET", b"x"), (HEAD, b"x"), (BODY, b" "), (CHUNKS, b"1\r\n \r\n")],
    ids=["empty lines", "method", "head", "body", "chunks"],
)
def test_who_sends_a_little_every_second_keeps_no_place(api: str, head: bytes, more: bytes) -> None:
    sockets = held(api, 30, head)
    began = time.monotonic()
    while time.monotonic() - began < 16:
        for connection in sockets:
            with contextlib.suppress(OSError):
                connection.sendall(more)
        assert httpx.get(f"{api}/healthz", trust_env=False).status_code == 200
        time.sleep(1)
    assert sum(map(is_open, sockets)) == 0
    for connection in sockets:
        connection.close()


def test_who_asks_is_known_before_what_he_sends_is_read(api: str) -> None:
    (stranger,) = held(api, 1, BODY.replace(b"Bearer tok", b"Bearer guess"))
    stranger.settimeout(5)
    assert stranger.recv(12) == b"HTTP/1.1 401"
    stranger.close()
    (boaster,) = held(api, 1, BODY.replace(b"4000000", b"400000000"))
    boaster.settimeout(5)
    assert boaster.recv(12) == b"HTTP/1.1 413"
    boaster.close()


def test_a_head_without_end_is_not_kept(api: str) -> None:
    (endless,) = held(api, 1, HEAD)
    with pytest.raises(OSError, match=r"."):  # noqa: PT012 - at which of them it is closed is up to the system
        for _ in range(200):
            endless.sendall(b"x" * 4096)
            time.sleep(0.005)
        if not is_open(endless):
            raise OSError("closed")
    endless.close()
    assert httpx.get(f"{api}/healthz", trust_env=False).status_code == 200


@pytest.mark.parametrize(
    ("trusted", "answered"),
    [
        ("", {"1.2.3.4, 10.0.0.{}": 5}),
        # A proxy, a proxy that writes ports, and one customer's network.
        ("127.0.0.0/8", {"1.2.3.4, 10.0.0.{}": 12, "1.2.3.{0}, 10.0.1.4:510{0}": 5, "[2001:db8::{0}]:443": 5}),
    ],
    ids=["nobody is named", "a proxy is named"],
)
def test_only_a_proxy_that_is_named_says_for_whom_it_asks(
    bundled_home: Path, tmp_path: Path, trusted: str, answered: dict[str, int]
) -> None:
    limits = {"SKYLINE_API_REQUESTS_PER_MINUTE": "5", "SKYLINE_TRUSTED_PROXIES": trusted}
    for url in served(bundled_home, tmp_path, **limits):
        for client, most in answered.items():
            codes = [
                httpx.get(
                    f"{url}/api/v1/models?limit=1", trust_env=False,
                    headers={"X-Forwarded-For": client.format(n), "Authorization": "Bearer tok"},
                ).status_code
                for n in range(12)
            ]  # fmt: skip
            assert codes == [200] * most + [429] * (12 - most), client


def test_wrong_tokens_are_counted_and_the_right_one_then_waits_too(bundled_home: Path, tmp_path: Path) -> None:
    for url in served(bundled_home, tmp_path):
        codes = [
            httpx.get(
                f"{url}/api/v1/models", trust_env=False,
                headers={"X-Forwarded-For": f"10.0.0.{n}", "Authorization": f"Bearer guess {n}"},
            ).status_code
            for n in range(12)
        ]  # fmt: skip
        assert codes == [401] * 10 + [429] * 2
        right = {"Authorization": "Bearer tok"}
        assert httpx.get(f"{url}/api/v1/models", headers=right, trust_env=False).status_code == 429
        assert 'skyline_api_refused_total{status="401"} 10.0' in httpx.get(f"{url}/metrics", trust_env=False).text


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SKYLINE_API_TOKEN": ""}, "SKYLINE_API_TOKEN is empty"),
        ({"SKYLINE_PAGES_PASSWORD": " \t\n\u00a0\u3000\u200b\ufeff"}, "SKYLINE_PAGES_PASSWORD is empty"),
        ({"SKYLINE_ADDRESS": "0.0.0.0"}, "Anyone who reaches 0.0.0.0:5007 could use this"),  # noqa: S104 - refused
    ],
)
def test_nothing_starts_that_would_let_in_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SKYLINE_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Unguarded, match=message):
        serve(Settings(), pages=True)


def test_who_would_let_in_everybody_reads_why_in_one_line(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "SKYLINE_API_TOKEN": ""}
    done = subprocess.run(
        [sys.executable, "-m", "api"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("Error: SKYLINE_API_TOKEN is empty")
