"""Shapes that nobody trained: of the size asked for, within the wish, and marked as predictions with their error."""

import pytest

from profiling.answers.design import LARGEST_MISS, ScalingFit, Wish, design, parameters_of, shapes
from profiling.answers.door import shipped_door
from profiling.errors import DoesNotFit, InvalidWorkload

FIT = ScalingFit("open_llm_v2", 9.5, 3.8, 8.7)


def test_shapes_have_the_size_that_was_asked_for() -> None:
    found = list(shapes(7e9))
    assert len(found) > 40
    assert all(abs(model.parameters_total / 7e9 - 1) <= LARGEST_MISS for _, model in found)
    assert {words["mixing"] for words, _ in found} == {"attention", "windows", "states"}
    assert all(
        (model.parameters_active < model.parameters_total) == (words["blocks"] != "dense") for words, model in found
    )


@pytest.mark.slow
def test_the_front_keeps_the_wish_and_says_its_error() -> None:
    wish = Wish(parameters=3e9, accelerator="RTX-4090", context=32_768, time_to_first_token_s=1.0)
    rows, notes = design(shipped_door(), wish, FIT)
    assert rows["time_to_first_token_s"].max() <= 1.0
    assert rows["is_prediction"].all()
    assert (rows["time_per_output_token_low_s"] < rows["time_per_output_token_high_s"]).all()
    assert (rows["expected_ability_high"] - rows["expected_ability_low"]).to_list() == pytest.approx(
        [2 * FIT.residual] * rows.height
    )
    assert "not trained" in notes[0]
    with pytest.raises(DoesNotFit, match="closest"):
        design(shipped_door(), Wish(parameters=3e9, accelerator="RTX-4090", context=32_768, time_to_first_token_s=0.01))


def test_sizes_are_read_as_people_write_them() -> None:
    assert parameters_of("3B") == 3e9
    assert parameters_of("700M") == 7e8
    with pytest.raises(InvalidWorkload, match="write 3B"):
        parameters_of("three")
