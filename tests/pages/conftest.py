"""A real browser against really served pages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

from pipelines.commands.doctor import BROWSERS

from .served_pages import Served, Visit, serve, visiting

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-gpu-compositing",  # nothing that would emulate a GPU: a sixth of the time of a visit
    "--disable-gpu-rasterization",
    "--disable-accelerated-2d-canvas",
    "--disable-software-rasterizer",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser(bundled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A Chromium of this machine, one for all page tests of a worker, which keeps compiled scripts as a visitor's does.

    That saves half of the time of a visit. The pipeline has run before, since nothing that starts an event loop works
    beside Playwright's.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} on this machine; install the package chromium-headless-shell")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("chromium")), executable_path=found, args=list(_FLAGS), accept_downloads=True
        )
        yield running
        running.close()


@pytest.fixture(scope="session")
def served(bundled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Pages on the bundled facts."""
    # Many tests at once are slower than a visitor.
    yield from serve(bundled_home, tmp_path_factory.mktemp("served"), SKYLINE_OWN_FILE_SECONDS="300")


@pytest.fixture
def visit(browser: BrowserContext, served: Served) -> Iterator[Visit]:
    """A tab of an ordinary screen, in the light theme."""
    yield from visiting(browser, served.url)
