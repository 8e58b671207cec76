"""What is made of abilities: models with their facts and what serving takes, fronts, the gap, growth. Pure frames."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from analytics.ability.gap import OPEN, PROPRIETARY, UNKNOWN, ability_gaps
from analytics.ability.growth import growths
from analytics.fronts.history import front_history
from analytics.identity.model_names import size_in_name
from analytics.statistics.normal import TWO_SIDED_90, TWO_SIDED_95
from analytics.statistics.resampling import draw_families, family_numbers
from analytics.units import DAYS_PER_YEAR
from profiling.answers.door import Door
from profiling.answers.sizing import Shapes, shapes_of, sizing
from profiling.errors import ProfilingError
from warehouse.contracts import ability_models as tables
from warehouse.contracts.ability import OVERALL

PRIOR = "prior"
_IDENTITY = (
    "display_name", "organization", "release_date", "release_date_source", "is_open_weights", "openness_source",
)  # fmt: skip
_REPLICATES = 1000
_REFERENCE_DATE = dt.date(2026, 1, 1)
_MONTH_IN_NAME = r"-(2[3-9])(0[1-9]|1[0-2])(?:-|$)"


def _interval_columns(name: str) -> tuple[str, str, str]:
    return f"{name}_low", name, f"{name}_high"


_ONE: dict[str, type[pl.DataType]] = {
    "parameters_total": pl.Int64, "parameters_active": pl.Int64, "weight_format": pl.String, "weight_bits": pl.Float64,
    "weights_gib": pl.Float64, "devices": pl.Int64, "timed_as": pl.String,
}  # fmt: skip
SIZE_SCHEMA: dict[str, type[pl.DataType]] = {
    "model_id": pl.String, **_ONE, "memory_low_gib": pl.Float64, "memory_gib": pl.Float64,
    **{name: pl.Float64 for of in ("tokens_per_s", "usd_per_million_tokens") for name in _interval_columns(of)},
}  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """Tables that say what a judged model is.

    Attributes:
        aliases: `core.model_aliases`.
        facts: `core.model_facts`.
        architectures: `core.architectures`.
        models: `core.models`.
    """

    aliases: pl.DataFrame
    facts: pl.DataFrame
    architectures: pl.DataFrame
    models: pl.DataFrame


def headlines(ability: pl.DataFrame) -> pl.DataFrame:
    """Judged models, one row per domain and model, in the mode that speaks for them."""
    return ability.filter("is_headline", pl.col("evidence_class") != PRIOR)


def ability_models(ability: pl.DataFrame, facts: Facts, sized: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.ability_models`.

    Args:
        ability: `marts.ability`.
        facts: What is known of models.
        sized: From `sizes`.
    """
    models = (
        ability.filter("is_headline")
        .sort(pl.col("domain") != OVERALL)
        .unique("model_id", keep="first", maintain_order=True)
        .select("model_id", *_IDENTITY)
        .sort("model_id")
    )
    on_hub = facts.aliases["model_id"].drop_nulls().unique()
    shapes = facts.architectures.select(
        "model_id", pl.col("release_date").alias("own_date"), pl.col("licence").alias("own_licence"),
        pl.col("licence_basis").alias("own_licence_basis"), "release_date_basis",
    )  # fmt: skip
    stated = (
        facts.facts.filter(pl.col("model_id").is_not_null() & pl.col("model_licence").is_not_null())
        .sort("source", "name_in_source")
        .unique("model_id", keep="first", maintain_order=True)
        .select("model_id", pl.col("model_licence"), pl.col("source").alias("licence_source"))
    )
    listed = facts.models.select("model_id", pl.col("licence").alias("listed_licence"))
    joined = models
    for more in (shapes, stated, listed, sized, _sizes_in_names(models["model_id"])):
        joined = joined.join(more, on="model_id", how="left", maintain_order="left")
    return tables.ABILITY_MODELS.conform(
        joined.with_columns(*_parameter_counts())
        .with_columns(*_openness(on_hub), *_licence(), *_release_date())
        .with_columns((1 / pl.col("tokens_per_s")).alias("time_per_token_s"))
        .select(tables.ABILITY_MODELS.column_names)
    )  # fmt: skip


def _openness(on_hub: pl.Series) -> list[pl.Expr]:
    is_on_hub = pl.col("model_id").is_in(on_hub.implode())
    is_open = pl.col("is_open_weights")
    return [
        pl.when(is_open | (is_open.is_null() & is_on_hub)).then(pl.lit(OPEN)).when(~is_open).then(pl.lit(PROPRIETARY))
        .otherwise(pl.lit(UNKNOWN)).alias("openness"),
        pl.when(is_open.is_not_null()).then("openness_source")
        .when(is_on_hub).then(pl.lit("weights on the hub")).alias("openness_basis"),
    ]  # fmt: skip


def _parameter_counts() -> list[pl.Expr]:
    counted = pl.col("parameters_total").is_not_null()
    return [
        pl.coalesce("parameters_total", "named_total").alias("parameters_total"),
        pl.coalesce("parameters_active", "named_active").alias("parameters_active"),
        pl.when(counted).then(pl.lit("counted from its shapes"))
        .when(pl.col("named_total").is_not_null()).then(pl.lit("its name")).alias("parameters_basis"),
    ]  # fmt: skip


def _licence() -> list[pl.Expr]:
    return [
        pl.coalesce("own_licence", "model_licence", "listed_licence").alias("licence"),
        pl.when(pl.col("own_licence").is_not_null()).then("own_licence_basis")
        .when(pl.col("model_licence").is_not_null()).then("licence_source")
        .when(pl.col("listed_licence").is_not_null()).then(pl.lit("a leaderboard")).alias("licence_basis"),
    ]  # fmt: skip


def _release_date() -> list[pl.Expr]:
    """The first date known; a model is not older than the month in its name."""
    stated_date = pl.coalesce("own_date", "release_date")
    month = pl.col("model_id").str.extract_groups(_MONTH_IN_NAME)
    named = pl.concat_str(pl.lit("20"), month.struct[0], month.struct[1], pl.lit("01")).str.to_date(
        "%Y%m%d", strict=False
    )
    by_name = (stated_date.is_null() | (stated_date < named)).fill_null(value=False) & named.is_not_null()
    basis = pl.when(pl.col("own_date").is_not_null()).then("release_date_basis").otherwise("release_date_source")
    return [
        pl.when(by_name).then(named).otherwise(stated_date).alias("release_date"),
        pl.when(by_name).then(pl.lit("month in its name")).otherwise(basis).alias("release_date_basis"),
    ]


def sizes(names: Iterable[str], links: Mapping[str, str], door: Door) -> pl.DataFrame:
    """`model_id`, sizes and what serving takes, of models whose shapes are known.

    Args:
        names: Models.
        links: Architecture of the catalogue that a model shares its shapes with.
        door: What sizes and times them.
    """
    alike: dict[object, dict[str, object]] = {}
    rows: list[dict[str, object]] = []
    for name in names:
        shapes = shapes_of(door, name, links.get(name))
        if shapes is None:
            continue
        # Many are fine-tunes of one base.
        key = replace(shapes.model, name="", notes=(), count_notes=())
        if key not in alike:
            alike[key] = _size(door, shapes)
        rows.append({"model_id": name, **alike[key]})
    return pl.DataFrame(rows, schema=SIZE_SCHEMA)


def _size(door: Door, shapes: Shapes) -> dict[str, object]:
    try:
        size = sizing(door, shapes)
    except ProfilingError:
        total, active = shapes.model.parameters_total, shapes.model.parameters_active
        return {"parameters_total": total, "parameters_active": active}
    row: dict[str, object] = {name: getattr(size, name) for name in _ONE}
    for columns, values in (
        (("memory_low_gib", "memory_gib"), size.memory_gib),
        (_interval_columns("tokens_per_s"), size.tokens_per_s),
        (_interval_columns("usd_per_million_tokens"), size.usd_per_million_tokens),
    ):
        row |= dict(zip(columns, values or (None,) * len(columns), strict=True))
    return row


def _sizes_in_names(names: pl.Series) -> pl.DataFrame:
    sizes = [size_in_name(name) for name in names]
    return pl.DataFrame(
        {
            "model_id": names,
            "named_total": pl.Series([size.total for size in sizes], dtype=pl.Int64),
            "named_active": pl.Series([size.active or size.total for size in sizes], dtype=pl.Int64),
        }
    )


# Fronts, gap, growth -------------------------------------------------------------------------------------------------


def judged(ability: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """Judged models of every domain with their facts."""
    own = headlines(ability).drop(_IDENTITY)
    return own.join(models, on="model_id", how="inner", maintain_order="left")


def ability_fronts(ability: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.ability_fronts`: fronts of open models over release dates, per domain and cost."""
    rows = judged(ability, models).filter(pl.col("openness") == OPEN, pl.col("release_date").is_not_null())
    parts = [tables.ABILITY_FRONTS.empty()]
    for (domain,), of_domain in rows.group_by("domain", maintain_order=True):
        for cost, unit in tables.COSTS.items():
            points = of_domain.filter(pl.col(cost) > 0).with_columns(pl.col(cost).cast(pl.Float64).alias("value"))
            if points.is_empty():
                continue
            history = front_history(points, "value", "ability", "release_date")
            members = points[history["row"]].with_columns(
                pl.lit(domain).alias("domain"), pl.lit(cost).alias("cost"), pl.lit(unit).alias("unit"),
                history["entered_on"], history["left_on"],
                points["model_id"].gather(history["displaced_by"]).alias("displaced_by"),
            )  # fmt: skip
            parts.append(_with_noise(members).select(tables.ABILITY_FRONTS.column_names))
    return tables.ABILITY_FRONTS.conform(pl.concat(parts))


def _with_noise(members: pl.DataFrame) -> pl.DataFrame:
    """Whether each step of today's front exceeds what both intervals explain, at 95 %."""
    standing = pl.col("left_on").is_null()
    error = (pl.col("ability_high") - pl.col("ability_low")) / (2 * TWO_SIDED_90)
    today = members.filter(standing).sort("value", "ability").with_columns(error.alias("_error"))
    step = pl.col("ability") - pl.col("ability").shift()
    noise = (pl.col("_error") ** 2 + pl.col("_error").shift() ** 2).sqrt()
    beyond = today.select("model_id", (step > TWO_SIDED_95 * noise).alias("is_beyond_noise"))
    return members.join(beyond, on="model_id", how="left", maintain_order="left")


def ability_gap(ability: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.ability_gap`, per domain."""
    parts = [tables.ABILITY_GAP.empty()]
    for (domain,), rows in judged(ability, models).group_by("domain", maintain_order=True):
        today: dt.date = rows.select(pl.col("as_of_date").max()).item()
        gaps = ability_gaps(rows, today).with_columns(
            pl.lit(domain).alias("domain"), pl.lit(today).alias("as_of_date"),
            pl.lit(rows["ci_level"][0]).alias("ci_level"),
        )  # fmt: skip
        parts.append(gaps.select(tables.ABILITY_GAP.column_names))
    return tables.ABILITY_GAP.conform(pl.concat(parts))


def ability_growth(ability: pl.DataFrame, models: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.ability_growth`, per domain and count of parameters."""
    rows = judged(ability, models).filter(pl.col("openness") == OPEN, pl.col("release_date").is_not_null())
    growth_rows: list[dict[str, object]] = []
    for (domain,), of_domain in rows.group_by("domain", maintain_order=True):
        for basis in tables.SIZE_BASES:
            growth_rows += _growth(str(domain), basis, of_domain.filter(pl.col(basis) > 0))
    return tables.ABILITY_GROWTH.conform(pl.DataFrame(growth_rows, schema=tables.ABILITY_GROWTH.polars_schema))


def _growth(domain: str, basis: str, rows: pl.DataFrame) -> Iterable[dict[str, object]]:
    makers = draw_families(makers_of(rows).to_numpy(), _REPLICATES)
    fits = growths(rows[basis].to_numpy() / 1e9, years_of(rows["release_date"]), rows["ability"].to_numpy(), makers)
    for fit in fits:
        yield {
            **{name: getattr(fit, name, None) for name in tables.ABILITY_GROWTH.column_names},
            "domain": domain, "size_basis": basis, "reference_date": _REFERENCE_DATE, "models": rows.height,
            "makers": makers.count, "as_of_date": rows["as_of_date"].max(),
        }  # fmt: skip


def makers_of(rows: pl.DataFrame) -> pl.Series:
    """Number of the maker of each model: the account on the hub, else the maker's name."""
    account = pl.when(pl.col("model_id").str.contains("/")).then(pl.col("model_id").str.split("/").list.first())
    maker = rows.select(pl.coalesce(account, pl.col("organization")).str.to_lowercase().alias("maker"))["maker"]
    return family_numbers(maker, rows["model_id"])


def years_of(dates: pl.Series) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Years from the reference day to each date."""
    return (dates.cast(pl.Date).to_numpy() - np.datetime64(_REFERENCE_DATE)).astype(np.int64) / DAYS_PER_YEAR
