"""Whole grids of configurations at once: the formulas of operators.py and roofline.py over arrays.

Per model, stage, kernel and split, one array computation over accelerators × precisions × batches × contexts.
FLOPs and bytes are formed on the axes they depend on; only the last comparison runs over all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import polars as pl

from profiling.accelerators import GIB, Accelerator
from profiling.architecture import Architecture
from profiling.errors import IllegalParallelism, UnsupportedPrecision
from profiling.memory import EngineProfile, activation_peak_of, engine_profile, need_of
from profiling.operators import Operator, OperatorClass, Unit, operators
from profiling.roofline import DEFAULTS, Calibration, Roof, gemm_compute_efficiency, operator_time, roof_of
from profiling.workload import AttentionKernel, Parallelism, Precision, Stage, Values, Workload

Array = npt.NDArray[np.float64]
_CACHED_ROWS = 6_000
VERDICTS = ("fits", "borderline", "does not fit", "unsupported precision")
BOUNDS = ("memory", "compute", "communication")

SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(), "accelerator": pl.String(), "stage": pl.String(), "attention": pl.String(),
    "tensor_parallel": pl.Int32(), "pipeline_parallel": pl.Int32(), "weight_bits": pl.Float64(),
    "activation_bits": pl.Float64(), "kv_bits": pl.Float64(), "batch": pl.Int64(), "context": pl.Int64(),
    "flops": pl.Float64(), "bytes_moved": pl.Float64(), "bound_s": pl.Float64(), "likely_s": pl.Float64(),
    "bound_by": pl.Enum(BOUNDS), "memory_low_gib": pl.Float64(), "memory_high_gib": pl.Float64(),
    "verdict": pl.Enum(VERDICTS), "tokens_per_s": pl.Float64(),
}  # fmt: skip
"""Columns of the result. Times are of one pass on one device; `tokens_per_s` is null where it cannot run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The product of all these; stages a model does not have and splits it does not allow are left out."""

    models: Sequence[Architecture]
    accelerators: Sequence[Accelerator]
    batches: Sequence[int]
    contexts: Sequence[int]
    precisions: Sequence[Precision] = (Precision(),)
    stages: Sequence[Stage] = ("prefill", "decode")
    kernels: Sequence[AttentionKernel] = ("flash",)
    parallelisms: Sequence[Parallelism] = (Parallelism(),)
    engine: str = "vllm-v1"
    calibrations: dict[str, Calibration] | None = None
    """By accelerator name."""

    @property
    def rows_per_block(self) -> int:
        """Configurations of one array computation."""
        return len(self.accelerators) * len(self.precisions) * len(self.batches) * len(self.contexts)


@dataclass(frozen=True, slots=True)
class _Axes:
    """The axes as arrays that broadcast to (accelerators, precisions, batches, contexts)."""

    grid: Grid
    precision: Precision
    batch: Array
    context: Array
    roofs: Roof
    capacity: Array
    gemm_compute: Array
    on_chip_bytes: Array
    shape: tuple[int, int, int, int]


def _axes(grid: Grid) -> _Axes:
    def of_precisions(name: str) -> Array:
        return np.array([getattr(p, name) for p in grid.precisions], dtype=np.float64)[:, None, None]

    def of_accelerators(values: list[float]) -> Array:
        return np.array(values, dtype=np.float64)[:, None, None, None]

    precision = Precision(
        weight_bits=of_precisions("weight_bits"), activation_bits=of_precisions("activation_bits"),
        kv_bits=of_precisions("kv_bits"), embedding_bits=of_precisions("embedding"),
        expert_bits=of_precisions("experts"),
    )  # fmt: skip
    devices = grid.accelerators
    peaks = {
        name: np.array([[_peak(device, float(getattr(p, name))) for p in grid.precisions] for device in devices])[
            :, :, None, None
        ]
        for name in ("product_bits", "attention_bits")
    }
    roofs = Roof(
        product_peak=peaks["product_bits"],
        attention_peak=peaks["attention_bits"],
        vector_peak=of_accelerators([device.vector_peak for device in devices]),
        bandwidth=of_accelerators([device.bandwidth_bytes_per_s for device in devices]),
        link=of_accelerators([device.link_bytes_per_s or np.nan for device in devices]),
        cache_bytes=of_accelerators([device.last_level_cache_bytes or 0.0 for device in devices]),
    )
    capacity = of_accelerators([device.usable_memory_bytes for device in devices])
    batch = np.array(grid.batches, dtype=np.float64)[:, None]
    context = np.array(grid.contexts, dtype=np.float64)
    shape = (len(devices), len(grid.precisions), len(grid.batches), len(grid.contexts))
    on_chip = of_accelerators([device.last_level_cache_bytes or np.inf for device in devices])
    gemm = of_accelerators([gemm_compute_efficiency(device.achievable_matmul_fraction) for device in devices])
    return _Axes(grid, precision, batch, context, roofs, capacity, gemm, on_chip, shape)


def _peak(device: Accelerator, bits: float) -> float:
    try:
        return device.peak(device.format_for(bits))
    except UnsupportedPrecision:
        return float("nan")


def evaluate(grid: Grid, threads: int = 2) -> Iterator[pl.DataFrame]:
    """Totals of every configuration, one frame per model × stage × kernel × split, in `SCHEMA`.

    Frames come one by one, in order, so that a grid of any size needs the memory of a few blocks.

    Raises:
        InvalidWorkload: A value on an axis cannot be.
    """
    axes = _axes(grid)
    profile = engine_profile(grid.engine)
    waiting: deque[Future[pl.DataFrame]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for model, workload in _questions(grid, axes):
            waiting.append(pool.submit(_block, model, workload, axes, profile))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _questions(grid: Grid, axes: _Axes) -> Iterator[tuple[Architecture, Workload]]:
    for model, stage, kernel, split in product(grid.models, grid.stages, grid.kernels, grid.parallelisms):
        if (stage == "encode" and model.kind == "decoder") or (stage != "encode" and model.kind == "encoder"):
            continue
        workload = Workload(
            stage=stage, batch=axes.batch, context=axes.context, precision=axes.precision, attention=kernel,
            parallelism=split,
        )  # fmt: skip
        try:
            workload.check(model)
        except IllegalParallelism:
            continue
        yield model, workload


def _block(model: Architecture, workload: Workload, axes: _Axes, profile: EngineProfile) -> pl.DataFrame:
    found = operators(model, workload, axes.on_chip_bytes, check=False)
    flops, moved = np.zeros(axes.shape), np.zeros(axes.shape)
    sums = _Sums.zeros(axes.shape)
    loads = _merged(found)
    for load in loads:
        flops += load.count * load.flops
        moved += load.count * load.moved
    # A few accelerators at a time, so that the running totals stay in the processor's cache.
    step = max(1, _CACHED_ROWS * axes.shape[0] // axes.grid.rows_per_block)
    for first in range(0, axes.shape[0], step):
        part = slice(first, first + step)
        for load in loads:
            sums.add(load, axes, part)
    bound, likely = sums.bound, sums.likely
    if axes.grid.calibrations:
        likely = _calibrated(found, axes, likely)
    need = need_of(
        model, workload, axes.capacity, profile, activation_peak_of(found, model, axes.precision)
    )  # fmt: skip
    low, high = (np.broadcast_to(np.asarray(side), axes.shape) for side in (need.low, need.high))
    verdict = np.where(high <= need.budget, 0, np.where(low <= need.budget, 1, 2)).astype(np.uint8)
    verdict[np.isnan(bound)] = 3
    made = axes.batch if workload.stage == "decode" else axes.batch * axes.context
    rate = np.where(verdict < 2, made / likely, np.nan)
    waiting = sums.bound - sums.computing - sums.communicating
    largest = np.where(sums.computing > waiting, 1, 0).astype(np.uint8)
    largest[sums.communicating > np.maximum(sums.computing, waiting)] = 2
    return _frame(model, workload, axes, {
        "flops": flops, "bytes_moved": moved, "bound_s": bound, "likely_s": likely, "bound_by": largest,
        "memory_low_gib": low / GIB, "memory_high_gib": high / GIB, "verdict": verdict, "tokens_per_s": rate,
    })  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Load:
    """Operators that are alike for the clock: same class, FLOPs and bytes."""

    kind: OperatorClass
    unit: Unit
    count: int
    flops: Array
    moved: Array
    cacheable: Array
    launches: Array
    communicated: Array


def _merged(found: Sequence[Operator]) -> list[_Load]:
    """Gate and up, the norms, the residuals: equal operators become one with a count."""
    groups: dict[tuple[object, ...], _Load] = {}
    for op in found:
        calls = op.launches * op.kernel_share
        loads = (op.flops, op.bytes_moved, op.cacheable_bytes, calls, op.communication_bytes)
        numbers = [np.asarray(value, dtype=np.float64) for value in loads]
        key = (op.operator_class, op.unit, *((array.shape, array.tobytes()) for array in numbers))
        count = op.count + (groups[key].count if key in groups else 0)
        groups[key] = _Load(op.operator_class, op.unit, count, *numbers)
    return list(groups.values())


def _part(value: Values, rows: slice) -> Array:
    """Those accelerators of an array that has them as its first of four axes; others as they are."""
    array = np.asarray(value, dtype=np.float64)
    return array[rows] if array.ndim == 4 and array.shape[0] > 1 else array


@dataclass(frozen=True, slots=True)
class _Sums:
    """Running totals of a block; the formulas of roofline.py, in place and without temporaries."""

    bound: Array
    computing: Array
    communicating: Array
    likely: Array
    compute: Array
    memory: Array

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> _Sums:
        return cls(*(np.zeros(shape) for _ in range(6)))

    def add(self, load: _Load, axes: _Axes, rows: slice) -> None:
        """Adds bound and default prediction of like operators for some accelerators."""
        roofs, default = axes.roofs, DEFAULTS[load.kind]
        efficiency = _part(axes.gemm_compute, rows) if load.kind == "gemm" else default.compute
        bound, computing, communicating, likely, compute, memory = (
            getattr(self, name)[rows] for name in self.__slots__
        )
        fixed = load.count * default.fixed_s * load.launches
        if load.kind == "communication":
            seconds = load.count * np.divide(load.communicated, _part(roofs.link, rows))
            bound += seconds
            communicating += seconds
            likely += seconds / default.bandwidth + fixed
            return
        peak = roofs.product_peak if load.unit == "product" else roofs.attention_peak
        peak = roofs.vector_peak if load.unit == "vector" else peak
        np.multiply(load.count * _part(load.flops, rows), 1 / _part(peak, rows), out=compute)
        np.minimum(_part(load.cacheable, rows), _part(roofs.cache_bytes, rows), out=memory)
        np.subtract(_part(load.moved, rows), memory, out=memory)
        memory *= load.count / _part(roofs.bandwidth, rows)
        bound += np.maximum(compute, memory)
        computing += np.multiply(compute, compute > memory)
        compute *= np.divide(1, efficiency)
        compute *= compute
        memory *= 1 / default.bandwidth
        memory *= memory
        compute += memory
        likely += np.sqrt(compute, out=compute)
        likely += fixed


def _calibrated(found: list[Operator], axes: _Axes, likely: Array) -> Array:
    """Predictions of calibrated accelerators in place of the defaults."""
    result = likely.copy()
    for row, device in enumerate(axes.grid.accelerators):
        calibration = (axes.grid.calibrations or {}).get(device.name)
        if calibration is None:
            continue
        for column, precision in enumerate(axes.grid.precisions):
            try:
                roof = roof_of(device, precision)
            except UnsupportedPrecision:
                continue
            total: Values = 0.0
            for op in found:
                one = _slice(op, row, column)
                total = total + op.count * operator_time(one, roof, calibration).prediction.likely_s
            result[row, column] = total
    return result


def _slice(op: Operator, row: int, column: int) -> Operator:
    """The operator at one accelerator and precision: arrays of (batches, contexts)."""

    def cut(value: Values) -> Values:
        array = np.asarray(value, dtype=np.float64)
        if array.ndim == 4:
            array = array[min(row, array.shape[0] - 1)]
        return array[min(column, array.shape[0] - 1)] if array.ndim == 3 else array

    return Operator(
        name=op.name, place=op.place, operator_class=op.operator_class, unit=op.unit, count=op.count,
        launches=cut(op.launches), kernel_share=op.kernel_share, flops=cut(op.flops), weight_bytes=cut(op.weight_bytes),
        activation_read_bytes=cut(op.activation_read_bytes),
        activation_write_bytes=cut(op.activation_write_bytes), kv_read_bytes=cut(op.kv_read_bytes),
        kv_write_bytes=cut(op.kv_write_bytes), communication_bytes=cut(op.communication_bytes),
        shape={name: cut(value) for name, value in op.shape.items()}, inputs=op.inputs,
    )  # fmt: skip


def _frame(
    model: Architecture, workload: Workload, axes: _Axes, values: dict[str, npt.NDArray[np.generic]]
) -> pl.DataFrame:
    grid, rows = axes.grid, axes.grid.rows_per_block

    def along(axis: int, entries: Array) -> Array:
        form = [1, 1, 1, 1]
        form[axis] = -1
        return np.broadcast_to(entries.reshape(form), axes.shape).ravel()

    names = pl.Series([device.name for device in grid.accelerators])
    per_device = rows // len(grid.accelerators)
    index = pl.Series(np.repeat(np.arange(len(names), dtype=np.uint32), per_device))
    columns: dict[str, pl.Series] = {
        "accelerator": names.gather(index),
        **{
            name: pl.Series(along(1, np.array([float(getattr(p, name)) for p in grid.precisions])))
            for name in ("weight_bits", "activation_bits", "kv_bits")
        },
        "batch": pl.Series(along(2, np.array(grid.batches, dtype=np.float64)), dtype=pl.Float64),
        "context": pl.Series(along(3, np.array(grid.contexts, dtype=np.float64)), dtype=pl.Float64),
    }
    for name, array in values.items():
        columns[name] = pl.Series(np.ascontiguousarray(np.broadcast_to(array, axes.shape)).ravel())
    fixed = {
        "model": model.name, "stage": workload.stage, "attention": workload.attention,
        "tensor_parallel": workload.parallelism.tensor, "pipeline_parallel": workload.parallelism.pipeline,
    }  # fmt: skip
    return pl.DataFrame(columns).select(
        _column(name, kind, fixed.get(name)).alias(name) for name, kind in SCHEMA.items()
    )


def _column(name: str, kind: pl.DataType, fixed: object) -> pl.Expr:
    """A column of the result: a constant, a code turned into its word, or numbers with NaN turned into null."""
    if fixed is not None:
        return pl.lit(fixed).cast(kind)
    if isinstance(kind, pl.Enum):
        word = pl.col(name).cat.to(kind)
        return word if name == "verdict" else pl.when(pl.col("bound_s").is_not_nan()).then(word)
    if name in {"bound_s", "likely_s", "tokens_per_s"}:
        return pl.col(name).fill_nan(None)
    return pl.col(name).cast(kind)
