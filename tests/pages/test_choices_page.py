"""Choices in a browser: a newcomer's answer, the same numbers as SQL, reasons, limits, and the way back."""

import json
import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from dashboards.parts import formats
from profiling.answers.advise import advise
from profiling.answers.candidate import Need
from profiling.answers.door import Door
from profiling.answers.evidence import Evidence
from warehouse.reader import PerRelease, Reader
from warehouse.settings import Settings

from .served_pages import Served, Visit, downloaded, visiting

pytestmark = [pytest.mark.page]

_BY_BOARD = "quality=open_llm_v2_average"


@pytest.fixture(scope="module")
def standing(browser: BrowserContext, served: Served) -> Iterator[Visit]:
    """The page as it opens, one for all who only read it."""
    for visit in visiting(browser, served.url):
        visit.open(f"choices?{_BY_BOARD}")
        yield visit


def test_a_newcomer_with_one_rtx_4090_reads_the_answer_and_it_is_that_of_sql(
    standing: Visit, bundled_home: Path
) -> None:
    page = standing.page
    answer = page.locator(".answer").first
    reader = Reader(Settings.model_validate({"home": str(bundled_home)}).published)
    best = reader.query(
        "FROM marts.choices WHERE accelerator = 'RTX-4090' AND devices = 1 AND batch = 1 AND context = 8192"
        " AND verdict = 'fits' AND is_on_hub IS DISTINCT FROM false AND NOT is_flagged"
        " AND open_llm_v2_average IS NOT NULL"
        " ORDER BY open_llm_v2_average DESC, model_id, weight_bits DESC LIMIT 1"
    ).row(0, named=True)
    assert answer.locator("h3").inner_text() == best["model_id"]
    said = " ".join(answer.inner_text().split())
    average, margin = best["open_llm_v2_average"], 1.959964 * best["open_llm_v2_standard_error"]
    assert f"{average:.1f} (95 %: {average - margin:.1f} to {average + margin:.1f})" in said
    assert f"{best['memory_high_gib']:.1f} of {best['memory_budget_gib']:.1f} GiB" in said
    assert f"Speed {formats.significant(best['tokens_per_s'])} tokens/s" in said
    assert f"First token {formats.significant(best['time_to_first_token_s'])} s" in said
    assert f"Cost ${formats.significant(best['usd_per_million_tokens'])} per million tokens (rent" in said
    assert standing.errors == []
    assert standing.foreign == []


def test_ability_in_the_precision_is_what_choices_rank_by_and_what_the_advisor_says_of_it(
    visit: Visit, bundled_home: Path
) -> None:
    page = visit.open("choices")
    reader = Reader(Settings.model_validate({"home": str(bundled_home)}).published)
    best = reader.query(
        "FROM marts.choices WHERE accelerator = 'RTX-4090' AND devices = 1 AND batch = 1 AND context = 8192"
        " AND verdict = 'fits' AND ability IS NOT NULL AND is_on_hub IS DISTINCT FROM false"
        " QUALIFY row_number() OVER (PARTITION BY model_id ORDER BY weight_bits DESC) = 1 ORDER BY ability DESC LIMIT 1"
    ).row(0, named=True)
    answer = page.locator(".answer").first
    assert answer.locator("h3").inner_text() == best["model_id"]
    stated = f"{best['ability']:.1f} (90 %: {best['ability_low']:.1f} to {best['ability_high']:.1f})"
    assert stated in " ".join(answer.inner_text().split())
    # The Advisor says the same of a model in the same format.
    need = Need(accelerator="H100-SXM5-80GB", engine="vllm-v1", context=8192)
    advice = advise(PerRelease(reader, Door.from_tables)(), PerRelease(reader, Evidence.of)(), need, ["awq-4bit-g128"])
    candidate = advice.best
    assert candidate is not None
    row = reader.query(
        f"SELECT ability, ability_low, ability_high FROM marts.ability_by_precision "
        f"WHERE model_id = '{candidate.model_id}' AND precision = 'w4a16kv16'"
    ).row(0)
    assert row == pytest.approx((candidate.ability_in_format, candidate.ability_low, candidate.ability_high))
    assert visit.errors == []


def test_the_front_drawn_is_the_front_of_the_macro(standing: Visit, bundled_home: Path) -> None:
    page = standing.page
    reader = Reader(Settings.model_validate({"home": str(bundled_home)}).published)
    front = reader.query("SELECT model_id FROM choice_front('RTX-4090', 1, 1, 8192)")
    shown = page.locator("table.list tbody tr td:first-child").all_inner_texts()
    assert sorted(shown) == sorted(front["model_id"].to_list())


def test_what_was_left_out_says_what_it_needs_and_what_there_is(standing: Visit, tmp_path: Path) -> None:
    page = standing.page
    with page.expect_download() as download:
        page.get_by_text("CSV", exact=True).nth(1).click()
    download.value.save_as(tmp_path / "left_out.csv")
    rows = downloaded((tmp_path / "left_out.csv").read_text("utf-8"))
    reasons = [row["reason"] for row in rows]
    assert any(re.fullmatch(r"needs [\d.]+ GiB a device in 4-bit, you have 21\.2", reason) for reason in reasons)


@pytest.mark.slow
def test_two_devices_hold_what_one_does_not_a_limit_changes_the_answer_and_the_address_brings_it_back(
    visit: Visit, bundled_home: Path
) -> None:
    page = visit.open(f"choices?devices=2&{_BY_BOARD}")
    reader = Reader(Settings.model_validate({"home": str(bundled_home)}).published)
    front = reader.query("FROM choice_front('RTX-4090', 2, 1, 8192)")
    shown = page.locator("table.list tbody tr td:first-child").all_inner_texts()
    assert sorted(shown) == sorted(front["model_id"].to_list())
    assert set(front["devices"]) == {1, 2}
    assert "on 2 devices" in page.locator(".answer").first.inner_text()
    before = page.locator(".answer h3").first.inner_text()
    field = page.get_by_label("Minimum tokens per second, in all", exact=True)
    field.fill("150")
    field.press("Enter")
    page.wait_for_function("location.search.includes('speed=150')")
    visit.settle()
    after = page.locator(".answer h3").first.inner_text()
    assert after != before
    visit.open(visit.address())
    assert page.locator(".answer h3").first.inner_text() == after
    assert visit.errors == []


@pytest.mark.slow
def test_an_answer_leads_to_its_roofline(visit: Visit) -> None:
    page = visit.open("choices")
    page.get_by_role("link", name="Why this speed: its roofline").first.click()
    page.wait_for_url("**/roofline?**")
    visit.settle()
    assert page.locator("main .note").count() == 0
    asked = urllib.parse.parse_qs(urllib.parse.urlsplit(page.url).query)
    assert asked["accelerator"] == ["RTX-4090"]
    assert visit.errors == []


def test_details_have_sources_and_close_with_escape(standing: Visit) -> None:
    page = standing.page
    page.locator(".tabulator-row [tabulator-field=Model]").first.click()
    page.get_by_text("What that rests on").wait_for()
    drawer = " ".join(page.locator(".drawer table.facts").all_inner_texts())
    for expected in ("Runs as", "Open LLM v2", "snapshot of", "documented default efficiencies", "median of"):
        assert expected in drawer
    page.keyboard.press("Escape")
    page.locator(".drawer").wait_for(state="hidden")


@pytest.mark.slow
def test_hostile_and_impossible_wishes_are_said_in_words(visit: Visit) -> None:
    page = visit.open("choices?accelerator=ABACUS&speed=-3&usd=0.0000001")
    noted = " ".join(page.locator("main .note").all_inner_texts())
    assert "ABACUS" in noted
    assert "speed" in noted
    assert "No model passes" in noted
    page = visit.open("choices?quality=weighted&" + "&".join(f"w_{n}=0" for n in (
        "ifeval", "bbh", "math_lvl_5", "gpqa", "musr", "mmlu_pro")))  # fmt: skip
    assert "weight" in " ".join(page.locator("main .note").all_inner_texts())
    assert visit.errors == []


def test_the_json_download_carries_the_sql(standing: Visit, tmp_path: Path) -> None:
    page = standing.page
    with page.expect_download() as download:
        page.get_by_text("JSON", exact=True).first.click()
    download.value.save_as(tmp_path / "choices.json")
    document = json.loads((tmp_path / "choices.json").read_text("utf-8"))
    assert "marts.choices" in document["sql"]
    assert document["rows"]
