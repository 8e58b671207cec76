"""Ratings within windows of time, on one scale, to see whether models or their judges drift."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import polars as pl

from analytics.ratings.bradley_terry import fit
from analytics.ratings.comparisons import Comparisons, UnusableComparisons
from analytics.statistics.normal import TWO_SIDED_95

DRIFT_SCHEMA = {
    "window_start": pl.Date,
    "model": pl.String,
    "rating": pl.Float64,
    "rating_lower": pl.Float64,
    "rating_upper": pl.Float64,
    "drift_points": pl.Float64,
    "battles": pl.Int64,
}


def rate_windows(windows: Mapping[date, Comparisons]) -> pl.DataFrame:
    """Ratings of each window, one row per window and rated model.

    Each window is fitted alone and then shifted so that its models have the mean that the same models have
    over all windows together. So `drift_points`, the rating minus the overall rating, averages to zero over a
    window: a change of one model relative to the others, never of the level, which votes cannot show.

    Args:
        windows: First day of each window and its aggregated votes.

    Returns:
        Columns of `DRIFT_SCHEMA`; windows in which no two models can be rated have no rows.
    """
    if not windows:
        return pl.DataFrame(schema=DRIFT_SCHEMA)
    overall_fit = fit(pooled(list(windows.values())))
    overall = dict(zip(overall_fit.models, overall_fit.rating, strict=True))
    frames = [pl.DataFrame(schema=DRIFT_SCHEMA)]
    for start, comparisons in sorted(windows.items()):
        try:
            fitted = fit(comparisons)
        except UnusableComparisons:
            continue
        reference = np.array([overall[model] for model in fitted.models])
        common = fitted.rated & np.isfinite(reference)
        if not common.any():
            continue
        rating = fitted.rating + (reference[common] - fitted.rating[common]).mean()
        half_width = TWO_SIDED_95 * fitted.standard_error
        frame = pl.DataFrame(
            {
                "window_start": [start] * len(rating),
                "model": fitted.models,
                "rating": rating,
                "rating_lower": rating - half_width,
                "rating_upper": rating + half_width,
                "drift_points": rating - reference,
                "battles": fitted.battles.round().astype(np.int64),
            },
            schema=DRIFT_SCHEMA,
        )
        frames.append(frame.filter(pl.Series(common)))
    return pl.concat(frames)


def pooled(parts: list[Comparisons]) -> Comparisons:
    """All votes of several sets of comparisons as one set."""
    return Comparisons.from_frame(
        pl.concat(
            pl.DataFrame(
                {
                    "model_a": [part.models[i] for i in part.first],
                    "model_b": [part.models[i] for i in part.second],
                    "outcome": part.outcome,
                    "votes": part.votes,
                },
                schema={
                    "model_a": pl.String,
                    "model_b": pl.String,
                    "outcome": pl.Float64,
                    "votes": pl.Float64,
                },
            )
            for part in parts
        )
    )
