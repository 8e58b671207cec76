"""Kernel time as a bound, a prediction and an 80 % interval, calibrated on kernel tables; the public surface.

The laws are in `laws`, the fit in `fit`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from profiling.calibration.fit import (
    FOLDS,
    MINIMUM_ROWS,
    IntervalTable,
    Parameters,
    fit_law,
    fold_of,
    interval_coverage,
    interval_table,
    law_time_s,
    shape_groups,
)
from profiling.calibration.kernels import (
    ATTENTION_SHAPE,
    GEMM_SHAPE,
    OPERATOR_CLASSES,
    REJECTED_SCHEMA,
    work_of,
)
from profiling.calibration.laws import Array, Peaks, number_format, variants
from profiling.devices.accelerators import Accelerator
from profiling.errors import ProfilingError

# Streaming multiprocessors of NVIDIA chips since Volta have a register file of 256 KiB each; tables print the
# chip's total as so many "MB", four to the MB.
_MULTIPROCESSORS_PER_REGISTER_MB = 4
# At their starting values the laws are 8 to 26 % off (MAPE) on the H200 and A100 tables, and these factors hold 92
# to 100 % of each class; wider than 80 % on purpose, as other devices and engines differ more than these two.
DEFAULT_INTERVAL = IntervalTable((), (0.45,), (2.2,))
_ATTENTION_DEFAULTS = {"window_size": 0.0, "operand_bits": 16.0, "key_value_bits": 16.0}


class UnusableKernels(ProfilingError):
    """Kernels from which nothing can be calibrated, or a shape that is not one."""


@dataclass(frozen=True)
class Calibration:
    """Predicts one operator class of one accelerator and says how far off it was on shapes it had not seen.

    `parameters` holds one set per kernel family (`calibration_laws.variants`), units in the parameter's name or
    in `calibration_laws`. Errors are in percent of the measured time over all held-out kernels;
    `below_bound_pct` is the share of measured rows faster than the data sheet allows, which were rejected.
    The three held-out figures are None where nothing was measured (defaults).
    """

    accelerator: str
    operator_class: str
    peaks: Peaks
    parameters: Parameters
    interval: IntervalTable
    kernels: int = 0
    grouped_by: tuple[str, ...] = ()
    held_out_mape_pct: float | None = None
    held_out_median_error_pct: float | None = None
    interval_coverage_pct: float | None = None
    below_bound_pct: float | None = None

    def bound_s(self, shapes: pl.DataFrame | Mapping[str, ArrayLike]) -> Array:
        """The least time in seconds that the data sheet allows; see `bound_s` of this module."""
        return bound_s(self.operator_class, shapes, self.peaks)

    def predict_s(self, shapes: pl.DataFrame | Mapping[str, ArrayLike]) -> tuple[Array, Array, Array]:
        """Seconds: likely, and the ends of an 80 % interval; arrays as long as the shapes.

        `shapes` has columns `m, n, k` for GEMM, and for attention `batch_size, sequence_length, query_heads,
        key_value_heads, head_dim`, optionally `window_size` (0 is none), `operand_bits` and `key_value_bits`
        (16). Values broadcast. None of the three is ever below the bound.

        Raises:
            UnusableKernels: a column is missing or a size is not positive.
        """
        columns = _shape_columns(self.operator_class, shapes)
        bound = _bound_of(self.operator_class, columns, self.peaks)
        likely = np.maximum(law_time_s(self.operator_class, self.parameters, columns, self.peaks), bound)
        low, high = self.interval.bounds(likely, bound)
        return likely, np.clip(low, bound, likely), np.maximum(high, likely)

    def to_row(self) -> dict[str, Any]:
        """The row of `marts.calibrations`; `parameters` is the mapping family → name → value."""
        return {
            "accelerator": self.accelerator,
            "operator_class": self.operator_class,
            "held_out_mape_pct": self.held_out_mape_pct,
            "held_out_median_error_pct": self.held_out_median_error_pct,
            "interval_coverage_pct": self.interval_coverage_pct,
            "below_bound_pct": self.below_bound_pct,
            "parameters": self.parameters,
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything that predicts, as plain values; `from_dict` gives an equal predictor back."""
        return {
            **self.to_row(),
            "peaks": asdict(self.peaks),
            "interval": asdict(self.interval),
            "kernels": self.kernels,
            "grouped_by": self.grouped_by,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_dict`."""
        interval = {name: tuple(map(float, values)) for name, values in data["interval"].items()}
        # Skyline 0.1 wrote a place for learned trees, always empty.
        plain = {name: value for name, value in data.items() if name != "residual"} | {
            "peaks": Peaks(**data["peaks"]),
            "interval": IntervalTable(**interval),
            "grouped_by": tuple(data["grouped_by"]),
        }
        return cls(**plain)

    def to_json(self) -> str:
        """`to_dict` as JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Calibration:
        """The inverse of `to_json`."""
        return cls.from_dict(json.loads(text))


def bound_s(operator_class: str, shapes: pl.DataFrame | Mapping[str, ArrayLike], peaks: Peaks) -> Array:
    """Roofline lower bound in seconds: max(FLOPs/peak, bytes/bandwidth) (Williams et al. 2009).

    Dense data-sheet peaks; compulsory traffic only (`kernels.work`); activations that fit the last-level cache
    may already be there, weights and the key-value cache of decode may not. Prefill with 8-bit keys is bounded
    by the 8-bit peak, at which its products may run.

    Raises:
        UnusableKernels: a column is missing, a size is not positive, or the peak of the format is unknown.
    """
    return _bound_of(operator_class, _shape_columns(operator_class, shapes), peaks)


def above_roof(kernels: pl.DataFrame, peaks: Peaks) -> pl.DataFrame:
    """Kernels faster than their bound, or of a format without a peak, with the reason, as rejected rows."""
    parts = [
        _judged(part, operator_class, peaks).filter(pl.col("reason").is_not_null())
        for (operator_class,), part in kernels.group_by("operator_class", maintain_order=True)
    ]
    return pl.concat([pl.DataFrame(schema=REJECTED_SCHEMA), *(part.select(list(REJECTED_SCHEMA)) for part in parts)])


def calibrate(kernels: pl.DataFrame, peaks: Peaks) -> list[Calibration]:
    """Calibrations of one accelerator, one per operator class present, in the order of `OPERATOR_CLASSES`.

    Held-out figures come from five folds of whole shape groups (`calibration_fit.shape_groups`); the parameters
    kept are then fitted to all sound kernels. Kernels above their roof and those of a format without a peak
    take no part.

    Raises:
        UnusableKernels: no kernels, several accelerators, or a class with fewer than 60 sound kernels or
            five groups of shapes.
    """
    names = kernels["accelerator"].unique().to_list()
    if len(names) != 1:
        raise UnusableKernels(f"one accelerator at a time, got {sorted(names) or 'no kernels'}")
    present = set(kernels["operator_class"])
    return [
        _calibrate_class(str(names[0]), each, kernels.filter(pl.col("operator_class") == each), peaks)
        for each in OPERATOR_CLASSES
        if each in present and (each != "gemm_fp8" or "fp8" in peaks.flops_per_s)
    ]


def peaks_of(accelerator: Accelerator) -> Peaks:
    """The peaks of an accelerator of the table; multiprocessors follow from NVIDIA's register files."""
    formats = {"bf16": "fp16", "fp8": "fp8"}
    nvidia = accelerator.vendor.casefold() == "nvidia" and accelerator.register_file_bytes
    registers = (accelerator.register_file_bytes or 0.0) / 1e6
    return Peaks(
        {ours: accelerator.peaks[theirs] for ours, theirs in formats.items() if theirs in accelerator.peaks},
        accelerator.bandwidth_bytes_per_s,
        accelerator.last_level_cache_bytes or 0.0,
        round(registers * _MULTIPROCESSORS_PER_REGISTER_MB) if nvidia else None,
    )


def _calibrate_class(accelerator: str, operator_class: str, kernels: pl.DataFrame, peaks: Peaks) -> Calibration:
    judged = _judged(kernels, operator_class, peaks)
    sound = judged.filter(pl.col("reason").is_null())
    if sound.height < MINIMUM_ROWS:
        raise UnusableKernels(
            f"{accelerator} {operator_class}: {sound.height} of {kernels.height} kernels are sound; "
            f"at least {MINIMUM_ROWS} are needed"
        )
    shapes = _shape_columns(operator_class, sound)
    groups = shape_groups(operator_class, shapes)
    if int(groups.max()) + 1 < FOLDS:
        raise UnusableKernels(
            f"{accelerator} {operator_class}: {int(groups.max()) + 1} groups of shapes; holding shapes out "
            f"needs at least {FOLDS}"
        )
    measured, bound = sound["latency_s"].to_numpy(), sound["bound_s"].to_numpy()
    untested = Calibration(accelerator, operator_class, peaks, {}, DEFAULT_INTERVAL)

    def fitted(rows: NDArray[np.bool_]) -> Calibration:
        part = {name: values[rows] for name, values in shapes.items()}
        return replace(untested, parameters=fit_law(operator_class, part, measured[rows], peaks))

    fold = fold_of(groups)
    held_out = np.empty_like(measured)
    for each in range(int(fold.max()) + 1):
        part = {name: values[fold == each] for name, values in shapes.items()}
        held_out[fold == each] = fitted(fold != each).predict_s(part)[0]
    error_pct = 100 * np.abs(held_out / measured - 1)
    return replace(
        fitted(np.full(len(measured), fill_value=True)),
        interval=interval_table(measured, held_out, bound),
        kernels=sound.height,
        grouped_by=GEMM_SHAPE[1:] if operator_class.startswith("gemm") else ATTENTION_SHAPE[2:5],
        held_out_mape_pct=float(error_pct.mean()),
        held_out_median_error_pct=float(np.median(error_pct)),
        interval_coverage_pct=100 * interval_coverage(measured, held_out, bound, fold),
        below_bound_pct=100 * (1 - sound.height / judged["bound_s"].count()),
    )


def _judged(kernels: pl.DataFrame, operator_class: str, peaks: Peaks) -> pl.DataFrame:
    """Add `bound_s`, and `reason` where the measurement is faster than its bound or has none to be held to."""
    families = variants(operator_class, _shape_columns(operator_class, kernels))
    formats = pl.Series("number_format", [number_format(operator_class, str(name)) for name in families])
    has_peak = formats.is_in(list(peaks.flops_per_s))
    without_peak = kernels.with_columns(formats).filter(~has_peak)
    judged = kernels.filter(has_peak)
    bound = bound_s(operator_class, judged, peaks) if judged.height else np.empty(0)
    judged = judged.with_columns(bound_s=pl.Series(bound, dtype=pl.Float64)).with_columns(
        reason=pl.when(pl.col("latency_s") < pl.col("bound_s")).then(
            pl.format(
                "above its roof: {} µs measured, {} µs is the least its data sheet allows "
                "({} TB/s, {} TFLOP/s achieved)",
                (pl.col("latency_s") * 1e6).round(2),
                (pl.col("bound_s") * 1e6).round(2),
                (pl.col("bytes") / pl.col("latency_s") / 1e12).round(2),
                (pl.col("flops") / pl.col("latency_s") / 1e12).round(1),
            )
        )
    )
    unbounded = without_peak.select(
        *kernels.columns,
        bound_s=pl.lit(None, pl.Float64),
        reason=pl.format("no data-sheet peak for {} to hold it to", "number_format"),
    )
    return pl.concat([judged, unbounded])


def _bound_of(operator_class: str, columns: Mapping[str, Array], peaks: Peaks) -> Array:
    families, family = np.unique(variants(operator_class, columns), return_inverse=True)
    formats = [number_format(operator_class, str(name)) for name in families]
    lacking = sorted(set(formats) - set(peaks.flops_per_s))
    if lacking:
        raise UnusableKernels(f"{operator_class}: no peak for {', '.join(lacking)}; give it in Peaks.flops_per_s")
    flops, moved, cacheable = work_of(operator_class, columns)
    peak = np.asarray([peaks.flops_per_s[name] for name in formats])[family]
    return np.asarray(np.maximum(flops / peak, (moved - np.minimum(cacheable, peaks.cache_bytes)) / peaks.bytes_per_s))


def _shape_columns(operator_class: str, shapes: pl.DataFrame | Mapping[str, ArrayLike]) -> dict[str, Array]:
    if operator_class not in OPERATOR_CLASSES:
        raise UnusableKernels(f"no operator class {operator_class!r}; there are {', '.join(OPERATOR_CLASSES)}")
    gemm = operator_class.startswith("gemm")
    width: Mapping[str, ArrayLike] = {"operand_bits": 8.0 if operator_class == "gemm_fp8" else 16.0}
    shape: Mapping[str, ArrayLike] = (
        {name: shapes[name].to_numpy() for name in shapes.columns} if isinstance(shapes, pl.DataFrame) else shapes
    )
    wanted: Sequence[str] = (*GEMM_SHAPE, "operand_bits") if gemm else ATTENTION_SHAPE
    shape = (dict(shape) | dict(width)) if gemm else (_ATTENTION_DEFAULTS | dict(shape))
    missing = [name for name in wanted if name not in shape]
    if missing:
        raise UnusableKernels(f"{operator_class} needs {', '.join(wanted)}; {', '.join(missing)} missing")
    arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(shape[name], dtype=np.float64)) for name in wanted))
    columns = {name: np.ascontiguousarray(values) for name, values in zip(wanted, arrays, strict=True)}
    for name, values in columns.items():
        least = 0.0 if name == "window_size" else 1.0
        if not np.all(np.isfinite(values) & (values >= least)):
            raise UnusableKernels(f"{operator_class}: {name} must be at least {least:g}")
    return columns
