"""What two real states of a board say of each other: who moved, for which reason, and whether beyond noise."""

import datetime as dt

import polars as pl
import pytest

from pipelines.defs.ability.evidence import SCALE
from pipelines.defs.ability.tables import abilities
from pipelines.defs.boards.tables import Boards, newest_marked

BEFORE, NOW = dt.date(2026, 3, 19), dt.date(2026, 4, 19)


@pytest.mark.data
@pytest.mark.slow
def test_a_month_of_the_arena_moves_those_it_judged_anew_and_of_the_rest_nobody_beyond_noise(boards: Boards) -> None:
    is_of_it = (pl.col("source") == "lmarena") | (pl.col("benchmark") == SCALE)
    results = newest_marked(boards.results.filter(is_of_it, pl.col("snapshot_date") <= NOW))
    changes = abilities(results, boards.facts, rounds=60).changes.filter(pl.col("domain") == "overall")
    assert changes.select("before_date", "as_of_date").unique().rows() == [(BEFORE, NOW)]
    moved = changes.filter(pl.col("reason") == "new results")
    assert moved.height >= 10
    assert moved["new_results"].min() >= 1  # type: ignore[operator]
    judged = set(boards.results.filter(pl.col("snapshot_date") == NOW)["model_id"].drop_nulls())
    on_the_hub = moved.filter(pl.col("model_id").str.contains("/"))["model_id"]
    assert on_the_hub.len() > 0
    assert set(on_the_hub) <= judged
    refit = changes.filter(pl.col("reason") == "refit")
    assert refit.height > 100
    assert not refit["is_beyond_noise"].any()
    assert refit["change"].abs().median() < moved["change"].abs().median()  # type: ignore[operator]
