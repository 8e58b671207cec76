"""What size and time brought in ability: points per doubling of parameters and per year, with intervals by maker."""

from dataclasses import dataclass

import numpy as np

from analytics.statistics.resampling import Families, Floats, interval

FEWEST = 10
"""Models that a fit needs."""


@dataclass(frozen=True)
class Growth:
    """ability = intercept + points_per_doubling × log₂(billions of parameters) + points_per_year × years.

    Attributes:
        terms: `size`, `date` or `size and date`: what the fit knows.
        intercept: Ability at 10⁹ parameters on the day that years are counted from.
        points_per_doubling: None where size is no term; with its 95 % interval.
        points_per_year: None where date is no term; with its 95 % interval.
        r_squared: Share of the variance.
        residual: (n,) ability above the fit.
    """

    terms: str
    intercept: float
    points_per_doubling: float | None
    points_per_doubling_lower: float | None
    points_per_doubling_upper: float | None
    points_per_year: float | None
    points_per_year_lower: float | None
    points_per_year_upper: float | None
    r_squared: float
    residual: Floats


def growths(billions: Floats, years: Floats, ability: Floats, makers: Families) -> list[Growth]:
    """Least-squares fits on size alone, on date alone, and on both; intervals draw whole makers anew.

    Size and date go together (newer models are of other sizes), so a slope of one alone takes in some of the other.

    Args:
        billions: (n,) parameters in 10⁹, positive.
        years: (n,) years since a fixed day.
        ability: (n,) index points.
        makers: Who made each; a maker's models share their recipe.
    """
    if len(ability) < FEWEST:
        return []
    size = np.log2(billions)
    return [
        _fitted(terms, {"size": size, "date": years}, ability, makers)
        for terms in (("size",), ("date",), ("size", "date"))
    ]


def _fitted(terms: tuple[str, ...], of: dict[str, Floats], ability: Floats, makers: Families) -> Growth:
    columns = np.column_stack([np.ones_like(ability), *(of[name] for name in terms)])
    coefficients = np.linalg.lstsq(columns, ability, rcond=None)[0]
    residual = ability - columns @ coefficients
    slopes = _drawn(columns, ability, makers)
    estimates: dict[str, tuple[float | None, float | None, float | None]] = dict.fromkeys(("size", "date"), (None,) * 3)
    for place, name in enumerate(terms, start=1):
        estimates[name] = (float(coefficients[place]), *interval(slopes[:, place]))
    spread = float(((ability - ability.mean()) ** 2).sum())
    share = 1 - float((residual**2).sum()) / spread if spread else 0.0
    return Growth(" and ".join(terms), float(coefficients[0]), *estimates["size"], *estimates["date"], share, residual)


def _drawn(columns: Floats, ability: Floats, makers: Families) -> Floats:
    """(replicates, p) coefficients; NaN where a replicate cannot tell the terms apart."""
    full = np.column_stack([columns, ability])
    first, second = np.triu_indices(full.shape[1])
    flat = makers.sums(full[:, first] * full[:, second])
    sums = np.empty((len(flat), full.shape[1], full.shape[1]))
    sums[:, first, second] = sums[:, second, first] = flat
    normal, right = sums[:, :-1, :-1], sums[:, :-1, -1]
    usable = np.linalg.det(normal) > 1e-12 * np.prod(np.einsum("rcc->rc", normal), axis=1)
    factors = np.full(right.shape, np.nan)
    factors[usable] = np.linalg.solve(normal[usable], right[usable][:, :, None])[:, :, 0]
    return factors
