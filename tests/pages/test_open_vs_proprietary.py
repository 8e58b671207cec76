"""The page of open against proprietary models in a browser: its sentence and its table."""

from pathlib import Path

import pytest

from .served_pages import Visit, downloaded

pytestmark = [pytest.mark.page]


def rows_of(file: Path) -> list[dict[str, str]]:
    return downloaded(file.read_text("utf-8"))


@pytest.mark.slow
def test_the_sentence_is_computed_from_the_board_that_is_chosen(visit: Visit) -> None:
    page = visit.open("open-vs-proprietary?source=reference")
    said = page.get_by_text("the best open model, GLM-4.5, is 36 points (95 %: 26 to 46) behind").first.inner_text()
    assert "wins 45 % of the votes" in said
    assert "lags by 3.0 months" in said
    page.get_by_label("Board of", exact=True).select_option(index=2)
    page.wait_for_function("location.search.includes('date=2024-06-19')")
    visit.settle()
    page.get_by_text("is 79 points (95 %: 72 to 86) behind").first.wait_for()
    page.get_by_text("Win probability", exact=True).first.click()
    page.wait_for_function("location.search.includes('measure=win')")
    visit.settle()
    again = visit.address()
    visit.open(again)
    page.get_by_text("is 79 points (95 %: 72 to 86) behind").first.wait_for()
    assert visit.address() == again
    assert visit.errors == []
    assert visit.foreign == []


def test_filters_narrow_the_table_whose_rows_carry_licence_date_and_gpus(visit: Visit, tmp_path: Path) -> None:
    page = visit.open("open-vs-proprietary?source=reference&over=publication&licence=open_source&licence=free")
    page.get_by_text("“free” is not a choice here").first.wait_for()
    page.get_by_text("8 of 22 rated models").first.wait_for()
    for place, name in ((1, "gap"), (2, "models")):
        with page.expect_download() as waiting:
            page.get_by_text("CSV", exact=True).nth(place).click()
        waiting.value.save_as(tmp_path / f"{name}.csv")
    gaps = rows_of(tmp_path / "gap.csv")
    assert [float(row["gap_points"]) for row in gaps] == [79, 23, 36]
    models = {row["model"]: row for row in rows_of(tmp_path / "models.csv")}
    assert len(models) == 8
    assert models["GLM-4.5"]["licence_words"] == "open source"
    assert models["GLM-4.5"]["release_date"] == "2025-07-28"
    assert models["GLM-4.5"]["gpus_needed"] == "16"
    assert visit.errors == []
