"""The page of arena ratings in a browser: boards, addresses, choices that mean harm."""

import pytest

from .served_pages import Visit

pytestmark = [pytest.mark.page]

LEADER = "Gemini-2.5-Pro"


def models(visit: Visit) -> list[str]:
    return visit.page.locator(".tabulator-row [tabulator-field=Model]").all_inner_texts()


@pytest.mark.slow
def test_another_board_changes_the_ratings_and_its_address_restores_them(visit: Visit) -> None:
    shown = visit.open("arena?source=reference&over=publication")
    shown.get_by_text(f"{LEADER} leads with 1,470 (95 %: 1,465 to 1,475)").first.wait_for()
    # The bundled dates share few models, so nothing says that levels held between them.
    shown.get_by_text("5 models on both moved by +17.0 points in the median").first.wait_for()
    before = models(visit)
    assert before[0] == LEADER
    shown.get_by_label("Board of", exact=True).select_option(index=1)
    shown.wait_for_function("location.search.includes('date=2025-02-10')")
    visit.settle()
    after = models(visit)
    assert after != before
    visit.open(visit.address())
    assert models(visit) == after
    assert visit.errors == []


@pytest.mark.slow
def test_a_hostile_address_of_the_arena_falls_back_visibly(visit: Visit) -> None:
    evil = "%3Cimg+src%3Dq+onerror%3D%22window.ran%3D1%22%3E"
    shown = visit.open(f"arena?source={evil}&date=9999-99-99&top=1e9&models={evil}&licence=free&zzz=1")
    noted = shown.locator(".note").all_inner_texts()
    assert len(noted) == 6
    assert any("<img" in line for line in noted)
    assert shown.evaluate("window.ran") is None
    assert models(visit)[0] == "gemini-3-pro"
    assert visit.errors == []
