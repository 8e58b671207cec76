"""What must hold of results and names across tables, before they are published."""

import datetime as dt

import dagster as dg
import polars as pl

from pipelines.lib.resources import Home
from pipelines.sources.boards.fetch_state import last_fetches
from warehouse.contracts.boards import BENCHMARK_RESULTS, BOARD_SOURCES, MODEL_ALIASES, MODEL_FACTS, REDEFINITIONS

# Boards show models days before the maker's announcement; sources state months for days.
_SLACK = dt.timedelta(days=45)


def before_release(results: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Names that were scored before the model that they are said to mean was released.

    Args:
        results: Rows of `core.benchmark_results`.
        facts: Rows of `core.model_facts`; of several release dates of a model the earliest counts.

    Returns:
        `source`, `name_in_source`, `model_id`, `first_scored`, `release_date`.
    """
    released = facts.filter(pl.col("model_id").is_not_null()).group_by("model_id").agg(pl.col("release_date").min())
    day = pl.min_horizontal("snapshot_date", "measured_on")
    scored = results.filter(pl.col("model_id").is_not_null()).group_by("source", "name_in_source", "model_id")
    return (
        scored.agg(day.min().alias("first_scored"))
        .join(released, on="model_id")
        .filter(pl.col("first_scored") < pl.col("release_date") - _SLACK)
        .sort("source", "name_in_source")
    )


@dg.asset_check(
    asset=MODEL_ALIASES.asset_key,
    additional_deps=[BENCHMARK_RESULTS.asset_key, MODEL_FACTS.asset_key],
    description="No name means a model that was not released when the name was scored.",
)
def no_name_is_older_than_its_model(skyline: Home) -> dg.AssetCheckResult:
    """Hold what names are said to mean against release dates; a source's wrong date is shown, and does not block."""
    wrong = before_release(skyline.lake.read(BENCHMARK_RESULTS), skyline.lake.read(MODEL_FACTS))
    shown = [f"{s}: {n} → {m}" for s, n, m in wrong.select("source", "name_in_source", "model_id").head(20).iter_rows()]
    return dg.AssetCheckResult(
        passed=wrong.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"names": wrong.height, "first": dg.MetadataValue.json(shown)},
        description="; ".join(shown[:3]) or None,
    )


def chained(results: pl.DataFrame, redefinitions: pl.DataFrame) -> int:
    """How many results of a redefined benchmark carry one version on both sides of the redefinition."""
    wrong = 0
    for row in redefinitions.iter_rows(named=True):
        same = [pl.col(name) == row[name] for name in ("source", "benchmark", "metric")]
        series = results.filter(pl.all_horizontal(same))
        before = series.filter(pl.col("snapshot_date") <= row["before_date"])["benchmark_version"].unique()
        after = series.filter(pl.col("snapshot_date") >= row["after_date"])
        of_it = after.filter(pl.col("benchmark_version").str.starts_with(row["benchmark_version"]))
        wrong += of_it.filter(pl.col("benchmark_version").is_in(before.implode())).height
    return wrong


@dg.asset_check(
    asset=BENCHMARK_RESULTS.asset_key,
    additional_deps=[REDEFINITIONS.asset_key],
    blocking=True,
    description="No version of a benchmark spans a redefinition.",
)
def no_version_spans_a_redefinition(skyline: Home) -> dg.AssetCheckResult:
    """Prove that every silent redefinition split its benchmark."""
    changes = skyline.lake.read(REDEFINITIONS)
    wrong = chained(skyline.lake.read(BENCHMARK_RESULTS), changes)
    return dg.AssetCheckResult(passed=wrong == 0, metadata={"redefinitions": changes.height, "chained_results": wrong})


@dg.asset_check(
    asset=BOARD_SOURCES.asset_key,
    description="Every online source answered when last asked, within twice its usual interval.",
)
def sources_keep_their_rhythm(skyline: Home) -> dg.AssetCheckResult:
    """Show sources that are down or silent; what they published before stays, and nothing blocks."""
    sources = skyline.lake.read(BOARD_SOURCES)
    fetches = {
        name: latest_fetch
        for name, latest_fetch in last_fetches(skyline.settings).items()
        if name in set(sources["source"])
    }
    down = {name: latest_fetch.outcome for name, latest_fetch in fetches.items() if latest_fetch.failed}
    # Of a source that was never asked online nobody can say that it is silent.
    late = sources.filter(pl.col("source").is_in(list(fetches)), pl.col("freshness") == "late")["source"].to_list()
    return dg.AssetCheckResult(
        passed=not down and not late,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"down": dg.MetadataValue.json(down), "late": dg.MetadataValue.json(late)},
        description="; ".join(
            [*(f"{name} is down: {why}" for name, why in down.items()), *(f"{n} is late" for n in late)]
        )
        or None,
    )
