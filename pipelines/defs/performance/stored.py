"""Performance tables that follow from code, facts and calibrations alone: computed once per state of these, and kept.

No snapshot changes them, so most refreshes take them from here.
"""

import hashlib
from collections.abc import Mapping, Sequence

import polars as pl

from pipelines.defs.performance import tables as performance_tables
from pipelines.runs.fingerprint import digest_of
from profiling.calibration.calibrate import Calibration
from profiling.devices.accelerators import table
from profiling.kernels.operators import measured_models
from warehouse.files import replacing
from warehouse.lake import read_cached
from warehouse.settings import Settings

Predictors = Mapping[str, Sequence[str]]
"""Calibrations as JSON, by device."""

_TABLES = {
    "roofline_points": lambda fitted: performance_tables.roofline_points(performance_tables.distinct_shapes(), fitted),
    "gpu_requirements": lambda _: performance_tables.gpu_requirements(performance_tables.distinct_shapes()),
    "roofline_operators": performance_tables.roofline_operators,
}


def stored_table(settings: Settings, name: str, predictors: Predictors) -> pl.DataFrame:
    """Rows of one table, computed if nobody has yet.

    Args:
        settings: The home.
        name: Table of the `marts` schema, one of roofline_points, gpu_requirements, roofline_operators.
        predictors: What predicts on calibrated devices.
    """
    text = "\n".join(f"{device}: {one}" for device in sorted(predictors) for one in sorted(predictors[device]))
    state = digest_of("profiling", "pipelines/defs/performance/tables.py") + hashlib.sha256(text.encode()).hexdigest()
    folder = settings.lake.folder / "kept"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(state.encode()).hexdigest()[:16]}.parquet"
    frame = read_cached(path)
    if frame is None:
        for outdated in folder.glob(f"{name}-*.parquet"):
            outdated.unlink()
        calibrations = {name: [Calibration.from_json(one) for one in texts] for name, texts in predictors.items()}
        fitted = measured_models(calibrations, table())
        frame = _TABLES[name](fitted)
        with replacing(path) as temporary:
            frame.write_parquet(temporary, compression="lz4")
    return frame
