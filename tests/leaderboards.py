"""All stored leaderboard files at once, which the product reads one by one."""

from dataclasses import dataclass

import polars as pl

from pipelines.sources.leaderboards.raw_results import ParsedRun
from pipelines.sources.leaderboards.read import accounts, extent, parsed, set_aside
from pipelines.sources.leaderboards.recognition import LEADERBOARD, RAW_RESULTS
from pipelines.sources.raw_store import RawStore
from warehouse.contracts.leaderboards import BENCHMARK_SCORES, EVALUATION_RUNS, REJECTED_ROWS, REPORTED_ENTRIES


@dataclass(frozen=True)
class Loaded:
    """Rows of the tables that stored leaderboard files fill."""

    snapshots: pl.DataFrame
    entries: pl.DataFrame
    scores: pl.DataFrame
    runs: pl.DataFrame
    rejected: pl.DataFrame


def load_snapshots(store: RawStore) -> Loaded:
    """Read every stored table and raw result file; what cannot be read is rejected with the reason."""
    files = [*store.snapshots(LEADERBOARD), *store.snapshots(RAW_RESULTS)]
    read = [(stored, parsed(stored)) for stored in files]
    sound = [(stored, said) for stored, said in read if not isinstance(said, pl.DataFrame)]
    return Loaded(
        accounts([(stored, extent(said)) for stored, said in sound]),
        pl.concat([REPORTED_ENTRIES.empty(), *(said.entries for _, said in sound)]),
        pl.concat([BENCHMARK_SCORES.empty(), *(said.scores for _, said in sound)]),
        pl.concat([EVALUATION_RUNS.empty(), *(said.runs for _, said in sound if isinstance(said, ParsedRun))]),
        pl.concat([
            REJECTED_ROWS.empty(), *(said if isinstance(said, pl.DataFrame) else said.rejected for _, said in read),
            set_aside(store),
        ]),
    )  # fmt: skip
