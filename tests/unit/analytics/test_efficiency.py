"""Ratios, what they hide, size-adjusted residuals and evaluation time, against independent arithmetic."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analytics.fronts.efficiency import (
    EVALUATION_CO2_KG_PER_HOUR,
    TooFewSizes,
    evaluation_hours,
    fit_mean,
    fit_quantile,
    hours_from_co2_kg,
    rank_correlations,
    ratio,
    size_adjusted,
)


def test_a_ratio_to_an_unknown_zero_or_negative_denominator_is_null() -> None:
    table = pl.DataFrame(
        {"score": [30.0, 30.0, 30.0, None, 30.0, 30.0], "size": [7.5, 0.0, -1.0, 7.0, None, float("nan")]}
    )
    ratios = table.select(ratio(pl.col("score"), pl.col("size"))).to_series().to_list()
    assert ratios == [4.0, None, None, None, None, None]


def test_a_ratio_of_scores_unrelated_to_size_only_ranks_smallness() -> None:
    rng = np.random.default_rng(0)
    entries = pl.DataFrame({"score": rng.uniform(29, 31, 500), "size": rng.lognormal(2, 1, 500)})
    row = rank_correlations(entries, "score", ["size"]).row(0, named=True)
    assert row["ratio_with_denominator"] < -0.99
    assert abs(row["score_with_denominator"]) < 0.1


def test_rank_correlations_are_taken_per_group_and_withheld_where_nothing_can_be_ranked() -> None:
    entries = pl.DataFrame(
        {
            "snapshot": ["a"] * 4 + ["b"] * 2 + ["c"] * 3,
            "score": [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 1.0, 2.0, 3.0],
            "size": [1.0, 2.0, 3.0, -1.0, 1.0, 2.0, 5.0, 5.0, 5.0],
        }
    )
    correlations = rank_correlations(entries, "score", ["size"], by=["snapshot"])
    assert correlations.select("snapshot", "entries", "score_with_denominator").rows() == [
        ("a", 3, 1.0),
        ("b", 2, None),
        ("c", 3, None),
    ]


@pytest.mark.data
def test_rank_correlations_of_the_real_board_agree_with_scipy_ties_included(final_board: pl.DataFrame) -> None:
    from scipy.stats import spearmanr  # noqa: PLC0415 - heavy, and an oracle for this test alone

    sized = final_board.filter(pl.col("parameters_billion") > 0)
    row = rank_correlations(final_board, "score", ["parameters_billion"]).row(0, named=True)
    per_billion = sized["score"] / sized["parameters_billion"]
    assert row["entries"] == sized.height == 4566
    assert row["ratio_with_denominator"] == pytest.approx(spearmanr(per_billion, sized["parameters_billion"]).statistic)
    assert row["score_with_denominator"] == pytest.approx(
        spearmanr(sized["score"], sized["parameters_billion"]).statistic
    )


@given(st.floats(-10, 10), st.floats(-50, 50), st.lists(st.integers(-3, 9), min_size=3, unique=True))
def test_a_score_that_rises_by_the_same_points_per_doubling_is_recovered_by_both_fits(
    slope: float, intercept: float, doublings: list[int]
) -> None:
    assume(abs(slope) > 1e-3)
    size = 2.0 ** np.array(doublings)
    score = intercept + slope * np.array(doublings)
    for fit in (fit_mean(score, size), fit_quantile(score, size, 0.9)):
        assert fit.points_per_doubling == pytest.approx(slope, abs=1e-7)
        assert fit.intercept == pytest.approx(intercept, abs=1e-6)
        assert fit.r_squared == pytest.approx(1.0, abs=1e-6)


points = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), min_size=3, max_size=40).filter(
    lambda rows: len({score for score, _ in rows}) > 1 and len({size for _, size in rows}) > 1
)


@given(points)
def test_the_mean_fit_agrees_with_scipys_regression(rows: list[tuple[int, int]]) -> None:
    from scipy.stats import linregress  # noqa: PLC0415 - heavy, and an oracle for this test alone

    score, size = np.array(rows, dtype=float).T
    fit, oracle = fit_mean(score, size), linregress(np.log2(size), score)
    assert fit.points_per_doubling == pytest.approx(oracle.slope, abs=1e-9)
    assert fit.intercept == pytest.approx(oracle.intercept, abs=1e-9)
    assert fit.standard_error == pytest.approx(oracle.stderr, abs=1e-5)
    assert fit.r_squared == pytest.approx(oracle.rvalue**2, abs=1e-9)


@given(points, st.sampled_from([0.1, 0.5, 0.9]))
def test_no_line_through_two_entries_is_a_better_quantile_fit(rows: list[tuple[int, int]], quantile: float) -> None:
    score, size = np.array(rows, dtype=float).T
    x = np.log2(size)

    def loss(intercept: float, slope: float) -> float:
        residual = score - intercept - slope * x
        return float(np.where(residual < 0, quantile - 1, quantile) @ residual)

    fit = fit_quantile(score, size, quantile)
    # An optimum lies on a line through two of the points (Koenker & Bassett 1978, theorem 3.1).
    best = min(
        loss(score[i] - x[i] * slope, slope)
        for i in range(len(x))
        for j in range(i)
        if x[i] != x[j]
        for slope in [(score[i] - score[j]) / (x[i] - x[j])]
    )
    assert loss(fit.intercept, fit.points_per_doubling) == pytest.approx(best, abs=1e-6)


def test_a_fit_without_two_sizes_or_with_a_missing_size_is_refused() -> None:
    with pytest.raises(TooFewSizes, match="3 entries of 1 sizes"):
        fit_mean([1.0, 2.0, 3.0], [7.0, 7.0, 7.0])
    with pytest.raises(ValueError, match="positive, finite sizes"):
        fit_quantile([1.0, 2.0, 3.0], [7.0, 0.0, 3.0])
    with pytest.raises(ValueError, match=r"strictly between 0 and 1, got 1.0"):
        fit_quantile([1.0, 2.0, 3.0], [7.0, 1.0, 3.0], 1.0)


def test_residuals_are_ranked_within_their_group_and_unsized_entries_get_none() -> None:
    entries = pl.DataFrame(
        {
            "snapshot": ["a", "a", "a", "a", "b"],
            "score": [10, 25, 40, 50, 40],
            "size": [1.0, 2.0, 8.0, None, 7.0],
        }
    )
    residuals = size_adjusted(entries, "score", "size", by=["snapshot"])
    assert residuals["residual_rank"].to_list() == [3, 1, 2, None, None]
    assert residuals["residual"].to_list() == pytest.approx([-15 / 7, 45 / 14, -15 / 14, None, None])
    assert size_adjusted(entries.tail(1), "score", "size")["residual"].to_list() == [None]


@pytest.mark.data
def test_nine_in_ten_entries_of_the_real_board_lie_below_its_upper_decile_line(
    final_board: pl.DataFrame,
) -> None:
    sized = final_board.select(pl.col("score", "parameters_billion").cast(pl.Float64)).drop_nulls()
    score, size = sized.filter(pl.col("parameters_billion") > 0).to_numpy().T
    fit, mean = fit_quantile(score, size, 0.9), fit_mean(score, size)
    residual = score - fit.expected(size)
    assert len(residual) == 4566
    assert (residual < -1e-9).mean() <= 0.9 <= (residual <= 1e-9).mean()
    assert fit.points_per_doubling == pytest.approx(5.17589, abs=1e-4)  # as statsmodels 0.15 finds
    assert (mean.points_per_doubling, mean.standard_error, mean.r_squared) == pytest.approx(
        (4.13844058, 0.07489264, 0.40085181)  # likewise
    )


def test_the_time_of_a_run_counts_once_however_many_rows_repeat_it() -> None:
    # As in the published analysis: 62 task rows per run, each with the time of the whole run.
    runs = pl.DataFrame(
        {"run_id": ["x"] * 62 + ["y"] * 62 + ["z"] * 62, "seconds": [3600.0] * 62 + [1800.0] * 62 + [None] * 62}
    )
    time = evaluation_hours(runs)
    assert (time.runs, time.runs_without_time, time.rows) == (3, 1, 186)
    assert time.hours == pytest.approx(1.5)
    assert time.hours_summed_over_rows == pytest.approx(93.0)
    assert time.hours_summed_over_rows / time.hours == pytest.approx(62.0)


def test_a_run_that_states_two_times_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"run 'x' states both 10 s and 20 s in 'seconds'"):
        evaluation_hours(pl.DataFrame({"run_id": ["x", "x"], "seconds": [10, 20]}))
    with pytest.raises(ValueError, match=r"row 1 has no 'run_id'"):
        evaluation_hours(pl.DataFrame({"run_id": ["x", None], "seconds": [10, 20]}))


def test_co2_turns_back_into_hours_and_minus_one_into_nothing() -> None:
    assert pytest.approx(1.51088) == EVALUATION_CO2_KG_PER_HOUR
    table = pl.DataFrame({"co2_kg": [1.51088, -1.0, None]})
    assert table.select(hours_from_co2_kg(pl.col("co2_kg"))).to_series().to_list() == pytest.approx([1.0, None, None])


@pytest.mark.data
def test_the_final_board_took_twelve_thousand_hours_by_its_own_carbon_figures(final_board: pl.DataFrame) -> None:
    assert final_board.select(hours_from_co2_kg(pl.col("co2_kg")).sum()).item() == pytest.approx(12_023, abs=1)
