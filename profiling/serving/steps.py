"""Time of one engine step that decodes for running requests and reads chunks of new prompts at once.

A step moves the weights once for all of its tokens, so its time is not the sum of a decode step and a prefill. It is
put together from whole passes that the performance model predicts: `base(b)`, a decode step of b sequences without
context; `context_s`, what each token of their contexts adds; what n prompt tokens add to the products that are under
way; and `pair_s`, what each pair of prompt tokens costs in attention.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from profiling.devices.accelerators import Accelerator
from profiling.models.architecture import Architecture
from profiling.roofline.grid import Grid, evaluate
from profiling.roofline.operator_time import OperatorModel
from profiling.roofline.workload import Parallelism, Precision

Numbers = tuple[float, ...]
End = Literal["low_s", "likely_s", "high_s"]
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_CONTEXTS = (128, 4096)
_PROMPTS = (16, 64, 256, 512, 1024, 2048, 4096, 8192)


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Seconds of a step on one device or group of devices; `at` puts them together.

    Attributes:
        batches: Numbers of sequences, ascending.
        base_s: A decode step of that many sequences with no context.
        context_s: What each token of context of all sequences together adds.
        prompts: Numbers of prompt tokens, ascending.
        linear_s: Everything but attention for that many prompt tokens.
        pair_s: What each pair of a prompt token with an earlier one adds.
    """

    batches: Numbers
    base_s: Numbers
    context_s: float
    prompts: Numbers
    linear_s: Numbers
    pair_s: float

    def at(self, batch: float, contexts: float, prompt: float = 0.0, before: float = 0.0) -> float:
        """Seconds of a step.

        Args:
            batch: Sequences that decode.
            contexts: Tokens of context of all of them together.
            prompt: Prompt tokens read in the same step.
            before: Tokens of those prompts that were read in earlier steps, on average per token.
        """
        seconds = 0.0
        if batch > 0:
            seconds += _between(batch, self.batches, self.base_s) + self.context_s * contexts
        if prompt > 0:
            together = self._linear(batch + prompt)
            seconds += together - self._linear(batch) if batch > 0 else together
            seconds += self.pair_s * prompt * (before + prompt / 2)
        return seconds

    def _linear(self, tokens: float) -> float:
        last = self.prompts[-1]
        if tokens > last:  # by then every product is bound by compute, so time grows with the tokens
            return self.linear_s[-1] * tokens / last
        return _between(tokens, self.prompts, self.linear_s)


def _between(at: float, places: Numbers, values: Numbers) -> float:
    """Linear interpolation; a simulation asks for single numbers, for which numpy takes fifty times as long."""
    right = bisect_left(places, at)
    if right == 0:
        return values[0]
    if right == len(places):
        return values[-1]
    low, high = places[right - 1], places[right]
    return values[right - 1] + (values[right] - values[right - 1]) * (at - low) / (high - low)


def step_times(
    model: Architecture,
    accelerators: Sequence[Accelerator],
    precision: Precision,
    split: Parallelism,
    engine: str,
    calibrations: Mapping[str, Mapping[str, OperatorModel]] | None = None,
) -> dict[str, dict[End, StepTimes]]:
    """Times of steps on every accelerator, at the low, likely and high end of the prediction.

    Accelerators that cannot compute in the format, or are not linked as the split needs, are left out.

    Raises:
        ProfilingError: The model cannot be split so.
    """
    shared = Grid(
        models=[model], accelerators=accelerators, batches=_BATCHES, contexts=_CONTEXTS, precisions=[precision],
        stages=["decode"], parallelisms=[split], engine=engine, calibrations=calibrations, intervals=True,
    )  # fmt: skip
    prompts = Grid(
        models=[model], accelerators=accelerators, batches=[1], contexts=_PROMPTS, precisions=[precision],
        stages=["prefill"], parallelisms=[split], engine=engine, calibrations=calibrations, intervals=True,
    )  # fmt: skip
    decode, prefill = (pl.concat(evaluate(grid)) for grid in (shared, prompts))
    found: dict[str, dict[End, StepTimes]] = {}
    ends: tuple[End, ...] = ("low_s", "likely_s", "high_s")
    for device in accelerators:
        steps = decode.filter(accelerator=device.name)
        reads = prefill.filter(accelerator=device.name)
        if steps["likely_s"].null_count() or reads["likely_s"].null_count():
            continue
        found[device.name] = {end: _fitted(steps, reads, end) for end in ends}
    return found


def _fitted(steps: pl.DataFrame, reads: pl.DataFrame, end: End) -> StepTimes:
    wide = steps.sort("batch", "context")[end].to_numpy().reshape(len(_BATCHES), len(_CONTEXTS))
    batches, (near, far) = np.array(_BATCHES, dtype=np.float64), _CONTEXTS
    # Attention moves the cache once, so its time grows with all contexts together; the largest batch shows it best.
    slopes = (wide[:, 1] - wide[:, 0]) / (batches * (far - near))
    context_s = max(float(slopes[-1]), 0.0)
    base = np.maximum(wide[:, 0] - context_s * batches * near, 0.0)
    prompts = np.array(_PROMPTS, dtype=np.float64)
    seconds = reads.sort("context")[end].to_numpy()
    # Per token the linear part is constant once compute binds, so what grows between the two longest is attention.
    first, last = prompts[-2], prompts[-1]
    pair_s = max(2 * float(seconds[-1] / last - seconds[-2] / first) / (last - first), 0.0)
    linear = np.maximum.accumulate(np.maximum(seconds - pair_s * prompts**2 / 2, 0.0))
    whole = (tuple(map(float, values)) for values in (batches, base, prompts, linear))
    numbers, base_s, lengths, linear_s = whole
    return StepTimes(numbers, base_s, context_s, lengths, linear_s, pair_s)
