"""The roof of a device: peaks, bandwidths and formats that it offers to a precision, by the units an engine may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import Accelerator
from profiling.engines.table import Engine, fastest_rate, opens_to_eight_bits, product_rate, vector_rate
from profiling.errors import UnsupportedPrecision
from profiling.models.stored import Group
from profiling.roofline.efficiency import DEFAULTS, MATMUL_SHARE
from profiling.roofline.operators import Operator
from profiling.roofline.workload import Precision, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """What a device offers to a precision; rates per second, each a number or an array."""

    product_peaks: Mapping[Group, Values]
    """Of products with weights of each group, which may run in different formats."""
    attention_peak: Values
    vector_peak: Values
    bandwidth: Values
    cache_bytes: Values
    """Last-level cache, 0 where unknown: activations up to that size need not come from memory."""
    product_efficiencies: Mapping[Group, Values]
    """Shares of those peaks that products reach by default."""
    attention_efficiency: Values
    """Share of its peak that attention over prompts reaches by default."""
    link: Values = np.nan
    """Between the devices of a split; NaN where unknown."""
    link_latency_s: Values = 0.0
    """Of one hop between nodes, beyond what is counted per call within one."""
    product_format: str = ""
    attention_format: str = ""
    group_formats: Mapping[Group, str] = field(default_factory=dict)
    """Of groups of weights whose products run in another format than `product_format`."""
    engine: str = ""
    """Name of the engine, whose own kernels may have been measured."""

    def peak_of(self, operator: Operator) -> Values:
        """Operations per second for the unit the operator runs on."""
        if operator.unit == "product":
            return self.product_peaks[operator.group]
        return self.attention_peak if operator.unit == "attention_product" else self.vector_peak

    def efficiency_of(self, operator: Operator) -> Values:
        """Share of that peak that the operator reaches by default."""
        if operator.unit == "product":
            return self.product_efficiencies[operator.group]
        if operator.operator_class == "prefill_attention":
            return self.attention_efficiency
        return DEFAULTS[operator.operator_class].compute

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
    if engine is not None and opens_to_eight_bits(engine, accelerator, float(precision.experts)):
        others["experts"] = "fp8"
    others = {group: name for group, name in others.items() if name != product}
    attention = accelerator.format_for(float(precision.attention_bits))
    rates = {
        group: fastest_rate(engine, accelerator, others.get(group, product), float(precision.number_bits(group)))
        for group in PRODUCT_GROUPS
    }
    if precision.two_of_four and accelerator.computes_two_of_four:
        rates = {group: rate * (1 if group == "head" else 2) for group, rate in rates.items()}
    return Roof(
        product_peaks=rates,
        attention_peak=accelerator.peak(attention),
        vector_peak=accelerator.vector_peak,
        bandwidth=accelerator.bandwidth_bytes_per_s,
        cache_bytes=accelerator.last_level_cache_bytes or 0.0,
        product_efficiencies={
            group: _reached(accelerator, engine, precision, group, others.get(group, product))
            for group in PRODUCT_GROUPS
        },
        attention_efficiency=_attention_reached(engine, accelerator, attention),
        link=accelerator.link_bytes_per_s or np.nan,
        product_format=product,
        attention_format=attention,
        group_formats=others,
        engine=engine.name if engine else "",
    )


def _reached(
    accelerator: Accelerator, engine: Engine | None, precision: Precision, group: Group, product_format: str
) -> float:  # fmt: skip
    """Share of the fastest rate that products of a group reach; the engine's unit may not be that of the format."""
    bits = float(precision.number_bits(group))
    usual = product_rate(engine, accelerator, product_format, bits)
    return (
        _reached_of(accelerator, engine, group, product_format, bits)
        * usual
        / fastest_rate(engine, accelerator, product_format, bits)
    )


def _reached_of(
    accelerator: Accelerator, engine: Engine | None, group: Group, product_format: str, weight_bits: float
) -> float:
    """Share that they reach of the rate of the unit that the engine usually runs them on."""
    if engine is not None and product_format == "fp16":
        opened = engine.integer_products and weight_bits < 16
        own = engine.integer_efficiency if opened else engine.half_efficiency
        if own is not None:
            return own
    if group == "experts":
        return DEFAULTS["expert_gemm"].compute
    measured = accelerator.achievable_matmul_fraction
    return MATMUL_SHARE * measured if measured else DEFAULTS["gemm"].compute


def _attention_reached(engine: Engine | None, accelerator: Accelerator, attention: str) -> float:
    """Share of the peak of a format that attention over prompts reaches."""
    if engine is None or engine.vector_attention is None:
        return DEFAULTS["prefill_attention"].compute
    return engine.vector_attention * vector_rate(accelerator) / accelerator.peak(attention)


def roofs_of(accelerator: Accelerator, precisions: Sequence[Precision], engine: Engine | None) -> list[Roof | None]:
    """The roof of a device for each precision; None where it has no products so narrow."""

    def of(precision: Precision) -> Roof | None:
        try:
            return roof_of(accelerator, precision, engine)
        except UnsupportedPrecision:
            return None

    return [of(precision) for precision in precisions]


def stacked_roof(accelerators: Sequence[Accelerator], roofs: Sequence[Sequence[Roof | None]]) -> Roof:
    """One roof of several accelerators, each with a roof per precision.

    Returns:
        Values of arrays that broadcast to (accelerators, precisions, batches, contexts); NaN where a roof is None.
    """

    def each(value: Callable[[Roof], Values]) -> npt.NDArray[np.float64]:
        return np.array([[value(roof) if roof else np.nan for roof in row] for row in roofs])[:, :, None, None]

    def device(value: Callable[[Accelerator], float]) -> npt.NDArray[np.float64]:
        return np.array([value(accelerator) for accelerator in accelerators])[:, None, None, None]

    def groups(value: Callable[[Roof], Mapping[Group, Values]]) -> dict[Group, Values]:
        return {group: each(lambda roof: value(roof)[group]) for group in PRODUCT_GROUPS}  # noqa: B023 - called at once

    return Roof(
        product_peaks=groups(lambda roof: roof.product_peaks),
        attention_peak=each(lambda roof: roof.attention_peak),
        vector_peak=device(lambda accelerator: accelerator.vector_peak),
        bandwidth=device(lambda accelerator: accelerator.bandwidth_bytes_per_s),
        cache_bytes=device(lambda accelerator: accelerator.last_level_cache_bytes or 0.0),
        product_efficiencies=groups(lambda roof: roof.product_efficiencies),
        attention_efficiency=each(lambda roof: roof.attention_efficiency),
    )


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
