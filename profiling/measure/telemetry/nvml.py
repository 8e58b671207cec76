"""NVIDIA devices through NVML (nvidia-ml-py): power, energy, clocks, temperature, utilisation, event reasons, GPM.

Devices are named by UUID, for their order here need not be that of CUDA. What a driver, a partition (MIG) or a virtual
machine does not tell is null with NVML's own reason. Without NVIDIA's library nothing here fails until it is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from profiling.errors import ProfilingError
from profiling.measure.telemetry.readings import Reading, attempt

_FAILURES = {
    "NVMLError_LibraryNotFound": "no NVIDIA driver library on this machine",
    "NVMLError_DriverNotLoaded": "the NVIDIA driver is not loaded",
    "NVMLError_LibRmVersionMismatch": "driver and its library differ in version; reboot or reload the driver",
    "NVMLError_NotSupported": "not supported by this device, partition or virtual machine",
    "NVMLError_NoPermission": "needs a permission that this user lacks",
    "NVMLError_FunctionNotFound": "the driver is too old to report it",
    "NVMLError_GpuIsLost": "the device has fallen off the bus",
    "NVMLError_Timeout": "the driver did not answer in time",
    "NVMLError_Uninitialized": "NVML was not started",
    "NVMLError_NotFound": "no such device",
    "NVMLError_InvalidArgument": "the driver does not know this quantity",
    "NVMLError_Unknown": "the driver reports an unknown error",
}
_GPM_METRICS = {
    "sm_share": "NVML_GPM_METRIC_SM_UTIL",
    "tensor_share": "NVML_GPM_METRIC_ANY_TENSOR_UTIL",
    "dram_share": "NVML_GPM_METRIC_DRAM_BW_UTIL",
}


class NoNvml(ProfilingError):
    """NVML cannot be used here; the message says why."""


def _explain(error: Exception) -> str | None:
    """The reason in words, for errors of NVML; None for others, which are ours."""
    name = type(error).__name__
    if not name.startswith("NVMLError"):
        return None
    return _FAILURES.get(name, f"{name.removeprefix('NVMLError_')}: {error}")


def _library() -> Any:
    try:
        import pynvml  # noqa: PLC0415 - optional
    except ImportError as error:
        raise NoNvml("nvidia-ml-py is not installed; pip install nvidia-ml-py to read power and clocks") from error
    return pynvml


class Nvml:
    """NVML while it is open.

    Raises:
        NoNvml: It cannot be opened.
    """

    def __init__(self) -> None:
        self.library = _library()
        try:
            self.library.nvmlInit()
        except self.library.NVMLError as error:
            raise NoNvml(_explain(error) or str(error)) from error

    def close(self) -> None:
        """Let go of the driver."""
        self.library.nvmlShutdown()

    def driver(self) -> Reading:
        """Version of the driver."""
        return self._ask(lambda: str(self.library.nvmlSystemGetDriverVersion()))

    def device(self, uuid: str) -> NvmlDevice:
        """The device of that UUID, a partition's being `MIG-…`.

        Raises:
            NoNvml: There is none.
        """
        try:
            return NvmlDevice(self.library, self.library.nvmlDeviceGetHandleByUUID(uuid), uuid)
        except self.library.NVMLError as error:
            raise NoNvml(f"device {uuid}: {_explain(error)}") from error

    def uuids(self) -> list[str]:
        """UUIDs of all devices, in NVML's order."""
        library = self.library
        handles = [library.nvmlDeviceGetHandleByIndex(index) for index in range(library.nvmlDeviceGetCount())]
        return [str(library.nvmlDeviceGetUUID(handle)) for handle in handles]

    def _ask(self, read: Callable[[], float | int | str]) -> Reading:
        return attempt(read, _explain)


class NvmlDevice:
    """One device or partition."""

    def __init__(self, library: Any, handle: Any, uuid: str) -> None:
        self.library, self.handle, self.uuid = library, handle, uuid
        self._earlier: Any = None

    def _ask(self, read: Callable[[], float | int | str]) -> Reading:
        return attempt(read, _explain)

    def energy_j(self) -> Reading:
        """Joules since the driver was loaded (Volta and later). On a Grace Hopper module the whole module's."""
        return self._ask(lambda: self.library.nvmlDeviceGetTotalEnergyConsumption(self.handle) / 1e3)

    def power_w(self) -> Reading:
        """Power now where the driver tells it (field 186), else what it calls power, an average on many devices."""
        instant = self._field(self.library.NVML_FI_DEV_POWER_INSTANT)
        if instant.value is not None:
            return Reading(float(instant.value) / 1e3)
        return self._ask(lambda: self.library.nvmlDeviceGetPowerUsage(self.handle) / 1e3)

    def _field(self, field: int) -> Reading:
        def read() -> float:
            (answer,) = self.library.nvmlDeviceGetFieldValues(self.handle, [field])
            if answer.nvmlReturn != self.library.NVML_SUCCESS:
                raise self.library.NVMLError(answer.nvmlReturn)
            return float(answer.value.uiVal)

        return self._ask(read)

    def event_reasons(self) -> Reading:
        """Bits that say why clocks are below their maximum; drivers before 535 call them throttle reasons."""
        library = self.library
        reasons = self._ask(lambda: int(library.nvmlDeviceGetCurrentClocksEventReasons(self.handle)))
        if reasons.value is not None:
            return reasons
        return self._ask(lambda: int(library.nvmlDeviceGetCurrentClocksThrottleReasons(self.handle)))

    def sample(self) -> Mapping[str, Reading]:
        """Every quantity of a telemetry row."""
        library, handle = self.library, self.handle
        return {
            "power_w": self.power_w(),
            "energy_j": self.energy_j(),
            "sm_mhz": self._ask(lambda: library.nvmlDeviceGetClockInfo(handle, library.NVML_CLOCK_SM)),
            "memory_mhz": self._ask(lambda: library.nvmlDeviceGetClockInfo(handle, library.NVML_CLOCK_MEM)),
            "temperature_c": self._ask(lambda: library.nvmlDeviceGetTemperature(handle, library.NVML_TEMPERATURE_GPU)),
            "utilisation_share": self._ask(lambda: library.nvmlDeviceGetUtilizationRates(handle).gpu / 100),
            "throttle_mask": self.event_reasons(),
            "memory_used_bytes": self._ask(lambda: int(library.nvmlDeviceGetMemoryInfo(handle).used)),
            **self.activity(),
        }

    def activity(self) -> dict[str, Reading]:
        """Shares of time that SMs, tensor cores and DRAM were active since the last call (GPM: Hopper and later)."""
        try:
            return self._activity()
        except self.library.NVMLError as error:
            return dict.fromkeys(_GPM_METRICS, Reading(None, _explain(error)))

    def _activity(self) -> dict[str, Reading]:
        library = self.library
        if not library.nvmlGpmQueryDeviceSupport(self.handle).isSupportedDevice:
            return dict.fromkeys(_GPM_METRICS, Reading(None, "this device has no GPM counters (Hopper and later do)"))
        sample = library.nvmlGpmSampleAlloc()
        library.nvmlGpmSampleGet(self.handle, sample)
        before, self._earlier = self._earlier, sample
        if before is None:
            return dict.fromkeys(_GPM_METRICS, Reading(None, "the first sample has none before it"))
        wanted = library.c_nvmlGpmMetricsGet_t()
        wanted.version = library.NVML_GPM_METRICS_GET_VERSION
        wanted.numMetrics = len(_GPM_METRICS)
        wanted.sample1, wanted.sample2 = before, sample
        for place, constant in enumerate(_GPM_METRICS.values()):
            wanted.metrics[place].metricId = getattr(library, constant)
        library.nvmlGpmMetricsGet(wanted)
        library.nvmlGpmSampleFree(before)
        return {
            name: self._metric(wanted.metrics[place]) for place, name in enumerate(_GPM_METRICS)
        }  # fmt: skip

    def _metric(self, metric: Any) -> Reading:
        if metric.nvmlReturn != self.library.NVML_SUCCESS:
            return Reading(None, _explain(self.library.NVMLError(metric.nvmlReturn)))
        return Reading(float(metric.value) / 100)

    def description(self) -> dict[str, Reading]:
        """What does not change while measuring."""
        library, handle = self.library, self.handle
        return {
            "name": self._ask(lambda: str(library.nvmlDeviceGetName(handle))),
            "memory_bytes": self._ask(lambda: int(library.nvmlDeviceGetMemoryInfo(handle).total)),
            "power_limit_w": self._ask(lambda: library.nvmlDeviceGetEnforcedPowerLimit(handle) / 1e3),
            "maximum_sm_mhz": self._ask(lambda: library.nvmlDeviceGetMaxClockInfo(handle, library.NVML_CLOCK_SM)),
            "is_mig": self._ask(lambda: int(library.nvmlDeviceIsMigDeviceHandle(handle))),
        }

    def counter_period_s(self, patience_s: float = 1.0) -> Reading:
        """How often the energy counter moves, by watching it."""
        moves: list[float] = []
        last = self.energy_j()
        if last.value is None:
            return last
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            now = self.energy_j()
            if now.value is not None and now.value != last.value:
                moves.append(time.monotonic())
                last = now
        if len(moves) < 3:
            return Reading(None, f"the counter moved {len(moves)} times in {patience_s:g} s")
        return Reading((moves[-1] - moves[0]) / (len(moves) - 1))
