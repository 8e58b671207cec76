"""What ships of living boards: the newest figures that licences let be passed on, as files in our own form."""

from collections.abc import Mapping

import polars as pl

from pipelines.sources.boards.own_form import name_of, written, written_facts, written_measurements
from pipelines.sources.measurements.rows import COLUMNS

_ARENA_CATEGORIES = ("full", "coding", "math", "if", "hard_6", "long_user", "creative_writing", "multiturn")

SHIPPED: Mapping[str, pl.Expr] = {
    "epoch_eci": pl.lit(value=True),
    # Epoch's own runs; what it collected from elsewhere keeps the licence of its upstream.
    "epoch": pl.col("benchmark_version") == "1",
    "teci": pl.col("benchmark") == "TECI",
    "lmarena": (pl.col("benchmark_version") == "style control")
    & pl.col("benchmark").is_in([f"Arena text: {category}" for category in _ARENA_CATEGORIES]),
    "bfcl": pl.col("benchmark_version") == "v4",
    "vectara": pl.col("benchmark_version") == "7,700 documents",
    "aider": (pl.col("benchmark") == "Aider polyglot") & (pl.col("metric") == "pass_rate_2"),
    "tau2": pl.col("metric") == "pass_1",
}
"""Source → which of its results ship; all of them under a licence that lets them be passed on."""
SHIPPED_FACTS = ("models_dev", "epoch", "epoch_eci", "teci", "bfcl")
"""Sources whose statements about models ship."""

SHIPPED_MEASUREMENTS = ("ai_benchmarks", "llmfit", "lmdeploy")
"""Sources whose measurements of whole passes ship: those under MIT and Apache-2.0 of which most rows are compared."""


def shipped(results: pl.DataFrame, facts: pl.DataFrame) -> dict[str, bytes]:
    """Name → bytes of the files that ship, from the tables of a home.

    Args:
        results: Rows of `core.benchmark_results`.
        facts: Rows of `core.model_facts`.
    """
    files = {}
    for source, chosen in SHIPPED.items():
        rows = results.filter(pl.col("source") == source, "may_bundle", "is_newest", chosen)
        rows = rows.filter(pl.col("snapshot_date") == pl.col("snapshot_date").max().over("benchmark", "metric"))
        if rows.height:
            files[name_of(rows, source)] = written(rows)
    for source in SHIPPED_FACTS:
        rows = facts.filter(pl.col("source") == source, "may_bundle")
        if rows.height:
            newest = rows.filter(pl.col("snapshot_date") == pl.col("snapshot_date").max())
            files[name_of(newest, source, "_facts")] = written_facts(newest)
    return files


def shipped_measurements(measurements: pl.DataFrame) -> bytes:
    """The file of measurements that ships, from `core.end_to_end_measurements` of a home that fetched them."""
    return written_measurements(
        measurements.filter(pl.col("source").is_in(SHIPPED_MEASUREMENTS), "may_bundle").select(COLUMNS)
    )
