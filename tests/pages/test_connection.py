"""A page outlives its server, and going back undoes what was chosen."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from .served_pages import PATIENCE_S, Visit, serve, visiting

pytestmark = [pytest.mark.page]


@contextmanager
def _back(visit: Visit, home: Path, folder: Path) -> Iterator[None]:
    """A server where the last one was, once the page that outlived that one has joined it."""
    again = serve(home, folder, SKYLINE_PORT=visit.url.rsplit(":", 1)[1].strip("/"))
    try:
        next(again)
        visit.page.wait_for_function("() => !window.before", timeout=PATIENCE_S * 1000)
        visit.settle()
        yield
    finally:
        again.close()


@pytest.mark.slow
def test_a_page_says_that_its_server_is_gone_and_opens_again_as_it_was_with_the_newest_data(
    browser: BrowserContext, bundled_home: Path, tmp_path: Path
) -> None:
    first = serve(bundled_home, tmp_path)
    served = next(first)
    for visit in visiting(browser, served.url):
        page = visit.open("pareto?against=parameters_total")
        page.evaluate("() => { window.before = true }")
        first.close()
        page.get_by_role("alert").get_by_text("The connection to Skyline is lost").wait_for()
        assert page.evaluate("document.querySelector('.frame').inert")
        with _back(visit, bundled_home, tmp_path):
            assert visit.address() == "pareto?against=parameters_total"
            assert not page.evaluate("document.querySelector('.frame').inert")
            expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.slow
def test_a_choice_that_its_server_did_not_live_to_answer_is_said_to_be_lost(
    browser: BrowserContext, bundled_home: Path, tmp_path: Path
) -> None:
    first = serve(bundled_home, tmp_path)
    served = next(first)
    for visit in visiting(browser, served.url):
        page = visit.open("serve?output=300")
        page.evaluate("() => { window.before = true }")
        users = page.get_by_label("Concurrent users", exact=True)
        users.fill("33")
        users.press("Enter")
        page.wait_for_function("() => document.documentElement.dataset.working", polling=10)
        os.kill(served.process, signal.SIGKILL)
        page.get_by_role("alert").get_by_text("your last choice was not answered").wait_for()
        first.close()
        with _back(visit, bundled_home, tmp_path):
            page.get_by_role("alert").get_by_text("make it again").wait_for()
            assert visit.address() == "serve?output=300"
            users.press("Tab")
            expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize(
    ("address", "label", "key", "first", "second"),
    [
        pytest.param("serve", "Concurrent users", "ArrowUp", "users=51", "users=52", marks=pytest.mark.slow),
        ("which-gpu", "Context (tokens)", "ArrowUp", "context=", "context="),
        pytest.param(
            "patterns?board=open_llm",
            "Values",
            "ArrowUp",
            "values=score",
            "correlation=pearson",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_going_back_twice_undoes_two_choices(
    visit: Visit, address: str, label: str, key: str, first: str, second: str
) -> None:
    page = visit.open(address)
    opened = visit.address()
    field = page.get_by_label(label, exact=True)
    field.press(key)
    field.blur()
    page.wait_for_url(f"**{first}*")
    visit.settle()
    once = visit.address()
    if "pearson" in second:
        page.get_by_text("Pearson", exact=True).first.click()
    else:
        field.press(key)
        field.blur()
    page.wait_for_function("(before) => location.pathname.slice(1) + location.search !== before", arg=once)
    visit.settle()
    page.go_back()
    page.wait_for_function("(before) => location.pathname.slice(1) + location.search === before", arg=once)
    visit.settle()
    page.go_back()
    page.wait_for_function("(before) => location.pathname.slice(1) + location.search === before", arg=opened)
    visit.settle()
    assert visit.errors == []


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
