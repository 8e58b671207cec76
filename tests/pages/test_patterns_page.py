"""The patterns page in a browser: matrices equal the warehouse's, groups and brushes change what is drawn."""

from pathlib import Path
from typing import Any

import duckdb
import pytest

from dashboards.charts.win_rates import INKS, SHADES
from warehouse.publish import current

from .served_pages import Visit

pytestmark = [pytest.mark.page]

_COLUMN = """([name, glyph, column]) => { for (const d of Bokeh.documents) for (const m of d._all_models.values())
  if (m.type === 'Figure' && m.name === name) for (const r of m.renderers)
    if (r.glyph.type === glyph) return Array.from(r.data_source.data[column]) }"""
_TITLE = """(name) => { for (const d of Bokeh.documents) for (const m of d._all_models.values())
  if (m.type === 'Figure' && m.name === name) return m.title.text }"""


def asked(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(current(home / "published").path), read_only=True) as connection:
        return connection.sql(sql).fetchall()


def contrast(one: str, other: str) -> float:
    """Of two colours, by WCAG 2."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_cell_of_no_difference_neither_glares_nor_vanishes_and_every_figure_can_be_read() -> None:
    assert all(contrast(shade, ink) >= 4.5 for shade, ink in zip(SHADES, INKS, strict=True))
    on_light, on_dark = (contrast(SHADES[len(SHADES) // 2], surface) for surface in ("#ffffff", "#161b22"))
    assert on_light > 2
    assert 4 < on_dark < 8


def test_the_correlations_drawn_are_those_of_the_warehouse_and_follow_the_kind_chosen(
    visit: Visit, bundled_home: Path
) -> None:
    page = visit.open("patterns?board=open_llm")
    for kind, label in (("spearman", None), ("pearson", "Pearson")):
        if label:
            page.get_by_text(label, exact=True).click()
            page.wait_for_function("location.search.includes('correlation=pearson')")
            visit.settle()
        heads = page.evaluate(_COLUMN, ["correlations", "Rect", "head"])
        texts = page.evaluate(_COLUMN, ["correlations", "Rect", "text"])
        drawn = dict(zip(heads, texts, strict=True))
        rows = asked(
            bundled_home,
            f"SELECT measure, other_measure, {kind} FROM marts.benchmark_correlations"
            " WHERE board = 'open_llm_v2' AND other_measure != 'log2_parameters_total'",
        )
        assert len(rows) == 15
        assert all(drawn[f"{benchmark} · {other}"] == f"{value:.2f}" for benchmark, other, value in rows)
    assert visit.errors == []


@pytest.mark.slow
def test_grouping_filter_and_values_change_the_drawing_and_the_address_restores_them(visit: Visit) -> None:
    page = visit.open("patterns?board=open_llm&group=precision&only=float16&rows=groups&values=score")
    assert page.locator(".note").count() == 0
    assert page.evaluate(_COLUMN, ["heatmap", "Rect", "head"])[0].startswith("float16 · ")
    fewer = len(page.evaluate(_COLUMN, ["components", "Scatter", "x"]))
    page.get_by_label("Group by", exact=True).select_option("Family")
    page.wait_for_function("!location.search.includes('only=')")
    visit.settle()
    assert len(page.evaluate(_COLUMN, ["components", "Scatter", "x"])) > fewer
    address = visit.address()
    assert "group=family" in address
    before = page.evaluate(_COLUMN, ["heatmap", "Rect", "text"])
    visit.open(address)
    assert page.evaluate(_COLUMN, ["heatmap", "Rect", "text"]) == before
    assert visit.errors == []


@pytest.mark.slow
def test_a_box_over_an_axis_keeps_the_lines_through_it_and_reset_takes_it_away(visit: Visit) -> None:
    page = visit.open("patterns?board=open_llm")
    chart = page.locator(".bk-Figure").nth(1)
    chart.scroll_into_view_if_needed()
    everything = page.evaluate(_COLUMN, ["parallel", "MultiLine", "alpha"])
    box = chart.bounding_box()
    assert box is not None
    frame = page.evaluate(
        """() => { for (const d of Bokeh.documents) for (const m of d._all_models.values())
        if (m.type === 'Figure' && m.name === 'parallel') { const {bbox} = Bokeh.index.find_one(m).frame
        return [bbox.left, bbox.top, bbox.width, bbox.height] } }"""
    )
    left, top, width, height = frame
    first_axis = box["x"] + left + width * 0.4 / 5.8
    page.mouse.move(first_axis - 12, box["y"] + top + height * 0.05)
    page.mouse.down()
    page.mouse.move(first_axis + 12, box["y"] + top + height * 0.45, steps=6)
    page.mouse.up()
    page.wait_for_timeout(300)
    told = page.evaluate(_TITLE, "parallel")
    alpha = page.evaluate(_COLUMN, ["parallel", "MultiLine", "alpha"])
    kept = sum(value > 0.5 for value in alpha)
    assert 0 < kept < len(everything)
    assert told == f"{kept} of {len(everything)} lines pass the brushes"
    values = page.evaluate(_COLUMN, ["parallel", "MultiLine", "ys"])
    inside = [line[0] for line, shown in zip(values, alpha, strict=True) if shown > 0.5]
    outside = [line[0] for line, shown in zip(values, alpha, strict=True) if shown < 0.5]
    assert min(inside) > max(value for value in outside if value < min(inside) + 1)
    chart.locator(".bk-tool-icon-reset").click()
    page.wait_for_timeout(300)
    assert page.evaluate(_COLUMN, ["parallel", "MultiLine", "alpha"]) == everything
    assert visit.errors == []
