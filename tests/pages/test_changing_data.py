"""What pages do when data is missing, arrives, is renewed, or means harm."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import BrowserContext, Download

from warehouse.contracts import BY_RELATION, TABLES, VIEWS
from warehouse.lake import Lake
from warehouse.publish import publish

from .served_pages import Served, downloaded, serve, visiting

pytestmark = [pytest.mark.page]

EVIL = '=cmd/<img src=q onerror="window.ran=1">&'
LEADER = "Gemini-2.5-Pro"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing is published yet."""
    return tmp_path_factory.mktemp("changing") / "home"


@pytest.fixture(scope="module")
def changing(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Pages on that home."""
    yield from serve(home, tmp_path_factory.mktemp("served"))


def publish_with_evil_names(bundled_home: Path, home: Path) -> None:
    """Publish the bundled tables, with one model of each board that has a harmful name, and licence."""
    shutil.copytree(bundled_home / "lake", home / "lake", dirs_exist_ok=True)
    lake = Lake(home / "lake")
    entries = lake.read(BY_RELATION["core.leaderboard_entries"])
    shown_first = entries["snapshot_id"].mode()[0]
    ranked = entries.filter(pl.col("snapshot_id") == shown_first).sort("average", descending=True, nulls_last=True)
    best = ranked["model_id"][0]
    for table in TABLES:
        if table.schema != "raw" and "model_id" in table.column_names and lake.has(table):
            named = pl.col("model_id") == best
            changed = lake.read(table).with_columns(
                pl.when(named).then(pl.lit(value)).otherwise(pl.col(column)).alias(column)
                for column, value in (("model_id", EVIL), ("licence", EVIL), ("family", EVIL))
                if column in table.column_names
            )
            lake.write(table, changed)
        named = [name for name in table.column_names if name in ("model", "best_model", "best_proprietary_model")]
        if table.capability == "arena" and named and lake.has(table):
            lake.write(table, lake.read(table).with_columns(pl.col(named).replace(LEADER, EVIL)))
    publish(lake, TABLES, home / "published", "with evil names", views=VIEWS)


def column(download: Download, name: str) -> list[str]:
    """One column of the rows of a CSV file that was saved."""
    return [row[name] for row in downloaded(download.path().read_text("utf-8"))]


def test_a_page_waits_for_data_then_shows_it_safely_and_says_when_there_is_newer(
    browser: BrowserContext, changing: Served, home: Path, bundled_home: Path
) -> None:
    for visit in visiting(browser, changing.url):
        page = visit.open("leaderboard?board=open_llm")
        page.locator("code", has_text="skyline refresh").wait_for()
        page.locator(".sidebar").wait_for(state="hidden")  # there is nothing to filter

        publish_with_evil_names(bundled_home, home)
        page.locator(".tabulator-row").first.wait_for()
        visit.settle()
        assert page.locator(".sidebar").is_visible()
        page.locator(".tabulator-row [tabulator-field=model_id]").get_by_text(EVIL, exact=True).click()
        page.locator(".drawer").get_by_role("heading", name=EVIL).wait_for()
        assert page.evaluate("window.ran") is None
        page.keyboard.press("Escape")

        with page.expect_download() as waiting:
            page.get_by_text("CSV", exact=True).first.click()
        names = column(waiting.value, "model_id")
        assert f"'{EVIL}" in names
        assert EVIL not in names

        publish(Lake(home / "lake"), TABLES, home / "published", "newer", views=VIEWS)
        page.get_by_text("Newer data has been published").wait_for()
        assert visit.errors == []
        assert visit.foreign == []


@pytest.mark.slow
def test_a_harmful_model_name_does_no_harm_on_a_phone_nor_in_a_spreadsheet(
    browser: BrowserContext, changing: Served, home: Path, bundled_home: Path
) -> None:
    if not (home / "published").exists():
        publish_with_evil_names(bundled_home, home)
    for visit in visiting(browser, changing.url, width=390, scheme="dark"):
        shown = visit.open("arena?source=reference&search=cmd;gpt")
        shown.get_by_text(f"{EVIL} leads with").first.wait_for()
        with shown.expect_download() as waiting:
            shown.get_by_text("CSV", exact=True).first.click()
        names = column(waiting.value, "model")
        assert names[0] == f"'{EVIL}"
        assert all("GPT" in name for name in names[1:])
        visit.open("open-vs-proprietary?source=reference")
        shown.get_by_text(f"the best proprietary one, {EVIL}").first.wait_for()
        assert shown.evaluate("window.ran") is None
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390
        assert visit.errors == []
        assert visit.foreign == []
