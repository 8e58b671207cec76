"""Asking the machine at hand: every command and file that is tried, and what of it failed."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from profiling.devices.here import parsers
from profiling.devices.here.machine import Gpu, Machine, Modules, Processor
from profiling.errors import ProfilingError

_PATIENCE_S = 20.0
_POWERSHELL = """
$class = 'HKLM:\\SYSTEM\\CurrentControlSet\\Control\\Class\\{4d36e968-e325-11ce-bfc1-08002be10318}'
[pscustomobject]@{
  processor = @(Get-CimInstance Win32_Processor | Select-Object Name, NumberOfCores)
  memory = @(Get-CimInstance Win32_PhysicalMemory | Select-Object Capacity, Speed, ConfiguredClockSpeed)
  total_physical_memory = (Get-CimInstance Win32_ComputerSystem).TotalPhysicalMemory
  gpus = @(Get-CimInstance Win32_VideoController | Select-Object Name, AdapterRAM)
  registry = @(Get-ChildItem $class -ErrorAction SilentlyContinue | ForEach-Object {
    $p = Get-ItemProperty $_.PSPath -ErrorAction SilentlyContinue
    if ($p.DriverDesc) {
      [pscustomobject]@{ DriverDesc = $p.DriverDesc; qwMemorySize = $p.'HardwareInformation.qwMemorySize' }
    }
  })
} | ConvertTo-Json -Depth 4 -Compress
"""

Run = Callable[[list[str]], str]


class Unavailable(ProfilingError):
    """A command that is not there, or that failed; the message says which and why."""


def run(command: list[str]) -> str:
    """What a command prints.

    Raises:
        Unavailable: It is not installed, fails, or does not come back.
    """
    path = shutil.which(command[0])
    if path is None:
        raise Unavailable(f"{command[0]} is not installed")
    try:
        done = subprocess.run(  # noqa: S603 - fixed words
            [path, *command[1:]], capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
            errors="replace", stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]} did not answer: {error}") from error
    if done.returncode != 0:
        raise Unavailable(f"{command[0]} failed: {' '.join((done.stderr or done.stdout).split())[:200]}")
    return done.stdout


def look(system: str | None = None, run: Run = run, root: Path = Path("/")) -> Machine:
    """The machine at hand.

    Args:
        system: Linux, Darwin or Windows; that of this machine where None.
        run: Runs a command and gives what it prints.
        root: Where system files lie.
    """
    system = system or platform.system()
    if system == "Darwin":
        return _macos(run)
    if system == "Windows":
        return _windows(run)
    return _linux(system, run, root)


def _nvidia(run: Run, missing: list[str]) -> tuple[Gpu, ...]:
    try:
        query = f"--query-gpu={','.join(parsers.NVIDIA_QUERY)}"
        return parsers.nvidia_smi(run(["nvidia-smi", query, "--format=csv,noheader,nounits"]))
    except Unavailable as error:
        missing.append(f"NVIDIA devices: {error}")
        return ()


def _linux(system: str, run: Run, root: Path) -> Machine:
    missing: list[str] = []
    gpus = list(_nvidia(run, missing))
    try:
        slots = parsers.lspci(run(["lspci"]))
    except Unavailable as error:
        slots = {}
        missing.append(f"Intel devices: {error}")
    gpus += _named_by_slot(slots, missing, with_nvidia=not gpus)
    try:
        amd = list(parsers.rocm_smi(run(["rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json"])))
    except ProfilingError as error:
        amd = _amd_files(root, slots)
        if not amd:
            missing.append(f"AMD devices: {error}, and no files of amdgpu")
    gpus += amd
    processor = parsers.cpuinfo(_read(root / "proc/cpuinfo"))
    memory = parsers.meminfo(_read(root / "proc/meminfo"))
    if processor is None and (model := _read(root / "proc/device-tree/model").strip("\0 \n")):
        processor = Processor(name=model)
    modules: Modules | None = None
    try:
        modules = parsers.dmidecode(run(["dmidecode", "-t", "memory"]))
        if modules is None:
            missing.append("memory modules: the firmware lists none")
    except Unavailable as error:
        missing.append(f"memory modules: {error} (needs root)")
    missing += ["the processor: /proc/cpuinfo names none"] if processor is None else []
    missing += ["the memory: no /proc/meminfo"] if memory is None else []
    return Machine(
        system=system,
        processor=processor,
        memory_bytes=memory,
        modules=modules,
        gpus=tuple(gpus),
        not_found=tuple(missing),
    )


def _named_by_slot(slots: Mapping[str, str], missing: list[str], *, with_nvidia: bool) -> list[Gpu]:
    """Cards of Intel, and those of NVIDIA where its own tool names none, by what lspci calls them."""
    gpus = []
    for name in slots.values():
        inner = re.search(r"\[([^\[\]]+)\]$", name)
        own = inner[1] if inner else name
        if (with_nvidia and name.startswith("NVIDIA")) or (name.startswith("Intel") and "Arc" in own):
            gpus.append(Gpu(name=own, memory_bytes=None, reported_by="lspci"))
        elif name.startswith("Intel") and re.search("Battlemage|DG2|Alchemist", name):
            missing.append(f"which Arc it is: lspci says {name}")
    return gpus


def _amd_files(root: Path, slots: Mapping[str, str]) -> list[Gpu]:
    """Cards by the files of amdgpu, which give most of them no name: that is the one of their slot."""
    gpus = []
    for folder in sorted((root / "sys/class/drm").glob("card*/device")):
        card = {name: _read(folder / name) for name in ("vendor", "device", "product_name", "mem_info_vram_total")}
        card["product_name"] = card["product_name"].strip() or slots.get(
            folder.resolve().name.removeprefix("0000:"), ""
        )
        gpu = parsers.amd_files(card)
        gpus += [gpu] if gpu else []
    return gpus


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _macos(run: Run) -> Machine:
    try:
        processor, memory, gpus = parsers.system_profiler(
            run(["system_profiler", "SPHardwareDataType", "SPDisplaysDataType", "-json"])
        )
    except ProfilingError as error:
        return Machine(system="Darwin", not_found=(f"anything: {error}",))
    missing: list[str] = []
    try:
        share = parsers.wired_limit(run(["sysctl", "-n", "iogpu.wired_limit_mb"]), memory)
    except Unavailable as error:
        share = None
        missing.append(f"whether the GPU's share of the memory was raised: {error}")
    gpus = tuple(
        Gpu(name=gpu.name, memory_bytes=gpu.memory_bytes, reported_by=gpu.reported_by, cores=gpu.cores,
            shares_memory=gpu.shares_memory, usable_fraction=share if gpu.shares_memory else None)
        for gpu in gpus
    )  # fmt: skip
    return Machine(system="Darwin", processor=processor, memory_bytes=memory, gpus=gpus, not_found=tuple(missing))


def _windows(run: Run) -> Machine:
    missing: list[str] = []
    nvidia = _nvidia(run, missing)
    try:
        processor, memory, modules, others = parsers.windows(
            run(["powershell", "-NoProfile", "-NonInteractive", "-Command", _POWERSHELL])
        )
    except ProfilingError as error:
        return Machine(system="Windows", gpus=nvidia, not_found=(*missing, f"everything else: {error}"))
    if nvidia:
        others = tuple(gpu for gpu in others if "nvidia" not in gpu.name.casefold())
    return Machine(
        system="Windows", processor=processor, memory_bytes=memory, modules=modules, gpus=(*nvidia, *others),
        not_found=tuple(missing),
    )  # fmt: skip
