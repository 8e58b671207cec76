"""What the page of open against proprietary models says in words, and what its charts are drawn from."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.charts import gap, progress
from dashboards.pages.open_vs_proprietary import text as words

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
    "unknown_above": None,
    "gap_least": None,
    "gap_most": None,
}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {},
            "the best open model, Open, is 36 points (95 %: 26 to 46) behind the best proprietary one, Closed, wins 45",
        ),
        ({}, "lags by 3.0 months: Older was already as good then."),
        ({"lag_is_lower_bound": True}, "lags by at least 3.0 months"),
        ({"lag_months": None}, "no proprietary model with a known release date was as good earlier."),
        ({"gap_points": 1.0, "gap_points_lower": -5.0, "gap_points_upper": 7.0}, "is 1 point (95 %: −5 to 7) behind"),
        ({"gap_points": -12.0, "gap_points_lower": -20.0, "gap_points_upper": -4.0}, "leads the best proprietary one"),
        (
            {"gap_points": -12.0, "gap_points_lower": -20.0, "gap_points_upper": -4.0},
            "by 12 points (95 %: 4 to 20) and wins",
        ),
        ({"gap_points": 0.0, "open_win_probability": 0.5}, "is level with"),
        ({"gap_points_lower": None, "gap_points_upper": None}, "is 36 points behind"),
    ],
)
def test_the_sentence_says_who_leads_by_how_much_and_since_when(changes: dict[str, object], sentence: str) -> None:
    assert sentence in words.headline({**ROW, **changes})


def test_models_of_unknown_licence_widen_the_gap_and_a_board_without_one_of_the_sides_has_none() -> None:
    text = words.unknown({**ROW, "unknown_above": "secret-1", "gap_least": 10.0, "gap_most": 40.0})
    assert "if all of them were open, the gap would be 10 points; if none were, 40." in text
    row = {"open_models": 3, "proprietary_models": 2}
    assert "open licence" in words.why({**row, "open_models": 0})
    assert "proprietary licence" in words.why({**row, "proprietary_models": 0})


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
