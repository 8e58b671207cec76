"""The scaling page in a browser: its numbers are the warehouse's, its controls swap what is drawn."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from warehouse.publish import current

from .served_pages import Visit, downloaded

pytestmark = [pytest.mark.page]

_DATA = """(name) => { const found = []
  const look = (m) => { if (m.name === name && m.type === 'Figure') found.push(m) }
  for (const d of Bokeh.documents) for (const m of d._all_models.values()) look(m)
  return found.flatMap((f) => f.renderers.map((r) => r.data_source.get_length() ?? 0)) }"""


def asked(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(current(home / "published").path), read_only=True) as connection:
        return connection.sql(sql).fetchall()


def test_its_sentences_and_ranking_are_those_of_the_tables_and_download(
    visit: Visit, bundled_home: Path, tmp_path: Path
) -> None:
    page = visit.open("scaling?board=open_llm")
    ((slope, low, high),) = asked(
        bundled_home,
        "SELECT points_per_doubling, points_per_doubling_lower, points_per_doubling_upper FROM marts.scaling_fits"
        " WHERE board = 'open_llm_v2' AND measure = 'average' AND size_basis = 'parameters_total'"
        " AND method = 'ordinary_least_squares'",
    )
    told = page.locator(".counts", has_text="points per doubling on average").inner_text()
    assert f"{slope:.2f} points per doubling on average (95 %: {low:.2f} to {high:.2f})" in told
    page.locator(".counts", has_text="R² = 0.025").wait_for()
    page.get_by_text("Gemma-2B-it (−16.5 points)").first.wait_for()
    ranked = asked(
        bundled_home,
        "SELECT model_id FROM marts.scaling_residuals WHERE board = 'open_llm_v2' AND residual_rank IS NOT NULL"
        " AND size_basis = 'parameters_total' ORDER BY residual_rank, entry_id",
    )
    shown = page.locator(".tabulator-row [tabulator-field=Model]").all_inner_texts()
    assert shown == [name for (name,) in ranked[: len(shown)]]
    with page.expect_download() as waiting:
        page.get_by_text("CSV", exact=True).first.click()
    waiting.value.save_as(tmp_path / "rows.csv")
    assert len(downloaded((tmp_path / "rows.csv").read_text("utf-8"))) == len(ranked)
    assert visit.errors == []


@pytest.mark.slow
def test_size_score_and_axis_change_what_is_drawn_and_the_address_restores_it(visit: Visit) -> None:
    page = visit.open("scaling?board=open_llm")
    before = page.evaluate(_DATA, "scaling")
    page.get_by_label("Size", exact=True).select_option("Non-embedding")
    page.wait_for_function("location.search.includes('size=parameters_non_embedding')")
    page.get_by_label("Score", exact=True).select_option("MMLU-PRO")
    page.get_by_text("Linear axis", exact=True).click()
    page.wait_for_function("location.search.includes('axis=linear')")
    visit.settle()
    assert page.evaluate(_DATA, "scaling") != before
    title = "MMLU-PRO against non-embedding parameters (billion)"
    page.get_by_text(title).first.wait_for()
    visit.open(visit.address())
    page.get_by_text(title).first.wait_for()
    assert page.get_by_label("Size", exact=True).input_value() == "Non-embedding"
    assert visit.errors == []
