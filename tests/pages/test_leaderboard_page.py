"""The leaderboard page in a browser: filters, address, search, downloads, cards."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import duckdb
import pytest

from warehouse.publish import current

from .served_pages import Visit, downloaded

pytestmark = [pytest.mark.page]


def counted(visit: Visit) -> tuple[int, int]:
    """Entries shown and entries there are, as the page says."""
    text = visit.page.locator(".counts", has_text="entries shown").first.inner_text()
    shown, there_are = re.findall(r"([\d,]+) of ([\d,]+) entries shown", text)[0]
    return int(shown.replace(",", "")), int(there_are.replace(",", ""))


def choose(visit: Visit, label: str, option: str) -> None:
    visit.page.get_by_label(label, exact=True).select_option(option)
    visit.settle()


@pytest.mark.slow
def test_a_filter_narrows_chart_and_table_and_its_address_restores_it(visit: Visit) -> None:
    page = visit.open("leaderboard?board=open_llm")
    everything = counted(visit)
    assert everything[0] == everything[1] > 20
    search = page.get_by_label("Search", exact=True)
    search.fill("qwen; @org:google")
    search.press("Enter")
    page.wait_for_function("location.search.includes('search=')")
    visit.settle()
    narrowed = counted(visit)
    assert 0 < narrowed[0] < everything[0]
    choose(visit, "Horizontal", "Parameters (billion)")
    page.wait_for_function("location.search.includes('x=parameters_billion')")
    again = visit.address()
    names = page.locator(".tabulator-row [tabulator-field=model_id]").all_inner_texts()
    assert all("qwen" in name.lower() or name.lower().startswith("google/") for name in names)
    visit.open(again)
    assert counted(visit) == narrowed
    assert page.get_by_label("Horizontal", exact=True).input_value() == "Parameters (billion)"
    page.get_by_text("Average against parameters").first.wait_for()
    assert visit.errors == []


def test_a_hostile_address_falls_back_visibly_and_runs_nothing(visit: Visit) -> None:
    page = visit.open(
        "leaderboard?board=open_llm&x=%3Cimg+src%3Dq+onerror%3D%22window.ran%3D1%22%3E&size=nan..inf&columns=q&zzz=1"
    )
    noted = page.locator(".note").all_inner_texts()
    assert len(noted) == 4
    assert any("<img" in line for line in noted)
    assert page.evaluate("window.ran") is None
    assert counted(visit)[0] > 0
    assert visit.errors == []


def test_downloads_hold_the_rows_shown(visit: Visit, tmp_path: Path) -> None:
    page = visit.open("leaderboard?board=open_llm&search=llama")
    shown, _ = counted(visit)
    with page.expect_download() as waiting:
        page.get_by_text("CSV", exact=True).first.click()
    waiting.value.save_as(tmp_path / "rows.csv")
    rows = downloaded((tmp_path / "rows.csv").read_text("utf-8"))
    assert len(rows) == shown
    assert all("llama" in row["model_id"].lower() for row in rows)
    assert "size_gib" in rows[0]
    with page.expect_download() as waiting:
        page.get_by_text("JSON", exact=True).first.click()
    waiting.value.save_as(tmp_path / "rows.json")
    document = json.loads((tmp_path / "rows.json").read_text("utf-8"))
    assert [row["model_id"] for row in document["rows"]] == [row["model_id"] for row in rows]
    assert document["address"] == "leaderboard?board=open_llm&search=llama"


def test_a_clicked_row_opens_its_card_whatever_the_table_does_meanwhile_and_escape_closes_it(visit: Visit) -> None:
    page = visit.open("leaderboard?board=open_llm")
    row = page.locator(".tabulator-row").nth(2)
    name = row.locator("[tabulator-field=model_id]").inner_text()
    row.click()
    page.wait_for_function("location.search.includes('entry=')")
    card = page.locator(".drawer")
    card.get_by_role("heading", name=name, exact=True).wait_for()
    assert re.search(r"beaten by|On the front of", card.locator(".verdict").inner_text())
    page.keyboard.press("Escape")
    page.wait_for_function("!location.search.includes('entry=')")
    card.wait_for(state="hidden")
    # The table lays it out again under the pressed mouse.
    row.hover()
    page.mouse.down()
    page.evaluate(_LAY_OUT_AGAIN)
    page.mouse.up()
    card.get_by_role("heading", name=name, exact=True).wait_for()
    page.keyboard.press("Escape")
    card.wait_for(state="hidden")
    # The server has other rows by now, which the browser has not been shown: what is pressed is what is seen.
    page.evaluate(_DEAF)
    search = page.get_by_label("Search", exact=True)
    search.fill("qwen")
    search.press("Enter")
    visit.settle()
    page.evaluate(_HEARING)
    row.click()
    card.get_by_role("heading", name=name, exact=True).wait_for()
    assert visit.errors == []


_DEAF = """() => { for (const one of Bokeh.documents) one.apply_json_patch = () => {} }"""
_HEARING = """() => { for (const one of Bokeh.documents) delete one.apply_json_patch }"""


_LAY_OUT_AGAIN = """() => { for (const view of Bokeh.index.query((v) => v.model.type.endsWith('DataTabulator')))
  view.redraw() }"""


_FIRST = """(name) => { for (const d of Bokeh.documents) for (const m of d._all_models.values())
  if (m.type === 'Figure' && m.name === name) {
    const view = Bokeh.index.find_one(m), {x, y} = m.renderers[0].data_source.data
    const box = view.canvas_view.el.getBoundingClientRect()
    return [x[0], y[0], box.left + view.frame.x_scale.compute(x[0]), box.top + view.frame.y_scale.compute(y[0])] } }"""


@pytest.mark.slow
def test_a_point_says_whose_it_is_and_the_chart_can_be_saved_as_a_picture(
    visit: Visit, bundled_home: Path, tmp_path: Path
) -> None:
    page = visit.open("leaderboard?board=open_llm")
    size, average, across, down = page.evaluate(_FIRST, "scatter")
    page.mouse.move(across - 2, down - 2)
    page.mouse.move(across, down)
    told = page.locator(".hover b").first
    told.wait_for()
    with duckdb.connect(str(current(bundled_home / "published").path), read_only=True) as connection:
        there = connection.execute(
            "SELECT model_id FROM core.leaderboard_entries WHERE size_gib = ? AND average = ?", [size, average]
        ).fetchall()
    assert (told.inner_text(),) in there
    with page.expect_download() as waiting:
        page.locator("[data-save='scatter:png']").click()
    waiting.value.save_as(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
    with page.expect_download() as waiting:
        page.locator("[data-save='scatter:svg']").click()
    waiting.value.save_as(tmp_path / "chart.svg")
    assert ET.parse(tmp_path / "chart.svg").getroot().tag.endswith("svg")  # noqa: S314 - as above
    assert visit.errors == []
