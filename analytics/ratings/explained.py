"""One Elo update taken apart, beside what Bradley–Terry says of the same two models."""

from dataclasses import dataclass
from math import log, sqrt

from analytics.ratings.elo import BASE, K_FACTOR, SCALE
from analytics.statistics.normal import TWO_SIDED_95

_OUTCOMES = {"win": 1.0, "tie": 0.5, "loss": 0.0}


@dataclass(frozen=True)
class Update:
    """What one vote does to the ratings of both.

    Attributes:
        outcome: win, tie or loss of the first model.
        score: S, which is 1, 0.5 or 0.
        surprise: S − E, how much better than expected the first did.
        change: K (S − E), added to the first rating and taken off the second.
        first: First rating after it.
        second: Second rating after it.
    """

    outcome: str
    score: float
    surprise: float
    change: float
    first: float
    second: float


@dataclass(frozen=True)
class Explained:
    """Two ratings and what may follow.

    Attributes:
        difference: First rating less the second.
        odds: Odds of the first, 10^(difference / 400).
        expected: E, the share of votes that these ratings expect for the first.
        updates: What a win, a tie and a loss of the first each do.
        settling_votes: Votes after which Elo has made up half of a wrong difference while both go on winning what
            their true strengths give them; for near equals, where the curve is steepest.
    """

    difference: float
    odds: float
    expected: float
    updates: tuple[Update, ...]
    settling_votes: float


def explain(first: float, second: float, k_factor: float = K_FACTOR) -> Explained:
    """Take one update of online Elo apart: E = 1 / (1 + 10^((R_b − R_a) / 400)), R_a' = R_a + K (S − E).

    Args:
        first: Rating of the model whose outcome is named.
        second: Rating of the other.
        k_factor: K, in points per vote.

    Raises:
        ValueError: K is not positive.
    """
    if k_factor <= 0:
        raise ValueError(f"K is the most that one vote can move a rating, so that it is positive, not {k_factor}")
    odds = BASE ** ((first - second) / SCALE)
    expected = odds / (1 + odds)
    updates = tuple(
        Update(name, score, score - expected, change, first + change, second - change)
        for name, score in _OUTCOMES.items()
        for change in [k_factor * (score - expected)]
    )
    # Near E = ½ the slope of E is ln(10) / 1600 per point, and a vote moves the difference by 2 K times the surprise.
    shrink = 2 * k_factor * log(BASE) / (4 * SCALE)
    return Explained(first - second, odds, expected, updates, log(2) / shrink)


@dataclass(frozen=True)
class Share:
    """Share of votes that a fit expects for the first of two models, with an interval of 95 %."""

    expected: float
    low: float
    high: float
    is_decided: bool


def bradley_terry_share(first: float, second: float, first_error: float = 0.0, second_error: float = 0.0) -> Share:
    """What ratings fitted to all votes at once expect, by the same curve, with their standard errors.

    Errors are taken as independent, which makes the interval wider where two ratings rest on votes between them.

    Args:
        first: Rating of the first model, in Elo points.
        second: Rating of the second.
        first_error: Standard error of the first, in points.
        second_error: Standard error of the second.
    """
    difference, margin = first - second, TWO_SIDED_95 * sqrt(first_error**2 + second_error**2)
    low, middle, high = (
        1 / (1 + BASE ** (-at / SCALE)) for at in (difference - margin, difference, difference + margin)
    )
    return Share(middle, low, high, is_decided=abs(difference) > margin)
