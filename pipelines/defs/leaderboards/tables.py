"""From stored leaderboard files to what they report, who each model is, and how large each entry."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import polars as pl

from analytics.identity.models import (
    MODEL_COLUMNS,
    STATED_COLUMNS,
    entry_sizes,
    implausibly_small,
    resolve_models,
)
from pipelines.lib.by_snapshot import Rows, Snapshots, Wanted, write_parts
from pipelines.sources.accounts import rejected_file
from pipelines.sources.catalogue.facts import counted_architectures
from pipelines.sources.leaderboards.raw_results import ParsedRun
from pipelines.sources.leaderboards.read import Extent, accounts, extent, parsed, set_aside
from pipelines.sources.leaderboards.recognition import LEADERBOARD, RAW_RESULTS
from pipelines.sources.leaderboards.tables import parse
from pipelines.sources.raw_store import RawSnapshot, RawStore
from pipelines.sources.tables import UnreadableFile
from warehouse.contracts.leaderboards import (
    BENCHMARK_SCORES,
    EVALUATION_RUNS,
    LEADERBOARD_ENTRIES,
    MODELS,
    REJECTED_ROWS,
    REPORTED_ENTRIES,
)
from warehouse.lake import REST, Lake

FILES = (REPORTED_ENTRIES, BENCHMARK_SCORES, REJECTED_ROWS)
_EXTENT, _TOO_SMALL = "extent", "too_small"
_READERS = 2


@dataclass(frozen=True)
class Read:
    """What stored leaderboard files are, and the runs of which single results are stored."""

    snapshots: pl.DataFrame
    runs: pl.DataFrame


def read_files(raw: Path, lake: Lake) -> Read:
    """Write what every stored file says by its declared layout; a file is read once, for it never changes.

    Args:
        raw: Folder of the raw store.
        lake: Where the tables FILES are written.
    """
    store = RawStore(raw)
    tables, single = store.snapshots(LEADERBOARD), store.snapshots(RAW_RESULTS)
    unreadable: list[pl.DataFrame] = []
    runs: list[tuple[RawSnapshot, ParsedRun]] = []

    def of_table(stored: RawSnapshot) -> Sequence[Rows] | None:
        try:
            result = parse(stored)
        except UnreadableFile as error:
            unreadable.append(rejected_file(stored, str(error)))
            return None
        facts = {_EXTENT: asdict(extent(result)), _TOO_SMALL: implausibly_small(result.entries)}
        return Rows(result.entries, facts), Rows(result.scores), Rows(result.rejected)

    def of_runs() -> list[pl.DataFrame]:
        # Single runs are small and many: a file for each would cost more than reading them again.
        for stored in single:
            result = parsed(stored)
            if isinstance(result, ParsedRun):
                runs.append((stored, result))
            elif isinstance(result, pl.DataFrame):
                unreadable.append(result)
        rejected = [*(run.rejected for _, run in runs), *unreadable, set_aside(store)]
        return [
            REPORTED_ENTRIES.concat(run.entries for _, run in runs),
            BENCHMARK_SCORES.concat(run.scores for _, run in runs),
            REJECTED_ROWS.concat(rejected),
        ]

    parts = [Wanted(table.snapshot_id, (table.sha256, table.manifest), partial(of_table, table)) for table in tables]
    entries, *_ = write_parts(lake, FILES, parts, of_runs, _READERS)
    extents = {part.name: Extent(**part.facts[_EXTENT]) for part in entries if part.name != REST}
    read = [(table, extents[table.snapshot_id]) for table in tables if table.snapshot_id in extents]
    return Read(
        accounts([*read, *((stored, extent(run)) for stored, run in runs)]),
        EVALUATION_RUNS.concat(run.runs for _, run in runs),
    )


def models_of(lake: Lake) -> pl.DataFrame:
    """Rows of `core.models`: who every model is that an entry of the lake names."""
    reported = lake.read(REPORTED_ENTRIES, STATED_COLUMNS)
    # A home may hold arenas or profiles and no leaderboard at all.
    if reported.is_empty():
        return MODELS.empty()
    too_small = set(implausibly_small(lake.read_part(REPORTED_ENTRIES, REST)))
    for part in lake.parts(REPORTED_ENTRIES):
        too_small.update(part.facts.get(_TOO_SMALL, ()))
    return resolve_models(reported, counted_architectures(), too_small)


def write_entries(lake: Lake, models: pl.DataFrame) -> None:
    """Write the entries with their sizes and errors; those of a snapshot whose models are known as before stay.

    Args:
        lake: Where the entries as reported and their scores are.
        models: Rows of `core.models`.
    """
    reported = Snapshots(lake, (REPORTED_ENTRIES, BENCHMARK_SCORES))
    wanted = [
        Wanted(name, (reported.made_from(name), models_of_snapshot), partial(_rows, lake, models, name))
        for name, models_of_snapshot in _known_models(lake, models).items()
        if name != REST
    ]
    write_parts(lake, (LEADERBOARD_ENTRIES,), wanted, lambda: [_entries(lake, models, REST)])


def _known_models(lake: Lake, models: pl.DataFrame) -> dict[str, int]:
    """A number for each part that changes where one of its models is another, whatever other models are."""
    # Sums of 40 bits each: no part has so many entries that they would not fit into 64.
    digests = models.select("model_id", digest=models.select(MODEL_COLUMNS).hash_rows(seed=0) // (1 << 24))
    names = {str(lake.file(REPORTED_ENTRIES, part)): part.name for part in lake.parts(REPORTED_ENTRIES)}
    named = pl.scan_parquet(list(names), glob=False, include_file_paths="file").select("file", "model_id").collect()
    sums = dict(named.join(digests, on="model_id").group_by("file").agg(pl.col("digest").sum()).iter_rows())
    return {name: sums.get(file, 0) for file, name in names.items()}


def _rows(lake: Lake, models: pl.DataFrame, name: str) -> list[Rows]:
    return [Rows(_entries(lake, models, name))]


def _entries(lake: Lake, models: pl.DataFrame, name: str) -> pl.DataFrame:
    """Entries of a part with their sizes, and the standard error of a mean of independent scores."""
    reported, scores = lake.read_part(REPORTED_ENTRIES, name), lake.read_part(BENCHMARK_SCORES, name)
    errors = scores.group_by("snapshot_id", "entry_id").agg(
        ((pl.col("standard_error") ** 2).sum().sqrt() / pl.len()).alias("average_standard_error")
    )
    entries = entry_sizes(reported, models).join(errors, on=["snapshot_id", "entry_id"], how="left")
    stated = pl.when(pl.col("average").is_not_null()).then("average_standard_error").alias("average_standard_error")
    return entries.with_columns(stated).select(LEADERBOARD_ENTRIES.column_names)
