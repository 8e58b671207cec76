"""Processors of every kind under one load: each row is the answer of the one door, and what cannot says why."""

import polars as pl
import pytest

from profiling.answers.door import Door, shipped_door
from profiling.answers.processors import KINDS, USUAL, compare_processors, warned, what_binds
from profiling.answers.question import Question
from profiling.devices.accelerators import table
from profiling.errors import UnknownAccelerator

LOAD = Question(model="meta-llama/Meta-Llama-3.1-8B", accelerator="", batch=1, context=4096)


@pytest.fixture(scope="module")
def door() -> Door:
    return shipped_door()


def test_every_kind_of_the_table_has_a_name_and_a_usual_device() -> None:
    devices = table()
    assert {each.kind for each in devices.values()} == set(KINDS)
    assert {devices[name].kind for name in USUAL} == set(KINDS)


def test_a_row_is_the_answer_to_the_same_question_about_its_device(door: Door) -> None:
    rows = compare_processors(door, LOAD, ["Xeon-8480+ (1 socket)", "H100-SXM5-80GB", "TPU-v5p"])
    assert rows["kind"].to_list() == ["GPU", "TPU", "CPU"]
    for row in rows.iter_rows(named=True):
        answer = door.answer(Question(model=LOAD.model, accelerator=row["accelerator"], context=4096)).row()
        same = ("predicted_s", "bound_by", "tokens_per_s", "joules_per_token", "engine")
        assert {name: row[name] for name in same} == {name: answer[name] for name in same}
    assert what_binds(rows).endswith(". Memory limits all of them.")
    assert what_binds(rows).startswith("H100-SXM5-80GB is the fastest of the 3 that hold the model")


def test_a_device_that_cannot_hold_or_compute_it_comes_last_and_says_why(door: Door) -> None:
    rows = compare_processors(door, LOAD, ["Groq-LPU-v1 (1 chip)", "MI455X-432GB", "T4", "L40S"])
    assert rows["accelerator"][0] == "L40S"
    without = rows.filter(pl.col("predicted_s").is_null())
    assert set(without["verdict"]) == {"does not fit", "cannot compute"}
    assert without["reason"].is_not_null().all()
    assert without["tokens_per_s"].is_null().all()


def test_more_tokens_than_a_model_was_made_for_are_warned_of(door: Door) -> None:
    bert = Question(model="google-bert/bert-base-uncased", accelerator="", stage="encode", context=4096)
    rows = compare_processors(door, bert, ["L40S"])
    assert warned(door, bert, rows) == ["google-bert/bert-base-uncased was made for 512 tokens; 4,096 exceed that."]
    assert warned(door, LOAD, compare_processors(door, LOAD, ["L40S"])) == []


def test_a_kind_means_all_its_devices_and_an_unknown_name_is_refused(door: Door) -> None:
    tpus = compare_processors(door, LOAD, ["tpu"])
    assert set(tpus["accelerator"]) == {name for name, each in table().items() if each.kind == "tpu"}
    assert "Gaudi3" in compare_processors(door, LOAD, ["npu"])["accelerator"]
    with pytest.raises(UnknownAccelerator):
        compare_processors(door, LOAD, ["toaster"])


def test_a_larger_batch_moves_what_binds_from_memory_to_compute(door: Door) -> None:
    single, many = (
        compare_processors(door, Question(model=LOAD.model, accelerator="", stage=stage, context=2048), ["L40S"])
        for stage in ("decode", "prefill")
    )
    assert (single["bound_by"][0], many["bound_by"][0]) == ("memory", "compute")
