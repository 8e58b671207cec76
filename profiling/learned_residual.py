"""What a law leaves over, learned by boosted trees; kept as plain numbers so that predicting needs no sklearn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiling.calibration_laws import GROUPED_UP_TO, Array, Peaks

TRAIN_ROWS = 16_000
_SEED = 20240607
# Chosen for a fit of seconds: twice the trees and rows gain a tenth of the error for three times the time.
BOOSTING: dict[str, Any] = {
    "n_estimators": 160,
    "learning_rate": 0.15,
    "max_depth": 9,
    "max_leaf_nodes": 100,
    "min_samples_leaf": 4,
    "subsample": 0.3,
    "max_features": 0.3,
    "random_state": _SEED,
}
_CHUNK = 4096
# A learned correction never moves a prediction by more than this factor: far from the data the law decides.
LARGEST_FACTOR = 4.0


@dataclass(frozen=True)
class LearnedResidual:
    """Regression trees on log(measured/law). Arrays are (trees, nodes), a leaf points at itself."""

    constant: float
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    depth: int

    def factor(self, features: Array) -> Array:
        """Factor by which to multiply the law's time, per row of `features` (rows, features)."""
        rows32 = features.astype(np.float32)
        trees = np.arange(len(self.feature))[:, None]
        log_factor = np.empty(len(features))
        for begin in range(0, len(features), _CHUNK):
            rows = rows32[begin : begin + _CHUNK]
            node = np.zeros((len(self.feature), len(rows)), dtype=np.int32)
            here = np.arange(len(rows))[None, :]
            for _ in range(self.depth):
                goes_left = rows[here, self.feature[trees, node]] <= self.threshold[trees, node]
                node = np.where(goes_left, self.left[trees, node], self.right[trees, node])
            log_factor[begin : begin + len(rows)] = self.constant + self.value[trees, node].sum(axis=0)
        limit = np.log(LARGEST_FACTOR)
        return np.exp(np.clip(log_factor, -limit, limit))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists and numbers, ready for JSON; unused padding is dropped."""
        used = [int(max(left.max(), right.max())) + 1 for left, right in zip(self.left, self.right, strict=True)]
        return {
            "constant": self.constant,
            "depth": self.depth,
            **{
                name: [row[:count].tolist() for row, count in zip(getattr(self, name), used, strict=True)]
                for name in ("feature", "threshold", "left", "right", "value")
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LearnedResidual:
        """The inverse of `to_dict`."""
        return cls(
            float(data["constant"]),
            _padded(data["feature"], np.int32),
            _padded(data["threshold"], np.float64),
            _padded(data["left"], np.int32),
            _padded(data["right"], np.int32),
            _padded(data["value"], np.float64),
            int(data["depth"]),
        )


def residual_features(
    operator_class: str, shapes: Mapping[str, Array], law_s: Array, bound_s: Array, peaks: Peaks
) -> Array:
    """What the trees may look at: sizes in powers of two, the law's time, and how full tiles and waves are."""
    blocks = peaks.parallel_blocks
    columns = [np.log2(law_s), np.log2(np.maximum(bound_s, 1e-12)), np.log2(law_s / np.maximum(bound_s, 1e-12))]
    if operator_class.startswith("gemm"):
        m, n, k = shapes["m"], shapes["n"], shapes["k"]
        columns += [np.log2(value) for value in (m, n, k, m * n * k, n * k, m * n, m * k)]
        for rows, width in ((128, 128), (128, 256), (256, 128), (64, 128)):
            tiles = np.ceil(m / rows) * np.ceil(n / width)
            columns += [np.log2(tiles), tiles / blocks / np.ceil(tiles / blocks)]
        columns += [m % 2, (m % 16 == 0).astype(float), m / 128 / np.ceil(m / 128)]
        return np.stack(columns, axis=1)
    batch, length, heads, kv_heads, head_dim, window = (
        shapes[name]
        for name in ("batch_size", "sequence_length", "query_heads", "key_value_heads", "head_dim", "window_size")
    )  # fmt: skip
    visible = np.where((window > 0) & (window < length), window, length)
    group = heads / kv_heads
    columns += [
        np.log2(value)
        for value in (
            batch, length, visible, heads, kv_heads, head_dim, group,
            batch * heads, batch * kv_heads, batch * length, batch * kv_heads * visible,
            batch * heads * head_dim,
        )
    ]  # fmt: skip
    for units in (batch * heads, batch * kv_heads, batch * heads * np.ceil(length / 128)):
        columns.append(units / blocks / np.ceil(units / blocks))
    grouped = (group > 1) & (group <= GROUPED_UP_TO)
    columns += [window > 0, visible < length, shapes["operand_bits"], shapes["key_value_bits"], grouped]
    columns += [group % 8, length % 128]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def learn_residual(features: Array, log_ratio: Array) -> LearnedResidual:
    """Gradient-boosted trees (Friedman 2001) on log(measured/law), from at most 16,000 rows.

    Raises:
        ImportError: scikit-learn is not installed; the message says how to get it.
    """
    try:
        from sklearn.ensemble import GradientBoostingRegressor  # noqa: PLC0415 - optional and slow to import
    except ImportError as error:
        raise ImportError("the learned residual needs scikit-learn: pip install scikit-learn") from error
    rows = np.sort(np.random.default_rng(_SEED).permutation(len(features))[:TRAIN_ROWS])
    model = GradientBoostingRegressor(**BOOSTING).fit(features[rows], log_ratio[rows])
    trees = [stage[0].tree_ for stage in model.estimators_]
    leaf = [tree.children_left < 0 for tree in trees]
    itself = [np.arange(tree.node_count) for tree in trees]
    return LearnedResidual(
        float(model.init_.constant_[0][0]),
        _padded([np.where(end, 0, tree.feature) for tree, end in zip(trees, leaf, strict=True)], np.int32),
        _padded([np.where(end, 0.0, tree.threshold) for tree, end in zip(trees, leaf, strict=True)], np.float64),
        _padded([np.where(e, i, t.children_left) for t, e, i in zip(trees, leaf, itself, strict=True)], np.int32),
        _padded([np.where(e, i, t.children_right) for t, e, i in zip(trees, leaf, itself, strict=True)], np.int32),
        _padded([BOOSTING["learning_rate"] * tree.value[:, 0, 0] for tree in trees], np.float64),
        max(int(tree.max_depth) for tree in trees),
    )


def _padded(rows: list[Any], dtype: type[np.generic]) -> NDArray[Any]:
    padded = np.zeros((len(rows), max(len(row) for row in rows)), dtype=dtype)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded
