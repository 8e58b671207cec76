"""The process of a sweep that Dagster starts: measures a plan, and tells Dagster of every point as it ends."""

import sys
from pathlib import Path

from dagster_pipes import open_dagster_pipes

from profiling.measure.plan import load_plan, make_plan, read_grid
from profiling.measure.sweep import Options, run


def main(plan: str, out: str, most_seconds: str, device: str) -> None:
    """Run the plan (or grid) into the bundle; the last message holds the outcomes by status."""
    with open_dagster_pipes() as pipes:
        grid = read_grid(Path(plan))
        loaded_plan = load_plan(Path(plan)) if "points" in grid else make_plan(grid)
        # Ceilings take their part of the time there is.
        options = Options(
            device=device or None, budget_s=float(most_seconds), calibrate_s=min(60.0, float(most_seconds) / 4)
        )
        outcomes = run(loaded_plan, Path(out), options, pipes.log.info)
        pipes.report_custom_message(outcomes)


if __name__ == "__main__":
    main(*sys.argv[1:5])
