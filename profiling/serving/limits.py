"""How much traffic a plan bears before a promise breaks, and which one breaks first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from profiling.errors import InvalidWorkload
from profiling.serving.plan import Plan, Promise
from profiling.serving.replica import enough_requests
from profiling.serving.served import simulate

MOST_TIMES = 64
"""Traffic beyond so many times what was asked for is not tried."""
_RESOLUTION = 0.02


@dataclass(frozen=True, slots=True)
class Limit:
    """The most traffic that keeps every promise.

    Attributes:
        most: Users in flight, or requests per second, whichever the traffic is given in; 0: not even one.
        breaks: The promise that breaks first beyond it: `time_to_first_token_s`, `time_per_output_token_s`,
            `throughput` or `memory`; None: none breaks within 64 times the traffic asked for.
    """

    most: float
    breaks: str | None


def limit(plan: Plan, promise: Promise) -> Limit:
    """The most users in flight (or arrivals) with which a plan still keeps the promise, to 2 %.

    Args:
        plan: Whose replicas; traffic is shared among them evenly.
        promise: What is promised, and the traffic from which the search begins.
    """
    traffic = promise.traffic
    low, high = 0.0, float(traffic.users or traffic.requests_per_s or 1.0)
    first, start = None, high
    while first is None:
        first = _breaks(plan, promise, high)
        if first is None:
            low, high = high, 2 * high
            if high > MOST_TIMES * start:
                return Limit(low, None)
    while high - low > (max(1.0, _RESOLUTION * high) if traffic.users else _RESOLUTION * high):
        middle = (low + high) / 2 if traffic.users is None else float((low + high) // 2)
        cause = _breaks(plan, promise, middle)
        if cause is None:
            low = middle
        else:
            high, first = middle, cause
        if high < start * 1e-3:
            break
    return Limit(low, first)


def _breaks(plan: Plan, promise: Promise, load: float) -> str | None:
    """The first promise that is broken under that load."""
    traffic = promise.traffic
    if traffic.users is None:
        shared = replace(traffic, requests_per_s=load / plan.replicas)
    else:
        shared = replace(traffic, users=max(ceil(load / plan.replicas), 1))
    try:
        served = simulate(plan.replica, shared, enough_requests(plan.replica, shared))
    except InvalidWorkload:
        return "memory"
    broken = promise.broken_by(served)
    return broken[0] if broken else None
