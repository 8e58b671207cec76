"""Everything that Dagster is to know, assembled; no logic."""

import dagster as dg

from pipelines.assets import (
    arena,
    catalogue,
    choices,
    efficiency,
    frontier,
    leaderboards,
    performance,
    published,
    sources,
    statistics,
)
from pipelines.checks import CHECKS
from pipelines.jobs import JOBS
from pipelines.resources import Home
from pipelines.schedules import DAILY
from pipelines.sensors import inbox

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [sources, leaderboards, frontier, efficiency, arena, catalogue, performance, statistics, choices, published]
    ),
    asset_checks=[*CHECKS, *arena.CHECKS],
    jobs=JOBS,
    schedules=[DAILY],
    sensors=[inbox],
    resources={"skyline": Home()},
    executor=dg.in_process_executor,
)
