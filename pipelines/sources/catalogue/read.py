"""Facts of the performance model that ship, as the frames of their tables, each figure with source and doubts."""

import io
from collections.abc import Callable, Mapping

import polars as pl

from profiling.answers.energy import Draw, host_draw, host_idle_draw, idle_draw, power_shares
from profiling.devices.accelerators import GIB, Accelerator, table
from profiling.errors import ProfilingError
from profiling.models.sources import catalogue
from profiling.reference_files import FOLDER
from warehouse.contracts.catalogue import ACCELERATORS, ARCHITECTURES
from warehouse.reference_files import reference_table

_BILLION = 1e9


def _catalogue_facts() -> pl.DataFrame:
    """Records of all models of the catalogue, typed as a file of them would be read."""
    records = [{name: value or None for name, value in entry.record.items()} for entry in catalogue().values()]
    text = pl.DataFrame(records, infer_schema_length=None).write_csv()
    return pl.read_csv(io.StringIO(text), infer_schema_length=None)


def architectures() -> pl.DataFrame:
    """Rows of `core.architectures`; counts are ours where the family's operators are known."""
    counted: list[tuple[str, bool, int | None, int | None, int | None]] = []
    for model_id, entry in catalogue().items():
        try:
            model = entry.architecture()
        except ProfilingError:
            counted.append((model_id, False, None, None, None))
        else:
            total, active = model.parameters_total, model.parameters_active
            counted.append((model_id, True, total, active, model.parameters_embedding))
    ours = pl.DataFrame(
        counted,
        schema={
            "model_id": pl.String,
            "is_timed": pl.Boolean,
            "total": pl.Int64,
            "active": pl.Int64,
            "embedding": pl.Int64,
        },
        orient="row",
    )
    facts = _catalogue_facts().join(ours, on="model_id", how="left", maintain_order="left")

    def stated(name: str) -> pl.Expr:
        return (pl.col(name) * _BILLION).round(0).cast(pl.Int64)

    # Poolers and heads are counted in total and active alike.
    in_all = pl.coalesce("total", "parameters_total")
    embedding = pl.coalesce("embedding", stated("parameters_embedding_billions"))
    return facts.with_columns(
        pl.when(pl.col("attention_kind").str.starts_with("encoder"))
        .then(pl.lit("encoder"))
        .otherwise("attention_kind")
        .alias("attention_kind"),
        pl.coalesce("active", stated("parameters_active_billions")).alias("parameters_active"),
        in_all.alias("parameters_total"),
        embedding.alias("parameters_embedding"),
        (in_all - embedding).alias("parameters_non_embedding"),
        pl.col("kv_bytes_per_token_16bit").alias("kv_bytes_per_token"),
        pl.col("kv_bytes_per_token_16bit_beyond_window").alias("kv_bytes_per_token_beyond_window"),
        pl.col("release_date").str.to_date("%Y-%m-%d"),
        pl.col("license").alias("licence"),
        pl.col("license_basis").alias("licence_basis"),
    ).select(ARCHITECTURES.column_names)


_OTHER_DRAWS: Mapping[str, Callable[[Accelerator], Draw | None]] = {
    "host": host_draw, "idle": idle_draw, "host_idle": host_idle_draw,
}  # fmt: skip
"""What is drawn beside the devices under load, by the first words of the columns."""


def _sources(draws: tuple[Draw | None, ...]) -> str | None:
    return "; ".join(f"{draw.what}: {draw.source} ({draw.note})" for draw in draws if draw is not None) or None


def accelerators(calibrated: Mapping[str, str]) -> pl.DataFrame:
    """Rows of `core.accelerators`.

    Args:
        calibrated: Kernel tables by the name of the accelerator that is calibrated from them.
    """
    codes = reference_table("accelerator_sources", FOLDER, typed=True)
    spelled_out = "; ".join(f"{code}: {source}" for code, source in codes.select("code", "source").iter_rows())
    rows = reference_table("accelerators", FOLDER, typed=True)
    devices = [table()[name] for name in rows["name"]]
    drawn = zip(*map(power_shares, devices), strict=True)
    ends = ("drawn_fraction_low", "drawn_fraction", "drawn_fraction_high")
    other_draws = {name: [draw(device) for device in devices] for name, draw in _OTHER_DRAWS.items()}
    return rows.with_columns(
        pl.col("name").alias("accelerator"),
        pl.Series("usable_memory_gib", [device.usable_memory_bytes / GIB for device in devices]),
        pl.Series("usable_memory_low_gib", [device.usable_memory_range_bytes[0] / GIB for device in devices]),
        pl.Series("usable_memory_high_gib", [device.usable_memory_range_bytes[1] / GIB for device in devices]),
        pl.Series("memory_basis", [device.memory_basis for device in devices]),
        *(pl.Series(name, shares) for name, shares in zip(ends, drawn, strict=True)),
        *(
            pl.Series(
                f"{name}{end}_w", [power_draw and getattr(power_draw.watts, which) for power_draw in draws], pl.Float64
            )
            for name, draws in other_draws.items()
            for end, which in (("_low", "low"), ("", "likely"), ("_high", "high"))
        ),
        pl.Series("host_and_idle_source", map(_sources, zip(*other_draws.values(), strict=True)), pl.String),
        pl.col("release_date").cast(pl.String),
        pl.col("name").replace_strict(calibrated, default=None, return_dtype=pl.String).alias("calibrated_from"),
        pl.lit(spelled_out).alias("source_list"),
    ).select(ACCELERATORS.column_names)


def grid_intensities() -> pl.DataFrame:
    """Rows of `core.grid_carbon_intensity`."""
    return reference_table("grid_carbon_intensity", typed=True)
