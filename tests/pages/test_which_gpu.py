"""The page Which GPU? in a browser: cells follow choices, details lead to the roofline page, nothing has a state."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from .served_pages import Served, Visit, downloaded, visiting

pytestmark = [pytest.mark.page]

ONE = "which-gpu?models=meta-llama/Meta-Llama-3.1-70B&weights=bf16&accelerators=H100-SXM5-80GB&accelerators=L40S"


def cells(visit: Visit) -> list[str]:
    return visit.page.locator(".cells td button").all_inner_texts()


def test_a_longer_context_needs_more_devices_and_the_address_restores_it(visit: Visit, tmp_path: Path) -> None:
    page = visit.open(ONE)
    before = cells(visit)
    assert [cell.split("\n")[0] for cell in before] == ["8", "4"]
    assert page.locator(".bk-slider-value").inner_text() == "0.063 B to 2,048 B"
    with page.expect_download() as download:
        page.get_by_text("CSV", exact=True).first.click()
    download.value.save_as(tmp_path / "which_gpu.csv")
    rows = downloaded((tmp_path / "which_gpu.csv").read_text("utf-8"))
    assert [row["accelerator"] for row in rows] == ["L40S", "H100-SXM5-80GB"]
    assert float(rows[1]["tokens_per_s_low"]) < float(rows[1]["tokens_per_s_likely"])
    field = page.get_by_label("Context (tokens)", exact=True)
    field.fill("65536")
    field.press("Enter")
    page.wait_for_function("location.search.includes('context=65536')")
    visit.settle()
    after = cells(visit)
    assert int(after[1].split("\n")[0]) > 4
    visit.open(visit.address())
    assert cells(visit) == after
    assert visit.errors == []


@pytest.mark.slow
def test_details_have_sources_and_lead_to_the_roofline_of_that_configuration(visit: Visit) -> None:
    page = visit.open(ONE + "&show=usd")
    assert cells(visit)[1].startswith("$")
    first = page.locator(".cells td button").first
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_text("What that rests on").wait_for()
    drawer = " ".join(page.locator(".drawer table.facts").all_inner_texts())
    for expected in ("4 (tp=4)", "per device hour", "g CO₂e per kWh", "16 sequences decoding", "Not calibrated"):
        assert expected in drawer
    page.get_by_role("link", name="Open in the roofline explorer").click()
    page.wait_for_url("**/roofline?**")
    visit.settle()
    page.get_by_role("heading", name="meta-llama/Meta-Llama-3.1-70B on 4 × H100-SXM5-80GB").wait_for()
    assert page.locator("main .note").count() == 0
    assert visit.errors == []


@pytest.mark.slow
def test_nothing_chosen_and_hostile_choices_are_said_in_words(visit: Visit) -> None:
    page = visit.open("which-gpu?size=-3..-2&grid=ATLANTIS&concurrency=0")
    noted = page.locator("main .note").all_inner_texts()
    assert any("ATLANTIS" in line for line in noted)
    assert any("concurrency" in line for line in noted)
    assert any("No model passes" in line for line in noted)
    page.locator(".cells").wait_for(state="hidden")
    assert visit.errors == []


@pytest.mark.slow
def test_on_a_phone_only_the_matrix_scrolls_sideways(browser: BrowserContext, served: Served) -> None:
    for visit in visiting(browser, served.url, width=390):
        page = visit.open("which-gpu")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator(".cells").evaluate("e => e.scrollWidth > e.clientWidth")
        assert visit.errors == []
