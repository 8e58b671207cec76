"""A folder of kernel tables by accelerator and engine: surfaces of all, and their errors on devices left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from profiling.devices.accelerators import Accelerator, find
from profiling.errors import UnknownAccelerator
from profiling.kernels.calibrate import KernelSurface, Transfer, calibrate_kernels, transfer
from profiling.kernels.read import measured_kernels, systems

SYSTEMS: Mapping[str, str] = {
    "a100_sxm": "A100-SXM4-80GB", "h100_sxm": "H100-SXM5-80GB", "h200_sxm": "H200-SXM-141GB",
    "b200_sxm": "B200-SXM-180GB", "gb200": "GB200-186GB", "rtx_pro_6000_server": "RTX-PRO-6000-Blackwell",
    "b60": "Arc-Pro-B60",
}  # fmt: skip
"""Devices by the names of public folders; other folders are named as devices are."""
LEFT_OUT: Mapping[str, tuple[str, ...]] = {
    "H100-SXM5-80GB": ("H200-SXM-141GB",),
    "GB200-186GB": ("B200-SXM-180GB",),
    "RTX-PRO-6000-Blackwell": ("H200-SXM-141GB", "B200-SXM-180GB"),
}
"""Devices whose kernels are predicted as if they had not been measured, by the surfaces of these."""


def device_of(system: Path) -> Accelerator:
    """The device of a folder.

    Raises:
        UnknownAccelerator: The folder's name is that of no device.
    """
    try:
        return find(SYSTEMS.get(system.name, system.name))
    except UnknownAccelerator as error:
        raise UnknownAccelerator(f"folder {system.name}: {error}") from error


def calibrated_folder(
    folder: Path, kinds: Sequence[str] = (), report: Callable[[str], None] = lambda _: None
) -> tuple[list[KernelSurface], list[Transfer]]:
    """Surfaces of every accelerator, engine, kind and variant, and the errors on `LEFT_OUT` where it is there.

    Args:
        folder: `<accelerator>/<engine>/<kind>/<table>_perf.parquet`.
        kinds: Names of kinds; none: all.
        report: Told what is being fitted.

    Raises:
        UnreadableKernelTable, UnknownAccelerator: Nothing can be fitted.
    """
    surfaces: list[KernelSurface] = []
    devices = {device_of(system).name: system for system in systems(folder)}
    for name, system in devices.items():
        for measured in measured_kernels(system, device_of(system), kinds):
            report(f"{name}: {measured.engine}, {measured.kind.name}")
            surface = calibrate_kernels(measured)
            surfaces += [surface] if surface else []
    transfers: list[Transfer] = []
    for name, sources in LEFT_OUT.items():
        if name in devices and all(source in devices for source in sources):
            report(f"{name} from {' and '.join(sources)}")
            kernels = measured_kernels(devices[name], device_of(devices[name]), kinds)
            transfers += transfer(kernels, surfaces, sources)
    return surfaces, transfers
