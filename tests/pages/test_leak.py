"""What sessions leave behind: opened and closed again and again, they are freed, and memory stays where it was."""

import functools
import os
import re
import time
from pathlib import Path

import httpx
import pytest
from tornado.ioloop import IOLoop
from tornado.websocket import websocket_connect

from .served_pages import PATIENCE_S, resident_kib, serve

SESSIONS = int(os.environ.get("SKYLINE_LEAK_SESSIONS", "16"))
WARM = 8
# An open session holds about 8 MiB; what a few leave behind cannot be determined from what the allocator keeps.
MOST_KIB_A_SESSION = 64 if SESSIONS >= 1_000 else 1_024
PAGES = ("leaderboard", "pareto")


async def _visit(url: str, page: str) -> None:
    """Fetch the page as a browser does, connect, wait until the server greets, and leave."""
    with httpx.Client(trust_env=False, timeout=PATIENCE_S) as browser:
        token = re.search(r'"token":"([^"]+)"', browser.get(url + page).text)
    assert token is not None
    address = url.replace("http", "ws") + f"{page}/ws"
    connection = await websocket_connect(address, subprotocols=["bokeh", token[1]])
    assert "ACK" in str(await connection.read_message())
    connection.close()


@pytest.mark.slow
@pytest.mark.timeout(0 if SESSIONS >= 1_000 else 300)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only /proc tells what a process holds")
def test_sessions_that_are_closed_leave_nothing_behind(bundled_home: Path, tmp_path: Path) -> None:
    pages = serve(bundled_home, tmp_path, SKYLINE_UNUSED_SESSION_S="1")
    served = next(pages)

    def open_and_close(number: int) -> None:
        for visitor in range(number):
            IOLoop.current().run_sync(functools.partial(_visit, served.url, PAGES[visitor % len(PAGES)]))
        for _ in range(120):
            told = httpx.get(served.url + "metrics", trust_env=False, timeout=PATIENCE_S).text
            if "skyline_pages_open 0.0" in told:
                return
            time.sleep(0.5)
        pytest.fail(f"sessions stay: {told}")

    try:
        open_and_close(WARM)  # caches fill
        before = resident_kib(served.process)
        open_and_close(SESSIONS)
        grown = (resident_kib(served.process) - before) / SESSIONS
        print(f"{SESSIONS} sessions, {grown:.0f} KiB left by each")
        assert grown < MOST_KIB_A_SESSION
    finally:
        pages.close()
