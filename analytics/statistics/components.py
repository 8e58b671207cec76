"""Benchmarks together: correlations with intervals, and the few directions in which models really differ."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.statistics.normal import TWO_SIDED_95
from analytics.statistics.resampling import Families, Floats, intervals


@dataclass(frozen=True)
class Correlations:
    """Correlations of p columns; every array is (p, p), those by family NaN where undefined."""

    pearson: Floats
    pearson_lower: Floats
    pearson_upper: Floats
    pearson_lower_by_family: Floats
    pearson_upper_by_family: Floats
    spearman: Floats
    spearman_lower: Floats
    spearman_upper: Floats
    spearman_lower_by_family: Floats
    spearman_upper_by_family: Floats


def correlations(values: Floats, families: Families) -> Correlations:
    """Pearson's and Spearman's correlations of the columns (n, p), n ≥ 4, without missing values.

    Two intervals each, at 95 %: one that takes entries as independent (Fisher 1921; for ranks with the variance of
    Bonett & Wright, Psychometrika 65(1), 2000), and a bootstrap over families, which does not. In the bootstrap ranks
    are those of the whole sample.
    """
    ranks = np.column_stack([pl.Series(column).rank("average").to_numpy() for column in values.T])
    width = 1 / np.sqrt(max(len(values) - 3, 1))
    by_name: dict[str, Floats] = {}
    for name, columns in (("pearson", values), ("spearman", ranks)):
        observed = correlation_matrix(np.ones((1, len(columns))) @ _moments(columns), columns.shape[1])[0]
        drawn = correlation_matrix(families.sums(_moments(columns)), columns.shape[1])
        lower, upper = intervals(drawn.reshape(len(drawn), -1))
        margin = TWO_SIDED_95 * width * (np.sqrt(1 + observed**2 / 2) if name == "spearman" else 1.0)
        with np.errstate(divide="ignore"):
            angle = np.arctanh(np.clip(observed, -1, 1))
        by_name |= {
            name: observed,
            f"{name}_lower": np.tanh(angle - margin),
            f"{name}_upper": np.tanh(angle + margin),
            f"{name}_lower_by_family": lower.reshape(observed.shape),
            f"{name}_upper_by_family": upper.reshape(observed.shape),
        }
    return Correlations(**by_name)


def _moments(columns: Floats) -> Floats:
    """(n, 1 + p + p (p + 1) / 2) of which sums over any entries give their correlations."""
    # Centred first, so that differences of large sums keep their digits.
    centred = columns - columns.mean(axis=0)
    first, second = np.triu_indices(columns.shape[1])
    return np.column_stack([np.ones(len(columns)), centred, centred[:, first] * centred[:, second]])


def correlation_matrix(sums: Floats, count: int) -> Floats:
    """(replicates, p, p) correlations from summed moments; NaN where a column does not vary."""
    n, first = sums[:, :1], sums[:, 1 : 1 + count]
    row, column = np.triu_indices(count)
    products = np.empty((len(sums), count, count))
    products[:, row, column] = products[:, column, row] = sums[:, 1 + count :]
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = first / n
        covariance = products / n[:, :, None] - mean[:, :, None] * mean[:, None]
        variance = np.einsum("rii->ri", covariance)
        spread = np.sqrt(np.where(variance > 1e-12, variance, np.nan))
        matrix: Floats = covariance / spread[:, :, None] / spread[:, None, :]
    return np.clip(matrix, -1, 1)


@dataclass(frozen=True)
class Components:
    """Principal components of p standardised benchmarks.

    Attributes:
        shares: (p,) share of the variance along each, falling.
        shares_lower: Lower ends by family.
        shares_upper: Upper ends by family.
        loadings: (p benchmarks, p components) of unit length; the first mostly positive.
        loadings_lower: Lower ends by family.
        loadings_upper: Upper ends by family.
        scores: (n, p) of each entry, in units of the standardised benchmarks.
    """

    shares: Floats
    shares_lower: Floats
    shares_upper: Floats
    loadings: Floats
    loadings_lower: Floats
    loadings_upper: Floats
    scores: Floats


def components(values: Floats, families: Families) -> Components:
    """Capability scores of entries from their benchmarks (n, p), n > p, without missing or constant columns.

    As Ruan, Maddison & Hashimoto, "Observational Scaling Laws and the Predictability of Language Model Performance",
    NeurIPS 2024: the first component is general capability, later ones set skills apart. Columns are
    standardised, so that a benchmark with a wide scale does not decide. Signs are arbitrary; here loadings sum to
    more than zero. The bootstrap turns each replicate's components to the sign of ours.
    """
    count = values.shape[1]
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    _, singular, directions = np.linalg.svd(standard, full_matrices=False)
    loadings = directions.T * np.where(directions.sum(axis=1) < 0, -1.0, 1.0)
    shares = singular**2 / np.sum(singular**2)
    drawn = correlation_matrix(families.sums(_moments(values)), count)
    usable = np.isfinite(drawn).all(axis=(1, 2))
    replicate_shares = np.full((len(drawn), count), np.nan)
    replicate_loadings = np.full((len(drawn), count, count), np.nan)
    if usable.any():
        eigenvalues, vectors = np.linalg.eigh(drawn[usable])
        eigenvalues, vectors = eigenvalues[:, ::-1], vectors[:, :, ::-1]
        agreement = np.einsum("rbc,bc->rc", vectors, loadings)
        replicate_shares[usable] = eigenvalues / count
        replicate_loadings[usable] = vectors * np.where(agreement < 0, -1.0, 1.0)[:, None, :]
    loadings_lower, loadings_upper = intervals(replicate_loadings.reshape(len(drawn), -1))
    return Components(
        shares,
        *intervals(replicate_shares),
        loadings,
        loadings_lower.reshape(count, count),
        loadings_upper.reshape(count, count),
        standard @ loadings,
    )
