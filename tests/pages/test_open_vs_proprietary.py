"""The page of open against proprietary models: its sentence, its charts' data, and what it says without a gap."""

import csv
import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts import gap, progress
from dashboards.pages import open_vs_proprietary_words as words

from .served_pages import Visit

ROW = {
    "as_of_date": dt.date(2025, 8, 4),
    "gap_points": 36.0,
    "gap_points_lower": 25.7,
    "gap_points_upper": 46.3,
    "open_win_probability": 0.448,
    "lag_months": 2.96,
    "lag_model": "Older",
    "lag_is_lower_bound": False,
    "best_open_model": "Open",
    "best_proprietary_model": "Closed",
}


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.page
def test_the_sentence_is_computed_from_the_board_that_is_chosen(visit: Visit) -> None:
    page = visit.open("open-vs-proprietary")
    said = page.get_by_text("the best open model, GLM-4.5, stands 36 points (26–46) behind").first.inner_text()
    assert "wins 45 % of the votes" in said
    assert "lags by 3.0 months" in said
    page.get_by_label("Board of", exact=True).select_option(index=2)
    page.wait_for_function("location.search.includes('date=2024-06-19')")
    visit.settle()
    assert page.get_by_text("stands 79 points (72–86) behind").first.is_visible()
    page.get_by_text("Win probability", exact=True).first.click()
    page.wait_for_function("location.search.includes('measure=win')")
    visit.settle()
    again = visit.address()
    visit.open(again)
    assert page.get_by_text("stands 79 points (72–86) behind").first.is_visible()
    assert visit.address() == again
    assert visit.errors == []
    assert visit.foreign == []


@pytest.mark.page
def test_filters_narrow_the_table_whose_rows_carry_licence_date_and_gpus(visit: Visit, tmp_path: Path) -> None:
    page = visit.open("open-vs-proprietary?licence=open_source&licence=free")
    assert page.get_by_text("“free” is not a choice here").first.is_visible()
    assert page.get_by_text("8 of 22 rated models").first.is_visible()
    for place, name in ((0, "gap"), (1, "models")):
        with page.expect_download() as waiting:
            page.get_by_text("CSV", exact=True).nth(place).click()
        waiting.value.save_as(tmp_path / f"{name}.csv")
    gaps = rows_of(tmp_path / "gap.csv")
    assert [float(row["gap_points"]) for row in gaps] == [79, 23, 36]
    models = {row["Model"]: row for row in rows_of(tmp_path / "models.csv")}
    assert len(models) == 8
    assert models["GLM-4.5"]["Licence class"] == "open source"
    assert models["GLM-4.5"]["Released"] == "2025-07-28"
    assert models["GLM-4.5"]["GPUs needed"] == "16"
    assert visit.errors == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "the best open model, Open, stands 36 points (26–46) behind the best proprietary one, Closed, wins 45 %"),
        ({}, "lags by 3.0 months: Older was as good by then."),
        ({"lag_is_lower_bound": True}, "lags by at least 3.0 months"),
        ({"lag_months": None}, "no proprietary model of known release date was as good before."),
        ({"gap_points": 1.0, "gap_points_lower": -5.0, "gap_points_upper": 7.0}, "stands 1 point (-5 to 7) behind"),
        ({"gap_points": -12.0, "gap_points_lower": -20.0, "gap_points_upper": -4.0}, "leads the best proprietary one"),
        ({"gap_points": -12.0, "gap_points_lower": -20.0, "gap_points_upper": -4.0}, "by 12 points (4 to 20) and wins"),
        ({"gap_points": 0.0, "open_win_probability": 0.5}, "stands level with"),
        ({"gap_points_lower": None, "gap_points_upper": None}, "stands 36 points behind"),
    ],
)
def test_the_sentence_says_who_leads_by_how_much_and_since_when(changes: dict[str, object], said: str) -> None:
    assert said in words.headline({**ROW, **changes})


def test_a_board_without_a_gap_names_the_models_that_a_licence_is_needed_for() -> None:
    row = {"undecided": "secret-1, secret-2", "open_models": 3, "proprietary_models": 2}
    assert words.why(row) == "Licence unknown above the best open model: secret-1, secret-2."
    assert "open licence" in words.why({**row, "undecided": None, "open_models": 0})
    assert "proprietary licence" in words.why({**row, "undecided": None, "proprietary_models": 0})


def test_the_bounds_of_the_win_probability_are_those_of_the_points_turned_round() -> None:
    drawn = gap.values(pl.DataFrame([ROW]), "win").row(0, named=True)
    assert drawn["low"] < drawn["y"] < drawn["high"] < 50
    assert drawn["y"] == pytest.approx(100 / (1 + 10 ** (36 / 400)))
    assert gap.values(
        pl.DataFrame([{**ROW, "lag_months": None}], schema_overrides={"lag_months": pl.Float64}), "lag"
    ).is_empty()


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(800, 1500), st.booleans()), min_size=1, max_size=20),
)
def test_the_steps_rise_at_movers_alone_and_end_at_the_best(rows: list[tuple[int, int, bool]]) -> None:
    start = dt.date(2024, 1, 1)
    models = pl.DataFrame(
        [
            {"model": f"m{i}", "release_date": start + dt.timedelta(d), "rating": float(r), "is_open": o}
            for i, (d, r, o) in enumerate(rows)
        ]
    )
    movers = progress.movers(models)
    for part in models.partition_by("is_open"):
        steps = progress.staircase(part, start + dt.timedelta(500))
        side = movers.filter(pl.col("is_open") == part["is_open"][0])
        assert steps["rating"].is_sorted()
        assert steps["rating"][-1] == part["rating"].max()
        assert steps["rating"].unique().sort().to_list() == sorted(set(side["rating"].to_list()))
        assert steps["release_date"][-1] == start + dt.timedelta(500)
