"""The reviewed table of accelerators, and what it refuses."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from profiling.devices.accelerators import GIB, Accelerator, find, from_toml, grid_devices, table, validate
from profiling.devices.fleet import link_across
from profiling.engines.table import vector_rate
from profiling.errors import InvalidAccelerator, InvalidWorkload, UnknownAccelerator, UnsupportedPrecision


def reported_source(device: Accelerator) -> str:
    return device.extra.get("reported_memory_source", "")


def test_the_reviewed_table_holds_dense_decimal_figures_with_sources() -> None:
    assert len(table()) >= 311
    assert len(grid_devices()) == 52
    assert {entry.kind for entry in table().values()} == {"gpu", "igpu", "tpu", "cpu", "asic", "edge"}
    for entry in table().values():
        assert validate(entry, peaks_needed=False) is entry
        assert entry.source
        assert entry.memory_kind
        assert entry.link_kind
    h200 = find("H200-SXM-141GB")
    assert (h200.peak("fp16"), h200.peak("fp8"), h200.bandwidth_bytes_per_s) == (989e12, 1979e12, 4.8e12)
    assert find("rtx a6000").peak("int8") == pytest.approx(309.7e12)


def test_every_bandwidth_is_that_of_its_bus_and_every_peak_that_of_its_units_and_clock() -> None:
    checked = {"bus": 0, "units": 0, "slot": 0}
    for device in table().values():
        facts = device.extra
        if "bus_bits" in facts and "data_rate_gbps_per_pin" in facts:
            of_bus = float(facts["bus_bits"]) * float(facts["data_rate_gbps_per_pin"]) / 8 * 1e9
            assert device.bandwidth_bytes_per_s == pytest.approx(of_bus, rel=0.007), device.name
            checked["bus"] += 1
        if "units" in facts and "boost_mhz" in facts and "flop_per_unit_and_clock" in facts:
            per_s = float(facts["units"]) * float(facts["boost_mhz"]) * 1e6 * float(facts["flop_per_unit_and_clock"])
            assert device.peak("fp16") == pytest.approx(per_s, rel=0.013), device.name
            checked["units"] += 1
        slot = re.fullmatch(r"gen(\d) x(\d+)", facts.get("pcie", ""))
        if slot and device.link_kind == "pcie":
            lane = {1: 0.25e9, 3: 1e9, 4: 2e9, 5: 4e9}[int(slot[1])]  # cards made for mining are held to the first
            assert device.link_bytes_per_s == pytest.approx(int(slot[2]) * lane), device.name
            checked["slot"] += 1
    assert checked["bus"] > 280
    assert checked["units"] > 270
    assert checked["slot"] > 95


def test_figures_that_were_proven_wrong_are_mended() -> None:
    # Blackwell Ultra has hardly any int8; half of the Jetson headline is the DLAs'; a B200 reads 7.7 TB/s.
    assert (find("B300").peak("int8"), find("GB300").peak("int8")) == (153.5e12, 165e12)
    assert find("AGX Orin").peak("int8") == pytest.approx(85.2e12)
    assert find("Orin NX").peak("fp16") == pytest.approx(15.0e12)
    assert find("B200").bandwidth_bytes_per_s == 7.7e12
    # An unknown peak is unknown: it bounds nothing, instead of being the int8 rate.
    assert find("TPU-v5e").vector_peak == float("inf")
    # GeForce: 32-bit sums halve fp16, 16-bit sums and int8 do not.
    card = find("4090")
    assert (card.peak("fp16"), card.peaks_with_fp16_sums["fp16"], card.peak("int8")) == (165.2e12, 330.3e12, 660.6e12)
    # Where fp16 is a formality, 16-bit operands are multiplied in fp32.
    assert find("P40").format_for(16) == "fp32"


@pytest.mark.parametrize(
    ("name", "reported_gib"),
    # What engines and PyTorch printed in public out-of-memory reports.
    [
        ("RTX-3090", 23.69), ("RTX-5090", 31.37), ("A100-SXM4-40GB", 39.56), ("B200-SXM-180GB", 178.35),
        ("MI355X-288GB", 287.98), ("T4", 14.76), ("A100-SXM4-80GB", 79.25), ("L40S", 44.42), ("RTX-3060-12GB", 11.75),
        ("RTX-4060-8GB", 7.72), ("A30", 23.53), ("L40", 44.40), ("RTX-4090", 23.52),
    ],
)  # fmt: skip
def test_memory_is_what_the_device_reports(name: str, reported_gib: float) -> None:
    assert find(name).usable_memory_bytes / GIB == pytest.approx(reported_gib, rel=0.005)
    assert find(name).memory_basis == "as the device reports it"


def test_where_no_report_is_known_the_rule_of_those_that_are_holds_within_its_range() -> None:
    # The B300 is sold with 288 GB, of which its driver shows 288 decimal ones of as many binary.
    short = {"B300-SXM-288GB", "GB300-288GB"}
    measured = [
        device
        for device in table().values()
        if device.reported_memory_bytes and not device.unified_memory and device.name not in short
    ]
    assert len(measured) > 20
    for device in measured:
        unmeasured = replace(device, reported_memory_bytes=None)
        low, high = unmeasured.usable_memory_range_bytes
        assert low <= device.usable_memory_bytes <= high, device.name
        assert unmeasured.usable_memory_bytes == pytest.approx(device.usable_memory_bytes, rel=0.023), device.name
        assert "not measured" in unmeasured.memory_basis


def test_shared_memory_has_a_usable_share_and_says_how_to_raise_it() -> None:
    mac = find("m3 max 64gb")
    assert mac.unified_memory
    assert mac.usable_memory_bytes == pytest.approx(48 * GIB)  # 47 to 48 of 64 were seen (llama.cpp issue 1870)
    assert "iogpu.wired_limit_mb" in mac.raising_usable_memory
    halo = find("strix halo 128gb")
    assert halo.usable_memory_bytes == pytest.approx(64 * GIB)
    assert halo.usable_memory_range_bytes[1] == pytest.approx(0.97 * 128 * GIB)
    assert halo.with_usable_fraction(0.97).usable_memory_bytes == pytest.approx(0.97 * 128 * GIB)
    with pytest.raises(InvalidAccelerator, match=r"share of 1\.2 cannot be"):
        halo.with_usable_fraction(1.2)
    assert find("dgx spark").usable_memory_bytes == pytest.approx(0.92 * 119.7 * GIB)


def test_beyond_a_node_the_slower_link_counts_and_an_unknown_one_is_refused() -> None:
    h100 = find("H100-SXM5-80GB")
    assert link_across(h100, 8).bytes_per_s == 450e9
    across = link_across(h100, 16)
    # All eight ports of a node carry a reduction; four of its thirty steps cross the network.
    assert (across.bytes_per_s, across.nodes) == (400e9, 2)
    assert across.latency_s == pytest.approx(4 * 10e-6 + 26 * 0.6e-6)
    assert link_across(find("GB200"), 72).nodes == 1
    assert find("4090").is_pcie_only
    assert not h100.is_pcie_only
    with pytest.raises(InvalidWorkload, match="16 x L40S fill 2 nodes of 8, and the network between them is not known"):
        link_across(find("L40S"), 16)
    with pytest.raises(InvalidWorkload, match="cannot be joined"):
        link_across(find("m3 max 64gb"), 2)


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        # Figures found in public tools: sparse peaks of the L40S, H200 and H100, binary GB of the A100 and H800.
        ('["mine"]\nfp16_dense_tflops = 362\nfp8_dense_tflops = 1466', "4.05 times the fp16 peak"),
        ('["H200-SXM-141GB"]\nfp16_dense_tflops = 1979', "twice the reviewed dense one"),
        ('["h100 sxm5 80gb"]\nfp16_dense_tflops = 989\nfp8_dense_tflops = 3958', "structured sparsity"),
        (
            '["A100-SXM4-80GB"]\nfp16_dense_tflops = 312\nmemory_bandwidth_gb_per_s = 2189.3',
            "binary gigabytes",
        ),
        ('["H800-SXM5-80GB"]\nfp16_dense_tflops = 989\nmemory_bandwidth_gb_per_s = 3430.4', "binary"),
        ('["mine"]\nfp16_dense_tflops = -1', "fp16 peak of -1e+12 cannot be"),
        ('["mine"]\nfp16_tflops = 1', "unknown key 'fp16_tflops'; nearest: "),
    ],
)
def test_sparse_peaks_binary_gigabytes_and_absurd_figures_are_refused(figures: str, reason: str) -> None:
    text = figures if "bandwidth" in figures else figures + "\nmemory_bandwidth_gb_per_s = 3000"
    with pytest.raises(InvalidAccelerator, match=re.escape(reason)):
        from_toml(text + "\nmemory_gb = 80.5")


def test_a_user_defined_accelerator_is_read_from_toml() -> None:
    text = '["Mine"]\nfp16_dense_tflops = 500\nmemory_bandwidth_gb_per_s = 3000\nmemory_gb = 96\npower_w = 600'
    mine = from_toml(text)["Mine"]
    assert (mine.peak("fp16"), mine.memory_bytes, mine.source) == (5e14, 96e9, "user-defined")


def test_an_unknown_or_ambiguous_accelerator_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownAccelerator, match="nearest: H200-SXM-141GB"):
        find("H2000 SXM 141")
    with pytest.raises(UnknownAccelerator, match="could be H100-PCIe-80GB, H100-SXM5-80GB, H100-NVL-94GB"):
        find("H100")
    assert find("A6000").name == "RTX-A6000"


def test_a_precision_that_an_accelerator_lacks_is_refused_with_those_it_has() -> None:
    assert find("A100-SXM4-80GB").format_for(8) == "int8"
    assert find("H200").format_for(8) == "fp8"
    with pytest.raises(UnsupportedPrecision, match=r"H200-SXM-141GB has no 4-bit products.*fp8"):
        find("H200").format_for(4)
    with pytest.raises(UnsupportedPrecision, match="A100-SXM4-80GB has no fp8 peak; it computes in fp32, tf32"):
        find("A100-SXM4-80GB").peak("fp8")


def test_no_row_rests_on_memory() -> None:
    for device in table().values():
        assert "recall" not in " ".join((device.source, *map(str, device.extra.values()))), device.name


@pytest.mark.parametrize(
    ("name", "reported_gib"),
    [
        ("A10", 22.06), ("A10G-24GB", 22.06), ("A40", 44.34), ("H20-96GB", 95.09), ("H200-SXM-141GB", 139.8),
        ("B300-SXM-288GB", 267.69), ("GB300-288GB", 276.5), ("RTX-PRO-6000-Blackwell", 94.97),
    ],
)  # fmt: skip
def test_memory_that_public_reports_print_is_what_fits(name: str, reported_gib: float) -> None:
    device = find(name)
    assert device.usable_memory_bytes == pytest.approx(reported_gib * GIB)
    assert reported_source(device).startswith("PyTorch")


def test_a_device_without_a_known_peak_is_answered_for_by_its_memory_alone() -> None:
    mined = find("cmp 50hx")
    assert (mined.bandwidth_bytes_per_s, mined.memory_bytes, mined.peaks) == (560e9, 10e9, {})
    with pytest.raises(UnsupportedPrecision, match="CMP-50HX-10GB: none of its peaks is known"):
        vector_rate(mined)
    assert find("mtt s5000").peak("fp8") == 1e15
