"""The roof of a device: peaks, bandwidths and formats that it offers to a precision, by the units an engine may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from profiling.devices.accelerators import Accelerator
from profiling.engines.table import Engine, product_rate, vector_rate
from profiling.models.stored import Group
from profiling.roofline.operators import Operator
from profiling.roofline.workload import Precision, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What a device offers to a precision; rates per second, each a number or an array."""

    product_peak: Values
    attention_peak: Values
    vector_peak: Values
    bandwidth: Values
    link: Values
    link_latency_s: Values = 0.0
    """Of one hop between nodes, beyond what is counted per call within one."""
    product_format: str = "fp16"
    attention_format: str = "fp16"
    cache_bytes: Values = 0.0
    """Last-level cache, 0 where unknown: activations up to that size need not come from memory."""
    achievable_matmul_fraction: float | None = None
    group_peaks: Mapping[Group, Values] = field(default_factory=dict)
    """Of groups of weights whose products run in another format than `product_format`."""
    group_formats: Mapping[Group, str] = field(default_factory=dict)
    group_efficiencies: Mapping[Group, float] = field(default_factory=dict)
    """Share of the peak that products of a group reach, where the engine's unit is not that of the format."""
    engine: str = ""
    """Name of the engine, whose own kernels may have been measured."""
    attention_efficiency: float | None = None
    """Share of the peak that attention over prompts reaches, where the engine does not use the matrix units for it."""

    def peak_of(self, operator: Operator) -> Values:
        """Operations per second for the unit the operator runs on."""
        if operator.unit == "product":
            return self.group_peaks.get(operator.group, self.product_peak)
        return self.attention_peak if operator.unit == "attention_product" else self.vector_peak

    def calibration_class(self, operator: Operator) -> str:
        """Name under which measurements are fitted: gemm_bf16, prefill_attention, expert_gemm_fp8@vllm."""
        if operator.operator_class in {"gemm", "expert_gemm"}:
            format_ = self.group_formats.get(operator.group, self.product_format)
            suffix = {"fp16": "bf16"}.get(format_, format_)
            own = f"@{self.engine}" if operator.operator_class == "expert_gemm" and self.engine else ""
            return f"{operator.operator_class}_{suffix}{own}"
        return EXCHANGE if operator.operator_class == "exchange" else operator.operator_class


EXCHANGE = "exchange@nccl"
"""Under what name a library's collectives are known, which engines of every kind exchange tokens of experts with."""


def roof_of(accelerator: Accelerator, precision: Precision, engine: Engine | None = None) -> Roof:
    """The roof of a device for single-valued bit widths, by the fastest units that the engine may use.

    Products of a stored format run in the format of its numbers where the device has it, else in fp16; otherwise in
    the narrowest format that holds both operands: W4A16 at the fp16 rate, W8A8 at that of fp8 or int8. Element by
    element work is bounded by the fp32 rate.

    Raises:
        UnsupportedPrecision: The device has no products that narrow.
    """
    product = product_format(accelerator, precision, "feed_forward")
    others = {group: product_format(accelerator, precision, group) for group in PRODUCT_GROUPS}
    others = {group: name for group, name in others.items() if name != product}
    attention = accelerator.format_for(float(precision.attention_bits))
    rates = {
        group: product_rate(engine, accelerator, others.get(group, product), float(precision.number_bits(group)))
        for group in PRODUCT_GROUPS
    }
    if precision.two_of_four and accelerator.computes_two_of_four:
        rates = {group: rate * (1 if group == "head" else 2) for group, rate in rates.items()}
    halves = [group for group in PRODUCT_GROUPS if others.get(group, product) == "fp16"]
    reached = {group: share for group in halves if (share := _reached(engine, precision, group)) is not None}
    return Roof(
        product_peak=rates["feed_forward"],
        group_efficiencies=reached,
        engine=engine.name if engine else "",
        attention_efficiency=attention_reached(engine, accelerator, attention),
        attention_peak=accelerator.peak(attention),
        vector_peak=accelerator.vector_peak,
        bandwidth=accelerator.bandwidth_bytes_per_s,
        link=accelerator.link_bytes_per_s or np.nan,
        product_format=product,
        attention_format=attention,
        cache_bytes=accelerator.last_level_cache_bytes or 0.0,
        achievable_matmul_fraction=accelerator.achievable_matmul_fraction,
        group_peaks={group: rate for group, rate in rates.items() if rate != rates["feed_forward"]},
        group_formats=others,
    )


def _reached(engine: Engine | None, precision: Precision, group: Group) -> float | None:
    """Share of its peak that an engine's 16-bit products of a group reach; None: as everywhere."""
    if engine is None:
        return None
    if engine.integer_products and float(precision.number_bits(group)) < 16:
        return engine.integer_efficiency
    return engine.half_efficiency


def attention_reached(engine: Engine | None, accelerator: Accelerator, attention: str) -> float | None:
    """Share of the peak of a format that an engine's attention over prompts reaches; None: as everywhere."""
    if engine is None or engine.vector_attention is None:
        return None
    return engine.vector_attention * vector_rate(accelerator) / accelerator.peak(attention)


PRODUCT_GROUPS: tuple[Group, ...] = ("feed_forward", "attention", "experts", "other", "head")
"""Groups of weights that matrix products read."""


def product_format(accelerator: Accelerator, precision: Precision, group: Group) -> str:
    """The format in which this device multiplies a group of weights.

    Raises:
        UnsupportedPrecision: No format is stated and the device has no products as narrow as the operands.
    """
    stated = precision.compute_of(group)
    if stated is None:
        return accelerator.format_for(float(precision.product_bits))
    return stated if stated in accelerator.peaks else accelerator.format_for(16)
