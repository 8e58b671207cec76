"""Tables in a browser that comes to build them late, as one with other work does: no rows are lost meanwhile."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from .served_pages import Visit

pytestmark = [pytest.mark.page]

# A browser that comes to build a table only after two seconds.
SLOW_TABLES = """
const soon = window.setTimeout
window.setTimeout = (what, after, ...more) => soon(what, String(what).includes('_create') ? 2000 : after, ...more)
"""
SHOWN = """([field]) => JSON.stringify([...Bokeh.index.query((view) => view.tabulator)][0]?.tabulator.getData()
    .map((row) => row[field]) ?? [])"""


def against_carbon(page: Page) -> None:
    page.get_by_label("Against", exact=True).select_option("CO₂ of the evaluation (kg)")


def searched(page: Page) -> None:
    page.get_by_label("Search", exact=True).fill("qwen")
    page.get_by_label("Search", exact=True).press("Enter")


def of_32_sequences(page: Page) -> None:
    page.get_by_label("Batch (sequences)", exact=True).fill("32")
    page.get_by_label("Batch (sequences)", exact=True).press("Enter")


def rows(visit: Visit, field: str) -> str:
    """Values of a column in the first table of a page, in order, once it is built."""
    visit.page.locator(".tabulator-row").first.wait_for()
    visit.settle()
    return str(visit.page.evaluate(SHOWN, [field]))


def test_an_answer_is_shown(visit: Visit) -> None:
    visit.page.add_init_script(SLOW_TABLES)
    visit.page.goto(f"{visit.url}sql?sql={quote('SELECT 42 AS n')}")
    visit.page.locator(".tabulator-row", has_text="42").wait_for()
    assert visit.errors == []


@pytest.mark.parametrize(
    ("address", "choose", "chosen", "field"),
    [
        ("pareto?board=open_llm", against_carbon, "against=evaluation_co2_kg", "Cost"),
        ("leaderboard?board=open_llm", searched, "search=qwen", "model_id"),
        ("roofline", of_32_sequences, "batch=32", "Predicted (µs)"),
    ],
)
def test_rows_of_a_choice_made_meanwhile_are_shown(
    visit: Visit, address: str, choose: Callable[[Page], None], chosen: str, field: str
) -> None:
    page = visit.open(address)
    before = rows(visit, field)
    page.add_init_script(SLOW_TABLES)
    page.goto(visit.url + address)
    page.locator(".tabulator").first.wait_for(state="attached")
    choose(page)
    page.wait_for_function("(chosen) => location.search.includes(chosen)", arg=chosen)
    after = rows(visit, field)
    visit.open(visit.address())
    assert after == rows(visit, field) != before
    assert visit.errors == []
