"""The front server's configuration, read by the nginx of this machine, before servers that say what reaches them."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
# Answers with what it was asked, and switches protocols where asked to.
BACKEND = """
import http.server, json, sys
class Told(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.send_header("Upgrade", "websocket"); self.send_header("Connection", "upgrade")
            self.end_headers()
            return
        said = json.dumps({"path": self.path, **{k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(said))); self.end_headers()
        self.wfile.write(said)
    def log_message(self, *rest): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Told).serve_forever()
"""


def free_ports(number: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [probe.getsockname()[1] for probe in probes]
    for listener in probes:
        listener.close()
    return ports


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if NGINX is None:
        pytest.skip("nginx is not installed here; Debian's package nginx-light will do")
    folder = tmp_path_factory.mktemp("front")
    listen, pages, interface = free_ports(3)
    text = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
    for written, here in (
        ("dashboards:5006", f"127.0.0.1:{pages}"), ("api:5007", f"127.0.0.1:{interface}"),
        ("listen 8080", f"listen 127.0.0.1:{listen}"), ("/tmp/", f"{folder}/"),  # noqa: S108 - the file's own
    ):  # fmt: skip
        assert written in text
        text = text.replace(written, here)
    (folder / "nginx.conf").write_text(text)
    command = [NGINX, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with (folder / "log").open("wb") as log:
        started = [subprocess.Popen([sys.executable, "-c", BACKEND, str(port)]) for port in (pages, interface)]
        started.append(subprocess.Popen([*command, "-g", "daemon off;"], stderr=log))
    url = f"http://127.0.0.1:{listen}"
    try:
        for _ in range(100):
            try:
                if all(httpx.get(url + path, trust_env=False).status_code == 200 for path in ("/", "/api/")):
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield url
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def closed_with(connection: socket.socket) -> bytes:
    """What a connection is told until it is closed."""
    received = b""
    try:
        while chunk := connection.recv(4096):
            received += chunk
    except ConnectionResetError:
        pass
    finally:
        connection.close()
    return received


def echoed(url: str, **headers: str) -> dict[str, str]:
    answer = httpx.get(url, headers=headers, trust_env=False)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = json.loads(answer.text)
    return found


def test_who_asks_is_handed_on_and_what_he_says_of_himself_is_not(front: str) -> None:
    for path in ("/leaderboard", "/api/v1/models"):
        request = echoed(front + path, **{"X-Forwarded-For": "10.0.0.9"})
        assert (request["path"], request["x-forwarded-for"]) == (path, "127.0.0.1")
        assert request["host"] == front.removeprefix("http://")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_what_is_for_those_who_run_it_is_not_outside(front: str, path: str) -> None:
    assert httpx.get(front + path, trust_env=False).status_code == 404


def test_a_websocket_is_let_through(front: str) -> None:
    host, _, port = front.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /pareto/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 101"


def test_who_sends_slowly_is_not_waited_for(front: str) -> None:
    host, _, port = front.removeprefix("http://").partition(":")
    slow = [socket.create_connection((host, int(port)), timeout=30) for _ in range(200)]
    for connection in slow:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
    began = time.monotonic()
    answered = [closed_with(connection) for connection in slow]
    assert 5 < time.monotonic() - began < 25
    assert answered == [b""] * 200
    assert echoed(front + "/")["path"] == "/"


def test_logins_and_bodies_are_bounded(front: str) -> None:
    codes = [httpx.get(f"{front}/login", trust_env=False).status_code for _ in range(30)]
    assert codes.count(200) >= 10
    assert codes[-1] == 429
    assert httpx.post(f"{front}/api/v1/front", content=b"x" * (5 << 20), trust_env=False).status_code == 413


def test_its_limits_are_not_looser_than_ours() -> None:
    text = (ROOT / "deploy" / "nginx.conf").read_text("utf-8")
    from api.connections import PATIENCE_S  # noqa: PLC0415
    from api.guards import MOST_BYTES_SENT  # noqa: PLC0415

    assert re.findall(r"client_(?:header|body)_timeout (\d+)s", text) == [f"{PATIENCE_S:g}"] * 2
    assert f"client_max_body_size {MOST_BYTES_SENT >> 20}m;" in text
