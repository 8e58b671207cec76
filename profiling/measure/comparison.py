"""Two bundles point by point: the ratio of medians, and whether it exceeds the noise of both."""

from __future__ import annotations

import math
from typing import Any

from profiling.measure.bundle import Bundle
from profiling.measure.point import OK

_SAME = (
    "model", "config_sha256", "stage", "batch", "context", "precision", "attention_kernel", "execution", "backend",
)  # fmt: skip
# Placement in memory and clocks move medians between runs by a little even on a quiet machine.
BETWEEN_RUNS = 0.02


def compare(first: Bundle, second: Bundle) -> list[dict[str, Any]]:
    """One row per point that both measured: ratio of second to first with an interval, and the verdict.

    The interval takes the half-widths of both medians' intervals, in logarithms, as independent, with 2 % for what
    differs between runs; `slower` or `faster` only where it leaves out 1 and neither was contended.
    """
    others = {tuple(point.get(name) for name in _SAME): point for point in second.final_points()}
    rows = []
    for point in first.final_points():
        other = others.get(tuple(point.get(name) for name in _SAME))
        if other is None or point["status"] != OK or other["status"] != OK:
            continue
        ratio = other["latency_s"] / point["latency_s"]
        parts = [_half_width(point), _half_width(other), math.log1p(BETWEEN_RUNS)]
        width = math.sqrt(sum(part**2 for part in parts))
        low, high = ratio * math.exp(-width), ratio * math.exp(width)
        contended = "contended" in (*point.get("flags", []), *other.get("flags", []))
        verdict = "slower" if low > 1 else "faster" if high < 1 else "no difference shown"
        rows.append(
            {
                **{name: point.get(name) for name in _SAME},
                "first_s": point["latency_s"], "second_s": other["latency_s"], "ratio": ratio, "ratio_low": low,
                "ratio_high": high, "verdict": "contended, not compared" if contended else verdict,
            }
        )  # fmt: skip
    return rows


def _half_width(point: dict[str, Any]) -> float:
    return math.log(point["latency_high_s"] / point["latency_low_s"]) / 2
