"""Results dealt to groups, many rounds of a bootstrap side by side: sums over groups, and the curve they respond by."""

import numpy as np
import scipy

from analytics.ability.results import Floats, Integers


class Groups:
    """N results dealt to G groups; a column of what is summed is a round.

    Rows of rounds lie together in memory, so that a sum over a group adds whole rows.
    """

    def __init__(self, group: Integers, groups: int) -> None:
        """Prepare the sums.

        Args:
            group: (N,) group of each result, 0 to `groups` − 1.
            groups: G.
        """
        self.group = group
        self.groups = groups
        order = np.argsort(group, kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(group, minlength=groups))])
        self._members = {
            dtype: scipy.sparse.csr_array((np.ones(len(group), dtype=dtype), order, ends), shape=(groups, len(group)))
            for dtype in (np.float32, np.float64)
        }

    def sums(self, values: Floats) -> Floats:
        """(G, R) sums of (N, R) values, in their precision."""
        total: Floats = self._members[values.dtype.type] @ values
        return total

    def spread(self, levels: Floats, into: Floats) -> None:
        """Write what the group of each result has, of (G, R), into (N, R)."""
        # Any other mode would make a copy first.
        np.take(levels, self.group, axis=0, out=into, mode="clip")


_ROWS = 2048
"""Results in a tile."""


def tiles(unit: Integers, units: int) -> list[tuple[slice, slice]]:
    """Units and their results in pieces, so that what a step works on stays in the cache of a core.

    Args:
        unit: (N,) unit of each result, sorted.
        units: U.

    Returns:
        Neighbouring units of each piece, and where their results lie.
    """
    ends = np.cumsum(np.bincount(unit, minlength=units))
    cuts = [*(np.flatnonzero(np.diff(np.maximum(ends - 1, 0) // _ROWS)) + 1), units]
    begins = [0, *cuts[:-1]]
    at = [0, *(int(ends[cut - 1]) for cut in cuts)]
    return [
        (slice(int(first), int(last)), slice(low, high))
        for first, last, low, high in zip(begins, cuts, at[:-1], at[1:], strict=True)
    ]


def scratch(shape: tuple[int, ...], dtype: np.dtype[np.float64], arrays: int) -> list[Floats]:
    """(N, R) arrays to work in again and again: memory asked for anew at every step costs more than the arithmetic."""
    return [np.empty(shape, dtype=dtype) for _ in range(arrays)]


def respond_in_place(eta: Floats, linear: Integers, steep: Floats) -> None:
    """Turn (N, R) predictors into expected values, and write their derivative beside them.

    The logistic curve, or the identity where linear. In single precision NumPy's own exponential is four times as fast
    as the logistic function of SciPy.

    Args:
        eta: Predictors; expected values afterwards.
        linear: Rows whose value is the predictor itself.
        steep: Where the derivative goes.
    """
    as_it_is = eta[linear]
    if eta.dtype == np.float32:
        np.negative(eta, out=eta)
        # Where it overflows the share is 0.
        with np.errstate(over="ignore"):
            np.exp(eta, out=eta)
        eta += 1
        np.reciprocal(eta, out=eta)
    else:
        scipy.special.expit(eta, out=eta)
    np.subtract(1, eta, out=steep)
    steep *= eta
    eta[linear], steep[linear] = as_it_is, 1.0
