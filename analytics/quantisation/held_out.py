"""How far the fits are off on models that they have not seen, and the intervals that follow from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.quantisation import points, tokens
from analytics.quantisation.recipes import bits_class
from analytics.statistics.normal import TWO_SIDED_80

Array = NDArray[np.float64]

COVERAGE = 0.8
"""Part of measurements that an interval should hold."""
_FOLDS = 10
_RELATIVE_SPREAD = 0.5
"""Spread of losses on unseen models as a part of the loss, before calibration per range of bits."""


@dataclass(frozen=True, slots=True)
class Intervals:
    """Half widths that held the stated part of measurements of unseen models."""

    points: Mapping[str, float]
    """By range of bits: in units of `points_scale`."""
    tokens: Mapping[str, float]
    """By metric: in ln Δ."""


def points_scale(noise: Array | float, predicted: Array | float) -> Array:
    """Spread of measured around predicted points: the noise of a single run, and a part of the loss itself."""
    return np.hypot(noise, _RELATIVE_SPREAD * np.abs(predicted))


def half_of(half: Array | float, noise: Array | float, predicted: Array | float) -> Array:
    """Half widths of intervals in points: never less than what 80 % of two runs of the same weights differ by.

    Args:
        half: Half widths in units of `points_scale`.
        noise: Standard deviation of the difference of two single runs, in points.
        predicted: Points predicted.
    """
    return np.maximum(half * points_scale(noise, predicted), TWO_SIDED_80 * np.asarray(noise))


def held_out(measurements: pl.DataFrame) -> pl.DataFrame:
    """Every measurement that fits rest on, with what is predicted for it without any row of its model.

    Args:
        measurements: As `recipes.prepared` makes them.

    Returns:
        Rows of both kinds with `predicted`, `low`, `high` (in the unit of `delta`), `range_of_bits`, `scaled_error`.
    """
    of_points = points.usable(measurements)
    of_tokens = tokens.usable(measurements)
    made = []
    if not of_points.is_empty():
        predicted = _without_own_model(of_points, _FOLDS, _predict_points)
        noise = of_points["run_noise"].to_numpy()
        error = (of_points["delta"].to_numpy() - predicted) / points_scale(noise, predicted)
        group = [bits_class(bits) for bits in of_points["layer_bits"]]
        half = half_of(_half_widths(error, np.array(group), of_points["model"].to_numpy()), noise, predicted)
        made.append(_with(of_points, group, predicted, predicted - half, predicted + half, error))
    if not of_tokens.is_empty():
        predicted = _without_own_model(of_tokens, of_tokens["model"].n_unique(), _predict_tokens)
        error = np.log(of_tokens["delta"].to_numpy()) - predicted
        half = _half_widths(error, of_tokens["metric"].to_numpy(), of_tokens["model"].to_numpy())
        group = [bits_class(bits) for bits in of_tokens["layer_bits"]]
        low, high = np.exp(predicted - half), np.exp(predicted + half)
        made.append(_with(of_tokens, group, np.exp(predicted), low, high, error))
    return pl.concat(made) if made else _with(of_points, [], *[np.empty(0)] * 4)


def intervals_of(frame: pl.DataFrame) -> Intervals:
    """Half widths for models that nobody has measured, from the errors of all that somebody has."""

    def widths(rows: pl.DataFrame, group: str) -> dict[str, float]:
        errors = rows.group_by(group).agg(pl.col("scaled_error").abs().quantile(COVERAGE, "higher"))
        return dict(errors.iter_rows())

    is_points = pl.col("metric").eq("benchmark_percent")
    return Intervals(
        points=widths(frame.filter(is_points), "range_of_bits"), tokens=widths(frame.filter(~is_points), "metric")
    )


def errors_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Held-out error per metric, benchmark group and range of bits.

    Returns:
        `metric`, `tasks` (`MMLU` or `all`), `range_of_bits`, `measurements`, `models`, `median_absolute_error`,
        `root_mean_square_error` (both in points; for nats the factor and the spread of ln Δ), `error_of_no_loss`
        (median; null for nats) and `coverage`.
    """
    is_points = pl.col("metric").eq("benchmark_percent")
    error = pl.col("delta") - pl.col("predicted")
    inside = pl.col("delta").is_between(pl.col("low"), pl.col("high"))
    by_points = [
        frame.filter(is_points & only)
        .group_by("metric", "range_of_bits")
        .agg(
            pl.lit(name).alias("tasks"),
            pl.len().alias("measurements"),
            pl.col("model").n_unique().alias("models"),
            error.abs().median().alias("median_absolute_error"),
            (error**2).mean().sqrt().alias("root_mean_square_error"),
            pl.col("delta").abs().median().alias("error_of_no_loss"),
            inside.mean().alias("coverage"),
        )
        for name, only in (("MMLU", pl.col("benchmark") == "MMLU"), ("all", pl.lit(value=True)))
    ]
    by_tokens = (
        frame.filter(~is_points)
        .group_by("metric")
        .agg(
            pl.lit("all").alias("range_of_bits"),
            pl.lit("text").alias("tasks"),
            pl.len().alias("measurements"),
            pl.col("model").n_unique().alias("models"),
            pl.col("scaled_error").abs().median().exp().alias("median_absolute_error"),
            (pl.col("scaled_error") ** 2).mean().sqrt().alias("root_mean_square_error"),
            pl.lit(None, pl.Float64).alias("error_of_no_loss"),
            inside.mean().alias("coverage"),
        )
    )
    return pl.concat([*by_points, by_tokens], how="diagonal").sort("metric", "tasks", "range_of_bits")


def _with(
    rows: pl.DataFrame, group: list[str], predicted: Array, low: Array, high: Array, error: Array
) -> pl.DataFrame:
    return rows.with_columns(
        pl.Series("range_of_bits", group, pl.String),
        pl.Series("predicted", predicted),
        pl.Series("low", low),
        pl.Series("high", high),
        pl.Series("scaled_error", error),
    )


def _without_own_model(rows: pl.DataFrame, folds: int, predict: Callable[[pl.DataFrame, pl.DataFrame], Array]) -> Array:
    """Predictions for each row by a fit to other models: models in alphabetical order take turns over the folds."""
    fold_of = {model: number % folds for number, model in enumerate(sorted(rows["model"].unique()))}
    fold = rows["model"].replace_strict(fold_of, return_dtype=pl.Int64).to_numpy()
    predicted = np.empty(rows.height)
    for number in range(folds):
        seen, unseen = rows.filter(fold != number), rows.filter(fold == number)
        if not unseen.is_empty() and not seen.is_empty():
            predicted[fold == number] = predict(seen, unseen)
    return predicted


def _predict_points(seen: pl.DataFrame, unseen: pl.DataFrame) -> Array:
    head_room = np.maximum((unseen["baseline_value"] - unseen["chance"]).to_numpy(), 1.0)
    return np.asarray(-head_room * points.fit_points(seen).fraction_lost(unseen))


def _predict_tokens(seen: pl.DataFrame, unseen: pl.DataFrame) -> Array:
    return np.log(tokens.fit_tokens(seen).nats(unseen))


def _half_widths(error: Array, group: NDArray[np.str_], model: NDArray[np.str_]) -> Array:
    """For each row the half width that holds `COVERAGE` of the errors of other models in its group."""
    half = np.empty(len(error))
    for name in np.unique(group):
        in_group = group == name
        for own in np.unique(model[in_group]):
            others = np.abs(error[in_group & (model != own)])
            rows = in_group & (model == own)
            half[rows] = np.quantile(others, COVERAGE, method="higher") if len(others) else np.inf
    return half
