"""The page Serve in a browser: its answer is that of `skyline plan`, and a fleet says which target it misses first."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.commands.app import app

from .faults import resize
from .served_pages import Visit, downloaded

pytestmark = [pytest.mark.page]

SMALL = "serve?model=meta-llama/Meta-Llama-3.1-8B&users=4&input=500&output=50&ttft=1&tpot=20&second="
HEAD = ".answer h2"


def planned(home: Path, *arguments: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["plan", *arguments, "--format", "json"], env={"SKYLINE_HOME": str(home)})
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_the_answer_is_that_of_the_command_downloads_and_the_address_brings_it_back(
    visit: Visit, bundled_home: Path, tmp_path: Path
) -> None:
    page = visit.open(SMALL)
    page.locator(HEAD).wait_for()
    shown, started = page.locator(".answer code").all_inner_texts()
    best = planned(bundled_home, *shown.split()[2:])[0]
    assert page.locator(HEAD).inner_text().startswith(f"{best['devices']} × {best['accelerator']}")
    assert started == best["run"]
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").last.click()
    download.value.save_as(tmp_path / "plans.csv")
    rows = downloaded((tmp_path / "plans.csv").read_text("utf-8"))
    assert len(rows) > 20
    assert all(row["usd_per_million_output_tokens"] for row in rows if row["usd_per_hour"])
    field = page.get_by_label("Concurrent users", exact=True)
    field.fill("400")
    field.press("Enter")
    page.wait_for_function("location.search.includes('users=400')")
    visit.settle()
    more = page.locator(HEAD).inner_text()
    page.get_by_text("400 concurrent users").first.wait_for()
    visit.open(visit.address())
    page.locator(HEAD).wait_for()
    assert page.locator(HEAD).inner_text() == more
    assert visit.errors == []


def test_a_fleet_says_which_target_it_misses_first_and_one_that_cannot_be_says_why(visit: Visit) -> None:
    page = visit.open(f"{SMALL}2xH100000&first=2xL40S")
    page.get_by_role("columnheader", name="2 × L40S").wait_for()
    breaks = page.locator("tr", has_text="First limit").inner_text()
    assert "beyond" in breaks or "even with a single request" in breaks
    assert any("H100000" in note for note in page.locator("main .note").all_inner_texts())
    assert visit.errors == []


@pytest.mark.slow
def test_the_answer_fits_a_phone_and_says_how_far_off_such_predictions_are(visit: Visit) -> None:
    page = visit.open(SMALL)
    page.locator(HEAD).wait_for()
    resize(page, 390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    said = " ".join(page.locator(".answer dl").inner_text().split())
    assert re.search(r"How far off The engine model's .* median of \d+ % and \d+ % for vllm on ", said)
    assert re.search(r"the simulation of the plan is [\d to]+ % off for first tokens", said)
    assert "nan" not in said
    page.get_by_role("link", name="More", exact=True).click()
    page.wait_for_url(re.compile(r"/how-far-off\?stage=time\+per\+token\+under\+load"))
