"""Fitting a law to kernels, holding shapes out, and turning held-out errors into an interval; no I/O here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiling.calibration.laws import Array, Peaks, law_of, number_format, variants

FOLDS = 5
FIT_ROWS = 2000
MINIMUM_ROWS = 60
INTERVAL = 0.80
INTERVAL_BINS = 6
_SEED = 20240607
_CHUNK = 8192

Parameters = dict[str, dict[str, float]]


@dataclass(frozen=True)
class IntervalTable:
    """Interval around a prediction: factors by how far the prediction lies above its bound.

    `edges` are ascending ratios prediction/bound that separate the bins; `lower` and `upper` have one factor
    more than there are edges. Kernels near their roof are predictable, latency-bound ones less so.
    """

    edges: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    def bounds(self, predicted_s: Array, bound_s: Array) -> tuple[Array, Array]:
        """Lower and upper time in seconds of each prediction."""
        bins = np.searchsorted(np.asarray(self.edges), predicted_s / np.maximum(bound_s, 1e-12), side="right")
        return predicted_s * np.asarray(self.lower)[bins], predicted_s * np.asarray(self.upper)[bins]


def law_time_s(operator_class: str, parameters: Parameters, shapes: Mapping[str, Array], peaks: Peaks) -> Array:
    """Time in seconds by the fitted law, shape by shape.

    A kernel family that was not fitted takes the defaults of its law, so the answer is never silently another
    family's.
    """
    family = variants(operator_class, shapes)
    time = np.empty(len(family))
    law = law_of(operator_class)
    for name in np.unique(family):
        where = np.flatnonzero(family == name)
        fitted = parameters.get(str(name), {})
        values = np.asarray([fitted.get(each.name, each.start) for each in law.parameters])
        for begin in range(0, len(where), _CHUNK):
            rows = where[begin : begin + _CHUNK]
            prepared = law.prepare(_take(shapes, rows), peaks, number_format(operator_class, str(name)))
            time[rows] = law.time_s(values, prepared)
    return time


def fit_law(operator_class: str, shapes: Mapping[str, Array], latency_s: Array, peaks: Peaks) -> Parameters:
    """Parameters of each kernel family that has at least 60 rows, by bounded least squares on log time.

    The loss is soft-L1 on log(predicted/measured), close to the relative error it is judged by and deaf to
    outliers. At most 2,000 rows per family enter, drawn evenly by a fixed seed: more do not move the result.
    """
    from scipy.optimize import least_squares  # noqa: PLC0415 - half a second of import, needed only to fit

    family = variants(operator_class, shapes)
    law = law_of(operator_class)
    lower, start, upper = (
        np.log([getattr(each, name) for each in law.parameters]) for name in ("lower", "start", "upper")
    )
    fitted: Parameters = {}
    for name in np.unique(family):
        rows = np.flatnonzero(family == name)
        if len(rows) < MINIMUM_ROWS:
            continue
        rows = np.random.default_rng(_SEED).permutation(rows)[:FIT_ROWS]
        prepared = law.prepare(_take(shapes, rows), peaks, number_format(operator_class, str(name)))
        measured = np.log(latency_s[rows])

        def residual(values: Array, prepared: Mapping[str, Array] = prepared, measured: Array = measured) -> Array:
            return np.log(law.time_s(np.exp(values), prepared)) - measured

        best = least_squares(
            residual, start, bounds=(lower, upper), loss="soft_l1", f_scale=0.05, max_nfev=40, x_scale=0.5
        )
        fitted[str(name)] = {
            each.name: float(value) for each, value in zip(law.parameters, np.exp(best.x), strict=True)
        }
    return fitted


def shape_groups(operator_class: str, shapes: Mapping[str, Array]) -> NDArray[np.int64]:
    """Group of each kernel; a group is held out whole, so no held-out shape was seen at another size.

    GEMM groups by weight matrix (n, k): every m of a layer together. Attention groups by head geometry
    (query heads, key-value heads, head size): every batch, length, window and number format together, which
    also keeps a window no shorter than the sequence, the same work as no window, on one side.
    """
    names = ("n", "k") if operator_class.startswith("gemm") else ("query_heads", "key_value_heads", "head_dim")
    keys = np.stack([shapes[name] for name in names], axis=1)
    return np.asarray(np.unique(keys, axis=0, return_inverse=True)[1]).reshape(-1)


def fold_of(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fold of each row: groups dealt out evenly in an order drawn by a fixed seed."""
    count = int(groups.max()) + 1
    order = np.random.default_rng(_SEED).permutation(count)
    fold = np.empty(count, dtype=np.int64)
    fold[order] = np.arange(count) % min(FOLDS, count)
    return fold[groups]


def interval_table(measured_s: Array, predicted_s: Array, bound_s: Array) -> IntervalTable:
    """Central 80 % of measured/predicted on held-out kernels, by bins of predicted/bound.

    Split conformal prediction (Vovk et al. 2005; Lei et al. 2018) made conditional on a bin (Mondrian):
    the quantiles carry the finite-sample correction (n + 1)/n, and every bin holds at least 60 kernels.
    """
    ratio = measured_s / predicted_s
    height = predicted_s / np.maximum(bound_s, 1e-12)
    bins = max(1, min(INTERVAL_BINS, len(ratio) // MINIMUM_ROWS))
    edges = np.unique(np.quantile(height, np.linspace(0, 1, bins + 1)[1:-1])) if bins > 1 else np.empty(0)
    index = np.searchsorted(edges, height, side="right")
    tail = (1 - INTERVAL) / 2
    lower, upper = [], []
    for each in range(len(edges) + 1):
        inside = ratio[index == each] if np.any(index == each) else ratio
        level = min(1.0, (1 - tail) * (len(inside) + 1) / len(inside))
        lower.append(float(np.quantile(inside, 1 - level)))
        upper.append(float(np.quantile(inside, level)))
    return IntervalTable(tuple(float(edge) for edge in edges), tuple(lower), tuple(upper))


def interval_coverage(measured_s: Array, predicted_s: Array, bound_s: Array, fold: NDArray[np.int64]) -> float:
    """Share of held-out kernels inside an interval made from the other folds only."""
    inside = np.zeros(len(measured_s), dtype=bool)
    for each in np.unique(fold):
        test, rest = fold == each, fold != each
        if not rest.any():
            return float("nan")
        table = interval_table(measured_s[rest], predicted_s[rest], bound_s[rest])
        low, high = table.bounds(predicted_s[test], bound_s[test])
        low, high = np.maximum(low, bound_s[test]), np.maximum(high, bound_s[test])
        inside[test] = (measured_s[test] >= low) & (measured_s[test] <= high)
    return float(inside.mean())


def _take(shapes: Mapping[str, Array], rows: NDArray[np.int64]) -> dict[str, Array]:
    return {name: values[rows] for name, values in shapes.items()}
