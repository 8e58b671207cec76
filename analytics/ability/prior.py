"""What is expected of a model before any result: a ridge regression on its date and size, with its held-out error."""

from dataclasses import dataclass

import numpy as np

from analytics.ability.results import Floats, Integers, NoAbilityError

_RIDGE = 1.0
_FOLDS = 10  # groups into which makers are dealt


@dataclass(frozen=True)
class Prior:
    """Expected abilities and how far they are off.

    Attributes:
        mean: (U,) expected ability.
        error: (U,) root mean square error of that: on makers left out whole, or the spread of all abilities where the
            first feature is not known.
        expected_error: The former.
        left: (n,) errors of that.
        naive: (n,) errors of the mean ability.
        centre: (F,) means of the features known.
        spread: (F,) their standard deviations.
        coefficients: (1 + 2 F,) intercept, slopes per standard deviation, effects of not being known.
    """

    mean: Floats
    error: Floats
    expected_error: float
    left: Floats
    naive: Floats
    centre: Floats
    spread: Floats
    coefficients: Floats

    def expected(self, features: Floats) -> Floats:
        """(n,) abilities expected from features (n, F), NaN where unknown."""
        levels: Floats = _design(features, self.centre, self.spread) @ self.coefficients
        return levels


def _design(features: Floats, centre: Floats, spread: Floats) -> Floats:
    missing = np.isnan(features)
    scaled = np.where(missing, 0.0, (features - centre) / spread)
    return np.column_stack([np.ones(len(features)), scaled, missing.astype(np.float64)])


def prior_of(ability: Floats, trusted: Floats, features: Floats, maker: Integers) -> Prior:
    """Regress abilities on features (linear, missing values at their mean with an effect of their own).

    The error is measured on makers that were left out whole: siblings of a model would give its level away.

    Args:
        ability: (U,) abilities.
        trusted: (U,) weight of each, 0 where the ability itself is not known.
        features: (U, F), NaN where unknown.
        maker: (U,) maker of each.

    Raises:
        NoAbilityError: Nothing is trusted.
    """
    if not trusted.any():
        raise NoAbilityError("no model has enough results to say what is usual")
    undated = np.isnan(features[:, 0])
    used = np.where(undated, 0.0, trusted)
    if not used.any():
        features, undated, used = np.zeros_like(features), np.zeros_like(undated), trusted
    missing = np.isnan(features)
    numbers = np.where(missing, 0.0, features)
    count = np.maximum((~missing).sum(axis=0), 1)
    centre = numbers.sum(axis=0) / count
    deviation = np.sqrt(np.where(missing, 0.0, (numbers - centre) ** 2).sum(axis=0) / count)
    spread = np.where(deviation > 0, deviation, 1.0)
    design = _design(features, centre, spread)
    penalty = np.diag([1e-6] + [_RIDGE] * (design.shape[1] - 1))

    def coefficients(weight: Floats) -> Floats:
        normal = design.T @ (weight[:, None] * design) + penalty
        return np.linalg.solve(normal, design.T @ (weight * ability)).astype(np.float64, copy=False)

    fold = np.unique(maker, return_inverse=True)[1].ravel() % _FOLDS
    left, naive = [], []
    for number in range(_FOLDS):
        probe, rest = (fold == number) & (used > 0), used * (fold != number)
        if probe.any() and rest.any():
            left.append(ability[probe] - design[probe] @ coefficients(rest))
            naive.append(ability[probe] - np.average(ability, weights=rest))
    errors = np.concatenate(left) if left else ability[used > 0]
    final = coefficients(used)
    error = float(np.sqrt(np.mean(errors**2)))
    middle = float(np.average(ability, weights=trusted))
    wide = float(np.sqrt(np.average((ability - middle) ** 2, weights=trusted)))
    return Prior(
        np.where(undated, middle, design @ final),
        np.where(undated, wide, error),
        error,
        errors,
        np.concatenate(naive) if naive else errors,
        centre,
        spread,
        final,
    )
