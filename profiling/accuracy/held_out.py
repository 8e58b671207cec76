"""The errors that ship: how far fitted engines lay from measurements of devices and of models left out of the fit."""

from __future__ import annotations

import math

import polars as pl

from profiling.engines.time import EngineTimes, shipped_times

ALL_ENGINES = "all engines"
LEFT_OUT = {"class": "devices", "device": "models"}
"""What was left out of the fit, by the scope of an error."""
SCHEMA: dict[str, type[pl.DataType]] = {
    "stage": pl.String, "engine": pl.String, "left_out": pl.String, "rows": pl.Int64, "devices": pl.Int64,
    "models": pl.Int64, "mdape_pct": pl.Float64, "measured_over_predicted_p10": pl.Float64,
    "measured_over_predicted_p90": pl.Float64, "inside_pct": pl.Float64, "inside_shipped_pct": pl.Float64,
}  # fmt: skip


def held_out_errors(times: EngineTimes | None = None) -> pl.DataFrame:
    """Errors by stage, engine and what was left out, in `SCHEMA`; all engines together first within a stage.

    Args:
        times: Fitted engines; None: those that ship.
    """
    rows = []
    for name, error in (times or shipped_times()).errors.items():
        stage, scope, engine, *device_class = name.split("|")
        if device_class or not error.rows or math.isnan(error.mdape_pct):
            continue
        rows.append({
            "stage": stage, "engine": engine or ALL_ENGINES, "left_out": LEFT_OUT[scope], "rows": error.rows,
            "devices": error.devices, "models": error.models, "mdape_pct": error.mdape_pct,
            "measured_over_predicted_p10": error.low, "measured_over_predicted_p90": error.high,
            "inside_pct": error.inside_pct, "inside_shipped_pct": error.shipped_pct,
        })  # fmt: skip
    frame = pl.DataFrame(rows, schema=SCHEMA)
    return frame.sort("stage", pl.col("engine") != ALL_ENGINES, "engine", "left_out")
