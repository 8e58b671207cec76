"""The one door: what it answers at once equals what the model says one by one, and what pages show adds up."""

from dataclasses import replace
from typing import Any

import pytest

from dashboards.charts.operator_graph import columns_of, lanes_of
from dashboards.charts.roofline import reading, span_of_seconds
from pipelines.sources.catalogue.prices import price_list
from pipelines.sources.catalogue.read import grid_intensities
from profiling.answers.door import Door, shipped_door
from profiling.answers.fit import fit, fit_on, ways_out
from profiling.answers.matrix import matrix
from profiling.answers.question import Question, weight_choice, weight_choices
from profiling.devices.accelerators import GIB
from profiling.devices.accelerators import table as accelerators
from profiling.engines.formats import FORMATS, SERVED_FORMATS
from profiling.errors import InvalidWorkload, UnknownAccelerator, UnsupportedPrecision
from profiling.memory.need import gpus_needed, max_batch, memory_need
from profiling.models.load import load
from profiling.roofline.precisions import precision_for
from profiling.roofline.workload import Parallelism
from warehouse.contracts.prices import ACCELERATOR_PRICES

LLAMA, MIXTRAL = "meta-llama/Meta-Llama-3.1-8B", "mistralai/Mixtral-8x7B-Instruct-v0.1"
DEEPSEEK = "deepseek-ai/DeepSeek-V3"
H200 = "H200-SXM-141GB"


@pytest.fixture(scope="module")
def door() -> Door:
    return shipped_door(price_list(ACCELERATOR_PRICES).to_dicts(), grid_intensities().to_dicts())


def test_every_cell_of_the_matrix_is_what_the_model_says_of_it_alone(door: Door) -> None:
    names, devices = (LLAMA, MIXTRAL, DEEPSEEK), ("RTX-4090", "A100-SXM4-80GB", H200, "MI300X-192GB")
    shared = Question(model="", accelerator="", context=3000, batch=24)
    cells = matrix(door, names, devices, ("bf16", "fp8", "awq-4bit-g128"), shared)
    assert cells.height == 36
    for row in cells.iter_rows(named=True):
        model, device = load(row["model"]), accelerators()[row["accelerator"]]
        asked = replace(shared, model=row["model"], accelerator=device.name, weight_format=row["weights"])
        plan = gpus_needed(model, device, asked.workload_of(model))
        assert (row["tensor"], row["pipeline"]) == (plan.tensor, plan.pipeline)
        split = replace(asked, tensor=plan.tensor, pipeline=plan.pipeline)
        assert row["max_batch"] == max_batch(model, device, split.workload_of(model))
        if plan.devices > 1 and not device.link_bytes_per_s:
            assert row["tokens_likely"] is None
            continue
        alone = door.answer(replace(split, engine="vllm-v1"))
        assert alone.estimate.tokens_per_s is not None
        for side in ("low", "likely", "high"):
            rate = float(getattr(alone.estimate.tokens_per_s, f"{side}_s"))
            assert row[f"tokens_{side}"] == pytest.approx(rate, rel=1e-9)
        assert row["is_calibrated"] == alone.estimate.calibrated
        for name, spread in (("usd", alone.usd_per_million_tokens), ("grams", alone.grams_co2e_per_million_tokens)):
            assert row[f"{name}_likely"] == (spread and pytest.approx(spread.likely, rel=1e-9))


@pytest.mark.parametrize(
    ("named", "described"),
    [("RTX-3090", "24 GB at 936 GB/s, 71 TFLOPS"), ("RTX-4060-Ti-16GB", "16 GB at 288 GB/s and 44 TFLOPS")],
)
def test_a_card_described_by_three_numbers_decodes_as_the_card_that_has_them(
    door: Door, named: str, described: str
) -> None:
    asked = Question(model="Qwen/Qwen3-14B", accelerator=named, weight_format="q4_k_m", engine="llama.cpp")
    known, told = (door.answer(replace(asked, accelerator=device)).estimate for device in (named, described))
    assert told.time.likely_s == pytest.approx(known.time.likely_s, rel=0.1)
    two, one = (door.answer(replace(asked, accelerator=described, pipeline=ways)).estimate for ways in (2, 1))
    assert 0.9 < two.time.likely_s / one.time.likely_s < 1.2  # one after the other, joined by PCIe


def test_fit_takes_the_engine_of_each_device_and_the_format_of_the_name_and_says_so(door: Door) -> None:
    asked = Question(model="Qwen3-32B-Q4_K_M.gguf", accelerator="", context=8192)
    rows, notes = fit(door, asked, ["RTX-4090", "H100-SXM5-80GB", "RTX-3090"])
    assert rows["accelerator"].to_list() == ["RTX-4090", "H100-SXM5-80GB", "RTX-3090"]
    # A file of GGUF is llama.cpp's everywhere; a model without a format goes to each device's usual engine.
    assert rows["engine"].to_list() == ["llama.cpp"] * 3
    assert "Engine: llama.cpp, whose own format that is." in notes
    as_published, usual = fit(door, replace(asked, model="Qwen/Qwen3-32B"), ["RTX-4090", "H100-SXM5-80GB", "RTX-3090"])
    assert as_published["engine"].to_list() == ["llama.cpp", "vllm-v1", "llama.cpp"]
    assert any("llama.cpp and vllm-v1" in note for note in usual)
    on_server = replace(asked, accelerator="H100-SXM5-80GB")
    assert [str(door.answer(each).question.engine) for each in (on_server, replace(on_server, engine="vllm"))] == [
        "llama.cpp", "vllm",
    ]  # fmt: skip
    # 18.4 GiB of weights and 2 of cache, as thousands of people run it on one card of 24 GB.
    assert rows["verdict_on_one"][0] == "fits"
    assert rows["weights_gib"][0] == pytest.approx(18.4, rel=0.01)
    _, notes = fit(door, replace(asked, engine="vllm-v1"), ["RTX-4090"])
    assert any("vllm-v1, as asked" in note for note in notes)
    # No engine has the memory of another in silence.
    borrowed = (
        "The speed of tgi and the memory it needs beyond weights and cache are not known; those of vllm-v0 are used"
        " instead."
    )
    question = Question(model=LLAMA, accelerator="RTX-4090", engine="tgi")
    assert borrowed in fit(door, question, ["RTX-4090"])[1]
    assert borrowed in door.answer(question).notes
    assert not any("is used instead" in note for note in notes)


def test_fit_warns_of_more_tokens_than_a_model_was_made_for(door: Door) -> None:
    asked = Question(model="google-bert/bert-base-uncased", accelerator="", context=2048)
    warning = "google-bert/bert-base-uncased was made for 512 tokens; 2,048 exceed that."
    assert warning in fit(door, asked, ["RTX-4090"])[1]
    assert warning not in fit(door, replace(asked, context=512), ["RTX-4090"])[1]
    llama = Question(model="meta-llama/Meta-Llama-3.1-8B", accelerator="", context=200_000)
    assert any("was made for 131,072 tokens" in note for note in fit_on(door, llama, ["2x3090"])[1])


def test_a_matrix_of_nothing_is_empty_and_has_all_columns(door: Door) -> None:
    shared = Question(model="", accelerator="")
    nothing, something = (matrix(door, names, ("L4",), ("bf16",), shared) for names in ((), (LLAMA,)))
    assert nothing.height == 0
    assert nothing.schema == something.schema


def test_a_calibration_and_a_price_of_the_warehouse_reach_the_answer(door: Door) -> None:
    asked = Question(model=LLAMA, accelerator="H100-SXM5-80GB", batch=8, context=2048)
    assert not door.answer(asked).estimate.calibrated
    fitted = {**door.calibrations, "H100-SXM5-80GB": door.calibrations[H200]}
    offers = [
        {
            "accelerator": "H100-SXM5-80GB", "usd_per_device_hour": 1.0, "price_kind": "on_demand",
            "provider": "Someone", "provider_tier": "neocloud", "is_usable_for_medians": True, "as_of_date": None,
            "source": "here", "source_version": "1",
        }
    ]  # fmt: skip
    other = Door(door.devices, fitted, offers, door.grids).answer(asked)
    assert other.estimate.calibrated
    assert other.rests_on.startswith("Calibrated: ")
    rate = other.estimate.tokens_per_s
    assert rate is not None
    assert other.usd_per_million_tokens is not None
    assert other.usd_per_million_tokens.likely == pytest.approx(1e6 / 3600 / float(rate.likely_s))


def test_every_way_out_fits(door: Door) -> None:
    asked = Question(model="meta-llama/Meta-Llama-3.1-70B", accelerator="H100-SXM5-80GB", batch=64, context=2048)
    assert not door.answer(asked).runs
    ways = ways_out(door, asked)
    assert len(ways) >= 2
    for way in ways:
        changes: dict[str, Any] = dict(way.changes)
        changed = replace(asked, **changes)
        model, device = load(changed.model), accelerators()[changed.accelerator]
        need = memory_need(model, device, changed.workload_of(model), "vllm-v1")
        assert need.verdict == "fits"


def test_shares_of_operators_add_up_and_points_lie_under_their_roofs(door: Door) -> None:
    answer = door.answer(Question(model=DEEPSEEK, accelerator=H200, weight_format="fp8", tensor=8))
    frame = answer.operators()
    assert frame["share_pct"].sum() == pytest.approx(100)
    highest = max(roof.flops_per_s for roof in answer.compute_roofs())
    assert (frame["bound_flops_per_s"] <= highest * (1 + 1e-9)).all()
    assert (frame["likely_flops_per_s"] <= frame["bound_flops_per_s"] * (1 + 1e-9)).all()


def test_the_graph_passes_exchanges_between_devices_on_to_what_adds_them(door: Door) -> None:
    answer = door.answer(Question(model=DEEPSEEK, accelerator=H200, weight_format="fp8", tensor=8))
    links = answer.data_flow()
    assert ("decoder.moe/attention_residual_all_reduce", "decoder.moe/attention_residual") in links
    assert ("decoder.moe/output", "decoder.moe/attention_residual") not in links
    frame = answer.operators()
    lanes = lanes_of(frame["place"].to_list())
    assert lanes == [["decoder.before", "decoder.dense"], ["decoder.moe", "decoder.after"]]
    keys = frame["key"].to_list()
    columns = columns_of(keys, links)
    assert all(columns[start] < columns[end] for start, end in links if start.split("/")[0] == end.split("/")[0])


def test_the_reading_of_the_plot_goes_by_the_side_of_the_ridge() -> None:
    assert reading("memory", 1.0, 200.0) == "1.00 is left of its ridge at 200: bound by memory"
    assert reading("compute", 900.0, 200.0) == "900 is right of its ridge at 200: bound by compute"
    assert "activations fit the last-level cache" in reading("cache", 1.0, 14.0)
    assert span_of_seconds(0.00543, 0.00746, 0.0134) == "7.46 ms (80 %: 5.43–13.4)"


def test_the_error_is_stated_for_what_was_measured_only(door: Door) -> None:
    def calibration_note(accelerator: str, weights: str) -> str:
        return door.answer(Question(model=LLAMA, accelerator=accelerator, weight_format=weights, batch=8)).rests_on

    assert calibration_note("A100-SXM4-80GB", "bf16").startswith("Calibrated: ")
    # An A100 computes 8-bit weights as int8, of which no kernel was measured.
    assert calibration_note("A100-SXM4-80GB", "fp8").startswith("Mostly not calibrated: ")
    assert calibration_note("L40S", "bf16").startswith("Not calibrated: ")


def test_precisions_come_from_the_checkpoint_a_format_or_plain_bits(door: Door) -> None:
    asked, model = Question(model=LLAMA, accelerator="L4"), load(LLAMA)
    assert asked.precision_of(model).weight_bits == 16
    assert asked.precision_of(load("openai/gpt-oss-20b")).expert_bits == 4.25
    assert replace(asked, weight_format="awq-4bit-g128").precision_of(model).embedding == 16
    assert replace(asked, weight_format="4-bit").precision_of(model).embedding == 4
    assert replace(asked, weight_format="bf16", activation_bits=8).precision_of(model).activation_bits == 8
    with pytest.raises(UnsupportedPrecision, match="nearest"):
        replace(asked, weight_format="fp9").precision_of(model)
    native = door.answer(Question(model="openai/gpt-oss-20b", accelerator="RTX-4090"))
    assert float(native.estimate.need.weights) / GIB == pytest.approx(12.8, abs=0.3)
    assert any(note.startswith("Weights as published: ") for note in native.notes)


def test_names_and_engines_are_those_people_use(door: Door) -> None:
    settled = door.settled(Question(model="llama3.1:8b", accelerator="4090"))
    assert settled.model in {"meta-llama/Meta-Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"}
    assert (settled.accelerator, settled.weight_format, settled.engine) == ("RTX-4090", "gguf-q4_k_m", "llama.cpp")
    assert door.settled(Question(model=LLAMA, accelerator=H200)).engine == "vllm-v1"


def test_several_devices_are_named_together(door: Door) -> None:
    served = door.settled(Question(model=LLAMA, accelerator="8xH100"))
    assert (served.accelerator, served.tensor, served.pipeline) == ("H100-SXM5-80GB", 8, 1)
    layered = door.settled(Question(model=LLAMA, accelerator="2x3090"))
    assert (layered.engine, layered.tensor, layered.pipeline) == ("llama.cpp", 1, 2)
    assert door.settled(Question(model=LLAMA, accelerator="4x H100", tensor=2, pipeline=2)).tensor == 2
    with pytest.raises(InvalidWorkload, match="'8xH100' is 8 devices; tp × pp is 4"):
        door.settled(Question(model=LLAMA, accelerator="8xH100", tensor=4))
    with pytest.raises(
        UnknownAccelerator, match=r"different devices, which can only share a model by layers: .*skyline advise"
    ):
        door.settled(Question(model=LLAMA, accelerator="3090 + 3060"))


def test_an_engine_that_deals_out_layers_says_that_sharing_each_was_not_measured(door: Door) -> None:
    shared = Question(model=LLAMA, accelerator="RTX-4090", engine="llama.cpp", tensor=2)
    sentence = "llama.cpp deals out whole layers unless told to share each (llama.cpp: `--split-mode tensor`"
    assert any(note.startswith(sentence) for note in door.answer(shared).notes)
    for other in (replace(shared, tensor=1, pipeline=2), replace(shared, engine="vllm-v1")):
        assert not any("deals out whole layers" in note for note in door.answer(other).notes)


def test_parallelism_of_a_question_reaches_the_workload() -> None:
    asked = Question(model=LLAMA, accelerator="L4", tensor=2, pipeline=4)
    assert asked.workload_of(load(LLAMA)).parallelism == Parallelism(2, 4)
    assert asked.devices == "8 × L4"


def test_whatever_format_advice_chooses_is_a_choice_that_prices_the_same() -> None:
    model = load("Qwen/Qwen3-8B")
    choices = weight_choices().values()
    for name in filter(None, {each for formats in FORMATS.values() for each in formats} | set(SERVED_FORMATS)):
        assert weight_choice(name) in choices
        assert precision_for(model, weight_choice(name)) == precision_for(model, name)
