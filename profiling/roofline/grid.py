"""Whole grids of configurations at once: the formulas of operators.py and roofline.py over arrays.

Per model, stage, kernel and split, one array computation over accelerators × precisions × batches × contexts.
FLOPs and bytes are formed on the axes they depend on; only the last comparison runs over all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from itertools import product as combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from profiling.calibration.grid import CalibratedPart, Cut, calibrated_part
from profiling.devices.accelerators import GIB, Accelerator
from profiling.engines.effects import attention_of
from profiling.engines.parts import Launches
from profiling.engines.table import Engine, engine_of, opening_rate
from profiling.engines.time import EngineTimes, shipped_times
from profiling.errors import IllegalParallelism, InvalidWorkload
from profiling.memory.engines import EngineProfile, engine_profile
from profiling.memory.need import activation_peak_of, need_of
from profiling.models.architecture import Architecture
from profiling.roofline.links import link_of
from profiling.roofline.operator_time import OperatorModel
from profiling.roofline.operators import Operator, OperatorClass, operators
from profiling.roofline.roof import EXCHANGE, Roof, roofs_of, stacked_roof
from profiling.roofline.sums import BOUNDS, CACHED_ROWS, Rates, Sums, merged
from profiling.roofline.whole import TIME_NAMES, EngineTime, bound_together, cut_as_by, interval
from profiling.roofline.workload import (
    AttentionKernel,
    Parallelism,
    Precision,
    Stage,
    Workload,
    stacked_precision,
)

Array = npt.NDArray[np.float64]
_ROWS_TOGETHER = 100_000
VERDICTS = ("fits", "borderline", "does not fit", "unsupported precision")

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
    profile: EngineProfile | None = None
    """What the engine adds to the memory where it is started with other options than its own."""
    calibrations: Mapping[str, Mapping[str, OperatorModel]] | None = None
    """By accelerator name."""
    intervals: bool = False
    """Whether to give `low_s` and `high_s`."""
    times: EngineTimes | None = None
    """Fitted effects of engines; those that ship where None."""
    loaded: bool = False
    """Whether passes are steps of serving: see `whole.EngineTime`."""

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
    roofs: Sequence[Sequence[Roof | None]]
    """By accelerator and precision."""
    parts: Sequence[tuple[slice, Roof]]
    """Some accelerators at a time, and the roof of them all."""
    capacity: Array
    shared_memory: npt.NDArray[np.bool_]
    on_chip_bytes: Array
    """Of the last-level cache; of a device that states none, of any size."""
    cache_bytes: Array
    """The same; of a device that states none, nothing."""
    bandwidth: Array
    shape: tuple[int, int, int, int]
    labels: pl.DataFrame
    engines: Sequence[EngineTime]
    """Of each accelerator."""
    launches: Launches
    opening_rate: Array
    factors_of: dict[tuple[str, Stage], Array] = field(default_factory=dict)
    """Of kernels of attention at a stage: models and workloads differ in nothing else that they rest on."""
    ends_of: dict[tuple[Stage, Parallelism], Array] = field(default_factory=dict)
    """Of a stage with a split."""

    def factors(self, model: Architecture, workload: Workload) -> Array:
        """What each part is multiplied by: (accelerators, precisions, 1, 1, parts)."""
        key = (attention_of(model, workload.attention), workload.stage)
        if key not in self.factors_of:
            self.factors_of[key] = np.array([
                [engine.factors(model, workload, precision) for precision in self.grid.precisions]
                for engine in self.engines
            ])[:, :, None, None, :]  # fmt: skip
        return self.factors_of[key]

    def ends(self, workload: Workload) -> Array:
        """Low and high end of the interval of each accelerator's passes, over the likely time."""
        key = (workload.stage, workload.parallelism)
        if key not in self.ends_of:
            self.ends_of[key] = np.array([engine.ends(workload) for engine in self.engines]).T[..., None, None, None]
        return self.ends_of[key]

    def rates(self, workload: Workload, factors: Array) -> list[Rates]:
        """What operators of a workload are timed with, some accelerators at a time."""
        links = np.array([_link(engine.accelerator, workload.parallelism) for engine in self.engines])[
            :, :, None, None, None
        ]
        return [
            Rates(
                rows, replace(roof, link=links[rows, 0], link_latency_s=links[rows, 1]), self.opening_rate[rows],
                factors[rows],
            )
            for rows, roof in self.parts
        ]  # fmt: skip


def _link(device: Accelerator, split: Parallelism) -> tuple[float, float]:
    """Bytes per second and the latency of a reduction; NaN where the split's link is not known."""
    if split.devices == 1:
        return float("inf"), 0.0
    try:
        link = link_of(device, split)
    except InvalidWorkload:
        return float("nan"), 0.0
    return link.bytes_per_s, link.latency_s


def _axes(grid: Grid) -> _Axes:
    def of_accelerators(values: list[float]) -> Array:
        return np.array(values, dtype=np.float64)[:, None, None, None]

    precision = stacked_precision(grid.precisions)
    devices = grid.accelerators
    fitted = grid.times or shipped_times()
    engines = [EngineTime(engine_of(grid.engine, device), fitted, device, grid.loaded) for device in devices]
    roofs = [roofs_of(engine.accelerator, grid.precisions, engine.engine) for engine in engines]
    step = max(1, CACHED_ROWS * len(devices) // grid.rows_per_block)
    some = [slice(first, first + step) for first in range(0, len(devices), step)]
    parts = [(rows, stacked_roof(devices[rows], roofs[rows])) for rows in some]
    capacity = of_accelerators([device.usable_memory_bytes for device in devices])
    batch = np.array(grid.batches, dtype=np.float64)[:, None]
    context = np.array(grid.contexts, dtype=np.float64)
    shape = (len(devices), len(grid.precisions), len(grid.batches), len(grid.contexts))
    on_chip = of_accelerators([device.last_level_cache_bytes or np.inf for device in devices])
    cache = of_accelerators([device.last_level_cache_bytes or 0.0 for device in devices])
    bandwidth = of_accelerators([device.bandwidth_bytes_per_s for device in devices])
    of_devices = [Launches.of(engine.engine, engine.accelerator) for engine in engines]
    launches = Launches(*(
        of_accelerators([float(getattr(of_device, each.name)) for of_device in of_devices]) for each in fields(Launches)
    ))  # fmt: skip
    opening = of_accelerators([opening_rate(engine.engine, engine.accelerator) for engine in engines])
    shared = np.array([device.unified_memory for device in devices])[:, None, None, None]
    return _Axes(
        grid, precision, batch, context, roofs, parts, capacity, shared, on_chip, cache, bandwidth, shape,
        _labels(grid), engines, launches, opening,
    )  # fmt: skip


def evaluate(grid: Grid, threads: int = 2) -> Iterator[pl.DataFrame]:
    """Totals of every configuration in `SCHEMA`, ordered by model, stage, kernel and split.

    Frames come one by one, each of about 100,000 rows, so that a grid of any size needs the memory of a few.

    Raises:
        InvalidWorkload: A value on an axis cannot be.
    """
    axes = _axes(grid)
    profile = grid.profile or engine_profile(grid.engine)
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
    for model, stage, kernel, split in combinations(grid.models, grid.stages, grid.kernels, grid.parallelisms):
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


def _answers(fitted: Mapping[str, OperatorModel], engine: Engine, kinds: Set[OperatorClass]) -> bool:
    """Whether operator models answer for any of the kinds: on most devices only the engine's experts are known."""
    own = f"@{engine.name}"
    return any(
        "@" not in name or ("expert_gemm" in kinds and name.endswith(own)) or ("exchange" in kinds and name == EXCHANGE)
        for name in fitted
    )


def _totals(questions: Sequence[tuple[Architecture, Workload]], axes: _Axes, profile: EngineProfile) -> pl.DataFrame:
    blocks = [_Block.of(model, workload, axes) for model, workload in questions]
    kinds = [{operator.operator_class for operator in block.cut} for block in blocks]
    for row, device in enumerate(axes.grid.accelerators):
        fitted = (axes.grid.calibrations or {}).get(device.name)
        engine = axes.engines[row].engine
        answered = (_answers(fitted or {}, engine, of_block) for of_block in kinds)
        predictable = [block for block, answers in zip(blocks, answered, strict=True) if answers]
        if predictable and engine.reference_kernels:
            cuts = [
                Cut(
                    block.cut, block.factors[row],
                    _link(device, block.workload.parallelism),
                )
                for block in predictable
            ]  # fmt: skip
            part = calibrated_part(cuts, row, device, axes.roofs[row], axes.shape[1:], fitted or {}, engine)
            for index, block in enumerate(predictable):
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
    sums: Sums
    cut: Sequence[Operator]
    """Operators of the pass as the engine cuts it."""
    calibrated: npt.NDArray[np.bool_]
    factors: Array
    """As `_Axes.factors` gives them."""

    @classmethod
    def of(cls, model: Architecture, workload: Workload, axes: _Axes) -> _Block:
        """Totals by the defaults and by the engine's factors."""
        steps = operators(model, workload, axes.on_chip_bytes, check=False)
        split = cut_as_by(axes.engines[0].engine, workload)
        cut = steps if split is workload else operators(model, split, axes.on_chip_bytes, check=False)
        loads = merged(steps)
        flops, moved = (
            np.broadcast_to(sum(load.count * getattr(load, name) for load in loads), axes.shape)
            for name in ("flops", "bytes_moved")
        )
        sums = Sums.zeros(axes.shape)
        factors = axes.factors(model, workload)
        rates = axes.rates(workload, factors)
        both = cut is steps
        parts = loads if both else merged(cut)
        if not both:
            sums.add(loads, rates, bound=True, likely=False)
        sums.add(parts, rates, bound=both, likely=True)
        sums.add_host(parts, model, workload, axes.launches, factors)
        return cls(model, workload, steps, flops, moved, sums, cut, np.zeros(axes.shape, dtype=bool), factors)

    def predict(self, row: int, part: CalibratedPart, index: int) -> None:
        """Puts the answer of calibrations in place of the defaults for one accelerator."""
        self.sums.likely[row] += part.change_s[index]
        self.calibrated[row] = part.measured_bound_s[index] > 0.5 * self.sums.bound[row]

    def finish(self, axes: _Axes) -> dict[str, Array]:
        """Times of whole passes."""
        work = self.workload
        likely_s = np.stack([
            np.asarray(engine.in_parts(seconds, cut_as_by(engine.engine, work)))
            for engine, seconds in zip(axes.engines, self.sums.likely, strict=True)
        ])  # fmt: skip
        bound_s = bound_together(self.sums.bound, self.moved, axes.cache_bytes, axes.bandwidth, work)
        time = interval(likely_s, bound_s, *axes.ends(work))
        return {name: np.asarray(getattr(time, name)) for name in TIME_NAMES}

    def columns(self, axes: _Axes, profile: EngineProfile) -> dict[str, npt.NDArray[np.generic]]:
        """Computed columns, with the memory verdict that decides whether rows may carry a throughput."""
        sums, workload = self.sums, self.workload
        need = need_of(
            self.model, workload, axes.capacity, profile, activation_peak_of(self.found, self.model, axes.precision),
            shared_memory=axes.shared_memory,
        )  # fmt: skip
        low, high = (np.broadcast_to(np.asarray(side), axes.shape) for side in (need.low, need.high))
        verdict = np.where(high <= need.budget, 0, np.where(low <= need.budget, 1, 2)).astype(np.uint8)
        time = self.finish(axes)
        verdict[np.isnan(time["bound_s"])] = 3
        made = axes.batch if workload.stage == "decode" else axes.batch * axes.context
        rate = np.where(verdict < 2, made / time["likely_s"], np.nan)
        if not axes.grid.intervals:
            time |= {"low_s": _UNKNOWN, "high_s": _UNKNOWN}
        return {
            "flops": self.flops, "bytes_moved": self.moved, **time, "calibrated": self.calibrated,
            "bound_by": sums.side(), "memory_low_gib": low / GIB, "memory_high_gib": high / GIB, "verdict": verdict,
            "tokens_per_s": rate,
        }  # fmt: skip


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
    questions = pl.DataFrame(
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
    return questions[of_block].hstack(labels).hstack(computed).select(
        pl.when(can_run).then(pl.col(name).cat.to(kind)).alias(name) if name == "bound_by"
        else pl.col(name).cat.to(kind) if name == "verdict"
        else pl.col(name).fill_nan(None) if name in _NULLABLE
        else pl.col(name)
        for name, kind in SCHEMA.items()
    )  # fmt: skip


_UNKNOWN = np.array(np.nan)
_NULLABLE = frozenset({"bound_s", "likely_s", "low_s", "high_s", "tokens_per_s"})
