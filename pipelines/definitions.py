"""Everything that Dagster is to know, assembled; no logic."""

import dagster as dg

from pipelines.assets import efficiency, frontier, leaderboards, published
from pipelines.checks import CHECKS
from pipelines.jobs import JOBS
from pipelines.resources import Home
from pipelines.schedules import DAILY
from pipelines.sensors import inbox

defs = dg.Definitions(
    assets=dg.load_assets_from_modules([leaderboards, frontier, efficiency, published]),
    asset_checks=CHECKS,
    jobs=JOBS,
    schedules=[DAILY],
    sensors=[inbox],
    resources={"skyline": Home()},
    executor=dg.in_process_executor,
)
