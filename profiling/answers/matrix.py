"""Models × formats × devices at once: devices needed, largest batch, rates, cost and carbon of serving."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.units import JOULES_PER_KWH
from profiling.answers.cost import POWER_USAGE_EFFECTIVENESS
from profiling.answers.door import Door
from profiling.answers.energy import counted_w
from profiling.answers.question import AS_PUBLISHED, ENGINE, Question, stored_precision
from profiling.devices.accelerators import Accelerator
from profiling.errors import UnsupportedPrecision
from profiling.memory.requirements import requirements
from profiling.roofline.grid import Grid, evaluate
from profiling.roofline.roof import roof_of
from profiling.roofline.workload import Parallelism, Precision

VERDICTS = ("fits", "does not fit", "no such products")
_RATES = (("tokens_low", "high_s"), ("tokens_likely", "likely_s"), ("tokens_high", "low_s"))
_ENDS = ("low", "likely", "high")
_SECONDS = ("low_s", "likely_s", "high_s")
Whole = npt.NDArray[np.int64]


def matrix(
    door: Door, models: Sequence[str], accelerators: Sequence[str], formats: Sequence[str], question: Question
) -> pl.DataFrame:
    """One row per model, format and device: what is needed, how fast it is, what a million tokens cost.

    Every cell is a decode step on the fewest devices that hold the model for sure. Rates are tokens/s of all sequences
    together on all those devices; money and carbon are per million output tokens at that batch, their low end at the
    fast end of the rate. Null: it does not fit, or the figure is not known.

    Args:
        door: Whose facts.
        models: Names.
        accelerators: Names.
        formats: Weight formats.
        question: Batch, context, width of the cache, engine and its options, country and whether devices are
            interruptible; its model, device, format and split are not looked at.

    Raises:
        InvalidWorkload: Context or batch cannot be.
    """
    frame = _cells(door, tuple(models), tuple(accelerators), tuple(formats), question)
    prices = {name: door.usd_per_device_hour(name, spot=question.spot) for name in accelerators}
    drawn = {name: counted_w(door.devices[name]) for name in accelerators}
    cells: list[dict[str, float | None]] = [
        prices, *({name: float(getattr(each, end)) if each else None for name, each in drawn.items()} for end in _ENDS),
    ]  # fmt: skip
    hourly, *power = (
        pl.col("accelerator").replace_strict(values, return_dtype=pl.Float64, default=None) for values in cells
    )
    grams = POWER_USAGE_EFFECTIVENESS * door.grams_co2e_per_kwh(question.country) / JOULES_PER_KWH
    # The fast end of the rate is the cheap one.
    ends = (("low", "tokens_high"), ("likely", "tokens_likely"), ("high", "tokens_low"))
    million_seconds = {end: pl.col("devices") * 1e6 / pl.col(rate) for end, rate in ends}
    return frame.with_columns(
        *((hourly / 3600 * million_seconds[end]).alias(f"usd_{end}") for end, _ in ends),
        *(
            (drawn_w * million_seconds[end] * grams).alias(f"grams_{end}")
            for (end, _), drawn_w in zip(ends, power, strict=True)
        ),
    )


@lru_cache(maxsize=128)
def _cells(
    door: Door, models: tuple[str, ...], accelerators: tuple[str, ...], formats: tuple[str, ...], question: Question
) -> pl.DataFrame:
    """Plan, memory and times of every cell."""
    devices = [door.devices[name] for name in accelerators]
    shape = (len(models), len(devices), len(formats))
    tensor, pipeline, largest = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    architectures = [door.model(name) for name in models]
    engine = question.engine or ENGINE
    profile = question.profile(engine)
    stored = [
        tuple(stored_precision(model, _named(name), kv_bits=question.kv_bits) for name in formats)
        for model in architectures
    ]
    for place, model in enumerate(architectures if devices and formats else ()):
        needed = requirements(model, devices, stored[place], [question.batch], [question.context], profile)
        for whole, part in ((tensor, needed.tensor), (pipeline, needed.pipeline), (largest, needed.max_batch)):
            whole[place] = part[:, :, 0, 0]
    columns = {name: np.full(shape, np.nan) for name in (*_SECONDS, "memory_high_gib")}
    calibrated = np.zeros(shape, dtype=bool)
    # Models with the same plan and the same widths are one grid.
    groups: dict[tuple[int, int, tuple[Precision, ...]], list[int]] = {}
    for place in range(len(models)):
        for split in {(int(t), int(p)) for t, p in zip(tensor[place].flat, pipeline[place].flat, strict=True) if t}:
            groups.setdefault((*split, stored[place]), []).append(place)
    for (ways, stages, precisions), members in groups.items():
        grid = Grid(
            models=[architectures[place] for place in members], accelerators=devices, batches=[question.batch],
            contexts=[question.context], precisions=precisions, stages=["decode"], engine=engine, profile=profile,
            parallelisms=[Parallelism(ways, stages)], calibrations=door.fitted, intervals=True,
        )  # fmt: skip
        evaluated = pl.concat(evaluate(grid))
        here = (tensor == ways) & (pipeline == stages)
        cells = np.zeros(shape, dtype=bool)
        cells[members] = here[members]
        places = here[members].reshape(-1)
        for name, values in columns.items():
            values[cells] = evaluated[name].cast(pl.Float64).fill_null(np.nan).to_numpy()[places]
        calibrated[cells] = evaluated["calibrated"].to_numpy()[places]
    computable = np.array(
        [[[_computes(device, each) for each in precisions] for device in devices] for precisions in stored], dtype=bool
    ).reshape(shape)
    verdicts = np.where(~computable, 2, np.where(tensor == 0, 1, 0))
    return _frame((models, accelerators, formats), verdicts, question.batch, {
        "tensor": tensor, "pipeline": pipeline, "max_batch": largest, "is_calibrated": calibrated, **columns,
    })  # fmt: skip


def _named(weight_format: str) -> str | None:
    return None if weight_format == AS_PUBLISHED else weight_format


def _computes(device: Accelerator, precision: Precision) -> bool:
    try:
        roof_of(device, precision)
    except UnsupportedPrecision:
        return False
    return True


def _frame(
    axes: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]],
    verdicts: Whole,
    batch: int,
    columns: dict[str, npt.NDArray[np.generic]],
) -> pl.DataFrame:
    labels = (each.ravel().tolist() for each in np.meshgrid(*(np.array(a, dtype=object) for a in axes), indexing="ij"))
    model, accelerator, weights = labels
    codes = verdicts.ravel()
    runs = pl.Series("runs", codes == 0, dtype=pl.Boolean)
    frame = pl.DataFrame(
        {
            "model": pl.Series(model, dtype=pl.String),
            "weights": pl.Series(weights, dtype=pl.String),
            "accelerator": pl.Series(accelerator, dtype=pl.String),
            "verdict": pl.Series([VERDICTS[code] for code in codes], dtype=pl.String),
            **{name: values.reshape(-1) for name, values in columns.items()},
        }
    )
    numbers = ("tensor", "pipeline", "max_batch", *_SECONDS, "memory_high_gib")
    frame = frame.with_columns(pl.when(runs).then(name).alias(name) for name in numbers)
    seconds = frame.with_columns(pl.col(_SECONDS).fill_nan(None))
    return (
        seconds.with_columns(
            (pl.col("tensor") * pl.col("pipeline")).alias("devices"),
            *((batch / pl.col(each)).alias(rate) for rate, each in _RATES),
        )
        .rename({"memory_high_gib": "need_gib"})
        .drop(_SECONDS)
    )
