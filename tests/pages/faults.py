"""What axe, the common checker of accessibility, finds wrong with a page."""

from functools import cache
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Page

GRAVE = ("critical", "serious")


def resize(page: Page, width: int) -> None:
    """Make the screen that wide; what follows a new width, follows within two frames."""
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


@cache
def _axe() -> str:
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")


def faults(page: Page, width: int, theme: str, *, contrast: bool = True, fetching: bool = False) -> list[str]:
    """Critical and serious faults of an open page on a screen of that width, in that theme; one line each.

    Args:
        page: What is open.
        width: Of the screen, in pixels.
        theme: `light` or `dark`.
        contrast: Whether every text is held against what is behind it: half of the time of axe.
        fetching: Whether axe reads stylesheets and media once more, from each shadow root: half of its time, for two
            of its rules, whether a stylesheet locks the orientation and whether a sound plays by itself.
    """
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    resize(page, width)
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(_axe())
    rules = {"color-contrast": {"enabled": contrast}}
    options = {"resultTypes": ["violations"], "selectors": False, "preload": fetching, "rules": rules}
    found = page.evaluate("async (options) => (await axe.run(document, options)).violations", options)
    return [
        f"{width} px, {theme}: {fault['id']} ({fault['impact']}): {node['html'][:160]}"
        for fault in found
        if fault["impact"] in GRAVE
        for node in fault["nodes"]
    ]
