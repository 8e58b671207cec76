"""What was predicted for measured points, and how far that was off; no I/O and no Dagster."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from pipelines.sources.profiles.read import StoredBundles
from profiling.calibration.measured import Measured, comparable, corrected
from warehouse.contracts.profiles import PREDICTION_ERROR


def predictions_of(stored: StoredBundles) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Columns of `marts.profile_points` that are predicted, by run and point; points of all runs correct each other."""
    measured_points: list[tuple[str, Measured]] = []
    for _, bundle in stored.bundles:
        models = bundle.plan.get("models", {})
        for point in bundle.final_points():
            config = models.get(point["model"])
            comparison = comparable(point, config, bundle.ceilings, bundle.environment_id) if config else None
            if comparison is not None:
                measured_points.append((bundle.run_id, comparison))
    rows = corrected([point for _, point in measured_points])
    return {(run_id, point.point_id): row for (run_id, point), row in zip(measured_points, rows, strict=True)}


def prediction_errors(points: pl.DataFrame) -> pl.DataFrame:
    """Rows of `marts.profile_prediction_error` from those of `marts.profile_points`."""
    compared = points.filter(pl.col("error_pct").is_not_null())
    group = ["environment_id", "device", "stage", "compared_clock"]
    error = pl.col("error_pct").abs()
    inside = pl.col("compared_s").is_between("predicted_low_s", "predicted_high_s")
    parts = [
        part.group_by(group, maintain_order=True).agg(
            scope=pl.lit(scope),
            points=pl.len(),
            mape_pct=error.mean(),
            median_error_pct=error.median(),
            p90_error_pct=error.quantile(0.9, "linear"),
            interval_coverage_pct=100 * inside.mean(),
        )
        for scope, part in (
            ("uncontended", compared.filter(~pl.col("is_contended").fill_null(value=False))),
            ("all", compared),
        )
    ]
    return PREDICTION_ERROR.concat(map(PREDICTION_ERROR.conform, parts))
