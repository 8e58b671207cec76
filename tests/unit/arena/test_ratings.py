"""Ratings agree with reference values, obey their laws, and never turn missing evidence into a number."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.ratings import elo, intervals, ranks
from analytics.ratings.bradley_terry import fit
from analytics.ratings.comparisons import Comparisons, UnusableComparisons
from analytics.ratings.drift import rate_windows
from analytics.ratings.standing import Standing
from analytics.ratings.style import StyledBattles, fit_style_controlled
from analytics.ratings.win_rates import average_win_rate, observed, predicted
from pipelines.defs.arena.rate import RatingOptions, rate

GOLDENS = ("llmfao_crowd", "pandalm_human")
# How long an example takes depends on who else uses the machine.
LAW = settings(deadline=None, max_examples=40)


def comparisons(*rows: tuple[str, str, float, float]) -> Comparisons:
    return Comparisons.from_frame(pl.DataFrame(rows, schema=["model_a", "model_b", "outcome", "votes"], orient="row"))


@st.composite
def connected(draw: st.DrawFn) -> Comparisons:
    """Votes among three to six models, with a ring of wins so that all can be rated."""
    size = draw(st.integers(3, 6))
    names = [f"model {i}" for i in range(size)]
    rows = [(names[i], names[(i + 1) % size], 1.0, float(draw(st.integers(1, 40)))) for i in range(size)]
    pairs = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)).filter(lambda pair: pair[0] != pair[1])
    more = st.lists(st.tuples(pairs, st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 60)), max_size=12)
    rows += [(names[a], names[b], outcome, float(votes)) for (a, b), outcome, votes in draw(more)]
    return comparisons(*rows)


@pytest.mark.data
@pytest.mark.parametrize("name", GOLDENS)
def test_published_votes_rate_as_the_reference_does(shared_data: Path, name: str) -> None:
    votes, goldens = shared_data / f"arena/votes/{name}_battles.csv", shared_data / f"arena/goldens/{name}_goldens.csv"
    golden = pl.read_csv(goldens).sort("model")
    ours = rate([votes]).ratings.sort("model")
    assert ours["model"].to_list() == golden["model"].to_list()
    np.testing.assert_allclose(ours["rating"], golden["ref_bt"], atol=1e-4)
    half_width = (ours["rating_upper"] - ours["rating_lower"]) / 2
    np.testing.assert_allclose(half_width, (golden["ref_hi"] - golden["ref_lo"]) / 2, rtol=0.01)
    assert ours["rank_upper_bound"].to_list() == golden["ref_rank_ub"].to_list()
    assert ours["battles"].to_list() == golden["num_battles"].to_list()
    if golden["fastchat_avg_win_rate_no_ties"].null_count() == 0:
        # Where the reference has gaps it also drops every pair that was only ever shown in one order.
        np.testing.assert_allclose(ours["average_win_rate"], golden["fastchat_avg_win_rate_no_ties"], atol=1e-6)
    online = rate([votes], RatingOptions(method="elo")).ratings.sort("model")
    np.testing.assert_allclose(online["rating"], golden["fastchat_online_elo_k4"], atol=1e-4)


@pytest.mark.data
@pytest.mark.parametrize("name", GOLDENS)
def test_a_bootstrap_is_as_wide_as_the_sandwich_on_real_votes(shared_data: Path, name: str) -> None:
    path = shared_data / f"arena/votes/{name}_battles.csv"
    analytic, resampled = rate([path]).ratings, rate([path], RatingOptions(bootstrap=300)).ratings
    widths = [
        frame.sort("model").select(pl.col("rating_upper") - pl.col("rating_lower")).to_series()
        for frame in (analytic, resampled)
    ]
    assert (widths[1] / widths[0]).mean() == pytest.approx(1.0, abs=0.05)


@LAW
@given(connected())
def test_at_the_maximum_each_model_wins_as_often_as_expected(votes: Comparisons) -> None:
    fitted = fit(votes)
    met = votes.wins + votes.wins.T
    expected = np.where(met > 0, met * predicted(fitted.rating), 0).sum(axis=1)
    np.testing.assert_allclose(expected, votes.wins.sum(axis=1), atol=1e-6)
    assert fitted.rating.mean() == pytest.approx(1000)


@LAW
@given(connected(), st.randoms(use_true_random=False))
def test_names_and_sides_do_not_matter(votes: Comparisons, random: np.random.Generator) -> None:
    names = list(votes.models)
    random.shuffle(names)
    flipped = comparisons(
        *[
            (names[b], names[a], 1 - outcome, count)
            for a, b, outcome, count in zip(votes.first, votes.second, votes.outcome, votes.votes, strict=True)
        ]
    )
    before, after = fit(votes), fit(flipped)
    order = [after.models.index(name) for name in names]
    np.testing.assert_allclose(after.rating[order], before.rating, atol=1e-6)
    np.testing.assert_allclose(after.standard_error[order], before.standard_error, rtol=1e-6)


@LAW
@given(connected(), st.floats(-500, 3000))
def test_an_anchor_moves_the_level_and_leaves_every_width(votes: Comparisons, level: float) -> None:
    fitted = fit(votes)
    moved = fitted.anchored("model 1", level)
    assert moved[1] == pytest.approx(level)
    np.testing.assert_allclose(np.diff(moved), np.diff(fitted.rating), atol=1e-6)
    interval = intervals.sandwich_interval(fitted)
    np.testing.assert_allclose(fitted.rating - interval.lower, interval.upper - fitted.rating, rtol=1e-9)
    shifted = interval.shifted(level - fitted.rating[1])
    np.testing.assert_allclose(shifted.upper - shifted.lower, interval.upper - interval.lower, rtol=1e-9)


@LAW
@given(connected())
def test_doubling_every_vote_keeps_ratings_and_shrinks_errors_by_root_two(votes: Comparisons) -> None:
    twice = Comparisons(votes.models, votes.first, votes.second, votes.outcome, 2 * votes.votes)
    np.testing.assert_allclose(fit(twice).rating, fit(votes).rating, atol=1e-6)
    np.testing.assert_allclose(fit(twice).standard_error * np.sqrt(2), fit(votes).standard_error, rtol=1e-6)


def test_the_error_of_a_difference_is_that_of_the_two_models_alone() -> None:
    votes = comparisons(("a", "b", 1.0, 300.0), ("a", "b", 0.0, 100.0))
    points, error = fit(votes).difference("a", "b")
    share, scale = 0.75, 400 / np.log(10)
    assert points == pytest.approx(400 * np.log10(share / (1 - share)))
    assert error == pytest.approx(scale / np.sqrt(400 * share * (1 - share)))


def test_models_without_a_finite_rating_are_named_and_do_not_bend_the_others() -> None:
    core = [("a", "b", 1.0, 30.0), ("b", "a", 1.0, 20.0), ("b", "c", 1.0, 25.0), ("c", "b", 1.0, 15.0)]
    odd = [("star", "a", 1.0, 9.0), ("dud", "b", 0.0, 9.0), ("x", "y", 1.0, 5.0), ("y", "x", 1.0, 5.0)]
    group = [("p", "q", 1.0, 3.0), ("q", "p", 1.0, 2.0), ("p", "a", 1.0, 4.0)]
    fitted = fit(comparisons(*core, *odd, *group))
    standing = dict(zip(fitted.models, fitted.standing, strict=True))
    assert standing == {
        "a": Standing.RATED, "b": Standing.RATED, "c": Standing.RATED,
        "star": Standing.UNDEFEATED, "dud": Standing.WINLESS,
        "x": Standing.DISCONNECTED, "y": Standing.DISCONNECTED,
        "p": Standing.SEPARATED, "q": Standing.SEPARATED,
    }  # fmt: skip
    np.testing.assert_allclose(fitted.rating[fitted.rated], fit(comparisons(*core)).rating)
    with pytest.raises(UnusableComparisons, match="undefeated"):
        fitted.anchored("star", 1000)
    with pytest.raises(UnusableComparisons, match="More votes"):
        fit(comparisons(("a", "b", 1.0, 10.0), ("b", "c", 1.0, 10.0)))


def test_a_nearly_undefeated_model_gets_no_upper_bound_from_a_bootstrap() -> None:
    votes = comparisons(("a", "b", 1.0, 40.0), ("b", "a", 1.0, 40.0), ("star", "a", 1.0, 60.0), ("b", "star", 1.0, 1.0))
    fitted = fit(votes)
    interval = intervals.bootstrap_interval(fitted, 200)
    star = fitted.models.index("star")
    assert np.isinf(interval.upper[star])
    assert np.isfinite(interval.lower[star])
    assert ranks.rank_upper_bound(interval)[star] == 1


def test_ranks_follow_intervals_not_point_estimates() -> None:
    interval = intervals.Interval(np.array([10.0, 8.0, 1.0, np.nan]), np.array([12.0, 11.0, 3.0, np.nan]))
    best, worst = ranks.rank_spread(interval)
    assert best.tolist() == [1, 1, 3, ranks.UNRANKED]
    assert worst.tolist() == [2, 2, 3, ranks.UNRANKED]


def test_ties_are_left_out_of_observed_win_rates_unless_asked_for() -> None:
    votes = comparisons(("a", "b", 1.0, 3.0), ("b", "a", 1.0, 1.0), ("a", "b", 0.5, 4.0), ("b", "c", 0.5, 2.0))
    assert observed(votes)[0, 1] == 0.75
    assert observed(votes, count_ties=True)[0, 1] == 0.625
    assert np.isnan(observed(votes)[1, 2])
    np.testing.assert_allclose(average_win_rate(votes), [0.75, 0.25, np.nan])


@LAW
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from([0.0, 0.5, 1.0])), min_size=1))
def test_online_elo_moves_points_and_makes_none(rows: list[tuple[int, int, float]]) -> None:
    first = np.array([a for a, _, _ in rows])
    battles = elo.Battles(first, (first + [step for _, step, _ in rows]) % 4, np.array([o for _, _, o in rows]))
    assert elo.online_elo([battles], 4).sum() == pytest.approx(4000)
    assert elo.bootstrap_elo(battles, 4, 40).sum(axis=1) == pytest.approx(4000)


def styled(seed: int, verbosity: float) -> StyledBattles:
    """Votes of three models that prefer the longer answer; `c` writes long."""
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 3, 30_000)
    second = (first + generator.integers(1, 3, 30_000)) % 3
    counts = [generator.poisson(np.where(side == 2, 300, 100)[:, None] + [0, 5, 5, 5]) for side in (first, second)]
    skill = np.array([0.5, 0.0, -0.5])
    relative = (counts[0] - counts[1])[:, 0] / (counts[0] + counts[1])[:, 0]
    logit = skill[first] - skill[second] + verbosity * relative
    outcome = (generator.random(30_000) < 1 / (1 + np.exp(-logit))).astype(float)
    return StyledBattles(("a", "b", "c"), first, second, outcome, counts[0].astype(float), counts[1].astype(float))


def test_style_control_takes_length_out_of_a_rating() -> None:
    battles = styled(1, verbosity=2.0)
    result = fit_style_controlled(battles)
    scale = dict(zip(result.features, result.scale, strict=True))
    length = result.features.index("length")
    assert result.coefficient_lower[length] < 2.0 * scale["length"] < result.coefficient_upper[length]
    lower = intervals.sandwich_interval(result.ratings).lower
    upper = intervals.sandwich_interval(result.ratings).upper
    truth = 1000 + np.array([0.5, 0.0, -0.5]) * 400 / np.log(10)
    assert ((lower < truth) & (truth < upper)).all()


def test_style_control_does_not_care_which_answer_stood_first() -> None:
    battles = styled(2, verbosity=1.0)
    swapped = StyledBattles(
        battles.models, battles.second, battles.first, 1 - battles.outcome, battles.counts_second, battles.counts_first
    )
    first, other = fit_style_controlled(battles), fit_style_controlled(swapped)
    np.testing.assert_allclose(first.ratings.rating, other.ratings.rating, atol=1e-6)
    np.testing.assert_allclose(first.coefficient, other.coefficient, atol=1e-8)


@LAW
@given(connected(), connected())
def test_drift_within_a_window_averages_to_zero(early: Comparisons, late: Comparisons) -> None:
    from datetime import date  # noqa: PLC0415

    frame = rate_windows({date(2024, 1, 1): early, date(2024, 2, 1): late})
    means = frame.group_by("window_start").agg(pl.col("drift_points").mean())
    np.testing.assert_allclose(means["drift_points"], 0, atol=1e-6)


def test_no_table_of_ratings_holds_nan_or_infinity(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    rows = ["a,b,model_a"] * 9 + ["b,a,model_a"] * 9 + ["star,a,model_a"] * 60 + ["b,star,model_a", "solo,a,model_a"]
    path.write_text("model_a,model_b,winner\n" + "\n".join(rows))
    table = rate([path], RatingOptions(bootstrap=100, anchor=("a", 1200.0))).ratings
    numbers = table.select(pl.col(pl.Float64))
    assert not numbers.select(pl.any_horizontal(pl.all().is_nan().any(), pl.all().is_infinite().any())).item()
    assert table.filter(model="a")["rating"].item() == pytest.approx(1200)
    assert table.filter(model="solo").select("rating", "rank_upper_bound", "standing").row(0) == (
        None, None, "undefeated"
    )  # fmt: skip
    assert table.filter(model="star")["rating_upper"].item() is None


def test_votes_that_are_all_ties_give_no_interval_of_width_zero() -> None:
    fitted = fit(comparisons(("a", "b", 0.5, 3.0)))
    np.testing.assert_allclose(fitted.rating, 1000)
    assert np.isnan(intervals.sandwich_interval(fitted).lower).all()


def test_more_names_than_a_matrix_of_pairs_can_be_held_of_are_refused_before_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    path.write_text("model_a,model_b,winner\n" + "".join(f"a{n},b{n},model_a\n" for n in range(20_000)))
    with pytest.raises(UnusableComparisons, match="40,000 models; at most 4,096 can be rated together"):
        rate([path])
