"""Bootstrap over whole families: entries of one family share a base, so the family is what can be drawn anew.

Fine-tunes and merges of one base model are not independent; intervals that treat every entry as a draw of its own are
far too narrow. Statistics made of sums (means, covariances, regression lines) are resampled without touching the rows
again: sums per family, times how often each family was drawn.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEVEL = 0.95
_SHARE_NEEDED = 0.9
_SEED = 20_240_613


@dataclass(frozen=True)
class Families:
    """Families of some entries, and how often each was drawn in each replicate.

    Attributes:
        of_entry: (n,) number of the family of each entry.
        draws: (replicates, families) times drawn; every row sums to the number of families.
    """

    of_entry: Integers
    draws: Floats

    @property
    def count(self) -> int:
        """Number of families."""
        return int(self.draws.shape[1])

    def sums(self, columns: Floats) -> Floats:
        """(replicates, m) sums of the columns (n, m) over the entries of each replicate."""
        per_family = np.column_stack(
            [np.bincount(self.of_entry, weights=column, minlength=self.count) for column in columns.T]
        )
        sums: Floats = self.draws @ per_family
        return sums

    def of_entries(self, rows: Integers) -> Floats:
        """(replicates, rows) times that each of the entries was drawn."""
        drawn: Floats = self.draws[:, self.of_entry[rows]]
        return drawn


def family_numbers(families: pl.Series, names: pl.Series) -> pl.Series:
    """(n,) number of the family of each entry; a missing or `unknown` family is one for each name, such as a model."""
    known = families.is_not_null() & (families != "unknown")
    labels = pl.select(pl.when(known).then(families).otherwise(pl.lit("model ") + names)).to_series()
    return labels.rank("dense").cast(pl.Int64)


def draw_families(numbers: Integers, replicates: int) -> Families:
    """Draw as many families as there are, with replacement, once per replicate; the same every time.

    Args:
        numbers: (n,) family of each entry, in any numbering.
        replicates: How many times.
    """
    present, of_entry = np.unique(numbers, return_inverse=True)
    count = len(present)
    drawn = np.random.default_rng(_SEED).integers(max(count, 1), size=(replicates, count))
    # One count over all replicates at once, each in a range of its own.
    ranges = drawn + np.arange(replicates)[:, None] * count
    draws = np.bincount(ranges.ravel(), minlength=replicates * count).reshape(replicates, count)
    return Families(of_entry.astype(np.int64), draws.astype(np.float64))


def interval(replicates: Floats) -> tuple[float | None, float | None]:
    """Percentile interval at 95 % of one statistic; none where a tenth of its replicates is undefined.

    Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    lower, upper = intervals(replicates[:, None])
    return (None, None) if np.isnan(lower[0]) else (float(lower[0]), float(upper[0]))


def intervals(replicates: Floats) -> tuple[Floats, Floats]:
    """(m,) lower and (m,) upper ends for (replicates, m) statistics; NaN where a tenth of them is undefined."""
    defined = np.isfinite(replicates)
    lower, upper = np.full(replicates.shape[1], np.nan), np.full(replicates.shape[1], np.nan)
    enough = defined.mean(axis=0) >= _SHARE_NEEDED
    whole = defined.all(axis=0)
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    if whole.any():
        lower[whole], upper[whole] = np.quantile(replicates[:, whole], tails, axis=0)
    for column in np.flatnonzero(enough & ~whole):
        lower[column], upper[column] = np.quantile(replicates[defined[:, column], column], tails)
    return lower, upper


def lines(families: Families, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """(replicates,) intercepts and slopes of least-squares lines of y on x (n,); NaN where a replicate has one x."""
    count, sx, sy, sxx, sxy = families.sums(np.column_stack([np.ones_like(x), x, y, x * x, x * y])).T
    spread = count * sxx - sx**2
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(spread > 1e-9 * count * sxx, (count * sxy - sx * sy) / spread, np.nan)
        return (sy - slope * sx) / count, slope
