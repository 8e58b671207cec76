"""The fewest devices, and their best layout, that keep a promise of latency to a number of users.

Every legal layout of one replica is tried on every device, with as many replicas as the promise needs; what keeps it
is found by the steady state of a replica first and confirmed by simulation (`simulate`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, exp

import numpy as np
import polars as pl

from profiling.answers.door import Door
from profiling.answers.question import stored_precision
from profiling.devices.accelerators import Accelerator
from profiling.engines.effects import ANSWERING_S, WAITING_EFFECTS, attention_of, setting_of
from profiling.engines.fit import exponent
from profiling.engines.table import engine_of
from profiling.engines.time import shipped_times
from profiling.errors import DoesNotFit, InvalidWorkload
from profiling.memory.engines import LARGE_CARD_BYTES, engine_profile
from profiling.memory.need import memory_need
from profiling.models.architecture import Architecture
from profiling.roofline.workload import Parallelism, Precision, Workload, legal_tensor_ways
from profiling.serving.simulate import Replica, Served, Traffic, simulate
from profiling.serving.steps import End, StepTimes, step_times

MOST_REPLICAS = 64
_FLEET = re.compile(r"(?P<count>\d{1,4}) ?[xX×] ?(?P<name>\D.*)")
_REQUESTS_A_USER, _FEWEST_REQUESTS = 6, 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What users are promised.

    Attributes:
        traffic: Who asks for what.
        time_to_first_token_s: Nine in ten requests see their first token within it; None: no promise.
        time_per_output_token_s: Nine in ten requests get their tokens at least so fast; None: no promise.
    """

    traffic: Traffic
    time_to_first_token_s: float | None = None
    time_per_output_token_s: float | None = None

    def check(self) -> None:
        """Nothing, if it can be promised.

        Raises:
            InvalidWorkload: A value cannot be.
        """
        self.traffic.check()
        for name in ("time_to_first_token_s", "time_per_output_token_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 86_400:
                raise InvalidWorkload(f"{name} is {value:g}; it must lie between 0 and a day")

    def kept_by(self, served: Served) -> bool:
        """Whether nine in ten requests were served so."""
        return not self.broken_by(served)

    def broken_by(self, served: Served) -> tuple[str, ...]:
        """Which promises were not kept."""
        found = ["throughput"] if served.saturated else []
        for name, met in (
            ("time_to_first_token_s", served.time_to_first_token_s[1]),
            ("time_per_output_token_s", served.time_per_output_token_s[1]),
        ):
            promised = getattr(self, name)
            if promised is not None and met > promised:
                found.append(name)
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
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
    tensor: int | None = None
    """Tensor parallel ways of a replica, without stages; None: whichever are best."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One way to serve: a layout on some number of one kind of device, and what users then meet.

    `served` is of one replica; `certainty` says whether the promise is kept at the slow end of the prediction too
    (surely), at its likely value (likely), or not (not kept).
    """

    accelerator: str
    split: Parallelism
    replicas: int
    certainty: str
    served: Served
    slow: Served
    broken: tuple[str, ...]
    replica: Replica
    usd_per_hour: float | None

    @property
    def devices(self) -> int:
        """All of them."""
        return self.replicas * self.split.devices

    def row(self) -> dict[str, object]:
        """The plan as one flat row, in base units."""
        served, slow = self.served, self.slow
        output, prompt = (self.replicas * rate for rate in (served.output_tokens_per_s, served.input_tokens_per_s))
        dollars_in, dollars_out = self._dollars(prompt, output)
        return {
            "accelerator": self.accelerator,
            "devices": self.devices,
            "replicas": self.replicas,
            "tensor_parallel": self.split.tensor,
            "pipeline_parallel": self.split.pipeline,
            "certainty": self.certainty,
            "first_broken": self.broken[0] if self.broken else None,
            **{
                f"{name}_p{q}_s": values[place]
                for name, values in (
                    ("time_to_first_token", served.time_to_first_token_s),
                    ("time_per_output_token", served.time_per_output_token_s),
                )
                for place, q in enumerate((50, 90, 99))
            },
            "time_to_first_token_p90_high_s": slow.time_to_first_token_s[1],
            "time_per_output_token_p90_high_s": slow.time_per_output_token_s[1],
            "output_tokens_per_s": output,
            "output_tokens_per_s_per_device": output / self.devices,
            "input_tokens_per_s": prompt,
            "cache_occupancy": served.cache_occupancy,
            "usd_per_hour": self.usd_per_hour,
            "usd_per_million_input_tokens": dollars_in,
            "usd_per_million_output_tokens": dollars_out,
        }

    def _dollars(self, prompt_per_s: float, output_per_s: float) -> tuple[float | None, float | None]:
        """Rent by the share of time that prompts and answers take."""
        if self.usd_per_hour is None or prompt_per_s <= 0 or output_per_s <= 0:
            return None, None
        per_second, share = self.usd_per_hour / 3600 * 1e6, self.served.prefill_share
        return per_second * share / prompt_per_s, per_second * (1 - share) / output_per_s


def plans(door: Door, model: str, promise: Promise, options: Options, accelerators: Sequence[str] = ()) -> list[Plan]:
    """The best plan of every device that can keep the promise, fewest devices and then cheapest first.

    Args:
        door: Whose facts.
        model: Its name.
        promise: What users are promised, and who they are.
        options: Format, engine, limits.
        accelerators: Devices to look at; those of the published grids with a link or room for the whole model where
            none is named.

    Raises:
        InvalidWorkload: The promise or the traffic cannot be.
        DoesNotFit: No device keeps the promise; the message says which promise fails first on the nearest.
    """
    promise.check()
    architecture = door.model(model)
    if architecture.kind == "encoder":
        raise InvalidWorkload(f"{model} is an encoder and makes no tokens")
    devices = [door.device(name) for name in accelerators] or [
        device for device in door.devices.values() if device.in_grid and device.kind != "cpu"
    ]
    precision = stored_precision(architecture, options.weight_format, kv_bits=options.kv_bits)
    arrival = "random" if promise.traffic.users is None else "steady"
    layouts: dict[str, list[tuple[int, _Layout]]] = {}
    for split in _splits(architecture, options):
        linked = [device for device in devices if split.devices == 1 or device.link_bytes_per_s]
        times = step_times(architecture, linked, precision, split, options.engine, door.fitted) if linked else {}
        for device in linked:
            layout = _Layout.of(architecture, device, split, precision, times.get(device.name), options, arrival)
            if layout is not None:
                most = min(options.most_devices // split.devices, MOST_REPLICAS)
                fewest = _fewest_replicas(layout.likely, promise, most)
                layouts.setdefault(device.name, []).append((fewest, layout))
    best: dict[str, Plan] = {}
    for name, found in layouts.items():
        # From the layout that seems to need the fewest devices on; the first that keeps the promise ends the search.
        for fewest, layout in sorted(found, key=lambda each: each[0] * each[1].split.devices):
            total = fewest * layout.split.devices
            if name in best and not best[name].broken and total >= best[name].devices:
                break
            plan = _fewest(door, layout, promise, options, fewest)
            if plan is not None and (name not in best or _rank(plan) < _rank(best[name])):
                best[name] = plan
    if not best:
        raise DoesNotFit(
            f"{model} fits on none of {len(devices)} kinds of device with up to {options.most_devices} of each; use "
            "fewer bits, shorter contexts or more devices"
        )
    return sorted(best.values(), key=_rank)


def fleet(door: Door, model: str, promise: Promise, options: Options, accelerator: str, count: int) -> Plan:
    """The best layout of a fixed number of devices: every device is used, and the promise may be broken.

    Raises:
        InvalidWorkload: The promise or the traffic cannot be.
        DoesNotFit: The model does not fit on them.
    """
    promise.check()
    architecture, device = door.model(model), door.device(accelerator)
    precision = stored_precision(architecture, options.weight_format, kv_bits=options.kv_bits)
    arrival = "random" if promise.traffic.users is None else "steady"
    found: list[Plan] = []
    for split in _splits(architecture, replace(options, most_devices=count)):
        if count % split.devices or (split.devices > 1 and not device.link_bytes_per_s):
            continue
        times = step_times(architecture, [device], precision, split, options.engine, door.fitted)
        layout = _Layout.of(architecture, device, split, precision, times.get(device.name), options, arrival)
        plan = _tried(door, layout, promise, options, count // split.devices) if layout else None
        if plan is not None:
            found.append(plan)
    if not found:
        raise DoesNotFit(f"{model} does not fit on {count} x {accelerator}; use fewer bits or shorter contexts")
    return min(found, key=lambda plan: (len(plan.broken), -plan.served.output_tokens_per_s * plan.replicas))


def asked_plans(
    door: Door, model: str, promise: Promise, options: Options, accelerators: Sequence[str] = ()
) -> list[Plan]:
    """Plans of the devices named, among which `8xH100` is a fleet of fixed size; see `plans` and `fleet`.

    Raises:
        ProfilingError: As `plans` and `fleet`.
    """
    fixed = [(name, found) for name in accelerators if (found := _FLEET.match(name))]
    free = [name for name in accelerators if not _FLEET.match(name)]
    sized = [fleet(door, model, promise, options, match["name"], int(match["count"])) for _, match in fixed]
    return sized + (plans(door, model, promise, options, free) if free or not fixed else [])


def curve(plan: Plan, traffic: Traffic, users: Sequence[int]) -> pl.DataFrame:
    """Tokens per second of a user against tokens per second of a device, a row per number of users of one replica."""
    rows = []
    for count in users:
        try:
            here = replace(traffic, users=count, requests_per_s=None)
            served = simulate(plan.replica, here, enough_requests(plan.replica, here))
        except InvalidWorkload:
            break
        rows.append(
            {
                "users": count * plan.replicas,
                "tokens_per_s_per_user": 1 / served.time_per_output_token_s[0],
                "tokens_per_s_per_device": served.output_tokens_per_s / plan.split.devices,
                "time_to_first_token_p90_s": served.time_to_first_token_s[1],
            }
        )
    return pl.DataFrame(rows)


def _splits(model: Architecture, options: Options) -> list[Parallelism]:
    """Layouts of one replica: tensor parallel within a node; beyond it whole nodes as stages."""
    ways = [tensor for tensor in legal_tensor_ways(model, 8) if 8 % tensor == 0]
    stages = [count for count in (2, 4, 8) if count <= model.main.depth]
    found = [*map(Parallelism, ways), *(Parallelism(ways[-1], count) for count in stages)]
    if options.tensor is not None:
        found = [split for split in found if split == Parallelism(options.tensor)]
        if not found:
            raise InvalidWorkload(f"{model.name} cannot be split {options.tensor} ways; legal are {ways}")
    return [split for split in found if split.devices <= options.most_devices]


def _rank(plan: Plan) -> tuple[bool, int, float, float]:
    price = plan.usd_per_hour
    # What keeps no promise comes last.
    return bool(plan.broken), plan.devices, float("inf") if price is None else price, -plan.served.output_tokens_per_s


@dataclass(frozen=True, slots=True)
class _Layout:
    """One replica on its devices, at the likely and the slow end of the prediction."""

    device: Accelerator
    split: Parallelism
    likely: Replica
    slow: Replica

    @classmethod
    def of(
        cls,
        model: Architecture,
        device: Accelerator,
        split: Parallelism,
        precision: Precision,
        times: dict[End, StepTimes] | None,
        options: Options,
        arrival: str,
    ) -> _Layout | None:
        """None where it cannot be timed, or not even one token fits beside the weights."""
        if times is None:
            return None
        likely = replica_of(model, device, split, precision, times["likely_s"], options, arrival)
        return None if likely is None else cls(device, split, likely, replace(likely, steps=times["high_s"]))


def _fewest(door: Door, layout: _Layout, promise: Promise, options: Options, fewest: int) -> Plan | None:
    """The fewest replicas that keep the promise, from an estimate on; the most that were tried where none do."""
    most = min(options.most_devices // layout.split.devices, MOST_REPLICAS)
    found = None
    for count in sorted({min(number, most) for number in (fewest, fewest + 1, ceil(fewest * 1.5), 2 * fewest)}):
        found = _tried(door, layout, promise, options, count)
        if found is None or not found.broken:
            break
    return found


def _tried(door: Door, layout: _Layout, promise: Promise, options: Options, replicas: int) -> Plan | None:
    """This layout with that many replicas; None where a single request exceeds the cache."""
    shared = _share(promise.traffic, replicas)
    try:
        served = simulate(layout.likely, shared, enough_requests(layout.likely, shared))
        broken = promise.broken_by(served)
        slow = served if broken else simulate(layout.slow, shared, enough_requests(layout.slow, shared))
    except InvalidWorkload:
        return None
    hourly = door.usd_per_device_hour(layout.device.name, spot=options.spot)
    return Plan(
        accelerator=layout.device.name, split=layout.split, replicas=replicas, served=served, slow=slow, broken=broken,
        certainty="not kept" if broken else "likely" if promise.broken_by(slow) else "surely",
        replica=layout.likely, usd_per_hour=None if hourly is None else hourly * replicas * layout.split.devices,
    )  # fmt: skip


def _share(traffic: Traffic, replicas: int) -> Traffic:
    if traffic.users is not None:
        return replace(traffic, users=max(ceil(traffic.users / replicas), 1))
    return replace(traffic, requests_per_s=(traffic.requests_per_s or 0.0) / replicas)


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
    profile = engine_profile(options.engine)
    near, far = (
        memory_need(model, device, Workload(context=c, precision=precision, parallelism=split), options.engine)
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
        steps=steps, cache_tokens=tokens, tokens_per_step=step_tokens, sequences=256 if not large else 1024,
        tokens_per_decode=workload.tokens_per_step, step_cost=1 + options.draft * options.draft_cost,
        answering_s=answering_s, waited_steps=waited * (1 + held_back_steps),
    )  # fmt: skip


def _waiting(
    model: Architecture, device: Accelerator, precision: Precision, engine: str, arrival: str
) -> tuple[float, float]:
    """Seconds outside of the engine's steps, and steps waited for, of a first token, as fitted to measured serving."""
    meant = engine_of(engine, device)
    setting = setting_of(meant, device, precision, attention_of(model, "flash"), "first", arrival)
    fitted = shipped_times().effects
    answering, steps = (exp(exponent(fitted, WAITING_EFFECTS, part, setting)) for part in ("answering", "steps"))
    return ANSWERING_S * answering, steps


def _fewest_replicas(replica: Replica, promise: Promise, most: int) -> int:
    """By the steady state: every answered request makes room for one more prompt."""
    traffic = promise.traffic
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
        if (promise.time_per_output_token_s or np.inf) >= per_token and (
            promise.time_to_first_token_s or np.inf
        ) >= first:
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
