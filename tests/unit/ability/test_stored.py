"""What was fitted once is not fitted again."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from pipelines.defs.ability import stored
from pipelines.defs.ability.tables import Abilities
from warehouse.contracts.ability import ABILITY, ABILITY_BENCHMARKS, ABILITY_CHANGES, ABILITY_ERROR
from warehouse.contracts.boards import BENCHMARK_RESULTS, MODEL_FACTS
from warehouse.lake import Lake


def test_the_fit_is_made_once_per_state_of_the_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = []

    def counting(results: pl.DataFrame, facts: pl.DataFrame) -> Abilities:
        fits.append((results.height, facts.height))
        empty = (table.empty() for table in (ABILITY, ABILITY_BENCHMARKS, ABILITY_ERROR, ABILITY_CHANGES))
        ability, benchmarks, error, changes = empty
        return Abilities(ability, benchmarks, error, changes, ["org/hermit"], "none of four results")

    monkeypatch.setattr(stored, "abilities", counting)
    lake = Lake(tmp_path)
    row = {
        "source": "board",
        "snapshot_date": dt.date(2026, 8, 11),
        "retrieved_at": dt.datetime(2026, 8, 12, tzinfo=dt.UTC),
        "score": 1.0,
    }
    results = pl.DataFrame([row], schema=BENCHMARK_RESULTS.polars_schema)
    lake.write(MODEL_FACTS, MODEL_FACTS.empty())
    lake.write(BENCHMARK_RESULTS, results)
    first = stored.stored_abilities(lake)
    # Fetched again, nothing new in it.
    lake.write(BENCHMARK_RESULTS, results.with_columns(pl.col("retrieved_at") + dt.timedelta(days=1)))
    again = stored.stored_abilities(lake)
    assert len(fits) == 1
    assert again.unconnected == first.unconnected == ["org/hermit"]
    assert again.remark == "none of four results"
    lake.write(BENCHMARK_RESULTS, results.with_columns(pl.lit(2.0).alias("score")))
    stored.stored_abilities(lake)
    assert len(fits) == 2
    assert len(list((tmp_path / "kept" / "ability").glob("*/state.parquet"))) == 1
