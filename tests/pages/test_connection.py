"""A page outlives its server, and going back undoes what was chosen."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from .served_pages import PATIENCE_S, Visit, serve, visiting

pytestmark = [pytest.mark.page]


@pytest.mark.slow
def test_a_page_says_that_its_server_is_gone_and_opens_again_as_it_was_with_the_newest_data(
    browser: BrowserContext, bundled_home: Path, tmp_path: Path
) -> None:
    first = serve(bundled_home, tmp_path)
    served = next(first)
    port = served.url.rsplit(":", 1)[1].strip("/")
    for visit in visiting(browser, served.url):
        page = visit.open("pareto?against=parameters_total")
        page.evaluate("() => { window.before = true }")
        first.close()
        page.get_by_role("alert").get_by_text("The connection to Skyline is lost").wait_for()
        assert page.evaluate("document.querySelector('.frame').inert")
        again = serve(bundled_home, tmp_path, SKYLINE_PORT=port)
        try:
            next(again)
            page.wait_for_function("() => !window.before", timeout=PATIENCE_S * 1000)
            visit.settle()
            assert visit.address() == "pareto?against=parameters_total"
            assert not page.evaluate("document.querySelector('.frame').inert")
            expect(page.get_by_role("alert")).to_have_count(0)
        finally:
            again.close()


def test_going_back_undoes_a_choice_and_then_leaves_the_page(visit: Visit) -> None:
    page = visit.open("sql")
    page = visit.open("pareto?board=open_llm")
    page.get_by_label("Against", exact=True).press("P")
    page.wait_for_url("**/pareto?against=parameters_total")
    page.go_back()
    page.wait_for_url("**/pareto?board=open_llm")
    visit.settle()
    expect(page.get_by_label("Against", exact=True).locator("option:checked")).to_have_text("Size (GiB)")
    page.go_back()
    page.wait_for_url("**/sql")
