"""Performance tables that follow from code, facts and calibrations alone: computed once per state of these."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import polars as pl

from pipelines.defs.performance import tables as performance_tables
from pipelines.lib.stored_frames import stored_frame
from profiling.calibration.calibrate import Calibration
from profiling.devices.accelerators import table
from profiling.kernels.operators import measured_models
from warehouse.lake import Lake

Predictors = Mapping[str, Sequence[str]]
"""Calibrations as JSON, by device."""

_Make = Callable[[performance_tables.Calibrations, Collection[str]], pl.DataFrame]
_TABLES: Mapping[str, _Make] = {
    "roofline_points": lambda fitted, judged: performance_tables.roofline_points(
        performance_tables.distinct_shapes(judged), fitted
    ),
    "gpu_requirements": lambda _, __: performance_tables.gpu_requirements(performance_tables.distinct_shapes()),
    "roofline_operators": lambda fitted, _: performance_tables.roofline_operators(fitted),
}
_MADE_FROM = ("profiling", "pipelines/defs/performance/tables.py")


def stored_table(lake: Lake, name: str, predictors: Predictors, judged: Iterable[str] = ()) -> pl.DataFrame:
    """Rows of one table, computed if nobody has yet.

    Args:
        lake: Beside which they are kept.
        name: Table of the `marts` schema, one of roofline_points, gpu_requirements, roofline_operators.
        predictors: What predicts on calibrated devices.
        judged: Models that a board judged, whose shapes are among the points.
    """
    in_catalogue = performance_tables.judged_in_catalogue(judged)

    def make() -> pl.DataFrame:
        calibrations = {device: [Calibration.from_json(text) for text in texts] for device, texts in predictors.items()}
        return _TABLES[name](measured_models(calibrations, table()), in_catalogue)

    text = "\n".join(
        f"{device}: {text_of_predictor}"
        for device in sorted(predictors)
        for text_of_predictor in sorted(predictors[device])
    )
    return stored_frame(lake, name, _MADE_FROM, "\n".join((text, *sorted(in_catalogue))), make)
