"""One copy of a model on its devices, as a plan simulates it: its cache, its steps and how many requests it needs."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp

import numpy as np

from profiling.devices.accelerators import Accelerator
from profiling.engines.effects import ANSWERING_S, WAITING_EFFECTS, attention_of, setting_of
from profiling.engines.fit import exponent
from profiling.engines.table import engine_of
from profiling.engines.time import shipped_times
from profiling.errors import InvalidWorkload
from profiling.memory.engines import LARGE_CARD_BYTES, EngineProfile, engine_profile
from profiling.memory.need import memory_need
from profiling.models.architecture import Architecture
from profiling.roofline.workload import Parallelism, Precision, Workload
from profiling.serving.simulate import Replica, Traffic
from profiling.serving.steps import StepTimes

_REQUESTS_A_USER, _FEWEST_REQUESTS = 6, 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the model is served.

    Attributes:
        weight_format: How weights are stored; None: as published.
        kv_bits: Bits per number of the cache.
        engine: Whose overhead and scheduling.
        gpu_memory_utilization: Part of the memory that the engine may use; None: its default.
        batched_tokens: Most tokens of one step; None: the engine's default.
        eager: Whether the engine runs without captured graphs; counted in memory, not in time.
        most_devices: Of one replica and of all together.
        draft: Tokens proposed per step by speculation.
        acceptance: Probability that a proposed token is accepted.
        draft_cost: Time of one draft token as a share of one step.
        spot: Whether interruptible devices are rented.
    """

    weight_format: str | None = None
    kv_bits: float = 16
    engine: str = "vllm-v1"
    gpu_memory_utilization: float | None = None
    batched_tokens: int | None = None
    eager: bool = False
    most_devices: int = 64
    draft: int = 0
    acceptance: float = 0.7
    draft_cost: float = 0.05
    spot: bool = False
    apart: bool = False
    """Whether prompts are read on replicas of their own."""
    tensor: int | None = None
    """Tensor parallel ways of a replica, without stages; None: whichever are best."""

    @property
    def held(self) -> EngineProfile:
        """What the engine adds to the memory, started with these options.

        Raises:
            InvalidWorkload: No such engine, or an option cannot be.
        """
        return engine_profile(self.engine).with_options(
            utilisation=self.gpu_memory_utilization, step_tokens=self.batched_tokens, eager=self.eager
        )


def enough_requests(replica: Replica, traffic: Traffic) -> int:
    """Requests to simulate, so that what is met at the start weighs less than one in ten.

    Args:
        replica: Who serves.
        traffic: Of this replica; where requests arrive by themselves, so many are in flight as Little's law says.
    """
    in_flight: float | None = traffic.users
    if in_flight is None:
        fresh = traffic.input_tokens * (1 - traffic.cached_prefix)
        context = traffic.input_tokens + traffic.output_tokens / 2
        in_flight = _running(replica, traffic, traffic.requests_per_s or 0.0, fresh, context) or replica.sequences
    return max(_REQUESTS_A_USER * ceil(in_flight), _FEWEST_REQUESTS)


def replica_of(
    model: Architecture, device: Accelerator, split: Parallelism, precision: Precision, steps: StepTimes,
    options: Options, arrival: str = "steady", held_back_steps: float = 0.0,
) -> Replica | None:  # fmt: skip
    """One copy on its devices; None where not even one token fits beside the weights.

    Args:
        model: Its architecture.
        device: One of its devices.
        split: How it is laid out on them.
        precision: Of weights and cache.
        steps: Seconds of its steps.
        options: Engine and speculation.
        arrival: Whether a fixed number of requests is in flight (steady) or they come by themselves (random).
        held_back_steps: Steps for which the engine's own options hold prompts back.
    """
    profile = options.held
    near, far = (
        memory_need(model, device, Workload(context=c, precision=precision, parallelism=split), profile)
        for c in (1024, 2048)
    )
    per_token = float(far.kv_cache.high - near.kv_cache.high) / 1024
    rest = float(near.high - near.kv_cache.high)
    room = float(near.budget) - rest
    if room <= 0:
        return None
    tokens = room / per_token if per_token > 0 else 1e9
    large = device.usable_memory_bytes >= LARGE_CARD_BYTES
    step_tokens = (profile.step_tokens or (2048, 8192))[large]
    workload = Workload(draft=options.draft, acceptance=options.acceptance, draft_cost=options.draft_cost)
    answering_s, waited = _waiting(model, device, precision, options.engine, arrival)
    return Replica(
        steps=steps, cache_tokens=tokens, cache_bytes_per_token=per_token * split.devices,
        tokens_per_step=step_tokens, sequences=256 if not large else 1024,
        tokens_per_decode=workload.tokens_per_step, step_cost=1 + options.draft * options.draft_cost,
        answering_s=answering_s, waited_steps=waited * (1 + held_back_steps),
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
    return bytes_per_token / (each * split.devices)


def _waiting(
    model: Architecture, device: Accelerator, precision: Precision, engine: str, arrival: str
) -> tuple[float, float]:
    """Seconds outside of the engine's steps, and steps waited for, of a first token, as fitted to measured serving."""
    meant = engine_of(engine, device)
    setting = setting_of(meant, device, precision, attention_of(model, "flash"), "first", arrival)
    fitted = shipped_times().effects
    answering, steps = (exp(exponent(fitted, WAITING_EFFECTS, part, setting)) for part in ("answering", "steps"))
    return ANSWERING_S * answering, steps


def fewest_replicas(
    replica: Replica, traffic: Traffic, first_token_s: float | None, per_token_s: float | None, most: int
) -> int:
    """By the steady state: every answered request makes room for one more prompt."""
    fresh = traffic.input_tokens * (1 - traffic.cached_prefix)
    context = traffic.input_tokens + traffic.output_tokens / 2
    for count in range(1, most + 1):
        if traffic.users is None:
            batch = _running(replica, traffic, (traffic.requests_per_s or 0.0) / count, fresh, context)
        else:
            batch = traffic.users / count
        if batch is None or batch * (traffic.input_tokens + traffic.output_tokens) > replica.cache_tokens:
            continue
        prompt = batch * fresh / traffic.output_tokens * replica.tokens_per_decode
        step = replica.step_cost * replica.steps.at(batch, batch * context, min(prompt, replica.tokens_per_step))
        per_token = step / replica.tokens_per_decode
        first = step * max(1.0, fresh / replica.tokens_per_step) + replica.steps.at(batch, batch * context, fresh)
        if (per_token_s or np.inf) >= per_token and (first_token_s or np.inf) >= first:
            return count
    return most


def _running(replica: Replica, traffic: Traffic, rate: float, fresh: float, context: float) -> float | None:
    """Requests in flight at that rate of arrivals (Little's law), or None where the replica cannot keep up."""
    batch = 1.0
    for _ in range(60):
        prompt = batch * fresh / traffic.output_tokens
        step = replica.steps.at(batch, batch * context, prompt) / replica.tokens_per_decode
        wanted = max(rate * traffic.output_tokens * step, 1e-3)
        if wanted > replica.sequences:
            return None
        if abs(wanted - batch) < 1e-3 * batch:
            return wanted
        batch = 0.5 * (batch + wanted)
    return batch
