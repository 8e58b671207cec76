"""Quantiles of Student's distribution: how many standard errors lie on either side of an interval from few values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def student_quantile(freedom: npt.ArrayLike, probability: float) -> npt.NDArray[np.float64]:
    """The value that a variable of Student's distribution stays below with that probability.

    Args:
        freedom: Degrees of freedom, any shape.
        probability: Between 0 and 1.

    Returns:
        Of the shape of `freedom`.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - half a second of import, which most answers do without

    quantile: Any = stdtrit(freedom, probability)
    return np.asarray(quantile, dtype=np.float64)
