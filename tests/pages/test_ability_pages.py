"""Pages in ability over all boards: models of today with interval and evidence, on any date, beside the old board."""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner

from pipelines.commands.app import app
from warehouse.publish import current

from .served_pages import Visit, downloaded

pytestmark = [pytest.mark.page]


def asked(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(current(home / "published").path), read_only=True) as connection:
        return connection.sql(sql).fetchall()


def shown(visit: Visit, field: str) -> list[str]:
    cells = visit.page.locator(f'.tabulator-row [tabulator-field="{field}"]')
    cells.first.wait_for()
    return cells.all_inner_texts()


def test_the_leaderboard_begins_with_models_of_today_each_with_interval_evidence_and_licence(
    visit: Visit, bundled_home: Path, tmp_path: Path
) -> None:
    page = visit.open("leaderboard?openness=open")
    ablest = asked(
        bundled_home,
        "SELECT a.model_id, a.ability, a.ability_low, a.evidence_class, m.release_date FROM marts.ability AS a"
        " JOIN marts.ability_models AS m USING (model_id) WHERE domain = 'overall' AND is_headline"
        " AND evidence_class <> 'prior' AND openness = 'open' ORDER BY ability DESC, model_id LIMIT 20",
    )
    assert shown(visit, "Model")[:20] == [model for model, *_ in ablest]
    assert sum(released >= dt.date(2026, 1, 1) for *_, released in ablest if released) >= 8
    with page.expect_download() as waiting:
        page.get_by_text("CSV", exact=True).first.click()
    waiting.value.save_as(tmp_path / "rows.csv")
    rows = downloaded((tmp_path / "rows.csv").read_text("utf-8"))
    for row, (_, ability, low, evidence, _) in zip(rows, ablest, strict=False):
        assert (float(row["ability"]), float(row["ability_low"])) == pytest.approx((ability, low))
        assert row["evidence_class"] == evidence
        assert row["openness_words"] == "open weights"
        assert int(row["results"]) > 0
        assert row["sources"]
    assert visit.errors == []
    assert visit.foreign == []


@pytest.mark.slow
def test_what_changed_since_the_state_before_is_told_with_reasons(visit: Visit, bundled_home: Path) -> None:
    page = visit.open("leaderboard")
    counts: dict[str, int] = dict(
        asked(bundled_home, "SELECT reason, count(*) FROM marts.ability_changes WHERE domain = 'overall' GROUP BY 1")
    )
    told = page.locator(".counts", has_text="Models between").first
    told.wait_for()
    assert f"{counts['new model']:,} new" in told.inner_text()
    assert f"{counts['refit']:,} without new results, moved only by the new fit" in told.inner_text()


@pytest.mark.slow
def test_a_front_of_the_past_holds_nothing_that_came_later_and_its_address_lasts(
    visit: Visit, bundled_home: Path
) -> None:
    page = visit.open("pareto?cost=memory_gib&date=2025-06-30")
    standing = asked(
        bundled_home,
        "SELECT model_id FROM marts.ability_fronts WHERE domain = 'overall' AND cost = 'memory_gib'"
        " AND entered_on <= DATE '2025-06-30' AND (left_on IS NULL OR left_on > DATE '2025-06-30') ORDER BY value",
    )
    assert shown(visit, "Model") == [model for (model,) in standing]
    assert page.locator(".note").count() == 0
    page.get_by_label("Against", exact=True).select_option("Rent (USD per million tokens)")
    page.wait_for_function("location.search.includes('cost=usd_per_million_tokens')")
    visit.settle()
    assert page.get_by_text("Ability (overall) against rent").first.is_visible()
    assert visit.errors == []


@pytest.mark.slow
def test_the_old_board_is_one_link_away_and_old_addresses_still_lead_to_it(visit: Visit) -> None:
    page = visit.open("scaling")
    assert page.get_by_text("points per doubling").first.is_visible()
    page.get_by_role("link", name="Open LLM Leaderboard").click()
    page.wait_for_url("**/scaling?board=open_llm")
    visit.settle()
    assert page.locator(".counts", has_text="points per doubling on average").is_visible()
    page = visit.open("leaderboard?x=parameters_billion")
    assert page.get_by_text("Average against parameters").first.is_visible()
    assert visit.errors == []


@pytest.mark.slow
def test_models_are_compared_by_domain_beyond_the_old_board(visit: Visit) -> None:
    page = visit.open("compare?models=Qwen/Qwen3.6-27B&models=google/gemma-4-31B-it")
    line = page.locator("table.list tr", has_text="Ability: overall").inner_text()
    assert re.search(r"\d\.\d \(90 %: \d+\.\d to \d+\.\d\)", line)
    assert line.rstrip().endswith(("≈", "▲", "▼"))
    assert page.get_by_text("Ability by domain").first.is_visible()
    old = page.get_by_text("Scores and their noise", exact=True)
    assert not old.is_visible(), "a chart of a board that none of these models is on is left out"
    visit.open("compare?models=Qwen/Qwen2.5-14B-Instruct&models=google/gemma-4-31B-it")
    old.wait_for()
    assert visit.errors == []


def test_32b_at_3_bits_or_14b_at_8_is_answered_beyond_noise_or_not(visit: Visit, bundled_home: Path) -> None:
    large, small = "Qwen/Qwen2.5-32B-Instruct", "Qwen/Qwen2.5-14B-Instruct"
    page = visit.open(
        f"compare?models={large}&models={small}&stored={large}@q3_k_m&stored={small}@q8_0&stored=nobody@q2_k"
    )
    asked_for = ["compare", f"{large}@q3_k_m", f"{small}@q8_0"]
    done = CliRunner().invoke(app, asked_for, env={"SKYLINE_HOME": str(bundled_home)})
    sentence = done.stdout.splitlines()[0]
    assert sentence.startswith(f"{large} in q3_k_m is ahead of {small} in q8_0 by ")
    assert page.get_by_text(sentence).is_visible()
    assert page.get_by_text("nobody@q2_k” is not a choice here").is_visible()
    page.get_by_label("Format of Qwen2.5-32B-Instruct").select_option("q2_k")
    page.get_by_text(f"{large} in q2_k").first.wait_for()
    page.wait_for_url(lambda address: "q2_k" in address)
    assert visit.errors == []


@pytest.mark.slow
def test_arena_boards_of_all_publications_are_one_series_up_to_the_newest(visit: Visit, bundled_home: Path) -> None:
    page = visit.open("arena?source=living_boards&models=deepseek-r1&models=glm-4.5")
    ((newest, breaks),) = asked(
        bundled_home,
        "SELECT max(after_date), count(*) FILTER (is_break) FROM marts.arena_series_links"
        " WHERE arena = 'text' AND category = 'overall' AND series = 'as shown'",
    )
    page.get_by_text(f"up to the board of {newest}, on its level").first.wait_for()
    assert page.get_by_text(f"Joined at {breaks} breaks (shaded)").first.is_visible()
    assert visit.errors == []


def test_the_frontier_is_sized_as_everywhere_else(bundled_home: Path) -> None:
    both = asked(
        bundled_home,
        "SELECT DISTINCT d.model_id, d.gpus_needed, g.devices FROM marts.frontier_gpu_demand AS d"
        " JOIN marts.gpu_requirements AS g USING (model_id) WHERE g.accelerator = 'H100-SXM5-80GB' AND g.batch = 32"
        " AND g.context = 4096 AND g.precision = 'w16a16kv16' AND d.weight_format = 'bf16'",
    )
    sized = {model: (frontier, table) for model, frontier, table in both}
    assert sized["meta-llama/Meta-Llama-3-70B-Instruct"] == (4, 4)
    assert all(frontier == table for frontier, table in sized.values())
