"""The SQL page in a browser: asking, refusing, cancelling, drawing, taking away; and nothing in an answer runs."""

from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from dashboards.pages.sql import text as sql_text
from warehouse.console import Console

from .served_pages import Served, Visit, downloaded

pytestmark = [pytest.mark.page]

FRONT = "SELECT model_id, size_gib, average FROM core.leaderboard_entries WHERE size_gib > 1 ORDER BY size_gib LIMIT 30"


def ask(visit: Visit, sql: str) -> Page:
    field = visit.page.get_by_label("SQL", exact=True)
    field.fill(sql)
    field.press("Control+Enter")
    return visit.page


def test_a_question_is_answered_drawn_kept_in_the_address_and_taken_away(visit: Visit, tmp_path: Path) -> None:
    page = visit.open("sql")
    ask(visit, FRONT)
    page.get_by_text("30 rows × 3 columns").wait_for()
    page.locator(".tabulator-row").nth(14).wait_for()
    page.get_by_role("button", name="Points").click()
    page.get_by_role("heading", name="size_gib by model_id").wait_for()
    page.get_by_label("Up", exact=True).select_option("average")
    page.get_by_label("Across", exact=True).select_option("size_gib")
    page.get_by_role("heading", name="average by size_gib").wait_for()
    for choice in ("chart=points", "x=size_gib", "y=average"):
        page.wait_for_function("(choice) => location.search.includes(choice)", arg=choice)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    file = tmp_path / "rows.csv"
    download.value.save_as(file)
    assert len(downloaded(file.read_text("utf-8"))) == 30
    again = visit.open(visit.address())
    again.get_by_role("heading", name="average by size_gib").wait_for()
    assert again.get_by_label("SQL", exact=True).input_value() == FRONT
    assert visit.errors == []


def test_what_is_refused_or_wrong_is_said_and_asked_statements_come_back(visit: Visit) -> None:
    page = visit.open("sql")
    for sql, said in (
        ("FROM read_text('/etc/passwd')", "Refused: the function read_text is not available here."),
        ("DROP TABLE core.models", "this is DROP, and the warehouse is read-only"),
        ("SELECT nothing FROM core.models", "Binder Error"),
    ):
        ask(visit, sql)
        page.locator("main .note", has_text=said).wait_for()
    page.get_by_role("button", name="DROP TABLE core.models").click()
    assert page.get_by_label("SQL", exact=True).input_value() == "DROP TABLE core.models"
    page.get_by_role("button", name="Front of any two columns").click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("rows × 3 columns").wait_for()
    assert visit.errors == []


def test_a_long_question_can_be_cancelled_while_the_page_lives(visit: Visit) -> None:
    page = visit.open("sql")
    ask(visit, "SELECT count(*) FROM range(10000000000) a, range(1000000) b")
    page.get_by_role("button", name="Cancel").click()
    page.locator("main .note", has_text="The query was cancelled.").wait_for(timeout=10_000)
    page.get_by_role("button", name="Cancel").wait_for(state="hidden", timeout=10_000)
    assert visit.errors == []


def test_nothing_in_an_answer_or_an_address_runs(visit: Visit) -> None:
    evil = "<img src=q onerror=window.ran=1>"
    page = visit.open("sql?sql=" + quote(f'SELECT \'{evil}\' AS "{evil}", 1 AS "a.b", 2 AS "n {evil}" -- {evil}'))
    page.get_by_text("1 row × 3 columns").wait_for()
    page.locator(".tabulator-row").wait_for()
    assert page.locator(".tabulator-row").inner_text().startswith(evil)
    assert evil in page.locator(".tabulator-header").inner_text()
    page.get_by_role("button", name="Bars").click()
    page.get_by_role("heading", name=f"by {evil}").wait_for()
    ask(visit, f'SELECT "{evil}"')
    page.locator("main .note", has_text="Binder Error").wait_for()
    assert page.evaluate("window.ran") is None
    assert visit.foreign == []


def test_every_table_is_listed_and_every_example_is_answered(visit: Visit, served: Served, bundled_home: Path) -> None:
    page = visit.open("sql")
    # Some eighty tables are not between a reader at the keyboard and the field.
    page.get_by_role("button", name="Switch between light and dark").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_label("SQL", exact=True)).to_be_focused()
    page.get_by_text("pareto_front", exact=True).first.click()
    page.get_by_role("button", name="Look at it").locator("visible=true").click()
    assert page.get_by_label("SQL", exact=True).input_value() == "FROM marts.pareto_front"
    console = Console(bundled_home / "published")
    assert {title for title, sql in sql_text.EXAMPLES.items() if console.ask(sql).frame.is_empty()} == set()
    assert visit.errors == []
    assert served.complaints() == []
