"""Shapes that nobody trained: of the size asked for, within the wish, and marked as predictions with their error."""

import pytest

from profiling.answers.design import AXES, LARGEST_MISS, STARTS, ScalingFit, Wish, design, parameters_of, shape
from profiling.answers.door import shipped_door
from profiling.errors import DoesNotFit, InvalidWorkload

FIT = ScalingFit("open_llm_v2", 9.5, 3.8, 8.7)


@pytest.mark.parametrize("parameters", [1e9, 7e9, 70e9])
def test_shapes_have_the_size_that_was_asked_for(parameters: float) -> None:
    shapes = [made for start in STARTS if (made := shape(parameters, start)) is not None]
    assert len(shapes) > len(STARTS) / 2
    assert all(abs(model.parameters_total / parameters - 1) <= LARGEST_MISS for _, model in shapes)
    assert {words["mixing"] for words, _ in shapes} == {"attention", "windows", "states"}
    assert all(
        (model.parameters_active < model.parameters_total) == (words["blocks"] == "experts") for words, model in shapes
    )


def test_every_axis_that_matters_changes_the_shape() -> None:
    start = {**STARTS[0], "layers": 28, "mixing": "windows", "blocks": "experts", "shared": 1}
    for name, values in AXES.items():
        at = start | ({"mixing": "states"} if name == "states_of" else {})
        made = {str(designed[1]) for value in values if (designed := shape(30e9, at | {name: value})) is not None}
        assert len(made) > 1, name


@pytest.mark.slow
def test_the_front_keeps_the_wish_says_its_error_and_is_better_than_where_the_search_began() -> None:
    wish = Wish(parameters=3e9, accelerator="RTX-4090", context=32_768, time_to_first_token_s=1.0)
    door = shipped_door()
    began, _ = design(door, wish, FIT, len(STARTS))
    rows, notes = design(door, wish, FIT)
    assert rows.equals(design(door, wish, FIT)[0])
    assert rows["time_to_first_token_s"].max() <= 1.0
    assert rows["is_prediction"].all()
    assert (rows["time_per_output_token_low_s"] < rows["time_per_output_token_high_s"]).all()
    assert (rows["expected_ability_high"] - rows["expected_ability_low"]).to_list() == pytest.approx(
        [2 * FIT.residual] * rows.height
    )
    assert "not trained" in notes[0]
    assert rows["expected_ability"].max() > began["expected_ability"].max() + 1
    assert rows["memory_high_gib"].min() <= began["memory_high_gib"].min()
    with pytest.raises(DoesNotFit, match="closest"):
        design(door, Wish(parameters=3e9, accelerator="RTX-4090", context=32_768, time_to_first_token_s=0.01), trials=9)


def test_sizes_are_read_as_people_write_them() -> None:
    assert parameters_of("3B") == 3e9
    assert parameters_of("700M") == 7e8
    with pytest.raises(InvalidWorkload, match="write 3B"):
        parameters_of("three")
