"""The questions people come with are answered, rightly, within two choices from the first page."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from analytics.units import decimal
from dashboards.data import Data
from profiling.answers.advise import advise
from profiling.answers.candidate import Candidate, Need
from profiling.devices.names import resolve_device
from profiling.serving.plan import Promise, requested_plans
from profiling.serving.replica import Options
from profiling.serving.simulate import Traffic
from warehouse.settings import Settings

from .served_pages import Visit

pytestmark = [pytest.mark.page]

MACHINES = {
    "4090": "RTX-4090",
    "3060 12gb": "RTX-3060-12GB",
    "m3 max 64gb": "M3-Max",
    "2x3090": "RTX-3090",
    "epyc 9654 128gb": "EPYC-9654",
}
"""What people own, by what they call it, and the device that is meant."""


@pytest.fixture(scope="module")
def data(bundled_home: Path) -> Data:
    return Data(Settings.model_validate({"home": str(bundled_home)}))


def spoken(page: Page, selector: str) -> str:
    return " ".join(page.locator(selector).first.inner_text().split())


def press(visit: Visit, locator: Any) -> Page:
    """Make one choice, and wait for what follows."""
    locator.click()
    visit.page.wait_for_function("() => window.Bokeh")
    visit.settle()
    return visit.page


def advised(data: Data, machine: str) -> Candidate:
    """The best for a machine and 32k tokens, by the engine itself: `skyline advise` and the page both ask it."""
    (device, count), *_ = resolve_device(machine, data.door().devices).fleet.parts
    need = Need(accelerator=device.name, devices=count, context=32_768)
    best = advise(data.door().with_device(device), data.evidence(), need).best
    assert best is not None
    return best


def test_what_to_run_on_a_card_a_laptop_two_cards_or_a_server(visit: Visit, data: Data) -> None:
    page = visit.open("")
    press(visit, page.locator("a.door[href=advisor]"))
    field = page.get_by_label("My machine", exact=True)
    for machine, device in MACHINES.items():
        field.fill(machine)
        field.press("Enter")
        page.locator(".answer dd", has_text=device).first.wait_for()
        visit.settle()
        best = advised(data, machine)
        said = spoken(page, ".answer")
        assert best.longest_context >= 32_768
        assert f"{best.model_id.rpartition('/')[2]} in {best.weight_format}" in said
        assert f"{best.ability_in_format:.1f} (90 %: {best.ability_low:.1f} to {best.ability_high:.1f})" in said
        assert f"{best.longest_context:,} tokens" in said
        assert page.locator(".answer code").first.inner_text()
    assert visit.errors == []


@pytest.mark.slow
def test_eight_h100_or_four_b200_for_fifty_users_of_a_70b_model(visit: Visit, data: Data) -> None:
    page = visit.open("")
    press(visit, page.locator("a.door[href=serve]"))
    page.get_by_role("columnheader", name="4 × B200-SXM-180GB").wait_for()
    asked = {name: page.get_by_label(name, exact=True).input_value() for name in (
        "Model (type any part of it)", "Concurrent users", "First token within (s; 0: any)")}  # fmt: skip
    assert list(asked.values()) == ["meta-llama/Llama-3.3-70B-Instruct", "50", "2"]
    cells = {
        line.locator("th, td").first.inner_text(): line.locator("td").all_inner_texts()[-2:]
        for line in page.locator("table.list tr").all()
    }
    hourly = [8 * _usd(data, "H100-SXM5-80GB"), 4 * _usd(data, "B200-SXM-180GB")]
    assert [float(text.removeprefix("$")) for text in cells["USD per hour"]] == pytest.approx(hourly, abs=0.01)
    assert all(0 < float(text.split()[0]) < 2 for text in cells["First token, 90 % within"])
    assert cells["Targets"] == [f"{_certainty(data, fleet)} met" for fleet in ("8xH100-SXM5-80GB", "4xB200-SXM-180GB")]
    told = spoken(page, "main p:has-text('meet the targets;')")
    assert f"4 × B200-SXM-180GB costs less (${hourly[1]:.2f} an hour against ${hourly[0]:.2f})" in told
    borne = [int(text.split("beyond ")[1].split()[0]) for text in cells["First limit"]]
    assert f" and supports more ({borne[1]} concurrent users against {borne[0]})" in told
    assert visit.errors == []


def _certainty(data: Data, fleet: str) -> str:
    """How surely a fleet keeps the promise that the page opens with, by the engine itself."""
    traffic = Traffic(input_tokens=2000, output_tokens=500, users=50, requests_per_s=None, spread=0.5)
    promise = Promise(traffic=traffic, time_to_first_token_s=2, time_per_output_token_s=0.05)
    plan = requested_plans(data.door(), "meta-llama/Llama-3.3-70B-Instruct", promise, Options(), [fleet])[0]
    assert plan.broken == ()
    return plan.certainty


def _usd(data: Data, device: str) -> float:
    price = data.door().usd_per_device_hour(device)
    assert price is not None
    return price


@pytest.mark.slow
def test_what_a_doubling_brings_with_its_interval_and_how_to_cite_it(visit: Visit, data: Data) -> None:
    page = visit.open("")
    press(visit, page.locator(".findings li", has_text="per doubling").get_by_role("link", name="See it"))
    press(visit, page.locator('[data-object="scaling"]').first)
    fit = next(row for row in data.ask("ability_growth", domain="overall", size_basis="parameters_total").to_dicts()
               if row["terms"] == "size")  # fmt: skip
    low, high = fit["points_per_doubling_lower"], fit["points_per_doubling_upper"]
    told = f"{fit['points_per_doubling']:.1f} points per doubling (95 %: {low:.1f} to {high:.1f})"
    page.get_by_text(told).first.wait_for()
    assert "@misc{skyline_scaling_" in " ".join(page.locator("pre").all_inner_texts())
    assert visit.errors == []


def test_the_gap_today_in_every_domain(visit: Visit, data: Data) -> None:
    page = visit.open("")
    press(visit, page.locator(".findings li", has_text="In ability over all boards").get_by_role("link", name="See it"))
    press(visit, page.locator('[data-object="ability_gap"]').first)
    shown = " ".join(page.get_by_role("grid").first.inner_text().split())
    for row in data.ask("ability_gap_today").to_dicts():
        gap, low, high = (decimal(row[name], 1) for name in ("gap_points", "gap_low", "gap_high"))
        assert f"{gap} points (95 %: {low} to {high})" in shown
    assert visit.errors == []
