"""Capability density: how large the board's ordinary model is that scores as well, and how that grows.

Xiao et al., "Densing Law of LLMs", 2024: density = N_eff / N, where N_eff is the size at which a reference model has
the score. Their reference is a family trained for it; ours is the least-squares line of the board's own entries, so
densities compare within one board only, and N_eff beyond the largest entry is an extrapolation.
"""

from dataclasses import dataclass

import numpy as np

from pipelines.analytics.efficiency import fit_mean
from pipelines.analytics.statistics.resampling import Families, Floats, Integers, interval, intervals, lines

FEWEST_RECORDS = 4
_DAYS_PER_MONTH = 365.25 / 12


@dataclass(frozen=True)
class Density:
    """Densities of n entries; arrays are (n,), ends NaN where the line may as well be flat.

    Attributes:
        effective_size: N_eff in the unit of the sizes.
        density: N_eff over N.
        density_lower: By family, together with the score's own standard error.
        density_upper: The same.
        replicates: (replicates, n) log₂ of the density for each line drawn anew.
        is_extrapolated: Whether N_eff lies beyond the sizes of the entries.
    """

    effective_size: Floats
    density: Floats
    density_lower: Floats
    density_upper: Floats
    replicates: Floats
    is_extrapolated: np.ndarray


def densities(size: Floats, score: Floats, error: Floats, families: Families) -> Density:
    """Density of every entry against the line of all of them.

    Args:
        size: (n,) parameters, in any unit.
        score: (n,) points.
        error: (n,) standard errors of the scores; 0 where unknown.
        families: What the line draws anew.

    Raises:
        TooFewSizes: the entries do not make a line.
        ValueError: the line does not rise, so that no size reaches a score.
    """
    line = fit_mean(score, size)
    slope = line.points_per_doubling
    if slope <= 0:
        raise ValueError(f"scores fall by {-slope:.2f} points per doubling; density needs a line that rises")
    x = np.log2(size)
    intercepts, slopes = lines(families, x, score)
    noise = np.random.default_rng(len(size)).standard_normal((len(slopes), 1)) * error[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = np.where(slopes > 0, slopes, np.nan)[:, None]
        replicates = (score[None, :] + noise - intercepts[:, None]) / rising - x[None, :]
    lower, upper = intervals(replicates)
    effective = (score - line.intercept) / slope
    extrapolated = (effective < x.min()) | (effective > x.max())
    return Density(2**effective, 2 ** (effective - x), 2**lower, 2**upper, replicates, extrapolated)


@dataclass(frozen=True)
class Trend:
    """How the record density grows.

    Attributes:
        records: Rows that set a record, in order.
        doubling_months: Months in which the record doubles; None where it does not rise.
        lower: By family; None where that is not to be had.
        upper: The same; None where a standstill cannot be ruled out.
        r_squared: Of log₂(record) over time.
    """

    records: Integers
    doubling_months: float | None
    lower: float | None
    upper: float | None
    r_squared: float


def trend(days: Floats, density: Density, families: Families) -> Trend | None:
    """Growth of the greatest density so far over release days (n,), in any order; None with fewer than four records.

    The bootstrap draws families anew, and with them the records and the reference line.
    """
    order = np.lexsort((-density.density, days))
    value = np.log2(density.density)[order]
    months = days[order] / _DAYS_PER_MONTH
    records = _records(value[None, :])[0]
    if records.sum() < FEWEST_RECORDS or len(np.unique(months[records])) < FEWEST_RECORDS:
        return None
    fit = np.polynomial.Polynomial.fit(months[records], value[records], 1)
    slope = float(fit.deriv()(0.0))
    remains = value[records] - fit(months[records])
    r_squared = 1 - float(np.sum(remains**2) / np.sum((value[records] - value[records].mean()) ** 2))
    there = families.of_entries(order) > 0
    drawn = np.where(there & np.isfinite(density.replicates[:, order]), density.replicates[:, order], -np.inf)
    slopes = _slopes(_records(drawn), months, drawn)
    low, high = interval(slopes)
    # A doubling time is one over a rate: its ends change places, and a rate of zero is no end.
    return Trend(
        order[records],
        1 / slope if slope > 0 else None,
        1 / high if high is not None and high > 0 else None,
        1 / low if low is not None and low > 0 else None,
        r_squared,
    )


def _records(values: Floats) -> np.ndarray:
    """(replicates, n) whether a value is above all before it."""
    highest = np.maximum.accumulate(values, axis=1)
    first = np.isfinite(values[:, :1])
    return np.column_stack([first, highest[:, 1:] > highest[:, :-1]])


def _slopes(chosen: np.ndarray, x: Floats, y: Floats) -> Floats:
    weight, response = chosen.astype(np.float64), np.where(chosen, y, 0.0)
    at = x - x.mean()
    count, sx, sxx = weight.sum(axis=1), weight @ at, weight @ at**2
    sy, sxy = response.sum(axis=1), response @ at
    spread = count * sxx - sx**2
    usable = (count >= FEWEST_RECORDS) & (spread > 0)
    slopes: Floats = np.where(usable, (count * sxy - sx * sy) / np.where(usable, spread, 1.0), np.nan)
    return slopes
