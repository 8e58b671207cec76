"""When the warehouse is refreshed without being asked."""

import dagster as dg

from pipelines.assets.sources import RAW_FILES
from pipelines.jobs import REFRESH

DAILY = dg.ScheduleDefinition(
    name="daily_refresh",
    job=REFRESH,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    run_config={"ops": {"__".join(RAW_FILES): {"config": {"sources": ["online"]}}}},
    description="Every morning: the published datasets, then every table. Off until switched on: it needs a network.",
)
