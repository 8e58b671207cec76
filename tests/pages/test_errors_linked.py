"""Every page that predicts leads to the error of what its predictions were timed as."""

import re

import pytest

from .served_pages import Visit


@pytest.mark.parametrize(
    ("address", "stages"),
    [
        pytest.param("", {"decode"}, marks=pytest.mark.slow),
        pytest.param(
            "model?id=Qwen/Qwen3-8B",
            {"decode", "time per token under load", "prefill", "energy"},
            marks=pytest.mark.slow,
        ),
        pytest.param("device?id=RTX-4090", {"decode", "prefill", "energy"}, marks=pytest.mark.slow),
        ("processors", {"decode", "time per token under load", "energy"}),
        pytest.param(
            "processors?show=energy", {"decode", "time per token under load", "energy"}, marks=pytest.mark.slow
        ),
        pytest.param("footprint", {"energy"}, marks=pytest.mark.slow),
        pytest.param("compare", {"time per token under load"}, marks=pytest.mark.slow),
    ],
)
def test_a_page_of_predictions_leads_to_the_error_of_their_class(visit: Visit, address: str, stages: set[str]) -> None:
    page = visit.open(address)
    links = page.locator("a[href^='how-far-off?stage=']")
    links.first.wait_for(state="attached")
    page.wait_for_function("() => !document.querySelector('.waiting')")
    for stage in stages:
        spelled = "|".join(re.escape(stage.replace(" ", blank)) for blank in ("+", "%20"))
        found = links.evaluate_all("(all) => all.map((one) => one.getAttribute('href'))")
        assert any(re.fullmatch(rf"how-far-off\?stage=(?:{spelled})", href) for href in found), (stage, found)


@pytest.mark.slow
def test_energy_is_in_one_unit_with_its_parts_and_the_link_opens_its_error(visit: Visit) -> None:
    page = visit.open("processors")
    page.locator("text=kWh per million tokens").first.wait_for()
    assert page.locator("text=J/token").count() == 0
    page.locator("text=Energy per token includes the devices while they run").first.wait_for()
    page.locator("a[href='how-far-off?stage=energy']").first.click()
    page.wait_for_url(re.compile(r"/how-far-off\?stage=energy"))
    page.locator("text=Error of energy, by engine").first.wait_for()
