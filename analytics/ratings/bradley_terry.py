"""Bradley-Terry ratings by maximum likelihood, with the covariance that their intervals come from."""

from dataclasses import dataclass

import numpy as np

from analytics.ratings.comparisons import (
    Booleans,
    Comparisons,
    Floats,
    UnusableComparisons,
    pair_sums,
    position_of,
)
from analytics.ratings.standing import Standing, standings

POINTS_PER_LOG_ODDS = 400 / np.log(10)
"""Elo points per natural log-odds: 400 points are odds of ten to one."""
MEAN_RATING = 1000.0


@dataclass(frozen=True, eq=False)
class BradleyTerry:
    """Ratings of a set of models and how well they are known.

    Attributes:
        models: Names, sorted.
        standing: What the votes say about each model; only `rated` ones have a rating.
        rating: Points with mean 1000 over the rated models, NaN elsewhere, shape (m,).
        covariance: Sandwich covariance of the centred ratings in points², NaN elsewhere, shape (m, m).
            Centred means: of each rating minus the mean of all, so no model is held fixed.
        battles: Votes of each model, those against unrated models included, shape (m,).
        comparisons: The comparisons that were given.
    """

    models: tuple[str, ...]
    standing: tuple[Standing, ...]
    rating: Floats
    covariance: Floats
    battles: Floats
    comparisons: Comparisons

    @property
    def rated(self) -> Booleans:
        """Mask of models with a rating, shape (m,)."""
        return np.isfinite(self.rating)

    @property
    def standard_error(self) -> Floats:
        """Standard error of each centred rating in points, NaN where unrated, shape (m,)."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance)), dtype=np.float64)

    def anchored(self, model: str, rating: float) -> Floats:
        """Ratings shifted so that `model` stands at `rating`, shape (m,).

        A shift changes no difference, so intervals keep their width: to hold the anchor fixed inside the
        estimate would load its own error onto every other model and leave the anchor with none.

        Raises:
            UnusableComparisons: the model is unknown or has no rating.
        """
        place = position_of(model, self.models)
        if not self.rated[place]:
            raise UnusableComparisons(f"{model!r} cannot be the anchor: it is {self.standing[place]}.")
        return np.asarray(self.rating + (rating - self.rating[place]), dtype=np.float64)

    def difference(self, model: str, other: str) -> tuple[float, float]:
        """Rating of `model` minus that of `other` and its standard error, in points; NaN where unrated."""
        i, j = position_of(model, self.models), position_of(other, self.models)
        variance = self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j]
        return float(self.rating[i] - self.rating[j]), float(np.sqrt(max(variance, 0.0)))


def fit(comparisons: Comparisons) -> BradleyTerry:
    """Bradley-Terry ratings with half-win ties and sandwich covariance.

    Maximises Σ w·[y·log p + (1-y)·log(1-p)] with p = 1/(1+exp(-(θ_a-θ_b))) by Newton's method on the matrix
    of wins; the state of the art otherwise stops L-BFGS short of the maximum. Models without a finite maximum
    (see `standing`) are set aside with their votes, as the likelihood itself does in the limit.

    Raises:
        UnusableComparisons: no two models can be rated.
    """
    standing = standings(comparisons)
    rated = np.array([s is Standing.RATED for s in standing], dtype=np.bool_)
    if rated.sum() < 2:
        raise UnusableComparisons(
            f"Of {len(standing)} models none can be rated: no two have each won (or tied) against the other, "
            "directly or through a chain of votes. More votes are needed."
        )
    inside = comparisons.among(rated)
    log_odds = maximise(inside.wins)
    variance = sandwich(inside, log_odds) * POINTS_PER_LOG_ODDS**2
    size = len(comparisons.models)
    rating = np.full(size, np.nan)
    rating[rated] = log_odds * POINTS_PER_LOG_ODDS + MEAN_RATING
    covariance = np.full((size, size), np.nan)
    covariance[np.ix_(rated, rated)] = variance
    return BradleyTerry(comparisons.models, tuple(standing), rating, covariance, comparisons.battles, comparisons)


def maximise(wins: Floats, start: Floats | None = None) -> Floats:
    """Centred log-odds at the maximum of the likelihood, shape (m,).

    Args:
        wins: Wins plus half ties of row over column, shape (m, m); every model reachable from every other.
        start: Where to begin, shape (m,); zeros by default.

    Raises:
        UnusableComparisons: no maximum was found, which for a connected graph does not happen.
    """
    met = wins + wins.T
    won = wins.sum(axis=1)
    theta = np.zeros(len(wins)) if start is None else start - start.mean()
    for _ in range(200):
        probability = _win_probability(theta)
        gradient = won - (met * probability).sum(axis=1)
        step = np.linalg.solve(grounded(_information(met, probability)), gradient)
        step -= step.mean()
        largest = float(np.abs(step).max())
        if largest > 1:
            step *= _shortening(wins, theta, step)
        theta = theta + step
        # Convergence is quadratic: after a step of 1e-7 the next would be of the order of 1e-14.
        if largest < 1e-7:
            return np.asarray(theta, dtype=np.float64)
    raise UnusableComparisons(
        f"No maximum of the likelihood within 200 Newton steps ({len(wins)} models, last step {largest:.1e})."
    )


def sandwich(comparisons: Comparisons, log_odds: Floats) -> Floats:
    """Sandwich covariance H⁻¹GH⁻¹ of the centred log-odds, shape (m, m).

    H is the information, G the summed outer product of the scores (White 1982). With half-win ties the inverse
    information alone is too wide, by a third where 39 % of votes are ties.
    """
    size = len(comparisons.models)
    first, second = comparisons.first, comparisons.second
    probability = 1 / (1 + np.exp(log_odds[second] - log_odds[first]))
    squared = comparisons.votes * (comparisons.outcome - probability) ** 2
    meat = laplacian(pair_sums(first, second, squared, size))
    met = comparisons.wins + comparisons.wins.T
    bread = np.linalg.inv(grounded(_information(met, _win_probability(log_odds))))
    variance = bread @ meat @ bread
    return np.asarray((variance + variance.T) / 2, dtype=np.float64)


def _win_probability(theta: Floats) -> Floats:
    """Probability that row beats column, shape (m, m)."""
    return np.asarray(1 / (1 + np.exp(theta[None, :] - theta[:, None])), dtype=np.float64)


def _shortening(wins: Floats, theta: Floats, step: Floats) -> float:
    """Largest of 1, 1/2, 1/4, ... with which the step raises the likelihood; needed only far from it."""
    before = _log_likelihood(wins, theta)
    scale = 1.0
    while scale > 1e-12 and _log_likelihood(wins, theta + scale * step) < before:
        scale /= 2
    return scale


def _log_likelihood(wins: Floats, theta: Floats) -> float:
    return -float((wins * np.logaddexp(0, theta[None, :] - theta[:, None])).sum())


def _information(met: Floats, probability: Floats) -> Floats:
    """Negative second derivative of the log-likelihood, shape (m, m); its null space is the constant."""
    weight = met * probability * (1 - probability)
    return np.asarray(np.diag(weight.sum(axis=1)) - weight, dtype=np.float64)


def laplacian(weight: Floats) -> Floats:
    """Σ weight_ab (e_a-e_b)(e_a-e_b)ᵀ, shape (m, m)."""
    both = weight + weight.T
    return np.asarray(np.diag(both.sum(axis=1)) - both, dtype=np.float64)


def grounded(information: Floats) -> Floats:
    """The information with its null direction (adding one constant to all) given a harmless curvature."""
    size = len(information)
    return np.asarray(information + np.trace(information) / size**2, dtype=np.float64)
