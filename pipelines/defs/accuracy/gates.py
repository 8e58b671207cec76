"""What predictions must keep, by stage: the gates that `skyline accuracy --gates` fails at."""

from collections.abc import Mapping

import polars as pl

from pipelines.defs.accuracy.tables import Accuracy
from profiling.engines.time import EngineTimes, shipped_times

LARGEST_HELD_OUT_PCT: Mapping[str, float] = {
    "decode": 14.0, "prefill": 28.0, "time per token under load": 25.0, "throughput": 25.0,
    "first token under load": 40.0,
}  # fmt: skip
"""Median error by stage that a fit may have on devices and on models it has not seen."""
INSIDE_PCT = (75.0, 86.0)
"""Share of rows left out that must lie in the interval which the other folds alone give: it says 80."""
LEAST_INSIDE_PCT = 75.0
"""Share of all measurements that must lie in the printed interval."""
FEWEST_ROWS = 30


def broken(found: Accuracy, times: EngineTimes | None = None) -> list[str]:
    """The gates that do not hold, in words."""
    errors = (times or shipped_times()).errors
    said = []
    for stage, most in LARGEST_HELD_OUT_PCT.items():
        for scope, what in (("class", "devices"), ("device", "models")):
            error = errors.get(f"{stage}|{scope}|")
            if error is None:
                said.append(f"{stage}: the fit does not say how far it is off on {what} left out")
                continue
            if error.mdape_pct > most:
                said.append(f"{stage}: {error.mdape_pct:.1f} % off on {what} left out, at most {most:g} % is promised")
            if error.inside_pct is not None and not INSIDE_PCT[0] <= error.inside_pct <= INSIDE_PCT[1]:
                said.append(f"{stage}: {error.inside_pct:.0f} % of rows of {what} left out inside the 80 % interval")
    table = found.comparison.table().filter(pl.col("asked") >= FEWEST_ROWS)
    said += [
        f"{row['stage']}: {row['inside_pct']:.0f} % inside the 80 % interval"
        for row in table.iter_rows(named=True) if row["inside_pct"] < LEAST_INSIDE_PCT
    ]  # fmt: skip
    said += [
        f"{row['stage']}: {row['below_bound_pct']:.2f} % of measurements are faster than the bound"
        for row in table.iter_rows(named=True) if row["below_bound_pct"] > 0
    ]  # fmt: skip
    return said
