"""Mixtures are laid out with experts on devices of their own, as engines do, timed by measured collectives."""

from dataclasses import replace

import polars as pl
import pytest

from profiling.accuracy.simulated import shipped_simulation_errors
from profiling.answers.door import Door, shipped_door
from profiling.answers.question import stored_precision
from profiling.errors import IllegalParallelism, InvalidWorkload, UnknownAccelerator
from profiling.memory.need import kv_cache_bytes
from profiling.memory.weights import weight_bytes
from profiling.roofline.estimate import estimate
from profiling.roofline.grid import Grid, evaluate
from profiling.roofline.precisions import precision_for
from profiling.roofline.workload import Parallelism, Workload
from profiling.serving.alternatives import notes_with, plan_rows
from profiling.serving.layouts import layouts, split_words
from profiling.serving.plan import Promise, requested_plans
from profiling.serving.replica import Options, replica_of, room_of
from profiling.serving.served import simulate
from profiling.serving.simulate import Replica, Traffic
from profiling.serving.steps import End, StepTimes, step_times

DEEPSEEK, LLAMA, H200 = "deepseek-ai/DeepSeek-V3.1", "meta-llama/Llama-3.3-70B-Instruct", "H200-SXM-141GB"
SHARED, SPREAD = Parallelism(8), Parallelism(1, 1, 8, 8)
"""Eight devices that share every matrix, and eight that attend to sequences of their own and share the experts."""
CHAT = Promise(traffic=Traffic(input_tokens=2000, output_tokens=500, users=64), time_per_output_token_s=0.1)


@pytest.fixture(scope="module")
def door() -> Door:
    return shipped_door()


def test_data_parallel_attention_is_whole_on_every_device_and_caches_a_latent_once(door: Door) -> None:
    model = door.model(DEEPSEEK)
    precision = stored_precision(model, None, kv_bits=16)
    shared, spread = (float(weight_bytes(model, precision, split)) for split in (SHARED, SPREAD))
    experts = 58 * 256 * 3 * 7168 * 2048  # in 8 bits: a byte each
    assert shared == pytest.approx(float(weight_bytes(model, precision)) / 8, rel=0.05)
    assert spread == pytest.approx(float(weight_bytes(model, precision)) - experts * 7 / 8, rel=0.01)
    # Tensor parallel devices hold the latent of all 64 sequences each, data parallel ones of eight.
    caches = [
        float(kv_cache_bytes(model, Workload(batch=64, context=4096, precision=precision, parallelism=split)).high)
        for split in (SHARED, SPREAD)
    ]
    assert caches[0] == pytest.approx(8 * caches[1])
    device = door.device(H200)
    rooms = [room_of(model, device, split, precision, Options()) for split in (SHARED, SPREAD)]
    assert rooms[0] is not None
    assert rooms[1] is not None
    # Less is left on each device, and what is left holds more than twice as many tokens.
    assert 2 < rooms[1].tokens / rooms[0].tokens < 3


def test_the_exchange_of_tokens_takes_what_the_library_was_measured_to_take(door: Door) -> None:
    # NCCL 2.29.2 on eight H200 (ai-dynamo/aiconfigurator @095f58a): all-gather of 8,388,608 halves in 66.9 µs.
    model, device, numbers = door.model(DEEPSEEK), door.device(H200), 8_388_608
    precision = replace(stored_precision(model, None, kv_bits=16), activation_bits=16)
    work = Workload(batch=numbers / 7168, context=2048, precision=precision, parallelism=SPREAD)
    inside = estimate(model, device, work, door.kernels(device, "vllm-v1"))
    gather, scatter = (
        next(operator for operator in inside.operators if operator.operator.name == f"experts_{name}")
        for name in ("gather", "scatter")
    )
    assert gather.calibrated
    assert float(gather.prediction.likely_s) == pytest.approx(66.9e-6, rel=0.25)  # its surface is 9 % off by the median
    assert float(gather.operator.communication_bytes) == pytest.approx(numbers * 2 * 7 / 8)
    assert float(scatter.prediction.likely_s) > float(scatter.bound_s)
    # Across nodes nothing was measured: the network's own law holds, in the estimate and in the grid alike.
    across = replace(work, parallelism=Parallelism(1, 1, 16, 16))
    alone = estimate(model, device, across, door.kernels(device, "vllm-v1"))
    assert not next(operator for operator in alone.operators if operator.operator.name == "experts_gather").calibrated
    for asked, single in ((work, inside), (across, alone)):
        grid = Grid(
            models=[model], accelerators=[device], batches=[round(float(asked.batch))], contexts=[2048],
            precisions=[precision], stages=["decode"], parallelisms=[asked.parallelism], calibrations=door.fitted,
        )  # fmt: skip
        assert pl.concat(evaluate(grid))["likely_s"][0] == pytest.approx(float(single.time.likely_s), rel=1e-3)


def test_layouts_of_a_mixture_spread_experts_and_those_of_dense_models_and_other_engines_do_not(door: Door) -> None:
    mixture, dense = door.model(DEEPSEEK), door.model(LLAMA)
    splits = layouts(mixture, Options())
    assert {SHARED, Parallelism(8, 1, 8), SPREAD, Parallelism(1, 1, 16, 16)} <= set(splits)
    assert all(split.expert == 1 for split in layouts(dense, Options()))
    assert all(split.expert == 1 for split in layouts(mixture, Options(engine="lmdeploy")))
    assert layouts(mixture, Options(data=8)) == [SPREAD]
    assert split_words(Parallelism(8, 1, 8)) == "tensor parallel 8, experts over 8"
    with pytest.raises(InvalidWorkload, match=r"cannot be split 3 ways \(expert parallel\); legal are \[1, 2, 4, 8"):
        layouts(mixture, Options(expert=3))
    with pytest.raises(IllegalParallelism, match="no routed experts to share; use replicas"):
        Parallelism(1, 1, 8, 8).check(dense)


def test_groups_wait_for_the_longest_prompt_among_them() -> None:
    steps = StepTimes(
        (8.0, 8192.0), (0.01, 0.03), 1e-8, (16.0, 8192.0), (0.01, 0.2), 0.0, groups=8, together_s=(0.012, 0.5)
    )
    alone, all_eight = steps.added(64, 2048), steps.added(64, 2048, read=8 * 2048)
    assert alone < all_eight
    assert steps.at(64, 0, 2048) == pytest.approx(steps.at(64, 0) + alone)
    # One sequence of eight groups lies with one: its context is read as fast as if all had one.
    assert steps.per_context_s(1) == pytest.approx(8 * steps.per_context_s(8))
    replica = Replica(steps=steps, cache_tokens=8e6, sequences=8192)
    traffic = Traffic(input_tokens=2000, output_tokens=200, users=64, spread=0.2)
    served = simulate(replica, traffic, 400)
    rate = served.output_tokens_per_s / traffic.output_tokens
    assert served.running == pytest.approx(rate * served.time_per_output_token_s[0] * 200, rel=0.1)
    with pytest.raises(InvalidWorkload, match="exceeds the cache of 2,000"):
        simulate(replace(replica, cache_tokens=16_000), traffic)


def test_groups_that_wait_for_each_other_read_together_and_make_tokens_faster() -> None:
    steps = StepTimes(
        (8.0, 8192.0), (0.01, 0.03), 1e-8, (16.0, 8192.0), (0.01, 0.2), 0.0, groups=8, together_s=(0.012, 0.25)
    )
    traffic = Traffic(input_tokens=2000, output_tokens=200, users=64, spread=0.2)
    alone = Replica(steps=steps, cache_tokens=8e6, sequences=8192)
    held, gathered = replace(alone, balance_steps=60), replace(alone, balance_steps=60, gathering_steps=10)
    first, per_token = zip(
        *(
            (served.mean_first_token_s, served.mean_per_token_s)
            for served in (simulate(each, traffic, 640, from_start=True) for each in (alone, held, gathered))
        ),
        strict=True,
    )
    assert first[0] < first[1] < first[2]
    assert per_token[0] > per_token[1]


_ENDS: tuple[End, End] = ("likely_s", "high_s")
PUBLISHED = {
    # A public benchmark's runs with data-parallel attention in ai-dynamo/aiconfigurator @095f58a (Apache-2.0), 2026;
    # prompts and answers of 1024 tokens at most, 0.9 of that on average.
    "8 x H200": ("deepseek-ai/DeepSeek-R1", H200, "fp8", SPREAD, 256, 0.0372),
    "8 x B200": ("deepseek-ai/DeepSeek-R1", "B200-SXM-180GB", "nvfp4", SPREAD, 64, 0.0123),
    "4 x B200": ("openai/gpt-oss-120b", "B200-SXM-180GB", "mxfp4", Parallelism(1, 1, 4, 4), 64, 0.00642),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_runs_with_data_parallel_attention_are_met_within_a_quarter(door: Door, name: str) -> None:
    named, accelerator, form, split, users, per_token_s = PUBLISHED[name]
    model, device = door.model(named), door.device(accelerator)
    precision, options = precision_for(model, form, 8), Options(engine="tensorrt-llm")
    times = step_times(model, [device], precision, [split], options.engine, door.fitted)[accelerator, split]
    room = room_of(model, device, split, precision, options)
    assert room is not None
    traffic = Traffic(input_tokens=922, output_tokens=922, users=users, spread=0.064)
    replicas = [replica_of(room, times, held_back_steps=60, end=end) for end in _ENDS]
    likely, slow = (simulate(each, traffic, 10 * users, from_start=True) for each in replicas)
    assert likely.mean_per_token_s == pytest.approx(per_token_s, rel=0.25)
    assert per_token_s < slow.mean_per_token_s


def test_a_plan_spreads_experts_and_says_what_starts_it_so(door: Door) -> None:
    spread = Options(data=8)
    plans = requested_plans(door, DEEPSEEK, CHAT, spread, ["8xH200"])
    (row,) = plan_rows(door, DEEPSEEK, CHAT, plans, spread).to_dicts()
    assert (row["devices"], row["tensor_parallel"], row["expert_parallel"], row["data_parallel"]) == (8, 1, 8, 8)
    assert row["run"].endswith("--data-parallel-size 8 --enable-expert-parallel")
    yaml = "--extra_llm_api_options <(echo 'enable_attention_dp: true')"
    for engine, flags in (
        ("sglang", "--tp 8 --dp 8 --enable-dp-attention --ep 8 --chunked-prefill-size 4096"),
        ("tensorrt-llm", f"--tp_size 8 --ep_size 8 {yaml} --max_num_tokens 4096"),
    ):
        options = replace(spread, engine=engine, batched_tokens=4096)
        (row,) = plan_rows(door, DEEPSEEK, CHAT, plans, options).to_dicts()
        assert row["run"].endswith(flags)


def test_eight_h100_are_the_ones_on_a_board_and_the_answer_says_so(door: Door) -> None:
    plans = requested_plans(door, LLAMA, CHAT, Options(), ["8xH100", "4×B200"])
    assert [(plan.accelerator, plan.devices) for plan in plans] == [("H100-SXM5-80GB", 8), ("B200-SXM-180GB", 4)]
    notes = notes_with(door, plans, Options(), ["8xH100", "4×B200"])
    assert "'8xH100' is taken as H100-SXM5-80GB, the form that is joined within a node" in notes[0]
    with pytest.raises(UnknownAccelerator, match="could be H100-PCIe-80GB, H100-SXM5-80GB, H100-NVL-94GB"):
        requested_plans(door, LLAMA, CHAT, Options(), ["H100"])


def test_a_plan_says_how_far_off_such_predictions_were(door: Door) -> None:
    plans = requested_plans(door, LLAMA, CHAT, Options(), ["4xH200"])
    rows = plan_rows(door, LLAMA, CHAT, plans, Options())
    (row,) = rows.to_dicts()
    assert rows.schema["first_broken"] == pl.String  # though none is broken
    notes = " ".join(notes_with(door, plans, Options()))
    assert row["errors_of"] == "vllm on this device, with models left out"
    assert f"a median of {row['time_per_output_token_error_pct']:.0f} % and" in notes
    assert f"({row['time_per_output_token_measurements']:,} and" in notes
    errors = shipped_simulation_errors().filter(engine="vllm", stage="first token under load")
    assert f"the simulation of the plan is {errors['mdape_pct'][0]:.0f} % off for first tokens" in notes


def test_shorter_steps_make_tokens_come_evenly_and_prompts_wait(door: Door) -> None:
    busy = replace(CHAT, traffic=replace(CHAT.traffic, input_tokens=8000, users=32))
    whole, cut = (
        requested_plans(door, LLAMA, busy, Options(batched_tokens=tokens, tensor=8), ["8xH200"])[0]
        for tokens in (16_384, 512)
    )
    assert (whole.replica.tokens_per_step, cut.replica.tokens_per_step) == (16_384, 512)
    assert cut.replica.cache_tokens > whole.replica.cache_tokens
    assert cut.served.time_to_first_token_s[0] > whole.served.time_to_first_token_s[0]
    with pytest.raises(InvalidWorkload, match="batched tokens are 0"):
        requested_plans(door, LLAMA, busy, Options(batched_tokens=0), ["8xH200"])
