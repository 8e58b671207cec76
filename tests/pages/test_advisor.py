"""The page Advisor in a browser: its answer is that of `skyline advise`, and its choices change it."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext
from typer.testing import CliRunner

from dashboards.parts import formats
from pipelines.commands.app import app

from .served_pages import Served, Visit, visiting

pytestmark = [pytest.mark.page]


def advised(home: Path, *arguments: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["advise", *arguments, "--format", "json"], env={"SKYLINE_HOME": str(home)})
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@pytest.mark.slow
def test_the_answer_is_that_of_the_command(visit: Visit, bundled_home: Path) -> None:
    page = visit.open("advisor?machine=2x3090&use=coding&context=65536")
    best = advised(bundled_home, "2x3090", "--use", "coding", "--context", "64k")[0]
    said = " ".join(page.locator(".answer").first.inner_text().split())
    assert best["model_id"].rpartition("/")[2] in said
    assert f"in {best['weight_format']}" in said
    assert f"{best['ability_in_format']:.1f} (90 %: {best['ability_low']:.1f} to {best['ability_high']:.1f})" in said
    assert best["longest_context"] >= 65_536
    rate = formats.significant(best["tokens_per_s"])
    low, high = (formats.significant(best[f"tokens_per_s_{end}"]) for end in ("low", "high"))
    assert f"About {rate} tokens/s (80 %: {low} to {high})" in said
    row = page.locator(".tabulator-row", has_text=best["model_id"]).first
    assert f"{best['tokens_per_s']:.1f}" in row.inner_text()
    page.get_by_role("link", name="operator by operator").click()
    visit.settle()
    tile = " ".join(page.locator(".tile", has_text="Tokens per second").inner_text().split())
    assert f"Tokens per second {rate} 80 %: {low}–{high}" in tile, "the roofline that the answer links to"
    assert page.locator("main .note").all_inner_texts() == []
    assert visit.errors == []


def test_on_a_phone_the_verdict_stands_in_the_row_of_each_candidate(browser: BrowserContext, served: Served) -> None:
    for visit in visiting(browser, served.url, width=390):
        page = visit.open("advisor")
        verdicts = page.locator('.tabulator-row [tabulator-field="Verdict"]').locator("visible=true")
        assert {"Runs well", "Needs more memory"} <= set(verdicts.all_inner_texts())
        assert verdicts.count() == page.locator(".tabulator-row").count()
        assert max(row.bounding_box()["height"] for row in page.locator(".tabulator-row").all()) < 90  # four lines
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
def test_a_machine_nobody_knows_is_refused_in_words(visit: Visit) -> None:
    page = visit.open("advisor?machine=H100000")
    assert any("H100000" in note for note in page.locator("main .note").all_inner_texts())
    assert visit.errors == []
