"""Which published results count for ability, and for whom: from rows of boards to units, items and their arrays."""

import datetime as dt
import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from analytics.ability.design import Design
from analytics.ability.results import Floats, Results, above_chance, connected, standardised
from analytics.identity.model_names import size_in_name
from pipelines.sources.boards.names import parsed_name, release_slug, slug
from warehouse.contracts.ability import DOMAINS, NOT_STATED

NON_ABILITY_CATEGORIES = ("hallucination", "long_context", "safety")
"""Categories that stand beside ability: better models do not hallucinate less in summaries (rank correlation with the
published index +0.5, and +0.1 among small models)."""
SCALE = "Epoch Capabilities Index"
INDICES = (SCALE, "TECI")
"""Published indices on the one scale, the second of small models by another author (on 15 models of both it is off by
0.0 in the mean, 2.6 at most). Epoch's own speaks for its models alone: what else is known of them tells of benchmarks
and domains."""
_MATRICES = ("TECI matrix",)
_SHARES = ("fraction", "percent")
_LINEAR = ("elo", "index")
_WHOLE_PRECISION = r"(?i)^(fp|bf|float|bfloat)(16|32)|^fp8"
_LEAST_WITH_SCAFFOLD = 10
_LEAST_MODELS = 5
"""A benchmark of fewer models in a mode says little of any; the published index asks for as many."""
_SCALE_ITEM = {
    "item_source": "epoch_eci",
    "benchmark": SCALE,
    "benchmark_version": "ECI",
    "metric": "index",
    "scaffold": None,
}
_ITEM = ["item_source", "benchmark", "benchmark_version", "metric", "item_scaffold"]
_UNIT = ["model_key", "mode", "effort"]


@dataclass(frozen=True)
class Evidence:
    """Results as the model takes them, and what their numbers mean.

    Attributes:
        design: The arrays.
        rows: One row per result, in the order of the design: `unit`, `item`, `source`, `reporter`, `benchmark`.
        units: One row per unit: model_key, model_id, mode, effort and facts, in order.
        items: One row per item: source, benchmark, version, metric, scaffold, category, `linear`.
        centre: (K,) taken off figures of linear items.
        width: (K,) by what they were divided.
        scale_item: Item that is the published index.
        unconnected: Models that share no benchmark, directly or through others, with the rest.
        as_of: Newest snapshot in it.
    """

    design: Design
    rows: pl.DataFrame
    units: pl.DataFrame
    items: pl.DataFrame
    centre: Floats
    width: Floats
    scale_item: int
    unconnected: list[str]
    as_of: dt.date


class NoScaleError(LookupError):
    """The published index, which sets the scale, is not among the results."""


STATED_BY = {"release_date": "release_date_source", "is_open_weights": "openness_source"}
"""Columns for the board or list that an attribute of a model is from."""


def plain(name: pl.Expr) -> pl.Expr:
    """A name in small letters and digits, everything else a single blank."""
    return name.str.to_lowercase().str.replace_all(r"[^a-z0-9]+", " ").str.strip_chars()


def model_facts(facts: pl.DataFrame) -> pl.DataFrame:
    """One row per model of `core.model_facts`: the first statement of each attribute, Epoch's before others'.

    A name of a release with and without `.0` has its facts under both keys, for boards on which the two stand apart.
    """
    stated = ["display_name", "organization", "release_date", "is_open_weights"]
    named = _with_keys(facts, facts)
    apart = named.filter(pl.col("model_id").is_null(), pl.col("_slug") != pl.col("model_key"))
    both = pl.concat([named, apart.with_columns(pl.col("_slug").alias("model_key"))])
    first = both.sort(pl.col("source").ne("epoch_eci"), "source", "name_in_source", maintain_order=True)
    known = first.group_by("model_key", maintain_order=True).agg(
        pl.col("model_id").drop_nulls().first(), *(pl.col(name).drop_nulls().first() for name in stated),
        *(pl.col("source").filter(pl.col(of).is_not_null()).first().alias(name) for of, name in STATED_BY.items()),
    )  # fmt: skip
    # The mode that a board puts beside a name is not part of it, where the hub id says which model it is.
    bases = {name: parsed_name(name).base for name in known["display_name"].drop_nulls().unique()}
    plain_name = pl.when(pl.col("model_id").is_null()).then("display_name")
    return known.with_columns(plain_name.otherwise(pl.col("display_name").replace(bases)).alias("display_name"))


def keyed(rows: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """The rows with `model_key`: the hub id in small letters, else the name without mode, effort and number format.

    Where the source itself says which model a name is a version of, as Epoch does of dated names, that name counts.
    `Gemini 3.0 Pro` and `Gemini 3 Pro` are one, unless a source lists both in the same version of a benchmark.

    Args:
        rows: With `source`, `name_in_source`, `model_id`; of results also `benchmark` and `benchmark_version`.
        facts: `core.model_facts`, for names.
    """
    named = _with_keys(rows, facts)
    if "benchmark" in rows.columns:
        table = ["source", "benchmark", "benchmark_version", "model_key"]
        side_by_side = (
            named.filter(pl.col("model_id").is_null())
            .group_by(table)
            .agg(pl.col("_slug").unique())
            .filter(pl.col("_slug").list.len() > 1)["model_key"]
            .unique()
        )
        is_apart = pl.col("model_id").is_null() & pl.col("model_key").is_in(side_by_side.implode())
        named = named.with_columns(pl.when(is_apart).then("_slug").otherwise("model_key").alias("model_key"))
    return named.drop("_slug")


def _with_keys(rows: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """The rows with `model_key`, in which `3.0` is `3`, and `_slug`, in which it is not."""
    named = (
        facts.filter(pl.col("display_name").is_not_null())
        .sort("source", "name_in_source", "display_name")
        .unique(["source", "name_in_source"], keep="first", maintain_order=True)
        .select("source", "name_in_source", pl.col("display_name").alias("_name"))
    )
    with_names = rows.join(named, on=["source", "name_in_source"], how="left", maintain_order="left").with_columns(
        pl.coalesce("_name", "name_in_source").alias("_name")
    )
    names = with_names.filter(pl.col("model_id").is_null())["_name"].unique()
    bases = [parsed_name(name).base for name in names]
    slugs = pl.DataFrame(
        {
            "_name": names,
            "_slug": [slug(base) for base in bases],
            "_release": [release_slug(base) for base in bases],
        },
        schema=dict.fromkeys(("_name", "_slug", "_release"), pl.String),
    )
    return (
        with_names.join(slugs, on="_name", how="left", maintain_order="left")
        .with_columns(pl.coalesce(pl.col("model_id").str.to_lowercase(), "_release").alias("model_key"))
        .drop("_name", "_release")
    )


def counted(results: pl.DataFrame, facts: pl.DataFrame, as_of: dt.date | None = None) -> pl.DataFrame:
    """Rows of `core.benchmark_results` that count, one per unit and item, as value, error and who reported.

    Left out: what stands beside ability; costs and seconds; estimates that nobody measured; weights of fewer bits than
    published; means over tasks whose tasks are there; what one source has from another; all metrics of a benchmark but
    the one of most models.

    Args:
        results: Every snapshot.
        facts: `core.model_facts`, for names.
        as_of: What was the newest on that date; today's newest by default.
    """
    newest = results.filter(pl.col("is_newest")) if as_of is None else _newest_on(results, as_of)
    is_index = pl.col("benchmark").is_in(INDICES)
    rows = newest.filter(
        # With all that is counted on such a benchmark: whether a model answers at all, beside how often it invents.
        ~pl.col("category").is_in(NON_ABILITY_CATEGORIES).any().over("source", "benchmark"),
        ~pl.col("benchmark_version").is_in(_MATRICES),
        pl.col("unit").is_in([*_SHARES, *_LINEAR]),
        is_index | (pl.col("reporter") != "estimate"),
        # Other indices are means of what is there already, by weights that change.
        is_index | (pl.col("unit") != "index"),
        pl.col("precision_served").is_null() | pl.col("precision_served").str.contains(_WHOLE_PRECISION),
    )
    is_mean = (pl.col("category") == "overall") & pl.col("unit").is_in(_SHARES)
    has_tasks = (~is_mean).any().over("source")
    rows = keyed(rows.filter(~(is_mean & has_tasks)).with_columns(pl.col("source").alias("item_source")), facts)
    widest = (
        rows.group_by("source", "benchmark", "benchmark_version", "metric")
        .agg(pl.col("model_key").n_unique().alias("models"))
        .sort("models", "metric", descending=[True, True])
        .unique(["source", "benchmark", "benchmark_version"], keep="first", maintain_order=True)
        .drop("models")
    )
    rows = rows.join(widest, on=["source", "benchmark", "benchmark_version", "metric"], how="semi")
    # Ratings of one board by category share their votes: of each kind one, with style control where there is a choice.
    rated = (
        rows.filter(pl.col("unit") == "elo")
        .group_by("source", "category", "benchmark", "benchmark_version")
        .agg(pl.col("model_key").n_unique().alias("models"), pl.col("snapshot_date").max().alias("newest"))
        .sort("models", "newest", "benchmark", "benchmark_version", descending=[True, True, False, True])
        .unique(["source", "category"], keep="first", maintain_order=True)
    )
    rows = pl.concat(
        [
            rows.filter(pl.col("unit") != "elo"),
            rows.join(rated, on=["source", "category", "benchmark", "benchmark_version"], how="semi").filter(
                pl.col("unit") == "elo"
            ),
        ]
    )
    # Both indices are one item, the scale.
    preferred = (
        pl.when(pl.col("benchmark") == SCALE)
        .then(pl.col("source").ne("epoch_eci").cast(pl.Int64))
        .when(pl.col("benchmark").is_in(INDICES))
        .then(2)
    )
    is_index = preferred.is_not_null()
    rows = rows.with_columns(preferred.alias("preferred")).filter(
        ~is_index | (pl.col("preferred") == pl.col("preferred").min().over(*_UNIT, is_index))
    )
    rows = rows.with_columns(
        pl.when(is_index).then(pl.lit(value)).otherwise(pl.col(name)).alias(name) for name, value in _SCALE_ITEM.items()
    )
    in_scaffold = pl.col("model_key").n_unique().over("source", "benchmark", "benchmark_version", "scaffold")
    rows = rows.with_columns(
        pl.when(pl.col("scaffold").is_not_null() & (in_scaffold >= _LEAST_WITH_SCAFFOLD))
        .then(pl.col("scaffold"))
        .alias("item_scaffold"),
        pl.col("mode").fill_null(NOT_STATED),
    )
    figures = rows.with_columns(*_figures())
    # Of what sources give alike to a tenth of a percent one has it from the other: as results of two it would count
    # twice. It is the maker's own figure if one of them says so, else that of whoever gave it first.
    alike = [*_UNIT, plain(pl.col("benchmark")), pl.col("figure").round(3)]
    origin = pl.col("source").sort_by(pl.col("reporter") != "vendor", "snapshot_date", "source").first()
    figures = figures.filter(pl.col("source") == origin.over(alike))
    return (
        figures.sort(*_UNIT, *_ITEM, "source", "name_in_source", "scaffold", "host", "precision_served", "figure")
        .group_by([*_UNIT, *_ITEM], maintain_order=True)
        .agg(
            pl.col("figure").mean(),
            # Runs of one model on one benchmark elsewhere share their questions: their mean errs like one of them.
            pl.col("figure_error").mean().fill_null(0.0),
            pl.col("category").first(),
            pl.col("unit").is_in(_LINEAR).first().alias("linear"),
            (pl.col("reporter") == "vendor").all().alias("by_vendor"),
            pl.col("reporter").first(),
            pl.col("source").first(),
            (pl.col("source") == "epoch_eci").all().alias("is_published"),
            pl.col("model_id").first(),
            pl.col("name_in_source").first(),
            pl.col("snapshot_date").max(),
        )
        .filter(pl.len().over(_ITEM) >= _LEAST_MODELS)
        .sort([*_UNIT, *_ITEM], nulls_last=False)
    )


def _newest_on(results: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    of_a_row = ["source", "benchmark", "benchmark_version", "name_in_source", "mode", "effort", "scaffold", "metric"]
    results_so_far = results.filter(pl.col("snapshot_date") <= as_of)
    return results_so_far.filter(pl.col("snapshot_date") == pl.col("snapshot_date").max().over(of_a_row))


def _figures() -> tuple[pl.Expr, pl.Expr]:
    """Score above chance (shares) or as published, higher is better; and its standard error in the same unit."""
    whole = pl.when(pl.col("unit") == "percent").then(100.0).otherwise(1.0)
    share, chance = pl.col("score") / whole, (pl.col("chance_level") / whole).fill_null(0.0)
    better = pl.col("higher_is_better")
    is_share = pl.col("unit").is_in(_SHARES)
    error = pl.col("standard_error").fill_null(
        (share.clip(0, 1) * (1 - share.clip(0, 1)) / pl.col("n_items")).sqrt() * whole
    )
    figure = (
        pl.when(is_share)
        .then((pl.when(better).then(share).otherwise(1 - share) - chance) / (1 - chance))
        .otherwise(pl.when(better).then(pl.col("score")).otherwise(-pl.col("score")))
    )
    return figure.alias("figure"), pl.when(is_share).then(error / whole / (1 - chance)).otherwise(error).alias(
        "figure_error"
    )


def evidence(results: pl.DataFrame, facts: pl.DataFrame, as_of: dt.date | None = None) -> Evidence:
    """Everything the model needs.

    Args:
        results: `core.benchmark_results`.
        facts: `core.model_facts`.
        as_of: Use what was published by that date only.

    Raises:
        NoScaleError: The published index is not among the results.
    """
    rows = counted(results, facts, as_of)
    if rows.filter(pl.col("benchmark") == SCALE).is_empty():
        raise NoScaleError(
            f"abilities need a scale: the results have no row of the {SCALE}, which sets it; load the board"
            " `epoch_eci` (it is bundled)"
        )
    rows = _numbered(rows)
    unconnected = _unconnected_models(rows)
    if unconnected:
        rows = _numbered(rows.filter(~pl.col("model_key").is_in(unconnected)).drop("unit", "item"))
    units = _units(rows, facts)
    items = rows.unique("item", keep="first", maintain_order=True).sort("item").select(*_ITEM, "category", "linear")
    linear, item, unit = items["linear"].to_numpy(), rows["item"].to_numpy(), rows["unit"].to_numpy()
    share = above_chance(rows["figure"].to_numpy(), np.zeros(rows.height))
    figure = np.where(linear[item], rows["figure"].to_numpy(), share)
    value, centre, width = standardised(figure, item, linear)
    size = units.height
    arrays = Results(
        unit,
        item,
        value,
        np.nan_to_num(rows["figure_error"].to_numpy()) / width[item],
        rows["by_vendor"].to_numpy(),
        linear,
        size,
    )
    design = Design(
        results=arrays,
        source=_codes(rows["source"]),
        sources=rows["source"].n_unique(),
        decisive=((rows["benchmark"] == SCALE) & rows["is_published"]).to_numpy(),
        standing=(rows["benchmark"] == SCALE).to_numpy(),
        domain=np.array(
            [DOMAINS.index(category) - 1 if category in DOMAINS[1:] else -1 for category in items["category"]]
        ),
        domains=len(DOMAINS) - 1,
        model=_codes(units["model_key"]),
        mode=_mode_codes(units),
        maker=_codes(units["maker"]),
        era=(units["release_date"].dt.year().fill_null(0).rank("dense") - 1).to_numpy().astype(np.int64),
        features=units.select("years", "log2_parameters").cast(pl.Float64).fill_null(math.nan).to_numpy(),
    )
    design = replace(design, features=_dated_at_the_latest(design, rows, results))
    scale_item = int(np.flatnonzero((items["benchmark"] == SCALE).to_numpy())[0])
    newest: dt.date = rows.select(pl.col("snapshot_date").max()).item()
    return Evidence(design, rows, units, items, centre, width, scale_item, unconnected, newest)


def _dated_at_the_latest(
    design: Design, rows: pl.DataFrame, results: pl.DataFrame
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """(U, F) features in which units judged in one domain alone, of no known date, have that of their first listing.

    They are no younger, so that what their date lets expect is rather too much than too little. All others keep "not
    known": they stand on what they were judged by, and what is expected of a date is learnt from known ones alone.
    """
    names = ["source", "name_in_source"]
    listed_on = results.group_by(names).agg(pl.col("snapshot_date").min().alias("listed_on"))
    first = rows.join(listed_on, on=names, how="left").group_by("unit").agg(pl.col("listed_on").min()).sort("unit")
    listed = first.select(_years("listed_on")).to_series().to_numpy()
    features = design.features.copy()
    late = np.isnan(features[:, 0]) & (design.only_domain >= 0)
    features[late, 0] = listed[late]
    return features


def _years(date: str) -> pl.Expr:
    """Years since 2018."""
    return (pl.col(date) - pl.lit(dt.date(2018, 1, 1))).dt.total_days() / 365.25


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    for name, columns in (("unit", _UNIT), ("item", _ITEM)):
        distinct = (
            rows.select(columns).unique().sort(columns).with_row_index(name).with_columns(pl.col(name).cast(pl.Int64))
        )
        rows = rows.join(distinct, on=columns, how="left", nulls_equal=True, maintain_order="left")
    return rows


def _codes(names: pl.Series) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.unique(names.to_numpy(), return_inverse=True)[1].ravel().astype(np.int64)


def _unconnected_models(rows: pl.DataFrame) -> list[str]:
    """Models with no unit in the component of the published index."""
    n, k = int(rows["unit"].max()) + 1, int(rows["item"].max()) + 1  # type: ignore[arg-type]
    graph = Results(
        rows["unit"].to_numpy(),
        rows["item"].to_numpy(),
        np.zeros(rows.height),
        np.zeros(rows.height),
        np.zeros(rows.height, dtype=bool),
        np.zeros(k, dtype=bool),
        n,
    )
    in_unit, in_item = connected(graph)
    main = in_item[rows.filter(pl.col("benchmark") == SCALE)["item"][0]]
    joined = rows.with_columns(pl.Series("joined", in_unit[rows["unit"].to_numpy()] == main))
    return (joined.group_by("model_key").agg(pl.col("joined").any()).filter(~pl.col("joined")).sort("model_key"))[
        "model_key"
    ].to_list()


def _mode_codes(units: pl.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """0 for not stated, then each mode with its effort."""
    named = units.select(pl.concat_str("mode", pl.col("effort").fill_null(""), separator=" ").str.strip_chars())
    modes = named.to_series()
    others = sorted(set(modes) - {NOT_STATED})
    order = {NOT_STATED: 0, **{name: at + 1 for at, name in enumerate(others)}}
    return np.array([order[name] for name in modes], dtype=np.int64)


def _units(rows: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Units in order, with what is known of their model."""
    units = (
        rows.group_by("unit", maintain_order=True)
        .agg(*(pl.col(name).first() for name in (*_UNIT, "model_id", "name_in_source")))
        .sort("unit")
        .join(model_facts(facts).drop("model_id"), on="model_key", how="left", maintain_order="left")
    )
    # One name per model: whatever its modes are called.
    name = pl.coalesce("model_id", "display_name", "name_in_source").first().over("model_key", order_by="unit")
    named = units.with_columns(name.alias("name"))
    shared = pl.col("model_key").n_unique().over("name") > 1
    return with_features(named.with_columns(pl.when(shared).then("model_key").otherwise("name").alias("name")))


def with_features(models: pl.DataFrame) -> pl.DataFrame:
    """Maker, years since 2018 and log2 of the parameters in the name, for models with name, facts and model_key."""
    sizes = [size_in_name(name).total for name in models["name"]]
    return models.with_columns(
        pl.coalesce(
            plain(pl.col("organization").str.split(",").list.first()),
            plain(pl.col("model_key").str.split("/").list.first().str.split(" ").list.first()),
        ).alias("maker"),
        _years("release_date").alias("years"),
        pl.Series("log2_parameters", [math.log2(size) if size else None for size in sizes], dtype=pl.Float64),
    )
