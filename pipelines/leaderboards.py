"""From stored leaderboard files to what they report, who each model is, and how large each entry."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.analytics.identity import entry_sizes, resolve_models
from pipelines.sources.open_llm_leaderboard import Loaded, load_snapshots
from pipelines.sources.raw_store import RawStore
from pipelines.sources.reference import counted_architectures
from warehouse.contracts.leaderboards import MODELS, REPORTED_ENTRIES


@dataclass(frozen=True)
class Leaderboards:
    """All that stored leaderboard files say: rows as reported, models of all boards, entries with sizes and errors."""

    reported: Loaded
    models: pl.DataFrame
    entries: pl.DataFrame


def read_leaderboards(raw: Path) -> Leaderboards:
    """Read every stored file by its declared layout, resolve the models and size the entries.

    Args:
        raw: Folder of the raw store.
    """
    loaded = load_snapshots(RawStore(raw))
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
