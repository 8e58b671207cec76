"""The page of measurements in a browser: what was measured, what follows a choice, what an address restores."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from .served_pages import Served, Visit, downloaded, visiting

pytestmark = [pytest.mark.page]

_MARKS_OF_LOG_AXES = """() => [...Bokeh.index.query((view) => view.model.type === "LogAxis")]
  .map((view) => view.tick_coords.major[view.dimension].length)"""


def test_points_modules_and_errors_stand_on_the_page_with_their_source_and_download(
    visit: Visit, tmp_path: Path
) -> None:
    page = visit.open("measured")
    page.get_by_text("22 of 22 completed").first.wait_for()
    page.get_by_role("cell", name="uncontended").first.wait_for()
    page.get_by_text("of the undisturbed step; n = 148 modules").first.wait_for()
    page.get_by_text("skyline profile run plan.json").first.wait_for()
    # Nothing can be measured from here unless the operator says what.
    page.get_by_text("Measure another device").first.wait_for()
    assert page.get_by_role("link", name="Bring a measurement").get_attribute("href") == "own"
    assert page.get_by_text("Run a prompt here").count() + page.get_by_text("Measure a server").count() == 0
    # Tables are named by their heading, and their figures stand to the right.
    table = page.get_by_role("table", name="Predicted against measured")
    head = table.get_by_role("columnheader", name="Mean error")
    figure = table.locator("tbody td").nth(4)
    assert figure.inner_text().endswith(" %")
    assert {each.evaluate("e => getComputedStyle(e).textAlign") for each in (head, figure)} == {"right"}
    latency = page.locator('.tabulator-col[tabulator-field="Latency (ms)"]')
    assert latency.evaluate("e => getComputedStyle(e.querySelector('.tabulator-col-title')).textAlign") == "right"
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").first.click()
    download.value.save_as(tmp_path / "points.csv")
    rows = downloaded((tmp_path / "points.csv").read_text("utf-8"))
    assert len(rows) == 22
    assert all(row["latency_s"] for row in rows)
    assert visit.errors == []


@pytest.mark.slow
def test_an_address_restores_the_choice_what_is_none_is_noted_and_energy_says_why_there_is_none(visit: Visit) -> None:
    page = visit.open("measured?stage=prefill&quantity=energy&model=nobody/none")
    page.get_by_text("is not a choice here").first.wait_for()
    page.get_by_text("this machine shows no RAPL counters").first.wait_for()
    page.get_by_text("EleutherAI/pythia-160m, prefill, float32; n = 0").first.wait_for()
    assert "quantity=energy" in visit.address()


@pytest.mark.slow
def test_on_a_phone_a_logarithmic_axis_has_enough_marks_and_a_command_s_option_stays_whole(
    browser: BrowserContext, served: Served
) -> None:
    for visit in visiting(browser, served.url, width=390):
        page = visit.open("measured")
        marks = page.evaluate(_MARKS_OF_LOG_AXES)
        assert len(marks) == 4
        assert min(marks) >= 3
        for option in page.locator("main .option").all():
            assert option.evaluate("e => e.getClientRects().length") == 1
        assert page.locator("main .option").count() >= 5
        assert visit.errors == []
