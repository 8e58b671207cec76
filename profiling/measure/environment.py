"""The machine and software a measurement was made with, and what can be measured on it and what not, with reasons."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from profiling import systems
from profiling.measure import gates
from profiling.measure.bundle import canonical_id
from profiling.measure.telemetry.energy import processor_energy, system_power_w, why_no_energy
from profiling.measure.telemetry.nvml import NoNvml, Nvml
from profiling.measure.telemetry.readings import Reading

# What makes two runs comparable; the rest is told, but does not name the environment.
_IDENTITY = (
    "system", "machine", "processor", "processor_cores", "memory_bytes", "processor_quota", "python", "torch", "cuda",
    "threads", "accelerator", "accelerator_uuid", "accelerator_memory_bytes", "power_limit_w", "driver",
)  # fmt: skip


def environment(device: str, threads: int | None = None) -> dict[str, Any]:
    """Facts of this machine, this Python, this torch, and the device (`cpu`, `cuda`, `cuda:1`).

    Nothing in it names a person, a host or an address. Unknown is null.
    """
    import torch  # noqa: PLC0415 - the parent of a sweep asks a child for this

    if threads:
        torch.set_num_threads(threads)
    facts: dict[str, Any] = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "device_kind": device.partition(":")[0],
        "threads": torch.get_num_threads(),
        "processor": _processor(),
        "processor_cores": os.cpu_count(),
        "processor_features": torch.backends.cpu.get_cpu_capability(),
        "processor_quota": _quota(),
        "last_level_cache_bytes": _last_level_cache(),
        "memory_bytes": systems.memory_bytes(),
        "is_virtual": "hypervisor" in _cpu_flags(),
        "load_1min_at_start": systems.load_1min(),
        "accelerator": None,
        "accelerator_uuid": None,
        "accelerator_memory_bytes": None,
        "power_limit_w": None,
        "driver": None,
    }
    if facts["device_kind"] == "cuda":
        facts.update(_accelerator(device))
    facts["environment_id"] = canonical_id({name: facts[name] for name in _IDENTITY})
    return facts


def _accelerator(device: str) -> dict[str, Any]:
    import torch  # noqa: PLC0415

    properties = torch.cuda.get_device_properties(torch.device(device))
    uuid = cuda_uuid(device)
    facts: dict[str, Any] = {
        "accelerator": properties.name,
        "accelerator_uuid": uuid,
        "accelerator_memory_bytes": properties.total_memory,
        "last_level_cache_bytes": getattr(properties, "L2_cache_size", None),
        "multiprocessors": properties.multi_processor_count,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cudnn": torch.backends.cudnn.version(),
    }
    try:
        nvml = Nvml()
    except NoNvml as error:
        return {**facts, "nvml_why": str(error)}
    try:
        described = nvml.device(uuid).description()
        facts |= {"driver": nvml.driver().value, "power_limit_w": described["power_limit_w"].value}
        facts |= {"is_mig": bool(described["is_mig"].value), "maximum_sm_mhz": described["maximum_sm_mhz"].value}
    except NoNvml as error:
        facts["nvml_why"] = str(error)
    finally:
        nvml.close()
    return facts


def cuda_uuid(device: str) -> str:
    """NVML's name for a CUDA device; a partition's where CUDA_VISIBLE_DEVICES names one."""
    import torch  # noqa: PLC0415

    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    index = torch.device(device).index or 0
    if index < len(visible) and visible[index].startswith("MIG-"):
        return visible[index]
    uuid = str(torch.cuda.get_device_properties(index).uuid)
    return uuid if uuid.startswith("GPU-") else f"GPU-{uuid}"


def _cpu_field(name: str) -> str | None:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    except OSError:
        pass
    return None


def _processor() -> str | None:
    return _cpu_field("model name") or platform.processor() or None


def _cpu_flags() -> frozenset[str]:
    return frozenset((_cpu_field("flags") or "").split())


def _quota() -> float | None:
    """Processors that the control group may use at once; None where there is no limit or none is told."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None


def _last_level_cache() -> int | None:
    sizes = []
    for path in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        text = path.read_text().strip()
        factor = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(text[-1:], 1)
        if text.rstrip("KMG").isdigit():
            sizes.append(int(text.rstrip("KMG")) * factor)
    return max(sizes, default=None)


def default_device() -> str:
    """`cuda` where torch sees one, else `cpu`."""
    import torch  # noqa: PLC0415

    return "cuda" if torch.cuda.is_available() else "cpu"


def probe(device: str | None = None) -> list[dict[str, Any]]:
    """What can be measured here: a row per quantity with a value, or the reason why not."""
    import torch  # noqa: PLC0415

    device = device or default_device()
    machine = environment(device)
    parts = [
        _row("device", machine["accelerator"] or machine["processor"]),
        _row("wall clock", f"{time.get_clock_info('monotonic').resolution:g} s"),
        _row("processor time next to wall time", "all threads"),
        _row("contention", gates.scheduling() and "run and wait time of threads", "Linux's schedstat is not readable"),
        _row("stolen time", gates.stolen() and "/proc/stat", "no /proc/stat"),
        _row(
            "evidence of memory kills",
            oom_kills() is not None and "memory.events",
            "no memory.events of a control group",
        ),
        _processor_energy(),
        _reading("power of the whole machine (battery), W", system_power_w()),
        _row("CUDA", torch.version.cuda if torch.cuda.is_available() else None, _no_cuda()),
        _row("CUDA graph replay", "torch.cuda.graph" if torch.cuda.is_available() else None, _no_cuda()),
        _row("precisions", ", ".join(supported_precisions(device))),
        _row("attention kernels", ", ".join(attention_kernels(device))),
        _row("transformers adapter", _version("transformers"), "transformers is not installed"),
    ]
    return parts + _probe_nvml(device if device.startswith("cuda") else None)


def _processor_energy() -> dict[str, Any]:
    """With the name of the counter: what it counts is the packages alone."""
    counter = processor_energy()
    energy_j = counter.energy_j()
    named = f"processor packages' energy ({counter.method}), J"
    return _reading(named, energy_j if energy_j.value is not None else Reading(None, why_no_energy()))


def _row(what: str, value: Any, why: str | None = None) -> dict[str, Any]:
    return {"what": what, "value": str(value) if value else None, "why": None if value else why}


def _reading(what: str, reading: Reading) -> dict[str, Any]:
    return {"what": what, "value": None if reading.value is None else f"{reading.value:g}", "why": reading.why}


def _no_cuda() -> str:
    import torch  # noqa: PLC0415

    return "torch was built without CUDA" if torch.version.cuda is None else "torch sees no CUDA device"


def _probe_nvml(device: str | None) -> list[dict[str, Any]]:
    try:
        nvml = Nvml()
    except NoNvml as error:
        return [_row("NVML", None, str(error))]
    try:
        uuid = cuda_uuid(device) if device else next(iter(nvml.uuids()), None)
        if uuid is None:
            return [_row("NVML", None, "the driver shows no device")]
        chosen = nvml.device(uuid)
        chosen.sample()
        rows = [_reading(f"NVML {name}", reading) for name, reading in chosen.sample().items()]
        return [*rows, _reading("NVML period of the energy counter, s", chosen.counter_period_s())]
    except NoNvml as error:
        return [_row("NVML", None, str(error))]
    finally:
        nvml.close()


def _version(package: str) -> str | None:
    from importlib import metadata  # noqa: PLC0415

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def supported_precisions(device: str) -> list[str]:
    """Number formats in which a small product runs here, through a kernel of torch."""
    import torch  # noqa: PLC0415

    from profiling.measure.quantised import PRECISIONS, works  # noqa: PLC0415

    return [name for name in PRECISIONS if works(name, torch.device(device))]


def attention_kernels(device: str) -> list[str]:
    """Kernels of scaled-dot-product attention that run here in bfloat16."""
    import torch  # noqa: PLC0415

    from profiling.measure.attention import KERNELS, runs  # noqa: PLC0415

    return [name for name in KERNELS if name != "auto" and runs(name, torch.device(device), torch.bfloat16)]


def oom_kills() -> int | None:
    """Processes of this control group that the kernel has killed for memory; None where it does not tell."""
    try:
        group = next(
            line.rpartition(":")[2]
            for line in Path("/proc/self/cgroup").read_text().splitlines()
            if line.startswith("0::")
        )
        text = Path(f"/sys/fs/cgroup{group}/memory.events").read_text()
    except (OSError, StopIteration):
        return None
    counts: Mapping[str, str] = dict(line.split() for line in text.splitlines() if line)
    return int(counts["oom_kill"]) if "oom_kill" in counts else None


def interpreter() -> list[str]:
    """How to start this package again: from a folder with -m, from a zip archive by its path."""
    archive = os.environ.get("SKYLINE_PROFILE_ARCHIVE")
    return [sys.executable, archive] if archive else [sys.executable, "-m", "profiling.measure"]


def child_variables() -> dict[str, str]:
    """Variables of a process of this package: it finds the very package that starts it."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, "PYTHONPATH": path, "KINETO_LOG_LEVEL": "99"}
