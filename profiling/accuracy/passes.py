"""The passes that a measurement is made of, many measurements in one array computation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from profiling.accuracy.cases import Case
from profiling.engines.parts import PARTS, parts_of
from profiling.roofline.operator_time import Calibration, operator_times
from profiling.roofline.sums import least_time
from profiling.roofline.whole import pass_time
from profiling.roofline.workload import Parallelism, Workload

Array = npt.NDArray[np.float64]
_WHOLE_PROMPT = float(2**26)
_LARGE_BATCH = float(2**16)
"""Sequences in flight at which weights cost nothing per sequence: what bounds an unknown batch."""


@dataclass(frozen=True, slots=True)
class Passes:
    """Per case: parts of its prefill and decode passes and their bounds, in seconds of one replica."""

    prefill: Array
    """(cases, PARTS), of the whole batch for stage prefill; for serving of one prompt, or of one in each group that
    attends to requests of its own: groups take their steps together."""
    decode: Array
    """(cases, PARTS), of one step of the batch."""
    prefill_bound: Array
    decode_bound: Array
    kernels: Array
    """(cases, 2): sums of kernels by operator predictions, prefill and decode."""

    def of(self, some: Sequence[int]) -> Passes:
        """Those of some cases."""
        where = np.asarray(some, dtype=np.int64)
        names = ("prefill", "decode", "prefill_bound", "decode_bound", "kernels")
        return Passes(*(getattr(self, name)[where] for name in names))


def passes_of(cases: Sequence[Case], calibrations: Mapping[str, Calibration]) -> Passes:
    """Passes of every case, by groups of equal model, device, precision, engine and split."""
    number = len(cases)
    result = Passes(
        np.zeros((number, len(PARTS))), np.zeros((number, len(PARTS))), np.zeros(number), np.zeros(number),
        np.zeros((number, 2)),
    )  # fmt: skip
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for index, case in enumerate(cases):
        groups[case.group].append(index)
    for members in groups.values():
        first = cases[members[0]]
        calibration = calibrations.get(first.device.name) if first.engine.reference_kernels else None
        group = _Group(cases, first, calibration)
        group.prompts([index for index in members if cases[index].input_tokens > 0], result)
        group.steps([index for index in members if cases[index].output_tokens > 0], result)
    return result


@dataclass(frozen=True, slots=True)
class _Group:
    """Cases of one group, asked together."""

    cases: Sequence[Case]
    first: Case
    calibration: Calibration | None

    def prompts(self, rows: list[int], result: Passes) -> None:
        """Prompt passes; the bound is that of a prompt that is not cut."""
        if not rows:
            return
        some = [self.cases[row] for row in rows]
        alone = np.array([case.stage.startswith("prefill") for case in some])
        batch = np.where(alone, [case.batch for case in some], self.first.split.data)
        depth = np.array([case.depth for case in some])
        input_tokens = np.array([case.input_tokens for case in some])
        whole = Workload(
            stage="prefill", batch=batch, context=depth + input_tokens, prefix=depth, precision=self.first.precision,
            parallelism=self.first.split, attention=self.first.attention,
        )  # fmt: skip
        cut = replace(whole, chunk=np.array([case.micro_batch or _WHOLE_PROMPT for case in some]))
        result.prefill[rows], result.kernels[rows, 0] = self._times(cut, batch)
        result.prefill_bound[rows] = self._bound(replace(whole, batch=np.where(alone, batch, 1.0)))

    def steps(self, rows: list[int], result: Passes) -> None:
        """Decode steps in the middle of the output."""
        if not rows:
            return
        some = [self.cases[row] for row in rows]
        batch = np.array([case.batch for case in some])
        context = np.array([max(1.0, case.depth + case.input_tokens + case.output_tokens / 2) for case in some])
        step = Workload(
            stage="decode", batch=batch, context=context, precision=self.first.precision,
            parallelism=self.first.split, attention=self.first.attention,
        )  # fmt: skip
        result.decode[rows], result.kernels[rows, 1] = self._times(step, batch)
        # Stages of a pipeline that each work on a part of the batch at once make its tokens in the time of a part.
        stages = self.first.split.pipeline
        bound = self._bound(replace(step, batch=np.maximum(batch / stages, 1.0)))
        chosen = np.array([case.stage == "throughput at maximum load" for case in some])
        if chosen.any():
            large = replace(step, batch=_LARGE_BATCH, parallelism=Parallelism())
            split = self.first.split
            least = self._bound(large) * batch / _LARGE_BATCH / split.devices
            bound = np.where(chosen, np.minimum(bound, least), bound)
        # Of requests in flight some wait or are at their prompt, so that a step may be one of few sequences.
        alone = np.array([case.stage == "time per token under load" for case in some])
        if alone.any():
            bound = np.where(alone, self._bound(replace(step, batch=1.0)), bound)
        crowded = np.array([case.waiting if case.stage == "throughput" else 1.0 for case in some])
        if (crowded > 1).any():
            bound = np.where(crowded > 1, self._bound(replace(step, batch=batch * crowded)) / crowded, bound)
        result.decode_bound[rows] = bound

    def _times(self, workload: Workload, batch: Array) -> tuple[Array, Array]:
        case = self.first
        times = operator_times(case.model, case.device, workload, self.calibration, case.engine)
        parts = parts_of(times, case.model, workload, case.engine, case.device)
        return parts.stacked(), np.broadcast_to(pass_time(times).likely_s, batch.shape)

    def _bound(self, workload: Workload) -> Array:
        workload = replace(workload, attention="flash")
        times = operator_times(self.first.model, self.first.device, workload, None, self.first.engine)
        return np.asarray(least_time(times, self.first.device, workload))
