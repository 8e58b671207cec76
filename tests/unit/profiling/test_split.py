"""A model over unlike memories: parts add up to the whole, measured splits lie in the interval, the best is found."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiling.answers.commands import commands
from profiling.answers.door import Door, shipped_door
from profiling.answers.fit import fit, fit_on, placement_of
from profiling.answers.placement import Placement, Split, host_of
from profiling.answers.question import Question
from profiling.answers.split import best_split, placed
from profiling.devices.accelerators import GIB, Accelerator
from profiling.devices.names import resolve_device
from profiling.errors import DoesNotFit, IllegalParallelism, InvalidWorkload
from profiling.memory.weights import weight_bytes
from profiling.models.load import load
from profiling.models.parts import Selection, expert_layers, layer_kinds, part_of
from profiling.roofline.precisions import precision_for
from profiling.roofline.workload import Workload

OLD_DESKTOP = "cpu 64 GB at 93.9 GB/s, fp32 2.6 TFLOPS, int8 10.5 TOPS"
"""i9-10900X: 4 x DDR4-2933; 10 cores x 64 operations with AVX-512 x 4.1 GHz, four times that in 8 bits."""


@pytest.fixture(scope="module")
def door() -> Door:
    return shipped_door()


def split_of(door: Door, model: str, machine: str, weight_format: str | None, placement: Placement) -> Split:
    architecture, fleet = door.model(model), resolve_device(machine).fleet
    workload = Workload(context=4096.0, precision=precision_for(architecture, weight_format))
    host, _ = host_of(door, fleet.devices[0], 64, OLD_DESKTOP)
    return placed(door, architecture, fleet, workload, host=host, placement=placement)


@pytest.mark.parametrize(
    ("model", "weight_format", "placement", "measured"),
    [
        ("openai/gpt-oss-20b", None, Placement(cpu_expert_layers=12), 36.4),
        ("mistralai/Devstral-Small-2-24B-Instruct-2512", "q4_k_m", Placement(cpu_layers=24), 5.2),
    ],
    ids=["experts of 12 layers", "16 of 40 layers on the card"],
)
def test_measured_splits_lie_in_the_interval(
    door: Door, model: str, weight_format: str | None, placement: Placement, measured: float
) -> None:
    # RTX 2080 8 GB beside an i9-10900X, llmfit PR 775; the 24B model is of the same shape as the one measured.
    low, _, high = split_of(door, model, "rtx 2080", weight_format, placement).tokens_per_s
    assert low <= measured <= high


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_parts_hold_every_weight_once(data: st.DataObject) -> None:
    model = load(data.draw(st.sampled_from(["openai/gpt-oss-20b", "Qwen/Qwen3-8B", "deepseek-ai/DeepSeek-V3"])))
    depth, precision = model.main.depth, precision_for(model, "q4_k_m")
    cut = data.draw(st.integers(0, depth))
    light = [place for place in expert_layers(model) if place >= cut]
    light = light[: data.draw(st.integers(0, len(light)))]
    rest = [place for place in range(cut, depth) if place not in light]
    parts = [
        part_of(model, Selection(whole=range(cut), experts=light, first=True)),
        part_of(model, Selection(whole=rest, without_experts=light, last=True)),
    ]
    held = sum(float(weight_bytes(part, precision)) for part in parts if part is not None)
    assert held == pytest.approx(float(weight_bytes(model, precision)))
    assert len(layer_kinds(model)) == depth


def test_the_best_split_leaves_as_little_as_possible_to_the_processor(door: Door) -> None:
    model, fleet = door.model("openai/gpt-oss-120b"), resolve_device("3060 12gb").fleet
    workload = Workload(context=32_768.0, precision=precision_for(model, None))
    host, assumed = host_of(door, fleet.devices[0], 96)
    best = best_split(door, model, fleet, workload, host)
    assert best.verdict == "fits"
    assert "none was named" in assumed
    fewer = replace(best.placement, cpu_expert_layers=best.placement.cpu_expert_layers - 1)
    assert placed(door, model, fleet, workload, host=host, placement=fewer).verdict != "fits"
    run, check = commands(
        model, "mxfp4 experts", "llama.cpp", fleet.devices[0], context=32_768, users=1, flags=best.flags
    )
    assert f"-m gpt-oss-120b-MXFP4.gguf -c 32768 -np 1 -ngl 99 --n-cpu-moe {best.placement.cpu_expert_layers}" in run
    assert check.startswith("llama-bench")


def test_experts_beside_a_card_of_12_gb_take_what_their_file_holds_and_no_tiles_of_other_engines(door: Door) -> None:
    # llama.cpp's blocks of 32 divide 2,880, so that nothing is filled up to 3,072 as in vLLM: 64 GiB are enough.
    question = Question(model="openai/gpt-oss-120b", accelerator="", context=32_768)
    rows, _ = fit_on(door, question, ["3060 12gb"], host_memory_gib=64)
    row = rows.row(0, named=True)
    assert row["host_memory_high_gib"] < row["host_budget_gib"]
    assert row["host_memory_high_gib"] - row["host_memory_low_gib"] < 2


def test_experts_are_counted_with_the_dense_layers_below_them_as_the_flag_does(door: Door) -> None:
    model = door.model("deepseek-ai/DeepSeek-V3")  # its first three layers have no experts
    assert placement_of(model, None, 10) == Placement(cpu_expert_layers=7)
    # llama.cpp's words for as many layers as fit; and experts of a model that has none.
    assert placement_of(model, -1, None) is None
    with pytest.raises(InvalidWorkload, match="has no routed experts to stay on the processor"):
        placement_of(load("Qwen/Qwen3-8B"), None, 5)
    fleet, precision = resolve_device("2x3090").fleet, precision_for(model, "q2_k")
    host, _ = host_of(door, fleet.devices[0], 512, "EPYC-9554")
    split = placed(
        door, model, fleet, Workload(context=4096.0, precision=precision), host=host,
        placement=Placement(cpu_expert_layers=7),
    )  # fmt: skip
    assert "--n-cpu-moe 10" in split.flags


def test_unlike_cards_get_layers_by_their_memory_and_their_times_add_up(door: Door) -> None:
    model, fleet = door.model("Qwen/Qwen3-32B"), resolve_device("3090 + 3060 12gb").fleet
    workload = Workload(context=8192.0, precision=precision_for(model, "q4_k_m"))
    split = placed(door, model, fleet, workload)
    larger, smaller = split.pieces
    assert larger.layers + smaller.layers == model.main.depth
    memory = [piece.device.usable_memory_bytes for piece in split.pieces]
    assert larger.layers / smaller.layers == pytest.approx(memory[0] / memory[1], rel=0.15)
    alone = [float(piece.step.likely_s) for piece in split.pieces]
    assert float(split.step.likely_s) == pytest.approx(sum(alone), rel=0.01)
    assert split.flags == f"-ngl 99 -ts {larger.layers},{smaller.layers}"


def test_a_machine_that_holds_the_input_table_alone_takes_no_time_at_the_bound(door: Door) -> None:
    model, fleet = load("Qwen/Qwen3-0.6B"), resolve_device("4090").fleet
    host, _ = host_of(door, fleet.devices[0], 64.0)
    split = best_split(door, model, fleet, Workload(context=4096, precision=precision_for(model, "q4_k_m")), host)
    assert [(piece.is_host, piece.layers) for piece in split.pieces] == [(False, 28), (True, 0)]
    assert split.pieces[-1].step.bound_s == 0


def test_what_cannot_be_is_refused_with_the_reason(door: Door) -> None:
    question = Question(model="openai/gpt-oss-20b", accelerator="", context=4096)
    with pytest.raises(InvalidWorkload, match="state its size in GiB"):
        fit_on(door, question, ["4090"], placement=Placement(cpu_layers=3))
    with pytest.raises(DoesNotFit, match="in no split"):
        fit_on(door, replace(question, model="deepseek-ai/DeepSeek-V3"), ["4090"], host_memory_gib=32)
    with pytest.raises(IllegalParallelism, match="no decoder"):
        fit_on(door, replace(question, model="google-bert/bert-base-uncased"), ["2x3090"])
    with pytest.raises(IllegalParallelism, match="has 24"):
        fit_on(door, question, ["4090"], host_memory_gib=32, placement=Placement(cpu_layers=25))


def test_memory_of_both_sides_is_in_the_row(door: Door) -> None:
    question = Question(model="openai/gpt-oss-120b", accelerator="", context=32_768)
    rows, _ = fit_on(door, question, ["4090"], host_memory_gib=96)
    row = rows.row(0, named=True)
    card: Accelerator = door.device("4090")
    assert row["card_budget_gib"] == pytest.approx(card.usable_memory_bytes / GIB)
    assert row["card_memory_high_gib"] <= row["card_budget_gib"]
    assert row["host_memory_high_gib"] <= row["host_budget_gib"]
    # The file is 59 GiB, of it 56.7 GiB experts: neither side holds it alone, both together hold it once.
    assert 58 < row["card_memory_low_gib"] + row["host_memory_low_gib"] < 70


@pytest.mark.parametrize(
    ("engine", "kv", "bits", "flags"),
    [
        (None, "q8_0", 8.5, "-ctk q8_0 -ctv q8_0 -fa on"),
        (None, "q8_0/q4_0", 6.5, "-ctk q8_0 -ctv q4_0 -fa on"),
        (None, None, 8, "-ctk q8_0 -ctv q8_0 -fa on"),  # asked for by its bits: the engine's format that has them
        (None, "16", 16, "-ngl 99 -ts 44,20 -fa on"),
        ("ollama", "q8_0", 8.5, "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q8_0 ollama serve"),
    ],
)
def test_the_command_tells_the_engine_how_the_cache_was_counted(
    door: Door, engine: str | None, kv: str | None, bits: float, flags: str
) -> None:
    question = Question(model="Qwen/Qwen3-32B", accelerator="", weight_format="q4_k_m", kv_bits=bits, engine=engine)
    rows, _ = fit_on(door, question, ["3090 + 3060"], kv=kv)
    assert flags in rows["run"][0]


def test_a_cache_that_the_engine_does_not_have_is_refused_or_said(door: Door) -> None:
    question = Question(model="Qwen/Qwen3-8B", accelerator="", weight_format="q4_k_m", kv_bits=8)
    with pytest.raises(InvalidWorkload, match=r"llama\.cpp is not known to support fp8 for its cache; known: .*q8_0"):
        fit_on(door, question, ["3090 + 3060"], kv="fp8")
    narrow = replace(question, kv_bits=4.5, engine="vllm-v1")
    assert any(
        "vllm-v1 is not known to support 4.5 bits for its cache" in each for each in fit(door, narrow, ["4090"])[1]
    )
    assert not any("is not known to support" in each for each in fit(door, replace(narrow, kv_bits=8), ["4090"])[1])


def test_a_format_that_a_name_leaves_open_is_said_in_the_answer(door: Door) -> None:
    repository = Question(model="Qwen/Qwen3-8B-GGUF", accelerator="4090")
    why = "Weights in gguf-q4_k_m: renamed on the hub; its type of GGUF is not said; gguf-q4_k_m is taken, which"
    for notes in (
        fit(door, repository, ["4090"])[1], fit_on(door, repository, ["2x3090"])[1], door.answer(repository).notes
    ):  # fmt: skip
        assert any(each.startswith(why) for each in notes)
    plain = replace(repository, model="Qwen/Qwen3-8B", weight_format="q4_k_m")
    assert not any(each.startswith("Weights in") for each in door.answer(plain).notes)


def test_a_folder_is_stored_as_its_config_says_not_as_it_is_called(door: Door, tmp_path: Path) -> None:
    folder = tmp_path / "Llama-NVFP4"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256,
        "quantization_config": {"quant_method": "fp8", "ignored_layers": ["lm_head"]},
    }))  # fmt: skip
    rows, notes = fit(door, Question(model=str(folder), accelerator=""), ["4090"])
    assert rows["weights_gib"][0] == pytest.approx(8.46, abs=0.01)
    assert any(each.startswith("Weights as published: fp8") for each in notes)


def test_alike_devices_of_a_server_share_every_layer_and_unlike_ones_none(door: Door) -> None:
    question = Question(model="deepseek-ai/DeepSeek-V3.1", accelerator="", context=4096)
    rows, notes = fit_on(door, question, ["8x mi300x"])
    row, asked = rows.row(0, named=True), replace(question, accelerator="8x mi300x")
    assert row["flags"] == "--tensor-parallel-size 8" in row["run"]
    assert row["tokens_per_s"] == door.answer(asked).row()["tokens_per_s"]
    assert notes[0] == "Engine: vllm-v1, the usual one."
    with pytest.raises(InvalidWorkload, match="vllm needs alike devices"):
        fit_on(door, replace(question, engine="vllm"), ["3090 + 3060"])
    with pytest.raises(InvalidWorkload, match="vllm needs alike devices"):
        fit_on(door, replace(question, engine="vllm"), ["4090"], host_memory_gib=64)


def test_llama_cpp_needs_as_many_devices_as_its_layers_do(door: Door) -> None:
    question = Question(model="Qwen/Qwen3-32B", accelerator="", weight_format="q8_0", engine="llama.cpp")
    row = fit(door, question, ["3060 12gb"])[0].row(0, named=True)
    # 32.4 GiB of weights and cache: three cards of 12 GiB hold 36, which no power of two of them is.
    assert (row["devices"], row["tensor_parallel"], row["pipeline_parallel"]) == (4, 1, 4)
    assert fit(door, question, ["4060 ti 16gb"])[0]["devices"][0] == 3
    assert fit(door, replace(question, engine="vllm"), ["4060 ti 16gb"])[0]["devices"][0] == 4
