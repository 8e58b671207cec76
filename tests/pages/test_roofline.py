"""The roofline explorer in a browser: numbers follow choices, what does not fit has no rate, addresses restore."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from .served_pages import Visit, downloaded

pytestmark = [pytest.mark.page]

LARGE = "roofline?model=meta-llama/Meta-Llama-3.1-70B&accelerator=RTX-A6000"


def tiles(visit: Visit) -> dict[str, str]:
    """Headline numbers by their name."""
    found = visit.page.locator(".tile[data-tile]:visible")
    return {str(tile.get_attribute("data-tile")): tile.inner_text() for tile in found.all()}


def enter(visit: Visit, label: str, value: str) -> None:
    field = visit.page.get_by_label(label, exact=True)
    field.fill(value)
    field.press("Enter")
    visit.page.wait_for_timeout(300)
    visit.settle()


def test_choices_change_the_numbers_the_address_restores_them_and_downloads_hold_both(
    visit: Visit, tmp_path: Path
) -> None:
    page = visit.open("roofline")
    before = tiles(visit)
    assert {"Time to first token", "Time per output token", "Tokens per second", "bound", "memory"} <= set(before)
    assert "held out" in page.get_by_text("Calibrated:").first.inner_text()
    enter(visit, "Batch (sequences)", "32")
    page.get_by_label("Weights", exact=True).select_option(label="fp8 · 8 bits")
    page.wait_for_function("location.search.includes('weights=fp8')")
    visit.settle()
    after = tiles(visit)
    assert after["Tokens per second"] != before["Tokens per second"]
    assert page.locator(".tabulator-row").count() > 10
    assert visit.address() == "roofline?batch=32&weights=fp8"
    visit.open(visit.address())
    assert tiles(visit) == after
    saved = {}
    for kind in ("csv", "json"):
        with page.expect_download() as download:
            page.get_by_text(kind.upper(), exact=True).first.click()
        saved[kind] = tmp_path / f"roofline.{kind}"
        download.value.save_as(saved[kind])
    rows = downloaded(saved["csv"].read_text("utf-8"))
    document = json.loads(saved["json"].read_text("utf-8"))
    assert len(rows) == len(document["rows"]) == 17
    assert {"operator", "flops", "weight_bytes", "intensity", "bound_s", "likely_s", "share_pct"} <= set(rows[0])
    assert document["A"]["question"]["batch"] == 32
    assert document["address"] == "roofline?batch=32&weights=fp8"
    assert visit.errors == []


@pytest.mark.slow
def test_a_model_is_found_by_part_of_its_name(visit: Visit) -> None:
    page = visit.open("roofline")
    field = page.get_by_label("Model", exact=True)
    field.fill("")
    field.press_sequentially("mixtral-8x7b-v")
    page.get_by_text("mistralai/Mixtral-8x7B-v0.1", exact=True).click()
    page.wait_for_function("location.search.includes('Mixtral-8x7B-v0.1')")
    visit.settle()
    page.get_by_role("heading", name="Roofline of Mixtral-8x7B-v0.1").wait_for()
    assert visit.errors == []


@pytest.mark.slow
def test_what_does_not_fit_has_no_rate_but_a_way_out(visit: Visit) -> None:
    page = visit.open(LARGE)
    assert set(tiles(visit)) == {"unfit"}
    assert "tokens/s" not in page.locator("main").inner_text()
    page.get_by_role("button", name="3 × RTX-A6000 (pp=3)").click()
    page.wait_for_function("location.search.includes('pp=3')")
    visit.settle()
    assert "Tokens per second" in tiles(visit)
    assert visit.errors == []


@pytest.mark.slow
def test_two_configurations_stand_side_by_side(visit: Visit) -> None:
    page = visit.open("roofline")
    page.get_by_role("checkbox", name="Compare with a second configuration").check()
    page.wait_for_function("location.search.includes('b_weights=fp8')")
    visit.settle()
    page.get_by_role("heading", name="B against A").wait_for()
    weights = page.locator("tr", has_text="Weights per device").first.inner_text()
    assert weights.split("\t")[1:3] == ["15.0 GiB", "8.46 GiB"]
    page.get_by_role("heading", name="B: Roofline of Meta-Llama-3.1-8B").wait_for()
    assert visit.errors == []


@pytest.mark.slow
def test_a_hostile_address_falls_back_visibly(visit: Visit) -> None:
    evil = quote("<img src=q onerror=window.ran=1>")
    page = visit.open(f"roofline?model={evil}&batch=-3&tp=7&context=1e9&zzz=1")
    noted = page.locator("main .note").all_inner_texts()
    assert len(noted) == 5
    assert any("can be split 1, 2, 4, 8" in line for line in noted)
    assert page.evaluate("window.ran") is None
    assert "Tokens per second" in tiles(visit)
    assert visit.errors == []


@pytest.mark.slow
def test_devices_without_a_known_link_are_refused_in_words(visit: Visit) -> None:
    page = visit.open("roofline?accelerator=Jetson-AGX-Orin-64GB&tp=2")
    page.get_by_text("Jetson-AGX-Orin-64GB has no link to others").wait_for()
    assert tiles(visit) == {}
    assert visit.errors == []
