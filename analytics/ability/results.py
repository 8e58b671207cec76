"""Results as arrays: which model did what on which benchmark, on a form that the response model takes."""

from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

LEAST, MOST = 0.001, 0.999
"""Shares are clipped to these, as in the Epoch Capabilities Index: a logit of 0 or 1 does not exist."""


class NoAbilityError(ValueError):
    """The results do not determine abilities; the message says what is missing."""


@dataclass(frozen=True)
class Results:
    """N results of U units (a model in a mode) on K items (a benchmark in a version).

    Attributes:
        unit: (N,) index of the unit, 0 to U − 1.
        item: (N,) index of the item, 0 to K − 1.
        value: (N,) share of what can be earned above chance, within [0.001, 0.999]; for linear items the published
            figure in standard deviations of the item over 4 (`standardised`), so that both vary alike.
        error: (N,) standard error of `value`; 0 where none is known.
        by_vendor: (N,) whether the maker of the model reported it.
        linear: (K,) whether the item responds linearly (a rating, an index) and not as a share.
        units: U.
    """

    unit: Integers
    item: Integers
    value: Floats
    error: Floats
    by_vendor: Flags
    linear: Flags
    units: int

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def items(self) -> int:
        """K."""
        return len(self.linear)

    def where(self, mask: Flags | Integers) -> "Results":
        """Those results alone, by a mask or in an order; units and items keep their indices."""
        return replace(
            self,
            unit=self.unit[mask],
            item=self.item[mask],
            value=self.value[mask],
            error=self.error[mask],
            by_vendor=self.by_vendor[mask],
        )

    def per_unit(self) -> Integers:
        """(U,) results of each unit."""
        return np.bincount(self.unit, minlength=self.units).astype(np.int64)

    def per_item(self) -> Integers:
        """(K,) results on each item."""
        return np.bincount(self.item, minlength=self.items).astype(np.int64)


def summed(index: Integers, values: Floats, size: int) -> Floats:
    """(size,) sums of values over equal indices."""
    return np.bincount(index, values, size).astype(np.float64, copy=False)


def above_chance(share: Floats, chance: Floats) -> Floats:
    """Share of what guessing does not earn, (p − c) / (1 − c), clipped to [0.001, 0.999].

    Raises:
        ValueError: A chance level outside [0, 1).
    """
    if np.any((chance < 0) | (chance >= 1)):
        raise ValueError(f"a chance level lies within [0, 1), not at {chance[(chance < 0) | (chance >= 1)][0]}")
    corrected: Floats = np.clip((share - chance) / (1 - chance), LEAST, MOST)
    return corrected


def standardised(figure: Floats, item: Integers, linear: Flags) -> tuple[Floats, Floats, Floats]:
    """(N,) figures of linear items in quarters of a standard deviation, with the (K,) centres and widths to undo it.

    A quarter because a share between 0.1 and 0.9 varies by about as much; the response model then weighs both alike.
    Items that are shares keep their figure (centre 0, width 1).
    """
    count = np.maximum(np.bincount(item, minlength=len(linear)), 1)
    centre = np.bincount(item, figure, len(linear)) / count
    spread = np.sqrt(np.bincount(item, (figure - centre[item]) ** 2, len(linear)) / count)
    width = np.where(linear, 4 * np.where(spread > 0, spread, 1.0), 1.0)
    centre = np.where(linear, centre, 0.0)
    return (figure - centre[item]) / width[item], centre, width


def plain_results(model: list[str], benchmark: list[str], share: Floats) -> tuple[Results, list[str], list[str]]:
    """Results of shares without errors, as in a published matrix, with the sorted names of units and items."""
    models, unit = np.unique(np.array(model), return_inverse=True)
    benchmarks, item = np.unique(np.array(benchmark), return_inverse=True)
    return (
        Results(
            unit.astype(np.int64),
            item.astype(np.int64),
            np.clip(share, LEAST, MOST),
            np.zeros(len(share)),
            np.zeros(len(share), dtype=bool),
            np.zeros(len(benchmarks), dtype=bool),
            len(models),
        ),
        [str(name) for name in models],
        [str(name) for name in benchmarks],
    )


def connected(results: Results) -> tuple[Integers, Integers]:
    """Components of the graph of units and items in which every result is an edge.

    Abilities compare only within one: nothing joins two components but a guess.

    Returns:
        (U,) and (K,) component of each unit and item, 0 for the one of most results; −1 without any result.
    """
    size = results.units + results.items
    edges = scipy.sparse.coo_array(
        (np.ones(len(results)), (results.unit, results.units + results.item)), shape=(size, size)
    )
    _, labels = scipy.sparse.csgraph.connected_components(edges, directed=False)
    weight = np.bincount(labels[results.unit], minlength=labels.max() + 1)
    rank = np.empty_like(weight)
    rank[np.argsort(-weight, kind="stable")] = np.arange(len(weight))
    component = rank[labels].astype(np.int64)
    used = np.zeros(size, dtype=bool)
    used[results.unit] = used[results.units + results.item] = True
    component[~used] = -1
    return component[: results.units], component[results.units :]
