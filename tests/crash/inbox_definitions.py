"""Dagster's definitions with a refresh that only stores what lies in the inbox; sensors, queue and runs are real."""

import dagster as dg

from pipelines.defs import jobs
from pipelines.defs.sources.assets import RAW_FILES

# Before the sensors are imported, which name it.
jobs.JOBS[jobs.JOBS.index(jobs.REFRESH)] = jobs.REFRESH = dg.define_asset_job(
    "refresh", selection=dg.AssetSelection.assets(RAW_FILES)
)

from pipelines.definitions import defs  # noqa: E402

__all__ = ["defs"]
