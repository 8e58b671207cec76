"""Serving pages in a process of their own, and tabs that write down what goes wrong in them."""

import csv
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60
_STARTING_S = 300  # on a machine that has ten other things to do
QUIET_S = 0.2
_LOOK_MS = 50  # not with every frame, which asks for that frame to be drawn
_READY = """() => window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents.every((d) => d.is_idle)
    && ![...Bokeh.index.query((view) => view.model.css_classes?.includes('waiting'))].length
    && !document.documentElement.dataset.working"""

_FORGET = """() => { if (location.protocol.startsWith('http')) { localStorage.clear(); sessionStorage.clear() } }"""


@dataclass
class Served:
    """A running `python -m dashboards`."""

    url: str
    log: Path
    process: int

    def complaints(self) -> list[str]:
        """Warnings and errors that the server wrote, but for answers to who had left before they came."""
        lines = self.log.read_text("utf-8").splitlines()
        told = [line for line in lines if any(word in line for word in ("WARNING", "ERROR", "Warning", "Traceback"))]
        return [line for line in told if "Failed sending message as connection was closed" not in line]


@dataclass
class Visit:
    """A tab, and all that went wrong in it."""

    page: Page
    url: str
    heard_at: float = 0.0
    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def open(self, address: str) -> Page:
        """Go to an address below the root and wait until it stands."""
        self.page.goto(self.url + address)
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until everything asked for has been answered and drawn, and the server has nothing more to say."""
        self.page.wait_for_function(_READY, timeout=PATIENCE_S * 1000, polling=_LOOK_MS)
        for _ in range(100):  # a player that plays never falls silent
            urllib.request.urlopen(self.url + "healthz", timeout=PATIENCE_S).close()  # noqa: S310 - when it is free
            if time.monotonic() - self.heard_at > QUIET_S:
                break
            self.page.wait_for_timeout(50)
        self.page.wait_for_function(_READY, timeout=PATIENCE_S * 1000, polling=_LOOK_MS)

    def address(self) -> str:
        """What stands in the address bar after the root."""
        return str(self.page.evaluate("location.pathname.slice(1) + location.search"))


def downloaded(text: str) -> list[dict[str, str]]:
    """Rows of a downloaded CSV, below the lines that say what it is."""
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def serve(home: Path, folder: Path, **settings: str) -> Iterator[Served]:
    """Serve a home in a process of its own until the generator is closed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = settings.get("SKYLINE_PORT") or probe.getsockname()[1]
    log = folder / "pages.log"
    environment = os.environ | {
        "SKYLINE_HOME": str(home),
        "SKYLINE_ADDRESS": "127.0.0.1",
        "SKYLINE_PORT": str(port),
        "PYTHONPATH": str(REPOSITORY),
        **settings,
    }
    command = [sys.executable, "-W", "error::UserWarning", "-W", "error::RuntimeWarning", "-m", "dashboards"]
    with log.open("w", encoding="utf-8") as stream:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=stream, stderr=stream)
    try:
        url = f"http://127.0.0.1:{port}/"
        _wait_until_reachable(url, process, log)
        yield Served(url, log, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)


def _wait_until_reachable(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTING_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url + "healthz", timeout=5).close()  # noqa: S310 - our own address
        except OSError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"the pages were not served: {log.read_text('utf-8')}")


def resident_kib(process: int) -> int:
    """Memory that a process holds, in KiB; only Linux tells."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text("ascii"))[1])  # type: ignore[index]


def visiting(
    browser: BrowserContext, url: str, width: int = 1440, scheme: str = "light", *, is_new: bool = False
) -> Iterator[Visit]:
    """A fresh tab that writes down what goes wrong, closed with the generator, and with it what pages made it keep.

    Args:
        browser: Whose tab it is.
        url: The root of the site.
        width: Of the screen, in pixels.
        scheme: `light` or `dark`.
        is_new: Whether it is another visitor's: no cookie, nothing cached.
    """
    window = browser
    if is_new:
        assert browser.browser is not None
        window = browser.browser.new_context(accept_downloads=True)
    page = window.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    # A bar that moves while the server thinks costs more than what is tested.
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.set_default_timeout(PATIENCE_S * 1000)
    expect.set_options(timeout=PATIENCE_S * 1000)
    visit = Visit(page, url)

    def heard(_frame: object) -> None:
        visit.heard_at = time.monotonic()

    page.on("websocket", lambda socket: socket.on("framereceived", heard))
    page.on("console", lambda message: visit.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.errors.append(f"{error}, at {page.url}: {error.stack}"))
    page.on("request", lambda request: None if _is_own(request.url, url) else visit.foreign.append(request.url))
    yield visit
    page.evaluate(_FORGET)
    page.close()
    window.clear_cookies()
    if is_new:
        window.close()


def _is_own(address: str, url: str) -> bool:
    return address.startswith((url, "data:", "blob:"))
