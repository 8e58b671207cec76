"""The processor of this machine as Linux tells of it: load, clock, temperature, energy, and power of the machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from profiling import systems
from profiling.measure.telemetry.energy import processor_energy, system_power_w
from profiling.measure.telemetry.readings import Reading


class Processor:
    """Samples of the whole machine."""

    def __init__(self) -> None:
        self.counter = processor_energy()
        self._busy: tuple[int, int] | None = None
        self._energy: tuple[float, float] | None = None

    def sample(self) -> Mapping[str, Reading]:
        """Every quantity of a telemetry row."""
        energy = self.counter.energy_j()
        return {
            "power_w": self._power(energy),
            "energy_j": energy,
            "system_power_w": system_power_w(),
            "processor_mhz": _clock(),
            "temperature_c": _temperature(),
            "utilisation_share": self._utilisation(),
            "load_1min": _load(),
            "memory_used_bytes": _memory_used(),
        }

    def _power(self, energy: Reading) -> Reading:
        now = time.monotonic()
        before, self._energy = self._energy, (now, float(energy.value)) if energy.value is not None else None
        if energy.value is None:
            return Reading(None, energy.why)
        if before is None or float(energy.value) <= before[1]:
            return Reading(None, "needs two readings of a counter that moved")
        return Reading((float(energy.value) - before[1]) / (now - before[0]))

    def _utilisation(self) -> Reading:
        """Share of all processors' time that was not idle since the last sample."""
        try:
            fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        except (OSError, ValueError):
            return Reading(None, "no /proc/stat")
        total, idle = sum(fields), fields[3] + fields[4]
        before, self._busy = self._busy, (total, idle)
        if before is None or total <= before[0]:
            return Reading(None, "the first sample has none before it")
        return Reading(1 - (idle - before[1]) / (total - before[0]))


def _load() -> Reading:
    load = systems.load_1min()
    return Reading(load) if load is not None else Reading(None, "the system counts no load")


def _clock() -> Reading:
    try:
        clocks = [
            float(line.partition(":")[2])
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("cpu MHz")
        ]
    except (OSError, ValueError):
        clocks = []
    return Reading(sum(clocks) / len(clocks)) if clocks else Reading(None, "the system reports no processor clock")


def _temperature() -> Reading:
    for path in sorted(Path("/sys/class/thermal").glob("thermal_zone*/temp")):
        try:
            return Reading(int(path.read_text()) / 1e3)
        except (OSError, ValueError):
            continue
    return Reading(None, "no thermal zone is readable")


def _memory_used() -> Reading:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        figures = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return Reading(figures["MemTotal"] - figures["MemAvailable"])
    except (OSError, ValueError, KeyError, IndexError):
        return Reading(None, "no /proc/meminfo")
