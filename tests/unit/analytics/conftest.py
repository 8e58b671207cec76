"""The final state of the second board, as its file says it."""

from pathlib import Path

import polars as pl
import pytest


@pytest.fixture(scope="module")
def final_board(shared_data: Path) -> pl.DataFrame:
    """Type, average, size and CO₂ of every entry, untouched."""
    contents = pl.read_parquet(shared_data / "open_llm_leaderboard" / "v2" / "2025-03-13_contents.parquet")
    return contents.select(
        type="T",
        score="Average ⬆️",
        parameters_billion="#Params (B)",
        co2_kg="CO₂ cost (kg)",
    )
