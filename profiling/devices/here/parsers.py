"""What commands and system files print of a machine, read into its parts; pure functions of text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from profiling.devices.device import GIB
from profiling.devices.here.machine import Gpu, Modules, Processor
from profiling.errors import ProfilingError
from profiling.foreign import json_object

NVIDIA_QUERY = ("name", "memory.total", "power.limit")
"""What is asked of nvidia-smi, in this order, as `csv,noheader,nounits`."""
_LEAST_GPU_BYTES = 2**30
"""Graphics of a processor with less of its own share the memory of the machine."""


_ONLY_DISPLAYS = re.compile(r"Basic Display|Virtual|Remote|Hyper-V|DisplayLink|Indirect Display|SVGA|ASPEED|Matrox")
"""Adapters that show pictures and compute nothing: of virtual machines, of docks, of a server's management."""


class UnreadableOutput(ProfilingError):
    """What a command printed is not what such commands print."""


def nvidia_smi(text: str) -> tuple[Gpu, ...]:
    """Devices of `nvidia-smi --query-gpu=… --format=csv,noheader,nounits` with `NVIDIA_QUERY`; MiB and watts."""
    gpus = []
    for row in csv.reader(io.StringIO(text), skipinitialspace=True):
        if len(row) < len(NVIDIA_QUERY):
            continue
        name, memory, power = (cell.strip() for cell in row[:3])
        mib, watts = _number(memory), _number(power)
        unified = "GB10" in name or mib is None  # where Linux and CUDA share one pool, the driver says [N/A]
        gpus.append(
            Gpu(
                name=name,
                memory_bytes=None if mib is None else mib * 2**20,
                reported_by="nvidia-smi",
                shares_memory=unified,
                power_limit_w=watts,
            )
        )
    return tuple(gpus)


def rocm_smi(text: str) -> tuple[Gpu, ...]:
    """Devices of `rocm-smi --showproductname --showmeminfo vram --json`.

    Raises:
        UnreadableOutput: It is not JSON.
    """
    cards = json_object(text[text.find("{") :] if "{" in text else text, "what rocm-smi printed", UnreadableOutput)
    gpus = []
    for key in sorted(cards):
        card = cards[key]
        if not key.startswith("card") or not isinstance(card, Mapping):
            continue
        fields = {str(name).casefold(): str(value) for name, value in card.items()}
        name = next((fields[field] for field in ("card series", "device name", "card model") if field in fields), key)
        memory = _number(fields.get("vram total memory (b)", ""))
        gpus.append(_amd(name, memory, "rocm-smi"))
    return tuple(gpus)


def amd_files(card: Mapping[str, str]) -> Gpu | None:
    """A device of amdgpu by its files: `vendor`, `product_name`, `mem_info_vram_total`."""
    if card.get("vendor", "").strip() != "0x1002":
        return None
    name = card.get("product_name", "").strip() or f"AMD device {card.get('device', '').strip()}"
    return _amd(name, _number(card.get("mem_info_vram_total", "")), "the files of amdgpu")


def _amd(name: str, vram: float | None, reported_by: str) -> Gpu:
    # "Navi 21 [Radeon RX 6800/6800 XT / 6900 XT]": the marketing name is in the brackets.
    inner = re.search(r"\[([^\[\]]+)\]$", name)
    is_integrated = vram is not None and vram < _LEAST_GPU_BYTES
    whole = (inner[1] if inner else name).removesuffix(" VF")  # a card that is passed whole to a virtual machine
    return Gpu(name=whole, memory_bytes=vram, reported_by=reported_by, shares_memory=is_integrated)


def lspci(text: str) -> dict[str, str]:
    """Names of graphics devices in `lspci` by their slots: what a line says behind the maker, without the revision."""
    line = r"^(?:0000:)?(\S+) (?:VGA compatible|3D|Display) controller: (.+?)(?: \((?:rev|prog-if)\b.*)?$"
    return {match[1]: match[2] for match in re.finditer(line, text, re.MULTILINE)}


def system_profiler(text: str) -> tuple[Processor, float, tuple[Gpu, ...]]:
    """Processor, memory in bytes and devices of `system_profiler SPHardwareDataType SPDisplaysDataType -json`.

    Raises:
        UnreadableOutput: It is not JSON, or lacks the chip or the memory.
    """
    whole = json_object(text, "what system_profiler printed", UnreadableOutput)
    hardware = _first(whole, "SPHardwareDataType")
    chip = str(hardware.get("chip_type") or hardware.get("cpu_type") or "")
    memory = re.fullmatch(r"(\d+(?:[.,]\d+)?) ?(GB|TB)", str(hardware.get("physical_memory", "")).strip())
    if not chip or not memory:
        raise UnreadableOutput("system_profiler names no chip or no memory")
    size = float(memory[1].replace(",", ".")) * GIB * (1024 if memory[2] == "TB" else 1)
    counted = re.match(r"proc (\d+)", str(hardware.get("number_processors", "")))
    gpus = []
    for entry in whole.get("SPDisplaysDataType", []):
        name = str(entry.get("sppci_model") or entry.get("_name") or "")
        cores = _number(str(entry.get("sppci_cores", "")))
        is_apple = "apple" in str(entry.get("spdisplays_vendor", "")).casefold() or name.startswith("Apple")
        vram = re.match(r"(\d+) ?(GB|MB)", str(entry.get("spdisplays_vram", "")))
        own = float(vram[1]) * (GIB if vram[2] == "GB" else 2**20) if vram else None
        gpus.append(
            Gpu(name=name, memory_bytes=None if is_apple else own, reported_by="system_profiler",
                cores=int(cores) if cores else None, shares_memory=is_apple)
        )  # fmt: skip
    return Processor(name=chip, cores=int(counted[1]) if counted else None), size, tuple(gpus)


def wired_limit(text: str, memory_bytes: float) -> float | None:
    """Share of the memory that `sysctl -n iogpu.wired_limit_mb` gives to the GPU; None where it is 0, the default."""
    mib = _number(text)
    return min(1.0, mib * 2**20 / memory_bytes) if mib else None


def cpuinfo(text: str) -> Processor | None:
    """The processor of /proc/cpuinfo; None where it names none (some ARM systems)."""
    fields: dict[str, set[str]] = {}
    cores = set()
    socket = "0"
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if value:
            fields.setdefault(key, set()).add(value)
        socket = value if key == "physical id" else socket
        if key == "core id":
            cores.add((socket, value))
    names = fields.get("model name") or fields.get("Model") or fields.get("Hardware")
    if not names:
        return None
    sockets = len(fields.get("physical id", {"0"}))
    return Processor(name=min(names), cores=len(cores) or len(fields.get("processor", ())) or None, sockets=sockets)


def meminfo(text: str) -> float | None:
    """Bytes of memory in /proc/meminfo."""
    match = re.search(r"^MemTotal:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024.0 if match else None


def dmidecode(text: str) -> Modules | None:
    """Modules of `dmidecode -t memory`; None where none is listed (virtual machines, no permission)."""
    rates: list[int] = []
    bits = 0
    for block in text.split("Memory Device")[1:]:
        is_firmware = re.search(r"^\s*Type: (?:Flash|EEPROM|ROM)$", block, re.MULTILINE)
        if is_firmware or not re.search(r"^\s*Size: \d+ (MB|GB|MiB|GiB)", block, re.MULTILINE):
            continue
        configured = re.search(r"^\s*Configured (?:Memory|Clock) Speed: (\d+) M(?:T/s|Hz)", block, re.MULTILINE)
        stated = configured or re.search(r"^\s*Speed: (\d+) M(?:T/s|Hz)", block, re.MULTILINE)
        rates.append(int(stated[1]) if stated else 0)
        width = re.search(r"^\s*Data Width: (\d+) bits", block, re.MULTILINE)
        bits += int(width[1]) if width else 64  # soldered chips have 16 or 32
    if not min(rates, default=0):
        return None
    return Modules(count=len(rates), mega_transfers_per_s=min(rates), bits=bits)


def windows(text: str) -> tuple[Processor | None, float | None, Modules | None, tuple[Gpu, ...]]:
    """Processor, memory, modules and devices of the one PowerShell question that `look` asks.

    Video memory is that of the registry (64 bits). AdapterRAM ends at 4 GiB, and at 2 for an Arc B580 with 12: it says
    only whether a device has next to none of its own.

    Raises:
        UnreadableOutput: It is not JSON.
    """
    whole = json_object(text, "what PowerShell printed", UnreadableOutput)
    names = [entry for entry in _many(whole, "processor") if entry.get("Name")]
    processor = None
    if names:
        cores = sum(int(entry.get("NumberOfCores") or 0) for entry in names)
        processor = Processor(name=str(names[0]["Name"]).strip(), cores=cores or None, sockets=len(names))
    modules = [entry for entry in _many(whole, "memory") if entry.get("Capacity")]
    rates: list[int] = [int(entry.get("ConfiguredClockSpeed") or entry.get("Speed") or 0) for entry in modules]
    total = float(sum(int(entry["Capacity"]) for entry in modules)) or None
    physical = _number(str(whole.get("total_physical_memory") or ""))
    sized = {
        str(entry.get("DriverDesc")): _number(str(entry.get("qwMemorySize") or ""))
        for entry in _many(whole, "registry")
    }
    gpus = []
    for entry in _many(whole, "gpus"):
        name = str(entry.get("Name") or "")
        capped = _number(str(entry.get("AdapterRAM") or ""))
        size = sized.get(name) or (capped if capped and capped < _LEAST_GPU_BYTES else None)
        if name and not _ONLY_DISPLAYS.search(name):
            shares = size is not None and size < _LEAST_GPU_BYTES
            gpus.append(Gpu(name=name, memory_bytes=size, reported_by="Windows", shares_memory=shares))
    slowest = min(rates, default=0)
    listed = Modules(count=len(modules), mega_transfers_per_s=slowest) if slowest else None
    return processor, physical or total, listed, tuple(gpus)


def _number(text: str) -> float | None:
    match = re.search(r"\d+(?:\.\d+)?", text.replace(",", "")) if text else None
    return float(match[0]) if match else None


def _first(whole: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    entries = whole.get(key)
    if isinstance(entries, Sequence) and entries and isinstance(entries[0], Mapping):
        return entries[0]
    return {}


def _many(whole: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """PowerShell writes a list of one as the one."""
    value = whole.get(key)
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, Mapping)]
