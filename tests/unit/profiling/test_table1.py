"""Table 1 of the published analysis against ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiling.roofline.table1 import Line, as_markdown, as_printed, reconciliation

LINES = reconciliation()


def test_weights_kv_memory_traffic_and_time_equal_the_printed_digits() -> None:
    equal = {(line.bits, line.metric) for line in LINES if line.equal_as_printed}
    for bits in (16, 8):
        for metric in ("weight_bytes", "kv_read_bytes", "kv_write_bytes", "bytes_moved", "time_s", "memory_kv_bytes"):
            assert (bits, metric) in equal
    printed = {(line.bits, line.metric): as_printed(line.ours) for line in LINES}
    assert (printed[16, "time_s"], printed[8, "time_s"]) == ("17.9m", "9.0m")
    assert (printed[16, "weight_bytes"], printed[16, "bytes_moved"]) == ("13.2G", "13.8G")


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.metric}-{line.bits}")
def test_every_difference_is_the_sum_of_its_named_terms(line: Line) -> None:
    explained = sum(term.amount for term in line.terms)
    assert line.ours - line.published - explained == pytest.approx(0, abs=1e-12 if line.metric == "time_s" else 1e-6)
    assert as_printed(line.published) == line.printed


def test_the_document_shows_these_numbers() -> None:
    assert (Path(__file__).parents[3] / "docs" / "table1.md").read_text(encoding="utf-8") == as_markdown()
