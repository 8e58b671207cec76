"""Continuous batching obeys the laws of queues, and a plan keeps its promise with the fewest devices."""

from dataclasses import replace
from math import exp

import pytest

from pipelines.sources.catalogue.prices import price_list
from pipelines.sources.catalogue.read import grid_intensities
from profiling.answers.door import Door, shipped_door
from profiling.engines.time import shipped_times
from profiling.errors import DoesNotFit, InvalidWorkload
from profiling.roofline.estimate import estimate
from profiling.roofline.workload import Parallelism, Workload, precision_of
from profiling.serving.plan import Promise, curve, fleet, plans
from profiling.serving.replica import Options, enough_requests
from profiling.serving.served import simulate
from profiling.serving.simulate import Replica, Traffic
from profiling.serving.steps import StepTimes, step_times
from warehouse.contracts.prices import ACCELERATOR_PRICES

LLAMA, H100 = "meta-llama/Llama-3.3-70B-Instruct", "H100-SXM5-80GB"
STEPS = StepTimes((1.0, 1024.0), (0.01, 0.03), 1e-8, (16.0, 8192.0), (0.01, 0.2), 1e-9)
REPLICA = Replica(steps=STEPS, cache_tokens=500_000)
CHAT = Traffic(input_tokens=2000, output_tokens=500, users=50)
PROMISE = Promise(traffic=CHAT, time_to_first_token_s=2, time_per_output_token_s=0.05)
OPTIONS = Options(weight_format="fp8")


@pytest.fixture(scope="module")
def door() -> Door:
    return shipped_door(price_list(ACCELERATOR_PRICES).to_dicts(), grid_intensities().to_dicts())


def test_steps_of_serving_are_passes_priced_by_what_was_measured_under_load(door: Door) -> None:
    model, device, precision, four = door.model(LLAMA), door.device(H100), precision_of("fp8"), Parallelism(4)
    times = step_times(model, [device], precision, [four], "vllm-v1", door.fitted)
    steps = times[H100, four]["likely_s"]
    asked = Workload(batch=32, context=2048, precision=precision, parallelism=four)
    whole = shipped_times().effects["whole"]
    loaded = exp(whole["engine×stage"]["vllm|time"] + whole["engine×device×stage"][f"vllm|{H100}|time"])
    decode = float(estimate(model, device, asked).time.likely_s) * loaded
    assert steps.at(32, 32 * 2048) == pytest.approx(decode, rel=0.05)
    prefill = float(estimate(model, device, replace(asked, stage="prefill", batch=1)).time.likely_s) * loaded
    assert steps.at(0, 0, 2048) == pytest.approx(prefill, rel=0.05)
    mixed = steps.at(32, 32 * 2048, 2048)
    assert max(decode, prefill) < mixed < decode + prefill


def test_prompts_of_one_step_attend_to_themselves_alone() -> None:
    pair = Traffic(input_tokens=2000, output_tokens=2, users=2, spread=0)
    served = simulate(REPLICA, pair, 2, from_start=True)
    assert served.mean_first_token_s == pytest.approx(STEPS.at(0, 0, 4000, attended=1000))
    assert served.mean_first_token_s < STEPS.at(0, 0, 4000)


def test_an_engine_that_prefills_in_steps_of_their_own_makes_no_token_until_all_that_wait_are_read() -> None:
    # Sixteen prompts of a whole step each, all at once and none after, as SGLang schedules them.
    replica = replace(REPLICA, separate_prefill=True)
    round_of = Traffic(input_tokens=8192, output_tokens=101, users=16, spread=0)
    served = simulate(replica, round_of, 16, from_start=True)
    prompt, step = STEPS.at(0, 0, 8192), STEPS.at(16, 16 * 8242)
    assert served.mean_first_token_s == pytest.approx(8.5 * prompt)
    # Each waits for the half that are read after its own prompt, and shares every step.
    assert served.mean_per_token_s == pytest.approx(7.5 * prompt / 100 + step, rel=0.01)
    late = simulate(replace(replica, prompts_factor=2, first_token_factor=1.5), round_of, 16, from_start=True)
    assert late.mean_first_token_s == pytest.approx(1.5 * (1 + 15) * prompt)
    assert late.mean_per_token_s == served.mean_per_token_s


@pytest.mark.parametrize("traffic", [CHAT, replace(CHAT, users=None, requests_per_s=2.0)])
def test_tokens_requests_and_waiting_obey_littles_law(traffic: Traffic) -> None:
    served = simulate(REPLICA, traffic, requests=600)
    rate = served.output_tokens_per_s / traffic.output_tokens
    assert served.input_tokens_per_s / traffic.input_tokens == pytest.approx(rate, rel=0.1)
    # Requests that decode = rate of requests × the time that one decodes.
    expected = rate * served.time_per_output_token_s[0] * traffic.output_tokens
    assert served.running == pytest.approx(expected, rel=0.1)
    assert not served.saturated
    assert served.time_to_first_token_s == tuple(sorted(served.time_to_first_token_s))


def test_more_users_never_get_more_each_and_together_never_less() -> None:
    loads = [simulate(REPLICA, replace(CHAT, users=users), requests=max(300, 6 * users)) for users in (1, 8, 64, 200)]
    each = [served.time_per_output_token_s[0] for served in loads]
    together = [served.output_tokens_per_s for served in loads]
    assert each == sorted(each)
    assert together == sorted(together)


def test_arrivals_beyond_what_a_replica_serves_are_called_saturated() -> None:
    assert simulate(REPLICA, replace(CHAT, users=None, requests_per_s=200.0)).saturated


def test_the_cache_limits_who_runs_and_a_reused_prefix_saves_reading() -> None:
    small = simulate(replace(REPLICA, cache_tokens=20_000), CHAT)
    assert small.running < 8
    assert small.cache_occupancy <= 1
    assert small.time_to_first_token_s[1] > simulate(REPLICA, CHAT).time_to_first_token_s[1]
    assert simulate(REPLICA, replace(CHAT, cached_prefix=0.9)).prefill_share < simulate(REPLICA, CHAT).prefill_share
    with pytest.raises(InvalidWorkload, match=r"2,500 tokens exceeds the cache of 2,000"):
        simulate(replace(REPLICA, cache_tokens=2000), CHAT)


def test_a_plan_keeps_its_promise_and_one_replica_less_would_not(door: Door) -> None:
    replicas = plans(door, LLAMA, PROMISE, OPTIONS, [H100, "L40S", "B200-SXM-180GB"])
    assert [plan.devices for plan in replicas] == sorted(plan.devices for plan in replicas)
    for plan in replicas:
        assert not PROMISE.broken_by(plan.served)
        assert plan.certainty in {"surely", "likely"}
        if plan.replicas > 1:
            fewer = replace(CHAT, users=-(-50 // (plan.replicas - 1)))
            assert PROMISE.broken_by(simulate(plan.replica, fewer, enough_requests(plan.replica, fewer)))
    row = replicas[0].row()
    hourly = row["usd_per_hour"]
    spent = sum(
        float(str(row[f"usd_per_million_{side}_tokens"])) * float(str(row[f"{side}_tokens_per_s"])) * 3600 / 1e6
        for side in ("input", "output")
    )
    assert spent == pytest.approx(hourly, rel=1e-6)


def test_without_a_promise_of_latency_a_plan_has_enough_replicas_to_keep_up(door: Door) -> None:
    arriving = Promise(traffic=replace(CHAT, users=None, requests_per_s=20.0))
    (plan,) = plans(door, LLAMA, arriving, OPTIONS, [H100])
    assert not plan.broken
    assert plan.served.output_tokens_per_s * plan.replicas == pytest.approx(20 * 500, rel=0.2)


def test_fixed_fleets_stand_side_by_side_and_say_which_promise_breaks(door: Door) -> None:
    eight, four = (
        fleet(door, LLAMA, PROMISE, OPTIONS, name, count) for name, count in ((H100, 8), ("B200-SXM-180GB", 4))
    )
    assert (eight.devices, four.devices) == (8, 4)
    assert not eight.broken
    strict = replace(PROMISE, time_per_output_token_s=0.001)
    assert fleet(door, LLAMA, strict, OPTIONS, H100, 8).broken == ("time_per_output_token_s",)
    points = curve(eight, CHAT, (1, 8, 64))
    assert points["tokens_per_s_per_user"].is_sorted(descending=True)
    with pytest.raises(DoesNotFit, match="fits on none of 1 kinds"):
        plans(door, "meta-llama/Meta-Llama-3.1-405B", PROMISE, replace(OPTIONS, most_devices=2), ["T4"])
    with pytest.raises(InvalidWorkload, match="either users in flight or requests per second"):
        simulate(REPLICA, replace(CHAT, requests_per_s=1.0))


def test_requests_that_come_by_themselves_fill_a_replica_as_littles_law_says() -> None:
    busy = replace(CHAT, users=None, requests_per_s=10.0)
    many = enough_requests(REPLICA, busy)
    served = simulate(REPLICA, busy, many)
    assert many > 5 * served.running > 250
    assert served.output_tokens_per_s == pytest.approx(10 * 500, rel=0.1)


def test_all_at_once_wait_for_each_others_prompts_as_benchmarks_count_them() -> None:
    alike = replace(CHAT, spread=0.06)
    steady, counted = simulate(REPLICA, alike, 500), simulate(REPLICA, alike, 500, from_start=True)
    prompt = STEPS.at(0, 0, 2000)
    # A tenth of the requests waits for half of the others' prompts.
    assert counted.mean_first_token_s - steady.mean_first_token_s == pytest.approx(0.1 * 25 * prompt, rel=0.5)
    late = simulate(replace(REPLICA, answering_s=0.05, waited_steps=10), alike, 500)
    step = late.time_per_output_token_s[0]
    assert late.mean_first_token_s - steady.mean_first_token_s == pytest.approx(0.05 + 10 * step, rel=0.01)


def test_prompts_read_elsewhere_no_longer_delay_tokens_and_too_few_readers_delay_first_tokens() -> None:
    together = simulate(REPLICA, CHAT)
    few, enough = (simulate(replace(REPLICA, readers=readers), CHAT) for readers in (0.25, 2))
    assert enough.time_per_output_token_s[1] < together.time_per_output_token_s[1]
    assert enough.output_tokens_per_s > together.output_tokens_per_s
    assert few.time_to_first_token_s[0] > 10 * enough.time_to_first_token_s[0]
    arriving = replace(CHAT, users=None, requests_per_s=20.0)
    assert simulate(replace(REPLICA, readers=0.1), arriving, 400).saturated
    assert not simulate(replace(REPLICA, readers=4), arriving, 400).saturated


def test_a_disaggregated_plan_counts_both_kinds_and_charges_each_for_its_devices(door: Door) -> None:
    separate = fleet(door, LLAMA, PROMISE, replace(OPTIONS, disaggregated=True), H100, 8)
    assert separate.readers > 0
    assert (separate.readers + separate.replicas) * separate.split.devices == separate.devices == 8
    row = separate.row()
    spent = sum(
        float(str(row[f"usd_per_million_{side}_tokens"])) * float(str(row[f"{side}_tokens_per_s"])) * 3600 / 1e6
        for side in ("input", "output")
    )
    assert spent == pytest.approx(row["usd_per_hour"], rel=1e-6)


def test_speculation_and_a_reused_prefix_make_a_fleet_bear_more(door: Door) -> None:
    plain = fleet(door, LLAMA, PROMISE, OPTIONS, H100, 4)
    drafted = fleet(door, LLAMA, PROMISE, replace(OPTIONS, draft=4, acceptance=0.8), H100, 4)
    assert drafted.served.time_per_output_token_s[0] < plain.served.time_per_output_token_s[0]
    reused = replace(PROMISE, traffic=replace(CHAT, cached_prefix=0.8))
    assert fleet(door, LLAMA, reused, OPTIONS, H100, 4).served.output_tokens_per_s > plain.served.output_tokens_per_s


LONG = Traffic(input_tokens=7373, output_tokens=922, users=64, spread=0.064)
PUBLISHED = {
    # ML.ENERGY leaderboard, 2026-02: Llama-3.1-70B-Instruct; lengths are means, the first token is not published.
    "ML.ENERGY, 2 x B200": (
        "B200-SXM-180GB", Options(engine="vllm-v1", weight_format="bf16", tensor=2),
        Traffic(input_tokens=130, output_tokens=353, users=128), None, 0.0273,
    ),
    # A public benchmark's runs in ai-dynamo/aiconfigurator @095f58a (Apache-2.0), 2026: Llama-3.1-70B; prompts of
    # 8192 and answers of 1024 tokens at most, 0.9 of that on average.
    "vLLM, 8 x H200": (
        "H200-SXM-141GB", Options(engine="vllm-v1", weight_format="fp8", kv_bits=8, tensor=8), LONG, 1.141, 0.0292,
    ),
    "TensorRT-LLM, 4 x H200": (
        "H200-SXM-141GB", Options(engine="tensorrt-llm", weight_format="fp8", kv_bits=8, tensor=4), LONG, 1.695, 0.037,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_plans_answer_published_set_ups_within_their_interval(door: Door, name: str) -> None:
    accelerator, options, traffic, first_s, per_token_s = PUBLISHED[name]
    plan = fleet(door, "Meta-Llama-3.1-70B", Promise(traffic=traffic), options, accelerator, options.tensor or 1)
    # As the benchmark counted: from the start on, the mean of ten requests for each in flight.
    requests = 10 * (traffic.users or 1)
    likely, slow = (simulate(replica, traffic, requests, from_start=True) for replica in (plan.replica, plan.slowly))
    assert likely.mean_per_token_s == pytest.approx(per_token_s, rel=0.25)
    assert per_token_s < slow.mean_per_token_s
    if first_s is not None:
        assert likely.mean_first_token_s == pytest.approx(first_s, rel=0.4)
        assert first_s < slow.mean_first_token_s
