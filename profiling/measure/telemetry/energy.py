"""Energy of processors and power of whole machines, by what Linux shows of them; nothing here needs more than reading.

Processor packages: RAPL through the power capping framework (`energy_uj` of a zone, microjoules, starting anew at
`max_energy_range_uj`; Documentation/power/powercap/powercap.rst), and where that cannot be read, AMD's counters through
hwmon (`energyN_input` with the label `EsocketN`, microjoules, gathered in 64 bits by the driver;
Documentation/hwmon/amd_energy.rst). Both leave out memory, disks, fans and what is lost in the power supply.

Whole machines: batteries while they discharge (`power_now` in microwatts, else `voltage_now` times `current_now` in
microvolts and microamperes; Documentation/ABI/testing/sysfs-class-power). That is everything in the case, the screen
too, so it is never given as the energy of a processor.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from profiling.measure.telemetry.readings import Reading

POWERCAP = Path("/sys/class/powercap")
HWMON = Path("/sys/class/hwmon")
SUPPLIES = Path("/sys/class/power_supply")
_AMD_DRIVERS = frozenset({"amd_energy", "zenergy"})
"""The driver that was in Linux 5.8 to 5.12 and is AMD's own since, and its successor that everybody may read."""
_SOCKET = re.compile(r"^Esocket\d+$")
_MILLIONTHS = 1e6
OF_PACKAGES = "all processor packages, whatever ran on them; memory, disks and the power supply are not counted"


class Counter(Protocol):
    """A counter of the energy of the processor packages."""

    method: str

    def energy_j(self) -> Reading:
        """Joules by all packages; null with the reason where they cannot be read."""

    def wraps_at_j(self) -> float | None:
        """Where it starts anew; None where it does not, or nobody can say."""


class Rapl:
    """Energy counters of the processor packages (Intel and AMD), summed; readable by root only on most systems."""

    method = "rapl counter"

    def __init__(self, folder: Path = POWERCAP) -> None:
        self.packages = sorted(
            path for path in folder.glob("*:*") if path.name.count(":") == 1 and (path / "energy_uj").exists()
        )

    def energy_j(self) -> Reading:
        """Joules by all packages; null with the reason where they cannot be read."""
        if not self.packages:
            return Reading(None, "this machine shows no RAPL counters (virtual machines rarely do)")
        return _sum_j([path / "energy_uj" for path in self.packages], "RAPL")

    def wraps_at_j(self) -> float | None:
        """Where the counter of a machine with one package starts anew; unknown for several, which wrap apart."""
        if len(self.packages) != 1:
            return None
        try:
            return int((self.packages[0] / "max_energy_range_uj").read_text()) / _MILLIONTHS
        except (OSError, ValueError):
            return None


class AmdSockets:
    """Energy counters of AMD's sockets, summed; those of cores are parts of them."""

    method = "amd_energy counter"

    def __init__(self, folder: Path = HWMON) -> None:
        self.sockets: list[Path] = []
        for device in sorted(folder.glob("hwmon*")):
            if _text(device / "name") in _AMD_DRIVERS:
                labels = sorted(device.glob("energy*_label"))
                named = [path for path in labels if _SOCKET.match(_text(path) or "")]
                self.sockets += [path.with_name(path.name.replace("_label", "_input")) for path in named]

    def energy_j(self) -> Reading:
        """Joules by all sockets; null with the reason where they cannot be read."""
        if not self.sockets:
            return Reading(None, "no amd_energy or zenergy driver is loaded")
        return _sum_j(self.sockets, "amd_energy")

    def wraps_at_j(self) -> float | None:
        """The driver gathers the hardware's 32 bits in 64, so that nothing wraps within a measurement."""
        return None


def processor_energy(powercap: Path = POWERCAP, hwmon: Path = HWMON) -> Counter:
    """The first counter that can be read; RAPL, with its reason, where none can."""
    rapl, sockets = Rapl(powercap), AmdSockets(hwmon)
    if rapl.energy_j().value is None and sockets.energy_j().value is not None:
        return sockets
    return rapl


def why_no_energy() -> str:
    """What else this machine could tell and to whom, for the reason of a processor without energy."""
    if sys.platform == "darwin":
        return "macOS tells the energy of processors to root only (powermetrics)"
    return f"{Rapl().energy_j().why}; {AmdSockets().energy_j().why}"


def system_power_w(folder: Path = SUPPLIES) -> Reading:
    """Watts that the whole machine draws from its batteries; null with the reason where none discharges.

    Everything in the case draws from them: the screen, disks and radio too.
    """
    batteries = [path for path in sorted(folder.glob("*")) if _is_battery_of_the_machine(path)]
    if not batteries:
        return Reading(None, "this machine has no battery")
    states = [_text(path / "status") for path in batteries]
    if not any(state == "Discharging" for state in states):
        return Reading(None, "the battery does not discharge, so that it does not tell what the machine draws")
    if any(state == "Charging" for state in states):
        return Reading(None, "one battery charges while another discharges")
    drawn = [_drawn_w(path) for path, state in zip(batteries, states, strict=True) if state == "Discharging"]
    powers = [watts for watts in drawn if watts]
    if len(powers) < len(drawn):
        return Reading(None, "a discharging battery reports neither power, nor current and voltage")
    return Reading(sum(powers))


def _is_battery_of_the_machine(path: Path) -> bool:
    """Mice and pens have batteries too; of these the scope is the device."""
    return _text(path / "type") == "Battery" and _text(path / "scope") != "Device" and _text(path / "present") != "0"


def _drawn_w(battery: Path) -> float | None:
    """Some drivers count what leaves the battery as negative; it discharges either way."""
    power = _number(battery / "power_now")
    if power is not None:
        return abs(power) / _MILLIONTHS
    current, voltage = _number(battery / "current_now"), _number(battery / "voltage_now")
    return None if current is None or voltage is None else abs(current) * voltage / _MILLIONTHS**2


def _sum_j(files: Sequence[Path], name: str) -> Reading:
    try:
        return Reading(sum(int(path.read_text()) for path in files) / _MILLIONTHS)
    except PermissionError:
        return Reading(None, f"{files[0]} is readable by root only")
    except (OSError, ValueError) as error:
        return Reading(None, f"{name} cannot be read: {error}")


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return None


def _number(path: Path) -> int | None:
    try:
        return int(_text(path) or "")
    except ValueError:
        return None
