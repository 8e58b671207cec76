"""A chart is an object: an address that lasts, a table of its data, files with metadata, a frame, a citation."""

import html

import httpx
import pytest
from playwright.sync_api import expect

from .faults import faults
from .served_pages import PATIENCE_S, Served, Visit, downloaded

pytestmark = [pytest.mark.page]


def get(served: Served, address: str) -> httpx.Response:
    return httpx.get(served.url + address, trust_env=False, timeout=PATIENCE_S, follow_redirects=False)


def test_a_chart_s_files_hold_what_it_draws_and_say_what_that_is(served: Served) -> None:
    rows = downloaded(get(served, "chart/leaderboard/scatter.csv?board=open_llm").text)
    told = get(served, "chart/leaderboard/scatter.json?board=open_llm").json()
    assert len(rows) == len(told["rows"]) == 130
    assert list(rows[0])[:2] == ["size_gib", "average_points"]
    assert "Qwen/Qwen2.5-0.5B-Instruct" in {row["name"] for row in rows}
    assert float(rows[0]["size_gib"]) == told["rows"][0]["size_gib"]
    assert told["axes"] == {"x": "Size (GiB)", "y": "Average (points)"}
    assert told["warehouse"]["release"].startswith("skyline-")
    assert [source["source"] for source in told["sources"]] == ["bundled/open_llm_v2_2025-03-13.csv"]
    assert told["as_of"] == "2025-03-13"
    assert told["address"] == f"{served.url}chart/leaderboard/scatter?board=open_llm"
    assert get(served, "chart/leaderboard/scatter.bib?board=open_llm").text == told["bibtex"]
    assert told["bibtex"].startswith("@misc{skyline_scatter_")


def test_an_address_keeps_the_choices_and_one_that_draws_nothing_is_not_found(served: Served) -> None:
    chosen = "chart/pareto/pareto_front{}?against=parameters_total"
    assert "parameters_billion" in downloaded(get(served, chosen.format(".csv")).text)[0]
    assert "marts.pareto_front" in get(served, chosen.format(".json")).json()["query"]
    led = get(served, chosen.format(""))
    assert (led.status_code, led.headers["location"]) == (
        302, "../../chart?of=pareto/pareto_front&against=parameters_total",
    )  # fmt: skip
    assert get(served, "chart/pareto/nothing.csv").status_code == 404
    assert get(served, "chart/nowhere/scatter.json").status_code == 404


def test_only_a_chart_that_asks_for_a_frame_may_stand_in_one(served: Served) -> None:
    framed = get(served, "chart?of=pareto/pareto_front&frame=yes")
    assert "frame-ancestors *" in framed.headers["content-security-policy"]
    assert "x-frame-options" not in framed.headers
    for address in ("chart?of=pareto/pareto_front", "pareto?frame=yes"):
        assert get(served, address).headers["x-frame-options"] == "DENY"


def test_from_a_page_to_its_chart_alone_with_table_citation_and_frame(visit: Visit) -> None:
    page = visit.open("pareto?against=parameters_total")
    page.locator('[data-object="pareto_front"]').click()
    page.wait_for_url("**/chart?of=pareto/pareto_front&against=parameters_total")
    visit.settle()
    page.get_by_text("exactly what the chart draws").wait_for()
    page.get_by_role("grid").first.wait_for()
    assert page.locator(".buttons a[download]").all_inner_texts() == ["CSV", "JSON with metadata", "Parquet", "BibTeX"]
    expect(page.get_by_text("@misc{skyline_pareto_front_").first).to_be_visible()
    assert faults(page, 390, "dark") == []
    frame = html.unescape(page.get_by_text("<iframe src=").inner_text()).split('"')[1]
    page = visit.open(frame.removeprefix(visit.url))
    page.get_by_role("link", name="data, source and citation").wait_for()
    assert page.locator(".bar").count() == 0
    assert visit.errors == []
