"""What pages do when data is missing, arrives, is renewed, or means harm."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Browser

from warehouse.contracts import BY_RELATION, TABLES, VIEWS
from warehouse.lake import Lake
from warehouse.publish import publish

from .served_pages import Served, downloaded, serve, visiting

pytestmark = [pytest.mark.page]

EVIL = '=cmd/<img src=q onerror="window.ran=1">&'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which nothing is published yet."""
    return tmp_path_factory.mktemp("changing") / "home"


@pytest.fixture(scope="module")
def changing(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Pages on that home."""
    yield from serve(home, tmp_path_factory.mktemp("served"))


def publish_with_evil_names(bundled_home: Path, home: Path) -> None:
    """Publish the bundled tables, with one model that has a harmful name and licence."""
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
    publish(lake, TABLES, home / "published", "with evil names", views=VIEWS)


def test_a_page_waits_for_data_then_shows_it_safely_and_says_when_there_is_newer(
    browser: Browser, changing: Served, home: Path, bundled_home: Path, tmp_path: Path
) -> None:
    for visit in visiting(browser, changing.url):
        page = visit.open("leaderboard?board=open_llm")
        page.locator("code", has_text="skyline refresh").wait_for()

        publish_with_evil_names(bundled_home, home)
        page.locator(".tabulator-row").first.wait_for()
        visit.settle()
        page.locator(".tabulator-row [tabulator-field=model_id]").get_by_text(EVIL, exact=True).click()
        page.locator(".drawer").get_by_role("heading", name=EVIL).wait_for()
        assert page.evaluate("window.ran") is None
        page.keyboard.press("Escape")

        with page.expect_download() as waiting:
            page.get_by_text("CSV", exact=True).first.click()
        waiting.value.save_as(tmp_path / "rows.csv")
        names = [row["model_id"] for row in downloaded((tmp_path / "rows.csv").read_text("utf-8"))]
        assert f"'{EVIL}" in names
        assert EVIL not in names

        publish(Lake(home / "lake"), TABLES, home / "published", "newer", views=VIEWS)
        page.get_by_text("Newer data has been published").wait_for()
        assert visit.errors == []
        assert visit.foreign == []
