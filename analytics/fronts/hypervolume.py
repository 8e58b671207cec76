"""How much of the space of objectives a set of points dominates, and how much of it is owed to each."""

import numpy as np
import numpy.typing as npt

from analytics.fronts.nondominated import front_mask
from analytics.fronts.objectives import Matrix


def exclusive_contributions(values: npt.NDArray[np.floating], reference: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Area within `reference` that no other front member of an (n, 2) array covers; both minimised.

    Dominated rows count for nothing on either side: theirs is zero, and they do not lessen that of the
    member above them. Zero also for rows outside the reference and for rows that have an equal.

    Raises:
        UnusableObjective: a value is NaN or infinite.
        ValueError: there are not two columns, or the reference does not have one finite number for each.
    """
    matrix, corner = _checked(values, reference)
    if matrix.shape[1] != 2:
        raise ValueError(f"exclusive contributions are defined here for 2 objectives, got {matrix.shape[1]}")
    contributions = np.zeros(len(matrix))
    members = np.flatnonzero(front_mask(matrix) & (matrix < corner).all(axis=1))
    steps, first, counts = np.unique(matrix[members], axis=0, return_index=True, return_counts=True)
    if len(steps):
        widths = np.diff(np.append(steps[:, 0], corner[0]))
        heights = -np.diff(np.concatenate(([corner[1]], steps[:, 1])))
        contributions[members[first]] = np.where(counts == 1, widths * heights, 0.0)
    return contributions


def _checked(values: npt.NDArray[np.floating], reference: npt.ArrayLike) -> tuple[Matrix, Matrix]:
    matrix = np.asarray(values, dtype=np.float64)
    corner = np.asarray(reference, dtype=np.float64)
    if matrix.ndim != 2 or corner.shape != matrix.shape[1:] or not np.isfinite(corner).all():
        raise ValueError(
            f"the reference needs one finite number per objective: got {corner.tolist()} "
            f"for values of shape {matrix.shape}"
        )
    return matrix, corner
