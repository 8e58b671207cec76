"""A benchmark that was redefined under its old name is found, and nothing is chained over it."""

import datetime as dt

import polars as pl
import pytest

from analytics.statistics.redefinitions import redefinitions, split
from pipelines.defs.boards.checks import chained
from pipelines.defs.boards.tables import Boards

BEFORE, AFTER = dt.date(2026, 5, 10), dt.date(2026, 7, 10)


@pytest.mark.data
def test_the_index_that_moved_for_every_model_while_others_stood_is_another_version(boards: Boards) -> None:
    redefined = boards.redefinitions.filter(
        pl.col("source") == "artificial_analysis", pl.col("benchmark") == "Intelligence Index"
    ).row(0, named=True)
    assert (redefined["before_date"], redefined["after_date"]) == (BEFORE, AFTER)
    assert redefined["moved_models"] == redefined["common_models"] > 450
    assert redefined["median_change"] == pytest.approx(-6.3, abs=0.1)
    assert redefined["largest_change"] == pytest.approx(16.4, abs=0.1)
    versions = boards.results.filter(
        pl.col("source") == "artificial_analysis", pl.col("benchmark") == "Intelligence Index"
    )
    assert dict(versions.group_by("snapshot_date").agg(pl.col("benchmark_version").unique().first()).iter_rows()) == {
        dt.date(2026, 4, 10): "as published",
        BEFORE: "as published",
        AFTER: "as published (redefined 2026-07-10)",
    }
    gpqa = boards.results.filter(pl.col("source") == "artificial_analysis", pl.col("benchmark") == "GPQA diamond")
    assert gpqa["benchmark_version"].unique().to_list() == ["as published"]
    assert chained(boards.results, boards.redefinitions) == 0


def states(*shifts: float, noise: float = 0.0) -> pl.DataFrame:
    """A board of two benchmarks and twenty models: one stands, the other is shifted at each later state."""
    rows = []
    for number, shift in enumerate([0.0, *shifts]):
        day = dt.date(2026, 1, 1) + dt.timedelta(days=30 * number)
        for model in range(20):
            rows += [
                (day, "stands", f"m{model}", 10.0 + 3 * model),
                (day, "moves", f"m{model}", 20.0 + 3 * model + shift + noise * number * (-1) ** model),
            ]
    frame = pl.DataFrame(rows, ["snapshot_date", "benchmark", "name_in_source", "score"], orient="row")
    same = {"source": "s", "metric": "accuracy", "benchmark_version": "1"}
    none = {name: pl.lit(None, pl.String) for name in ("mode", "effort", "scaffold")}
    return frame.with_columns(**{name: pl.lit(value) for name, value in same.items()}, **none)


def test_a_refit_by_less_than_a_tenth_of_the_spread_is_no_redefinition() -> None:
    assert redefinitions(states(-6.0)).height == 1
    assert redefinitions(states(-0.5)).is_empty()
    assert redefinitions(states(0.0)).is_empty()


def test_a_board_that_moves_as_a_whole_is_not_told_from_a_refit() -> None:
    alone = states(-6.0).filter(pl.col("benchmark") == "moves")
    assert redefinitions(alone).is_empty()


def test_two_redefinitions_make_three_versions_and_the_check_sees_a_chain() -> None:
    rows = states(-6.0, 6.0)
    redefined = redefinitions(rows)
    assert redefined["after_date"].to_list() == [dt.date(2026, 1, 31), dt.date(2026, 3, 2)]
    parted = split(rows, redefined)
    moved = parted.filter(pl.col("benchmark") == "moves")
    assert (
        moved.group_by("snapshot_date").agg(pl.col("benchmark_version").n_unique())["benchmark_version"].to_list()
        == [1] * 3
    )
    assert moved["benchmark_version"].n_unique() == 3
    assert parted.filter(pl.col("benchmark") == "stands")["benchmark_version"].unique().to_list() == ["1"]
    assert chained(parted, redefined) == 0
    assert chained(rows, redefined) == 40 + 20
