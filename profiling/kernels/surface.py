"""Kernel time as a law and a smooth surface over it: few numbers, fitted in a second, for kernels of any kind.

The law is a fixed time and the root of the squares of compute and memory time, each at a share of the data sheet. What
it leaves over is a sum of piecewise linear functions of the logarithms of sizes and of their products two by two
(Friedman 1991, without the search for knots), by ridge regression whose weights make it one of absolute errors. Outside
the sizes that were measured the surface stays as it is at their edge, and the law alone goes on. Kinds whose engines
jump between kernels have `Switches` on top.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from profiling.kernels.switches import Switches, fit_switches

Array = npt.NDArray[np.float64]
_QUANTILES = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
_FEW_QUANTILES = (0.0, 0.33, 0.67, 1.0)
_FEW_KERNELS = 600
_RIDGE, _STEPS, _LEAST_RESIDUAL = 3e-6, 4, 0.03
_RIDGE_OF = 4000
"""Kernels from which on the ridge is that; fewer are held more firmly to the law."""
LARGEST_FACTOR = 4.0
"""A surface never moves the law by more than this factor."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A fitted law with its surface.

    Attributes:
        fixed_s: Time of an empty kernel.
        compute_share: Share of the peak that the law reaches.
        memory_share: Share of the bandwidth that the law reaches.
        knots: Of each feature (sizes, and the law's own time last), the edges first and last.
        coefficients: Of the columns of `_columns`.
        switches: Jumps that the surface leaves over, of kinds that have them.
    """

    fixed_s: float
    compute_share: float
    memory_share: float
    knots: tuple[tuple[float, ...], ...]
    coefficients: Array
    switches: Switches | None = None

    def law_s(self, compute_s: Array, memory_s: Array) -> Array:
        """Seconds by the law; compute and memory time are those of the data sheet."""
        return self.fixed_s + np.hypot(compute_s / self.compute_share, memory_s / self.memory_share)

    def seconds(self, compute_s: Array, memory_s: Array, sizes: Array) -> Array:
        """Likely seconds.

        Args:
            compute_s: FLOPs over peak, (kernels,).
            memory_s: Bytes over bandwidth, (kernels,).
            sizes: Logarithms of sizes, (kernels, sizes).
        """
        law = self.law_s(compute_s, memory_s)
        features = _features(sizes, law)
        left = _limited(_columns(features, self.knots) @ self.coefficients)
        if self.switches is not None:
            left = left + self.switches.logarithms(features)
        return np.asarray(law * np.exp(left))

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "law": [_short(self.fixed_s), _short(self.compute_share), _short(self.memory_share)],
            "knots": [[_short(knot) for knot in knots] for knots in self.knots],
            "coefficients": [_short(value) for value in self.coefficients],
        } | ({} if self.switches is None else {"switches": self.switches.to_dict()})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Surface:
        """The inverse of `to_dict`."""
        knots = tuple(tuple(map(float, row)) for row in data["knots"])
        fixed_s, compute_share, memory_share = map(float, data["law"])
        switches = Switches.from_dict(data["switches"]) if "switches" in data else None
        coefficients = np.array(data["coefficients"], dtype=np.float64)
        return cls(fixed_s, compute_share, memory_share, knots, coefficients, switches)


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def fit_surface(
    compute_s: Array, memory_s: Array, sizes: Array, measured_s: Array, *, switches: bool = False
) -> Surface:
    """The surface that explains measured seconds, with or without jumps; arguments as of `Surface.seconds`."""
    from scipy.optimize import least_squares  # noqa: PLC0415 - a second of import, needed only to fit

    def law(logs: Array) -> Surface:
        fixed, compute, memory = np.exp(logs)
        return Surface(fixed * 1e-5, compute, memory, (), np.zeros(0))

    def residuals(logs: Array) -> Array:
        return np.log(law(logs).law_s(compute_s, memory_s) / measured_s)

    parts = law(
        least_squares(residuals, (-0.5, -0.5, -0.3), bounds=((-6, -6, -6), (6, 1, 1)), loss="soft_l1", f_scale=0.1).x
    )
    time = parts.law_s(compute_s, memory_s)
    features = _features(sizes, time)
    quantiles = _QUANTILES if len(measured_s) >= _FEW_KERNELS else _FEW_QUANTILES
    knots = tuple(tuple(map(_short, np.unique(np.quantile(column, quantiles)))) for column in features.T)
    ridge = _RIDGE * max(1.0, _RIDGE_OF / len(measured_s)) ** 1.5
    columns = _columns(features, knots)
    left = np.log(measured_s / time)
    weights: Array = np.ones(len(left))
    coefficients: Array = np.zeros(columns.shape[1])
    for _ in range(_STEPS):
        weighted = columns * weights[:, None]
        normal = weighted.T @ columns
        normal[np.diag_indices_from(normal)] += ridge * weights.sum()
        coefficients = np.asarray(np.linalg.solve(normal, weighted.T @ left), dtype=np.float64)
        closeness = 1 / np.maximum(np.abs(left - columns @ coefficients), _LEAST_RESIDUAL)
        weights = np.asarray(closeness / closeness.mean())
    jumps = fit_switches(features, left - _limited(columns @ coefficients)) if switches else None
    return Surface(parts.fixed_s, parts.compute_share, parts.memory_share, knots, coefficients, jumps)


def _limited(left: Array) -> Array:
    return np.clip(left, -np.log(LARGEST_FACTOR), np.log(LARGEST_FACTOR))


def _features(sizes: Array, law_s: Array) -> Array:
    return np.column_stack([sizes, np.log2(law_s)])


def _columns(features: Array, knots: tuple[tuple[float, ...], ...]) -> Array:
    """One, hinges of every feature, and products of features with hinges of others; features scaled to 0 to 1."""
    hinges = []
    for column, own in zip(features.T, knots, strict=True):
        low, high = own[0], own[-1]
        width = max(high - low, 1e-9)
        scaled = (np.clip(column, low, high) - low) / width
        hinges.append(np.column_stack([scaled, *(np.maximum(scaled - (knot - low) / width, 0) for knot in own[1:-1])]))
    products = [
        hinges[hinge][:, :1] * (hinges[other] if hinge < other else hinges[other][:, 1:])
        for hinge in range(len(hinges))
        for other in range(len(hinges))
        if hinge != other
    ]
    return np.concatenate([np.ones((len(features), 1)), *hinges, *products], axis=1)
