"""Every page: stands without error, asks no other host, fits a phone, follows the theme, is reached by keyboard."""

import pytest
from playwright.sync_api import Browser

from dashboards.pages import PAGES

from .served_pages import Served, Visit, visiting

pytestmark = [pytest.mark.page]

SLUGS = [page.slug for page in PAGES]
_CORNER = """() => {
  const found = []
  const walk = (node) => { for (const e of node.querySelectorAll('*')) {
    if (e.nodeName === 'CANVAS') found.push(e)
    if (e.shadowRoot) walk(e.shadowRoot)
  } }
  walk(document)
  const [r, g, b] = found[0].getContext('2d').getImageData(found[0].width - 6, 12, 1, 1).data
  return (r + g + b) / 3
}"""


# A figure that is shown and was never laid out has no frame to draw in.
_UNLAID = """() => [...Bokeh.index.query((view) => view.model.type === 'Figure' && view.is_displayed)]
  .filter((view) => view.frame.bbox.width < 50).map((view) => view.model.name)"""


@pytest.mark.parametrize("slug", SLUGS)
def test_a_page_stands_without_errors_and_asks_no_other_host(visit: Visit, served: Served, slug: str) -> None:
    page = visit.open(slug)
    assert page.locator("h1").first.is_visible()
    assert [link.text_content().strip() for link in page.locator("nav a").all()] == [p.title for p in PAGES]
    assert page.locator("nav a[aria-current]").count() == 1
    assert page.evaluate(_UNLAID) == []
    assert visit.errors == []
    assert visit.foreign == []
    assert served.complaints() == []


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_a_page_in_the_dark_on_a_phone_needs_no_sideways_scrolling(browser: Browser, served: Served, slug: str) -> None:
    for visit in visiting(browser, served.url, width=390, scheme="dark"):
        page = visit.open(slug)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert visit.errors == []


def test_the_theme_button_repaints_charts_too_and_is_remembered(visit: Visit) -> None:
    page = visit.open("pareto")
    assert page.evaluate(_CORNER) > 200
    page.get_by_role("button", name="Switch between light and dark").click()
    page.wait_for_function(f"({_CORNER})() < 60")
    visit.open("leaderboard")
    page.wait_for_function(f"({_CORNER})() < 60")


def test_the_keyboard_reaches_content_navigation_and_controls(visit: Visit) -> None:
    page = visit.open("leaderboard")
    reached = []
    for _ in range(len(PAGES) + 7):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => { let e = document.activeElement
                while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement
                return `${e.nodeName} ${e.getAttribute('aria-label') ?? e.textContent.trim().slice(0, 20)}` }"""
            )
        )
    assert "A Skip to content" in reached
    assert "A Pareto" in reached
    assert "BUTTON Switch between light and dark" in reached
    assert any(item.startswith(("INPUT", "SELECT", "DIV")) for item in reached)
