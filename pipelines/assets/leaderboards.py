"""From stored leaderboard files to entries, scores, models, and what changed between snapshots."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from pipelines.analytics.identity import entry_sizes, resolve_models
from pipelines.assets.sources import RAW_FILES
from pipelines.assets.tables import makes, spec, write
from pipelines.resources import Home
from pipelines.sources.open_llm_leaderboard import load_published_fronts, load_snapshots
from pipelines.sources.raw_store import RawStore
from pipelines.sources.reference import counted_architectures, non_embedding_scores
from warehouse.contracts import leaderboards as tables
from warehouse.contracts.frontier import REVISION_SUMMARY, SCORE_REVISIONS
from warehouse.derive import derive


@dg.multi_asset(
    name="parsed_leaderboards",
    **makes(
        spec(tables.SNAPSHOTS, [RAW_FILES]),
        spec(tables.REJECTED_ROWS, [RAW_FILES]),
        spec(tables.REPORTED_ENTRIES, [RAW_FILES]),
        spec(tables.BENCHMARK_SCORES, [RAW_FILES]),
        spec(tables.EVALUATION_RUNS, [RAW_FILES]),
    ),
)
def parsed_leaderboards(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Read every stored file by its declared layout."""
    loaded = load_snapshots(RawStore(skyline.settings.raw))
    yield write(skyline.lake, tables.SNAPSHOTS, loaded.snapshots)
    yield write(skyline.lake, tables.REJECTED_ROWS, loaded.rejected)
    yield write(skyline.lake, tables.REPORTED_ENTRIES, loaded.entries)
    yield write(skyline.lake, tables.BENCHMARK_SCORES, loaded.scores)
    yield write(skyline.lake, tables.EVALUATION_RUNS, loaded.runs)


@dg.multi_asset(
    name="identified_models",
    **makes(
        spec(tables.MODELS, [tables.REPORTED_ENTRIES]),
        spec(tables.LEADERBOARD_ENTRIES, [tables.REPORTED_ENTRIES, tables.BENCHMARK_SCORES, tables.MODELS]),
    ),
)
def identified_models(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Resolve who each model is, and how large each entry is."""
    reported = skyline.lake.read(tables.REPORTED_ENTRIES)
    # A home may hold arenas or profiles and no leaderboard at all.
    models = tables.MODELS.empty() if reported.is_empty() else resolve_models(reported, counted_architectures())
    yield write(skyline.lake, tables.MODELS, models, unknown_family=int((models["family"] == "unknown").sum()))
    scores = skyline.lake.read(tables.BENCHMARK_SCORES, ["snapshot_id", "entry_id", "standard_error"])
    errors = scores.group_by("snapshot_id", "entry_id").agg(
        ((pl.col("standard_error") ** 2).sum().sqrt() / pl.len()).alias("average_standard_error")
    )
    entries = entry_sizes(reported, models).join(errors, on=["snapshot_id", "entry_id"], how="left")
    entries = entries.with_columns(
        pl.when(pl.col("average").is_not_null()).then("average_standard_error").alias("average_standard_error")
    )
    yield write(skyline.lake, tables.LEADERBOARD_ENTRIES, entries)


@dg.multi_asset(name="published_fronts", **makes(spec(tables.PUBLISHED_FRONTS, [RAW_FILES])))
def published_fronts(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Read the fronts that others published."""
    yield write(skyline.lake, tables.PUBLISHED_FRONTS, load_published_fronts(RawStore(skyline.settings.raw)))


@dg.multi_asset(name="non_embedding_scores", **makes(spec(tables.NON_EMBEDDING_SCORES, [], kinds={"csv"})))
def reference_non_embedding_scores(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Carry the bundled table of sixteen chat models."""
    yield write(skyline.lake, tables.NON_EMBEDDING_SCORES, non_embedding_scores())


_REVISED = (tables.SNAPSHOTS, tables.LEADERBOARD_ENTRIES, tables.BENCHMARK_SCORES)


@dg.multi_asset(name="score_revisions", **makes(spec(SCORE_REVISIONS, _REVISED, kinds={"duckdb", "sql"})))
def score_revisions(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Compare consecutive full snapshots, in SQL."""
    yield write(skyline.lake, SCORE_REVISIONS, derive(skyline.lake, SCORE_REVISIONS, _REVISED))


@dg.multi_asset(
    name="revision_summary", **makes(spec(REVISION_SUMMARY, [*_REVISED, SCORE_REVISIONS], kinds={"duckdb", "sql"}))
)
def revision_summary(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Count the revisions, in SQL."""
    inputs = (tables.SNAPSHOTS, tables.LEADERBOARD_ENTRIES, SCORE_REVISIONS)
    yield write(skyline.lake, REVISION_SUMMARY, derive(skyline.lake, REVISION_SUMMARY, inputs))
