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
    profiles,
    published,
    shards,
    sources,
    statistics,
)
from pipelines.checks import CHECKS
from pipelines.jobs import JOBS
from pipelines.resources import HeldHome, Home
from pipelines.schedules import DAILY
from pipelines.sensors import bundles, inbox
from pipelines.sensors import shards as waiting_shards

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [
            sources,
            leaderboards,
            frontier,
            efficiency,
            arena,
            catalogue,
            performance,
            profiles,
            shards,
            statistics,
            choices,
            published,
        ]
    ),
    asset_checks=[*CHECKS, *arena.CHECKS, *profiles.CHECKS],
    jobs=JOBS,
    schedules=[DAILY],
    sensors=[inbox, bundles, waiting_shards],
    # Sensors look, and a sweep measures for hours: neither keeps others from writing.
    resources={"skyline": HeldHome(), "home": Home(), "pipes": dg.PipesSubprocessClient()},
    executor=dg.in_process_executor,
)
