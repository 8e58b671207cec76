"""What was found of a machine: processor, memory, graphics devices, and what could not be found and why."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import inf

from profiling.devices.device import GIB, GIGA, Accelerator
from profiling.devices.names import Resolved, resolve_device

_LEAST_REPORTED = 0.8
"""Share of what is sold that a driver reports at least: with less it means a part of the card (a die of an MI250X)."""


_SHARED = re.compile(r" GPU \(\d+ ?GB\)$")
"""Drivers of Intel write what of the machine's memory they may take behind the name: Arc(TM) 140V GPU (16GB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A graphics device as its driver names it."""

    name: str
    memory_bytes: float | None
    """As the driver reports it; None where it does not, or only with a value that is known to be capped."""
    reported_by: str
    cores: int | None = None
    """GPU cores, where the maker sells one chip with several numbers of them (Apple)."""
    shares_memory: bool = False
    """Whether it uses the memory of the machine."""
    power_limit_w: float | None = None
    usable_fraction: float | None = None
    """Share of the machine's memory that a setting gives to it; None: the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """The central processor."""

    name: str
    cores: int | None = None
    sockets: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """Memory modules as the firmware lists them."""

    count: int
    mega_transfers_per_s: int
    bits: int | None = None
    """Width of all of them; None: 64 each."""

    @property
    def peak_bytes_per_s(self) -> float:
        """Bandwidth if every module has a channel of its own: an upper bound."""
        return (self.bits or 64 * self.count) * self.mega_transfers_per_s * 1e6 / 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine as far as it could be found out."""

    system: str
    processor: Processor | None = None
    memory_bytes: float | None = None
    modules: Modules | None = None
    gpus: tuple[Gpu, ...] = ()
    not_found: tuple[str, ...] = ()
    """What could not be found, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A device of the machine beside the entry of the table that it is."""

    name: str
    reported_by: str
    device: Accelerator | None
    """With the memory that was reported; None where the table has no such device, or several."""
    note: str = ""


def known_devices(machine: Machine) -> tuple[Found, ...]:
    """The devices of a machine that may run models: graphics devices first, then the processor."""
    devices = [_gpu(gpu, machine) for gpu in machine.gpus]
    if machine.processor is not None:
        devices.append(_processor(machine.processor, machine))
    return tuple(devices)


def _gpu(gpu: Gpu, machine: Machine) -> Found:
    label = _SHARED.sub("", gpu.name)
    if gpu.cores:
        label += f" {gpu.cores}-core"
    found = _named(gpu, machine, label)
    # Graphics of a processor often bear a brand alone ("Radeon Graphics"), where the processor's name says which.
    # One with more memory than is left to the system (96 of 128 GB) is that of a processor as well.
    is_inside = gpu.shares_memory or gpu.memory_bytes is None or gpu.memory_bytes > (machine.memory_bytes or inf)
    if found.device is None and machine.processor and is_inside:
        by_processor = _named(gpu, machine, machine.processor.name)
        if by_processor.device is not None and by_processor.device.unified_memory:
            return by_processor
    if found.device is None and gpu.shares_memory:
        return _slowest_of_several(gpu, machine, label) or found
    return found


def _slowest_of_several(gpu: Gpu, machine: Machine, label: str) -> Found | None:
    """Of processors with graphics of one name (Adreno X1-85) the one that computes least; None where a card is one."""
    names = resolve_device(label).candidates
    several = [answer.devices[0][0] for answer in map(resolve_device, names) if answer.devices]
    if not several or not all(device.unified_memory for device in several):
        return None
    slowest = min(several, key=lambda device: device.peaks.get("fp16", 0.0))
    note = f"{gpu.name} is taken as {slowest.name}, which computes least of {', '.join(names)}"
    return replace(_named(gpu, machine, slowest.name), note=note)


def _named(gpu: Gpu, machine: Machine, label: str) -> Found:
    """The device of that name, with the memory that was reported."""
    answer = resolve_device(label)
    match = answer.devices[0][0] if answer.devices else answer.fullest
    shares = gpu.shares_memory or (match is not None and match.unified_memory)
    # What firmware gives to the graphics of a processor (0.5 to 96 GB of a Strix Halo) is no longer the system's.
    own = gpu.memory_bytes or 0.0
    size = machine.memory_bytes + own if shares and machine.memory_bytes else gpu.memory_bytes
    if size and not answer.devices and "/" in label:  # "Radeon RX 7900 XT/7900 XTX/7900 GRE": the size tells which
        answer = _of_one_chip(label, size) or answer
    elif size and (not answer.devices or answer.candidates or (match and size < _LEAST_REPORTED * match.memory_bytes)):
        answer = next(iter(_sized(label, size)), answer)
    if not answer.devices:
        return Found(name=gpu.name, reported_by=gpu.reported_by, device=None, note=answer.note)
    device = answer.devices[0][0]
    if gpu.shares_memory and not device.unified_memory:  # "Arc Graphics": no card of that brand is meant
        note = f"{gpu.name} is part of a processor that is not in the table of devices"
        return Found(name=gpu.name, reported_by=gpu.reported_by, device=None, note=note)
    if size:
        # What is measured here goes before what is known of others.
        device = replace(device, reported_memory_bytes=size)
    if size and shares and own / size > device.usable_fraction:
        device = device.with_usable_fraction(own / size)
    if gpu.usable_fraction is not None:
        device = device.with_usable_fraction(gpu.usable_fraction)
    return Found(name=gpu.name, reported_by=gpu.reported_by, device=device, note=answer.note)


def _of_one_chip(label: str, size: float) -> Resolved | None:
    """The first card of several on one chip that is sold with that memory; what else it could be is said."""
    fitting = [sizes[0] for name in label.split("/") if (sizes := _sized(name, size))]
    names = list(dict.fromkeys(answer.devices[0][0].name for answer in fitting))
    if not fitting:
        return None
    note = f"{label.strip()} of this size is taken as {names[0]}; others: {', '.join(names[1:])}"
    return replace(fitting[0], note=note) if names[1:] else fitting[0]


def _sized(label: str, size: float) -> list[Resolved]:
    """The name with the sizes that it may be sold as: what drivers report is up to 6 % short of it."""
    whole = size / GIB
    answers = [resolve_device(f"{label} {gb}gb") for gb in range(int(whole), int(whole * 1.08) + 2)]
    named = [answer for answer in answers if answer.devices]
    return sorted(named, key=lambda answer: abs(answer.devices[0][0].memory_bytes / GIGA - whole))


def _processor(processor: Processor, machine: Machine) -> Found:
    answer = resolve_device(processor.name)
    if not answer.devices or answer.devices[0][0].kind != "cpu":
        note = "not in the table of processors; --measure says in which words to ask about it"
        return Found(name=processor.name, reported_by="the system", device=None, note=note)
    device = answer.devices[0][0]
    if machine.memory_bytes:
        device = replace(device, reported_memory_bytes=machine.memory_bytes)
    if machine.modules:
        peak = min(machine.modules.peak_bytes_per_s, device.bandwidth_bytes_per_s)
        device = replace(device, bandwidth_bytes_per_s=peak)
    return Found(name=processor.name, reported_by="the system", device=device, note=answer.note)
