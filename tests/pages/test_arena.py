"""The page of arena ratings in a browser: boards, addresses, downloads, names that mean harm."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser

from warehouse.contracts import TABLES, VIEWS
from warehouse.lake import Lake
from warehouse.publish import publish

from .served_pages import Served, Visit, downloaded, serve, visiting

pytestmark = [pytest.mark.page]

EVIL = '=cmd <img src=q onerror="window.ran=1">&'
LEADER = "Gemini-2.5-Pro"


def models(visit: Visit) -> list[str]:
    return visit.page.locator(".tabulator-row [tabulator-field=Model]").all_inner_texts()


def test_another_board_changes_the_ratings_and_its_address_restores_them(visit: Visit) -> None:
    shown = visit.open("arena?source=reference&over=publication")
    shown.get_by_text(f"{LEADER} leads with 1,470 (1,465 to 1,475)").first.wait_for()
    # The bundled dates share few models, so nothing says that levels held between them.
    shown.get_by_text("5 models on both moved by +17.0 points in the median").first.wait_for()
    before = models(visit)
    assert before[0] == LEADER
    shown.get_by_label("Board of", exact=True).select_option(index=1)
    shown.wait_for_function("location.search.includes('date=2025-02-10')")
    visit.settle()
    after = models(visit)
    assert after != before
    visit.open(visit.address())
    assert models(visit) == after
    assert visit.errors == []


def test_a_hostile_address_of_the_arena_falls_back_visibly(visit: Visit) -> None:
    evil = "%3Cimg+src%3Dq+onerror%3D%22window.ran%3D1%22%3E"
    shown = visit.open(f"arena?source={evil}&date=9999-99-99&top=1e9&models={evil}&licence=free&zzz=1")
    noted = shown.locator(".note").all_inner_texts()
    assert len(noted) == 6
    assert any("<img" in line for line in noted)
    assert shown.evaluate("window.ran") is None
    assert models(visit)[0] == "gemini-3-pro"
    assert visit.errors == []


@pytest.fixture(scope="module")
def evil_pages(bundled_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Pages on the bundled boards, in which the best model has a harmful name."""
    home = tmp_path_factory.mktemp("evil") / "home"
    shutil.copytree(bundled_home / "lake", home / "lake")
    lake = Lake(home / "lake")
    for table in TABLES:
        named = [name for name in table.column_names if name in ("model", "best_model", "best_proprietary_model")]
        if table.capability == "arena" and named and lake.has(table):
            lake.write(table, lake.read(table).with_columns(pl.col(named).replace(LEADER, EVIL)))
    publish(lake, TABLES, home / "published", "evil", views=VIEWS)
    yield from serve(home, tmp_path_factory.mktemp("served"))


def test_a_harmful_model_name_does_no_harm_on_a_phone_nor_in_a_spreadsheet(
    browser: Browser, evil_pages: Served, tmp_path: Path
) -> None:
    for visit in visiting(browser, evil_pages.url, width=390, scheme="dark"):
        shown = visit.open("arena?source=reference&search=cmd;gpt")
        shown.get_by_text(f"{EVIL} leads with").first.wait_for()
        with shown.expect_download() as waiting:
            shown.get_by_text("CSV", exact=True).first.click()
        waiting.value.save_as(tmp_path / "rows.csv")
        names = [row["model"] for row in downloaded((tmp_path / "rows.csv").read_text("utf-8"))]
        assert names[0] == f"'{EVIL}"
        assert all("GPT" in name for name in names[1:])
        visit.open("open-vs-proprietary?source=reference")
        shown.get_by_text(f"the best proprietary one, {EVIL}").first.wait_for()
        assert shown.evaluate("window.ran") is None
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.errors == []
        assert visit.foreign == []
