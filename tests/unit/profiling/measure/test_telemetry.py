"""Telemetry against a driver library that we wrote in C's place: the real binding runs, errors and all.

These tests prove how answers are handled, not NVIDIA's numbers: no device was measured.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profiling.measure import gates
from profiling.measure.telemetry.energy import Rapl, processor_energy, system_power_w
from profiling.measure.telemetry.nvml import NoNvml, Nvml
from profiling.measure.telemetry.processor import Processor
from profiling.measure.telemetry.readings import Reading, energy_between, flat

pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is in the extra 'profiling'")

UUID = "GPU-0"


class Driver:
    """C entry points of NVML: each takes what the binding passes, fills what it points to, returns a code."""

    def __init__(self, **scenario: Any) -> None:
        self.answers = {"energy_mj": 5_000_000, "power_mw": 350_000, "mask": 0, "gpm": True, **scenario}
        self.missing = set(scenario.get("missing", ()))
        self.refused: dict[str, int] = scenario.get("refused", {})
        self.calls = 0

    def __getattr__(self, name: str) -> Callable[..., int]:
        if name in self.missing or not name.startswith("nvml"):
            raise AttributeError(name)
        code = self.refused.get(name)
        if code is not None:
            return lambda *_: code
        method = getattr(type(self), f"_{name.removesuffix('_v2')}", None)
        if method is None:
            raise AttributeError(name)
        return lambda *arguments: method(self, *arguments) or 0

    def _nvmlInitWithFlags(self, _flags: Any) -> None: ...  # noqa: N802 - NVML's names

    def _nvmlShutdown(self) -> None: ...  # noqa: N802

    def _nvmlSystemGetDriverVersion(self, buffer: Any, _size: Any) -> None:  # noqa: N802
        buffer.value = b"570.00"

    def _nvmlDeviceGetHandleByUUID(self, uuid: Any, _out: Any) -> int:  # noqa: N802
        text = uuid.value if hasattr(uuid, "value") else uuid
        return 0 if text == UUID.encode() else int(pynvml.NVML_ERROR_NOT_FOUND)

    def _nvmlDeviceGetTotalEnergyConsumption(self, _handle: Any, out: Any) -> None:  # noqa: N802
        self.answers["energy_mj"] += self.answers.get("step_mj", 0)
        out._obj.value = self.answers["energy_mj"]

    def _nvmlDeviceGetPowerUsage(self, _handle: Any, out: Any) -> None:  # noqa: N802
        out._obj.value = self.answers["power_mw"]

    def _nvmlDeviceGetFieldValues(self, _handle: Any, _count: Any, values: Any) -> None:  # noqa: N802
        array = ctypes.cast(values, ctypes.POINTER(pynvml.c_nvmlFieldValue_t))
        array[0].nvmlReturn = self.answers.get("field_code", pynvml.NVML_ERROR_NOT_SUPPORTED)
        array[0].value.uiVal = 351_000

    def _nvmlDeviceGetClockInfo(self, _handle: Any, kind: Any, out: Any) -> None:  # noqa: N802
        out._obj.value = 1980 if getattr(kind, "value", kind) == pynvml.NVML_CLOCK_SM else 2619

    def _nvmlDeviceGetTemperature(self, _handle: Any, _kind: Any, out: Any) -> None:  # noqa: N802
        out._obj.value = 60

    def _nvmlDeviceGetUtilizationRates(self, _handle: Any, out: Any) -> None:  # noqa: N802
        out._obj.gpu = 97

    def _nvmlDeviceGetCurrentClocksThrottleReasons(self, _handle: Any, out: Any) -> None:  # noqa: N802
        out._obj.value = self.answers["mask"]

    def _nvmlDeviceGetMemoryInfo(self, _handle: Any, out: Any) -> None:  # noqa: N802
        out._obj.total, out._obj.used = 1 << 37, 1 << 30

    def _nvmlGpmQueryDeviceSupport(self, _handle: Any, out: Any) -> None:  # noqa: N802
        out._obj.isSupportedDevice = int(self.answers["gpm"])

    def _nvmlGpmSampleAlloc(self, _out: Any) -> None:  # noqa: N802
        self.calls += 1

    def _nvmlGpmSampleFree(self, _sample: Any) -> None:  # noqa: N802
        self.calls -= 1

    def _nvmlGpmSampleGet(self, _handle: Any, _sample: Any) -> None: ...  # noqa: N802

    def _nvmlGpmMetricsGet(self, out: Any) -> None:  # noqa: N802
        wanted = out._obj
        for place in range(wanted.numMetrics):
            wanted.metrics[place].nvmlReturn = 0
            wanted.metrics[place].value = 25.0


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Driver]:
    def install(**scenario: Any) -> Driver:
        made = Driver(**scenario)
        monkeypatch.setattr(pynvml, "nvmlLib", made)
        monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
        return made

    return install


def test_every_quantity_is_read_in_our_units(driver: Callable[..., Driver]) -> None:
    made = driver()
    nvml = Nvml()
    device = nvml.device(UUID)
    assert device.sample()["tensor_share"].why == "the first sample has none before it"
    row = flat(device.sample())
    assert {name: value for name, value in row.items() if not name.endswith("_why")} == {
        "power_w": 350.0, "energy_j": 5000.0, "sm_mhz": 1980, "memory_mhz": 2619, "temperature_c": 60,
        "utilisation_share": 0.97, "throttle_mask": 0, "memory_used_bytes": 1 << 30, "sm_share": 0.25,
        "tensor_share": 0.25, "dram_share": 0.25,
    }  # fmt: skip
    assert made.calls == 1  # of the samples only the last is kept
    assert nvml.driver() == Reading("570.00")
    nvml.close()


def test_power_now_is_preferred_to_an_average_where_the_driver_tells_it(driver: Callable[..., Driver]) -> None:
    driver(field_code=0)
    assert Nvml().device(UUID).power_w() == Reading(351.0)


@pytest.mark.parametrize(
    ("scenario", "name", "why"),
    [
        ({"refused": {"nvmlDeviceGetUtilizationRates": 3}}, "utilisation_share", "not supported by this device"),
        ({"refused": {"nvmlDeviceGetTotalEnergyConsumption": 4}}, "energy_j", "needs a permission"),
        ({"missing": {"nvmlDeviceGetTemperature"}}, "temperature_c", "the driver is too old to report it"),
        ({"refused": {"nvmlDeviceGetClockInfo": 15}}, "sm_mhz", "fallen off the bus"),
        ({"gpm": False}, "dram_share", "no GPM counters"),
        ({"missing": {"nvmlGpmQueryDeviceSupport"}}, "tensor_share", "too old"),
    ],
)
def test_what_the_driver_does_not_tell_is_null_with_its_reason_and_the_rest_is_read(
    driver: Callable[..., Driver], scenario: dict[str, Any], name: str, why: str
) -> None:
    driver(**scenario)
    reading = Nvml().device(UUID).sample()
    assert reading[name].value is None
    assert why in str(reading[name].why)
    assert reading["power_w"].value == 350.0


@pytest.mark.parametrize(
    ("code", "words"),
    [(9, "driver is not loaded"), (18, "differ in version"), (12, "no NVIDIA driver library")],
)
def test_a_driver_that_cannot_be_opened_says_why(driver: Callable[..., Driver], code: int, words: str) -> None:
    driver(refused={"nvmlInitWithFlags": code})
    with pytest.raises(NoNvml, match=words):
        Nvml()


def test_a_device_that_is_not_there_says_so(driver: Callable[..., Driver]) -> None:
    driver()
    with pytest.raises(NoNvml, match="no such device"):
        Nvml().device("GPU-elsewhere")


@pytest.mark.parametrize(
    ("before", "after", "joules", "why"),
    [
        (Reading(10.0), Reading(25.0), 15.0, None),
        (Reading(10.0), Reading(10.0), None, "shorter than the counter's update"),
        (Reading(10.0), Reading(1.0), None, "was reset"),
        (Reading(None, "no permission"), Reading(1.0), None, "no permission"),
    ],
)
def test_energy_is_a_difference_or_a_reason_and_never_zero(
    before: Reading, after: Reading, joules: float | None, why: str | None
) -> None:
    reading = energy_between(before, after, 2.0, "counter")
    assert reading.joules == joules
    assert (why is None) == (reading.why is None)
    assert why is None or why in str(reading.why)


def test_a_counter_that_wraps_is_unwrapped(tmp_path: Path) -> None:
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    (package / "max_energy_range_uj").write_text("1000000")
    (package / "energy_uj").write_text("900000")
    rapl = Rapl(tmp_path)
    before = rapl.energy_j()
    (package / "energy_uj").write_text("100000")
    reading = energy_between(before, rapl.energy_j(), 2.0, "rapl", rapl.wraps_at_j())
    assert reading.joules == pytest.approx(0.2)
    assert Rapl(tmp_path / "none").energy_j().why == "this machine shows no RAPL counters (virtual machines rarely do)"


def tree(root: Path, files: dict[str, str]) -> Path:
    """A tree of sysfs, in the layout that the kernel documents."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def test_amd_sockets_are_summed_where_rapl_cannot_be_read_and_cores_are_parts_of_them(tmp_path: Path) -> None:
    # Documentation/hwmon/amd_energy.rst: cores first, then sockets, in microjoules.
    hwmon = tree(
        tmp_path,
        {
            "hwmon0/name": "k10temp", "hwmon0/temp1_input": "41000",
            "hwmon1/name": "amd_energy",
            "hwmon1/energy1_label": "Ecore000", "hwmon1/energy1_input": "7000000",
            "hwmon1/energy2_label": "Ecore001", "hwmon1/energy2_input": "8000000",
            "hwmon1/energy3_label": "Esocket0", "hwmon1/energy3_input": "30000000",
            "hwmon1/energy4_label": "Esocket1", "hwmon1/energy4_input": "20500000",
        },
    )  # fmt: skip
    counter = processor_energy(tmp_path / "no powercap", hwmon)
    assert (counter.method, counter.energy_j().value, counter.wraps_at_j()) == ("amd_energy counter", 50.5, None)
    powercap = tree(tmp_path / "cap", {"intel-rapl:0/energy_uj": "1", "intel-rapl:0:0/energy_uj": "1"})
    assert processor_energy(powercap, hwmon).method == "rapl counter"
    nothing = processor_energy(tmp_path / "no", tmp_path / "none")
    assert nothing.energy_j().why == "this machine shows no RAPL counters (virtual machines rarely do)"


@pytest.mark.parametrize(
    ("supplies", "expected"),
    [
        ({"BAT0/type": "Battery", "BAT0/status": "Discharging", "BAT0/power_now": "11250000"}, 11.25),
        (
            {"BAT0/type": "Battery", "BAT0/status": "Discharging", "BAT0/voltage_now": "12000000",
             "BAT0/current_now": "-1500000"},
            18.0,
        ),
        (
            {"BAT0/type": "Battery", "BAT0/status": "Discharging", "BAT0/power_now": "9000000",
             "BAT1/type": "Battery", "BAT1/status": "Not charging", "BAT1/power_now": "0", "AC/type": "Mains"},
            9.0,
        ),
        ({"BAT0/type": "Battery", "BAT0/status": "Charging", "BAT0/power_now": "30000000"}, "does not discharge"),
        ({"BAT0/type": "Battery", "BAT0/status": "Discharging", "BAT0/power_now": "0"}, "reports neither power"),
        ({"mouse/type": "Battery", "mouse/scope": "Device", "mouse/status": "Discharging"}, "has no battery"),
        ({"AC/type": "Mains"}, "has no battery"),
    ],
)  # fmt: skip
def test_a_battery_tells_the_power_of_the_whole_machine_only_while_it_discharges(
    tmp_path: Path, supplies: dict[str, str], expected: float | str
) -> None:
    # Documentation/ABI/testing/sysfs-class-power: microwatts, microvolts, microamperes, negative while discharging.
    reading = system_power_w(tree(tmp_path, supplies))
    if isinstance(expected, str):
        assert expected in str(reading.why)
    else:
        assert reading.value == expected


def test_the_processor_is_sampled_and_unknown_quantities_have_reasons() -> None:
    source = Processor()
    source.sample()
    row = flat(source.sample())
    assert row["load_1min"] >= 0
    assert row["memory_used_bytes"] > 0
    assert all(
        row[name] is not None or row[f"{name}_why"]
        for name in ("power_w", "energy_j", "system_power_w", "temperature_c")
    )


@pytest.mark.parametrize(
    ("point", "flags"),
    [
        ({"waiting_share": 0.0, "steal_share": 0.0, "latency_relative_iqr": 0.01, "latency_converged": True}, []),
        ({"waiting_share": 0.06}, ["contended"]),
        ({"steal_share": 0.5}, ["contended"]),
        ({"waiting_share": None}, []),
        ({"throttle_mask": 0x8}, ["throttled"]),
        ({"throttle_mask": 0x1}, []),  # idle
        ({"latency_relative_iqr": 0.11}, ["unstable"]),
        ({"latency_converged": False}, ["unstable"]),
        ({"energy_j": 1.0, "energy_window_s": 1.9}, ["short_energy_window"]),
        ({"energy_j": None, "energy_window_s": None}, []),
        ({"fraction_of_ceiling": 1.06}, ["above_roof"]),
        ({"layer_sum_ratio": 1.11}, ["layer_sum_gap"]),
        ({"layer_sum_ratio": 0.89, "is_emulated": True}, ["layer_sum_gap", "emulated"]),
        ({"clock_went_backwards": True}, ["clock_backwards"]),
    ],
)
def test_gates_flag_what_must_not_be_taken_at_its_word(point: dict[str, Any], flags: list[str]) -> None:
    assert gates.flags_of(point) == flags


def test_a_counter_that_goes_backwards_gives_no_share_instead_of_a_wrong_one() -> None:
    assert gates.share_between((10, 10), (20, 40), of_sum=True) == 0.75
    assert gates.share_between((10, 100), (20, 200), of_sum=False) == 0.1
    assert gates.share_between((10, 10), (5, 40), of_sum=True) is None
    assert gates.share_between(None, (5, 40), of_sum=True) is None
