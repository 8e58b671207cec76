"""Compare, Footprint and the first page in a browser: what they say follows the tables and the choices made."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from dashboards.pages.compare import mark
from warehouse.reader import Reader
from warehouse.settings import Settings

from .served_pages import Served, Visit, visiting

pytestmark = [pytest.mark.page]

TWO = "compare?models=Qwen/Qwen2.5-72B-Instruct&models=Qwen/Qwen2.5-14B-Instruct"


def test_a_difference_is_marked_only_beyond_noise() -> None:
    assert mark((30.0, 0.7), (28.0, 0.7)) == "▲"
    assert mark((30.0, 1.0), (28.0, 1.0)) == "≈"
    assert mark((26.0, 0.7), (28.0, 0.7)) == "▼"
    assert mark((26.0, None), (28.0, 0.7)) == "?"


def test_models_stand_side_by_side_and_hostile_names_are_refused_in_words(visit: Visit) -> None:
    page = visit.open(TWO + "&models=<script>")
    assert "not a choice here" in " ".join(page.locator("main .note").all_inner_texts())
    heads = page.locator("table.list th").all_inner_texts()
    assert heads[1:] == ["Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-14B-Instruct"]
    average = page.locator("table.list tr", has_text="Open LLM v2 average").inner_text()
    assert "▼" in average
    page = visit.open("compare?models=")
    assert "No model is chosen" in " ".join(page.locator("main .note").all_inner_texts())
    assert visit.errors == []


def test_a_grid_changes_carbon_and_not_energy(visit: Visit) -> None:
    def first_row() -> list[str]:
        cells = (page.locator(f'.tabulator-row [tabulator-field="{name}"]').first for name in (
            "kWh per million tokens", "g CO₂e per million tokens"))  # fmt: skip
        return [cell.inner_text() for cell in cells]

    page = visit.open("footprint")
    energy, carbon = first_row()
    page = visit.open("footprint?grid=FRA")
    greener_energy, less_carbon = first_row()
    assert greener_energy == energy
    assert float(less_carbon.replace(",", "")) < 0.2 * float(carbon.replace(",", ""))
    assert visit.errors == []


def test_the_first_page_says_findings_that_its_tables_hold(visit: Visit, bundled_home: Path) -> None:
    page = visit.open("")
    said = page.locator(".findings li").all_inner_texts()
    reader = Reader(Settings.model_validate({"home": str(bundled_home)}).published)
    best = reader.query("FROM choice_front('RTX-4090', 1, 1, 8192) ORDER BY open_llm_v2_average DESC LIMIT 1")
    assert any(best["model_id"][0] in line for line in said)
    assert len(said) > 3
    pages = {page.locator(".findings a").nth(i).get_attribute("href") for i in range(len(said))}
    assert "open-vs-proprietary" in pages
    assert visit.errors == []


@pytest.mark.parametrize("address", ["", "compare", "footprint"])
def test_on_a_phone_nothing_but_tables_scrolls_sideways(browser: Browser, served: Served, address: str) -> None:
    for visit in visiting(browser, served.url, width=390):
        page = visit.open(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.errors == []
        assert visit.foreign == []
