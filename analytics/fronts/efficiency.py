"""Quality for its size: naive ratios and what they hide, size-adjusted residuals, and evaluation time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.fronts.objectives import numeric_column
from analytics.statistics.quantile_lines import quantile_line

EVALUATION_POWER_KW = 5.6
"""Power of the evaluation rig of the Open LLM Leaderboard, 8 × H100, in kilowatts."""

EVALUATION_GRID_G_PER_KWH = 269.8
"""Carbon intensity its emissions page assumes (Virginia), in grams of CO₂ per kilowatt-hour."""

EVALUATION_CO2_KG_PER_HOUR = EVALUATION_POWER_KW * EVALUATION_GRID_G_PER_KWH / 1000
"""1.51088 kg of CO₂ per hour of evaluation."""

_Floats = npt.NDArray[np.float64]


def ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """`numerator` per unit of `denominator`; null where either is missing or the denominator is ≤ 0."""
    is_defined = numerator.is_finite() & denominator.is_finite() & (denominator > 0)
    return pl.when(is_defined).then(numerator / denominator)


def rank_correlations(
    entries: pl.DataFrame, score: str, denominators: Sequence[str], by: Sequence[str] = ()
) -> pl.DataFrame:
    """How far "score per denominator" only ranks by the denominator itself.

    Spearman's rank correlation, ties given their mean rank. A ratio that correlates with its own
    denominator at -0.9 is a list of small models, whatever the score says.

    Args:
        entries: one row per entry.
        score: column, 0 to 100.
        denominators: columns such as parameters, GiB or kg of CO₂; missing and ≤ 0 are left out.
        by: columns whose combinations are taken apart, such as the snapshot.

    Returns:
        One row per group and denominator: the columns `by`, `denominator`, `entries` (that have both),
        `ratio_with_denominator` and `score_with_denominator` (-1 to 1; null below three entries or where
        a column is constant).

    Raises:
        UnusableObjective: a column is absent or is not numeric.
    """
    tables = []
    for denominator in denominators:
        values = entries.select(
            *by,
            numeric_column(entries, score).alias("__score"),
            numeric_column(entries, denominator).alias("__denominator"),
        ).with_columns(ratio(pl.col("__score"), pl.col("__denominator")).alias("__ratio"))
        pairs = values.filter(pl.col("__ratio").is_not_null()).with_columns(pl.lit(denominator).alias("denominator"))
        tables.append(
            pairs.group_by(*by, "denominator", maintain_order=True).agg(
                pl.len().cast(pl.Int64).alias("entries"),
                _spearman("__ratio", "__denominator").alias("ratio_with_denominator"),
                _spearman("__score", "__denominator").alias("score_with_denominator"),
            )
        )
    if not tables:
        raise ValueError("rank_correlations needs at least one denominator")
    return pl.concat(tables)


def _spearman(a: str, b: str) -> pl.Expr:
    correlation = pl.corr(a, b, method="spearman")
    return pl.when(pl.len() >= 3).then(correlation.fill_nan(None))


@dataclass(frozen=True)
class SizeFit:
    """score = intercept + points_per_doubling × log₂(size)."""

    intercept: float  # score at size 1, in the unit of the size column
    points_per_doubling: float
    standard_error: float | None
    """Of points_per_doubling, for independent errors of one variance; None for a quantile."""
    r_squared: float
    """Share of variance explained; for a quantile the share of absolute weighted deviation, R¹ of
    Koenker & Machado, "Goodness of Fit and Related Inference Processes for Quantile Regression",
    JASA 94(448), 1999."""

    def expected(self, size: _Floats) -> _Floats:
        """Score at `size`, in the unit of the fit."""
        expected: _Floats = self.intercept + self.points_per_doubling * np.log2(size)
        return expected


class TooFewSizes(ValueError):
    """A slope needs three entries of at least two sizes, and scores that differ."""


def fit_mean(score: npt.ArrayLike, size: npt.ArrayLike) -> SizeFit:
    """Least-squares line of `score` against log₂(`size`), both 1-D, finite, size > 0.

    Raises:
        TooFewSizes: fewer than three entries, one size only, or one score only.
    """
    y, log_size = _fit_inputs(score, size)
    x = log_size - log_size.mean()
    slope = float(x @ y / (x @ x))
    residual = y - y.mean() - slope * x
    squares = float(residual @ residual)
    deviation = y - y.mean()
    return SizeFit(
        intercept=float(y.mean() - slope * log_size.mean()),
        points_per_doubling=slope,
        standard_error=math.sqrt(squares / (len(y) - 2) / float(x @ x)),
        r_squared=1.0 - squares / float(deviation @ deviation),
    )


def fit_quantile(score: npt.ArrayLike, size: npt.ArrayLike, quantile: float = 0.9) -> SizeFit:
    """Line of `score` against log₂(`size`) that a share `quantile` of the entries stays below.

    Koenker & Bassett, "Regression Quantiles", Econometrica 46(1), 1978; exact, see `statistics.quantile_lines`.

    Raises:
        TooFewSizes: fewer than three entries, one size only, or one score only.
        ValueError: the quantile is not strictly between 0 and 1.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"a quantile lies strictly between 0 and 1, got {quantile}")
    y, log_size = _fit_inputs(score, size)
    intercept, slope = quantile_line(log_size, y, quantile)

    def deviation(residual: _Floats) -> float:
        return float(np.sum(np.where(residual < 0, quantile - 1, quantile) * residual))

    around_constant = deviation(y - np.quantile(y, quantile, method="inverted_cdf"))
    return SizeFit(
        intercept=intercept,
        points_per_doubling=slope,
        standard_error=None,
        r_squared=1.0 - deviation(y - intercept - slope * log_size) / around_constant,
    )


def _fit_inputs(score: npt.ArrayLike, size: npt.ArrayLike) -> tuple[_Floats, _Floats]:
    y, sizes = np.asarray(score, dtype=np.float64), np.asarray(size, dtype=np.float64)
    if y.shape != sizes.shape or y.ndim != 1:
        raise ValueError(f"scores and sizes must pair up: shapes {y.shape} and {sizes.shape}")
    if not (np.isfinite(y).all() and np.isfinite(sizes).all() and (sizes > 0).all()):
        raise ValueError("a fit takes finite scores and positive, finite sizes; leave other entries out")
    if len(y) < 3 or len(np.unique(sizes)) < 2 or len(np.unique(y)) < 2:
        raise TooFewSizes(
            f"{len(y)} entries of {len(np.unique(sizes))} sizes and {len(np.unique(y))} scores: a slope "
            "needs three entries of at least two sizes and two scores"
        )
    return y, np.log2(sizes)


def size_adjusted(entries: pl.DataFrame, score: str, size: str, by: Sequence[str] = ()) -> pl.DataFrame:
    """Score above what the size of an entry leads one to expect by `fit_mean`, per group.

    Args:
        entries: one row per entry.
        score: column, 0 to 100.
        size: column in any unit (parameters, bytes, GiB); entries without a size > 0 are left out.
        by: columns whose combinations are fitted apart, such as the snapshot.

    Returns:
        One row per entry in the order of `entries`: `expected_score`, `residual` (points) and
        `residual_rank` within its group (1 = furthest above, ties share the better rank); null where
        score or size is missing or the group is too small to fit.

    Raises:
        UnusableObjective: a column is absent or is not numeric.
    """
    scores, sizes = (numeric_column(entries, c).to_numpy() for c in (score, size))
    is_usable = np.isfinite(scores) & np.isfinite(sizes) & (sizes > 0)
    expected = np.full(entries.height, math.nan)
    rank = np.zeros(entries.height, dtype=np.int64)
    keys = entries.with_row_index("__row").select("__row", *by).filter(pl.Series(is_usable))
    for group in keys.partition_by(*by, maintain_order=True) if by else [keys]:
        rows = group["__row"].to_numpy()
        try:
            fit = fit_mean(scores[rows], sizes[rows])
        except TooFewSizes:
            continue
        expected[rows] = fit.expected(sizes[rows])
        residual = pl.Series(scores[rows] - expected[rows])
        rank[rows] = residual.rank("min", descending=True).to_numpy()
    residuals = pl.DataFrame({"expected_score": expected, "residual": scores - expected, "residual_rank": rank})
    return residuals.with_columns(
        pl.col("expected_score", "residual").fill_nan(None),
        pl.when(pl.col("residual_rank") > 0).then(pl.col("residual_rank")).alias("residual_rank"),
    )


@dataclass(frozen=True)
class EvaluationTime:
    """Evaluation time of a board, each run counted once and, for comparison, once per row."""

    runs: int
    runs_without_time: int
    rows: int
    hours: float
    """Each run counted once."""
    hours_summed_over_rows: float
    """The time of a run added for each of its rows: not a time that anybody waited or paid for."""


def evaluation_hours(runs: pl.DataFrame) -> EvaluationTime:
    """Total evaluation time of a table that holds one row per run and task.

    Such tables repeat the time of a run on each of its task rows, so a plain sum counts it once per
    task (about 62 times on the first Open LLM Leaderboard).

    Args:
        runs: long table of `run_id` and `seconds`, the time of the whole run: null, NaN or ≤ 0 where unknown.

    Raises:
        UnusableObjective: `seconds` is absent or not numeric.
        ValueError: a row has no run, or one run states two times.
    """
    times = runs.select("run_id", numeric_column(runs, "seconds").alias("seconds")).select(
        "run_id", _positive(ratio(pl.col("seconds"), pl.lit(3600.0))).alias("hours")
    )
    if times["run_id"].null_count():
        raise ValueError(f"row {times['run_id'].is_null().arg_max()} has no 'run_id': its time belongs to no run")
    per_run = times.group_by("run_id", maintain_order=True).agg(
        pl.col("hours").min(), pl.col("hours").max().alias("longest")
    )
    conflict = per_run.filter(pl.col("longest") > pl.col("hours"))
    if conflict.height:
        name, shortest, longest = conflict.row(0)
        raise ValueError(
            f"run {name!r} states both {shortest * 3600:g} s and {longest * 3600:g} s in 'seconds'; "
            "'run_id' does not distinguish runs, or the column holds the time of a task"
        )
    return EvaluationTime(
        runs=per_run.height,
        runs_without_time=per_run["hours"].null_count(),
        rows=times.height,
        hours=float(per_run["hours"].sum()),
        hours_summed_over_rows=float(times["hours"].sum()),
    )


def hours_from_co2_kg(co2_kg: pl.Expr) -> pl.Expr:
    """Hours of evaluation behind a CO₂ figure of the Open LLM Leaderboard, in kg; null where ≤ 0.

    Inverts its own formula, kg = hours × 5.6 kW × 269.8 g/kWh ÷ 1000 (leaderboards documentation,
    open_llm_leaderboard/emissions), where -1 stands for an unknown time. The board doubled most figures
    in February 2025 for the same runs: compare hours within one snapshot only.
    """
    return _positive(ratio(co2_kg, pl.lit(EVALUATION_CO2_KG_PER_HOUR)))


def _positive(time: pl.Expr) -> pl.Expr:
    return pl.when(time > 0).then(time)
