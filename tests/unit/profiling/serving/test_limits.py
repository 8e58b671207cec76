"""How much traffic a plan bears: the promise holds up to the limit and not beyond it."""

from dataclasses import replace

import pytest

from profiling.answers.door import Door, shipped_door
from profiling.serving.limits import limit
from profiling.serving.plan import Plan, Promise, fleet
from profiling.serving.replica import Options, enough_requests
from profiling.serving.served import simulate
from profiling.serving.simulate import Traffic

CHAT = Traffic(input_tokens=2000, output_tokens=100, users=8)
PROMISE = Promise(traffic=CHAT, time_to_first_token_s=2, time_per_output_token_s=0.05)


@pytest.fixture(scope="module")
def plan() -> Plan:
    door: Door = shipped_door()
    return fleet(door, "Meta-Llama-3.1-8B", PROMISE, Options(), "H100-SXM5-80GB", 1)


def test_the_promise_holds_at_the_limit_and_breaks_beyond_it(plan: Plan) -> None:
    edge = limit(plan, PROMISE)
    assert edge.most > 8
    assert edge.breaks == "time_per_output_token_s"
    at, beyond = (
        simulate(plan.replica, here, enough_requests(plan.replica, here))
        for here in (replace(CHAT, users=users) for users in (int(edge.most), int(edge.most * 1.04) + 1))
    )
    assert not PROMISE.broken_by(at)
    assert PROMISE.broken_by(beyond)[0] == edge.breaks


def test_another_promise_breaks_first_where_it_is_the_stricter_one(plan: Plan) -> None:
    strict = replace(PROMISE, time_to_first_token_s=0.05, time_per_output_token_s=None)
    assert limit(plan, strict).breaks == "time_to_first_token_s"
    assert limit(plan, replace(PROMISE, time_per_output_token_s=1e-4)).most == 0


def test_arrivals_are_limited_by_what_a_replica_serves(plan: Plan) -> None:
    edge = limit(plan, Promise(traffic=replace(CHAT, users=None, requests_per_s=1.0)))
    assert edge.breaks == "throughput"
    assert edge.most > 1
