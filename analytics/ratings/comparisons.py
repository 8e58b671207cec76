"""Aggregated paired comparisons: who met whom, with what outcome, how often."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]


MOST_MODELS = 4_096
"""Rated together; a matrix of all pairs then has 128 MiB."""


class UnusableComparisons(ValueError):
    """The comparisons cannot be rated; the message names what is wrong with which of them."""


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Distinct (first, second, outcome) triples and how many votes fell on each.

    Attributes:
        models: Names, sorted; the other arrays hold positions in it.
        first: Position of the model shown first, shape (k,).
        second: Position of the model shown second, shape (k,).
        outcome: 1 where the first won, 0 where it lost, 0.5 for a tie, shape (k,).
        votes: Number of votes, shape (k,); need not be whole.
    """

    models: tuple[str, ...]
    first: Integers
    second: Integers
    outcome: Floats
    votes: Floats

    def __post_init__(self) -> None:
        if not np.isin(self.outcome, (0.0, 0.5, 1.0)).all():
            raise UnusableComparisons("Outcomes are 1 (first won), 0.5 (tie) or 0 (second won).")
        if not (np.isfinite(self.votes).all() and (self.votes >= 0).all()):
            raise UnusableComparisons("Numbers of votes are finite and not negative.")
        if itself := {self.models[i] for i in self.first[self.first == self.second]}:
            raise UnusableComparisons(f"Compared with itself: {', '.join(sorted(itself))}.")

    @classmethod
    def from_frame(cls, frame: pl.DataFrame) -> "Comparisons":
        """Comparisons of a frame with columns `model_a`, `model_b`, `outcome` and `votes`.

        Rows may repeat; equal triples are added up.
        """
        counted = frame.group_by("model_a", "model_b", "outcome").agg(pl.col("votes").sum())
        counted = counted.sort("model_a", "model_b", "outcome")
        models = tuple(sorted({*counted["model_a"].to_list(), *counted["model_b"].to_list()}))
        if None in models:
            raise UnusableComparisons("A comparison does not name both models.")
        position = pl.DataFrame({"model": models, "position": range(len(models))})
        places = [
            counted.select(pl.col(side).replace_strict(position["model"], position["position"]))
            .to_series()
            .cast(pl.Int64)
            .to_numpy()
            for side in ("model_a", "model_b")
        ]
        return cls(
            models,
            places[0],
            places[1],
            counted["outcome"].cast(pl.Float64).to_numpy(),
            counted["votes"].cast(pl.Float64).to_numpy(),
        )

    @cached_property
    def wins(self) -> Floats:
        """Wins plus half the ties of row over column, shape (m, m).

        Raises:
            UnusableComparisons: there are more models than a matrix of all pairs can be held of.
        """
        size = len(self.models)
        if size > MOST_MODELS:
            raise UnusableComparisons(
                f"{size:,} models; at most {MOST_MODELS:,} can be rated together. Does a column of names hold something"
                " else?"
            )
        won = pair_sums(self.first, self.second, self.outcome * self.votes, size)
        return won + pair_sums(self.second, self.first, (1 - self.outcome) * self.votes, size)

    @cached_property
    def battles(self) -> Floats:
        """Votes in which each model took part, shape (m,)."""
        size = len(self.models)
        return np.asarray(
            np.bincount(self.first, self.votes, size) + np.bincount(self.second, self.votes, size),
            dtype=np.float64,
        )

    def folded(self) -> "Comparisons":
        """The same votes with the two orders of a pair added up: first < second throughout."""
        swap = self.first > self.second
        size = len(self.models)
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        outcome = np.where(swap, 1 - self.outcome, self.outcome)
        code = (low * size + high) * 3 + np.rint(outcome * 2).astype(np.int64)
        distinct, inverse = np.unique(code, return_inverse=True)
        votes = np.asarray(np.bincount(inverse, self.votes, len(distinct)), dtype=np.float64)
        pair = distinct // 3
        return Comparisons(self.models, pair // size, pair % size, distinct % 3 / 2, votes)

    def reordered(self, order: Integers) -> "Comparisons":
        """The same votes with the models in another order, shape (m,): the positions that they have now."""
        position = np.empty(len(order), dtype=np.int64)
        position[order] = np.arange(len(order))
        models = tuple(self.models[place] for place in order)
        return Comparisons(models, position[self.first], position[self.second], self.outcome, self.votes)

    def among(self, mask: Booleans) -> "Comparisons":
        """Only comparisons between the models where `mask`, shape (m,), holds; the others are dropped."""
        position = np.cumsum(mask) - 1
        inside = mask[self.first] & mask[self.second]
        return Comparisons(
            tuple(name for name, keep in zip(self.models, mask, strict=True) if keep),
            position[self.first[inside]].astype(np.int64),
            position[self.second[inside]].astype(np.int64),
            self.outcome[inside],
            self.votes[inside],
        )

    def without_ties(self) -> "Comparisons":
        """Only decided comparisons; every model stays."""
        decided = self.outcome != 0.5
        return Comparisons(
            self.models,
            self.first[decided],
            self.second[decided],
            self.outcome[decided],
            self.votes[decided],
        )


def pair_sums(first: Integers, second: Integers, values: Floats, size: int) -> Floats:
    """Sum of `values` by (first, second), shape (size, size)."""
    summed = np.bincount(first * size + second, values, size * size)
    return np.asarray(summed, dtype=np.float64).reshape(size, size)


def position_of(model: str, models: Sequence[str]) -> int:
    """Position of `model` in `models`.

    Raises:
        UnusableComparisons: it is not there; the message lists close names.
    """
    if model in models:
        return list(models).index(model)
    from difflib import get_close_matches  # noqa: PLC0415  only for the message

    close = get_close_matches(model, models, n=3, cutoff=0.4)
    hint = f" Close: {', '.join(close)}." if close else ""
    raise UnusableComparisons(f"No vote names the model {model!r}.{hint}")
