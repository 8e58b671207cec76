"""Which models a Bradley-Terry fit can rate at all, read from the graph of who has beaten whom.

A finite maximum-likelihood rating exists exactly among models that can reach one another through wins
(Ford 1957, "Solution of a ranking problem from binary comparisons"); a tie counts as half a win both ways.
"""

from enum import StrEnum

import numpy as np

from analytics.ratings.comparisons import Booleans, Comparisons, Floats


class Standing(StrEnum):
    """What the votes say about one model, next to the models that are rated."""

    RATED = "rated"
    """Connected by wins in both directions: a finite rating exists."""
    UNDEFEATED = "undefeated"
    """Never lost and never tied: the likelihood rises without end."""
    WINLESS = "winless"
    """Never won and never tied."""
    SEPARATED = "separated"
    """Has wins and losses, but its group only won or only lost against the rated models."""
    DISCONNECTED = "disconnected"
    """No chain of votes leads from it to the rated models."""


def standings(comparisons: Comparisons) -> list[Standing]:
    """Standing of each model, in the order of `comparisons.models`.

    The rated models are the strongly connected component with the most models, then the most votes, of at least two
    models. Where two are alike in both, none is rated: which of them came first in the alphabet says nothing.
    """
    beats = comparisons.wins > 0
    size = len(comparisons.models)
    if size == 0:
        return []
    rated = _largest_component(beats, comparisons.battles)
    if rated.all():
        return [Standing.RATED] * size
    # Where no model is rated, whoever was compared at all is reached.
    met = beats | beats.T
    compared: Booleans = np.asarray(met.any(axis=1), dtype=np.bool_)
    reachable = _reached(met, int(np.flatnonzero(rated)[0])) if rated.any() else compared
    won, lost = comparisons.wins.sum(axis=1) > 0, comparisons.wins.sum(axis=0) > 0
    result = []
    for model in range(size):
        if rated[model]:
            result.append(Standing.RATED)
        elif not reachable[model]:
            result.append(Standing.DISCONNECTED)
        elif not lost[model]:
            result.append(Standing.UNDEFEATED)
        elif not won[model]:
            result.append(Standing.WINLESS)
        else:
            result.append(Standing.SEPARATED)
    return result


def is_connected(wins: Floats) -> bool:
    """Whether every model can reach every other through wins; `wins` has shape (m, m)."""
    beats = wins > 0
    return bool(len(wins)) and bool(_reached(beats, 0).all() and _reached(beats.T, 0).all())


def _largest_component(beats: Booleans, battles: Floats) -> Booleans:
    """Mask of the one strongly connected component of two or more models that is largest; empty where none is."""
    unassigned = np.ones(len(beats), dtype=np.bool_)
    nothing = np.zeros(len(beats), dtype=np.bool_)
    best, best_size = nothing, (1, np.inf)
    while unassigned.any():
        start = int(np.flatnonzero(unassigned)[0])
        component = _reached(beats, start) & _reached(beats.T, start)
        size = (int(component.sum()), float(battles[component].sum()))
        if size > best_size:
            best, best_size = component, size
        elif size == best_size:
            best = nothing
        unassigned &= ~component
    return best


def _reached(edges: Booleans, start: int) -> Booleans:
    """Mask of the models that edges lead to from `start`, itself included."""
    reached = np.zeros(len(edges), dtype=np.bool_)
    reached[start] = True
    frontier = reached
    while frontier.any():
        frontier = edges[frontier].any(axis=0) & ~reached
        reached = reached | frontier
    return reached
