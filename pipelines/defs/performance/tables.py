"""What the performance model says of the catalogue, as the frames of its tables; no I/O and no Dagster.

Models that differ only in name are computed once.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from analytics.units import JOULES_PER_KWH
from profiling.answers.answer import occurrence_rows
from profiling.answers.cost import POWER_USAGE_EFFECTIVENESS
from profiling.answers.energy import drawn_w
from profiling.answers.fit import requirement_rows
from profiling.answers.question import ENGINE
from profiling.devices.accelerators import grid_devices, table
from profiling.errors import ProfilingError
from profiling.models.architecture import Architecture
from profiling.models.names import resolve_model
from profiling.models.sources import catalogue
from profiling.models.stored import BF16
from profiling.roofline.estimate import estimate
from profiling.roofline.grid import Grid, evaluate
from profiling.roofline.operator_time import OperatorModel
from profiling.roofline.workload import Parallelism, Precision, Stage, Workload, precision_of
from warehouse.contracts.performance import SERVING_COST

Calibrations = Mapping[str, Mapping[str, OperatorModel]]

FORMATS: Mapping[str, tuple[str, float]] = {
    "w16a16kv16": ("bf16", 16), "w8a8kv8": ("fp8", 8), "w4a16kv16": ("awq-4bit-g128", 16),
}  # fmt: skip
"""Format of the weights and bits of the cache of each precision."""
PRECISIONS: Mapping[str, Precision] = {
    name: precision_of(weights, kv_bits=kv_bits) for name, (weights, kv_bits) in FORMATS.items()
}
BATCHES = (1, 32)
CONTEXTS = (1024, 8192)
LONG_CONTEXTS = (4096, 32768)
ENCODER_CONTEXTS = (512,)
SHARED_FROM = {2: 12e9, 4: 24e9, 8: 48e9}
"""Numbers of devices that share every layer of what does not surely fit on fewer, and the parameters from which on they
are looked at: those whose 16-bit weights fill half as many devices of 24 GB."""
OPERATORS_OF = (
    "meta-llama/Llama-2-7b-hf", "meta-llama/Meta-Llama-3-8B", "Qwen/Qwen2.5-7B-Instruct",
    "mistralai/Mixtral-8x7B-v0.1", "google/gemma-2-9b",
)  # fmt: skip
OPERATORS_ON = ("RTX-A6000", "A100-SXM4-80GB", "H100-SXM5-80GB", "H200-SXM-141GB")
COUNTRY = "WLD"


@dataclass(frozen=True)
class Shape:
    """An architecture, and the models of the catalogue that have it."""

    architecture: Architecture
    model_ids: tuple[str, ...]


def judged_in_catalogue(judged: Iterable[str]) -> frozenset[str]:
    """Models of the catalogue that have the shapes of models which a board judged."""
    matches = (resolve_model(name, catalogue(), suggest=False).catalogue_id for name in judged)
    return frozenset(filter(None, matches))


def distinct_shapes(judged: Collection[str] = ()) -> list[Shape]:
    """Architectures of the shipped grids that can be timed; their names are their places in the list.

    Models that the catalogue knows by their config alone are computed when asked, and in the grids where a board judged
    them.

    Args:
        judged: Of the catalogue, from `judged_in_catalogue`.
    """
    members: dict[Architecture, list[str]] = {}
    for model_id, entry in catalogue().items():
        if not entry.is_tabulated and model_id not in judged:
            continue
        try:
            architecture = entry.architecture()
        except ProfilingError:
            continue
        alike = replace(architecture, name="", max_position=None, published_format=BF16, notes=())
        members.setdefault(alike, []).append(model_id)
    return [
        Shape(replace(architecture, name=str(place)), tuple(model_ids))
        for place, (architecture, model_ids) in enumerate(members.items())
    ]


def _rows_by_model(frame: pl.DataFrame, shapes: Sequence[Shape]) -> pl.DataFrame:
    """One row per model instead of per shape, without contexts that the model was not made for."""
    names = pl.DataFrame(
        [
            (shape.architecture.name, model_id, int(longest) if longest else None)
            for shape in shapes
            for model_id in shape.model_ids
            for longest in (catalogue()[model_id].record["max_position"],)
        ],
        schema={"model": pl.String, "model_id": pl.String, "longest": pl.Int64},
        orient="row",
    )
    joined = names.join(frame, on="model", how="inner", maintain_order="left_right")
    made_for = pl.col("longest").is_null() | (pl.col("context") <= pl.col("longest"))
    return joined.filter(made_for).drop("model", "longest")


def roofline_points(shapes: Sequence[Shape], calibrations: Calibrations) -> pl.DataFrame:
    """Rows of `marts.roofline_points`: the shipped grid over every shape and accelerator."""
    accelerators = grid_devices()
    watts = {device.name: drawn[1] if (drawn := drawn_w(device)) else None for device in accelerators}
    decoders = [shape.architecture for shape in shapes if shape.architecture.kind != "encoder"]
    encoders = [shape.architecture for shape in shapes if shape.architecture.kind == "encoder"]
    shared = Grid(
        models=decoders, accelerators=accelerators, batches=BATCHES, contexts=CONTEXTS,
        precisions=tuple(PRECISIONS.values()), calibrations=calibrations, intervals=True, engine=ENGINE,
    )  # fmt: skip

    def points(grid: Grid) -> Iterator[pl.DataFrame]:
        # Block by block: this is the largest table there is, and most of a refresh's memory.
        return (_points(block, watts) for block in evaluate(grid) if grid.models)

    parts, short_of = [], []
    for block in points(shared):
        short_of.append(_uncertain_places(block))
        parts.append(_rows_by_model(block, shapes))
    short = pl.concat(short_of)
    linked = [device for device in accelerators if device.link_bytes_per_s and device.kind != "cpu"]
    for devices, least in SHARED_FROM.items():
        models = [model for model in decoders if model.parameters_total >= least]
        grid = replace(shared, models=models, accelerators=linked, parallelisms=(Parallelism(devices),))
        together = pl.concat([block.join(short, on=_PLACE, how="semi") for block in points(grid)])
        parts.append(_rows_by_model(together.join(_possible_places(together), on=_PLACE, how="semi"), shapes))
        short = _uncertain_places(together)
    whole = replace(shared, models=encoders, contexts=ENCODER_CONTEXTS, stages=("encode",))
    return pl.concat([*parts, *(_rows_by_model(block, shapes) for block in points(whole))])


# At every batch alike, since the largest one follows from how memory grows between them.
_PLACE = ("model", "accelerator", "precision", "context")


def _uncertain_places(points: pl.DataFrame) -> pl.DataFrame:
    """Where some batch does not surely fit."""
    return points.filter(pl.col("verdict") != "fits").select(_PLACE).unique()


def _possible_places(points: pl.DataFrame) -> pl.DataFrame:
    """Where every stage of some batch may fit."""
    stages = points.group_by(*_PLACE, "batch").agg((pl.col("verdict") != "does not fit").all().alias("may_fit"))
    return stages.filter("may_fit").select(_PLACE).unique()


def _points(block: pl.DataFrame, watts: Mapping[str, float | None]) -> pl.DataFrame:
    """Columns of `marts.roofline_points` of a block of the grid, all but the model's id."""
    under_load = pl.col("accelerator").replace_strict(watts, return_dtype=pl.Float64)
    runs = pl.col("tokens_per_s").is_not_null()
    return (
        block.filter(pl.col("verdict") != "unsupported precision")
        .with_columns(
            _precision_name().alias("precision"),
            pl.col("stage", "verdict", "bound_by").cast(pl.String),
            (pl.col("flops") / pl.col("bytes_moved")).alias("intensity"),
            (pl.col("bound_s") / pl.col("likely_s")).alias("fraction_of_roof"),
            pl.when(runs & (pl.col("stage") == "prefill")).then("likely_s").alias("time_to_first_token_s"),
            pl.when(runs & (pl.col("stage") == "decode")).then("likely_s").alias("time_per_output_token_s"),
            (under_load * pl.col("tensor_parallel") / pl.col("tokens_per_s")).alias("joules_per_token"),
        )
        .rename(
            {
                "bytes_moved": "moved_bytes", "low_s": "predicted_low_s", "likely_s": "predicted_s",
                "high_s": "predicted_high_s", "calibrated": "is_calibrated",
            }
        )
        .drop("attention", "pipeline_parallel", "activation_bits", "kv_bits")
    )  # fmt: skip


def _precision_name() -> pl.Expr:
    """Which of the precisions a row of a grid has; their bits of weights all differ."""
    names = {float(precision.weight_bits): name for name, precision in PRECISIONS.items()}
    return pl.col("weight_bits").replace_strict(names, return_dtype=pl.String)


def roofline_operators(calibrations: Calibrations) -> pl.DataFrame:
    """Rows of `marts.roofline_operators`."""
    rows = []
    stages: tuple[Stage, ...] = ("prefill", "decode")
    for model_id in OPERATORS_OF:
        model = catalogue()[model_id].architecture()
        for name in OPERATORS_ON:
            device = table()[name]
            for stage in stages:
                for precision in ("w16a16kv16", "w4a16kv16"):
                    batch, context = 1, CONTEXTS[0]
                    workload = Workload(stage=stage, batch=batch, context=context, precision=PRECISIONS[precision])
                    fixed = {
                        "model_id": model_id, "accelerator": name, "stage": stage, "precision": precision,
                        "batch": batch, "context": context,
                    }  # fmt: skip
                    times = estimate(model, device, workload, calibrations.get(name), ENGINE).operators
                    rows += occurrence_rows(times, fixed)
    return pl.DataFrame(rows)


def gpu_requirements(shapes: Sequence[Shape]) -> pl.DataFrame:
    """Rows of `marts.gpu_requirements`."""
    devices = grid_devices()
    parts = [
        requirement_rows(models, devices, PRECISIONS, BATCHES, contexts, ENGINE)
        for kind, contexts in ((False, LONG_CONTEXTS), (True, ENCODER_CONTEXTS))
        if (models := [shape.architecture for shape in shapes if (shape.architecture.kind == "encoder") == kind])
    ]
    return _rows_by_model(pl.concat(parts), shapes)


def _device_seconds(points: pl.DataFrame) -> pl.DataFrame:
    """Points that run, with device-seconds per token at the low, likely and high end."""
    tokens = pl.when(pl.col("stage") == "decode").then(pl.col("batch")).otherwise(pl.col("batch") * pl.col("context"))
    return points.filter(pl.col("tokens_per_s").is_not_null()).select(
        *SERVING_COST.key,
        *(
            (pl.col(column) * pl.col("tensor_parallel") / tokens).alias(end)
            for end, column in (("low", "predicted_low_s"), ("likely", "predicted_s"), ("high", "predicted_high_s"))
        ),
    )


def serving_cost(points: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.serving_cost` from points and offers: `prices.rented_usd_per_million_tokens` of every row.

    Args:
        points: Rows of `marts.roofline_points`.
        prices: Rows of `marts.accelerator_market_prices`; the usual one on demand is taken.
    """
    usual = prices.filter((pl.col("price_kind") == "on_demand") & pl.col("is_usual")).select(
        "accelerator", "usd_per_device_hour", price_source="basis"
    )
    served = _device_seconds(points).join(usual, on="accelerator", how="inner", maintain_order="left")
    usd = pl.col("usd_per_device_hour") / 3600 * 1e6
    return served.with_columns(
        usd_low_per_million_tokens=usd * pl.col("low"),
        usd_per_million_tokens=usd * pl.col("likely"),
        usd_high_per_million_tokens=usd * pl.col("high"),
    )


_ENDS = ("low", "likely", "high")
_DRAWN = tuple(f"drawn_{end}_w" for end in _ENDS)
_HOST = ("host_low_w", "host_w", "host_high_w")


def carbon_footprint(
    points: pl.DataFrame, rented: pl.DataFrame, accelerators: pl.DataFrame, grids: pl.DataFrame
) -> pl.DataFrame:
    """Rows of `marts.carbon_footprint`: energy of devices and hosts under load, emissions by the world's average.

    Args:
        points: Rows of `marts.roofline_points`.
        rented: Rows of `marts.accelerator_market_prices`; only accelerators that somebody rents out are served from.
        accelerators: Rows of `core.accelerators`; those without a published power are left out.
        grids: Rows of `core.grid_carbon_intensity`.
    """
    intensity = float(grids.filter(pl.col("country_code") == COUNTRY)["codecarbon_g_co2e_per_kwh"].item())
    fractions = ("drawn_fraction_low", "drawn_fraction", "drawn_fraction_high")
    power = accelerators.drop_nulls("power_w").select(
        "accelerator", "power_w",
        *((pl.col("power_w") * pl.col(share)).alias(watts) for watts, share in zip(_DRAWN, fractions, strict=True)),
        *_HOST,
    )  # fmt: skip
    offered = points.join(rented.drop_nulls("accelerator"), on="accelerator", how="semi", maintain_order="left")
    served = _device_seconds(offered).join(power, on="accelerator", how="inner", maintain_order="left")
    joules = {end: 1e6 * pl.col(watts) * pl.col(end) for end, watts in zip(_ENDS, _DRAWN, strict=True)}
    host = {end: 1e6 * pl.col(watts) * pl.col(end) for end, watts in zip(_ENDS, _HOST, strict=True)}
    counted = {end: joules[end] + host[end] for end in _ENDS}
    grams = POWER_USAGE_EFFECTIVENESS * intensity / JOULES_PER_KWH
    return served.with_columns(
        grid=pl.lit(f"{COUNTRY} by codecarbon"),
        grid_g_co2e_per_kwh=pl.lit(intensity),
        power_usage_effectiveness=pl.lit(POWER_USAGE_EFFECTIVENESS),
        joules_low_per_million_tokens=joules["low"],
        joules_per_million_tokens=joules["likely"],
        joules_high_per_million_tokens=joules["high"],
        host_joules_low_per_million_tokens=host["low"],
        host_joules_per_million_tokens=host["likely"],
        host_joules_high_per_million_tokens=host["high"],
        g_co2e_low_per_million_tokens=counted["low"] * grams,
        g_co2e_per_million_tokens=counted["likely"] * grams,
        g_co2e_high_per_million_tokens=counted["high"] * grams,
    )
