"""From raw accuracies to points, as the boards take them, and the error of points."""

import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.fronts.normalisation import (
    BBH_CHOICES,
    MUSR_CHOICES,
    MissingTask,
    mmlu_from_all,
    normalised,
    standard_error,
    subtask_mean,
)

fractions = st.floats(0, 1)


def test_the_subtasks_and_their_choices_are_those_of_the_boards_documentation() -> None:
    assert (len(BBH_CHOICES), sum(BBH_CHOICES.values())) == (24, 130)
    assert (BBH_CHOICES["object_counting"], BBH_CHOICES["reasoning_about_colored_objects"]) == (19, 18)
    assert dict(MUSR_CHOICES) == {"murder_mysteries": 2, "object_placements": 5, "team_allocation": 3}


@given(fractions, st.integers(2, 20))
def test_guessing_and_below_is_nothing_and_perfect_is_a_hundred(accuracy: float, choices: int) -> None:
    chance = 1 / choices
    assert normalised(chance, chance) == 0
    assert normalised(1.0, chance) == 100
    score = normalised(accuracy, chance)
    assert 0 <= score <= 100
    assert score == pytest.approx(max(0, 100 * (accuracy - chance) / (1 - chance)))


@given(st.lists(fractions, min_size=3, max_size=3))
def test_each_subtask_is_normalised_before_the_mean_not_after(accuracies: list[float]) -> None:
    given_accuracies = dict(zip(MUSR_CHOICES, accuracies, strict=True))
    score, raw = subtask_mean(given_accuracies, MUSR_CHOICES)
    assert raw == pytest.approx(sum(accuracies) / 3)
    # Clipping at chance makes the mean of normalised scores at least the normalised mean.
    assert score >= 100 * sum((a - 1 / n) / (1 - 1 / n) for a, n in zip(accuracies, (2, 5, 3), strict=True)) / 3 - 1e-9


def test_missing_subtasks_are_named() -> None:
    with pytest.raises(MissingTask, match="no result for object_placements, team_allocation"):
        subtask_mean({"murder_mysteries": 0.5}, MUSR_CHOICES)


@given(st.lists(fractions, min_size=57, max_size=57), st.lists(fractions, min_size=1, max_size=6))
def test_mmlu_is_had_back_from_the_mean_over_all_tasks(tasks: list[float], others: list[float]) -> None:
    overall = sum([*tasks, *others]) / (57 + len(others))
    assert mmlu_from_all(overall, others) == pytest.approx(sum(tasks) / 57, abs=1e-12)


def test_a_score_is_as_uncertain_as_its_questions_are_few_and_stretching_stretches_the_error() -> None:
    # GPQA, 1,192 questions of four choices: 1.4 points raw near 30 %, so 1.9 normalised, as measured on the board.
    frame = pl.DataFrame({"score": [20 / 3], "raw": [0.3]})
    plain, gpqa = (
        frame.select(standard_error(pl.col("score"), pl.col("raw"), 1192, chance)).item()
        for chance in ((0.0,), (0.25,))
    )
    assert plain == pytest.approx(100 * math.sqrt(0.3 * 0.7 / 1192))
    assert gpqa == pytest.approx(plain / 0.75)
    assert round(gpqa, 1) == 1.8
    # Without the raw accuracy it follows from the score.
    had_back = frame.select(standard_error(pl.col("score"), pl.lit(None, pl.Float64), 1192, (0.25,))).item()
    assert had_back == pytest.approx(gpqa)


@given(fractions, st.integers(1, 20_000), st.lists(st.floats(0, 0.5), min_size=1, max_size=3))
def test_an_error_is_a_finite_number_of_points_and_none_at_certainty(
    raw: float, items: int, chance: list[float]
) -> None:
    frame = pl.DataFrame({"raw": [raw, 0.0, 1.0]})
    errors = frame.select(standard_error(pl.lit(None, pl.Float64), pl.col("raw"), items, chance)).to_series().to_list()
    assert 0 <= errors[0] < math.inf
    assert errors[1:] == [0.0, 0.0]
