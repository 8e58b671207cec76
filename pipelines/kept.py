"""Performance tables that follow from code, facts and calibrations alone: computed once per state of these, and kept.

No snapshot changes them, so a refresh takes them from here; and where they are due, its second process computes them
while the first reads snapshots.
"""

import hashlib
from collections.abc import Mapping, Sequence

import polars as pl
from filelock import FileLock

from pipelines import performance_tables
from pipelines.fingerprint import digest_of
from pipelines.sources.kernels import calibrations_in_use
from profiling.calibration import Calibration
from profiling.predictors import operator_models
from warehouse.files import replacing
from warehouse.settings import Settings

Predictors = Mapping[str, Sequence[str]]
"""Calibrations as JSON, by device."""

_TABLES = {
    "roofline_points": lambda fitted: performance_tables.roofline_points(performance_tables.distinct_shapes(), fitted),
    "gpu_requirements": lambda _: performance_tables.gpu_requirements(performance_tables.distinct_shapes()),
    "roofline_operators": performance_tables.roofline_operators,
}


def kept(settings: Settings, name: str, predictors: Predictors) -> pl.DataFrame:
    """Rows of one table, computed if nobody has yet; where another process is at it, its result is waited for.

    Args:
        settings: The home.
        name: Table of the `marts` schema, one of roofline_points, gpu_requirements, roofline_operators.
        predictors: What predicts on calibrated devices.
    """
    text = "\n".join(f"{device}: {one}" for device in sorted(predictors) for one in sorted(predictors[device]))
    state = digest_of("profiling", "pipelines/performance_tables.py") + hashlib.sha256(text.encode()).hexdigest()
    folder = settings.lake.folder / "kept"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{hashlib.sha256(state.encode()).hexdigest()[:16]}.parquet"
    with FileLock(folder / f"{name}.lock"):
        if not path.exists():
            for outdated in folder.glob(f"{name}-*.parquet"):
                outdated.unlink()
            fitted = {
                device: operator_models(Calibration.from_json(one) for one in texts)
                for device, texts in predictors.items()
            }
            with replacing(path) as temporary:
                _TABLES[name](fitted).write_parquet(temporary, compression="lz4")
        return pl.read_parquet(path)


def keep(settings: Settings) -> None:
    """Compute every table that is due, with the calibrations of the home."""
    fitted = calibrations_in_use(settings)
    predictors = {one.device: [each.to_json() for each in one.calibrations] for one, _ in fitted.sets}
    for name in _TABLES:
        kept(settings, name, predictors)
