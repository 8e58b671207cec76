"""Every page: stands without error, asks no other host, fits a phone, follows the theme, is reached by keyboard."""

import pytest
from playwright.sync_api import Browser

from dashboards.pages import PAGES

from .faults import faults, resize
from .served_pages import Served, Visit, visiting

pytestmark = [pytest.mark.page]

SLUGS = [page.slug for page in PAGES]
OTHERS = ["model", "device", "model?id=Qwen/Qwen3.6-27B", "device?id=RTX-4090"]
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


# A chart is said in words to those who do not see it.
_UNDESCRIBED = """() => [...Bokeh.index.query((view) => view.model.type === 'Figure' && view.is_displayed)]
  .filter((view) => !(view.canvas_view.el.getAttribute('aria-label') ?? '').startsWith('Chart: '))
  .map((view) => view.model.name)"""


@pytest.mark.parametrize("slug", SLUGS)
def test_a_page_stands_without_errors_or_grave_faults_and_asks_no_other_host(
    visit: Visit, served: Served, slug: str
) -> None:
    page = visit.open(slug)
    page.locator("h1").first.wait_for()
    assert [link.text_content().strip() for link in page.locator(".bar nav a").all()] == [p.title for p in PAGES]
    assert page.locator(".bar nav a[aria-current]").count() == 1
    assert page.evaluate(_UNLAID) == []
    assert visit.errors == []
    assert visit.foreign == []
    assert faults(page, 1440, "light") + faults(page, 390, "dark") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(_UNDESCRIBED) == []
    assert served.complaints() == []


@pytest.mark.slow
@pytest.mark.parametrize("slug", [*SLUGS, *OTHERS])
def test_a_page_has_no_grave_faults_in_either_theme_at_any_width_and_fits_when_twice_as_large(
    visit: Visit, slug: str
) -> None:
    page = visit.open(slug)
    assert [fault for width in (390, 1440) for theme in ("light", "dark") for fault in faults(page, width, theme)] == []
    assert faults(page, 720, "light", fetching=True) == []  # 1440 px at 200 %
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    resize(page, 820)
    assert page.evaluate("document.documentElement.scrollWidth") <= 820


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
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                """() => { let e = document.activeElement
                while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement
                return `${e.nodeName} ${e.getAttribute('aria-label') ?? e.textContent.trim().slice(0, 20)}` }"""
            )
        )
    assert "A Skip to content" in reached
    assert "SUMMARY Quality" in reached
    assert "BUTTON Switch between light and dark" in reached
    assert any(item.startswith(("INPUT", "SELECT", "DIV")) for item in reached)
