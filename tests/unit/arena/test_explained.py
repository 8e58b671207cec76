"""One Elo update, worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.ratings.elo import Battles, online_elo
from analytics.ratings.explained import bradley_terry_share, explain

_RATINGS = st.floats(500, 2000)


def test_an_update_is_worked_as_in_the_documentation() -> None:
    worked = explain(1300, 1200)
    assert worked.odds == pytest.approx(1.7783, abs=1e-4)
    assert worked.expected == pytest.approx(0.6401, abs=1e-4)
    changes = {update.outcome: update.change for update in worked.updates}
    assert changes == pytest.approx({"win": 1.4397, "tie": -0.5603, "loss": -2.5603}, abs=1e-4)
    upset = worked.updates[2]
    assert (upset.first, upset.second) == pytest.approx((1297.4397, 1202.5603), abs=1e-4)


@given(_RATINGS, _RATINGS, st.floats(0.1, 64))
def test_what_one_gains_the_other_loses_and_a_result_as_expected_moves_nothing(
    first: float, second: float, k_factor: float
) -> None:
    worked = explain(first, second, k_factor)
    assert all(update.first + update.second == pytest.approx(first + second) for update in worked.updates)
    win, _, loss = worked.updates
    assert worked.expected * win.change + (1 - worked.expected) * loss.change == pytest.approx(0, abs=1e-9)


def test_it_is_the_update_that_online_elo_makes() -> None:
    battle = Battles(np.array([0]), np.array([1]), np.array([1.0]))
    assert online_elo([battle], 2).tolist() == [
        explain(1000, 1000).updates[0].first,
        explain(1000, 1000).updates[0].second,
    ]


def test_half_of_a_wrong_difference_is_made_up_after_the_votes_stated() -> None:
    difference, k_factor = 20.0, 4.0
    votes = round(explain(1000, 1000).settling_votes)
    for _ in range(votes):
        # Both are truly equal: on average each vote scores a half.
        difference += 2 * k_factor * (0.5 - explain(1000 + difference, 1000).expected)
    assert votes == 60
    assert difference == pytest.approx(10, abs=0.2)


def test_a_lead_within_its_error_decides_nothing() -> None:
    near, far = bradley_terry_share(1310, 1300, 6, 6), bradley_terry_share(1350, 1300, 6, 6)
    assert not near.is_decided
    assert near.low < 0.5 < near.high
    assert far.is_decided
    assert far.expected == pytest.approx(explain(1350, 1300).expected)
