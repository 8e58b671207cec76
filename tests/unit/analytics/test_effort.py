"""The published effort of evaluation, reconciled: each step is a product of the one before."""

import pytest

from analytics.fronts.effort import PUBLISHED_HOURS, TASKS_PER_RUN, own_terms, published_terms


def test_346_thousand_hours_and_2_7_million_dollars_are_each_run_62_times() -> None:
    published, once = published_terms()
    assert (published.hours, published.usd, published.runs) == (346_011, 2.7e6, None)
    assert once.hours == pytest.approx(5_580.8, abs=0.1)
    assert once.runs == pytest.approx(1_630, abs=1)
    assert once.usd == pytest.approx(2.7e6 / TASKS_PER_RUN)
    assert once.hours * TASKS_PER_RUN == pytest.approx(PUBLISHED_HOURS)


def test_our_count_says_that_the_board_doubled_its_co2_for_the_same_runs() -> None:
    stated, earlier = own_terms(4576, 12_022.85, "2025-03-13", 2.0, "H100-SXM5-80GB")
    assert stated.usd == pytest.approx(12_022.85 * 16)
    assert earlier.hours == pytest.approx(6_011.4, abs=0.1)
    (before,) = own_terms(3827, 6_021.17, "2025-02-13", None, "H100-SXM5-80GB")
    assert before.usd is None
    assert "no price" in before.how
