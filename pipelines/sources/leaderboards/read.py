"""Everything stored of the Open LLM Leaderboard, as rows of the tables it fills."""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipelines.sources.accounts import described, whole_file
from pipelines.sources.leaderboards import raw_results
from pipelines.sources.leaderboards import tables as leaderboard_tables
from pipelines.sources.leaderboards.raw_results import METRIC_VERSION, NotRawResults
from pipelines.sources.leaderboards.recognition import LEADERBOARD, PUBLISHED_FRONT, RAW_RESULTS
from pipelines.sources.raw_store import SET_ASIDE, RawSnapshot, RawStore
from pipelines.sources.tables import UnreadableFile, read_as_text
from warehouse.contracts.leaderboards import (
    BENCHMARK_SCORES,
    EVALUATION_RUNS,
    PUBLISHED_FRONTS,
    REJECTED_ROWS,
    REPORTED_ENTRIES,
    SNAPSHOTS,
)
from warehouse.contracts.violations import violations

# Some exports show mostly the best rows: fewer than half as many as before, typically of the best tenth before. Rows
# lost by accident would be lost at every rank.
_TOP_N_SHARE = 0.5
_READERS = 2


@dataclass(frozen=True)
class Loaded:
    """Rows of the tables that stored leaderboard files fill."""

    snapshots: pl.DataFrame
    entries: pl.DataFrame
    scores: pl.DataFrame
    runs: pl.DataFrame
    rejected: pl.DataFrame


ParsedFile = leaderboard_tables.Parsed | raw_results.ParsedRun | pl.DataFrame


def load_snapshots(store: RawStore, parse: Callable[[RawSnapshot], ParsedFile] | None = None) -> Loaded:
    """Read every stored table and raw result file; what cannot be read is rejected with the reason.

    Args:
        store: Where the files are.
        parse: What one of them says, as `parsed`, from two threads; or as it was parsed before.
    """
    snapshots: list[dict[str, Any]] = []
    entries, scores, runs, rejected = (
        [table.empty()] for table in (REPORTED_ENTRIES, BENCHMARK_SCORES, EVALUATION_RUNS, REJECTED_ROWS)
    )
    whole_before: dict[str, pl.DataFrame] = {}
    files = [*store.snapshots(LEADERBOARD), *store.snapshots(RAW_RESULTS)]
    with ThreadPoolExecutor(_READERS) as pool:
        read = list(pool.map(parse or parsed, files))
    for stored, said in zip(files, read, strict=True):
        if isinstance(said, pl.DataFrame):
            rejected.append(said)
            continue
        if isinstance(said, raw_results.ParsedRun):
            coverage, version, resolution = "run", METRIC_VERSION[stored.manifest.subject], 0.0
            runs.append(said.runs)
        else:
            layout = leaderboard_tables.BY_NAME[stored.manifest.layout]
            coverage, version = layout.coverage, layout.version_on(stored.manifest.as_of)
            resolution = layout.score_resolution
            if coverage == "full":
                coverage = _coverage(said.entries, whole_before.get(layout.board))
            if coverage == "full":
                whole_before[layout.board] = said.entries
        entries.append(said.entries)
        scores.append(said.scores)
        rejected.append(said.rejected)
        snapshots.append(
            {**described(stored), "metric_version": version, "coverage": coverage, "score_resolution": resolution}
            | {
                "rows_read": said.rows_read,
                "rows_loaded": said.entries.height,
                "rows_rejected": said.rows_read - said.entries.height,
            }
        )
    rejected += [*_unreadable_fronts(store), *(whole_file(s, s.manifest.layout) for s in store.snapshots(SET_ASIDE))]
    return Loaded(
        SNAPSHOTS.conform(pl.DataFrame(snapshots, schema=SNAPSHOTS.polars_schema)),
        pl.concat(entries),
        pl.concat(scores),
        pl.concat(runs),
        pl.concat(rejected),
    )


def parsed(stored: RawSnapshot) -> ParsedFile:
    """What one file says, or the rejected row of a file that cannot be read."""
    try:
        is_run = stored.manifest.source == RAW_RESULTS
        return raw_results.parse(stored) if is_run else leaderboard_tables.parse(stored)
    except (UnreadableFile, NotRawResults) as error:
        return whole_file(stored, str(error))


def _coverage(entries: pl.DataFrame, before: pl.DataFrame | None) -> str:
    if before is None or entries.height >= _TOP_N_SHARE * before.height:
        return "full"
    typical, best_tenth = entries["average"].median(), before["average"].quantile(0.9)
    chosen_from_the_top = isinstance(typical, float) and isinstance(best_tenth, float) and typical > best_tenth
    return "top_n" if chosen_from_the_top else "full"


def load_published_fronts(store: RawStore) -> pl.DataFrame:
    """Rows of `core.published_fronts` from stored published fronts; the newest sound file of a publication counts."""
    newest: dict[str, pl.DataFrame] = {}
    for stored in store.snapshots(PUBLISHED_FRONT):
        with contextlib.suppress(UnreadableFile):  # told among the rejected rows
            newest[stored.manifest.layout] = _front(stored)
    return pl.concat([PUBLISHED_FRONTS.empty(), *(rows for _, rows in sorted(newest.items()))])


def _unreadable_fronts(store: RawStore) -> list[pl.DataFrame]:
    refused = []
    for stored in store.snapshots(PUBLISHED_FRONT):
        try:
            _front(stored)
        except UnreadableFile as error:
            refused.append(whole_file(stored, str(error)))
    return refused


def _front(stored: RawSnapshot) -> pl.DataFrame:
    """Rows of one file. A front without one of its members is another front, so it is read whole or not at all.

    Raises:
        UnreadableFile: a row is not what the table holds; the message says what.
    """
    manifest = stored.manifest
    text = read_as_text(stored.path.read_bytes(), stored.path.suffix, manifest.uri)
    cutoff: pl.Expr = pl.lit(manifest.as_of)
    if "cutoff" in text.columns:
        cutoff = pl.col("cutoff").str.to_date("%Y-%m-%d", strict=False)
    rows = text.select(
        pl.lit(manifest.layout).alias("publication"),
        cutoff.cast(pl.Date).alias("cutoff"),
        pl.col("model_name").alias("model_id"),
        pl.col("model_size_gb").cast(pl.Float64, strict=False).alias("size_gib"),
        (100 * pl.col("average_error").cast(pl.Float64, strict=False)).alias("error_pct"),
        (pl.col("source") if "source" in text.columns else pl.lit(manifest.uri)).alias("source"),
    ).unique(list(PUBLISHED_FRONTS.key), maintain_order=True)
    if found := violations(PUBLISHED_FRONTS, rows):
        raise UnreadableFile(f"{manifest.uri} is no front: {'; '.join(f'{why} in {n}' for why, n in found.items())}.")
    return PUBLISHED_FRONTS.conform(rows)
