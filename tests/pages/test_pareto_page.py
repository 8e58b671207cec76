"""The Pareto page in a browser: objectives, segments, the player, and the SQL it shows."""

from pathlib import Path

import duckdb
import pytest

from warehouse.publish import current

from .served_pages import Visit

pytestmark = [pytest.mark.page]


def members(visit: Visit) -> list[str]:
    cells = visit.page.locator(".tabulator-row [tabulator-field=Model]")
    cells.first.wait_for()  # the table is filled once the chart is seen
    return cells.all_inner_texts()


def test_objectives_change_the_front_the_address_restores_it_and_the_sql_shown_returns_it(
    visit: Visit, bundled_home: Path
) -> None:
    page = visit.open("pareto?board=open_llm")
    before = members(visit)
    page.get_by_label("Against", exact=True).select_option("CO₂ of the evaluation (kg)")
    page.wait_for_function("location.search.includes('against=evaluation_co2_kg')")
    visit.settle()
    after = members(visit)
    assert after != before
    page.get_by_text("Average against CO₂ of the evaluation").first.wait_for()
    visit.open(visit.address())
    assert members(visit) == after
    page.locator("details.sql summary").first.click()
    sql = page.locator("details.sql pre").first.inner_text()
    with duckdb.connect(str(current(bundled_home / "published").path), read_only=True) as connection:
        rows = connection.sql(sql).fetchall()
        names = [column[0] for column in connection.sql(sql).description]
    assert [str(row[names.index("model_id")]) for row in rows] == after
    assert visit.errors == []


@pytest.mark.slow
def test_the_player_goes_back_in_time(visit: Visit) -> None:
    page = visit.open("pareto?board=open_llm")
    last = page.locator(".pn-player-value").inner_text()
    page.locator(".player button").nth(1).click()
    page.wait_for_function("location.search.includes('day=')")
    visit.settle()
    earlier = page.locator(".pn-player-value").inner_text()
    assert earlier < last
    page.get_by_text(f"submitted up to {earlier}").first.wait_for()
    visit.open(visit.address())
    assert page.locator(".pn-player-value").inner_text() == earlier
    assert page.locator(".note").count() == 0
    assert visit.errors == []
