"""What the page Serve shows: plans, fleets, their curves and limits; asked once, kept for all sessions."""

from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from profiling.answers.door import Door
from profiling.errors import ProfilingError
from profiling.serving.limits import Limit, limit
from profiling.serving.plan import Plan, Promise, curve, requested_plans, resolved_as
from profiling.serving.replica import Options

_USERS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class Found:
    """Plans, best first, and what had to be said in their place."""

    plans: tuple[Plan, ...]
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Fleet:
    """A fleet of fixed size: as named, and its plan or the reason that there is none."""

    name: str
    plan: Plan | None
    problem: str = ""
    note: str = ""
    """What the name was taken for, where it says less than one device."""


@lru_cache(32)
def plans_of(door: Door, model: str, promise: Promise, options: Options) -> Found:
    """What `skyline plan` prints for the question without devices."""
    try:
        return Found(tuple(requested_plans(door, model, promise, options)))
    except ProfilingError as error:
        return Found((), str(error))


@lru_cache(64)
def fleet_of(door: Door, model: str, promise: Promise, options: Options, name: str) -> Fleet:
    """The best layout of a fleet such as `8xH100`; a name without a number is one kind, as many as are needed."""
    try:
        plan = requested_plans(door, model, promise, options, [name])[0]
        return Fleet(name, plan, note=" ".join(resolved_as(door, [name])))
    except ProfilingError as error:
        return Fleet(name, None, str(error))


@lru_cache(128)
def curve_of(plan: Plan, promise: Promise) -> pl.DataFrame:
    """Throughput per device against the speed of a user, and whether the promise is kept at each point."""
    points = curve(plan, promise.traffic, _USERS)
    if points.is_empty():
        return points
    first, each = promise.time_to_first_token_s, promise.time_per_output_token_s
    return points.with_columns(
        meets_targets=(pl.col("time_to_first_token_p90_s") <= (first or float("inf")))
        & (1 / pl.col("tokens_per_s_per_user") <= (each or float("inf")))
    )


@lru_cache(128)
def limit_of(plan: Plan, promise: Promise) -> Limit:
    """How much traffic the plan bears."""
    return limit(plan, promise)
