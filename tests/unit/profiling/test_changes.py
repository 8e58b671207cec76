"""What changes memory and time: extras of a question, sweeps over one thing, and advice with its interval."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.answers.door import Door, shipped_door
from profiling.answers.extras import adapter_parameters, adapter_targets
from profiling.answers.fit import fit
from profiling.answers.improve import improvements, operator_improvement_rows
from profiling.answers.pruning import pruning_of
from profiling.answers.question import Question
from profiling.answers.sweep import AXES, sweep
from profiling.errors import InvalidWorkload
from profiling.models.load import load
from profiling.models.variants import structurally_pruned, with_vocabulary
from profiling.roofline.table1 import published
from profiling.roofline.tokens import shifted_lengths

ENCODERS = ("google-bert/bert-base-uncased", "distilbert/distilbert-base-uncased", "google/mobilebert-uncased")
LLAMA = Question(model="meta-llama/Meta-Llama-3.1-8B", accelerator="RTX-4090", context=8192)


@pytest.fixture(scope="module")
def door() -> Door:
    return shipped_door()


def test_table_1_comes_out_of_one_answer(door: Door) -> None:
    question = Question(
        model="meta-llama/Llama-2-7b-hf", accelerator="RTX-A6000", context=1024, attention="naive", weight_bits=16
    )
    row, theirs = door.answer(question).row(), published(16)
    # What is counted alike; the other lines differ by the terms that docs/table1.md names.
    assert row["kv_loaded_bytes"] == theirs["kv_read_bytes"][0]
    assert row["kv_stored_bytes"] == theirs["kv_write_bytes"][0]
    assert row["kv_cache_bytes"] == theirs["memory_kv_bytes"][0]
    assert row["weights_bytes"] == pytest.approx(theirs["memory_weight_bytes"][0], rel=0.05)
    assert row["weights_loaded_bytes"] == pytest.approx(theirs["weight_bytes"][0], rel=0.001)
    assert row["bound_s"] == pytest.approx(theirs["time_s"][0], rel=0.002)
    parts = ("weights", "kv", "activations")
    loaded = sum(row[f"{part}_loaded_bytes"] for part in parts)
    assert loaded + sum(row[f"{part}_stored_bytes"] for part in parts[1:]) == row["moved_bytes"]


def test_encoders_are_held_by_what_they_need_and_counted_alike(door: Door) -> None:
    needs = []
    for name in ENCODERS:
        rows, _ = fit(door, Question(model=name, accelerator="", batch=32, context=128), ["H100-SXM5-80GB"])
        needs.append(rows["weights_gib"][0] + rows["overhead_high_gib"][0])
        model = load(name)
        assert model.parameters_total == model.parameters_active
    assert needs[0] > 1.03 * needs[1] > 1.03**2 * needs[2]


def test_a_draft_that_is_always_right_costs_only_its_own_time(door: Door) -> None:
    plain = Question(model="Qwen/Qwen3-32B", accelerator="H200", context=4096)
    drafted = replace(plain, draft=4, draft_model="Qwen/Qwen3-0.6B", acceptance=1.0)
    base, other = door.answer(plain), door.answer(drafted)
    assert other.drafting is not None
    assert base.estimate.time_per_output_token is not None
    assert other.estimate.time_per_output_token is not None
    step = float(other.estimate.time.likely_s) * (1 + 4 * other.drafting.cost)
    assert float(other.estimate.time_per_output_token.likely_s) == pytest.approx(step / 5)
    assert float(other.estimate.need.extras) > load("Qwen/Qwen3-0.6B").parameters_total * 2
    assert ", assumed" not in " ".join(other.notes)
    assert "0.7, assumed" in " ".join(door.answer(replace(drafted, acceptance=None)).notes)


def test_layers_that_predict_ahead_draft_and_other_vocabularies_cannot(door: Door) -> None:
    deepseek = Question(model="deepseek-ai/DeepSeek-V3", accelerator="H200", tensor=8, draft=1, draft_model="mtp")
    drafting = door.answer(deepseek).drafting
    assert drafting is not None
    assert 0.01 < drafting.cost < 0.1  # one of 61 layers, and the head
    with pytest.raises(InvalidWorkload, match="same vocabulary"):
        door.answer(replace(deepseek, draft_model="Qwen/Qwen3-0.6B"))
    with pytest.raises(InvalidWorkload, match="no layers that predict ahead"):
        door.answer(Question(model="Qwen/Qwen3-8B", accelerator="H200", draft=1, draft_model="mtp"))


def test_an_adapter_has_rank_times_inputs_and_outputs() -> None:
    model = load("meta-llama/Meta-Llama-3.1-8B")
    # Published: LoRA of rank 16 on all seven matrices of Llama 3.1 8B trains 41,943,040 parameters (Unsloth).
    assert adapter_parameters(model, 16, ("attention", "feed_forward")) == 41_943_040
    for names in ("q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj", "all-linear"):
        assert adapter_parameters(model, 16, adapter_targets(model, names)) == 41_943_040
    mixture = load("Qwen/Qwen3-30B-A3B")
    assert adapter_targets(mixture, "q_proj,gate_proj,up_proj,down_proj") == ("experts", "query")
    with pytest.raises(InvalidWorkload, match="no matrices nonsense"):
        adapter_parameters(model, 16, ("nonsense",))


@given(st.integers(1, 200), st.integers(2, 400), st.integers(0, 100))
def test_a_shifted_cache_never_holds_more_than_it_can(prompt: int, generated: int, room: int) -> None:
    limit = prompt + room + 1
    lengths = shifted_lengths(prompt, generated, limit)
    assert len(lengths) == generated - 1
    assert max(lengths) <= limit
    assert lengths[: room + 1] == list(range(prompt + 1, prompt + 1 + min(room + 1, len(lengths))))


def test_pruning_saves_what_hardware_makes_of_it(door: Door) -> None:
    model = load("meta-llama/Meta-Llama-3.1-8B")
    blocks = 32 * 3 * 4096 * 14336
    assert model.parameters_total - structurally_pruned(model, 0.5).parameters_total == blocks // 2
    rows = sweep(door, LLAMA, {"pruning": ()})
    by = {row["value"]: row for row in rows.iter_rows(named=True)}
    assert by["unstructured-50%"]["time_change_pct"] == by["unstructured-50%"]["memory_change_pct"] == 0
    # Half of 16 bits and two bits each for what was kept: 9 of 16, in blocks alone.
    in_blocks = model.parameters_total - 2 * 128_256 * 4096
    saved = by["none"]["weights_bytes"] - by["2:4"]["weights_bytes"]
    assert saved == pytest.approx(in_blocks * 2 * 7 / 16, rel=0.001)
    assert by["structured-50%"]["time_change_pct"] < by["structured-25%"]["time_change_pct"] < 0
    with pytest.raises(InvalidWorkload, match="structured-30%"):
        pruning_of("a bit")


def test_a_vocabulary_changes_tables_and_head_alone() -> None:
    model = load("meta-llama/Meta-Llama-3.1-8B")
    assert with_vocabulary(model, 64_128).parameters_total == model.parameters_total - 2 * 64_128 * 4096


@pytest.mark.parametrize("model", ["google-bert/bert-base-uncased", "meta-llama/Meta-Llama-3.1-8B"])
def test_every_axis_can_be_swept_and_what_cannot_be_says_why(door: Door, model: str) -> None:
    encoder = model.startswith("google-bert")
    question = Question(model=model, accelerator="H100-SXM5-80GB", stage="encode" if encoder else "decode", context=512)
    rows = sweep(door, question)
    assert set(rows["axis"]) == set(AXES) - ({"cache"} if encoder else set())
    failed = rows.filter(rows["verdict"].is_null())
    assert failed["reason"].str.len_chars().min() is None or failed["reason"].str.len_chars().min() > 10
    memory = sweep(door, question, {"batch": ("1", "8", "64")})["memory_high_gib"].to_list()
    assert memory == sorted(memory)
    with pytest.raises(InvalidWorkload, match="nearest: batch"):
        sweep(door, question, {"batsh": ()})
    assert (
        "made for 512" in sweep(door, replace(question, context=512), {"context": ("1k",)})["reason"][0] or not encoder
    )


def test_advice_is_a_change_of_time_with_its_interval(door: Door) -> None:
    changes = improvements(door, LLAMA)
    likely = [change.ratio[1] for change in changes]
    assert likely == sorted(likely)
    assert likely[-1] < 1
    assert {"weights", "batch", "cache", "context", "memory", "split", "fuse"} == {change.kind for change in changes}
    for change in changes:
        low, middle, high = change.ratio
        assert 0 < low <= middle <= high <= 1
    memory = next(change for change in changes if change.kind == "memory")
    assert 0.5 <= memory.ratio[1] < 0.6  # decoding one sequence waits for memory and for little else
    rows = operator_improvement_rows(door, LLAMA)
    assert rows["share_pct"].sum() == pytest.approx(100)
    largest = rows.sort("share_pct", descending=True).row(0, named=True)
    assert largest["helps_most"] in {"batch", "weights", "split"}
    helped = rows.filter(rows["helps_most"].is_not_null())
    assert helped.height > 5
    assert (helped["change_of_whole_low_pct"] < helped["change_of_whole_pct"]).all()
    assert (helped["change_of_whole_pct"] < helped["change_of_whole_high_pct"]).all()
    # All operators that a kind helps make up what it changes of the whole, with the same ends.
    fused = next(improvement for improvement in improvements(door, LLAMA) if improvement.kind == "fuse")
    parts = rows["share_pct"].dot(rows["fuse_pct"]) / 100
    assert parts == pytest.approx(100 * (fused.ratio[1] - 1), rel=0.01)
    assert helped.filter(helped["helps_most"] == "fuse")["change_of_whole_high_pct"].max() == pytest.approx(0)


def test_an_adapter_that_is_not_merged_costs_its_own_two_products(door: Door) -> None:
    asked = replace(LLAMA, accelerator="H200", batch=8, lora_rank=16, lora_count=4)
    with_it, plain = door.answer(asked), door.answer(replace(asked, lora_rank=0))
    own = [time.operator for time in with_it.estimate.operators if "_adapter_" in time.operator.name]
    # One multiply-add per number of the adapter and token; of 4 adapters 8 sequences choose 3.6 on average.
    numbers = adapter_parameters(with_it.model, 16)
    assert sum(operator.count * float(operator.flops) for operator in own) == 2 * 8 * numbers
    read = sum(operator.count * float(operator.weight_bytes) for operator in own)
    assert read == pytest.approx(2 * numbers * 4 * (1 - 0.75**8))
    assert 1 < float(with_it.estimate.time.likely_s) / float(plain.estimate.time.likely_s) < 1.2


def test_a_vision_tower_reads_its_patches_before_the_decoder_reads_their_tokens(door: Door) -> None:
    asked = Question(model="Qwen/Qwen3-VL-8B-Instruct", accelerator="H200", stage="prefill", context=512)
    seen = door.answer(replace(asked, image_tokens=1024))
    text = door.answer(replace(asked, context=1536))
    assert seen.images is not None
    # 2 x 2 patches of 27 layers of 1,152 make one token; 4,304 is the width of the feed-forward blocks.
    assert seen.images.patches == 4096
    matrices = 27 * 4096 * (4 * 1152**2 + 2 * 1152 * 4304)
    attention = 27 * 2 * 4096**2 * 1152
    flops = sum(t.operator.count * float(t.operator.flops) for t in seen.images.tower.operators
                if t.operator.unit != "vector")  # fmt: skip
    assert flops == 2 * (matrices + attention)
    # Four patches side by side go through two matrices.
    assert seen.images.projector is not None
    projected = sum(t.operator.count * float(t.operator.flops) for t in seen.images.projector.operators)
    assert projected == 4 * 2 * 1024 * (4608 * 4608 + 4608 * 4096)
    gained = float(seen.estimate.time.likely_s) - float(text.estimate.time.likely_s)
    assert gained == pytest.approx(float(seen.images.time.likely_s))
    assert any("patches first" in note for note in seen.notes)
    decoding = door.answer(replace(asked, stage="decode", image_tokens=1024)).estimate.time.likely_s
    assert decoding == door.answer(replace(asked, stage="decode", context=1536)).estimate.time.likely_s
