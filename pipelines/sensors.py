"""The watched folder: a file dropped into the inbox is ingested by the next tick."""

import time
from pathlib import Path

import dagster as dg

from pipelines.assets.sources import RAW_FILES
from pipelines.jobs import REFRESH
from pipelines.resources import Home
from pipelines.sources.recognition import SUFFIXES

# A file that is still being copied keeps changing; one that has been still for this long is whole.
SETTLED_AFTER_S = 2.0


def settled_files(inbox: Path, now_s: float) -> list[Path]:
    """Files of the inbox, at any depth, of a kind that some source reads and that nobody is still writing."""
    if not inbox.is_dir():
        return []
    found = (path for path in sorted(inbox.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file())
    return [p for p in found if not p.name.startswith(".") and now_s - p.stat().st_mtime >= SETTLED_AFTER_S]


@dg.sensor(
    job=REFRESH,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Ingests files dropped into the inbox.",
)
def inbox(skyline: Home) -> dg.SensorResult | dg.SkipReason:
    """Ask for one run per new state of the inbox."""
    folder = skyline.settings.inbox
    files = settled_files(folder, time.time())
    if not files:
        return dg.SkipReason(f"Nothing in {folder}.")
    # The key names every file's state, so that an unchanged inbox asks for nothing twice.
    state = "|".join(f"{p.relative_to(folder)}:{p.stat().st_mtime_ns}:{p.stat().st_size}" for p in files)
    config = {"ops": {"__".join(RAW_FILES): {"config": {"sources": [str(folder.resolve())]}}}}
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=state, run_config=config)])
