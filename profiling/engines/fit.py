"""Fits the effects of engines to measured passes: robust, drawn towards none, tested on devices and models left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from profiling.engines.effects import EFFECTS, Effect, Setting

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Effects = Mapping[str, tuple[Effect, ...]]
FOLDS, DRAWS = 10, 3
_ITERATIONS, _ITERATIONS_MORE = 14, 6
_NOISE, _TAIL = 0.15, 0.36
"""Usual error of a measurement as a logarithm, and beyond what an error counts ever less (Student's t)."""
BEYOND = 2.3
"""Logarithm of an error (ten times) beyond which a measurement is taken to be of something else, such as a model that
ran half on the processor, and has no say once the fit has settled."""
_FEW = 6
"""Groups of fewer rows weigh as little as one of so many: a single odd row must not move a class."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Measured passes: seconds by part at no effect, what was measured, and the setting of each."""

    parts: Array
    """(rows, parts), in the order of the effects that are fitted."""
    measured_s: Array
    settings: Sequence[Setting]

    def weights(self) -> Array:
        """One over the root of the number of rows of the same engine, device and stage."""
        labels = [tuple(setting.labels[name] for name in ("engine", "device", "stage")) for setting in self.settings]
        _, place, count = np.unique(np.array(labels), axis=0, return_inverse=True, return_counts=True)
        return np.asarray(1 / np.sqrt(np.maximum(count[place.reshape(-1)], _FEW)))


Parameters = dict[str, dict[str, dict[str, float]]]
"""Value by owner (a part, or the word that parts share), effect and group."""


@dataclass(frozen=True, slots=True)
class _Column:
    """One effect of one part on all rows: which parameter each row takes, and times what."""

    part: str
    parameter: Whole
    weight: Array


@dataclass(frozen=True, slots=True)
class _Design:
    columns: tuple[_Column, ...]
    spreads: Array
    names: tuple[tuple[str, str, str], ...]

    @classmethod
    def of(cls, rows: Rows, declared: Effects) -> _Design:
        columns: list[_Column] = []
        spreads: list[float] = []
        places: dict[tuple[str, str, str], int] = {}
        # Far fewer settings than rows: what a setting belongs to is looked up once.
        first, place = _distinct(rows.settings)
        for part, effects in declared.items():
            for effect in effects:
                owner = effect.shared or part
                keys = [(owner, effect.group, setting.group_of(effect)) for setting in first]
                for key in keys:
                    if key not in places:
                        places[key] = len(spreads)
                        spreads.append(effect.spread)
                parameter = np.array([places[key] for key in keys], dtype=np.int64)[place]
                weight = np.array([setting.weight_of(effect) for setting in first])[place]
                columns.append(_Column(part, parameter, weight))
        return cls(tuple(columns), np.array(spreads), tuple(places))

    def exponents(self, values: Array, part: str) -> Array | float:
        return sum((values[column.parameter] * column.weight for column in self.columns if column.part == part), 0.0)


def _distinct(settings: Sequence[Setting]) -> tuple[list[Setting], Whole]:
    """The settings that differ, and which of them each is."""
    places: dict[tuple[object, ...], int] = {}
    keys = [
        (
            *setting.labels.values(),
            setting.vector_share,
            setting.strain,
            setting.rocblas,
            setting.on_small_host,
            setting.amdvlk,
            setting.years,
            setting.tuned,
            setting.in_turn,
        )
        for setting in settings
    ]
    for key in keys:
        places.setdefault(key, len(places))
    by_key = dict(zip(keys, settings, strict=True))
    return [by_key[key] for key in places], np.array([places[key] for key in keys], dtype=np.int64)


def fit(rows: Rows, declared: Effects = EFFECTS, start: Parameters | None = None) -> Parameters:
    """Effects that explain the measured passes, by Gauss–Newton steps with weights renewed at each.

    Minimises the sum over rows of weight × ρ(log(measured / predicted)) and over effects of (value / spread)², with ρ
    of Student's t, so that measurements that cannot be (a card that ran half on the processor) lose their say.
    """
    from scipy import sparse  # noqa: PLC0415 - a second of import, needed only to fit
    from scipy.linalg import solve  # noqa: PLC0415

    design = _Design.of(rows, declared)
    names = parts_named(declared)
    number, parameters = len(rows.measured_s), len(design.spreads)
    initial = start or {}
    values = np.array([initial.get(owner, {}).get(effect, {}).get(group, 0.0) for owner, effect, group in design.names])
    weights = rows.weights() * 3 / _NOISE**2
    lines = np.arange(number)
    for step in range(_ITERATIONS_MORE if start else _ITERATIONS):
        shares = {
            part: rows.parts[:, place] * np.exp(np.clip(design.exponents(values, part), -6, 6))
            for place, part in enumerate(names)
        }
        total = sum(shares.values(), np.zeros(number))
        residual = np.log(rows.measured_s / total) - design.exponents(values, "whole")
        trusted = weights / (1 + (residual / _TAIL) ** 2)
        if start or step >= _ITERATIONS // 2:
            trusted = np.where(np.abs(residual) > BEYOND, 0.0, trusted)
        slopes = [
            (column.weight if column.part == "whole" else shares[column.part] / total * column.weight)
            for column in design.columns
        ]
        jacobian = sparse.csr_matrix(
            (
                np.concatenate(slopes),
                (np.tile(lines, len(slopes)), np.concatenate([column.parameter for column in design.columns])),
            ),
            shape=(number, parameters),
        )
        normal = (jacobian.T @ jacobian.multiply(trusted[:, None])).toarray() + np.diag(1 / design.spreads**2)
        change = solve(normal, jacobian.T @ (trusted * residual) - values / design.spreads**2, assume_a="pos")
        values = values + (0.6 if step < 3 and not start else 1.0) * np.clip(change, -1, 1)
    parameters_of_owner: Parameters = {}
    for (owner, effect, group), value in zip(design.names, values, strict=True):
        parameters_of_owner.setdefault(owner, {}).setdefault(effect, {})[group] = float(value)
    return parameters_of_owner


def parts_named(declared: Effects) -> tuple[str, ...]:
    """Names of the parts that effects are declared for, in order."""
    return tuple(name for name in declared if name != "whole")


def exponent(parameters: Parameters, declared: Effects, part: str, setting: Setting) -> float:
    """Sum of a part's effects in a setting; groups that were not measured have none."""

    def value(effect: Effect) -> float:
        of_effect = parameters.get(effect.shared or part, {}).get(effect.group, {})
        return of_effect.get(setting.group_of(effect), 0.0) * setting.weight_of(effect)

    return float(np.clip(sum(value(effect) for effect in declared[part]), -6, 6))


def factors(parameters: Parameters, setting: Setting, declared: Effects = EFFECTS) -> Array:
    """What each part is multiplied by in a setting, the effects on the whole included."""
    whole = exponent(parameters, declared, "whole", setting)
    exponents = [exponent(parameters, declared, part, setting) + whole for part in parts_named(declared)]
    return np.asarray(np.exp(np.array(exponents)), dtype=np.float64)


def predicted_s(parameters: Parameters, rows: Rows, declared: Effects = EFFECTS) -> Array:
    """Seconds of each row by its effects."""
    first, place = _distinct(rows.settings)
    factor_rows = np.array([factors(parameters, setting, declared) for setting in first])
    return np.asarray((rows.parts * factor_rows[place]).sum(axis=1))


def folds_of(names: Sequence[str], folds: int = FOLDS, draw: int = 0) -> Whole:
    """A fold for each name, the same for equal names, folds of about equal numbers of rows; largest names first.

    Numbers of rows count to the nearest power of two, so that a few more leave all names where they were.

    Args:
        names: Of each row.
        folds: How many.
        draw: Which of the random orders in which names of about as many rows are dealt out.
    """
    groups, place, count = np.unique(np.array(names), return_inverse=True, return_counts=True)
    size = 2 ** np.round(np.log2(count))
    order = np.random.default_rng(draw).permutation(len(groups))
    fold_of, filled = np.zeros(len(groups), dtype=np.int64), np.zeros(folds)
    for group in order[np.argsort(-size[order], kind="stable")]:
        fold_of[group] = int(np.argmin(filled))
        filled[fold_of[group]] += size[group]
    return np.asarray(fold_of[place])
