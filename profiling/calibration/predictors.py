"""From calibrations of measured kernels to predictions of operators: the bridge to `roofline.operator_time`.

A calibration answers for the shapes that were measured: matrix products of weights as wide as those measured,
plain causal prefill of whole prompts, decoding of one token. Everything else (weights narrower than the products,
latent, cross, bidirectional, chunked or speculative attention) gets the defaults.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from profiling.calibration.calibrate import Calibration
from profiling.roofline.operator_time import Prediction
from profiling.roofline.operators import Operator
from profiling.roofline.workload import Values

Mask = npt.NDArray[np.bool_]
_WEIGHT_BITS = {"gemm_bf16": 16, "gemm_fp8": 8}


@dataclass(frozen=True, slots=True)
class FittedOperator:
    """An operator model that asks a calibration."""

    calibration: Calibration

    def __call__(self, operator: Operator, compute_s: Values, memory_s: Values, default: Prediction) -> Prediction:
        """Seconds of one occurrence, never below its bound; the default for shapes not measured."""
        bound = np.maximum(compute_s, memory_s)
        measured = self.measured(operator)
        if not measured.any():
            return default
        sides = (default.likely_s, default.low_s, default.high_s, bound)
        form = np.broadcast_shapes(measured.shape, *(np.shape(side) for side in sides))
        where = np.broadcast_to(measured, form)
        shape = self.measured_shape(operator)
        columns = {name: np.broadcast_to(np.asarray(value, dtype=float), form)[where] for name, value in shape.items()}
        calls = np.broadcast_to(np.asarray(operator.launches * operator.kernel_share), form)[where]
        least = np.broadcast_to(bound, form)[where]
        results = []
        for seconds, otherwise in zip(self.calibration.predict_s(columns), sides[:3], strict=True):
            side = np.array(np.broadcast_to(otherwise, form), dtype=np.float64)
            side[where] = np.maximum(seconds * calls, least)
            results.append(cast("Values", side))
        return Prediction(*results)

    def measured(self, operator: Operator) -> Mask:
        """Where such shapes were measured; broadcasts with the values of the operator's shape."""
        shape = operator.shape
        if operator.operator_class == "gemm":
            return np.asarray(np.equal(shape["weight_bits"], _WEIGHT_BITS[self.calibration.operator_class]))
        operand_bits, kv_bits = np.asarray(shape["operand_bits"]), np.asarray(shape["kv_bits"])
        queries: npt.ArrayLike = 1.0 if operator.operator_class == "decode_attention" else shape["keys"]
        is_measured = np.equal(shape["causal"], 1) & np.equal(shape["head_dim"], shape["value_dim"])
        is_measured = is_measured & np.isin(operand_bits, (8, 16)) & np.isin(kv_bits, (8, 16))
        if "fp8" not in self.calibration.peaks.flops_per_s:
            is_measured = is_measured & (np.minimum(operand_bits, kv_bits) >= 16)
        return np.asarray(is_measured & np.equal(shape["queries"], queries) & np.equal(operator.launches, 1))

    def measured_shape(self, operator: Operator) -> dict[str, Values]:
        """The operator's shape in the columns that the calibration takes."""
        shape = operator.shape
        if operator.operator_class == "gemm":
            return {"m": shape["m"], "n": shape["n"] / operator.kernel_share, "k": shape["k"]}
        return {
            "batch_size": shape["batch"],
            "sequence_length": shape["keys"],
            "query_heads": shape["heads"],
            "key_value_heads": shape["kv_heads"],
            "head_dim": shape["head_dim"],
            "window_size": shape["window"],
            "operand_bits": shape["operand_bits"],
            "key_value_bits": shape["kv_bits"],
        }


def operator_models(calibrations: Iterable[Calibration]) -> dict[str, FittedOperator]:
    """The `calibration` argument of `roofline.operator_time`, from the calibrations of one accelerator."""
    return {calibration.operator_class: FittedOperator(calibration) for calibration in calibrations}
