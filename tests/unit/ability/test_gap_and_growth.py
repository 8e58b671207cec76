"""The gap between open and proprietary models in ability, and what a doubling and a year brought."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from analytics.ability.gap import ability_gaps
from analytics.ability.growth import growths
from analytics.statistics.resampling import draw_families

TODAY = dt.date(2026, 8, 18)


def models(*rows: tuple[str, str, float, dt.date | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"model_id": name, "openness": openness, "ability": ability, "ability_low": ability - 3.0,
             "ability_high": ability + 4.0, "release_date": day}
            for name, openness, ability, day in rows
        ],
        schema_overrides={"release_date": pl.Date},
    )  # fmt: skip


CLOSED = ("closed", "proprietary", 150.0, dt.date(2025, 1, 1))
OPEN = ("open", "open", 148.0, dt.date(2026, 1, 1))
BETTER = ("better", "proprietary", 158.0, dt.date(2026, 6, 1))


def test_the_gap_is_told_on_each_day_on_which_a_best_model_came_and_today() -> None:
    gaps = ability_gaps(models(CLOSED, OPEN, BETTER), TODAY)
    assert gaps["on_date"].to_list() == [OPEN[3], BETTER[3], TODAY]
    assert gaps["gap_points"].to_list() == [2.0, 10.0, 10.0]
    now = gaps.row(-1, named=True)
    # MOVER: the proprietary one's lower and the open one's upper margin face each other.
    wider = 1.959964 / 1.644854  # intervals of abilities hold 90 %, that of their difference 95 %
    assert now["gap_low"] == pytest.approx(10 - wider * np.hypot(3, 4))
    assert now["gap_high"] == pytest.approx(10 + wider * np.hypot(4, 3))
    assert now["lag_model"] == "closed"
    assert now["lag_months"] == pytest.approx(19.5, abs=0.1)


def test_a_model_of_which_nobody_says_whether_it_is_open_widens_the_gap() -> None:
    unknown = ("unknown", "unknown", 160.0, None)
    now = ability_gaps(models(OPEN, BETTER, unknown), TODAY).row(-1, named=True)
    assert (now["gap_points"], now["gap_least"], now["gap_most"]) == (10.0, -2.0, 12.0)
    assert (now["unknown_models"], now["unknown_above"]) == (1, "unknown")


def test_what_comes_later_than_the_newest_result_does_not_count() -> None:
    later = ("later", "open", 170.0, dt.date(2027, 1, 1))
    assert ability_gaps(models(OPEN, BETTER, later), TODAY)["open_model"].unique().to_list() == ["open"]


def test_a_side_without_models_has_no_gap() -> None:
    assert ability_gaps(models(OPEN), TODAY).is_empty()


def test_slopes_that_made_the_data_come_out_and_their_intervals_hold_them() -> None:
    draw = np.random.default_rng(7)
    size, years, makers = draw.uniform(-1, 10, 200), draw.uniform(-3, 0.5, 200), draw.integers(0, 25, 200)
    ability = 120 + 3.5 * size + 13 * years + draw.normal(0, 2, 25)[makers] + draw.normal(0, 3, 200)
    both = growths(2.0**size, years, ability, draw_families(makers, 500))[-1]
    assert both.terms == "size and date"
    assert both.points_per_doubling_lower is not None and both.points_per_doubling_upper is not None  # noqa: PT018
    assert both.points_per_doubling_lower < 3.5 < both.points_per_doubling_upper
    assert both.points_per_year == pytest.approx(13, abs=1.0)


def test_too_few_models_give_no_fit() -> None:
    few = np.arange(1.0, 6.0)
    assert growths(few, few, few, draw_families(np.arange(5), 10)) == []
