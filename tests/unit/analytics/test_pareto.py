"""What a front is, on numbers small enough to check by brute force and on the published ones."""

from datetime import date
from pathlib import Path

import moocore
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from polars.testing import assert_frame_equal

from analytics.fronts.dominance import dominated_by, front_members
from analytics.fronts.history import front_history, hypervolume_history, not_explained_by_later
from analytics.fronts.hypervolume import exclusive_contributions
from analytics.fronts.nondominated import front_mask
from analytics.fronts.objectives import Direction, UnusableObjective, usable
from analytics.fronts.pareto import fronts_by_group, pareto_front

SMALL_AND_GOOD = {"size": Direction.MINIMISE, "score": Direction.MAXIMISE}


@pytest.fixture(scope="module")
def board(shared_data: Path) -> Path:
    return shared_data / "open_llm_leaderboard"


def front_by_definition(values: np.ndarray) -> np.ndarray:
    """Compares every row with every row."""
    no_worse = np.ones((len(values), len(values)), dtype=bool)
    better = np.zeros_like(no_worse)
    for column in values.T:
        no_worse &= column[:, None] <= column[None, :]
        better |= column[:, None] < column[None, :]
    return ~np.asarray((no_worse & better).any(axis=0))


# Few distinct values, so that ties and equal rows are the rule.
coarse_grids = st.integers(1, 5).flatmap(
    lambda d: hnp.arrays(np.float64, st.tuples(st.integers(0, 40), st.just(d)), elements=st.integers(-3, 3))
)


@given(coarse_grids)
def test_the_front_is_what_comparing_every_pair_gives_ties_and_equal_rows_included(values: np.ndarray) -> None:
    assert (front_mask(values) == front_by_definition(values)).all()


def clouds(n: int, d: int) -> dict[str, np.ndarray]:
    """Data on which discarding rows early works well, badly, or close to the limits of a float."""
    rng = np.random.default_rng(d)
    uniform = rng.random((n, d))
    return {
        "uniform": uniform,
        "on a sphere, all on the front": -uniform / np.linalg.norm(uniform, axis=1, keepdims=True),
        "anti-correlated": rng.dirichlet(np.ones(d), n) + rng.normal(0, 0.02, (n, 1)),
        "whole numbers": rng.integers(0, 12, (n, d)).astype(float),
        "heavy tails": np.exp(20 * rng.normal(size=(n, d))),
        "one row beats all": np.vstack([uniform[1:], -np.ones(d)]),
        "first column constant": np.column_stack([np.ones(n), uniform[:, 1:]]),
        "everything equal": np.zeros((n, d)),
        "next to overflow": (uniform - 0.5) * 1.7e308 * 2,
        "next to underflow": uniform * 1e-320,
    }


@pytest.mark.parametrize("d", [2, 3, 4])
@pytest.mark.parametrize("shape", clouds(1, 2))
def test_discarding_rows_early_never_changes_the_front(shape: str, d: int) -> None:
    values = clouds(2500, d)[shape]
    expected = front_by_definition(values)
    assert (front_mask(values) == expected).all()
    assert (front_mask(np.asfortranarray(values)) == expected).all()
    repeated = np.vstack([values, values])
    assert (front_mask(repeated) == np.concatenate([expected, expected])).all()


def test_a_hundred_thousand_rows_give_the_front_of_an_independent_implementation() -> None:
    for values in clouds(100_000, 2).values():
        assert (front_mask(values) == moocore.is_nondominated(values, keep_weakly=True)).all()


@given(coarse_grids)
def test_the_front_does_not_depend_on_order_origin_or_unit(values: np.ndarray) -> None:
    order = np.random.default_rng(len(values)).permutation(len(values))
    expected = front_mask(values)
    assert (front_mask(values[order]) == expected[order]).all()
    assert (front_mask(values + 7) == expected).all()
    assert (front_mask(values * np.arange(1, values.shape[1] + 1)) == expected).all()


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_a_number_is_refused_with_its_column_and_row(bad: float, d: int) -> None:
    values = np.arange(5.0 * d).reshape(5, d)
    values[3, d - 1] = bad
    with pytest.raises(UnusableObjective, match=rf"column '{d - 1}', row 3 is -?(nan|inf)"):
        front_mask(values)


def test_large_but_finite_values_are_not_mistaken_for_infinite_ones() -> None:
    assert front_mask(np.full((4, 2), 1.7e308)).all()


def test_an_array_without_objectives_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rows × objectives, got shape \(3, 0\)"):
        front_mask(np.zeros((3, 0)))


def test_a_missing_size_never_reaches_the_front() -> None:
    points = pl.DataFrame(
        {
            # The published front of 2023-09-01 holds this model, with no size.
            "model": ["ORCA_LLaMA_70B_QLoRA", "pythia-70m", "nan", "infinite", "no score"],
            "size": [None, 0.13, float("nan"), float("inf"), 1.0],
            "score": [70.0, 31.0, 99.0, 99.0, None],
        }
    )
    with pytest.raises(UnusableObjective, match="column 'size', row 0 is None") as refused:
        pareto_front(points, SMALL_AND_GOOD)
    assert (refused.value.column, refused.value.row) == ("size", 0)
    valid, aside = usable(points, SMALL_AND_GOOD)
    assert pareto_front(valid, SMALL_AND_GOOD)["model"].to_list() == ["pythia-70m"]
    assert aside["model"].to_list() == ["ORCA_LLaMA_70B_QLoRA", "nan", "infinite", "no score"]


def test_an_objective_that_is_absent_or_text_is_named() -> None:
    points = pl.DataFrame({"size": ["7B"], "score": [1.0]})
    with pytest.raises(UnusableObjective, match="'sise' is not among size, score"):
        pareto_front(points, {"sise": Direction.MINIMISE})
    with pytest.raises(UnusableObjective, match="'size' holds String, not numbers"):
        usable(points, SMALL_AND_GOOD)


def test_each_objective_has_its_own_direction_and_rows_keep_their_order() -> None:
    points = pl.DataFrame({"size": [70, 7, 7, 13, 13], "score": [80.0, 60.0, 60.0, 50.0, 65.0]})
    assert pareto_front(points, SMALL_AND_GOOD).rows() == [(70, 80.0), (7, 60.0), (7, 60.0), (13, 65.0)]
    both_smallest = {"size": Direction.MINIMISE, "score": Direction.MINIMISE}
    assert pareto_front(points, both_smallest).rows() == [(7, 60.0), (7, 60.0), (13, 50.0)]
    assert pareto_front(points.clear(), SMALL_AND_GOOD).is_empty()


tables = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 5),
        st.sampled_from([None, "a", "b"]),
        st.integers(0, 6),
        st.sampled_from([None, 0.0, 0.5, 1.0]),
    ),
    max_size=40,
).map(
    lambda rows: pl.DataFrame(
        rows,
        schema={
            "size": pl.Int64,
            "score": pl.Float64,
            "segment": pl.String,
            "day": pl.Int64,
            "se": pl.Float64,
        },
        orient="row",
    ).with_row_index("id")
)


@given(tables)
def test_fronts_by_group_are_the_fronts_of_the_groups(points: pl.DataFrame) -> None:
    grouped = fronts_by_group(points, SMALL_AND_GOOD, ["segment", "day"])
    groups = points.partition_by("segment", "day")
    separate = pl.concat([points.clear(), *(pareto_front(group, SMALL_AND_GOOD) for group in groups)])
    assert_frame_equal(grouped, separate.sort("id"))


@given(tables)
def test_at_every_date_the_history_is_the_front_of_what_had_arrived(points: pl.DataFrame) -> None:
    history = front_history(points, "size", "score", "day")
    assert history["row"].is_unique().all()
    for day in range(8):
        then = history.filter(pl.col("entered_on") <= day, pl.col("left_on").is_null() | (pl.col("left_on") > day))
        arrived = points.filter(pl.col("day") <= day)
        assert set(then["row"]) == set(pareto_front(arrived, SMALL_AND_GOOD)["id"])


@given(tables)
def test_whoever_left_the_front_was_displaced_by_a_better_member_of_that_day(points: pl.DataFrame) -> None:
    history = front_history(points, "size", "score", "day")
    assert history["left_on"].is_null().to_list() == history["displaced_by"].is_null().to_list()
    on_front = {row: (entered, left) for row, entered, left, _ in history.rows()}
    for row, _, left, by in history.filter(pl.col("left_on").is_not_null()).rows():
        loser, winner = points.row(row, named=True), points.row(by, named=True)
        assert winner["size"] <= loser["size"]
        assert winner["score"] >= loser["score"]
        assert (winner["size"], winner["score"]) != (loser["size"], loser["score"])
        entered, displaced = on_front[by]
        assert entered <= left
        assert displaced is None or displaced > left


def test_an_entry_beaten_on_the_day_it_arrives_never_enters() -> None:
    points = pl.DataFrame(
        {
            "size": [7.0, 7.0, 3.0, 3.0],
            "score": [50.0, 60.0, 60.0, 60.0],
            "day": [date(2024, 1, 1), date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)],
        }
    )
    assert front_history(points, "size", "score", "day").rows() == [
        (1, date(2024, 1, 1), date(2024, 2, 1), 2),
        (2, date(2024, 2, 1), None, None),
        (3, date(2024, 3, 1), None, None),
    ]
    with pytest.raises(UnusableObjective, match="column 'day', row 1 is None"):
        front_history(points.with_columns(day=pl.Series([1, None, 2, 3])), "size", "score", "day")


@given(tables)
def test_the_area_at_every_date_is_that_of_the_front_and_never_shrinks(points: pl.DataFrame) -> None:
    history = hypervolume_history(points, "size", "score", "day", reference=(4.5, 0.5))
    for day in points["day"].unique().sort():
        _, area, members, _, _ = history.filter(pl.col("day") <= day).row(-1)  # days between changed nothing
        arrived = points.filter(pl.col("day") <= day)
        values = arrived.select("size", -pl.col("score")).to_numpy()
        assert area == pytest.approx(moocore.hypervolume(values, ref=(4.5, -0.5)))
        assert members == pareto_front(arrived, SMALL_AND_GOOD).height
    assert history["hypervolume"].is_sorted()
    assert history["members"].to_list() == (history["entered"] - history["left"]).cum_sum().to_list()


@given(tables)
def test_an_entry_off_the_front_is_measured_against_the_best_member_no_larger_than_itself(
    points: pl.DataFrame,
) -> None:
    front = pareto_front(points, SMALL_AND_GOOD)
    beaten = dominated_by(points, "size", "score", "se")
    assert sorted([*beaten["row"], *front["id"]]) == list(range(points.height))
    for row, by, gap_x, gap_y, noise, within in beaten.rows():
        loser, winner = points.row(row, named=True), points.row(by, named=True)
        no_larger = front.filter(pl.col("size") <= loser["size"]).sort("score", "size", "id")
        best = no_larger.filter(pl.col("score") == no_larger["score"].max())
        assert by == best["id"][0]
        assert (gap_x, gap_y) == (loser["size"] - winner["size"], winner["score"] - loser["score"])
        if loser["se"] is None or winner["se"] is None:
            assert noise is None
            assert within is None
        else:
            assert noise == pytest.approx((loser["se"] ** 2 + winner["se"] ** 2) ** 0.5)
            assert within == (gap_y <= 1.959964 * noise)


def test_members_know_how_many_contenders_noise_leaves_them_and_whether_their_step_is_real() -> None:
    points = pl.DataFrame(
        {
            "size": [1.0, 2.0, 2.0, 3.0, 3.0, 3.0, None, 9.0],
            "score": [40.0, 41.0, 39.5, 60.0, 60.0, 59.0, 99.0, 70.0],
            "se": [1.0, 1.0, 1.0, 1.0, 1.0, None, 1.0, None],
        }
    )
    members = front_members(points, "size", "score", "se")
    assert members.rows() == [
        (0, 0, 0, None),
        (1, 1, 1, False),  # one point above the previous, within noise; 39.5 is within noise of it
        (3, 1, 0, True),  # 59 has no standard error: dominated, but nobody can say how surely
        (4, 0, 0, True),  # equal to row 3, which stands for both
        (7, 0, 0, None),
    ]
    without = front_members(points, "size", "score")
    assert without["dominated"].to_list() == [0, 1, 1, 0, 0]
    assert without["contenders_within_noise"].null_count() == without.height
    assert without["beyond_noise_of_previous"].null_count() == without.height


@given(hnp.arrays(np.float64, st.tuples(st.integers(0, 25), st.just(2)), elements=st.integers(-3, 3)))
def test_a_contribution_is_the_area_the_front_loses_without_that_member(values: np.ndarray) -> None:
    reference = (2.5, 2.5)
    on_front = front_mask(values)
    front = values[on_front]
    expected = np.zeros(len(values))
    expected[on_front] = [
        moocore.hypervolume(front, ref=reference) - moocore.hypervolume(np.delete(front, i, axis=0), ref=reference)
        for i in range(len(front))
    ]
    assert exclusive_contributions(values, reference) == pytest.approx(expected)


def test_a_reference_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"one finite number per objective: got \[1.0\]"):
        exclusive_contributions(np.zeros((3, 2)), [1.0])


@pytest.mark.data
def test_the_published_front_of_22_models_comes_out_of_the_1402_published_points(board: Path) -> None:
    objectives = {"model_size_gb": Direction.MINIMISE, "average_error": Direction.MINIMISE}
    points = pl.read_csv(board / "blog" / "v1_models_2023-12-04.csv")
    valid, aside = usable(points, objectives)
    assert (points.height, valid.height, aside.height) == (1402, 1073, 329)
    front = pareto_front(valid, objectives).select("model_name", *objectives).sort("model_size_gb")
    published = pl.read_csv(board / "blog" / "v1_pareto_front_2023-12-04.csv")
    assert published.height == 22
    assert_frame_equal(front, published.sort("model_size_gb"), check_exact=True)


@pytest.mark.data
def test_the_published_monthly_fronts_are_not_of_growing_sets(board: Path) -> None:
    objectives = {"model_size_gb": Direction.MINIMISE, "average_error": Direction.MINIMISE}
    published = pl.read_csv(board / "blog" / "v1_pareto_over_time.csv")
    valid, aside = usable(published, objectives)
    # The null size is a NaN that the published chart let onto its front.
    assert aside.select("cutoff", "model_name").rows() == [("2023-09-01", "ORCA_LLaMA_70B_QLoRA")]
    fronts = {cutoff: valid.filter(pl.col("cutoff") == cutoff) for cutoff in valid["cutoff"].unique()}
    assert {cutoff: fronts[cutoff].height for cutoff in sorted(fronts)} == {
        "2023-08-01": 11,
        "2023-09-01": 21,
        "2023-10-01": 18,
        "2023-11-01": 25,
        "2023-12-01": 22,
    }
    for front in fronts.values():
        assert pareto_front(front, objectives).height == front.height
    # With a growing set of models every member is still there or beaten a month later. 11 of 21 are not.
    october = fronts["2023-10-01"]
    assert not_explained_by_later(fronts["2023-09-01"], october, objectives).height == 11
    assert not_explained_by_later(fronts["2023-08-01"], october, objectives).height == 2


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "rows", "sized", "members"),
    [
        ("v1/2024-06-15_ui_export.csv", 7169, 6545, 5),
        ("v2/2024-10-15_contents.parquet", 1500, 1437, 11),
        ("v2/2024-12-08_contents.csv", 2191, 2076, 9),
        ("v2/2025-02-13_contents.csv", 3827, 3822, 13),
        ("v2/2025-03-13_contents.parquet", 4576, 4566, 20),
    ],
)
def test_the_front_of_a_real_snapshot_has_the_size_found_by_other_means(
    board: Path, file: str, rows: int, sized: int, members: int
) -> None:
    path = board / file
    points = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
    points = points.select(size=pl.col("#Params (B)"), score=pl.col("Average ⬆️"))
    known = points.filter(pl.col("size") > 0)  # 0 and -1 stand for unknown
    front = pareto_front(known, SMALL_AND_GOOD)
    assert (points.height, known.height, front.unique().height) == (rows, sized, members)
