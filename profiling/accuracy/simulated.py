"""The simulation behind plans, held against measured serving: what requests in flight at a fixed number met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache

import polars as pl

from profiling.accuracy.cases import Case
from profiling.errors import ProfilingError
from profiling.reference_files import FOLDER
from profiling.roofline.operator_time import Calibration
from profiling.serving.replica import Options, replica_of, room_of
from profiling.serving.served import simulate
from profiling.serving.simulate import Served, Traffic
from profiling.serving.steps import step_times

STAGES = ("time per token under load", "first token under load")
_SPREAD = 0.064
"""Lengths between 0.8 and 1 times the stated, evenly: the standard deviation over the mean."""
ERRORS = FOLDER / "simulation_errors.csv"
"""What ships: `skyline accuracy ../shared/data/serving/silicon_rows.csv --simulated --format csv --output` this."""
SCHEMA: dict[str, type[pl.DataType]] = {"row": pl.Int64, "simulated": pl.Float64}


def simulated(cases: Sequence[Case], calibrations: Mapping[str, Calibration]) -> pl.DataFrame:
    """Seconds by the simulation of measured times per token and of first tokens, in `SCHEMA`.

    Only rows of a fixed number of requests in flight, as their benchmark ran them: all users ask at once at the start,
    each asks again when it is answered until ten requests for each are done (or one, where runs were so), and the mean
    of all is told. A
    configuration (model, device, format, engine, layout, lengths, requests in flight) is simulated once, and all of
    its rows are answered.
    """
    groups: dict[tuple[object, ...], list[Case]] = defaultdict(list)
    for case in cases:
        if case.stage in STAGES and case.arrival == "steady" and case.engine.reference_kernels:
            groups[(*case.group, case.input_tokens, case.output_tokens, case.rounds, _users(case))].append(case)
    layouts: dict[tuple[object, ...], list[list[Case]]] = defaultdict(list)
    for members in groups.values():
        layouts[*members[0].group, members[0].held_back_steps, members[0].gathering_steps].append(members)
    rows: list[tuple[int, float]] = []
    for of_layout in layouts.values():
        rows += _layout(of_layout, calibrations)
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _users(case: Case) -> int:
    """Requests in flight at a replica, waiting ones among them."""
    return max(1, round(case.batch * case.waiting))


def _layout(of_layout: list[list[Case]], calibrations: Mapping[str, Calibration]) -> list[tuple[int, float]]:
    first = of_layout[0][0]
    try:
        times = step_times(
            first.model, [first.device], first.precision, [first.split], first.engine.name,
            {first.device.name: calibrations.get(first.device.name, {})},
        )  # fmt: skip
        options = Options(engine=first.engine.name)
        room = room_of(first.model, first.device, first.split, first.precision, options)
        if room is None:
            return []
        replica = replica_of(
            room, times[first.device.name, first.split], held_back_steps=first.held_back_steps,
            gathering_steps=first.gathering_steps,
        )  # fmt: skip
    except (ProfilingError, KeyError):
        return []
    seconds: list[tuple[int, float]] = []
    for members in of_layout:
        case, users = members[0], _users(members[0])
        traffic = Traffic(
            input_tokens=case.input_tokens, output_tokens=max(1.0, case.output_tokens), users=users, spread=_SPREAD
        )
        try:
            served = simulate(replica, traffic, int(case.rounds) * users, from_start=True)
        except ProfilingError:
            continue
        seconds += [(member.row, _of(served, member.stage)) for member in members]
    return seconds


def _of(served: Served, stage: str) -> float:
    return served.mean_first_token_s if stage == STAGES[1] else served.mean_per_token_s


def simulation_table(predictions: pl.DataFrame, simulated: pl.DataFrame) -> pl.DataFrame:
    """Errors by stage and engine of the simulation, and of the fitted sum that `skyline accuracy` compares, same rows.

    Args:
        predictions: Rows of `predict.SCHEMA`.
        simulated: Rows of `simulate_runs`.
    """
    sound = simulated.filter(pl.col("simulated").is_finite(), pl.col("simulated") > 0)
    joined = sound.join(predictions.select("row", "stage", "engine", "measured", "predicted"), on="row")

    def median_pct(column: str) -> pl.Expr:
        return (100 * (pl.col(column) / pl.col("measured") - 1).abs()).median().round(1)

    table = joined.group_by("stage", "engine").agg(
        pl.len().cast(pl.Int64).alias("rows"),
        median_pct("simulated").alias("mdape_pct"),
        (pl.col("simulated") / pl.col("measured")).log(2).median().round(2).alias("bias_log2"),
        median_pct("predicted").alias("fitted_mdape_pct"),
    )
    return table.sort("stage", "engine")


@cache
def shipped_simulation_errors() -> pl.DataFrame:
    """The table of `simulation_table` on published serving runs, as it ships."""
    return pl.read_csv(ERRORS)
