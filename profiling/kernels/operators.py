"""From surfaces of measured kernels to predictions of operators: experts as the engine's own kernel times them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl

from profiling.calibration.calibrate import Calibration
from profiling.calibration.predictors import operator_models
from profiling.devices.accelerators import Accelerator
from profiling.kernels.calibrate import KernelSurface
from profiling.kernels.kinds import FORMATS, KINDS
from profiling.kernels.shipped import shipped_surfaces
from profiling.roofline.operator_time import OperatorModel, Prediction
from profiling.roofline.operators import Operator
from profiling.roofline.roof import EXCHANGE
from profiling.roofline.workload import Values

ROUTING = "power_law_1.01"
"""How unevenly tokens are taken to choose experts, as tables name it: between balanced and the most uneven measured."""
LIKE: Mapping[str, str] = {
    # Cards of the same chip, whose surfaces hold at their own peaks and bandwidth.
    "A100-SXM4-40GB": "A100-SXM4-80GB", "A100-PCIe-80GB": "A100-SXM4-80GB", "A800-SXM4-80GB": "A100-SXM4-80GB",
    "H100-PCIe-80GB": "H100-SXM5-80GB", "H100-NVL-94GB": "H100-SXM5-80GB", "H800-SXM5-80GB": "H100-SXM5-80GB",
    "H20-96GB": "H100-SXM5-80GB", "H20-141GB": "H200-SXM-141GB", "H200-NVL-141GB": "H200-SXM-141GB",
    "GH200-96GB": "H200-SXM-141GB", "GH200-144GB": "H200-SXM-141GB", "B300-SXM-288GB": "B200-SXM-180GB",
    "GB300-288GB": "GB200-186GB", "RTX-PRO-6000-Blackwell-Max-Q-96GB": "RTX-PRO-6000-Blackwell",
    "RTX-PRO-6000-Blackwell-Server-96GB": "RTX-PRO-6000-Blackwell",
}  # fmt: skip
_CLASSES: Mapping[str, tuple[tuple[float, float, tuple[str, ...]], ...]] = {
    # By calibration class: from which to below which bits of a stored weight, and the formats of tables, best first.
    "expert_gemm_bf16": ((15, 17, ("bfloat16",)), (3, 7, ("w4a16_mxfp4", "int4_wo"))),
    "expert_gemm_fp8": ((7, 10, ("fp8_block", "fp8")), (3, 7, ("w4a8_mxfp4_mxfp8",))),
    "expert_gemm_fp4": ((3, 7, ("nvfp4",)),),
}


@dataclass(frozen=True, slots=True)
class MeasuredExperts:
    """An operator model that asks the surface of an engine's kernel of experts."""

    device: Accelerator
    options: tuple[tuple[float, float, KernelSurface], ...]
    """From which to below which bits of a stored weight, and the surface."""

    def __call__(self, operator: Operator, compute_s: Values, memory_s: Values, default: Prediction) -> Prediction:
        """Seconds of one occurrence, never below its bound; the default for formats not measured."""
        bits = np.asarray(operator.shape["weight_bits"])
        bound = np.maximum(compute_s, memory_s - np.divide(operator.spared_bytes, self.device.bandwidth_bytes_per_s))
        sides = (default.likely_s, default.low_s, default.high_s)
        form = np.broadcast_shapes(
            bits.shape, np.shape(bound), *map(np.shape, sides), *(np.shape(operator.shape[name]) for name in _SHAPE)
        )
        results = [np.array(np.broadcast_to(side, form), dtype=np.float64) for side in sides]
        for option in self.options:
            where, fitted = np.broadcast_to(_answers(option, operator), form), option[2]
            if not where.any():
                continue
            shape = {name: np.broadcast_to(np.asarray(operator.shape[name], float), form)[where] for name in _SHAPE}
            calls = np.broadcast_to(np.asarray(operator.launches, float), form)[where]
            seconds = calls * self._seconds(fitted, shape)
            floor = np.broadcast_to(bound, form)[where]
            for side, share in zip(results, (1.0, fitted.low, fitted.high), strict=True):
                side[where] = np.maximum(seconds * share, floor)
        return Prediction(*(cast("Values", side) for side in results))

    def measured(self, operator: Operator) -> npt.NDArray[np.bool_]:
        """Where kernels of about such weights were measured; all of those used are of experts with a gate."""
        is_measured = np.zeros(np.shape(operator.shape["weight_bits"]), dtype=bool)
        for option in self.options:
            is_measured = is_measured | _answers(option, operator)
        return np.asarray(is_measured)

    def _seconds(self, fitted: KernelSurface, shape: Mapping[str, npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
        kind = KINDS["experts"]
        format_, weight_bits, _ = FORMATS[fitted.format]
        rows = pl.DataFrame({
            "num_tokens": shape["tokens"], "hidden_size": shape["k"], "inter_size": shape["n"], "topk": shape["chosen"],
            "num_experts": shape["held"] * shape["parts"], "moe_ep_size": shape["parts"],
        })  # fmt: skip
        same = {"moe_tp_size": 1.0, "weight_bits": weight_bits, "kernel_source": "", "distribution": ROUTING}
        columns = {"flops": kind.flops, "bytes": kind.bytes, **{f"size_{name}": of for name, of in kind.sizes.items()}}
        # In one go: a grid asks hundreds of times, of few shapes each.
        constants = {name: pl.lit(value) for name, value in same.items()}
        seconds = rows.lazy().with_columns(**constants).select(**columns).collect().to_numpy()
        peak = self.device.peaks.get(format_) or self.device.peaks["fp16"]
        memory = seconds[:, 1] / self.device.bandwidth_bytes_per_s
        return fitted.surface.seconds(seconds[:, 0] / peak, memory, np.log2(seconds[:, 2:]))


@dataclass(frozen=True, slots=True)
class MeasuredExchange:
    """An operator model of the exchange of tokens among devices that share experts: a library's gather and scatter."""

    device: Accelerator
    gather: KernelSurface
    scatter: KernelSurface

    def __call__(self, operator: Operator, compute_s: Values, memory_s: Values, default: Prediction) -> Prediction:  # noqa: ARG002 - the protocol's
        """Seconds of one occurrence, never below what the link allows; the default for groups not measured.

        `memory_s` is the time that the link takes; nothing is computed.
        """
        is_measured, shape = self.measured(operator), operator.shape
        returns = np.asarray(shape["returns"]) > 0
        gather, scatter = (
            operator.launches * self._seconds(exchange, shape["message_bytes"], shape["devices"])
            for exchange in (self.gather, self.scatter)
        )

        def side(gather_s: Values, scatter_s: Values, default_s: Values) -> Values:
            measured_s = np.where(returns, scatter_s, gather_s)
            return cast("Values", np.where(is_measured, np.maximum(measured_s, memory_s), default_s))

        return Prediction(
            side(gather, scatter, default.likely_s),
            side(self.gather.low * gather, self.scatter.low * scatter, default.low_s),
            side(self.gather.high * gather, self.scatter.high * scatter, default.high_s),
        )

    def measured(self, operator: Operator) -> npt.NDArray[np.bool_]:
        """Where groups of as many devices were timed; messages of any size follow the law."""
        devices = np.asarray(operator.shape["devices"])
        return np.asarray((devices >= 2) & (devices <= min(_LARGEST_GROUP, self.device.node_size)))

    def _seconds(self, fitted: KernelSurface, message_bytes: Values, devices: Values) -> npt.NDArray[np.float64]:
        message, group = np.broadcast_arrays(np.asarray(message_bytes, float), np.asarray(devices, float))
        link = self.device.link_bytes_per_s or self.device.bandwidth_bytes_per_s
        memory_s = message * (group - 1) / group / link
        sizes = np.log2(np.stack([message / _HALF_BYTES, group], axis=-1)).reshape(-1, 2)
        flat = memory_s.reshape(-1)
        return fitted.surface.seconds(np.zeros_like(flat), flat, sizes).reshape(message.shape)


_LARGEST_GROUP = 8
"""Devices of the largest group whose collectives were measured."""
_SHAPE = ("tokens", "k", "n", "chosen", "held", "parts")
_GEOMETRY = ("k", "n", "held", "chosen")
"""Sizes of an operator in the order of `KernelSurface.measured_shapes`."""
_NEAR = 0.6
"""How far each of them may lie from a measured geometry, in powers of two: beyond it a surface is only a guess."""


def _answers(option: tuple[float, float, KernelSurface], operator: Operator) -> npt.NDArray[np.bool_]:
    """Where a surface holds: for experts with a gate, whose weights are as wide and about as large as measured ones."""
    least, below, fitted = option
    bits = np.asarray(operator.shape["weight_bits"])
    gated = np.asarray(operator.shape["gated"]) == 1
    return np.asarray((bits >= least) & (bits < below) & gated & _near(fitted, operator))


def _near(fitted: KernelSurface, operator: Operator) -> npt.NDArray[np.bool_]:
    """Where the weights are about as large as some that were measured."""
    own = [np.log2(np.asarray(operator.shape[name], dtype=np.float64)) for name in _GEOMETRY]
    form = np.broadcast_shapes(*(size.shape for size in own))
    points = np.column_stack([np.broadcast_to(size, form).reshape(-1) for size in own])
    measured_logs = np.log2(np.array(fitted.measured_shapes))
    if (points == points[0]).all():  # as nearly always, and a tenth of the time
        return np.full(form, np.abs(points[0] - measured_logs).max(axis=1).min() <= _NEAR)
    different, place = np.unique(points, axis=0, return_inverse=True)
    distance = np.abs(different[:, None, :] - measured_logs[None, :, :]).max(axis=2).min(axis=1)
    return np.asarray((distance <= _NEAR)[place.reshape(-1)].reshape(form))


_GATHER, _SCATTER = "all_gather|half|NCCL", "reduce_scatter|half|NCCL"
_HALF_BYTES = 2
"""Of a number of those messages, which are counted in numbers."""


def kernel_models(device: Accelerator) -> dict[str, OperatorModel]:
    """Operator models of a device by calibration class and engine, as `expert_gemm_fp8@vllm`, from what ships.

    Devices that were not measured have those of the measured device of the same chip, at their own peaks.
    """
    surfaces = shipped_surfaces().get(LIKE.get(device.name, device.name), ())
    models = _models(device, [surface for surface in surfaces if surface.kind == "experts"])
    timed = {
        surface.variant: surface for surface in surfaces if surface.kind == "collectives" and surface.engine == "nccl"
    }
    if device.link_bytes_per_s and {_GATHER, _SCATTER} <= timed.keys():
        models[EXCHANGE] = MeasuredExchange(device, timed[_GATHER], timed[_SCATTER])
    return models


def measured_models(
    calibrations: Mapping[str, Iterable[Calibration]], devices: Mapping[str, Accelerator]
) -> dict[str, dict[str, OperatorModel]]:
    """All that predicts operators from measurements, by class, by device: calibrations, and what ships of engines."""
    by_engine: dict[str, dict[str, OperatorModel]] = {
        name: dict(operator_models(fitted)) for name, fitted in calibrations.items()
    }
    for name, device in devices.items():
        if kernels := kernel_models(device):
            by_engine.setdefault(name, {}).update(kernels)
    return by_engine


def _models(device: Accelerator, surfaces: Iterable[KernelSurface]) -> dict[str, OperatorModel]:
    best: dict[tuple[str, str], KernelSurface] = {}
    for surface in surfaces:
        if "nongated" in surface.variant:
            continue
        key = (surface.engine, surface.format)
        if key not in best or surface.kernels > best[key].kernels:
            best[key] = surface
    models: dict[str, OperatorModel] = {}
    for engine in sorted({engine for engine, _ in best}):
        for name, formats in _CLASSES.items():
            options = tuple(
                (least, below, best[engine, chosen])
                for least, below, names in formats
                if (chosen := next((each for each in names if (engine, each) in best), None)) is not None
            )
            if options:
                models[f"{name}@{engine}"] = MeasuredExperts(device, options)
    return models
