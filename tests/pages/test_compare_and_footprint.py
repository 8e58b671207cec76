"""Compare, Footprint and the first page in a browser: what they say follows the tables and the choices made."""

from pathlib import Path

import pytest

from dashboards.data import Data
from dashboards.pages.compare.page import mark
from profiling.answers.advise import advise
from profiling.answers.candidate import Need
from warehouse.reader import Reader
from warehouse.settings import Settings

from .served_pages import Visit

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


@pytest.mark.slow
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
    settings = Settings.model_validate({"home": str(bundled_home)})
    newest = (
        Reader(settings.published)
        .query(
            "FROM marts.open_vs_proprietary WHERE arena = 'text' AND category = 'overall'"
            " AND gap_points_lower IS NOT NULL ORDER BY as_of_date DESC, style_control LIMIT 1"
        )
        .row(0, named=True)
    )
    behind = f"{newest['best_open_model']}, was {newest['gap_points']:.0f} points"
    assert any(behind in line for line in said)
    data = Data(settings)
    best = advise(data.door(), data.evidence(), Need(accelerator="RTX-4090")).best
    assert best is not None
    assert said[0].startswith(f"One RTX-4090 runs {best.model_id} in {best.weight_format} ")
    assert len(said) > 3
    pages = {link.get_attribute("href") for link in page.locator(".findings a", has_text="See it").all()}
    assert "open-vs-proprietary" in pages
    assert visit.errors == []
