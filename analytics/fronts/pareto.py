"""Pareto fronts of tables: which entries no other entry beats, over all rows or per group.

The search is in `nondominated`, what beats the rest and by how much in `dominance`, movement over time in `history`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from analytics.fronts.nondominated import front_mask
from analytics.fronts.objectives import Direction, objective_matrix


def pareto_front(points: pl.DataFrame, objectives: Mapping[str, Direction]) -> pl.DataFrame:
    """Rows of `points` that no other row dominates, in their original order.

    A row dominates another if it is at least as good in every objective and better in one
    (Kung, Luccio & Preparata 1975). Equal rows are all kept. O(n log n) for two objectives.

    Raises:
        UnusableObjective: a value is null, NaN or infinite; the message names column and row.
        ValueError: no objective is given.
    """
    return points.filter(pl.Series(front_mask(objective_matrix(points, objectives))))


def fronts_by_group(points: pl.DataFrame, objectives: Mapping[str, Direction], by: Sequence[str]) -> pl.DataFrame:
    """Rows of `points` that no row of their own group dominates, in their original order.

    A group is one combination of values of the columns `by`, such as snapshot and segment; null is
    a value like any other. The objectives are read once and each row is searched once.

    Raises:
        UnusableObjective: a value is null, NaN or infinite; the message names column and row.
        ValueError: no objective or no group column is given.
    """
    if not by:
        raise ValueError("fronts_by_group needs at least one column in `by`; use pareto_front for all rows")
    values = objective_matrix(points, objectives)
    groups = points.select(pl.struct(list(by)).rank("dense").alias("group")).to_series().to_numpy()
    order = np.argsort(groups, kind="stable")
    edges = np.flatnonzero(np.diff(groups[order])) + 1
    on_front = np.zeros(points.height, dtype=np.bool_)
    for rows in np.split(order, edges):
        on_front[rows] = front_mask(values[rows])
    return points.filter(pl.Series(on_front))
