"""What must hold of abilities before they are published."""

import dagster as dg
import polars as pl

from pipelines.defs.ability.domains_left_out import BASIS
from pipelines.lib.resources import Home
from warehouse.contracts.ability import ABILITY, ABILITY_ERROR, OVERALL

_LEAST_COVERAGE, _MOST_COVERAGE = 0.85, 0.95
_LARGEST_MOVE = 0.2


def moved_from_the_published(ability: pl.DataFrame) -> int:
    """Models whose overall ability is not the index that Epoch publishes of them, by more than 0.2 points."""
    both_figures = ability.filter((pl.col("domain") == OVERALL) & pl.col("published_index").is_not_null())
    return int(
        both_figures.select(((pl.col("ability") - pl.col("published_index")).abs() > _LARGEST_MOVE).sum()).item()
    )


def headless(ability: pl.DataFrame) -> int:
    """Pairs of domain and model without exactly one headline, and estimates outside their interval."""
    heads = ability.group_by("domain", "model_id").agg(pl.col("is_headline").sum().alias("heads"))
    outside = ~pl.col("ability").is_between("ability_low", "ability_high")
    return heads.filter(pl.col("heads") != 1).height + ability.filter(outside).height


def worse_than_the_naive(error: pl.DataFrame) -> list[str]:
    """Kinds of results that the model predicts no better than the mean of the benchmark, or covers wrongly."""
    held_out = error.filter(pl.col("basis") == "held-out results", pl.col("domain") == OVERALL)
    worse = pl.col("mean_absolute_error") >= pl.col("naive_mean_absolute_error")
    off = ~pl.col("coverage").is_between(_LEAST_COVERAGE, _MOST_COVERAGE)
    return held_out.filter(worse | off)["compared_with"].to_list()


def clear_of_overall(error: pl.DataFrame) -> dict[str, list[str]]:
    """Benchmarks left out of their domain that ability in it orders clearly better, or clearly worse, than overall."""
    out = error.filter(pl.col("basis") == BASIS)
    better, worse = out.filter(pl.col("spearman_gain_low") > 0), out.filter(pl.col("spearman_gain_high") < 0)
    return {
        "left_out": [str(out.height)],
        "better_by_domain": better["compared_with"].to_list(),
        "better_by_overall": worse["compared_with"].to_list(),
    }


@dg.asset_check(
    asset=list(ABILITY.asset_key),
    blocking=True,
    description="Models with a published index have that value, and every model has one headline inside its interval.",
)
def ability_is_on_the_published_scale(skyline: Home) -> dg.AssetCheckResult:
    """Compare with what Epoch publishes; count the headlines."""
    ability = skyline.lake.read(ABILITY)
    moved, without = moved_from_the_published(ability), headless(ability)
    return dg.AssetCheckResult(
        passed=moved == 0 and without == 0,
        metadata={"moved_from_the_published": moved, "without_one_headline": without},
    )


@dg.asset_check(
    asset=list(ABILITY_ERROR.asset_key),
    description="Held-out results are predicted better than by the benchmark's mean, and intervals hold.",
)
def ability_predicts(skyline: Home) -> dg.AssetCheckResult:
    """A warning: the error is published either way."""
    error = skyline.lake.read(ABILITY_ERROR)
    worse = worse_than_the_naive(error)
    return dg.AssetCheckResult(
        passed=not worse,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "worse": dg.MetadataValue.json(worse),
            "domains_against_overall": dg.MetadataValue.json(clear_of_overall(error)),
        },
    )
