"""What sessions leave behind: opened and closed again and again, they are freed, and memory stays where it was."""

import os
import re
import time
from pathlib import Path

import httpx
import panel as pn
import pytest
from bokeh.client import pull_session

from .served_pages import PATIENCE_S, serve

SESSIONS = int(os.environ.get("SKYLINE_LEAK_SESSIONS", "60"))
WARM = 30
MOST_KIB_A_SESSION = 256
PAGES = ("leaderboard", "pareto", "advisor")


def _resident_kib(process: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text("ascii"))[1])  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only /proc tells what a process holds")
def test_sessions_that_are_closed_leave_nothing_behind(bundled_home: Path, tmp_path: Path) -> None:
    pn.extension("tabulator")  # so that the client knows the models of the pages
    pages = serve(bundled_home, tmp_path, SKYLINE_UNUSED_SESSION_S="1")
    served = next(pages)

    def open_and_close(number: int) -> None:
        for one in range(number):
            pull_session(url=served.url + PAGES[one % len(PAGES)]).close()
        for _ in range(120):
            told = httpx.get(served.url + "metrics", trust_env=False, timeout=PATIENCE_S).text
            if "skyline_pages_open 0.0" in told:
                return
            time.sleep(0.5)
        pytest.fail(f"sessions stay: {told}")

    try:
        open_and_close(WARM)  # caches fill
        before = _resident_kib(served.process)
        open_and_close(SESSIONS)
        grown = (_resident_kib(served.process) - before) / SESSIONS
        print(f"{SESSIONS} sessions, {grown:.0f} KiB left by each")
        assert grown < MOST_KIB_A_SESSION
    finally:
        pages.close()
