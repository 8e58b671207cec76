"""From stored files of living boards to one table of results, the models they mean, and how each source stands."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from polars import selectors as cs

from analytics.statistics.redefinitions import redefinitions, split
from pipelines.sources.boards.aliases import Aliases, alias_table, hub_id_of
from pipelines.sources.boards.declaration import Declared, declared
from pipelines.sources.boards.fetch_state import LastFetch, last_fetches
from pipelines.sources.boards.load import Loaded, load_boards
from pipelines.sources.boards.recognition import OWN_FORMS
from pipelines.sources.raw_store import RawStore
from profiling.models.sources import catalogue
from warehouse.contracts.boards import (
    BENCHMARK_RESULTS,
    BOARD_SOURCES,
    MODEL_ALIASES,
    MODEL_FACTS,
    REDEFINITIONS,
)
from warehouse.settings import Settings

_SAME = [name for name in BENCHMARK_RESULTS.key if name != "snapshot_date"]


@dataclass(frozen=True)
class Boards:
    """Rows of every table of the capability."""

    snapshots: pl.DataFrame
    rejected: pl.DataFrame
    results: pl.DataFrame
    aliases: pl.DataFrame
    facts: pl.DataFrame
    redefinitions: pl.DataFrame
    sources: pl.DataFrame


def read_boards(home: Path, boards: Mapping[str, Declared] | None = None) -> Boards:
    """Read every stored board, resolve its names, split what was redefined and say how each source stands.

    Args:
        home: The Skyline home.
        boards: Declarations by source; those of the home if not given.

    Raises:
        BrokenDeclaration: a declaration of the home cannot be read.
    """
    settings = Settings.model_validate({"home": str(home)})
    loaded = load_boards(RawStore(settings.raw), boards or declared(home), settings.lake.folder / "parsed" / "boards")
    aliases = _aliases(loaded)
    facts = _facts(loaded.facts, aliases)
    results = with_modes(_unique_results(loaded), aliases)
    changes = redefinitions(results)
    results = newest_marked(split(results, changes))
    sources = _sources(loaded, results, aliases, last_fetches(settings), dt.datetime.now(dt.UTC).date())
    return Boards(
        loaded.snapshots,
        loaded.rejected,
        BENCHMARK_RESULTS.conform(results.select(BENCHMARK_RESULTS.column_names)),
        aliases,
        facts,
        REDEFINITIONS.conform(changes),
        sources,
    )


def _unique_results(loaded: Loaded) -> pl.DataFrame:
    """One row a key: what a source's own file says counts before what ships, and what came last before the rest."""
    shipped = loaded.snapshots.filter(pl.col("layout").is_in(list(OWN_FORMS)))["snapshot_id"]
    return (
        loaded.results.with_columns(pl.col("snapshot_id").is_in(shipped.implode()).alias("ships"))
        .sort("ships", "retrieved_at", "snapshot_id", descending=[False, True, False], maintain_order=True)
        .unique(BENCHMARK_RESULTS.key, keep="first", maintain_order=True)
        .sort(BENCHMARK_RESULTS.key, nulls_last=True)
        .drop("ships")
    )


def _aliases(loaded: Loaded) -> pl.DataFrame:
    stated = [hub_id for link in loaded.facts["link"].drop_nulls().unique() if (hub_id := hub_id_of(link))]
    aliases = Aliases([*stated, *catalogue()])
    of_results = loaded.results.group_by("source", "name_in_source").agg(
        pl.col("link").drop_nulls().first(), pl.len().cast(pl.Int64).alias("results")
    )
    of_facts = loaded.facts.group_by("source", "name_in_source").agg(pl.col("link").drop_nulls().first())
    names = of_results.join(
        of_facts.rename({"link": "other_link"}), on=["source", "name_in_source"], how="full", coalesce=True
    ).with_columns(pl.coalesce("link", "other_link"), pl.col("results").fill_null(0))
    hub_named = {
        name: any(file.names_are_hub_ids for file in board.board.files) for name, board in loaded.boards.items()
    }
    return MODEL_ALIASES.conform(alias_table(names, aliases, hub_named))


def _facts(facts: pl.DataFrame, aliases: pl.DataFrame) -> pl.DataFrame:
    """The newest statement of each source about each name."""
    newest = facts.sort("snapshot_date", descending=True, maintain_order=True).unique(
        ["source", "name_in_source"], keep="first", maintain_order=True
    )
    identities = aliases.select("source", "name_in_source", "model_id")
    named = newest.drop("model_id", "link").join(identities, on=["source", "name_in_source"], how="left")
    return MODEL_FACTS.conform(named.select(MODEL_FACTS.column_names).sort("source", "name_in_source"))


def with_modes(results: pl.DataFrame, aliases: pl.DataFrame) -> pl.DataFrame:
    """Results with the model that each name means; a model seen in both modes has no unstated one.

    Args:
        results: Rows with `source`, `name_in_source` and `mode`.
        aliases: Rows of `core.model_aliases`.
    """
    named = results.join(
        aliases.select("source", "name_in_source", "model_id"), on=["source", "name_in_source"], how="left"
    )
    modes = (
        named.filter(pl.col("model_id").is_not_null() & pl.col("mode").is_in(["thinking", "non-thinking"]))
        .group_by("model_id")
        .agg(pl.col("mode").n_unique().alias("modes"))
    )
    hybrids = modes.filter(pl.col("modes") > 1)["model_id"].implode()
    is_unstated = pl.col("mode").is_null() & pl.col("model_id").is_in(hybrids)
    return named.with_columns(
        pl.when(is_unstated).then(pl.lit("hybrid-unknown")).otherwise("mode").alias("mode")
    ).unique(BENCHMARK_RESULTS.key, keep="first", maintain_order=True)


def newest_marked(results: pl.DataFrame) -> pl.DataFrame:
    """The results with `is_newest`: whether no later state of the source says the same of the same."""
    return results.with_columns(
        (pl.col("snapshot_date") == pl.col("snapshot_date").max().over(_SAME)).alias("is_newest")
    )


def _sources(
    loaded: Loaded, results: pl.DataFrame, aliases: pl.DataFrame, fetches: Mapping[str, LastFetch], today: dt.date
) -> pl.DataFrame:
    rejected = loaded.rejected.join(loaded.snapshots.select("snapshot_id", "board"), on="snapshot_id", how="inner")
    counted = (
        loaded.snapshots.group_by(source="board").agg(
            pl.len().alias("snapshots"), pl.col("as_of_date").max().alias("newest_file")
        ),
        results.group_by("source").agg(
            pl.len().alias("results"),
            pl.col("benchmark").n_unique().alias("benchmarks"),
            pl.col("snapshot_date").max().alias("newest_result"),
        ),
        loaded.measured.group_by("source").agg(pl.len().alias("measurements")),
        rejected.group_by(source="board").agg(pl.len().alias("rejected")),
        aliases.group_by("source").agg(
            pl.len().alias("names"), pl.col("model_id").is_not_null().sum().alias("mapped_names")
        ),
    )
    rows = pl.DataFrame(
        [_about(name, board, fetches.get(name)) for name, board in sorted(loaded.boards.items())],
        schema_overrides=BOARD_SOURCES.polars_schema,
    )
    for counts in counted:
        rows = rows.join(counts, on="source", how="left", maintain_order="left")
    rows = rows.with_columns(pl.max_horizontal("newest_file", "newest_result").alias("newest_date"))
    return BOARD_SOURCES.filled(rows.with_columns(cs.unsigned_integer().fill_null(0), _freshness(today)))


def _about(name: str, declared: Declared, last: LastFetch | None) -> dict[str, Any]:
    board = declared.board
    return {
        "source": name,
        "title": board.title,
        "homepage": board.homepage,
        "licence": board.licence,
        "may_bundle": board.may_bundle,
        "declared_by": "user" if declared.by_user else "project",
        "addresses": sum(file.address is not None for file in board.files),
        "rhythm_days": board.rhythm_days,
        "last_asked_at": last.asked_at if last else None,
        "last_outcome": last.outcome if last else None,
    }


def _freshness(today: dt.date) -> pl.Expr:
    """How a source's newest state compares with its own rhythm."""
    age_days = (pl.lit(today) - pl.col("newest_date")).dt.total_days()
    return (
        pl.when(pl.col("newest_date").is_null())
        .then(pl.lit("never"))
        .when(pl.col("rhythm_days").is_null())
        .then(pl.lit("ended"))
        .when(age_days <= 2 * pl.col("rhythm_days"))
        .then(pl.lit("fresh"))
        .otherwise(pl.lit("late"))
        .alias("freshness")
    )
