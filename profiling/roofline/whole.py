"""Whole passes: the bound of all operators together, and the likely time with what an engine makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from profiling.devices.accelerators import Accelerator
from profiling.engines.effects import attention_of
from profiling.engines.table import Engine
from profiling.engines.time import PER_TOKEN, Basis, EngineTimes
from profiling.models.architecture import Architecture
from profiling.roofline.workload import Precision, Values, Workload

if TYPE_CHECKING:
    from profiling.roofline.operator_time import OperatorTime

Array = npt.NDArray[np.float64]
SMALL_LOOP = 16
"""Steps that move up to so many times the last-level cache may find that much of the step before in it."""
ACROSS_NODES = (0.93, 1.6)
"""Measured over predicted where a tensor split leaves the node, tenth and ninetieth percentile of 18 public runs that
nothing was fitted to: DeepSeek-R1 on sixteen H100 in two nodes with SGLang, 1 to 64 in flight (2025-07 and 2026-02)."""


BEST_SHARE = 0.93
"""Share of the bound that the best whole passes reach (decode of large 16-bit models)."""


@dataclass(frozen=True, slots=True)
class PassTime:
    """Seconds of a whole pass: the bound, and the prediction with its interval."""

    bound_s: Values
    likely_s: Values
    low_s: Values
    high_s: Values

    def __add__(self, other: PassTime) -> PassTime:
        """One after the other; interval ends are added, as errors of one device go together."""
        return PassTime(*(getattr(self, name) + getattr(other, name) for name in TIME_NAMES))

    def scaled(self, factor: float) -> PassTime:
        """All times multiplied."""
        return PassTime(*(factor * np.asarray(getattr(self, name)) for name in TIME_NAMES))


TIME_NAMES = ("bound_s", "likely_s", "low_s", "high_s")


def pass_time(times: Sequence[OperatorTime]) -> PassTime:
    """Operators one after another, without an engine; interval ends are added, as errors of one device go together."""
    return PassTime(
        bound_s=sum((time.operator.count * time.bound_s for time in times), start=0.0),
        likely_s=sum((time.operator.count * time.prediction.likely_s for time in times), start=0.0),
        low_s=sum((time.operator.count * time.prediction.low_s for time in times), start=0.0),
        high_s=sum((time.operator.count * time.prediction.high_s for time in times), start=0.0),
    )


def bound_together(
    bound_s: Values, moved_bytes: Values, cache_bytes: Values, bandwidth: Values, workload: Workload
) -> Values:
    """The least time of a pass whose operators have these sums."""
    if workload.stage == "decode":
        return less_what_is_cached(bound_s, moved_bytes, cache_bytes, bandwidth)
    return np.divide(bound_s, workload.parallelism.pipeline)


def less_what_is_cached(bound_s: Values, moved_bytes: Values, cache_bytes: Values, bandwidth: Values) -> Values:
    """The bound of a decode step, less what the step before may have left in the last-level cache.

    Each operator alone is bounded by all of its weights, as too much passes between two of its calls; steps of a
    small model on a large cache are the exception.
    """
    in_cache = np.where(moved_bytes < SMALL_LOOP * np.asarray(cache_bytes), np.minimum(cache_bytes, moved_bytes), 0.0)
    return cast("Values", np.maximum(bound_s - in_cache / bandwidth, 0.0))


def pipelined(tokens: Values, micro_batch: Values | None, stages: int, in_flight: int) -> Values:
    """Share of the time of all stages one after another that a prompt takes, cut into parts that follow each other.

    Args:
        tokens: Tokens of the prompt.
        micro_batch: Tokens of a part; None: the prompt is not cut.
        stages: Devices that hold layers one after another.
        in_flight: Parts that are under way at once at most; see `engines.table.Engine.parts_in_flight`.
    """
    if stages == 1 or micro_batch is None:
        return 1.0
    parts = np.clip(np.ceil(np.divide(tokens, micro_batch)), 1.0, in_flight)
    return cast("Values", (parts + stages - 1) / (parts * stages))


def cut_as_by(engine: Engine, workload: Workload) -> Workload:
    """The workload with its prompt cut as the engine does where nothing else is said."""
    if workload.stage != "prefill" or workload.chunk is not None or engine.micro_batch is None:
        return workload
    return replace(workload, chunk=float(engine.micro_batch))


@dataclass(frozen=True, slots=True)
class EngineTime:
    """An engine on a device, ready to be asked for times of passes."""

    engine: Engine
    fitted: EngineTimes
    accelerator: Accelerator
    loaded: bool = False
    """Whether passes are steps of serving, of which times per token under load tell."""

    def factors(self, model: Architecture, workload: Workload, precision: Precision) -> Array:
        """What each part of such a pass is multiplied by."""
        alone = "prefill" if workload.stage == "encode" else workload.stage
        stage = PER_TOKEN.split(" ", maxsplit=1)[0] if self.loaded else alone
        attention = attention_of(model, workload.attention)
        return self.fitted.factors(self.engine, self.accelerator, precision, attention, stage)

    def basis(self, workload: Workload) -> Basis:
        """On what times of such passes rest."""
        if self.loaded:
            return self.fitted.basis(self.engine, self.accelerator, (PER_TOKEN,))
        alone = workload.parallelism.devices == 1
        several = "" if alone else " on several devices"
        names = {
            "decode": (f"decode{several}", "time per token under load", "throughput", "decode"),
            # Of serving engines, prompts were timed under load.
            "prefill": (f"prefill{several}", "prefill", "first token under load"),
            "encode": (f"prefill{several}", "prefill"),
        }[workload.stage]
        return self.fitted.basis(self.engine, self.accelerator, names)

    def in_parts(self, seconds: Values, workload: Workload) -> Values:
        """What seconds of all operators are of a pass that is cut as the workload says."""
        if workload.stage == "decode":
            return seconds
        new = np.subtract(workload.context, workload.prefix)
        return seconds * pipelined(new, workload.chunk, workload.parallelism.pipeline, self.engine.parts_in_flight)

    def ends(self, workload: Workload) -> tuple[float, float]:
        """Ends of the interval of such passes, over the likely time."""
        held_out = self.basis(workload).held_out
        low, high = held_out.low, held_out.high
        if workload.parallelism.ways > self.accelerator.node_size:
            low, high = min(low, ACROSS_NODES[0]), max(high, ACROSS_NODES[1])
        return low, high


def interval(likely_s: Values, bound_s: Values, low: Values, high: Values) -> PassTime:
    """The pass with its interval, never below the bound; `low` and `high` from `EngineTime.ends`."""
    likely = np.maximum(likely_s, np.divide(bound_s, BEST_SHARE))
    return PassTime(bound_s, likely, np.maximum(likely * low, bound_s), likely * high)
