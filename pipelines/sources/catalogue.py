"""Facts of the performance model that ship, as the frames of their tables, each figure with source and doubts."""

from collections.abc import Mapping
from importlib import resources

import polars as pl

from profiling.errors import ProfilingError
from profiling.sources import catalogue
from warehouse.contracts.catalogue import ARCHITECTURES

_BILLION = 1e9
_RECALLED = "recalled"


def _read(package: str, name: str) -> pl.DataFrame:
    text = resources.files(package).joinpath("reference", name).read_bytes()
    return pl.read_csv(text, infer_schema_length=None)


def architectures() -> pl.DataFrame:
    """Rows of `core.architectures`; counts are ours where the family's operators are known."""
    counted: list[tuple[str, bool, int | None, int | None]] = []
    for model_id, entry in catalogue().items():
        try:
            model = entry.architecture()
        except ProfilingError:
            counted.append((model_id, False, None, None))
        else:
            counted.append((model_id, True, model.parameters_active, model.parameters_embedding))
    ours = pl.DataFrame(
        counted,
        schema={"model_id": pl.String, "is_timed": pl.Boolean, "active": pl.Int64, "embedding": pl.Int64},
        orient="row",
    )
    facts = _read("profiling", "architectures.csv").join(ours, on="model_id", how="left", maintain_order="left")

    def stated(name: str) -> pl.Expr:
        return (pl.col(name) * _BILLION).round(0).cast(pl.Int64)

    embedding = pl.coalesce("embedding", stated("parameters_embedding_billions"))
    recalled = [
        pl.col(name).str.contains(_RECALLED).fill_null(value=False)
        for name in ("published_basis", "release_date_basis", "license_basis")
    ]
    return facts.with_columns(
        pl.when(pl.col("attention_kind").str.starts_with("encoder"))
        .then(pl.lit("encoder"))
        .otherwise("attention_kind")
        .alias("attention_kind"),
        pl.coalesce("active", stated("parameters_active_billions")).alias("parameters_active"),
        embedding.alias("parameters_embedding"),
        (pl.col("parameters_total") - embedding).alias("parameters_non_embedding"),
        pl.col("kv_bytes_per_token_16bit").alias("kv_bytes_per_token"),
        pl.col("kv_bytes_per_token_16bit_beyond_window").alias("kv_bytes_per_token_beyond_window"),
        pl.col("release_date").str.to_date("%Y-%m-%d"),
        pl.col("license").alias("licence"),
        pl.col("license_basis").alias("licence_basis"),
        pl.any_horizontal(recalled).alias("is_partly_recalled"),
    ).select(ARCHITECTURES.column_names)


def accelerators(calibrated: Mapping[str, str]) -> pl.DataFrame:
    """Rows of `core.accelerators`.

    Args:
        calibrated: Kernel tables by the name of the accelerator that is calibrated from them.
    """
    codes = _read("profiling", "accelerator_sources.csv")
    spelled_out = "; ".join(f"{code}: {source}" for code, source in codes.select("code", "source").iter_rows())
    return _read("profiling", "accelerators.csv").with_columns(
        pl.col("name").alias("accelerator"),
        pl.col("name").replace_strict(calibrated, default=None, return_dtype=pl.String).alias("calibrated_from"),
        pl.lit(spelled_out).alias("source_list"),
    )


def prices() -> pl.DataFrame:
    """Rows of `core.accelerator_prices`."""
    return _read("warehouse", "accelerator_prices.csv")


def grid_intensities() -> pl.DataFrame:
    """Rows of `core.grid_carbon_intensity`."""
    return _read("warehouse", "grid_carbon_intensity.csv")
