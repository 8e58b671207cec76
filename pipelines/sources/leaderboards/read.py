"""Each stored file of the Open LLM Leaderboard, as rows of the tables it fills."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipelines.sources.accounts import account, rejected_file
from pipelines.sources.leaderboards import raw_results
from pipelines.sources.leaderboards import tables as leaderboard_tables
from pipelines.sources.leaderboards.raw_results import METRIC_VERSION, NotRawResults, ParsedRun
from pipelines.sources.leaderboards.recognition import PUBLISHED_FRONT, RAW_RESULTS
from pipelines.sources.raw_store import SET_ASIDE, RawSnapshot, RawStore
from pipelines.sources.tables import UnreadableFile, read_as_text
from warehouse.contracts.leaderboards import (
    PUBLISHED_FRONTS,
    REJECTED_ROWS,
    SNAPSHOTS,
)
from warehouse.contracts.violations import violations

# Some exports show mostly the best rows: fewer than half as many as before, typically of the best tenth before. Rows
# lost by accident would be lost at every rank.
_TOP_N_SHARE = 0.5


ParsedFile = leaderboard_tables.Parsed | ParsedRun | pl.DataFrame


@dataclass(frozen=True)
class Extent:
    """How much a file says, and how good what it says is: enough to tell whether a board was cut off below.

    Attributes:
        rows_read: Rows in the file.
        rows_loaded: Entries that were taken.
        median_average: Median of their averages; None where none has one.
        best_tenth_average: Their ninth decile.
    """

    rows_read: int
    rows_loaded: int
    median_average: float | None
    best_tenth_average: float | None


def extent(contents: leaderboard_tables.Parsed | ParsedRun) -> Extent:
    """How much a file says."""
    averages = contents.entries["average"]
    typical, best_tenth = averages.median(), averages.quantile(0.9)
    return Extent(
        contents.rows_read, contents.entries.height,
        typical if isinstance(typical, float) else None, best_tenth if isinstance(best_tenth, float) else None,
    )  # fmt: skip


def accounts(files: Sequence[tuple[RawSnapshot, Extent]]) -> pl.DataFrame:
    """Rows of `raw.leaderboard_snapshots` of the files that could be read, in the order of the store."""
    snapshots: list[dict[str, Any]] = []
    whole_before: dict[str, Extent] = {}
    for stored, size in files:
        if stored.manifest.source == RAW_RESULTS:
            coverage, version, resolution = "run", METRIC_VERSION[stored.manifest.subject], 0.0
        else:
            layout = leaderboard_tables.BY_NAME[stored.manifest.layout]
            coverage, version = layout.coverage, layout.version_on(stored.manifest.as_of)
            resolution = layout.score_resolution
            if coverage == "full":
                coverage = _coverage(size, whole_before.get(layout.board))
            if coverage == "full":
                whole_before[layout.board] = size
        snapshots.append(
            account(stored, coverage, size.rows_read, size.rows_loaded)
            | {"metric_version": version, "score_resolution": resolution}
        )
    return SNAPSHOTS.frame(snapshots)


def set_aside(store: RawStore) -> pl.DataFrame:
    """Rows of rejected rows for whole files: fronts that cannot be read, and what no reader knows."""
    whole = [*_unreadable_fronts(store), *(rejected_file(s, s.manifest.layout) for s in store.snapshots(SET_ASIDE))]
    return REJECTED_ROWS.concat(whole)


def parsed(stored: RawSnapshot) -> ParsedFile:
    """What one file says, or the rejected row of a file that cannot be read."""
    try:
        is_run = stored.manifest.source == RAW_RESULTS
        return raw_results.parse(stored) if is_run else leaderboard_tables.parse(stored)
    except (UnreadableFile, NotRawResults) as error:
        return rejected_file(stored, str(error))


def _coverage(current: Extent, before: Extent | None) -> str:
    if before is None or current.rows_loaded >= _TOP_N_SHARE * before.rows_loaded:
        return "full"
    typical, best_tenth = current.median_average, before.best_tenth_average
    return "top_n" if typical is not None and best_tenth is not None and typical > best_tenth else "full"


def load_published_fronts(store: RawStore) -> pl.DataFrame:
    """Rows of `core.published_fronts` from stored published fronts; the newest sound file of a publication counts."""
    newest: dict[str, pl.DataFrame] = {}
    for stored in store.snapshots(PUBLISHED_FRONT):
        with contextlib.suppress(UnreadableFile):  # told among the rejected rows
            newest[stored.manifest.layout] = _front(stored)
    return PUBLISHED_FRONTS.concat(rows for _, rows in sorted(newest.items()))


def _unreadable_fronts(store: RawStore) -> list[pl.DataFrame]:
    refused = []
    for stored in store.snapshots(PUBLISHED_FRONT):
        try:
            _front(stored)
        except UnreadableFile as error:
            refused.append(rejected_file(stored, str(error)))
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
    if broken_rows := violations(PUBLISHED_FRONTS, rows):
        raise UnreadableFile(
            f"{manifest.uri} is not a front: {'; '.join(f'{why} in {n}' for why, n in broken_rows.items())}."
        )
    return PUBLISHED_FRONTS.conform(rows)
