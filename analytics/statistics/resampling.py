"""Bootstrap over whole families: entries of one family share a base, so the family is what can be drawn anew.

Fine-tunes and merges of one base model are not independent; intervals that treat every entry as a draw of its own are
far too narrow. Statistics made of sums (means, covariances, regression lines) are resampled without touching the rows
again: sums per family, times how often each family was drawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

LEVEL = 0.95
_SHARE_NEEDED = 0.9
_SEED = 20_240_613
_CELLS_AT_ONCE = 2_000_000
"""Numbers of a block of replicates: what every board of today has in one, and larger ones do not keep whole."""


@dataclass(frozen=True)
class Families:
    """Families of some entries, and how often each was drawn in each replicate.

    Attributes:
        of_entry: (n,) number of the family of each entry.
        draws: (replicates, families) times drawn, small whole numbers; every row sums to the number of families.
    """

    of_entry: Integers
    draws: npt.NDArray[np.uint16]

    @property
    def count(self) -> int:
        """Number of families."""
        return int(self.draws.shape[1])

    def sums(self, columns: Floats) -> Floats:
        """(replicates, m) sums of the columns (n, m) over the entries of each replicate."""
        per_family = np.column_stack(
            [np.bincount(self.of_entry, weights=column, minlength=self.count) for column in columns.T]
        )
        sums = np.zeros((len(self.draws), columns.shape[1]))
        # Families by families, so that neither their draws as doubles nor their sums are read more than once.
        for block in blocks(self.count, len(self.draws)):
            sums += self.draws[:, block].astype(np.float64) @ per_family[block]
        return sums

    def of_entries(self, rows: Integers | slice, replicates: slice = slice(None)) -> npt.NDArray[np.uint16]:
        """(replicates, rows) times that each of the entries was drawn."""
        drawn: npt.NDArray[np.uint16] = self.draws[replicates][:, self.of_entry[rows]]
        return drawn


def blocks(count: int, width: int) -> Iterator[slice]:
    """Slices of `count` rows of `width` numbers each that are small enough to be in memory several times."""
    step = max(_CELLS_AT_ONCE // max(width, 1), 1)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def family_numbers(families: pl.Series, names: pl.Series) -> pl.Series:
    """(n,) number of the family of each entry; a missing or `unknown` family is one for each name, such as a model."""
    has_family = families.is_not_null() & (families != "unknown")
    labels = pl.select(pl.when(has_family).then(families).otherwise(pl.lit("model ") + names)).to_series()
    return labels.rank("dense").cast(pl.Int64)


def draw_families(numbers: Integers, replicates: int) -> Families:
    """Draw as many families as there are, with replacement, once per replicate; the same every time.

    Args:
        numbers: (n,) family of each entry, in any numbering.
        replicates: How many times.
    """
    present, of_entry = np.unique(numbers, return_inverse=True)
    count = len(present)
    random = np.random.default_rng(_SEED)
    draws = np.empty((replicates, count), dtype=np.uint16)
    for replicate in range(replicates):
        draws[replicate] = np.bincount(random.integers(max(count, 1), size=count), minlength=count)
    return Families(of_entry.astype(np.int64), draws)


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
