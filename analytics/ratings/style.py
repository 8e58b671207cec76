"""Bradley-Terry with style control: what of a rating is length and formatting rather than substance."""

from dataclasses import dataclass

import numpy as np

from analytics.ratings.bradley_terry import (
    MEAN_RATING,
    POINTS_PER_LOG_ODDS,
    BradleyTerry,
    fit,
    laplacian,
)
from analytics.ratings.comparisons import Comparisons, Floats, Integers, UnusableComparisons, pair_sums
from analytics.statistics.normal import TWO_SIDED_95

STYLE_FEATURES = ("length", "headers", "lists", "bold")
"""Tokens, headers, list items and bold spans of an answer, in this order."""
_BLOCK = 1 << 18
_LARGEST_LOG_ODDS = 50.0


@dataclass(frozen=True, eq=False)
class StyledBattles:
    """Single votes with the style of both answers; features do not aggregate.

    Attributes:
        models: Names; the positions below point here.
        first: Position of the model shown first, shape (n,).
        second: Position of the model shown second, shape (n,).
        outcome: 1, 0.5 or 0 for the first, shape (n,).
        counts_first: Counts of `features` in the first answer, shape (n, features).
        counts_second: The same of the second answer.
        features: Names of the columns of the counts.
    """

    models: tuple[str, ...]
    first: Integers
    second: Integers
    outcome: Floats
    counts_first: Floats
    counts_second: Floats
    features: tuple[str, ...] = STYLE_FEATURES

    def relative_differences(self) -> Floats:
        """(a-b)/(a+b) of each count, 0 where both are 0, shape (n, features): between -1 and 1."""
        total = self.counts_first + self.counts_second
        difference = self.counts_first - self.counts_second
        return np.asarray(np.divide(difference, total, out=np.zeros_like(difference), where=total > 0))


@dataclass(frozen=True, eq=False)
class StyleControlled:
    """Ratings at equal style, and how much each feature of style moves a vote.

    Attributes:
        ratings: As `bradley_terry.fit` gives them, with the style terms in the model.
        features: Names, the order of the arrays below; a feature that never differs is left out.
        coefficient: Log-odds per root-mean-square relative difference, shape (f,); comparable between features.
        coefficient_lower: 95 % bound from the sandwich covariance, shape (f,).
        coefficient_upper: The same above.
        scale: Root mean square of the relative difference of each feature, shape (f,).
    """

    ratings: BradleyTerry
    features: tuple[str, ...]
    coefficient: Floats
    coefficient_lower: Floats
    coefficient_upper: Floats
    scale: Floats


def fit_style_controlled(battles: StyledBattles) -> StyleControlled:
    """Fit ratings and style coefficients together: logit = θ_a - θ_b + z·γ (Li, Angelopoulos & Chiang 2024).

    z are relative differences over their root mean square. They are not centred: to subtract a mean would credit
    position, and swapping the two sides of a vote would change the result.

    Args:
        battles: Single votes with style counts; arrays of n·(features + 3) numbers are held.

    Raises:
        UnusableComparisons: no two models can be rated, or the fit does not settle.
    """
    aggregated = _aggregated(battles)
    plain = fit(aggregated)
    inside = plain.rated[battles.first] & plain.rated[battles.second]
    position = np.cumsum(plain.rated) - 1
    first, second = position[battles.first[inside]], position[battles.second[inside]]
    outcome = battles.outcome[inside]
    z = battles.relative_differences()[inside]
    scale = np.sqrt((z**2).mean(axis=0))
    varying = scale > 0
    z = z[:, varying] / scale[varying]

    size = int(plain.rated.sum())
    theta = (plain.rating[plain.rated] - MEAN_RATING) / POINTS_PER_LOG_ODDS
    parameters = np.concatenate([theta, np.zeros(z.shape[1])])
    unsettled = "The style-controlled fit does not converge: too few votes, or style alone separates wins from losses."
    for _ in range(50):
        gradient, information, meat = _moments(first, second, outcome, z, parameters, size)
        try:
            bread = _inverse(information, size)
        except np.linalg.LinAlgError as error:
            raise UnusableComparisons(unsettled) from error
        step = bread @ gradient
        parameters = parameters + step
        if not np.abs(parameters).max() < _LARGEST_LOG_ODDS:
            raise UnusableComparisons(unsettled)
        if np.abs(step).max() < 1e-7:
            break
    else:
        raise UnusableComparisons(unsettled)
    if not meat[size:, size:].any():
        raise UnusableComparisons("Every vote is a tie, so the effect of style cannot be estimated.")
    variance = bread @ meat @ bread
    return _styled(battles, plain, parameters, variance, varying, scale)


def _styled(
    battles: StyledBattles,
    plain: BradleyTerry,
    parameters: Floats,
    variance: Floats,
    varying: np.typing.NDArray[np.bool_],
    scale: Floats,
) -> StyleControlled:
    """Parameters in log-odds as ratings in points and coefficients with bounds."""
    size = int(plain.rated.sum())
    rating, covariance = np.full_like(plain.rating, np.nan), np.full_like(plain.covariance, np.nan)
    rating[plain.rated] = parameters[:size] * POINTS_PER_LOG_ODDS + MEAN_RATING
    covariance[np.ix_(plain.rated, plain.rated)] = variance[:size, :size] * POINTS_PER_LOG_ODDS**2
    half_width = TWO_SIDED_95 * np.sqrt(np.diagonal(variance)[size:])
    return StyleControlled(
        BradleyTerry(plain.models, plain.standing, rating, covariance, plain.battles, plain.comparisons),
        tuple(name for name, varies in zip(battles.features, varying, strict=True) if varies),
        parameters[size:],
        parameters[size:] - half_width,
        parameters[size:] + half_width,
        scale[varying],
    )


def _moments(
    first: Integers, second: Integers, outcome: Floats, z: Floats, parameters: Floats, size: int
) -> tuple[Floats, Floats, Floats]:
    """Gradient (p,), information (p, p) and summed outer product of scores (p, p), block by block."""
    count = len(parameters)
    gradient, information, meat = np.zeros(count), np.zeros((count, count)), np.zeros((count, count))
    for start in range(0, len(outcome), _BLOCK):
        part = slice(start, start + _BLOCK)
        a, b, features = first[part], second[part], z[part]
        logit = parameters[a] - parameters[b] + features @ parameters[size:]
        probability = 1 / (1 + np.exp(-logit))
        residual = outcome[part] - probability
        gradient[:size] += np.bincount(a, residual, size) - np.bincount(b, residual, size)
        gradient[size:] += features.T @ residual
        for matrix, weight in ((information, probability * (1 - probability)), (meat, residual**2)):
            matrix[:size, :size] += laplacian(pair_sums(a, b, weight, size))
            weighted = features * weight[:, None]
            matrix[size:, size:] += features.T @ weighted
            for column in range(features.shape[1]):
                mixed = np.bincount(a, weighted[:, column], size) - np.bincount(b, weighted[:, column], size)
                matrix[:size, size + column] += mixed
                matrix[size + column, :size] += mixed
    return gradient, information, meat


def _inverse(information: Floats, size: int) -> Floats:
    """Pseudo-inverse on the space of centred ratings and free coefficients."""
    constant = np.zeros(len(information))
    constant[:size] = 1 / np.sqrt(size)
    null = np.outer(constant, constant)
    curvature = np.trace(information[:size, :size]) / size
    return np.asarray(np.linalg.inv(information + curvature * null) - null / curvature, dtype=np.float64)


def _aggregated(battles: StyledBattles) -> Comparisons:
    size = len(battles.models)
    code = (battles.first * size + battles.second) * 3 + np.rint(battles.outcome * 2).astype(np.int64)
    distinct, votes = np.unique(code, return_counts=True)
    pair = distinct // 3
    return Comparisons(battles.models, pair // size, pair % size, distinct % 3 / 2, votes.astype(np.float64))
