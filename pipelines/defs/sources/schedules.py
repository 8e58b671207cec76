"""When the warehouse is refreshed without being asked."""

import dagster as dg

from pipelines.defs.boards.fetched import SOURCES, online_sources
from pipelines.defs.jobs import FETCH_BOARD, REFRESH
from pipelines.defs.sources.assets import RAW_FILES
from pipelines.lib.resources import Home

DAILY = dg.ScheduleDefinition(
    name="daily_refresh",
    job=REFRESH,
    cron_schedule="0 6 * * *",
    execution_timezone="UTC",
    run_config={"ops": {RAW_FILES.to_python_identifier(): {"config": {"sources": ["online"]}}}},
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Every morning at 06:00 UTC: look for new states of the published datasets and boards, then derive and publish"
        " every table. Without a network the run succeeds with what is stored, and the check `sources_answered` of"
        " raw/files says what was not reached."
    ),
)


@dg.schedule(
    name="daily_boards",
    job=FETCH_BOARD,
    cron_schedule="0 5 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=(
        "Every morning at 05:00 UTC: each declared board in a run of its own, so that one that is down fails alone and"
        " visibly; the refresh an hour later uses what arrived."
    ),
)
def daily_boards(context: dg.ScheduleEvaluationContext, home: Home) -> list[dg.RunRequest]:
    """One run per source and day; the refresh an hour later uses what arrived."""
    sources = online_sources(home)
    partitions = set(context.instance.get_dynamic_partitions(str(SOURCES.name)))
    if fresh := [name for name in sources if name not in partitions]:
        context.instance.add_dynamic_partitions(str(SOURCES.name), fresh)
    day = f"{context.scheduled_execution_time:%Y-%m-%d}"
    return [dg.RunRequest(run_key=f"{name}|{day}", partition_key=name) for name in sources]
