"""What a smooth surface cannot say of kernels: jumps at sizes where an engine takes another kernel, tile or split.

Small regression trees, each fitted to what those before it leave over (Friedman 2001), find those sizes; a tree grows
where it explains most (best first). Their sum is a factor on seconds, and outside the sizes that were measured it stays
as it is at their edge.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
TREES, LEAVES, RATE = 60, 31, 0.15
FEWEST_IN_LEAF, RIDGE, CUTS, LEAST_RESIDUAL = 10, 5.0, 48, 0.03
_UNIT = 1e-4
"""Leaves are stored as whole multiples of this, in natural logarithms."""


@dataclass(frozen=True, slots=True)
class Switches:
    """A sum of trees over sizes.

    Attributes:
        cuts: Of each feature, the values at which it may be split, ascending.
        splits: Of every node of every tree, parents before children and left before right: the number of feature and
            cut (feature × `CUTS` + cut) or -1 for a leaf.
        leaves: Of the leaves in that order, whole multiples of 0.0001 in the natural logarithm of seconds.
    """

    cuts: tuple[tuple[float, ...], ...]
    splits: Integers
    leaves: Integers

    def logarithms(self, features: Array) -> Array:
        """What is added to the logarithm of seconds; features as they were fitted, (kernels, features)."""
        roots, right, value = self._nodes()
        codes = _codes(features, self.cuts)
        rows = np.arange(len(features))[:, None]
        at = np.broadcast_to(roots, (len(features), len(roots))).copy()
        while (inner := self.splits[at] >= 0).any():
            feature, cut = np.divmod(np.maximum(self.splits[at], 0), CUTS)
            at = np.where(inner, np.where(codes[rows, feature] > cut, right[at], at + 1), at)
        return np.asarray(value[at].sum(axis=1))

    def _nodes(self) -> tuple[Integers, Integers, Array]:
        """Roots, the right child of every node, and the value of every leaf."""
        roots, waiting = [], list[int]()
        right, value = np.zeros(len(self.splits), dtype=np.int64), np.zeros(len(self.splits))
        leaves = iter(self.leaves)
        for node, split in enumerate(self.splits):
            if not waiting:
                roots.append(node)
            elif self.splits[node - 1] < 0:
                right[waiting.pop()] = node
            if split >= 0:
                waiting.append(node)
            else:
                value[node] = next(leaves) * _UNIT
                if not waiting:
                    continue
        return np.array(roots, dtype=np.int64), right, value

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "cuts": [[float(f"{cut:.5g}") for cut in row] for row in self.cuts],
            "splits": self.splits.tolist(), "leaves": self.leaves.tolist(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Switches:
        """The inverse of `to_dict`."""
        cuts = tuple(tuple(map(float, row)) for row in data["cuts"])
        return cls(cuts, np.array(data["splits"], dtype=np.int64), np.array(data["leaves"], dtype=np.int64))


def fit_switches(features: Array, left: Array) -> Switches:
    """Trees that explain what is left of the logarithms of seconds, by their absolute errors.

    Args:
        features: (kernels, features).
        left: (kernels,).
    """
    cuts = tuple(_cuts(column) for column in features.T)
    codes = _codes(features, cuts)
    splits: list[int] = []
    leaves: list[int] = []
    left = left.copy()
    for _ in range(TREES):
        weights = 1 / np.maximum(np.abs(left), LEAST_RESIDUAL)
        tree = _Tree(codes, weights / weights.mean(), left)
        for node in tree.in_order():
            splits.append(node.split)
            if node.split < 0:
                leaves.append(round(RATE * node.value / _UNIT))
                left[node.rows] -= leaves[-1] * _UNIT
    return Switches(cuts, np.array(splits, dtype=np.int64), np.array(leaves, dtype=np.int64))


def _cuts(column: Array) -> tuple[float, ...]:
    """Between neighbouring values, at most `CUTS` of them, each with about as many kernels between."""
    values = np.unique(column)
    middles = (values[1:] + values[:-1]) / 2
    if len(middles) > CUTS:
        wanted = np.quantile(column, np.linspace(0, 1, CUTS + 2)[1:-1])
        middles = middles[np.unique(np.minimum(np.searchsorted(middles, wanted), len(middles) - 1))]
    return tuple(float(f"{middle:.5g}") for middle in middles)


def _codes(features: Array, cuts: tuple[tuple[float, ...], ...]) -> Integers:
    """Of every feature, how many cuts lie below it: greater than c exactly where it is above cut c."""
    return np.column_stack([np.searchsorted(own, column) for column, own in zip(features.T, cuts, strict=True)])


@dataclass(slots=True)
class _Node:
    rows: Integers
    value: float
    split: int = -1
    children: tuple[_Node, _Node] | None = None


class _Tree:
    """One tree, grown at the leaf whose best split explains most until it has `LEAVES`."""

    def __init__(self, codes: Integers, weights: Array, left: Array) -> None:
        self._codes, self._weights, self._pulls = codes, weights, weights * left
        self._offset = np.arange(codes.shape[1]) * (CUTS + 1)
        self.root = self._node(np.arange(len(left)))
        waiting: list[tuple[float, int, int, _Node]] = []
        self._offer(waiting, self.root)
        for _ in range(LEAVES - 1):
            if not waiting:
                break
            _, _, split, node = heapq.heappop(waiting)
            feature, cut = divmod(split, CUTS)
            above = self._codes[node.rows, feature] > cut
            node.split, node.children = split, (self._node(node.rows[~above]), self._node(node.rows[above]))
            for child in node.children:
                self._offer(waiting, child)

    def in_order(self) -> list[_Node]:
        nodes, waiting = [], [self.root]
        while waiting:
            node = waiting.pop()
            nodes.append(node)
            if node.children:
                waiting += reversed(node.children)
        return nodes

    def _node(self, rows: Integers) -> _Node:
        return _Node(rows, float(self._pulls[rows].sum() / (self._weights[rows].sum() + RIDGE)))

    def _offer(self, waiting: list[tuple[float, int, int, _Node]], node: _Node) -> None:
        if len(node.rows) < 2 * FEWEST_IN_LEAF:
            return
        features = len(self._offset)
        places = (self._codes[node.rows] + self._offset).reshape(-1)

        def below(values: Array | None) -> Array:
            repeated = None if values is None else np.repeat(values[node.rows], features)
            sums = np.bincount(places, repeated, features * (CUTS + 1)).reshape(features, CUTS + 1)
            return np.asarray(sums.cumsum(axis=1)[:, :-1], dtype=np.float64)

        number, weight, pull = below(None), below(self._weights), below(self._pulls)
        whole_weight, whole_pull = self._weights[node.rows].sum(), self._pulls[node.rows].sum()
        gain = pull**2 / (weight + RIDGE) + (whole_pull - pull) ** 2 / (whole_weight - weight + RIDGE)
        few = (number < FEWEST_IN_LEAF) | (len(node.rows) - number < FEWEST_IN_LEAF)
        gain = np.where(few, -np.inf, gain) - whole_pull**2 / (whole_weight + RIDGE)
        best = int(gain.argmax())
        if gain.flat[best] > 0:
            heapq.heappush(waiting, (-float(gain.flat[best]), len(waiting) + int(node.rows[0]) * LEAVES, best, node))
