"""Models × precisions × accelerators at once: devices needed, largest batch, rates, cost and carbon of serving.

One array computation per model and split, over all accelerators and precisions, cached by model; the formulas are those
of `profiling`, for arrays. No widgets, no figures.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

import warehouse
from dashboards.performance import calibrations, largest_batch, models, precision
from profiling.accelerators import GIB, Accelerator
from profiling.accelerators import table as accelerators
from profiling.architecture import Architecture
from profiling.cost import POWER_SHARES, grams_co2e_per_million_tokens, price_of, usd_per_million_tokens
from profiling.errors import UnsupportedPrecision
from profiling.memory import ENGINES, Range, activation_peak_of, need_of
from profiling.operators import Operator, operators
from profiling.predictors import FittedOperator
from profiling.roofline import (
    DEFAULT_HIGH,
    DEFAULT_LOW,
    DEFAULTS,
    Roof,
    gemm_compute_efficiency,
    roof_of,
)
from profiling.workload import Parallelism, Precision, Values, Workload, legal_tensor_ways

Array = npt.NDArray[np.float64]
PUE = 1.2
NODE_SIZE, MOST_DEVICES = 8, 128
_REFERENCE = Path(warehouse.__file__).parent / "reference"
_CALIBRATED = {"fp16": "bf16", "fp8": "fp8"}
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
    fitted: Mapping[tuple[int, str], Mapping[str, npt.NDArray[np.bool_]]]
    """By row and operator class: calibrations that predict from measurements, and in which precisions."""


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
        fitted=_fitted(devices, precisions),
    )


@cache
def _predictors(accelerator: str) -> Mapping[str, FittedOperator]:
    """What predicts on that accelerator from measurements, by class of calibration."""
    return {one.operator_class: FittedOperator(one) for one in calibrations().get(accelerator, ())}


def _fitted(
    devices: Sequence[Accelerator], precisions: Sequence[Precision]
) -> Mapping[tuple[int, str], Mapping[str, npt.NDArray[np.bool_]]]:
    found: dict[tuple[int, str], dict[str, npt.NDArray[np.bool_]]] = {}
    for row, device in enumerate(devices):
        known = _predictors(device.name)
        for column, each in enumerate(precisions):
            try:
                product = roof_of(device, each).product_format
            except UnsupportedPrecision:
                continue
            for kind, name in (("gemm", f"gemm_{_CALIBRATED.get(product)}"), ("decode_attention", "decode_attention")):
                if name in known:
                    masks = found.setdefault((row, kind), {})
                    mask = masks.setdefault(name, np.zeros(len(precisions), dtype=bool))
                    mask[column] = True
    return found


def _peak(device: Accelerator, bits: float) -> float:
    try:
        return device.peak(device.format_for(bits))
    except UnsupportedPrecision:
        return float("nan")


def _default_times(found: Sequence[Operator], tables: _Tables, shape: tuple[int, int]) -> dict[str, Array]:
    """Seconds of all occurrences by the documented defaults: operators × accelerators × precisions, as `operator_time`.

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
    ends = {"bound_s": bound, "likely_s": likely}
    ends |= {"low_s": np.maximum(bound, DEFAULT_LOW * likely), "high_s": DEFAULT_HIGH * likely}
    return {name: count * seconds for name, seconds in ends.items()}


def _plans(model: Architecture) -> list[Parallelism]:
    """Splits from the smallest, as `profiling.memory.gpus_needed` tries them."""
    ways = [tensor for tensor in legal_tensor_ways(model, NODE_SIZE) if NODE_SIZE % tensor == 0]
    plans = [Parallelism(tensor) for tensor in ways]
    deepest = min(model.main.depth, MOST_DEVICES // ways[-1])
    return plans + [Parallelism(ways[-1], stages) for stages in range(2, deepest + 1)]


@dataclass(frozen=True, slots=True)
class _Pending:
    """Operators of one accelerator and class that measurements predict, gathered over models to be asked at once."""

    shapes: list[dict[str, Array]] = field(default_factory=list)
    cells: list[npt.NDArray[np.intp]] = field(default_factory=list)
    numbers: list[Array] = field(default_factory=list)
    """Per operator: kernel calls and occurrences, then seconds of all occurrences by default."""


@lru_cache(maxsize=128)
def _reckoned(names: tuple[str, ...], serving: Serving, chosen: tuple[str, ...]) -> Mapping[str, Array]:
    """Every cell: arrays of models × accelerators × precisions."""
    tables = _tables(serving.weights, serving.kv_bits, chosen)
    shape = (len(names), len(tables.devices), len(tables.precisions))
    columns = {key: np.full(shape, np.nan) for key in (*_NUMBERS, "bound_s")}
    columns |= {key: np.zeros(shape) for key in ("tensor", "pipeline", "measured_s")}
    pending: dict[tuple[int, str], _Pending] = {}
    for place, name in enumerate(names):
        _one_model(
            models()[name], serving, tables, {key: values[place] for key, values in columns.items()}, place, pending
        )
    for (row, name), asked in pending.items():
        _predict(_predictors(chosen[row])[name], asked, columns)
    columns["verdict"] = np.where(~tables.computable, 2.0, np.where(columns["tensor"] == 0, 1.0, 0.0))
    return columns


def _one_model(
    model: Architecture,
    serving: Serving,
    tables: _Tables,
    columns: Mapping[str, Array],
    place: int,
    pending: dict[tuple[int, str], _Pending],
) -> None:
    """Fill the columns of one model, by defaults; what measurements predict better is left pending."""
    engine, shape = ENGINES[serving.engine], columns["tensor"].shape
    workload = Workload(
        stage="decode", batch=float(serving.concurrency), context=float(serving.context), precision=tables.precision
    )
    budget = tables.capacity * engine.utilisation
    for plan in _plans(model):
        split = replace(workload, parallelism=plan)
        need = need_of(model, split, tables.capacity, engine, 0.0)
        waiting = columns["tensor"] == 0
        # Most splits of a large model fail by weights and cache alone, which cost little to know.
        if not (waiting & (need.high <= budget)).any():
            continue
        found = operators(model, split, tables.on_chip, check=False)
        peak = activation_peak_of(found, model, tables.precision)
        alive = Range(np.maximum(need.activations.low, peak), np.maximum(need.activations.high, peak))
        need = replace(need, activations=alive)
        new = waiting & (np.broadcast_to(need.high, shape) <= need.budget)
        if not new.any():
            continue
        most = largest_batch(need, engine, peak, serving.concurrency, mixture=model.is_mixture_of_experts)
        times = _default_times(found, tables, (shape[0], shape[1]))
        filled: dict[str, Values] = {"tensor": plan.tensor, "pipeline": plan.pipeline, "max_batch": most}
        filled |= {"need_gib": np.divide(need.high, GIB)}
        filled |= {key: seconds.sum(axis=0) for key, seconds in times.items()}
        for key, values in filled.items():
            columns[key][new] = np.broadcast_to(values, shape)[new]
        _gather(found, times, tables, new, place, pending)
        if (columns["tensor"] > 0).all():
            break


def _gather(
    found: Sequence[Operator],
    times: Mapping[str, Array],
    tables: _Tables,
    new: npt.NDArray[np.bool_],
    place: int,
    pending: dict[tuple[int, str], _Pending],
) -> None:
    """Note every operator in a new cell that measurements predict."""
    for (row, kind), predictors in tables.fitted.items():
        for name, precisions in predictors.items():
            wanted = new[row] & precisions
            if not wanted.any():
                continue
            fitted = _predictors(tables.devices[row].name)[name]
            asked = pending.setdefault((row, name), _Pending())
            for index, op in enumerate(found):
                if op.operator_class != kind:
                    continue
                here = np.flatnonzero(fitted.measured(op) & wanted)
                if not here.size:
                    continue
                sizes = fitted.measured_shape(op).items()
                asked.shapes.append({key: _at(value, here) for key, value in sizes})
                asked.cells.append(np.array([[place] * here.size, [row] * here.size, here]))
                ends = [times[key][index, row, here] for key in ("bound_s", *_SIDES)]
                calls = _at(op.launches * op.kernel_share, here)
                asked.numbers.append(np.stack([calls, np.full(here.size, float(op.count)), *ends]))


def _at(value: Values, here: npt.NDArray[np.intp]) -> Array:
    """Values of those precisions, where a number alone is that of all."""
    array = np.asarray(value, dtype=np.float64)
    return array[here] if array.ndim else np.full(here.size, array)


def _predict(fitted: FittedOperator, asked: _Pending, columns: Mapping[str, Array]) -> None:
    """Put predictions from measurements in place of the defaults that the columns hold."""
    if not asked.shapes:
        return
    shapes = {key: np.concatenate([each[key] for each in asked.shapes]) for key in asked.shapes[0]}
    cells = tuple(np.concatenate(asked.cells, axis=1))
    calls, count, bound, *defaults = np.concatenate(asked.numbers, axis=1)
    likely, low, high = fitted.calibration.predict_s(shapes)
    for key, seconds, default in zip(_SIDES, (low, likely, high), defaults, strict=True):
        np.add.at(columns[key], cells, np.maximum(seconds * calls * count, bound) - default)
    np.add.at(columns["measured_s"], cells, bound)


def _frame(names: Sequence[str], serving: Serving, devices: tuple[str, ...]) -> pl.DataFrame:
    columns = {key: values.ravel() for key, values in _reckoned(tuple(names), serving, devices).items()
               if key != "verdict"}  # fmt: skip
    shape = (len(names), len(devices), len(serving.weights))
    codes = np.broadcast_to(_reckoned(tuple(names), serving, devices)["verdict"], shape).ravel().astype(int)
    runs = codes == 0
    labels = (np.asarray(each, dtype=object) for each in (names, devices, serving.weights))
    model, accelerator, weights = (each.ravel().tolist() for each in np.meshgrid(*labels, indexing="ij"))
    frame = pl.DataFrame({
        "model": pl.Series(model, dtype=pl.String),
        "weights": pl.Series(weights, dtype=pl.String),
        "accelerator": pl.Series(accelerator, dtype=pl.String),
        "verdict": pl.Series([VERDICTS[code] for code in codes], dtype=pl.String),
        # As `Estimate.calibrated` has it: measurements answer for more than half of the bound.
        "is_calibrated": columns["measured_s"] > 0.5 * columns["bound_s"],
        **{key: np.where(runs, columns[key], np.nan) for key in ("tensor", "pipeline", *_NUMBERS)},
    })  # fmt: skip
    rates = (("tokens_low", "high_s"), ("tokens_likely", "likely_s"), ("tokens_high", "low_s"))
    return frame.with_columns(
        *(pl.col(key).fill_nan(None).cast(pl.Int64) for key in ("tensor", "pipeline", "max_batch")),
        pl.col("need_gib").fill_nan(None),
        (pl.col("tensor") * pl.col("pipeline")).fill_nan(None).cast(pl.Int64).alias("devices"),
        *((serving.concurrency / pl.col(seconds)).fill_nan(None).alias(rate) for rate, seconds in rates),
    ).drop(_SIDES)


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
