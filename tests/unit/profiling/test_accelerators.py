"""The reviewed table of accelerators, and what it refuses."""

from __future__ import annotations

import re

import pytest

from profiling.accelerators import find, from_toml, table, validate
from profiling.errors import InvalidAccelerator, UnknownAccelerator, UnsupportedPrecision


def test_the_reviewed_table_holds_dense_decimal_figures_with_sources() -> None:
    assert len(table()) == 52
    assert {entry.kind for entry in table().values()} >= {"gpu", "tpu", "cpu"}
    for entry in table().values():
        assert validate(entry) is entry
        assert entry.source
    h200 = find("H200-SXM-141GB")
    assert (h200.peak("fp16"), h200.peak("fp8"), h200.bandwidth_bytes_per_s) == (989e12, 1979e12, 4.8e12)
    assert find("rtx a6000").peak("int8") == pytest.approx(309.7e12)
    assert find("A100-SXM4-80GB").usable_memory_bytes == pytest.approx(79.2 * 2**30)


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
