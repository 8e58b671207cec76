"""Shares of peak and bandwidth that operators reach where no calibration answers for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultEfficiency:
    """Shares of peak and bandwidth reached and a fixed time per kernel, for accelerators without calibration.

    Medians of fits to measured kernels of A100, H100, H200, B200, L40S and RTX PRO 6000 (research of this
    project: compute 0.55–0.78 in bf16 products, about 0.45 in attention; bandwidth 0.73–0.82; fixed time 1.4–6 µs
    for products, 8–18 µs for attention, of which captured graphs hide a part). Where the largest measured share of
    a device's matrix peak is known, 0.87 of it replaces the compute share: the median ratio on those devices.
    The interval is what those six devices and unknown engines span.
    """

    compute: float
    bandwidth: float
    fixed_s: float


DEFAULT_LOW, DEFAULT_HIGH = 0.65, 1.8
"""Ends of the interval of a default, as shares of its likely time."""


DEFAULTS: Mapping[str, DefaultEfficiency] = {
    "gemm": DefaultEfficiency(compute=0.72, bandwidth=0.78, fixed_s=2e-6),
    "expert_gemm": DefaultEfficiency(compute=0.55, bandwidth=0.70, fixed_s=8e-6),
    "prefill_attention": DefaultEfficiency(compute=0.45, bandwidth=0.78, fixed_s=8e-6),
    "decode_attention": DefaultEfficiency(compute=0.45, bandwidth=0.60, fixed_s=6e-6),
    # Not measured here: an indexer reads like decode attention, a state like an elementwise kernel.
    "index_scores": DefaultEfficiency(compute=0.45, bandwidth=0.60, fixed_s=6e-6),
    "state_update": DefaultEfficiency(compute=0.25, bandwidth=0.60, fixed_s=6e-6),
    "elementwise": DefaultEfficiency(compute=0.50, bandwidth=0.70, fixed_s=1e-6),
    "lookup": DefaultEfficiency(compute=0.50, bandwidth=0.50, fixed_s=2e-6),
    "communication": DefaultEfficiency(compute=1.0, bandwidth=0.75, fixed_s=1e-5),
    "exchange": DefaultEfficiency(compute=1.0, bandwidth=0.75, fixed_s=1e-5),
}

MATMUL_SHARE = 0.87
"""Of the largest measured share of a device's matrix peak, what products reach by default."""
