"""Score against size: points per doubling, whether doublings pay less and less, and knees that are there or are not.

A score that rises by the same points with every doubling looks on a linear axis as if it flattened. So returns per
GB or per 10⁹ parameters fall for every such board; whether returns per doubling fall is another question, and it is the
one that the curvature and the knee answer here.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from analytics.fronts.efficiency import fit_mean, fit_quantile
from analytics.statistics.quantile_lines import slope_replicates
from analytics.statistics.resampling import Families, Floats, blocks, interval, lines
from analytics.statistics.student import student_quantile

QUANTILES = (0.5, 0.9, 0.95, 0.99)
FEWEST = 10
"""Entries that a fit needs here."""
_BENDS = 13


@dataclass(frozen=True)
class Line:
    """score = intercept + points_per_doubling × log₂(size)."""

    method: str
    intercept: float
    points_per_doubling: float
    lower: float | None
    upper: float | None
    r_squared: float


def fitted_lines(
    size: Floats, score: Floats, families: Families, *, quantiles: bool = True, intervals: bool = True
) -> list[Line]:
    """Least squares, and the lines that 50, 90, 95 and 99 % of entries stay below.

    Args:
        size: (n,) positive, in the unit in which the intercept is to be read.
        score: (n,) points.
        families: What the intervals draw anew.
        quantiles: Whether the quantile lines are wanted.
        intervals: Whether their intervals are, which cost far more than the lines.

    Raises:
        TooFewSizes: as `efficiency.fit_mean`.
    """
    mean = fit_mean(score, size)
    _, slopes = lines(families, np.log2(size), score)
    rows = [_line("ordinary_least_squares", mean.intercept, mean.points_per_doubling, slopes, mean.r_squared)]
    if not quantiles:
        return rows
    fits = [fit_quantile(score, size, quantile) for quantile in QUANTILES]
    centre = np.array([fit.points_per_doubling for fit in fits])
    replicates = np.full((len(slopes), len(QUANTILES)), np.nan)
    if intervals:
        replicates = slope_replicates(families, np.log2(size), score, QUANTILES, centre, float(np.nanstd(slopes)))
    for column, (quantile, fit) in enumerate(zip(QUANTILES, fits, strict=True)):
        method = f"quantile_{quantile * 100:.0f}"
        rows.append(_line(method, fit.intercept, fit.points_per_doubling, replicates[:, column], fit.r_squared))
    return rows


def _line(method: str, intercept: float, slope: float, replicates: Floats, r_squared: float) -> Line:
    return Line(method, intercept, slope, *interval(replicates), min(max(r_squared, 0.0), 1.0))


@dataclass(frozen=True)
class Shape:
    """Whether the line bends.

    Attributes:
        curvature: Change of the points per doubling with each further doubling (least squares with log₂² added).
        curvature_lower: By family.
        curvature_upper: By family.
        reading: falling, rising or steady points per doubling; steady where zero lies in the interval.
        knee_share: Share of bootstraps in which a line that bends down explains the scores better (BIC) than a
            straight one, on the logarithmic axis.
        knee_share_linear_axis: The same on the linear axis, where every logarithm bends.
        knee_at: Median size of the bends found on the logarithmic axis; None where none is found.
        knee_at_lower: 2.5 % of them lie below.
        knee_at_upper: 97.5 % of them lie below.
    """

    curvature: float
    curvature_lower: float | None
    curvature_upper: float | None
    reading: str
    knee_share: float
    knee_share_linear_axis: float
    knee_at: float | None
    knee_at_lower: float | None
    knee_at_upper: float | None


def shape(size: Floats, score: Floats, families: Families) -> Shape:
    """Curvature of the score over log₂(size) (n,), and how often bootstraps find a knee."""
    x = np.log2(size)
    centred = x - x.mean()
    columns = np.column_stack([np.ones_like(x), centred, centred**2])
    curvature = float(np.linalg.lstsq(columns, score, rcond=None)[0][2]) * 2
    coefficients, _ = _regressions(families, columns, score)
    lower, upper = interval(coefficients[:, 2] * 2)
    reading = "steady"
    if lower is not None and upper is not None and (lower > 0 or upper < 0):
        reading = "rising" if lower > 0 else "falling"
    bends = _bends(families, x, score)
    at = bends[np.isfinite(bends)]
    places = tuple(float(2**place) for place in np.quantile(at, (0.5, 0.025, 0.975))) if len(at) else (None,) * 3
    linear = _bends(families, size, score)
    return Shape(
        curvature, lower, upper, reading, len(at) / len(bends), float(np.isfinite(linear).mean()), *places
    )  # fmt: skip


def _regressions(families: Families, columns: Floats, response: Floats) -> tuple[Floats, Floats]:
    """(replicates, p) least-squares coefficients, and (replicates,) squares that remain; NaN where singular."""
    count = columns.shape[1]
    full = np.column_stack([columns, response])
    first, second = np.triu_indices(count + 1)
    drawn = families.sums(full[:, first] * full[:, second])
    sums = np.empty((len(drawn), count + 1, count + 1))
    sums[:, first, second] = sums[:, second, first] = drawn
    normal, right, squares = sums[:, :count, :count], sums[:, :count, count], sums[:, count, count]
    # Against the product of the diagonal, so that units do not matter.
    usable = np.linalg.det(normal) > 1e-12 * np.prod(np.einsum("rcc->rc", normal), axis=1)
    coefficients = np.full((len(sums), count), np.nan)
    coefficients[usable] = np.linalg.solve(normal[usable], right[usable][:, :, None])[:, :, 0]
    return coefficients, squares - np.einsum("rc,rc->r", coefficients, right)


def _bends(families: Families, x: Floats, score: Floats) -> Floats:
    """(replicates,) x at which a broken line bends down; NaN where a straight one does as well, or it bends up.

    Breaks are sought at quantiles of x. The broken line has two parameters more, for which the Bayesian information
    criterion (Schwarz 1978) charges log(n) each.
    """
    centre, spread = x.mean(), x.std()
    standard, around = (x - centre) / spread, score - score.mean()
    constant = np.ones_like(x)
    count = families.sums(constant[:, None])[:, 0]
    _, straight = _regressions(families, np.column_stack([constant, standard]), around)
    best, place = np.full(len(count), np.inf), np.full(len(count), np.nan)
    for bend in np.unique(np.quantile(standard, np.linspace(0.05, 0.95, _BENDS))):
        columns = np.column_stack([constant, standard, np.maximum(standard - bend, 0)])
        coefficients, remains = _regressions(families, columns, around)
        better = np.nan_to_num(remains, nan=np.inf) < best
        best[better] = remains[better]
        place[better] = np.where(coefficients[better, 2] < 0, bend, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        gain = count * np.log(straight / best) - 2 * np.log(count)
    places: Floats = np.where(gain > 0, place * spread + centre, np.nan)
    return places


def returns(size: Floats, score: Floats, bands: pl.Series, order: tuple[str, ...], families: Families) -> pl.DataFrame:
    """What each band of sizes brings over the one before, as points, per doubling and per 10⁹ parameters.

    Args:
        size: (n,) in 10⁹ parameters.
        score: (n,) points.
        bands: (n,) band of each size.
        order: Bands from the smallest.
        families: What the intervals draw anew.

    Returns:
        One row per band of at least ten entries: band, entries, geometric_mean_size, and for the median and the
        90th percentile: value, its interval; gain over the band before, its interval; gain per doubling and per 10⁹.
    """
    rows = []
    before: tuple[float, dict[float, tuple[float, Floats]]] | None = None
    for band in order:
        members = np.flatnonzero(bands.to_numpy() == band)
        if len(members) < FEWEST:
            continue
        middle = float(np.exp(np.log(size[members]).mean()))
        row: dict[str, object] = {"band": band, "entries": len(members), "geometric_mean_size": middle}
        now = {}
        for quantile, name in ((0.5, "median"), (0.9, "upper_decile")):
            value, drawn = _quantiles(score, members, quantile, families)
            now[quantile] = value, drawn
            lower, upper = interval(drawn)
            row |= {name: value, f"{name}_lower": lower, f"{name}_upper": upper}
            if before is not None:
                size_before, values = before
                gain, gains = value - values[quantile][0], drawn - values[quantile][1]
                lower, upper = interval(gains)
                row |= {f"{name}_gain": gain, f"{name}_gain_lower": lower, f"{name}_gain_upper": upper}
                row[f"{name}_gain_per_doubling"] = gain / float(np.log2(middle / size_before))
                row[f"{name}_gain_per_billion"] = gain / (middle - size_before)
        rows.append(row)
        before = middle, now
    return pl.DataFrame(rows, infer_schema_length=None)


def _quantiles(score: Floats, members: np.ndarray, quantile: float, families: Families) -> tuple[float, Floats]:
    """A quantile of the members' scores, and (replicates,) of it; NaN where a replicate drew none of them."""
    ordered = members[np.argsort(score[members])]
    value = float(np.quantile(score[members], quantile, method="inverted_cdf"))
    drawn = np.empty(len(families.draws))
    for block in blocks(len(drawn), len(ordered)):
        times = np.cumsum(families.of_entries(ordered, block), axis=1)
        place = (times < quantile * times[:, -1:]).sum(axis=1)
        drawn[block] = np.where(times[:, -1] > 0, score[ordered][np.minimum(place, len(ordered) - 1)], np.nan)
    return value, drawn


@dataclass(frozen=True)
class Influence:
    """A least-squares line over log₂(size), and each row's part in it; arrays are (n,)."""

    intercept: float
    points_per_doubling: float
    lower: float
    upper: float
    r_squared: float
    expected: Floats
    studentised_residual: Floats
    cooks_distance: Floats


def influence(size: Floats, score: Floats) -> Influence:
    """A line through few rows, with Student's interval, and which rows lie off it or pull it.

    Externally studentised residuals and Cook's distances as in Cook & Weisberg, "Residuals and Influence in
    Regression", 1982, sections 2.2 and 3.1.
    """
    fit = fit_mean(score, size)
    x, count = np.log2(size), len(size)
    expected = fit.expected(size)
    remains = score - expected
    leverage = 1 / count + (x - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)
    variance = np.sum(remains**2) / (count - 2)
    without = (np.sum(remains**2) - remains**2 / (1 - leverage)) / (count - 3)
    margin = float(student_quantile(count - 2, 0.975)) * float(fit.standard_error or 0.0)
    return Influence(
        fit.intercept,
        fit.points_per_doubling,
        fit.points_per_doubling - margin,
        fit.points_per_doubling + margin,
        fit.r_squared,
        expected,
        remains / np.sqrt(without * (1 - leverage)),
        remains**2 / (2 * variance) * leverage / (1 - leverage) ** 2,
    )
