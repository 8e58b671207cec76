"""Which rows of an array no other row dominates: the search itself, on numbers alone.

All objectives are minimised here; names, directions and missing values belong to `objectives`.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from analytics.fronts.objectives import Mask, Matrix, UnusableObjective

_Vector = npt.NDArray[np.float64]
_Rows = npt.NDArray[np.intp]

# None of these changes a result. Measured with benchmarks/fronts.py.
_BINS = 4096  # columns of the skyline used to discard rows in one look-up
_SAMPLE = 16384  # rows that skyline is drawn from, at most
_WORTH_PIVOTS = 4096  # the same with three columns and more
_PIVOT_SAMPLE = 1000  # rows that strong ones are drawn from, with three columns and more
_WORTH_A_PASS = 0.03  # share of the sample that one more strong row has to discard
_BLOCK = 1 << 15  # rows whose intermediate values stay in the cache
_WORTH_PRUNING = 1024  # fewer rows than this are searched as they are
_CLEARLY_FEWER = 0.5  # prune again only while a round discards at least half


def front_mask(values: npt.NDArray[np.floating]) -> Mask:
    """Mark the rows of an (n, d) array, all columns minimised, that no other row dominates.

    A row dominates another if it is at most as large in every column and smaller in one; equal rows
    are all kept. Two columns: O(n) discarding, then a sort of what is left and a running minimum.
    Three and more: the same discarding, then the dimension sweep of Kung, Luccio & Preparata,
    "On Finding the Maxima of a Set of Vectors", J. ACM 22(4), 1975, as moocore implements it.

    Raises:
        UnusableObjective: a value is NaN or infinite; the message names column and row by number.
        ValueError: the array does not have two axes, or has no columns.
    """
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(f"a front needs an array of rows × objectives, got shape {matrix.shape}")
    _refuse_unusable(matrix)
    if matrix.shape[0] == 0:
        return np.zeros(0, dtype=np.bool_)
    # Extreme magnitudes may overflow where only the order matters; every comparison stays exact.
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if matrix.shape[1] == 1:
            return np.asarray(matrix[:, 0] == matrix[:, 0].min())
        return _two_columns(matrix) if matrix.shape[1] == 2 else _many_columns(matrix)


def _refuse_unusable(matrix: Matrix) -> None:
    # A sum is finite only if every term is, and costs a fraction of looking at each; the reverse
    # fails on overflow alone, hence the second look.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(matrix.sum()):
            return
    finite = np.isfinite(matrix)
    if not finite.all():
        row, column = (int(i) for i in np.argwhere(~finite)[0])
        raise UnusableObjective(str(column), row, float(matrix[row, column]))


def _two_columns(matrix: Matrix) -> Mask:
    return _front(
        matrix, _WORTH_PRUNING, _not_above_sampled_skyline, lambda left: _staircase_mask(left[:, 0], left[:, 1])
    )


def _front(
    matrix: Matrix, worth_pruning: int, pruned: Callable[[Matrix], _Rows], on_front_of: Callable[[Matrix], Mask]
) -> Mask:
    """The front of what is left once rows that are surely dominated are thrown out, as long as that pays."""
    rows: _Rows | None = None
    left = matrix
    while len(left) > worth_pruning:
        candidates = pruned(left)
        if len(candidates) > 0.9 * len(left):
            break
        enough = len(candidates) > _CLEARLY_FEWER * len(left)
        rows = candidates if rows is None else rows[candidates]
        left = left[candidates]
        if enough:
            break
    on_front = on_front_of(left)
    if rows is None:
        return on_front
    mask = np.zeros(len(matrix), dtype=np.bool_)
    mask[rows[on_front]] = True
    return mask


def _staircase_mask(x: _Vector, y: _Vector) -> Mask:
    """Mark the front of points (x, y), both minimised, by sorting on x."""
    order = np.argsort(x)
    x_sorted, y_sorted = x[order], y[order]
    starts = np.flatnonzero(np.concatenate(([True], x_sorted[1:] != x_sorted[:-1])))
    lowest = np.minimum.reduceat(y_sorted, starts)  # best y of each distinct x
    improves = np.ones(len(starts), dtype=np.bool_)
    improves[1:] = lowest[1:] < np.minimum.accumulate(lowest)[:-1]
    sizes = np.diff(np.append(starts, len(x)))
    mask = np.zeros(len(x), dtype=np.bool_)
    mask[order] = np.repeat(improves, sizes) & (y_sorted == np.repeat(lowest, sizes))
    return mask


def _not_above_sampled_skyline(matrix: Matrix) -> _Rows:
    """Rows that a sample, seen through bins of x, does not prove to be dominated.

    Bins grow with x, rounding included. So whatever lies in an earlier bin has a strictly smaller x,
    and a y no larger than one seen in an earlier bin is needed to survive: exact, whatever the sample.
    """
    everything = np.arange(len(matrix))
    step = max(1, len(matrix) // min(_SAMPLE, len(matrix) // 16))
    sample_x, sample_y = matrix[::step, 0], matrix[::step, 1]
    on_front = _staircase_mask(sample_x, sample_y)
    front_x, front_y = sample_x[on_front], sample_y[on_front]
    low, high = front_x.min(), front_x.max()
    if low == high:  # one point beats the whole sample
        high = sample_x.max()
    scale = (_BINS - 2) / (high - low) if high > low else np.inf
    if not (np.isfinite(high - low) and np.isfinite(scale)):
        return everything

    def bins(x: _Vector) -> _Rows:
        position = x - low
        position *= scale
        position += 1.0  # bin 0 is for whatever lies left of the sampled front
        np.clip(position, 0.0, _BINS - 1.0, out=position)
        binned: _Rows = position.astype(np.intp)
        return binned

    lowest = np.full(_BINS, np.inf)
    np.minimum.at(lowest, bins(front_x), front_y)
    limit = np.full(_BINS, np.inf)
    np.minimum.accumulate(lowest[:-1], out=limit[1:])
    candidates = []
    for start in range(0, len(matrix), _BLOCK):
        block = matrix[start : start + _BLOCK]
        candidates.append(np.flatnonzero(block[:, 1] < limit[bins(block[:, 0])]) + start)
    return np.concatenate(candidates)


def _many_columns(matrix: Matrix) -> Mask:
    return _front(matrix, _WORTH_PIVOTS, _not_beyond_pivots, _swept)


def _swept(matrix: Matrix) -> Mask:
    import moocore  # noqa: PLC0415 - half a second that two objectives need not pay

    return np.asarray(moocore.is_nondominated(matrix, keep_weakly=True), dtype=np.bool_)


def _not_beyond_pivots(matrix: Matrix) -> _Rows:
    """Rows that are not larger in every column than one of a few strong rows.

    The strong rows are drawn from the front of a sample, each time the one that discards most of what
    is left of the sample. A row larger in every column is dominated: exact, whatever the sample.
    """
    rows = np.arange(len(matrix))
    sample = matrix[:: max(1, len(matrix) // _PIVOT_SAMPLE)]
    front = sample[_swept(sample)]
    if len(front) > 0.5 * len(sample):  # nearly everything is on the front: nothing to gain
        return rows
    beyond = np.ones((len(front), len(sample)), dtype=np.bool_)
    for j in range(matrix.shape[1]):
        beyond &= sample[:, j] > front[:, j, None]
    beyond_counts = beyond.astype(np.float32)  # counted by matrix product: far faster than a sum of booleans
    left = np.ones(len(sample), dtype=np.float32)
    columns = [np.ascontiguousarray(matrix[:, j]) for j in range(matrix.shape[1])]
    keep = np.ones(len(matrix), dtype=np.bool_)
    while (discards := beyond_counts @ left).max() > _WORTH_A_PASS * left.sum():
        strongest = discards.argmax()
        left[beyond[strongest]] = 0.0
        no_larger = columns[0] <= front[strongest, 0]
        for j, column in enumerate(columns[1:], start=1):
            no_larger |= column <= front[strongest, j]
        keep &= no_larger
        if np.count_nonzero(keep) < _CLEARLY_FEWER * len(keep):  # copying pays only now and then
            candidates = np.flatnonzero(keep)
            rows, columns = rows[candidates], [column[candidates] for column in columns]
            keep = np.ones(len(rows), dtype=np.bool_)
    return rows[keep]
