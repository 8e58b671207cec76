"""A traffic served: its requests drawn at random, and run as the replica schedules them."""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from profiling.errors import InvalidWorkload
from profiling.serving.disaggregated import DisaggregatedRun
from profiling.serving.simulate import Replica, Run, Served, Traffic

_SEED = 1


def simulate(replica: Replica, traffic: Traffic, requests: int = 400, *, from_start: bool = False) -> Served:
    """Serve that many requests; as many as there are users, or the first fifth of arrivals, are not counted.

    Args:
        replica: Who serves.
        traffic: Who asks for what.
        requests: How many.
        from_start: Count every request until the last is answered, as benchmark tools do: with users in flight all
            of them ask at once at the start, and wait for each other's prompts.

    Raises:
        InvalidWorkload: There is no such traffic, or one request alone exceeds the cache.
    """
    traffic.check()
    random = np.random.default_rng(_SEED)
    prompts, answers = (_lengths(mean, traffic.spread, requests, random)
                        for mean in (traffic.input_tokens, traffic.output_tokens))  # fmt: skip
    room = replica.cache_tokens / replica.steps.groups
    if float(np.max(prompts + answers)) > room:
        if traffic.input_tokens + traffic.output_tokens > room:
            raise InvalidWorkload(
                f"one request of {traffic.input_tokens + traffic.output_tokens:,.0f} tokens exceeds the cache of "
                f"{room:,.0f} tokens"
            )
        prompts = np.minimum(prompts, int(room) - answers.clip(max=int(room) - 1))
        answers = np.minimum(answers, int(room) - prompts)
    arrivals = None
    if traffic.requests_per_s is not None:
        arrivals = np.cumsum(random.exponential(1 / traffic.requests_per_s, requests))
    kind = DisaggregatedRun if replica.readers else Run
    return kind(replica, traffic, prompts, answers, arrivals, from_start=from_start).result()


def _lengths(mean: float, spread: float, count: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    if spread == 0:
        return np.full(count, max(round(mean), 1), dtype=np.int64)
    sigma = np.sqrt(np.log1p(spread**2))
    # One draw per stratum, so that few requests have the mean and the spread that were asked for.
    strata = _normal_quantiles(count)[random.permutation(count)]
    drawn = np.exp(np.log(mean) - sigma**2 / 2 + sigma * strata)
    whole: npt.NDArray[np.int64] = np.maximum(np.round(drawn * mean / drawn.mean()), 1).astype(np.int64)
    return whole


@lru_cache(64)
def _normal_quantiles(count: int) -> npt.NDArray[np.float64]:
    """Of the middles of so many equal shares, ascending; scipy takes half a second to load."""
    of = NormalDist().inv_cdf
    return np.array([of((place + 0.5) / count) for place in range(count)])
