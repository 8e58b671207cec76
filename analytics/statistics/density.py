"""Capability density: how large the board's ordinary model is that scores as well, and how that grows.

Xiao et al., "Densing Law of LLMs", 2024: density = N_eff / N, where N_eff is the size at which a reference model has
the score. Their reference is a family trained for it; ours is the least-squares line of the board's own entries, so
densities compare within one board only, and N_eff beyond the largest entry is an extrapolation.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from analytics.fronts.efficiency import fit_mean
from analytics.statistics.resampling import Families, Floats, Integers, blocks, interval, intervals, lines
from analytics.units import DAYS_PER_MONTH

FEWEST_RECORDS = 4


@dataclass(frozen=True)
class Density:
    """Densities of n entries; arrays are (n,), ends NaN where the line may as well be flat.

    Attributes:
        effective_size: N_eff in the unit of the sizes.
        density: N_eff over N.
        density_lower: By family, together with the score's own standard error.
        density_upper: The same.
        redrawn: Columns of the entries, and lines drawn anew, from which the replicates of any entry follow.
        is_extrapolated: Whether N_eff lies beyond the sizes of the entries.
    """

    effective_size: Floats
    density: Floats
    density_lower: Floats
    density_upper: Floats
    redrawn: "Redrawn"
    is_extrapolated: np.ndarray

    def part(self, rows: Integers) -> "Density":
        """The densities of some entries."""
        return Density(
            self.effective_size[rows], self.density[rows], self.density_lower[rows], self.density_upper[rows],
            self.redrawn.part(rows), self.is_extrapolated[rows],
        )  # fmt: skip


@dataclass(frozen=True)
class Redrawn:
    """What replicates of the density are made of: they are n times the replicates many, and never kept whole.

    Attributes:
        x: (n,) log₂ of the sizes.
        score: (n,) points.
        error: (n,) standard errors of the scores.
        intercepts: (replicates,) of the lines.
        slopes: (replicates,) of the lines; NaN where one does not rise.
        noise: (replicates,) standard normal, of the scores.
    """

    x: Floats
    score: Floats
    error: Floats
    intercepts: Floats
    slopes: Floats
    noise: Floats

    def part(self, rows: Integers) -> "Redrawn":
        """Those of some entries."""
        return Redrawn(self.x[rows], self.score[rows], self.error[rows], self.intercepts, self.slopes, self.noise)

    def replicates(self, rows: slice | Integers) -> Floats:
        """(replicates, rows) log₂ of the density of those entries, for each line drawn anew."""
        noise = self.noise[:, None] * self.error[None, rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes: Floats = (self.score[None, rows] + noise - self.intercepts[:, None]) / self.slopes[:, None]
            return sizes - self.x[None, rows]


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
    noise = np.random.default_rng(len(size)).standard_normal(len(slopes))
    with np.errstate(invalid="ignore"):
        redrawn = Redrawn(x, score, error, intercepts, np.where(slopes > 0, slopes, np.nan), noise)
    ends = [intervals(redrawn.replicates(block)) for block in blocks(len(x), len(slopes))]
    lower, upper = (np.concatenate(which) for which in zip(*ends, strict=True))
    effective = (score - line.intercept) / slope
    extrapolated = (effective < x.min()) | (effective > x.max())
    return Density(2**effective, 2 ** (effective - x), 2**lower, 2**upper, redrawn, extrapolated)


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
    months = days[order] / DAYS_PER_MONTH
    records = _records(value[None, :])[0]
    if records.sum() < FEWEST_RECORDS or len(np.unique(months[records])) < FEWEST_RECORDS:
        return None
    fit = np.polynomial.Polynomial.fit(months[records], value[records], 1)
    slope = float(fit.deriv()(0.0))
    remains = value[records] - fit(months[records])
    r_squared = 1 - float(np.sum(remains**2) / np.sum((value[records] - value[records].mean()) ** 2))
    slopes = _slopes_of_records(months, density.redrawn.part(order), Families(families.of_entry[order], families.draws))
    low, high = interval(slopes)
    # A doubling time is one over a rate: its ends change places, and a rate of zero is no end.
    return Trend(
        order[records],
        1 / slope if slope > 0 else None,
        1 / high if high is not None and high > 0 else None,
        1 / low if low is not None and low > 0 else None,
        r_squared,
    )


def _records(values: Floats, before: Floats | None = None) -> npt.NDArray[np.bool_]:
    """(replicates, n) whether a value is above all before it, and above what was `before` (replicates,) the first."""
    highest = np.maximum.accumulate(values, axis=1)
    start = np.full(len(values), -np.inf) if before is None else before
    is_record: npt.NDArray[np.bool_] = highest > np.maximum(np.column_stack([start, highest[:, :-1]]), start[:, None])
    return is_record


def _slopes_of_records(x: Floats, redrawn: Redrawn, families: Families) -> Floats:
    """(replicates,) least-squares slopes over x (n,), which rises, of the records that each replicate sets."""
    at = x - x.mean()
    sums = np.zeros((5, len(families.draws)))
    highest = np.full(len(families.draws), -np.inf)
    for block in blocks(len(x), len(families.draws)):
        y = redrawn.replicates(block)
        there = families.of_entries(block) > 0
        y = np.where(there & np.isfinite(y), y, -np.inf)
        chosen = _records(y, highest)
        weight, response = chosen.astype(np.float64), np.where(chosen, y, 0.0)
        near = at[block]
        sums += [weight.sum(axis=1), weight @ near, weight @ near**2, response.sum(axis=1), response @ near]
        highest = np.maximum(highest, y.max(axis=1))
    count, sx, sxx, sy, sxy = sums
    spread = count * sxx - sx**2
    usable = (count >= FEWEST_RECORDS) & (spread > 0)
    slopes: Floats = np.where(usable, (count * sxy - sx * sy) / np.where(usable, spread, 1.0), np.nan)
    return slopes
