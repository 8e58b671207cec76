"""The fewest devices, and their best layout, that keep a promise of latency to a number of users.

Every legal layout of one replica is tried on every device, with as many replicas as the promise needs; what keeps it
is found by the steady state of a replica first and confirmed by simulation (`simulate`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import polars as pl

from profiling.answers.door import Door
from profiling.answers.question import stored_precision
from profiling.devices.accelerators import Accelerator
from profiling.errors import DoesNotFit, InvalidWorkload
from profiling.models.architecture import Architecture
from profiling.roofline.workload import Parallelism, Precision, legal_tensor_ways
from profiling.serving.replica import Options, enough_requests, fewest_replicas, moving_s_per_token, replica_of
from profiling.serving.simulate import Replica, Served, Traffic, simulate
from profiling.serving.steps import End, StepTimes, step_times

MOST_REPLICAS = 64
_FLEET = re.compile(r"(?P<count>\d{1,4}) ?[xX×] ?(?P<name>\D.*)")


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
                fewest = fewest_replicas(
                    layout.likely, promise.traffic, promise.time_to_first_token_s, promise.time_per_output_token_s, most
                )
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
        copies = count // split.devices
        for readers in range(1, copies) if options.apart else (0,):
            plan = _tried(door, layout, promise, options, copies - readers, readers) if layout else None
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
                "tokens_per_s_per_device": served.output_tokens_per_s * plan.replicas / plan.devices,
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
    if options.apart:
        return _fewest_apart(door, layout, promise, options, most)
    for count in sorted({min(number, most) for number in (fewest, fewest + 1, ceil(fewest * 1.5), 2 * fewest)}):
        found = _tried(door, layout, promise, options, count)
        if found is None or not found.broken:
            break
    return found


def _fewest_apart(door: Door, layout: _Layout, promise: Promise, options: Options, most: int) -> Plan | None:
    """From one replica of each kind on, one more of the kind whose promise breaks, until none does."""
    found, makers, readers = None, 1, 1
    while makers + readers <= most:
        found = _tried(door, layout, promise, options, makers, readers)
        if found is None or not found.broken:
            break
        # Requests wait for their first token at the readers, unless those that make tokens are full.
        full = found.served.running > 0.9 * found.replica.sequences or found.served.cache_occupancy > 0.85
        if "time_to_first_token_s" in found.broken and not full:
            readers += 1
        else:
            makers += 1
    return found


def _tried(
    door: Door, layout: _Layout, promise: Promise, options: Options, replicas: int, readers: int = 0
) -> Plan | None:  # fmt: skip
    """This layout with that many replicas; None where a request exceeds the cache, or no link moves caches."""
    shared = _share(promise.traffic, replicas)
    likely, slow_replica = layout.likely, layout.slow
    try:
        if readers:
            moving = moving_s_per_token(layout.device, layout.split, replicas + readers, likely.cache_bytes_per_token)
            likely, slow_replica = (
                replace(one, readers=readers / replicas, moving_s_per_token=moving) for one in (likely, slow_replica)
            )
        served = simulate(likely, shared, enough_requests(likely, shared))
        broken = promise.broken_by(served)
        slow = served if broken else simulate(slow_replica, shared, enough_requests(slow_replica, shared))
    except InvalidWorkload:
        return None
    hourly = door.usd_per_device_hour(layout.device.name, spot=options.spot)
    return Plan(
        accelerator=layout.device.name, split=layout.split, replicas=replicas, readers=readers, served=served,
        slow=slow, broken=broken,
        certainty="not kept" if broken else "likely" if promise.broken_by(slow) else "surely",
        replica=likely, slowly=slow_replica,
        usd_per_hour=None if hourly is None else hourly * (replicas + readers) * layout.split.devices,
    )  # fmt: skip


def _share(traffic: Traffic, replicas: int) -> Traffic:
    if traffic.users is not None:
        return replace(traffic, users=max(ceil(traffic.users / replicas), 1))
    return replace(traffic, requests_per_s=(traffic.requests_per_s or 0.0) / replicas)
