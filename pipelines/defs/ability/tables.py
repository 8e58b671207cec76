"""The tables of ability, from results of boards: pure functions over frames."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.ability.bootstrap import LEVEL, ROUNDS, Levels, levels
from analytics.ability.comparison import beyond_noise
from analytics.ability.held_out import held_out
from analytics.ability.index_left_out import IndexLeftOut, index_left_out
from analytics.ability.model import Fit, fit
from analytics.ability.results import Floats, NoAbilityError
from analytics.ability.scale import ByIndexItem
from analytics.statistics.normal import TWO_SIDED_90
from pipelines.defs.ability import errors, evidence
from pipelines.defs.ability.evidence import Evidence, NoScaleError
from warehouse.contracts.ability import (
    ABILITY,
    ABILITY_BENCHMARKS,
    ABILITY_CHANGES,
    ABILITY_ERROR,
    DOMAINS,
    NOT_STATED,
    OVERALL,
)

_ROUNDS_BEFORE = 200
_FOLDS = 5
_LEAST_INDICES = 30
_NEAR_JUDGED = 20
"""Judged models within a factor of two in size and a year in date, for a prior: it does not reach beyond them."""
_KEY = ["domain", "model_id", "mode", "effort"]
_LEAST_JUDGED = 2


@dataclass(frozen=True)
class Abilities:
    """The four tables, and what is to be said of them.

    Attributes:
        ability: `marts.ability`.
        benchmarks: `marts.ability_benchmarks`.
        error: `marts.ability_error`.
        changes: `marts.ability_changes`.
        unconnected: Models that got no ability because nothing compares them with the rest.
        remark: Why there is no ability at all, where there is none.
    """

    ability: pl.DataFrame
    benchmarks: pl.DataFrame
    error: pl.DataFrame
    changes: pl.DataFrame
    unconnected: list[str]
    remark: str = ""


@dataclass(frozen=True)
class Fitted:
    """One fit with its levels in index points."""

    evidence: Evidence
    fit: Fit
    levels: Levels


@dataclass(frozen=True)
class Beyond:
    """What intervals hold beyond the bootstrap: a margin in index points, and (D,) factors of domains."""

    margin: float
    stretch: Floats


def abilities(results: pl.DataFrame, facts: pl.DataFrame, *, rounds: int = ROUNDS) -> Abilities:
    """Fit abilities to every result that counts, measure their error, and compare with the fit before.

    Args:
        results: `core.benchmark_results`.
        facts: `core.model_facts`.
        rounds: Rounds of the bootstrap.
    """
    try:
        now = evidence.evidence(results, facts)
        fitted = fit(now.design)
    except (NoScaleError, NoAbilityError) as none:
        return Abilities(
            ABILITY.empty(), ABILITY_BENCHMARKS.empty(), ABILITY_ERROR.empty(), ABILITY_CHANGES.empty(), [], str(none)
        )
    out = held_out(now.design, kind=errors.kinds(now), folds=_FOLDS, tune=False)
    index = index_left_out(now.design, fitted, scale_of(now), now.scale_item, now.rows["figure"].to_numpy())
    beyond = Beyond(_margin(index, fitted, now), errors.domain_stretches(now, out))
    fitted_levels = levels(
        now.design, fitted, scale_of(now), rounds=rounds, margin=beyond.margin, stretch=beyond.stretch
    )
    whole = Fitted(now, fitted, fitted_levels)
    judged = ability_rows(whole)
    before = _fit_before_newest(results, facts, now, beyond)
    return Abilities(
        pl.concat([judged, prior_rows(whole, facts)], how="diagonal"),
        benchmark_rows(whole),
        errors.error_rows(now, whole.fit, whole.levels, out, index, results),
        change_rows(before, whole, judged) if before else ABILITY_CHANGES.empty(),
        now.unconnected,
    )


def _margin(index: IndexLeftOut, fitted: Fit, now: Evidence) -> float:
    """From the indices left out where these are enough; else from how far indices scatter around their line."""
    if len(index.error) >= _LEAST_INDICES:
        return index.margin
    return float(TWO_SIDED_90 * fitted.noise.linear[now.scale_item] * now.width[now.scale_item])


def scale_of(of: Evidence) -> ByIndexItem:
    """The line of the published index."""
    return ByIndexItem(of.scale_item, float(of.centre[of.scale_item]), float(of.width[of.scale_item]))


def _fit_before_newest(results: pl.DataFrame, facts: pl.DataFrame, now: Evidence, beyond: Beyond) -> Fitted | None:
    """The fit to everything published before the newest snapshot; None where there was no scale yet."""
    try:
        before = evidence.evidence(results, facts, now.as_of - dt.timedelta(days=1))
        fitted = fit(before.design)
    except (NoScaleError, NoAbilityError):
        return None
    scale = scale_of(before)
    fitted_levels = levels(
        before.design, fitted, scale, rounds=_ROUNDS_BEFORE, margin=beyond.margin, stretch=beyond.stretch
    )
    return Fitted(before, fitted, fitted_levels)


def ability_rows(of: Fitted) -> pl.DataFrame:
    """Rows of `marts.ability` for everything with a result: overall, and each domain with one."""
    now, levels = of.evidence, of.levels
    counted = of.fit.known[now.design.results.item]
    own = now.rows.filter(pl.Series(now.design.own & counted))
    overall = pl.DataFrame(
        {
            "unit": np.arange(now.units.height),
            "domain": [OVERALL] * now.units.height,
            "ability": levels.ability,
            "ability_low": levels.low,
            "ability_high": levels.high,
        }
    )
    by_domain = pl.DataFrame(
        {
            "unit": levels.group // now.design.domains,
            "domain": [DOMAINS[1 + at] for at in levels.group % now.design.domains],
            "ability": levels.domain_ability,
            "ability_low": levels.domain_low,
            "ability_high": levels.domain_high,
        }
    )
    in_domain = now.rows.filter(pl.Series(counted), pl.col("category").is_in(DOMAINS[1:]))
    basis = pl.concat(
        [
            _basis(own.with_columns(pl.lit(OVERALL).alias("domain"))),
            _basis(in_domain.with_columns(pl.col("category").alias("domain"))),
        ]
    )
    index = now.rows.filter(pl.col("benchmark") == evidence.SCALE, "is_published").select(
        "unit", pl.lit(OVERALL).alias("domain"), pl.col("figure").alias("published_index")
    )
    rows = (
        pl.concat([overall, by_domain])
        .filter(pl.col("unit").is_in(np.flatnonzero(of.fit.information > 0)))
        .join(basis, on=["unit", "domain"], how="inner")
        .join(index, on=["unit", "domain"], how="left")
        .join(now.units, on="unit")
    )
    return (
        rows.with_columns(
            pl.col("sources").str.count_matches(",").alias("others"),
            pl.Series(now.design.indexed).gather(rows["unit"]).alias("indexed"),
        )
        .sort(
            "domain",
            "name",
            "indexed",
            "others",
            "results",
            "ability",
            "mode",
            descending=[False, False, True, True, True, True, False],
        )
        .with_columns(
            pl.col("name").alias("model_id"),
            pl.lit(LEVEL).alias("ci_level"),
            pl.lit(now.as_of).alias("as_of_date"),
            (pl.int_range(pl.len()).over("domain", "name") == 0).alias("is_headline"),
        )
        .select(name for name in ABILITY.column_names if name != "published_index" or "published_index" in rows.columns)
    )


def _basis(rows: pl.DataFrame) -> pl.DataFrame:
    """Results, sources and class of evidence of each unit and domain."""
    by_vendor = pl.col("by_vendor")
    one_category = pl.col("category").n_unique() == 1
    return rows.group_by("unit", "domain").agg(
        pl.len().cast(pl.Int64).alias("results"),
        pl.col("source").unique().sort().str.join(", ").alias("sources"),
        pl.when(pl.col("benchmark").eq(evidence.SCALE).all())
        .then(pl.lit("published index"))
        .when(pl.len() < _LEAST_JUDGED)
        .then(pl.lit("one result"))
        .when(pl.col("domain").eq(OVERALL).all() & pl.col("category").is_in(DOMAINS[1:]).all() & one_category)
        .then(pl.lit("one domain"))
        .when(by_vendor.all())
        .then(pl.lit("vendor-reported"))
        .when(by_vendor.any())
        .then(pl.lit("mixed"))
        .otherwise(pl.lit("independent"))
        .alias("evidence_class"),
    )


def prior_rows(of: Fitted, facts: pl.DataFrame) -> pl.DataFrame:
    """Open models that nobody judged: what their date and size let expect, with the error on makers left out."""
    now = of.evidence
    judged = set(now.units["model_key"])
    model_rows = evidence.model_facts(facts).filter(
        pl.col("is_open_weights"), pl.col("release_date").is_not_null(), pl.col("model_id").is_not_null()
    )
    wanted = evidence.with_features(
        model_rows.filter(~pl.col("model_key").is_in(list(judged))).with_columns(pl.col("model_id").alias("name"))
    ).filter(pl.col("log2_parameters").is_not_null())
    known_features = now.design.features[~now.design.sparse & ~np.isnan(now.design.features).any(axis=1)]
    features = wanted.select("years", "log2_parameters").to_numpy()
    distance = np.abs(features[:, None, :] - known_features[None, :, :])
    wanted = wanted.filter(pl.Series((distance <= 1).all(axis=2).sum(axis=1) >= _NEAR_JUDGED, dtype=pl.Boolean))
    prior = of.fit.prior
    if wanted.is_empty():
        return ABILITY.empty()
    expected = prior.expected(wanted.select("years", "log2_parameters").to_numpy())
    intercept, unit = scale_of(now).line(of.fit.items.slope, of.fit.items.difficulty, of.fit.ability)
    ability, margin = intercept + unit * expected, TWO_SIDED_90 * unit * prior.expected_error
    return wanted.with_columns(
        pl.Series("ability", ability),
        pl.Series("ability_low", ability - margin),
        pl.Series("ability_high", ability + margin),
        pl.lit(OVERALL).alias("domain"),
        pl.lit(NOT_STATED).alias("mode"),
        pl.lit(None, pl.String).alias("effort"),
        pl.lit(LEVEL).alias("ci_level"),
        pl.lit(0, pl.Int64).alias("results"),
        pl.lit(None, pl.String).alias("sources"),
        pl.lit("prior").alias("evidence_class"),
        pl.lit(now.as_of).alias("as_of_date"),
        pl.lit(None, pl.Float64).alias("published_index"),
        pl.lit(value=True).alias("is_headline"),
    ).select(ABILITY.column_names)


def benchmark_rows(of: Fitted) -> pl.DataFrame:
    """Rows of `marts.ability_benchmarks`: items that were calibrated."""
    now, levels = of.evidence, of.levels
    return (
        now.items.with_columns(
            pl.Series("difficulty", levels.difficulty),
            pl.Series("discrimination", levels.slope * np.where(now.design.results.linear, now.width, 1.0)),
            pl.Series("models", now.design.results.per_item()),
            pl.Series("known", of.fit.known),
            pl.when("linear").then(pl.lit("linear")).otherwise(pl.lit("logistic")).alias("response"),
            pl.lit(now.as_of).alias("as_of_date"),
            pl.col("item_scaffold").alias("scaffold"),
            pl.col("item_source").alias("source"),
        )
        .filter("known")
        .select(ABILITY_BENCHMARKS.column_names)
    )


def change_rows(before: Fitted, now: Fitted, judged: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.ability_changes`."""
    earlier = ability_rows(before)
    joined = judged.join(earlier, on=_KEY, how="full", nulls_equal=True, coalesce=True, suffix="_before")
    differing = _changed_results(before.evidence, now.evidence)
    joined = joined.join(differing, on=_KEY, how="left", nulls_equal=True).with_columns(
        pl.col("new_results").fill_null(0), pl.col("shared").fill_null(0.0)
    )
    width = pl.col("ability_high") - pl.col("ability_low")
    width_before = pl.col("ability_high_before") - pl.col("ability_low_before")
    measured = joined.with_columns(
        (pl.col("ability") - pl.col("ability_before")).alias("change"),
        width.alias("width"),
        width_before.alias("width_before"),
    )
    beyond = beyond_noise(
        *(measured[name].fill_null(0.0).to_numpy() for name in ("change", "width_before", "width", "shared"))
    )
    return measured.with_columns(
        pl.when(pl.col("ability_before").is_null())
        .then(pl.lit("new model"))
        .when(pl.col("ability").is_null())
        .then(pl.lit("withdrawn"))
        .when(pl.col("new_results") > 0)
        .then(pl.lit("new results"))
        .otherwise(pl.lit("refit"))
        .alias("reason"),
        pl.when(pl.col("change").is_not_null()).then(pl.Series("beyond", beyond)).alias("is_beyond_noise"),
        pl.lit(before.evidence.as_of).alias("before_date"),
        pl.lit(now.evidence.as_of).alias("as_of_date"),
    ).select(ABILITY_CHANGES.column_names)


def _changed_results(before: Evidence, now: Evidence) -> pl.DataFrame:
    """Per unit and domain: results new or changed, and the share of all that both fits saw alike."""

    def results_of(evidence: Evidence) -> pl.DataFrame:
        rows = evidence.rows.filter(pl.Series(evidence.design.own)).join(
            evidence.units.select("unit", "name"), on="unit"
        )
        rows = rows.with_columns(pl.col("name").alias("model_id"))
        columns = ["model_id", "mode", "effort", "source", "benchmark", "benchmark_version", "item_scaffold", "figure"]
        return pl.concat(
            [
                rows.select(*columns, pl.lit(OVERALL).alias("domain")),
                rows.filter(pl.col("category").is_in(DOMAINS[1:])).select(*columns, pl.col("category").alias("domain")),
            ]
        )

    after, earlier = results_of(now), results_of(before)
    same = [name for name in after.columns if name != "figure"]
    joined = after.join(earlier, on=same, how="full", nulls_equal=True, coalesce=True, suffix="_before")
    alike = pl.col("figure").eq_missing(pl.col("figure_before"))
    return joined.group_by(_KEY).agg(
        (~alike & pl.col("figure").is_not_null()).sum().cast(pl.Int64).alias("new_results"),
        alike.mean().alias("shared"),
    )
