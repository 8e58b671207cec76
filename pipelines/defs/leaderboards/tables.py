"""From stored leaderboard files to what they report, who each model is, and how large each entry."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from analytics.identity.models import entry_sizes, resolve_models
from pipelines.lib.kept import Kept
from pipelines.runs.fingerprint import code
from pipelines.sources.catalogue.facts import counted_architectures
from pipelines.sources.leaderboards.read import Loaded, ParsedFile, load_snapshots, parsed
from pipelines.sources.leaderboards.recognition import LEADERBOARD
from pipelines.sources.leaderboards.tables import Parsed, parse
from pipelines.sources.raw_store import RawSnapshot, RawStore
from pipelines.sources.tables import UnreadableFile
from warehouse.contracts.leaderboards import MODELS, REPORTED_ENTRIES
from warehouse.lake import Lake


@dataclass(frozen=True)
class Leaderboards:
    """All that stored leaderboard files say: rows as reported, models of all boards, entries with sizes and errors."""

    reported: Loaded
    models: pl.DataFrame
    entries: pl.DataFrame


def read_leaderboards(raw: Path, lake: Lake) -> Leaderboards:
    """Read every stored file by its declared layout, resolve the models and size the entries.

    Args:
        raw: Folder of the raw store.
        lake: Beside which is kept what files said that were read before.
    """
    with Kept(lake, "leaderboard_files", code()) as kept:
        loaded = load_snapshots(RawStore(raw), lambda stored: _parsed_once(stored, kept))
    reported = REPORTED_ENTRIES.conform(loaded.entries)
    # A home may hold arenas or profiles and no leaderboard at all.
    models = MODELS.empty() if reported.is_empty() else resolve_models(reported, counted_architectures())
    # Of a mean of independent scores.
    errors = loaded.scores.group_by("snapshot_id", "entry_id").agg(
        ((pl.col("standard_error") ** 2).sum().sqrt() / pl.len()).alias("average_standard_error")
    )
    entries = entry_sizes(reported, models).join(errors, on=["snapshot_id", "entry_id"], how="left")
    entries = entries.with_columns(
        pl.when(pl.col("average").is_not_null()).then("average_standard_error").alias("average_standard_error")
    )
    return Leaderboards(loaded, models, entries)


def _parsed_once(stored: RawSnapshot, kept: Kept) -> ParsedFile:
    """What a file says, read once: it never changes. Single runs are small, and a broken file is read again."""
    if stored.manifest.source != LEADERBOARD:
        return parsed(stored)

    def make() -> dict[str, pl.DataFrame]:
        said = parse(stored)
        rows = pl.DataFrame({"rows_read": [said.rows_read]})
        return {"entries": said.entries, "scores": said.scores, "rejected": said.rejected, "rows": rows}

    try:
        found = kept.frames((stored.sha256, stored.manifest), (), make)
    except UnreadableFile:
        return parsed(stored)
    return Parsed(found["entries"], found["scores"], found["rejected"], int(found["rows"]["rows_read"][0]))
