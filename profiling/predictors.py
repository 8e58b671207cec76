"""From calibrations of measured kernels to predictions of operators: the bridge to `roofline.estimate`.

A calibration answers for the shapes that were measured: matrix products, plain causal prefill of whole prompts,
decoding of one token. Other attention (latent, cross, bidirectional, chunked, speculative) gets the defaults.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiling.calibration import Calibration
from profiling.operators import Operator
from profiling.roofline import DEFAULTS, OperatorModel, Prediction
from profiling.workload import Values


@dataclass(frozen=True, slots=True)
class FittedOperator:
    """An operator model that asks a calibration."""

    calibration: Calibration

    def __call__(self, operator: Operator, compute_s: Values, memory_s: Values) -> Prediction:
        """Seconds of one occurrence, never below its bound; the documented default for shapes not measured."""
        shapes = self._measured_shape(operator)
        if shapes is None:
            return DEFAULTS[operator.operator_class](operator, compute_s, memory_s)
        arrays = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in shapes.values()))
        form = arrays[0].shape
        flat = {name: array.ravel() for name, array in zip(shapes, arrays, strict=True)}
        bound = np.maximum(compute_s, memory_s)
        likely, low, high = (
            np.maximum(seconds.reshape(form) * operator.launches * operator.kernel_share, bound)
            for seconds in self.calibration.predict_s(flat)
        )
        return Prediction(likely, low, high)

    def _measured_shape(self, operator: Operator) -> dict[str, Values] | None:
        shape = operator.shape
        if operator.operator_class == "gemm":
            return {"m": shape["m"], "n": shape["n"] / operator.kernel_share, "k": shape["k"]}
        narrow = np.minimum(shape["operand_bits"], shape["kv_bits"])
        formats = self.calibration.peaks.flops_per_s
        queries: npt.ArrayLike = 1.0 if operator.operator_class == "decode_attention" else shape["keys"]
        measured = (
            np.all(np.isin(shape["operand_bits"], (8, 16)) & np.isin(shape["kv_bits"], (8, 16)))
            and (np.all(np.asarray(narrow) >= 16) or "fp8" in formats)
            and np.all(np.asarray(shape["queries"]) == queries)
            and np.all(np.asarray(operator.launches) == 1)
            and shape["causal"] == 1
            and shape["head_dim"] == shape["value_dim"]
        )
        if not measured:
            return None
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


def operator_models(calibrations: Iterable[Calibration]) -> dict[str, OperatorModel]:
    """The `calibration` argument of `roofline.estimate`, from the calibrations of one accelerator."""
    return {calibration.operator_class: FittedOperator(calibration) for calibration in calibrations}
