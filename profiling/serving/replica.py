"""One copy of a model on its devices, as a plan simulates it: its cache, its steps and how many requests it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np

from profiling.devices.accelerators import Accelerator
from profiling.engines.effects import attention_of
from profiling.engines.table import engine_of
from profiling.engines.time import shipped_times
from profiling.errors import InvalidWorkload
from profiling.memory.engines import LARGE_CARD_BYTES, EngineStart
from profiling.memory.need import kv_cache_bytes, memory_need
from profiling.memory.weights import weight_bytes
from profiling.models.architecture import Architecture
from profiling.roofline.workload import Parallelism, Precision, Workload
from profiling.serving.simulate import Replica, Traffic
from profiling.serving.steps import End, StepTimes

_REQUESTS_A_USER, _REQUESTS_IN_FLIGHT, _MORE_REQUESTS = 2, 6, 150
_NO_LIMIT = 1e9
"""Tokens that fit where a token adds nothing to the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(EngineStart):
    """How the model is served.

    Attributes:
        weight_format: How weights are stored; None: as published.
        kv_bits: Bits per number of the cache.
        engine: Whose overhead and scheduling.
        most_devices: Of one replica and of all together.
        draft: Tokens proposed per step by speculation.
        acceptance: Probability that a proposed token is accepted.
        draft_cost: Time of one draft token as a share of one step.
        spot: Whether interruptible devices are rented.
    """

    weight_format: str | None = None
    kv_bits: float = 16
    engine: str = "vllm-v1"
    most_devices: int = 64
    draft: int = 0
    acceptance: float = 0.7
    draft_cost: float = 0.05
    spot: bool = False
    disaggregated: bool = False
    """Whether prompts are read on replicas of their own."""
    tensor: int | None = None
    """Tensor parallel ways of a replica, without stages; None: whichever are best."""
    expert: int | None = None
    """Groups of its devices that hold some of the experts each; None: whichever are best."""
    data: int | None = None
    """Groups of its devices that attend to requests of their own; None: whichever are best."""


def enough_requests(replica: Replica, traffic: Traffic) -> int:
    """Requests to simulate: of users the first of each is not counted and the last not awaited, and enough remain.

    Where they arrive by themselves, the queue fills from none on, so that more are needed.

    Args:
        replica: Who serves.
        traffic: Of this replica; where requests arrive by themselves, so many are in flight as Little's law says, and
            no more than the cache holds.
    """
    if traffic.users is not None:
        return _REQUESTS_A_USER * traffic.users + _MORE_REQUESTS
    most = min(replica.sequences, replica.cache_tokens / (traffic.input_tokens + traffic.output_tokens))
    in_flight = min(_running(replica, traffic, traffic.requests_per_s or 0.0) or most, most)
    return _REQUESTS_IN_FLIGHT * ceil(in_flight) + _MORE_REQUESTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A model on the devices of one replica, with what is left there for its cache.

    Attributes:
        model: Its architecture.
        device: One of the devices.
        split: How it is laid out on them.
        precision: Of weights and cache.
        options: Engine and speculation.
        tokens: That the cache holds, of all groups together.
        bytes_per_token: Of one token in it, on all devices that hold some of it.
    """

    model: Architecture
    device: Accelerator
    split: Parallelism
    precision: Precision
    options: Options
    tokens: float
    bytes_per_token: float

    def is_ample_for(self, traffic: Traffic) -> bool:
        """Whether nothing is gained by holding the model on more nodes than one.

        The cache then has at least as much of the memory as the weights, and room for requests several times as long.
        """
        longest = LONG_REQUEST * (traffic.input_tokens + traffic.output_tokens)
        weights = float(weight_bytes(self.model, self.precision, self.split)) * self.split.devices
        return self.tokens >= self.split.data * longest and self.tokens * self.bytes_per_token >= weights


LONG_REQUEST = 4
"""A long request, in means of log-normal lengths: fewer than one in a hundred are longer."""


def room_of(
    model: Architecture, device: Accelerator, split: Parallelism, precision: Precision, options: Options
) -> Room | None:
    """Room for the cache beside weights and what the engine adds; None where not even one token fits."""
    profile = options.profile(options.engine)
    near, far = (Workload(context=length, precision=precision, parallelism=split) for length in (1024, 2048))
    need = memory_need(model, device, near, profile)
    per_token = float(kv_cache_bytes(model, far, profile).high - need.kv_cache.high) / 1024
    left = float(need.budget) - float(need.high - need.kv_cache.high)
    if left <= 0:
        return None
    return Room(
        model=model, device=device, split=split, precision=precision, options=options,
        tokens=split.data * left / per_token if per_token > 0 else _NO_LIMIT,
        bytes_per_token=per_token * split.tensor * split.pipeline,
    )  # fmt: skip


def replica_of(
    room: Room, times: Mapping[End, StepTimes], arrival: str = "steady", held_back_steps: float = 0.0,
    gathering_steps: int = 0, end: Literal["likely_s", "high_s"] = "likely_s",
) -> Replica:  # fmt: skip
    """One copy on its devices.

    Args:
        room: What lies where, and the room for its cache.
        times: Seconds of its steps at each end of their interval.
        arrival: Whether a fixed number of requests is in flight (steady) or they come by themselves (random).
        held_back_steps: Steps for which the engine's own options hold prompts back; where attention is data parallel,
            until every group has one.
        gathering_steps: Steps for which groups then wait for more.
        end: The likely value of the prediction, or the slow end of its interval.
    """
    options = room.options
    profile = options.profile(options.engine)
    large = room.device.usable_memory_bytes >= LARGE_CARD_BYTES
    workload = Workload(draft=options.draft, acceptance=options.acceptance, draft_cost=options.draft_cost)
    engine, attention = engine_of(options.engine, room.device), attention_of(room.model, "flash")
    waiting = shipped_times().waiting(
        engine, room.device, room.precision, attention, arrival, groups=room.split.data > 1
    )
    alone = held_back_steps if room.split.data == 1 else 0.0
    return Replica(
        steps=times[end], cache_tokens=room.tokens, cache_bytes_per_token=room.bytes_per_token,
        tokens_per_step=profile.tokens_of_a_step(room.device.usable_memory_bytes),
        sequences=room.split.data * (1024 if large else 256),
        tokens_per_decode=workload.tokens_per_step, step_cost=1 + options.draft * options.draft_cost,
        separate_prefill=engine.separate_prefill, answering_s=waiting.answering_s,
        waited_steps=waiting.steps * (1 + alone), balance_steps=round(waiting.steps * (held_back_steps - alone)),
        gathering_steps=gathering_steps, prompts_factor=waiting.prompts,
        first_token_factor=waiting.high if end == "high_s" else waiting.factor,
    )  # fmt: skip


def moving_s_per_token(device: Accelerator, split: Parallelism, replicas: int, bytes_per_token: float) -> float:
    """Seconds in which the cache of a token moves to another replica, over the links of all its devices at once.

    Raises:
        InvalidWorkload: Nothing is known of what joins them.
    """
    inside = replicas * split.devices <= device.node_size
    each = device.link_bytes_per_s if inside else device.between_nodes_bytes_per_s
    if not each:
        raise InvalidWorkload(f"{device.name} has no known {'link' if inside else 'network'} to move a cache over")
    return bytes_per_token / (each * split.tensor * split.pipeline)


def fewest_replicas(
    replica: Replica, traffic: Traffic, first_token_s: float | None, per_token_s: float | None, most: int,
    beyond: float = 1.0,
) -> tuple[int, float]:  # fmt: skip
    """By the steady state, in which every answered request makes room for one more prompt.

    Args:
        replica: Who serves.
        traffic: Of all replicas together.
        first_token_s: What is promised; None: nothing.
        per_token_s: Likewise.
        most: Replicas that there may be.
        beyond: What is met, as far as is known, over what the steady state says.

    Returns:
        How many keep a promise, and how often the promise goes into what is then met: above 1 where not even the most
        keep it, infinite where they cannot keep up or the cache of a request does not fit.
    """

    def met_by(count: int) -> float:
        return beyond * excess(replica, traffic, first_token_s, per_token_s, count)

    low, high, met = 0, most, met_by(most)
    if met > 1:
        return most, met
    while high - low > 1:  # the more replicas, the less each has to do
        middle = (low + high) // 2
        met_there = met_by(middle)
        low, high, met = (low, middle, met_there) if met_there <= 1 else (middle, high, met)
    return high, met


def excess(
    replica: Replica, traffic: Traffic, first_token_s: float | None, per_token_s: float | None, count: int
) -> float:  # fmt: skip
    """The larger of what is met by the steady state over what is promised (None: nothing), with so many replicas."""
    fresh = traffic.input_tokens * (1 - traffic.cached_prefix)
    context = traffic.input_tokens + traffic.output_tokens / 2
    if traffic.users is None:
        batch = _running(replica, traffic, (traffic.requests_per_s or 0.0) / count)
    else:
        batch = traffic.users / count
    if batch is None or batch * (traffic.input_tokens + traffic.output_tokens) > replica.cache_tokens:
        return float(np.inf)
    step = _steady_step(replica, traffic, batch)
    first = step * max(1.0, fresh / replica.tokens_per_step)
    first += replica.steps.at(batch, batch * context, fresh, traffic.input_tokens - fresh / 2)
    return max(step / replica.tokens_per_decode / (per_token_s or np.inf), first / (first_token_s or np.inf))


def _steady_step(replica: Replica, traffic: Traffic, batch: float) -> float:
    """Mean seconds of a step in which every answered request makes room for one more prompt.

    A prompt is read by one group, for which the others wait, so that some steps read a whole one and others none.
    """
    steps, fresh = replica.steps, traffic.input_tokens * (1 - traffic.cached_prefix)
    read = min(
        batch * fresh / traffic.output_tokens * replica.tokens_per_decode, steps.groups * replica.tokens_per_step
    )
    own = max(min(fresh, replica.tokens_per_step), read / steps.groups)
    added = steps.added(batch, own, traffic.input_tokens - fresh / 2, max(read, own))
    decoding = steps.at(batch, batch * (traffic.input_tokens + traffic.output_tokens / 2))
    return replica.step_cost * decoding + min(read / own, 1.0) * added


def _running(replica: Replica, traffic: Traffic, rate: float) -> float | None:
    """Requests in flight at that rate of arrivals (Little's law), or None where the replica cannot keep up."""
    batch = 1.0
    for _ in range(60):
        step = _steady_step(replica, traffic, batch) / replica.tokens_per_decode
        wanted = max(rate * traffic.output_tokens * step, 1e-3)
        if wanted > replica.sequences:
            return None
        if abs(wanted - batch) < 1e-3 * batch:
            return wanted
        batch = 0.5 * (batch + wanted)
    return batch
