"""Whole grids of configurations at once: the formulas of operators.py and roofline.py over arrays.

Per model, stage, kernel and split, one array computation over accelerators × precisions × batches × contexts.
FLOPs and bytes are formed on the axes they depend on; only the last comparison runs over all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, product

import numpy as np
import numpy.typing as npt
import polars as pl

from profiling.accelerators import GIB, Accelerator
from profiling.architecture import Architecture
from profiling.errors import IllegalParallelism, UnsupportedPrecision
from profiling.grid_calibration import CALIBRATED_CLASSES, CalibratedPart, calibrated_part
from profiling.memory import EngineProfile, activation_peak_of, engine_profile, need_of
from profiling.operators import Operator, OperatorClass, Unit, operators
from profiling.predictors import FittedOperator
from profiling.roofline import DEFAULT_HIGH, DEFAULT_LOW, DEFAULTS, Roof, gemm_compute_efficiency
from profiling.workload import AttentionKernel, Parallelism, Precision, Stage, Values, Workload

Array = npt.NDArray[np.float64]
_CACHED_ROWS = 6_000
_ROWS_TOGETHER = 20_000
VERDICTS = ("fits", "borderline", "does not fit", "unsupported precision")
BOUNDS = ("memory", "compute", "communication")

SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(), "accelerator": pl.String(), "stage": pl.String(), "attention": pl.String(),
    "tensor_parallel": pl.Int32(), "pipeline_parallel": pl.Int32(), "weight_bits": pl.Float64(),
    "activation_bits": pl.Float64(), "kv_bits": pl.Float64(), "batch": pl.Int64(), "context": pl.Int64(),
    "flops": pl.Float64(), "bytes_moved": pl.Float64(), "bound_s": pl.Float64(), "likely_s": pl.Float64(),
    "low_s": pl.Float64(), "high_s": pl.Float64(), "calibrated": pl.Boolean(), "bound_by": pl.Enum(BOUNDS),
    "memory_low_gib": pl.Float64(), "memory_high_gib": pl.Float64(), "verdict": pl.Enum(VERDICTS),
    "tokens_per_s": pl.Float64(),
}  # fmt: skip
"""Columns of the result. Times are of one pass on one device; `tokens_per_s` is null where it cannot run. `low_s` and
`high_s` hold 80 % and are null where no intervals were asked for; `calibrated` as in `roofline.Estimate`."""


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
    calibrations: Mapping[str, Mapping[str, FittedOperator]] | None = None
    """By accelerator name."""
    intervals: bool = False
    """Whether to compute `low_s` and `high_s`, a fifth more work."""

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
    labels: pl.DataFrame


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
    return _Axes(grid, precision, batch, context, roofs, capacity, gemm, on_chip, shape, _labels(grid))


def _peak(device: Accelerator, bits: float) -> float:
    try:
        return device.peak(device.format_for(bits))
    except UnsupportedPrecision:
        return float("nan")


def evaluate(grid: Grid, threads: int = 2) -> Iterator[pl.DataFrame]:
    """Totals of every configuration in `SCHEMA`, ordered by model, stage, kernel and split.

    Frames come one by one, each of about 20,000 rows, so that a grid of any size needs the memory of a few.

    Raises:
        InvalidWorkload: A value on an axis cannot be.
    """
    axes = _axes(grid)
    profile = engine_profile(grid.engine)
    questions = _questions(grid, axes)
    # Frames are made, and calibrations asked, for many small blocks at once about as fast as for one.
    together = max(1, _ROWS_TOGETHER // grid.rows_per_block)
    waiting: deque[Future[pl.DataFrame]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        while some := list(islice(questions, together)):
            waiting.append(pool.submit(_totals, some, axes, profile))
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


def _totals(questions: Sequence[tuple[Architecture, Workload]], axes: _Axes, profile: EngineProfile) -> pl.DataFrame:
    blocks = [
        _Block.of(model, workload, operators(model, workload, axes.on_chip_bytes, check=False), axes)
        for model, workload in questions
    ]
    for row, device in enumerate(axes.grid.accelerators):
        fitted = (axes.grid.calibrations or {}).get(device.name)
        if fitted:
            found = [block.found for block in blocks]
            part = calibrated_part(found, row, device, axes.grid.precisions, axes.shape[1:], fitted)
            for index, block in enumerate(blocks):
                block.predict(row, part, index)
    return _frame(blocks, axes, profile)


@dataclass(frozen=True, slots=True)
class _Block:
    """One model and workload on all axes: its operators and their totals."""

    model: Architecture
    workload: Workload
    found: Sequence[Operator]
    flops: Array
    moved: Array
    sums: _Sums
    rest: tuple[Array, Array]
    """Likely and low seconds of operators that no calibration answers for."""
    calibrated: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, model: Architecture, workload: Workload, found: Sequence[Operator], axes: _Axes) -> _Block:
        """Totals by the defaults."""
        flops, moved = np.zeros(axes.shape), np.zeros(axes.shape)
        loads = _merged(found)
        for load in loads:
            flops += load.count * load.flops
            moved += load.count * load.moved
        sums = _Sums.zeros(axes.shape)
        apart = CALIBRATED_CLASSES if axes.grid.calibrations else ()
        sums.add_all([load for load in loads if load.kind not in apart], axes)
        rest = (sums.likely.copy(), sums.low.copy()) if apart else (sums.likely, sums.low)
        sums.add_all([load for load in loads if load.kind in apart], axes)
        sums.high[...] = DEFAULT_HIGH * sums.likely
        return cls(model, workload, found, flops, moved, sums, rest, np.zeros(axes.shape, dtype=bool))

    def predict(self, row: int, part: CalibratedPart, index: int) -> None:
        """Puts the answer of calibrations in place of the defaults for one accelerator."""
        likely, low = (side[row] for side in self.rest)
        self.sums.likely[row] = likely + part.likely_s[index]
        self.sums.low[row] = low + part.low_s[index]
        self.sums.high[row] = DEFAULT_HIGH * likely + part.high_s[index]
        self.calibrated[row] = part.measured_bound_s[index] > 0.5 * self.sums.bound[row]

    def columns(self, axes: _Axes, profile: EngineProfile) -> dict[str, npt.NDArray[np.generic]]:
        """Computed columns, with the memory verdict that decides whether rows may carry a throughput."""
        sums, workload = self.sums, self.workload
        need = need_of(
            self.model, workload, axes.capacity, profile, activation_peak_of(self.found, self.model, axes.precision)
        )
        low, high = (np.broadcast_to(np.asarray(side), axes.shape) for side in (need.low, need.high))
        verdict = np.where(high <= need.budget, 0, np.where(low <= need.budget, 1, 2)).astype(np.uint8)
        verdict[np.isnan(sums.bound)] = 3
        made = axes.batch if workload.stage == "decode" else axes.batch * axes.context
        rate = np.where(verdict < 2, made / sums.likely, np.nan)
        waiting = sums.bound - sums.computing - sums.communicating
        largest = np.where(sums.computing > waiting, 1, 0).astype(np.uint8)
        largest[sums.communicating > np.maximum(sums.computing, waiting)] = 2
        if not axes.grid.intervals:
            sums.low[...] = sums.high[...] = np.nan
        return {
            "flops": self.flops, "bytes_moved": self.moved, "bound_s": sums.bound, "likely_s": sums.likely,
            "low_s": sums.low, "high_s": sums.high, "calibrated": self.calibrated, "bound_by": largest,
            "memory_low_gib": low / GIB, "memory_high_gib": high / GIB, "verdict": verdict, "tokens_per_s": rate,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
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
    low: Array
    high: Array
    compute: Array
    memory: Array

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> _Sums:
        return cls(*(np.zeros(shape) for _ in range(8)))

    def add_all(self, loads: Sequence[_Load], axes: _Axes) -> None:
        """Adds the operators, a few accelerators at a time so that the totals stay in the processor's cache."""
        step = max(1, _CACHED_ROWS * axes.shape[0] // axes.grid.rows_per_block)
        for first in range(0, axes.shape[0], step):
            for load in loads:
                self.add(load, axes, slice(first, first + step))

    def add(self, load: _Load, axes: _Axes, rows: slice) -> None:
        """Adds bound and default prediction of like operators for some accelerators."""
        roofs, default = axes.roofs, DEFAULTS[load.kind]
        efficiency = _part(axes.gemm_compute, rows) if load.kind == "gemm" else default.compute
        bound, computing, communicating, likely, low, _, compute, memory = (
            getattr(self, name)[rows] for name in self.__slots__
        )
        fixed = load.count * default.fixed_s * load.launches
        if load.kind == "communication":
            seconds = load.count * np.divide(load.communicated, _part(roofs.link, rows))
            bound += seconds
            communicating += seconds
            predicted = seconds / default.bandwidth + fixed
            likely += predicted
            low += np.maximum(seconds, DEFAULT_LOW * predicted)
            return
        peak = roofs.product_peak if load.unit == "product" else roofs.attention_peak
        peak = roofs.vector_peak if load.unit == "vector" else peak
        np.multiply(load.count * _part(load.flops, rows), 1 / _part(peak, rows), out=compute)
        np.minimum(_part(load.cacheable, rows), _part(roofs.cache_bytes, rows), out=memory)
        np.subtract(_part(load.moved, rows), memory, out=memory)
        memory *= load.count / _part(roofs.bandwidth, rows)
        least = np.maximum(compute, memory)
        bound += least
        computing += np.multiply(compute, compute > memory)
        compute *= np.divide(1, efficiency)
        compute *= compute
        memory *= 1 / default.bandwidth
        memory *= memory
        compute += memory
        np.sqrt(compute, out=compute)
        compute += fixed
        likely += compute
        if axes.grid.intervals:
            compute *= DEFAULT_LOW
            low += np.maximum(compute, least, out=compute)


def _labels(grid: Grid) -> pl.DataFrame:
    """Columns that are the same in every block: accelerator, precision, batch and context of each row."""
    axes = (
        pl.DataFrame({"accelerator": [device.name for device in grid.accelerators]}),
        pl.DataFrame({
            name: [float(getattr(precision, name)) for precision in grid.precisions]
            for name in ("weight_bits", "activation_bits", "kv_bits")
        }),
        pl.DataFrame({"batch": grid.batches}, schema={"batch": pl.Int64}),
        pl.DataFrame({"context": grid.contexts}, schema={"context": pl.Int64}),
    )  # fmt: skip
    labels = axes[0]
    for axis in axes[1:]:
        labels = labels.join(axis, how="cross", maintain_order="left_right")
    return labels


def _frame(blocks: Sequence[_Block], axes: _Axes, profile: EngineProfile) -> pl.DataFrame:
    columns = [block.columns(axes, profile) for block in blocks]
    computed = [
        pl.Series(name, np.concatenate([np.broadcast_to(each[name], axes.shape).reshape(-1) for each in columns]))
        for name in columns[0]
    ]
    asked = pl.DataFrame(
        [
            (block.model.name, work.stage, work.attention, work.parallelism.tensor, work.parallelism.pipeline)
            for block in blocks
            for work in [block.workload]
        ],
        schema={name: SCHEMA[name] for name in ("model", "stage", "attention", "tensor_parallel", "pipeline_parallel")},
        orient="row",
    )
    of_block = np.repeat(np.arange(len(blocks)), axes.grid.rows_per_block)
    labels = pl.concat([axes.labels] * len(blocks), rechunk=True)
    can_run = pl.col("verdict") != VERDICTS.index("unsupported precision")
    return asked[of_block].hstack(labels).hstack(computed).select(
        pl.when(can_run).then(pl.col(name).cat.to(kind)).alias(name) if name == "bound_by"
        else pl.col(name).cat.to(kind) if name == "verdict"
        else pl.col(name).fill_nan(None) if name in _NULLABLE
        else pl.col(name)
        for name, kind in SCHEMA.items()
    )  # fmt: skip


_NULLABLE = frozenset({"bound_s", "likely_s", "low_s", "high_s", "tokens_per_s"})
