"""Models × precisions × accelerators at once: devices needed, largest batch, rates, cost and carbon of serving.

One array computation per model and split, over all accelerators and precisions, cached by model; the formulas are those
of `profiling`, for arrays. No widgets, no figures.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

import warehouse
from dashboards.performance import largest_batch, models, operator_models_of, precision
from profiling.accelerators import GIB, Accelerator
from profiling.accelerators import table as accelerators
from profiling.architecture import Architecture
from profiling.cost import POWER_SHARES, grams_co2e_per_million_tokens, price_of, usd_per_million_tokens
from profiling.errors import UnsupportedPrecision
from profiling.memory import ENGINES, Range, activation_peak_of, need_of
from profiling.operators import Operator, operators
from profiling.roofline import (
    DEFAULT_HIGH,
    DEFAULT_LOW,
    DEFAULTS,
    Calibration,
    OperatorTime,
    PassTime,
    Roof,
    gemm_compute_efficiency,
    operator_time,
    pass_time,
    roof_of,
)
from profiling.workload import Parallelism, Precision, Values, Workload, legal_tensor_ways

Array = npt.NDArray[np.float64]
PUE = 1.2
NODE_SIZE, MOST_DEVICES = 8, 128
_REFERENCE = Path(warehouse.__file__).parent / "reference"
VERDICTS = ("fits", "does not fit", "no such products")
_SIDES = ("low_s", "likely_s", "high_s")
_NUMBERS = ("max_batch", "need_gib", *_SIDES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What every cell of the matrix is asked: decode steps of that many sequences of that length."""

    context: int = 4096
    concurrency: int = 16
    weights: tuple[str, ...] = ("bf16", "fp8", "awq-4bit-g128")
    kv_bits: str = "16"
    engine: str = "vllm-v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tables:
    """Accelerators and precisions as arrays that broadcast to (accelerators, precisions)."""

    devices: tuple[Accelerator, ...]
    precisions: tuple[Precision, ...]
    precision: Precision
    roof: Roof
    capacity: Array
    gemm_efficiency: Array
    on_chip: Array
    computable: npt.NDArray[np.bool_]


@lru_cache(maxsize=64)
def _tables(weights: tuple[str, ...], kv_bits: str, chosen: tuple[str, ...]) -> _Tables:
    devices = tuple(accelerators()[name] for name in chosen)
    precisions = tuple(precision(name, kv_bits=float(kv_bits)) for name in weights)

    def of_devices(values: Sequence[float]) -> Array:
        return np.asarray(values, dtype=np.float64)[:, None]

    def of_precisions(name: str) -> Array:
        return np.asarray([getattr(each, name) for each in precisions], dtype=np.float64)

    def peaks(name: str) -> Array:
        return np.asarray([[_peak(d, float(getattr(p, name))) for p in precisions] for d in devices])

    product, attention = peaks("product_bits"), peaks("attention_bits")
    roof = Roof(
        product_peak=product,
        attention_peak=attention,
        vector_peak=of_devices([device.vector_peak for device in devices]),
        bandwidth=of_devices([device.bandwidth_bytes_per_s for device in devices]),
        link=of_devices([device.link_bytes_per_s or np.nan for device in devices]),
        cache_bytes=of_devices([device.last_level_cache_bytes or 0.0 for device in devices]),
    )
    fields = {name: of_precisions(name) for name in ("weight_bits", "activation_bits", "kv_bits")}
    return _Tables(
        devices=devices,
        precisions=precisions,
        precision=Precision(**fields, embedding_bits=of_precisions("embedding"), expert_bits=of_precisions("experts")),
        roof=roof,
        capacity=of_devices([device.usable_memory_bytes for device in devices]),
        gemm_efficiency=of_devices([gemm_compute_efficiency(d.achievable_matmul_fraction) for d in devices]),
        on_chip=of_devices([device.last_level_cache_bytes or np.inf for device in devices]),
        computable=~(np.isnan(product) | np.isnan(attention)),
    )


def _peak(device: Accelerator, bits: float) -> float:
    try:
        return device.peak(device.format_for(bits))
    except UnsupportedPrecision:
        return float("nan")


def _default_times(found: Sequence[Operator], tables: _Tables, shape: tuple[int, int]) -> PassTime:
    """A pass on every accelerator in every precision by the documented defaults: `pass_time` of `operator_time`s.

    Operators are stacked on a first axis, so that the formulas run once over all of them.
    """

    def stacked(values: Sequence[Values]) -> Array:
        out = np.empty((len(values), *shape))
        for place, value in enumerate(values):
            out[place] = value
        return out

    def per_operator(values: Sequence[float]) -> Array:
        return np.asarray(values, dtype=np.float64)[:, None, None]

    defaults = [DEFAULTS[op.operator_class] for op in found]
    roof, links = tables.roof, np.asarray([op.operator_class == "communication" for op in found])
    compute = stacked([op.flops for op in found]) / stacked([roof.peak_of(op) for op in found])
    cached = np.minimum(stacked([op.cacheable_bytes for op in found]), roof.cache_bytes)
    moving = (stacked([op.bytes_moved for op in found]) - cached) / roof.bandwidth
    if links.any():
        moving[links] = stacked([op.communication_bytes for op in found])[links] / roof.link
    efficiency = stacked([
        tables.gemm_efficiency if op.operator_class == "gemm" else default.compute
        for op, default in zip(found, defaults, strict=True)
    ])  # fmt: skip
    sides = np.hypot(compute / efficiency, moving / per_operator([default.bandwidth for default in defaults]))
    fixed = [default.fixed_s * op.kernel_share for op, default in zip(found, defaults, strict=True)]
    likely = sides + per_operator(fixed) * stacked([op.launches for op in found])
    bound = np.maximum(compute, moving)
    count = per_operator([op.count for op in found])
    ends = (bound, likely, np.maximum(bound, DEFAULT_LOW * likely), DEFAULT_HIGH * likely)
    return PassTime(*(np.sum(count * seconds, axis=0) for seconds in ends))


def _plans(model: Architecture) -> list[Parallelism]:
    """Splits from the smallest, as `profiling.memory.gpus_needed` tries them."""
    ways = [tensor for tensor in legal_tensor_ways(model, NODE_SIZE) if NODE_SIZE % tensor == 0]
    plans = [Parallelism(tensor) for tensor in ways]
    deepest = min(model.main.depth, MOST_DEVICES // ways[-1])
    return plans + [Parallelism(ways[-1], stages) for stages in range(2, deepest + 1)]


@lru_cache(maxsize=2048)
def _of_model(name: str, serving: Serving, chosen: tuple[str, ...]) -> Mapping[str, npt.NDArray[np.generic]]:
    """Every chosen accelerator and precision for one model."""
    model, engine = models()[name], ENGINES[serving.engine]
    tables = _tables(serving.weights, serving.kv_bits, chosen)
    shape = (len(tables.devices), len(tables.precisions))
    workload = Workload(
        stage="decode", batch=float(serving.concurrency), context=float(serving.context), precision=tables.precision
    )
    columns = {key: np.full(shape, np.nan) for key in ("need_gib", "max_batch", "bound_s", *_SIDES)}
    tensor, pipeline = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    measured = np.zeros(shape, dtype=bool)
    budget = tables.capacity * engine.utilisation
    for plan in _plans(model):
        split = replace(workload, parallelism=plan)
        need = need_of(model, split, tables.capacity, engine, 0.0)
        # Most splits of a large model fail by weights and cache alone, which cost little to know.
        if not ((tensor == 0) & (need.high <= budget)).any():
            continue
        found = operators(model, split, tables.on_chip, check=False)
        peak = activation_peak_of(found, model, tables.precision)
        alive = Range(np.maximum(need.activations.low, peak), np.maximum(need.activations.high, peak))
        need = replace(need, activations=alive)
        new = (tensor == 0) & (np.broadcast_to(need.high, shape) <= need.budget)
        if not new.any():
            continue
        tensor[new], pipeline[new] = plan.tensor, plan.pipeline
        most = largest_batch(need, engine, peak, serving.concurrency, mixture=model.is_mixture_of_experts)
        columns["need_gib"][new] = np.broadcast_to(np.divide(need.high, GIB), shape)[new]
        columns["max_batch"][new] = np.broadcast_to(most, shape)[new]
        times = _default_times(found, tables, shape)
        for key in ("bound_s", *_SIDES):
            columns[key][new] = np.broadcast_to(getattr(times, key), shape)[new]
        for row in np.flatnonzero(new.any(axis=1)):
            for part, seconds, known in _measured(model, split, tables, int(row), np.flatnonzero(new[row])):
                measured[row, part] = known
                for key in ("bound_s", *_SIDES):
                    columns[key][row, part] = getattr(seconds, key)
        if (tensor > 0).all():
            break
    verdict = np.where(~tables.computable, 2, np.where(tensor == 0, 1, 0))
    found_columns = {"tensor": tensor, "pipeline": pipeline, "verdict": verdict, "is_calibrated": measured, **columns}
    return {key: values.ravel() for key, values in found_columns.items()}


def _measured(
    model: Architecture, workload: Workload, tables: _Tables, row: int, columns: npt.NDArray[np.intp]
) -> list[tuple[npt.NDArray[np.intp], PassTime, npt.NDArray[np.bool_]]]:
    """Times on one accelerator as calibrated, precisions of like formats together; nothing where it is not.

    With each: its columns, and in which of them measurements predict most of the time.
    """
    device = tables.devices[row]
    calibration = operator_models_of(device.name)
    if calibration is None or (workload.parallelism.devices > 1 and not device.link_bytes_per_s):
        return []
    groups: dict[tuple[str, str], list[int]] = {}
    for column in columns:
        if tables.computable[row, column]:
            roof = roof_of(device, tables.precisions[column])
            groups.setdefault((roof.product_format, roof.attention_format), []).append(int(column))
    result = []
    for members in groups.values():
        part = np.asarray(members, dtype=np.intp)
        names = ("weight_bits", "activation_bits", "kv_bits", "embedding_bits", "expert_bits")
        bits = {name: np.asarray(getattr(tables.precision, name))[part] for name in names}
        roof = roof_of(device, tables.precisions[members[0]])
        asked = replace(workload, precision=Precision(**bits))
        found = operators(model, asked, device.last_level_cache_bytes or np.inf, check=False)
        times = [operator_time(each, roof, calibration) for each in found]
        result.append((part, pass_time(times), _mostly_measured(times, roof, calibration, len(part))))
    return result


def _mostly_measured(
    times: Sequence[OperatorTime], roof: Roof, calibration: Calibration, columns: int
) -> npt.NDArray[np.bool_]:
    """In which precisions measurements answer for more than half of the bound, as `Estimate.calibrated` has it."""
    known, whole = np.zeros(columns), np.zeros(columns)
    for time in times:
        seconds = time.operator.count * np.asarray(time.bound_s)
        fitted = calibration.get(roof.calibration_class(time.operator))
        whole += seconds
        if fitted is not None:
            known += seconds * fitted.measured(time.operator)
    return np.asarray(known > 0.5 * whole)


def _frame(names: Sequence[str], serving: Serving, devices: tuple[str, ...]) -> pl.DataFrame:
    parts = [_of_model(name, serving, devices) for name in names]
    cells = len(serving.weights) * len(devices)
    columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}
    runs = columns["verdict"] == 0 if parts else np.zeros(0, dtype=bool)
    numbers: dict[str, object] = {key: np.where(runs, columns[key], np.nan) if parts else [] for key in _NUMBERS}
    splits: dict[str, object] = {
        key: np.where(runs, columns[key], 0) if parts else [] for key in ("tensor", "pipeline")
    }
    frame = pl.DataFrame({
        "model": np.repeat(np.asarray(names, dtype=object), cells).tolist(),
        "weights": list(serving.weights) * (len(devices) * len(names)),
        "accelerator": np.repeat(np.asarray(devices, dtype=object), len(serving.weights)).tolist() * len(names),
        "verdict": [VERDICTS[code] for code in columns["verdict"].tolist()] if parts else [],
        "is_calibrated": columns["is_calibrated"] if parts else [],
        **splits, **numbers,
    }, schema_overrides={"tensor": pl.Int64, "pipeline": pl.Int64, "is_calibrated": pl.Boolean, "model": pl.String,
                         "weights": pl.String, "accelerator": pl.String, "verdict": pl.String,
                         **dict.fromkeys(numbers, pl.Float64)})  # fmt: skip
    splits_and_rates = (
        *(pl.col(key).replace(0, None) for key in splits),
        *(pl.col(key).fill_nan(None) for key in numbers if key not in _SIDES),
        (pl.col("tensor") * pl.col("pipeline")).replace(0, None).alias("devices"),
        *(
            (serving.concurrency / pl.col(seconds)).fill_nan(None).alias(rate)
            for rate, seconds in (("tokens_low", "high_s"), ("tokens_likely", "likely_s"), ("tokens_high", "low_s"))
        ),
    )
    return frame.with_columns(splits_and_rates).drop(_SIDES)


@cache
def reference(name: str) -> tuple[Mapping[str, str], ...]:
    """Rows of a reference table that ships with the warehouse."""
    with (_REFERENCE / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def price(accelerator: str, *, spot: bool) -> Mapping[str, str] | None:
    """The cheapest offer known for that accelerator, or None."""
    return price_of(accelerators()[accelerator], reference("accelerator_prices"), spot=spot)


def matrix(
    names: Sequence[str], chosen: Sequence[str], serving: Serving, *, grams_per_kwh: float, spot: bool
) -> pl.DataFrame:
    """One row per model, precision and accelerator: what is needed, how fast it is, what a million tokens cost.

    Rates are tokens/s of all sequences together on all devices needed; money and carbon are per million output tokens
    at that batch, their low end at the fast end of the rate. Null: it does not fit, or the figure is not known.

    Raises:
        InvalidWorkload: Context or concurrency cannot be.
    """
    frame = _frame(names, serving, tuple(chosen))
    offers = {name: price(name, spot=spot) for name in chosen}
    column = "usd_per_hour_spot" if spot else "usd_per_hour_on_demand"
    prices = {name: float(offer[column]) for name, offer in offers.items() if offer}
    return frame.with_columns(_money(frame.to_dicts(), prices, grams_per_kwh))


def _money(rows: Sequence[Mapping[str, object]], prices: Mapping[str, float], grams_per_kwh: float) -> list[pl.Series]:
    money: dict[str, list[float | None]] = {f"usd_{end}": [] for end in ("low", "likely", "high")}
    carbon: dict[str, list[float | None]] = {f"grams_{end}": [] for end in ("low", "likely", "high")}
    # The fast end of the rate is the cheap one.
    ends = (("low", "tokens_high"), ("likely", "tokens_likely"), ("high", "tokens_low"))
    for row in rows:
        name = str(row["accelerator"])
        power = accelerators()[name].power_w
        for (end, rate), share in zip(ends, POWER_SHARES, strict=True):
            tokens, devices = row[rate], row["devices"]
            runs = isinstance(tokens, float) and isinstance(devices, int)
            usd = grams = None
            if runs and name in prices:
                usd = usd_per_million_tokens(float(str(tokens)), prices[name], int(str(devices)))
            if runs and power is not None:
                joules = share * power * int(str(devices)) / float(str(tokens))
                grams = grams_co2e_per_million_tokens(joules, grams_per_kwh, PUE)
            money[f"usd_{end}"].append(usd)
            carbon[f"grams_{end}"].append(grams)
    return [pl.Series(name, values, dtype=pl.Float64) for name, values in (money | carbon).items()]
