"""What drivers and system files say of a machine, read from what they print; sources in recorded/README.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from profiling.devices.device import GIB
from profiling.devices.here import parsers
from profiling.devices.here.bandwidth import read_bandwidth
from profiling.devices.here.look import Unavailable, look
from profiling.devices.here.machine import Gpu, Machine, Modules, Processor, known_devices

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> str:
    return (RECORDED / name).read_text("utf-8")


def answering(**printed: str) -> Callable[[list[str]], str]:
    """A machine on which only these commands are installed."""

    def run(command: list[str]) -> str:
        if command[0] not in printed:
            raise Unavailable(f"{command[0]} is not installed")
        return printed[command[0]]

    return run


def files(root: Path) -> Path:
    """System files of a machine without a graphics device."""
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(recorded("proc_cpuinfo_epyc.txt"))
    (root / "proc/meminfo").write_text(recorded("proc_meminfo.txt"))
    return root


def test_linux_with_nvidia_cards_is_read_from_the_driver_and_proc(tmp_path: Path) -> None:
    run = answering(**{"nvidia-smi": recorded("nvidia_smi_4090.csv"), "dmidecode": recorded("dmidecode_epyc.txt")})
    machine = look("Linux", run, files(tmp_path))
    cards = known_devices(machine)
    assert [card.device.name for card in cards[:4] if card.device] == ["RTX-4090"] * 4
    assert cards[0].device is not None
    assert cards[0].device.usable_memory_bytes == 24564 * 2**20
    assert machine.gpus[0].power_limit_w == 450
    assert (machine.processor.name, machine.processor.cores) == ("AMD EPYC", 2) if machine.processor else False
    assert machine.memory_bytes == 24684084 * 1024
    assert machine.modules is not None
    assert machine.modules.peak_bytes_per_s == 204.8e9
    # A bare brand is no processor: it is not guessed.
    assert cards[4].device is None
    assert "not in the table" in cards[4].note
    assert machine.not_found == (
        "Intel devices: lspci is not installed", "AMD devices: rocm-smi is not installed, and no files of amdgpu"
    )  # fmt: skip


def test_linux_with_a_radeon_is_read_from_rocm_or_from_the_files_of_its_driver(tmp_path: Path) -> None:
    machine = look("Linux", answering(**{"rocm-smi": recorded("rocm_smi_7900xt.json")}), files(tmp_path))
    card = known_devices(machine)[0].device
    assert card is not None
    assert (card.name, card.usable_memory_bytes) == ("RX-7900-XT-20GB", 21458059264)
    folder = tmp_path / "sys/class/drm/card1/device"
    folder.mkdir(parents=True)
    for name, text in {"vendor": "0x1002\n", "device": "0x744c\n", "mem_info_vram_total": "21458059264\n"}.items():
        (folder / name).write_text(text)
    (folder / "product_name").write_text("Navi 31 [Radeon RX 7900 XT]\n")
    same = known_devices(look("Linux", answering(), tmp_path))[0]
    assert same.device is not None
    assert (same.device.name, same.reported_by) == ("RX-7900-XT-20GB", "the files of amdgpu")


def test_shared_memory_is_that_of_the_machine() -> None:
    halo = parsers.rocm_smi(recorded("rocm_smi_strix_halo.json"))[0]
    assert (halo.name, halo.shares_memory) == ("AMD Radeon 8060S Graphics", True)
    spark = parsers.nvidia_smi(recorded("nvidia_smi_gb10.csv"))[0]
    assert (spark.memory_bytes, spark.shares_memory) == (None, True)


@pytest.mark.parametrize("gib", [0.5, 2, 96])  # as in signerless/llm-checker#75 and GpuZelenograd/memtest_vulkan#66
def test_what_firmware_gives_to_the_graphics_of_a_processor_is_memory_of_the_machine(gib: float) -> None:
    size = 125.3 * GIB
    gpu = Gpu(name="AMD Radeon 8060S Graphics", memory_bytes=gib * GIB, reported_by="rocm-smi", shares_memory=gib < 1)
    halo = known_devices(Machine(system="Linux", memory_bytes=size - gib * GIB, gpus=(gpu,)))[0].device
    assert halo is not None
    assert (halo.name, halo.reported_memory_bytes) == ("Ryzen-AI-Max+-395-128GB", size)
    assert halo.usable_memory_bytes >= gib * GIB


def test_cards_without_a_tool_of_their_maker_are_named_by_lspci(tmp_path: Path) -> None:
    # ilya-zlobintsev/LACT#890, and the name of pci.ids for three cards of one chip.
    amd = "03:00.0 VGA compatible controller: Advanced Micro Devices, Inc. [AMD/ATI] Navi 31"
    printed = (
        "29:00.0 VGA compatible controller: Intel Corporation Battlemage G21 [Arc B580] (prog-if 00 [VGA controller])\n"
        f"{amd} [Radeon RX 7900 XT/7900 XTX/7900 GRE/7900M] (rev c8)\n"
    )
    folder = tmp_path / "sys/devices/0000:03:00.0"
    folder.mkdir(parents=True)
    for name, text in {"vendor": "0x1002", "device": "0x744c", "mem_info_vram_total": "25753026560"}.items():
        (folder / name).write_text(text)
    (tmp_path / "sys/class/drm/card1").mkdir(parents=True)
    (tmp_path / "sys/class/drm/card1/device").symlink_to(folder)
    parts = known_devices(look("Linux", answering(lspci=printed), tmp_path))
    assert [part.device.name for part in parts if part.device] == ["Arc-B580-12GB", "RX-7900-XTX-24GB"]


def test_a_card_whose_driver_is_missing_is_named_by_lspci_and_one_without_a_name_is_said(tmp_path: Path) -> None:
    # Names of pci.ids as in public logs of hosts whose driver was not installed yet.
    printed = (
        "0000:42:00.0 3D controller: NVIDIA Corporation GP102GL [Tesla P40] (rev a1)\n"
        "0000:43:00.0 3D controller: NVIDIA Corporation GP102GL [Tesla P40] (rev a1)\n"
        "04:00.0 VGA compatible controller: Intel Corporation Battlemage G31 [Intel Graphics] (prog-if 00 [VGA])\n"
    )
    machine = look("Linux", answering(lspci=printed), tmp_path)
    assert [device.device.name for device in known_devices(machine) if device.device] == ["P40-24GB", "P40-24GB"]
    assert "which Arc it is: lspci says Intel Corporation Battlemage G31 [Intel Graphics]" in machine.not_found
    driven = look("Linux", answering(lspci=printed, **{"nvidia-smi": "Tesla P40, 24576, 250.00\n"}), tmp_path)
    assert [gpu.reported_by for gpu in driven.gpus] == ["nvidia-smi"]


def test_of_several_cards_on_one_chip_with_as_much_memory_the_others_are_said() -> None:
    gpu = Gpu(name="Radeon RX 9070/9070 XT/9070 GRE", memory_bytes=16 * GIB, reported_by="the files of amdgpu")
    parts = known_devices(Machine(system="Linux", gpus=(gpu,)))[0]
    assert (
        parts.note == "Radeon RX 9070/9070 XT/9070 GRE of this size is taken as RX-9070-16GB; others: RX-9070-XT-16GB"
    )


@pytest.mark.parametrize(
    ("name", "mib", "device"),
    [("NVIDIA B300 SXM6 AC", 275_040, "B300-SXM-288GB"), ("AMD Instinct MI325 OAM", 262_144, "MI325X-256GB"),
     ("NVIDIA GeForce RTX 2070 with Max-Q Design", 8192, "RTX-2070-Laptop-8GB"),
     # rocm-smi counts each die of the card, with half of its memory (docs.olcf.ornl.gov, Frontier user guide).
     ("AMD Instinct MI250X", 65_520, "MI250X-64GB (1 of 2 dies)"), ("NVIDIA L20X", 143_771, "H200-SXM-141GB")],
)  # fmt: skip
def test_names_that_drivers_print_mean_the_device(name: str, mib: int, device: str) -> None:
    parts = known_devices(Machine(system="Linux", gpus=(Gpu(name=name, memory_bytes=mib * 2**20, reported_by=""),)))
    assert parts[0].device is not None
    assert parts[0].device.name == device


def test_a_threadripper_is_found_by_what_proc_cpuinfo_calls_it() -> None:
    processor = Processor(name="AMD Ryzen Threadripper PRO 7995WX 96-Cores", cores=96)
    parts = known_devices(Machine(system="Linux", processor=processor))[0].device
    assert parts is not None
    assert parts.name == "Threadripper-PRO-7995WX (DDR5-5200)"


def test_a_chip_of_firmware_is_no_module_of_memory() -> None:
    # As a board of 2013 lists it beside its modules: 16 MB of flash at 33 MT/s.
    flash = "Memory Device\n\tData Width: 8 bits\n\tSize: 16 MB\n\tType: Flash\n\tSpeed: 33 MT/s\n"
    module = "Memory Device\n\tData Width: 64 bits\n\tSize: 8192 MB\n\tType: DDR3\n\tSpeed: 1600 MT/s\n"
    assert parsers.dmidecode(2 * module + flash) == Modules(count=2, mega_transfers_per_s=1600, bits=128)


def test_soldered_chips_are_as_wide_as_the_firmware_says() -> None:
    # cyring/CoreFreq#561: a Ryzen AI Max+ 395; strizhechenko/netutils-linux#210 states its clock in MHz.
    soldered = "Memory Device\n\tData Width: 32 bits\n\tSize: 16 GB\n\tConfigured Memory Speed: 8000 MT/s\n"
    modules = parsers.dmidecode(8 * soldered)
    assert modules is not None
    assert modules.peak_bytes_per_s == 256e9
    older = "Memory Device\n\tData Width: 64 bits\n\tSize: 4096 MB\n\tConfigured Clock Speed: 1067 MHz\n"
    assert parsers.dmidecode(older) == Modules(count=1, mega_transfers_per_s=1067, bits=64)


def test_macos_is_read_from_system_profiler_and_a_raised_limit_is_respected() -> None:
    printed = {"system_profiler": recorded("system_profiler_m3_pro.json"), "sysctl": "0\n"}
    machine = look("Darwin", answering(**printed))
    mac = known_devices(machine)[0].device
    assert mac is not None
    assert mac.name == "Apple-M3-Pro-18core-36GB"
    assert mac.usable_memory_bytes == pytest.approx(0.67 * 36 * GIB)
    raised = known_devices(look("Darwin", answering(**{**printed, "sysctl": "32768\n"})))[0].device
    assert raised is not None
    assert raised.usable_memory_bytes == pytest.approx(32 * GIB)


def test_windows_is_read_from_the_registry_where_wmi_ends_at_four_gigabytes() -> None:
    machine = look("Windows", answering(powershell=recorded("powershell_7900xtx.json")))
    assert [gpu.name for gpu in machine.gpus] == ["AMD Radeon RX 7900 XTX", "AMD Radeon(TM) Graphics"]
    card = known_devices(machine)[0].device
    assert card is not None
    assert (card.name, card.usable_memory_bytes) == ("RX-7900-XTX-24GB", 25753026560)
    processor = known_devices(machine)[-1].device
    assert processor is not None
    assert processor.name.startswith("Ryzen-9-7950X")
    assert processor.bandwidth_bytes_per_s == 96e9
    assert "NVIDIA devices: nvidia-smi is not installed" in machine.not_found


def test_what_a_machine_does_not_tell_is_said(tmp_path: Path) -> None:
    bare = look("Linux", answering(), tmp_path)
    assert known_devices(bare) == ()
    assert {line.split(":")[0] for line in bare.not_found} == {
        "NVIDIA devices", "Intel devices", "AMD devices", "memory modules", "the processor", "the memory",
    }  # fmt: skip
    assert look("Darwin", answering()).not_found == ("anything: system_profiler is not installed",)
    for text in ("", "[]", "{", "card0, 1, 2", '{"SPHardwareDataType": 3}'):
        with pytest.raises(parsers.UnreadableOutput):
            parsers.system_profiler(text)
    assert parsers.nvidia_smi("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.") == ()


def test_bandwidth_is_measured_with_small_arrays_too() -> None:
    measured = read_bandwidth(seconds=0.01, threads=1, buffer_bytes=1 << 20)
    assert measured.rounds >= 3
    assert measured.median_bytes_per_s > 1e8


def _found(name: str, size_gib: float | None, processor: str, memory_gib: float, *, shares: bool) -> tuple[str, str]:
    """The table's name for a device as a driver names it, and the note beside."""
    gpu = Gpu(name=name, memory_bytes=size_gib and size_gib * GIB, reported_by="a driver", shares_memory=shares)
    machine = Machine(system="Linux", memory_bytes=memory_gib * GIB, processor=Processor(name=processor), gpus=(gpu,))
    found = known_devices(machine)[0]
    return (found.device.name if found.device else ""), found.note


def test_graphics_under_a_brand_alone_are_those_of_the_processor_and_never_a_card() -> None:
    # A Core Ultra 7 155H with 32 GB was taken for an Arc Pro B70, which has 32 GB at 608 GB/s.
    name, note = _found("Intel(R) Arc(TM) Graphics", 0.125, "Intel(R) Core(TM) Ultra 7 155H", 31.5, shares=True)
    assert (name, note) == ("", "Intel(R) Arc(TM) Graphics is part of a processor that is not in the table of devices")
    hx370 = _found("AMD Radeon(TM) Graphics", 0.5, "AMD Ryzen AI 9 HX 370 w/ Radeon 890M", 62, shares=True)
    assert hx370[0] == "Ryzen-AI-9-HX-370 (Radeon-890M)"
    halo = "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S"
    assert _found("AMD Radeon Graphics", 0.5, halo, 124, shares=True)[0] == "Ryzen-AI-Max+-395-128GB"
    assert _found("AMD Radeon Graphics", 96, halo, 31, shares=False)[0] == "Ryzen-AI-Max+-395-128GB"
    snapdragon = "Snapdragon(R) X Elite - X1E80100 - Qualcomm(R) Oryon(TM) CPU"
    name, note = _found("Qualcomm(R) Adreno(TM) X1-85 GPU", 0.125, snapdragon, 31.5, shares=True)
    assert name == "Snapdragon-X-Plus-X1P-64 (Adreno X1-85)"
    assert "which computes least of Snapdragon-X-Elite-X1E-84 (Adreno X1-85)" in note
    assert _found("AMD Radeon Graphics", 16, "AMD Ryzen 9 7950X 16-Core Processor", 62, shares=False)[0] == ""


def test_a_card_that_is_passed_whole_to_a_virtual_machine_is_that_card() -> None:
    printed = '{"card0": {"Card Series": "AMD Instinct MI300X VF", "VRAM Total Memory (B)": "206141652992"}}'
    found = known_devices(Machine(system="Linux", gpus=parsers.rocm_smi(printed)))
    assert [each.device.name for each in found if each.device] == ["MI300X-192GB"]


def test_a_virtual_machine_without_a_card_has_none_and_shared_memory_in_a_name_is_not_its_size() -> None:
    adapters = ("Microsoft Hyper-V Video", "DisplayLink USB Device", "VMware SVGA 3D", "ASPEED Graphics Family(WDDM)")
    printed = json.dumps({"gpus": [{"Name": name, "AdapterRAM": None} for name in adapters]})
    assert parsers.windows(printed)[3] == ()
    name, _ = _found("Intel(R) Arc(TM) 140V GPU (16GB)", 0.125, "Intel(R) Core(TM) Ultra 7 258V", 31.5, shares=True)
    assert name == "Core-Ultra-258V (Arc-140V, Lunar-Lake)"
