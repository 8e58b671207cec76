"""How long to repeat: intervals that cover, clocks that go backwards, steps too slow for their budget."""

from __future__ import annotations

import random
import statistics
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling.measure import timing
from profiling.measure.timing import ProcessorClock, Repeats, median_interval, quantile, repeat


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200))
def test_the_interval_holds_the_median_and_lies_within_the_values(values: list[float]) -> None:
    low, high = median_interval(values)
    assert min(values) <= low <= statistics.median(values) <= high <= max(values)


@pytest.mark.parametrize("count", [10, 50, 600])
def test_the_interval_covers_the_true_median_as_often_as_it_says(count: int) -> None:
    chance = random.Random(1)  # noqa: S311 - not for secrets
    held = 0
    for _ in range(1500):
        low, high = median_interval([chance.lognormvariate(0, 1) for _ in range(count)])
        held += low <= 1.0 <= high
    assert held / 1500 >= 0.93


def test_the_ranks_are_those_of_the_tables() -> None:
    # Conover 1999, table A3: for n = 10 the second and ninth value hold the median with 97.9 %.
    assert median_interval(range(1, 11)) == (2, 9)
    assert median_interval([1, 2, 3]) == (1, 3)
    assert quantile([1, 2, 3, 4], 0.5) == 2.5


class Scripted:
    """A clock that gives times from a list, and lets the real one pass as fast as it will."""

    def __init__(self, times: list[float]) -> None:
        self.times = times
        self.asked = 0

    def run(self, _step: object, repeats: int) -> tuple[list[float], list[float | None]]:
        """The next times of the list."""
        taken = [self.times[(self.asked + index) % len(self.times)] for index in range(repeats)]
        self.asked += repeats
        return taken, [None] * repeats


def test_a_steady_step_stops_early_and_a_restless_one_uses_its_budget_and_says_so() -> None:
    steady = repeat(lambda: None, Scripted([0.1]), budget_s=0.5, minimum_s=0.0)
    assert len(steady.seconds) == timing.MINIMUM_REPEATS
    assert steady.converged
    started = time.monotonic()
    restless = repeat(lambda: None, Scripted([0.1, 0.4]), budget_s=0.3, minimum_s=0.0)
    assert 0.3 <= time.monotonic() - started < 3
    assert not restless.converged


def test_a_step_slower_than_its_budget_runs_once() -> None:
    assert len(repeat(lambda: time.sleep(0.05), ProcessorClock(), budget_s=0.01).seconds) == 1


def test_setting_the_wall_clock_back_changes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr(time, "time", lambda: next(clock))
    timed = repeat(lambda: time.sleep(0.001), ProcessorClock(), budget_s=0.1, minimum_s=0.0)
    assert all(0.001 <= seconds < 1 for seconds in timed.seconds)
    assert not Repeats([0.1] * 3).converged
