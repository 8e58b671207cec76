"""Devices by the names that people, shops and drivers use."""

from __future__ import annotations

import pytest

from profiling.devices.accelerators import GIB
from profiling.devices.fleet import Fleet
from profiling.devices.names import resolve_device, words
from profiling.devices.table import table
from profiling.errors import InvalidAccelerator, InvalidWorkload, UnknownAccelerator


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("4090", "RTX-4090"),
        ("rtx 4090 laptop", "RTX-4090-Laptop-16GB"),
        ("m3 max 64gb", "Apple-M3-Max-40core-64GB"),
        ("rtx4090", "RTX-4090"),
        ("3080ti", "RTX-3080-Ti-12GB"),
        ("4080super", "RTX-4080-SUPER-16GB"),
        ("7900xtx", "RX-7900-XTX-24GB"),
        ("3060 12 GB", "RTX-3060-12GB"),
        ("4090 48gb", "RTX-4090-48GB-mod"),
        ("m4 pro 24gb 16-core", "Apple-M4-Pro-16core-24GB"),
        ("strix halo 128gb", "Ryzen-AI-Max+-395-128GB"),
        ("dgx spark", "DGX-Spark-GB10-128GB"),
        ("a6000", "RTX-A6000"),
        ("6000 ada", "RTX-6000-Ada"),
        ("h100 sxm", "H100-SXM5-80GB"),
        ("4080s", "RTX-4080-SUPER-16GB"),
        ("4090m", "RTX-4090-Laptop-16GB"),
        ("macbook pro m4 max 64gb", "Apple-M4-Max-40core-64GB"),
        ("intel core ultra 7 258v", "Core-Ultra-258V (Arc-140V, Lunar-Lake)"),
        ("modded 4090 48gb", "RTX-4090-48GB-mod"),
        # As nvidia-smi, rocm-smi and /proc/cpuinfo call them.
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "RTX-4090-Laptop-16GB"),
        ("NVIDIA H100 80GB HBM3", "H100-SXM5-80GB"),
        ("NVIDIA H100 PCIe", "H100-PCIe-80GB"),
        ("3060 12", "RTX-3060-12GB"),
        ("strix halo 128", "Ryzen-AI-Max+-395-128GB"),
        ("jetson orin nano", "Jetson-Orin-Nano-Super-8GB"),
        ("asus ascent gx10", "DGX-Spark-GB10-128GB"),
        ("trillium", "TPU-v6e"),
        ("AMD Instinct MI300X OAM", "MI300X-192GB"),
        ("NVIDIA A100-SXM4-80GB", "A100-SXM4-80GB"),
        ("Tesla V100-SXM2-32GB", "V100-SXM2-32GB"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX-PRO-6000-Blackwell"),
        ("AMD Radeon RX 7900 XTX", "RX-7900-XTX-24GB"),
        ("AMD Instinct MI300X", "MI300X-192GB"),
        ("Intel(R) Arc(TM) A770 Graphics", "Arc-A770-16GB"),
        ("AMD EPYC 7763 64-Core Processor", "EPYC-7763 (DDR4-3200)"),
        ("13th Gen Intel(R) Core(TM) i9-13900K", "i9-13900K"),
        ("RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000-Blackwell-Server-96GB"),
        ("Intel Gaudi 3", "Gaudi3"),
        ("MI 300X", "MI300X-192GB"),
        ("mtt s80", "MTT-S80-16GB"),
        ("m4 pro mac mini 24gb 20-core", "Apple-M4-Pro-20core-24GB"),
        ("MTT S4000", "MTT-S4000-48GB"),
        ("AMD Radeon RX 7900 XTX (RADV NAVI31)", "RX-7900-XTX-24GB"),
        ("Intel(R) Arc(tm) B580 Graphics (BMG G21)", "Arc-B580-12GB"),
        ("NVIDIA GH200 480GB", "GH200-96GB"),
        ("NVIDIA Jetson AGX Orin Developer Kit", "Jetson-AGX-Orin-64GB"),
        ("minisforum ms-s1 max 128gb", "Ryzen-AI-Max+-395-128GB"),
        ("jetson t5000", "Jetson-AGX-Thor-128GB"),
        ("runpod a40", "A40"),
        ("trn2", "Trainium2"),
        ("RTX 4090 24GB VRAM", "RTX-4090"),
        ("MacBook Pro 16 M3 Max 64GB", "Apple-M3-Max-40core-64GB"),
        # Older cards, and those of laptops that a letter alone tells apart.
        ("1660s", "GTX-1660-SUPER-6GB"),
        ("NVIDIA GeForce GTX 1660 Ti", "GTX-1660-Ti-6GB"),
        ("gtx 1080", "GTX-1080-8GB"),
        ("AMD Radeon RX 580 Series", "RX-580-8GB"),
        ("tesla m40 24gb", "M40-24GB"),
        ("Radeon Pro W6800", "Radeon-PRO-W6800-32GB"),
        ("5090d", "RTX-5090-D-32GB"),
        ("rx 6700", "RX-6700-10GB"),
        ("rx 7600s", "RX-7600S-8GB"),
        ("rx 6800m", "RX-6800M-12GB"),
        ("quadro rtx 5000", "Quadro-RTX-5000-16GB"),
        ("Intel(R) Xeon(R) CPU E5-2680 v4 @ 2.40GHz", "Xeon-E5-2680v4 (DDR4-2400)"),
        ("AMD Ryzen 5 5600X 6-Core Processor", "Ryzen-5-5600X (DDR4-3200)"),
        ("12th Gen Intel(R) Core(TM) i5-12400F", "Core-i5-12400 (DDR5-4800)"),
        ("rog ally x", "Ryzen-7-8840U (Radeon-780M)"),
        ("hx 370 64gb", "Ryzen-AI-9-HX-370 (Radeon-890M) 64GB"),
        # Processors for one socket and for one cloud, a board that NVIDIA names nowhere, one die of two, mining cards.
        ("AMD EPYC 7302P 16-Core Processor", "EPYC-7302 (DDR4-3200)"),
        ("AMD EPYC 9B14 96-Core Processor", "EPYC-9654 (1 socket)"),
        ("Intel(R) Xeon(R) Platinum 8480C", "Xeon-8480+ (1 socket)"),
        ("NVIDIA L20X", "H200-SXM-141GB"),
        ("one MI250X die", "MI250X-64GB (1 of 2 dies)"),
        ("NVIDIA DRIVE-PG199-PROD", "DRIVE-PG199-32GB"),
        ("cmp 170hx 8gb", "CMP-170HX-8GB"),
        ("12th Gen Intel(R) Core(TM) i7-12700H", "Core-i7-12700H (DDR5-4800)"),
        ("ryzen 9 9950x3d", "Ryzen-9-9950X3D (DDR5-5600)"),
        ("h200-sxm-141", "H200-SXM-141GB"),
    ],
)
def test_a_device_is_found_by_what_it_is_called(text: str, meant: str) -> None:
    assert [(device.name, count) for device, count in resolve_device(text).devices] == [(meant, 1)]


def test_every_name_of_the_table_means_itself() -> None:
    for name in table():
        assert [device.name for device, _ in resolve_device(name).devices] == [name]
        assert words(name) == words(f"{name} "), "its name is another's nickname"


def test_numbers_and_mixed_sets_are_understood() -> None:
    def named(text: str) -> list[tuple[str, int]]:
        return [(device.name, count) for device, count in resolve_device(text).devices]

    assert named("2x3090") == named("two 3090s") == named("3090 x2") == [("RTX-3090", 2)]
    assert named("8xH100") == [("H100-SXM5-80GB", 8)]
    assert named("3090 + 3060") == [("RTX-3090", 1), ("RTX-3060-12GB", 1)]
    assert "others: RTX-3060-8GB" in resolve_device("3090 + 3060").note
    pair = resolve_device("3090 + 3060").fleet
    assert pair.is_mixed
    assert pair.name == "RTX-3090 + RTX-3060-12GB"
    assert pair.usable_memory_bytes == pytest.approx((23.69 + 11.75) * GIB)
    assert sum(pair.layer_shares()) == pytest.approx(1)
    assert pair.layer_shares()[0] == pytest.approx(23.69 / 35.44)
    assert pair.link_bytes_per_s == 32e9
    with pytest.raises(InvalidWorkload):
        Fleet(())


@pytest.mark.parametrize(
    ("text", "meant", "count"),
    [
        ("3090*2", "RTX-3090", 2),
        ("3090x2", "RTX-3090", 2),
        ("8 H100s", "H100-SXM5-80GB", 8),
        ("2 T4s", "T4", 2),
        ("8 L40S", "L40S", 8),  # its s is no plural
        ("two 4080s", "RTX-4080-16GB", 2),
        ("24 gb 3090", "RTX-3090", 1),
        ("2x8xH100", "H100-SXM5-80GB", 16),
        ("2 nodes of 8xH100", "H100-SXM5-80GB", 16),
        ("DGX H100", "H100-SXM5-80GB", 8),
        ("GB200 NVL72", "GB200-186GB", 72),
        ("v5litepod-8", "TPU-v5e", 8),
        ("tpu v5p-8", "TPU-v5p", 4),  # numbered by TensorCores, two of which are a chip
        ("2x dgx spark", "DGX-Spark-GB10-128GB", 2),
        # Instances as AWS, Google, Azure, Oracle and Lambda name them.
        ("p5.48xlarge", "H100-SXM5-80GB", 8),
        ("p4d.24xlarge", "A100-SXM4-40GB", 8),
        ("g6e.12xlarge", "L40S", 4),
        ("a2-ultragpu-1g", "A100-SXM4-80GB", 1),
        ("a3-ultragpu-8g", "H200-SXM-141GB", 8),
        ("g2-standard-96", "L4", 8),
        ("Standard_ND96isr_MI300X_v5", "MI300X-192GB", 8),
        ("Standard_NC40ads_H100_v5", "H100-NVL-94GB", 1),
        ("BM.GPU4.8", "A100-SXM4-40GB", 8),
        ("gpu_8x_h100_sxm5", "H100-SXM5-80GB", 8),
        ("kaggle 2xT4", "T4", 2),
        ("two 6800s", "RX-6800-16GB", 2),
        ("n1-standard-8 + 2x t4", "T4", 2),
        ("tpu v3-8", "TPU-v3", 4),
        ("trn1.32xlarge", "Trainium1", 16),
        ("Standard_ND40rs_v2", "V100-SXM2-32GB", 8),
        ("atlas 300i duo", "Ascend-310P-48GB (1 of 2 chips)", 2),
    ],
)
def test_systems_and_numbers_are_said_in_many_ways(text: str, meant: str, count: int) -> None:
    assert [(device.name, number) for device, number in resolve_device(text).devices] == [(meant, count)]


def test_memory_beside_the_cards_is_no_card_and_a_name_with_g_is_no_memory() -> None:
    assert (
        "'64gb ram' is memory of the machine beside its cards: --host-memory-gib 64"
        in resolve_device("4090 + 64gb ram").note
    )
    assert "--host-memory-gib 256" in resolve_device("4x4090 + 256GB").note
    # A Ryzen 5600G has no 5,600 GB.
    assert not any("5800X3D" in name for name in resolve_device("ryzen 5600g").candidates[:1])
    assert "could be" not in resolve_device("ryzen 5600g").note
    # Where nothing is spelled like it, nothing is offered.
    assert "nearest" not in resolve_device("rog ally").note


def test_an_ambiguous_name_lists_the_candidates_and_an_unknown_one_the_nearest() -> None:
    answer = resolve_device("H100")
    assert answer.devices == ()
    assert answer.candidates[:3] == ("H100-PCIe-80GB", "H100-SXM5-80GB", "H100-NVL-94GB")
    with pytest.raises(UnknownAccelerator, match="could be H100-PCIe-80GB, H100-SXM5-80GB, H100-NVL-94GB"):
        _ = answer.fleet
    assert resolve_device("4060 ti").candidates == ("RTX-4060-Ti-8GB", "RTX-4060-Ti-16GB")
    assert set(resolve_device("m3 max").candidates) == {name for name in table() if "M3-Max" in name}
    assert "no 'm3 max 72gb' with 72 GB; there are Apple-M3-Max" in resolve_device("m3 max 72gb").note
    assert "nearest: RTX-4090" in resolve_device("rtx 4091").note
    assert resolve_device("xyzzy").devices == ()
    # A card with Ti, SUPER or Laptop is not meant by a name without it; one number may be that of several generations.
    assert (resolve_device("rtx 3500 ada").devices, resolve_device("rtx 3500 ada").candidates) == (
        (), ("RTX-3500-Ada-Laptop-12GB",),
    )  # fmt: skip
    assert set(resolve_device("rtx 6000").candidates) == {"RTX-6000-Ada", "Quadro-RTX-6000-24GB"}
    assert "taken as RTX-4500-Ada-24GB; others: RTX-PRO-4500" in resolve_device("rtx 4500").note
    # Nothing is found by a part of a word.
    assert resolve_device("409").devices == ()


@pytest.mark.parametrize(
    ("text", "meant", "compute", "memory"),
    # Fractions as NVIDIA's MIG user guide lists them.
    [
        ("NVIDIA A100-SXM4-80GB MIG 3g.40gb", "A100-SXM4-80GB", 3 / 7, 4 / 8),
        ("A100 MIG 1g.5gb", "A100-SXM4-40GB", 1 / 7, 1 / 8),
        ("NVIDIA H200 MIG 3g.71gb", "H200-SXM-141GB", 3 / 7, 4 / 8),
        ("b200 1g.45gb", "B200-SXM-180GB", 1 / 7, 2 / 8),
        ("NVIDIA A30 MIG 2g.12gb", "A30", 2 / 4, 2 / 4),
    ],
)
def test_a_slice_of_a_card_has_its_share_of_compute_memory_and_bandwidth(
    text: str, meant: str, compute: float, memory: float
) -> None:
    ((part, count),) = resolve_device(text).devices
    card = table()[meant]
    assert (part.name.rsplit(" MIG ")[0], count, part.link_kind) == (meant, 1, "none")
    assert part.peak("fp16") == pytest.approx(card.peak("fp16") * compute)
    assert part.bandwidth_bytes_per_s == pytest.approx(card.bandwidth_bytes_per_s * memory)
    assert part.total_memory_bytes == pytest.approx(card.total_memory_bytes * memory)


def test_parts_that_cannot_be_and_memory_beside_a_card_are_named_in_a_sentence() -> None:
    ((share, _),) = resolve_device("GRID A100D-40C").devices
    assert (share.name, share.bandwidth_bytes_per_s) == ("A100-SXM4-80GB vGPU 40GB", 2039e9)
    assert "by turns" in resolve_device("GRID A100D-40C").note
    assert "cannot be divided so" in resolve_device("a100 mig 3g.30gb").note
    assert "cannot be divided so" in resolve_device("4090 mig 3g.12gb").note
    assert "name the card before it" in resolve_device("MIG 3g.40gb").note
    note = resolve_device("rtx 4090 with 64gb of ram").note
    assert note == "the 64 GB are memory of the machine: ask for 'rtx 4090' with --host-memory-gib 64"
    # What shares the machine's memory, or has no other, has it itself.
    own = [resolve_device(text).devices[0][0].name for text in ("m3 max with 64gb ram", "16gb ram i5-8250u")]
    assert own == ["Apple-M3-Max-40core-64GB", "Core-i5-8250U (DDR4-2400) 16GB"]


def test_a_processor_has_the_memory_that_was_put_into_it() -> None:
    device = resolve_device("epyc 7763 128gb").devices[0][0]
    assert device.usable_memory_bytes == pytest.approx(0.9 * 128 * GIB)
    assert device.bandwidth_bytes_per_s == 204.8e9


def test_any_other_device_is_described_in_a_line() -> None:
    device = resolve_device("other: 16 GB at 288 GB/s, 30 TFLOPS").devices[0][0]
    assert (device.memory_bytes, device.bandwidth_bytes_per_s, device.peak("fp16")) == (16e9, 288e9, 30e12)
    assert device.vector_peak == 15e12  # half of the rate in 16 bits, as the middle card has
    full = resolve_device("other: 96 GiB, 1.8 TB/s, fp16 250 TFLOPS, int8 1 POPS, link 64 GB/s, 600 W").devices[0][0]
    assert (full.usable_memory_bytes, full.bandwidth_bytes_per_s) == (96 * GIB, 1.8e12)
    assert (full.peak("int8"), full.link_bytes_per_s, full.power_w) == (1e15, 64e9, 600)
    unrated = resolve_device("other: 16 GB at 288 GB/s")
    assert "no rate was said" in unrated.note
    assert unrated.devices[0][0].peak("fp16") > 10e12
    with pytest.raises(InvalidAccelerator, match=r"does not say its bandwidth \(288 GB/s\); as \"other: 16 GB"):
        resolve_device("other: 16 GB, 30 TFLOPS")


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("3090 + other: 16 GB at 288 GB/s, 40 TFLOPS", [("RTX-3090", 1), ("16 GB at 288 GB/s, 40 TFLOPS", 1)]),
        ("other: 16 GB at 288 GB/s and 40 TFLOPS + 2x3090", [("16 GB at 288 GB/s and 40 TFLOPS", 1), ("RTX-3090", 2)]),
        ("2x other: 24 GB at 936 GB/s", [("24 GB at 936 GB/s", 2)]),
        ("other: 16 GB at 288 GB/s + 40 TFLOPS", [("16 GB at 288 GB/s + 40 TFLOPS", 1)]),
    ],
)
def test_devices_described_in_a_line_stand_beside_others_and_in_numbers(
    text: str, devices: list[tuple[str, int]]
) -> None:
    assert [(device.name, count) for device, count in resolve_device(text).devices] == devices


def test_a_word_of_many_devices_is_none_of_them() -> None:
    answer = resolve_device("rtx")
    assert not answer.devices
    assert "RTX-4090" in answer.candidates
    assert "alone is no device" in answer.note
    assert resolve_device("titan rtx").devices[0][0].name == "TITAN-RTX-24GB"


def test_a_server_of_which_only_the_memory_is_said_is_a_common_one_and_that_is_said() -> None:
    match = resolve_device("cpu server with 128 gb")
    ((device, count),) = match.devices
    assert (device.kind, count, device.memory_bytes) == ("cpu", 1, 128e9)
    assert "no processor is named" in match.note
    assert len(match.candidates) > 5
    assert not resolve_device("cpu").devices
    # Two processors of the table have the word in their names; neither is meant by it.
    bare = resolve_device("cpu 128 gb")
    assert "EPYC-9654 (1 socket)" in bare.candidates
    assert bare.note.endswith("add the word server.")
