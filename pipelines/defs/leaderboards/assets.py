"""From stored leaderboard files to entries, scores, models, and what changed between snapshots."""

from collections.abc import Iterator

import dagster as dg

from pipelines.defs.leaderboards.tables import models_of, read_files, write_entries
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.lib.contract_assets import makes, spec, write, written
from pipelines.lib.resources import Home
from pipelines.sources.catalogue.facts import non_embedding_scores
from pipelines.sources.leaderboards.read import load_published_fronts
from pipelines.sources.raw_store import RawStore
from warehouse.contracts import leaderboards as tables
from warehouse.contracts.frontier import REVISION_SUMMARY, SCORE_REVISIONS
from warehouse.derive import derive


@dg.multi_asset(
    name="leaderboards",
    **makes(
        spec(tables.SNAPSHOTS, [RAW_FILES]),
        spec(tables.REJECTED_ROWS, [RAW_FILES]),
        spec(tables.REPORTED_ENTRIES, [RAW_FILES]),
        spec(tables.BENCHMARK_SCORES, [RAW_FILES]),
        spec(tables.EVALUATION_RUNS, [RAW_FILES]),
        spec(tables.MODELS, [tables.REPORTED_ENTRIES]),
        spec(tables.LEADERBOARD_ENTRIES, [tables.REPORTED_ENTRIES, tables.BENCHMARK_SCORES, tables.MODELS]),
    ),
)
def leaderboards(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Read every stored file by its declared layout; resolve who each model is, and how large each entry is."""
    lake = skyline.lake
    read = read_files(skyline.settings.raw, lake)
    yield write(lake, tables.SNAPSHOTS, read.snapshots)
    yield written(lake, tables.REJECTED_ROWS)
    yield written(lake, tables.REPORTED_ENTRIES)
    yield written(lake, tables.BENCHMARK_SCORES)
    yield write(lake, tables.EVALUATION_RUNS, read.runs)
    models = models_of(lake)
    unknown = int((models["family"] == "unknown").sum())
    yield write(lake, tables.MODELS, models, unknown_family=unknown)
    write_entries(lake, models)
    yield written(lake, tables.LEADERBOARD_ENTRIES)


@dg.multi_asset(name="published_fronts", **makes(spec(tables.PUBLISHED_FRONTS, [RAW_FILES])))
def published_fronts(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Read the fronts that others published."""
    yield write(skyline.lake, tables.PUBLISHED_FRONTS, load_published_fronts(RawStore(skyline.settings.raw)))


@dg.multi_asset(name="non_embedding_scores", **makes(spec(tables.NON_EMBEDDING_SCORES, [], kinds={"csv"})))
def reference_non_embedding_scores(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Carry the bundled table of sixteen chat models."""
    yield write(skyline.lake, tables.NON_EMBEDDING_SCORES, non_embedding_scores())


_REVISED = (tables.SNAPSHOTS, tables.LEADERBOARD_ENTRIES, tables.BENCHMARK_SCORES)
_COUNTED = (tables.SNAPSHOTS, tables.LEADERBOARD_ENTRIES, SCORE_REVISIONS)


@dg.multi_asset(name="score_revisions", **makes(spec(SCORE_REVISIONS, _REVISED, kinds={"duckdb", "sql"})))
def score_revisions(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Compare consecutive full snapshots, in SQL."""
    yield write(skyline.lake, SCORE_REVISIONS, derive(skyline.lake, SCORE_REVISIONS, _REVISED))


@dg.multi_asset(name="revision_summary", **makes(spec(REVISION_SUMMARY, _COUNTED, kinds={"duckdb", "sql"})))
def revision_summary(skyline: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Count the revisions, in SQL."""
    yield write(skyline.lake, REVISION_SUMMARY, derive(skyline.lake, REVISION_SUMMARY, _COUNTED))
