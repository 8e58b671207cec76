"""Online Elo: ratings updated vote by vote, in the order in which the votes came."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from analytics.ratings.comparisons import Floats, Integers

K_FACTOR = 4.0
SCALE = 400.0
BASE = 10.0
INITIAL_RATING = 1000.0


@dataclass(frozen=True, eq=False)
class Battles:
    """Votes in the order in which they came.

    Attributes:
        first: Position of the model shown first, shape (n,).
        second: Position of the model shown second, shape (n,).
        outcome: 1, 0.5 or 0 for the first, shape (n,).
    """

    first: Integers
    second: Integers
    outcome: Floats


def online_elo(batches: Iterable[Battles], models: int) -> Floats:
    """Ratings after all votes, shape (models,); 1000 for a model without votes.

    E = 1/(1+10^((R_b-R_a)/400)); R_a rises and R_b falls by K·(S-E), with K = 4 as the Arena had it. The sum of
    ratings is kept. The result depends on the order of the votes: prefer Bradley-Terry where models do not
    change over time.
    """
    rating = [INITIAL_RATING] * models
    base_per_point = BASE ** (1 / SCALE)
    for batch in batches:
        votes = zip(batch.first.tolist(), batch.second.tolist(), batch.outcome.tolist(), strict=True)
        for a, b, outcome in votes:
            rating_a, rating_b = rating[a], rating[b]
            gain = K_FACTOR * (outcome - 1 / (1 + base_per_point ** (rating_b - rating_a)))
            rating[a] = rating_a + gain
            rating[b] = rating_b - gain
    return np.array(rating)


def bootstrap_elo(battles: Battles, models: int, rounds: int, seed: int = 0) -> Floats:
    """Online Elo of `rounds` resamples with replacement, in random order, shape (rounds, models).

    All rounds advance together, one vote of each at a time.
    """
    generator = np.random.default_rng(seed)
    rating = np.full((rounds, models), INITIAL_RATING)
    each = np.arange(rounds)
    total = len(battles.outcome)
    block = 8192
    for start in range(0, total, block):
        drawn = generator.integers(0, total, (min(block, total - start), rounds))
        firsts, seconds, outcomes = battles.first[drawn], battles.second[drawn], battles.outcome[drawn]
        for a, b, outcome in zip(firsts, seconds, outcomes, strict=True):
            rating_a, rating_b = rating[each, a], rating[each, b]
            gain = K_FACTOR * (outcome - 1 / (1 + BASE ** ((rating_b - rating_a) / SCALE)))
            rating[each, a] = rating_a + gain
            rating[each, b] = rating_b - gain
    return rating


def joined(batches: Sequence[Battles]) -> Battles:
    """Batches of votes as one, in their order."""
    return Battles(
        np.concatenate([batch.first for batch in batches]),
        np.concatenate([batch.second for batch in batches]),
        np.concatenate([batch.outcome for batch in batches]),
    )
