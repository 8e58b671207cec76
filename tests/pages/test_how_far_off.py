"""The page How far off in a browser: the errors that ship, and what an address restores."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from profiling.accuracy.held_out import held_out_errors

from .served_pages import Served, Visit, downloaded, visiting

pytestmark = [pytest.mark.page]

_LABELS = """() => {
  const [{model: figure}] = [...Bokeh.index.query((view) => view.model.name === "error_on_what_was_left_out")]
  const [axis] = figure.left
  return axis.formatter.doFormat(axis.ticker.ticks, {}) }"""


def test_the_errors_are_those_that_ship_and_the_address_brings_the_choice_back(visit: Visit, tmp_path: Path) -> None:
    page = visit.open("how-far-off?stage=nothing")
    page.get_by_text("is not a choice here").first.wait_for()
    page.get_by_label("Stage", exact=True).select_option("decode")
    page.wait_for_function("location.search.includes('stage=decode')")
    visit.settle()
    said = page.get_by_text("Predictions of decode are a median").inner_text()
    visit.open(visit.address())
    assert page.get_by_text("Predictions of decode are a median").inner_text() == said
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").last.click()
    download.value.save_as(tmp_path / "errors.csv")
    rows = downloaded((tmp_path / "errors.csv").read_text("utf-8"))
    shipped = held_out_errors()
    assert 2 * len(rows) == len(shipped.filter(shipped["stage"] == "decode"))
    for group in ("devices", "models"):
        assert f"{float(rows[0][f'{group}_left_out_mdape_pct']):.0f} %" in said
    page.get_by_text("skyline accuracy FILE --by engine").wait_for()
    # Measurements by others that may be passed on are there from the first run.
    page.get_by_role("heading", name="Measurements in this home").wait_for()
    page.get_by_role("heading", name="The ten largest errors").wait_for()
    assert visit.errors == []


def test_on_a_phone_every_stage_is_named_in_full(browser: BrowserContext, served: Served) -> None:
    for visit in visiting(browser, served.url, width=390):
        labels = visit.open("how-far-off").evaluate(_LABELS)
        assert "prefill on several\ndevices" in labels
        assert not any("…" in label for label in labels)
