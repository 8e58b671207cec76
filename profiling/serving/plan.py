"""The fewest devices, and their best layout, that keep a promise of latency to a number of users.

Every legal layout of one replica is tried on every device, with as many replicas as the promise needs; what keeps it
is found by the steady state of a replica first and confirmed by simulation (`simulate`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf

import polars as pl

from profiling.answers.door import Door
from profiling.answers.question import stored_precision
from profiling.devices.accelerators import Accelerator
from profiling.devices.names import resolve_device, stated_count
from profiling.errors import DoesNotFit, InvalidWorkload
from profiling.models.architecture import Architecture
from profiling.roofline.workload import Parallelism
from profiling.serving.layouts import NODE, layouts
from profiling.serving.replica import (
    Options,
    enough_requests,
    excess,
    fewest_replicas,
    moving_s_per_token,
    replica_of,
    room_of,
)
from profiling.serving.served import simulate
from profiling.serving.simulate import Replica, Served, Traffic
from profiling.serving.steps import step_times

MOST_REPLICAS = 64
_DOUBT = 1.25
"""How far a steady state may miss a promise that a simulation still finds kept."""


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

    def broken_by(self, served: Served) -> tuple[str, ...]:
        """Which promises were not kept."""
        return tuple(name for name, missed in self.missed_by(served).items() if missed > 1)

    def missed_by(self, served: Served) -> dict[str, float]:
        """What was met over what was promised, of each promise; a queue without end misses by any factor."""
        misses = {"throughput": inf} if served.saturated else {}
        for name in ("time_to_first_token_s", "time_per_output_token_s"):
            promised = getattr(self, name)
            if promised is not None:
                misses[name] = getattr(served, name)[1] / promised
        return misses


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One way to serve: a layout on some number of one kind of device, and what users then meet.

    `served` is of one replica; `certainty` says whether the promise is kept at the slow end of the prediction too
    (surely), at its likely value (likely), or not (not kept).
    """

    accelerator: str
    split: Parallelism
    replicas: int
    readers: int
    """Replicas beside these that read prompts alone; 0: each does both."""
    certainty: str
    served: Served
    slow: Served
    broken: tuple[str, ...]
    missed: float
    """What is met over what is promised, of the promise that is missed most."""
    replica: Replica
    slowly: Replica
    """The same at the slow end of the interval of its steps."""
    usd_per_hour: float | None

    @property
    def devices(self) -> int:
        """All of them."""
        return (self.replicas + self.readers) * self.split.devices

    def row(self) -> dict[str, object]:
        """The plan as one flat row, in base units."""
        served, slow = self.served, self.slow
        output, prompt = (self.replicas * rate for rate in (served.output_tokens_per_s, served.input_tokens_per_s))
        dollars_in, dollars_out = self._dollars(prompt, output)
        return {
            "accelerator": self.accelerator,
            "devices": self.devices,
            "replicas": self.replicas,
            "prefill_replicas": self.readers,
            "tensor_parallel": self.split.tensor,
            "pipeline_parallel": self.split.pipeline,
            "expert_parallel": self.split.expert,
            "data_parallel": self.split.data,
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
        per_second = self.usd_per_hour / 3600 * 1e6
        share = self.readers / (self.replicas + self.readers) if self.readers else self.served.prefill_share
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
        raise InvalidWorkload(f"{model} is an encoder and generates no tokens")
    devices = [door.device(name) for name in accelerators] or [
        device for device in door.devices.values() if device.in_grid and device.kind != "cpu"
    ]
    tried: dict[str, list[_Guess]] = {}
    for layout in _laid_out(door, architecture, devices, layouts(architecture, options), promise, options):
        most = min(options.most_devices // layout.split.devices, MOST_REPLICAS)
        tried.setdefault(layout.device.name, []).append(_Guess(layout, *layout.fewest(promise, most)))
    best_plans = [_best(door, guesses, promise, options) for guesses in tried.values()]
    best = [plan for plan in best_plans if plan is not None]
    if not best:
        raise DoesNotFit(
            f"{model} fits on none of {len(devices)} kinds of device with up to {options.most_devices} of each; use "
            "fewer bits, shorter contexts or more devices"
        )
    return sorted(best, key=_rank)


@dataclass(frozen=True, slots=True)
class _Guess:
    """A layout with what its steady state says: the fewest replicas, and what is met then over what is promised."""

    layout: _Layout
    fewest: int
    excess: float

    @property
    def order(self) -> tuple[bool, float, int]:
        """Those that seem to keep the promise by their devices, then those that do not by how far off they are."""
        devices = self.fewest * self.layout.split.devices
        return self.is_hopeless, self.excess if self.is_hopeless else devices, devices

    @property
    def is_hopeless(self) -> bool:
        """Whether not even the most replicas seem to come near the promise."""
        return self.excess > _DOUBT


def _best(door: Door, guesses: Sequence[_Guess], promise: Promise, options: Options) -> Plan | None:
    """The plan of one kind of device, from the layout that seems to need the fewest on; None where none runs.

    Once one keeps the promise, others are tried that seem to need fewer devices, with fewer at most; layouts that seem
    to break it by far are tried only while none runs.
    """
    best: Plan | None = None
    for guess in sorted(guesses, key=lambda guess: guess.order):
        enough = best.devices - 1 if best is not None and not best.broken else options.most_devices
        if best is not None and (guess.is_hopeless or guess.fewest * guess.layout.split.devices > enough):
            break
        plan = _fewest(door, guess, promise, options, enough)
        if plan is not None and (best is None or _rank(plan) < _rank(best)):
            best = plan
    return None if best is None else _judged(best, promise)


def fleet(door: Door, model: str, promise: Promise, options: Options, accelerator: str, count: int) -> Plan:
    """The best layout of a fixed number of devices: every device is used, and the promise may be broken.

    Raises:
        InvalidWorkload: The promise or the traffic cannot be.
        DoesNotFit: The model does not fit on them.
    """
    promise.check()
    architecture, device = door.model(model), door.device(accelerator)
    every = layouts(architecture, replace(options, most_devices=count))
    whole = [split for split in every if count % split.devices == 0]
    fleet_plans: list[Plan] = []
    for layout in _laid_out(door, architecture, [device], whole, promise, options):
        copies = count // layout.split.devices
        for readers in range(1, copies) if options.disaggregated else (0,):
            plan = _tried(door, layout, promise, options, copies - readers, readers)
            if plan is not None:
                fleet_plans.append(plan)
    if not fleet_plans:
        raise DoesNotFit(f"{model} does not fit on {count} x {accelerator}; use fewer bits or shorter contexts")
    best = min(fleet_plans, key=lambda plan: (plan.missed if plan.broken else 0.0, -_output(plan)))
    return _judged(best, promise)


def requested_plans(
    door: Door, model: str, promise: Promise, options: Options, accelerators: Sequence[str] = ()
) -> list[Plan]:
    """Plans of the devices named, among which `8xH100` is a fleet of fixed size; see `plans` and `fleet`.

    Raises:
        ProfilingError: As `plans` and `fleet`.
        UnknownAccelerator: A name means no device, or several; the message lists them.
    """
    named = [(*door.devices_alike(name), stated_count(name)) for name in accelerators]
    free = [device.name for device, _, stated in named if stated is None]
    sized = [
        fleet(door, model, promise, options, device.name, count)
        for device, count, stated in named
        if stated is not None
    ]
    return sized + (plans(door, model, promise, options, free) if free or not sized else [])


def resolved_as(door: Door, accelerators: Sequence[str]) -> tuple[str, ...]:
    """What the names of devices were taken for, of those that say less than one device."""
    return tuple(note for name in accelerators if (note := resolve_device(name, door.devices).note))


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
                "tokens_per_s_per_device": served.output_tokens_per_s * plan.replicas / plan.devices,
                "time_to_first_token_p90_s": served.time_to_first_token_s[1],
            }
        )
    return pl.DataFrame(rows)


def _rank(plan: Plan) -> tuple[bool, float, float, float]:
    """By devices and price; what breaks the promise comes last, the nearest first."""
    price = inf if plan.usd_per_hour is None else plan.usd_per_hour
    return bool(plan.broken), plan.missed if plan.broken else plan.devices, price, -_output(plan)


def _output(plan: Plan) -> float:
    return plan.served.output_tokens_per_s * plan.replicas


@dataclass(frozen=True, slots=True)
class _Layout:
    """One replica on its devices, at the likely and the slow end of the prediction."""

    device: Accelerator
    split: Parallelism
    likely: Replica
    slow: Replica

    def fewest(self, promise: Promise, most: int, beyond: float = 1.0) -> tuple[int, float]:
        """Replicas that seem to keep the promise, and what is met then over what is promised: `fewest_replicas`."""
        limits = (promise.time_to_first_token_s, promise.time_per_output_token_s)
        return fewest_replicas(self.likely, promise.traffic, *limits, most, beyond)

    def steady(self, promise: Promise, replicas: int) -> float:
        """What is met by the steady state over what is promised."""
        limits = (promise.time_to_first_token_s, promise.time_per_output_token_s)
        return excess(self.likely, promise.traffic, *limits, replicas)


def _laid_out(
    door: Door, model: Architecture, devices: Sequence[Accelerator], splits: Sequence[Parallelism], promise: Promise,
    options: Options,
) -> Iterator[_Layout]:  # fmt: skip
    """Every split on each kind of device that is linked so, can be timed and has room for a token of the cache."""
    precision = stored_precision(model, options.weight_format, kv_bits=options.kv_bits)
    arrival = "random" if promise.traffic.users is None else "steady"
    enough: set[str] = set()
    for within in (True, False):  # a node, then several: they are timed together, and few devices need several
        rooms = {
            (device.name, split): room
            for split in splits
            for device in devices
            if (split.devices <= NODE) == within
            and device.name not in enough
            and (split.devices == 1 or device.link_bytes_per_s)
            and (room := room_of(model, device, split, precision, options)) is not None
        }
        roomy = {device.name: device for device in devices if any(name == device.name for name, _ in rooms)}
        timed = [split for split in splits if any(other == split for _, other in rooms)]
        times_of_layout = (
            step_times(model, list(roomy.values()), precision, timed, options.engine, door.fitted) if rooms else {}
        )
        for (name, split), times in times_of_layout.items():
            room = rooms.get((name, split))
            if room is not None:
                likely, slow = (replica_of(room, times, arrival, end=end) for end in ("likely_s", "high_s"))
                yield _Layout(roomy[name], split, likely, slow)
        enough = {name for (name, _), room in rooms.items() if room.is_ample_for(promise.traffic)}


def _fewest(door: Door, guess: _Guess, promise: Promise, options: Options, enough: int) -> Plan | None:
    """The fewest replicas that keep the promise, on as many devices as are enough; the most tried where none do.

    The steady state is held against every simulation: what it says too little of what is met corrects the next count,
    and what lies between one that breaks the promise and one that keeps it is halved. Of what the steady state says is
    too few, only the most is tried. None where not even the estimate is enough.
    """
    layout, most = guess.layout, min(enough // guess.layout.split.devices, MOST_REPLICAS)
    if options.disaggregated:
        return _fewest_disaggregated(door, layout, promise, options, most)
    plan, best, broken, count = None, None, max(guess.fewest - 2, 0), guess.fewest
    while broken < count <= most and (best is None or count < best.replicas):
        tried = _tried(door, layout, promise, options, count)
        if tried is None:
            break
        plan = tried
        if tried.broken:
            broken, steady = count, layout.steady(promise, count)
            is_steady = 0 < steady < inf and tried.missed < inf
            likely = layout.fewest(promise, most, tried.missed / steady)[0] if is_steady else ceil(1.5 * count)
            count = min(max(likely, count + 1), 2 * count, most)
        else:
            best = tried
        if best is not None:
            count = (broken + best.replicas) // 2
    return best or plan


def _fewest_disaggregated(door: Door, layout: _Layout, promise: Promise, options: Options, most: int) -> Plan | None:
    """From one replica of each kind on, one more of the kind whose promise breaks, until none does."""
    plan, makers, readers = None, 1, 1
    while makers + readers <= most:
        plan = _tried(door, layout, promise, options, makers, readers)
        if plan is None or not plan.broken:
            break
        # Requests wait for their first token at the readers, unless those that make tokens are full.
        full = plan.served.running > 0.9 * plan.replica.sequences or plan.served.cache_occupancy > 0.85
        if "time_to_first_token_s" in plan.broken and not full:
            readers += 1
        else:
            makers += 1
    return plan


def _tried(
    door: Door, layout: _Layout, promise: Promise, options: Options, replicas: int, readers: int = 0
) -> Plan | None:  # fmt: skip
    """This layout with that many replicas at the likely value, its slow end still open (`_judged`).

    None where a request exceeds the cache, or no link moves caches.
    """
    shared = _share(promise.traffic, replicas)
    likely, slow_replica = layout.likely, layout.slow
    try:
        if readers:
            moving = moving_s_per_token(layout.device, layout.split, replicas + readers, likely.cache_bytes_per_token)
            likely, slow_replica = (
                replace(replica, readers=readers / replicas, moving_s_per_token=moving)
                for replica in (likely, slow_replica)
            )
        served = simulate(likely, shared, enough_requests(likely, shared))
        broken = promise.broken_by(served)
    except InvalidWorkload:
        return None
    hourly = door.usd_per_device_hour(layout.device.name, spot=options.spot)
    return Plan(
        accelerator=layout.device.name, split=layout.split, replicas=replicas, readers=readers, served=served,
        slow=served, broken=broken, missed=max(promise.missed_by(served).values(), default=0.0),
        certainty="not kept" if broken else "likely",
        replica=likely, slowly=slow_replica,
        usd_per_hour=None if hourly is None else hourly * (replicas + readers) * layout.split.devices,
    )  # fmt: skip


def _judged(plan: Plan, promise: Promise) -> Plan:
    """A plan with what is met at the slow end of the interval, which nothing is chosen by."""
    if plan.broken:
        return plan
    shared = _share(promise.traffic, plan.replicas)
    slow = simulate(plan.slowly, shared, enough_requests(plan.slowly, shared))
    return replace(plan, slow=slow, certainty="likely" if promise.broken_by(slow) else "surely")


def _share(traffic: Traffic, replicas: int) -> Traffic:
    if traffic.users is not None:
        return replace(traffic, users=max(ceil(traffic.users / replicas), 1))
    return replace(traffic, requests_per_s=(traffic.requests_per_s or 0.0) / replicas)
