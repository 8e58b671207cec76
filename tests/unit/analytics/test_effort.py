"""The published effort of evaluation, reconciled: each step is a product of the one before."""

from pathlib import Path

import polars as pl
import pytest

from analytics.fronts.effort import PUBLISHED_HOURS, TASKS_PER_RUN, WHOLE_BOARD, terms

PAGE = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "evaluation-effort.md"


def test_346_thousand_hours_and_2_7_million_dollars_are_each_run_62_times() -> None:
    published, once, *_ = terms()
    assert (published.hours, published.usd_then, published.runs) == (346_011, pytest.approx(2.7e6), None)
    assert once.hours == pytest.approx(5_580.8, abs=0.1)
    assert once.runs == pytest.approx(1_630, abs=1)
    assert once.usd_then == pytest.approx(2.7e6 / TASKS_PER_RUN)
    assert once.hours * TASKS_PER_RUN == pytest.approx(PUBLISHED_HOURS)


def test_our_count_says_that_the_board_doubled_its_co2_for_the_same_runs() -> None:
    stated, earlier = terms(2.0)[2:]
    assert (stated.runs, stated.usd_today) == (4_576, pytest.approx(12_022.85 * 16))
    assert stated.usd_then == pytest.approx(12_022.85 * 2.7e6 / 346_011)
    assert earlier.hours == pytest.approx(6_011.4, abs=0.1)


def test_our_count_is_of_every_run_of_the_board(shared_data: Path) -> None:
    runs, hours, as_of = WHOLE_BOARD
    board = pl.read_parquet(
        shared_data / f"open_llm_leaderboard/v2/{as_of}_contents.parquet", columns=["CO₂ cost (kg)"]
    )
    # 5.6 kW at 269.8 g/kWh.
    assert (board.height, board["CO₂ cost (kg)"].sum() / (5.6 * 0.2698)) == (runs, pytest.approx(hours, abs=0.005))


def test_runs_of_the_warehouse_have_lines_of_their_own_unless_they_are_the_whole_board() -> None:
    assert len(terms(None, WHOLE_BOARD)) == len(terms())
    *_, before = terms(None, (3827, 6_021.17, "2025-02-13"))
    assert (before.runs, before.usd_today) == (3827, None)
    assert before.what.endswith("each run once")


def test_the_documentation_states_the_same_terms() -> None:
    shown = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    hours = ("346,011", "5,581", "12,022.85", "6,011.43")
    for term, hour in zip(terms(), hours, strict=True):
        assert float(hour.replace(",", "")) == pytest.approx(term.hours, abs=0.5)
        runs = "" if term.runs is None else f"{term.runs:,.0f}"
        each = "" if term.hours_per_run is None else f"{term.hours_per_run:.2f}"
        cells = [" ".join(cell.split()) for cell in (runs, hour, each, f"{term.usd_then:,.0f}")]
        assert any([cell.strip() for cell in line.split("|")][2:6] == cells for line in shown), cells
