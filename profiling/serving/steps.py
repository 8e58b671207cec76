"""Time of one engine step that decodes for running requests and reads chunks of new prompts at once.

A step moves the weights once for all of its tokens, so its time is not the sum of a decode step and a prefill. It is
put together from whole passes that the performance model predicts: `base(b)`, a decode step of b sequences without
context; `context_s`, what each token of their contexts adds; what n prompt tokens add to the products that are under
way; and `pair_s`, what each pair of prompt tokens costs in attention.

Where attention is data parallel, groups of devices take their steps together, each with sequences of its own, because
they share the experts: a step is as long as that of the group with the longest prompt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from profiling.devices.accelerators import Accelerator
from profiling.models.architecture import Architecture
from profiling.roofline.grid import Grid, evaluate
from profiling.roofline.operator_time import OperatorModel
from profiling.roofline.workload import Parallelism, Precision, Stage

Numbers = tuple[float, ...]
End = Literal["low_s", "likely_s", "high_s"]
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
_CONTEXTS = (128, 4096)
_PROMPTS = (16, 64, 256, 512, 1024, 2048, 4096, 8192)


@dataclass(frozen=True)
class StepTimes:
    """Seconds of a step on one device or group of devices; `at` puts them together.

    Attributes:
        batches: Numbers of sequences, ascending.
        base_s: A decode step of that many sequences with no context.
        context_s: What each token of context of all sequences together adds.
        prompts: Numbers of prompt tokens of one group, ascending.
        linear_s: Everything but attention for that many prompt tokens.
        pair_s: What each pair of a prompt token with an earlier one adds.
        groups: Groups of devices that attend to sequences of their own.
        together_s: `linear_s` where every group reads as many; empty for one group.
        eager_s: What a step that reads prompts takes besides, as it is not captured; `linear_s` holds it.
    """

    batches: Numbers
    base_s: Numbers
    context_s: float
    prompts: Numbers
    linear_s: Numbers
    pair_s: float
    groups: int = 1
    together_s: Numbers = ()
    eager_s: float = 0.0

    def at(
        self, batch: float, contexts: float, prompt: float = 0.0, attended: float | None = None,
        read: float | None = None,
    ) -> float:  # fmt: skip
        """Seconds of a step.

        Args:
            batch: Sequences that decode, of all groups.
            contexts: Tokens of context of all of them together.
            prompt: Prompt tokens read in the same step, of the group that reads most.
            attended: Tokens that each of these attends to, on average; None: they are one prompt from its start.
            read: Prompt tokens that all groups read together; None: one group alone reads.
        """
        decoding = _between(batch, self._base) + self.per_context_s(batch) * contexts if batch > 0 else 0.0
        return decoding + self.added(batch, prompt, attended, read) if prompt > 0 else decoding

    def added(self, batch: float, prompt: float, attended: float | None = None, read: float | None = None) -> float:
        """Seconds by which reading prompts makes a step longer; arguments as of `at`."""
        eager_s = self.eager_s if batch > 0 else 0.0
        if self.groups == 1:
            linear = self._of(batch + prompt, self._alone) - (self._of(batch, self._alone) if batch > 0 else 0.0)
        else:
            own = batch / self.groups
            linear = self._shared(own + prompt, batch + (prompt if read is None else read))
            linear -= self._shared(own, batch) if batch > 0 else 0.0
        return linear + eager_s + self.pair_s * prompt * (prompt / 2 if attended is None else attended)

    def per_context_s(self, batch: float) -> float:
        """What each token of context of all sequences adds to a step, which the fullest group ends."""
        return self.context_s * (ceil(batch / self.groups) * self.groups / batch if self.groups > 1 else 1.0)

    def _shared(self, own: float, all_: float) -> float:
        """Seconds of everything but attention for the tokens of the fullest group, among those of all groups."""
        alone = self._of(own, self._alone)
        others = (all_ / own - 1) / (self.groups - 1)
        return alone + (self._of(own, self._together) - alone) * min(max(others, 0.0), 1.0)

    def _of(self, tokens: float, seconds: list[float]) -> float:
        place, last = int(tokens), self.prompts[-1]
        if tokens >= last:  # by then every product is bound by compute, so time grows with the tokens
            return seconds[-1] * tokens / last
        low = seconds[place]
        return low + (seconds[place + 1] - low) * (tokens - place)

    @cached_property
    def _base(self) -> list[float]:
        return _at_integers(self.batches, self.base_s)

    @cached_property
    def _alone(self) -> list[float]:
        return _at_integers(self.prompts, self.linear_s)

    @cached_property
    def _together(self) -> list[float]:
        return _at_integers(self.prompts, self.together_s)


def _at_integers(places: Numbers, values: Numbers) -> list[float]:
    """Linear interpolation at 0, 1, … up to the last place; places are whole numbers."""
    seconds: list[float] = np.interp(np.arange(int(places[-1]) + 1), places, values).tolist()
    return seconds


def _between(at: float, values: list[float]) -> float:
    """Linear interpolation; a simulation asks for single numbers, for which numpy takes a hundred times as long."""
    place = int(at)
    if place + 1 >= len(values):
        return values[-1]
    low = values[place]
    return low + (values[place + 1] - low) * (at - place)


def step_times(
    model: Architecture,
    accelerators: Sequence[Accelerator],
    precision: Precision,
    splits: Sequence[Parallelism],
    engine: str,
    calibrations: Mapping[str, Mapping[str, OperatorModel]] | None = None,
) -> dict[tuple[str, Parallelism], dict[End, StepTimes]]:
    """Times of steps of every split on every accelerator, at the low, likely and high end of the prediction.

    Accelerators that cannot compute in the format, or are not linked as the split needs, are left out.

    Raises:
        ProfilingError: The model cannot be split so.
    """
    for split in splits:
        split.check(model)
    groups = sorted({1, *(split.data for split in splits)})
    batches = sorted({several * batch for several in groups for batch in _BATCHES})
    ends: tuple[End, ...] = ("low_s", "likely_s", "high_s")

    def seconds(batches: Sequence[int], contexts: Sequence[int], stage: Stage) -> npt.NDArray[np.float64]:
        """(ends, splits, accelerators, batches, contexts); NaN where it cannot be."""
        grid = Grid(
            models=[model], accelerators=accelerators, batches=batches, contexts=contexts, precisions=[precision],
            stages=[stage], parallelisms=splits, engine=engine, calibrations=calibrations, intervals=True, loaded=True,
        )  # fmt: skip
        times = pl.concat(evaluate(grid)).select(ends).to_numpy().T
        return times.reshape(len(ends), len(splits), len(accelerators), len(batches), len(contexts))

    decode, prefill = seconds(batches, _CONTEXTS, "decode"), seconds(groups, _PROMPTS, "prefill")
    made: dict[tuple[str, Parallelism], dict[End, StepTimes]] = {}
    for place, split in enumerate(splits):
        of_steps = [batches.index(split.data * batch) for batch in _BATCHES]
        of_reads = [groups.index(several) for several in sorted({1, split.data})]
        for row, device in enumerate(accelerators):
            steps, reads = decode[:, place, row, of_steps], prefill[:, place, row, of_reads]
            if np.isnan(steps).any() or np.isnan(reads).any():
                continue
            made[device.name, split] = {
                end: _fitted(steps[which], reads[which], split.data) for which, end in enumerate(ends)
            }
    return made


def _fitted(steps: npt.NDArray[np.float64], reads: npt.NDArray[np.float64], groups: int) -> StepTimes:
    """From seconds of decode steps (batches, contexts) and of prompts (groups that read, lengths)."""
    batches, (near, far) = groups * np.array(_BATCHES, dtype=np.float64), _CONTEXTS
    # Attention moves the cache once, so its time grows with all contexts together; the largest batch shows it best.
    slopes = (steps[:, 1] - steps[:, 0]) / (batches * (far - near))
    context_s = max(float(slopes[-1]), 0.0)
    base = np.maximum(steps[:, 0] - context_s * batches * near, 0.0)
    prompts = np.array(_PROMPTS, dtype=np.float64)
    alone, *more = reads
    # Per token the linear part is constant once compute binds, so what grows between the two longest is attention.
    first, last = prompts[-2], prompts[-1]
    pair_s = max(2 * float(alone[-1] / last - alone[-2] / first) / (last - first), 0.0)

    def plain(values: npt.NDArray[np.float64]) -> Numbers:
        return tuple(map(float, values))

    def linear(seconds: npt.NDArray[np.float64]) -> Numbers:
        return plain(np.maximum.accumulate(np.maximum(seconds - pair_s * prompts**2 / 2, 0.0)))

    together = linear(more[0]) if more else ()
    # The shortest prompts have as many tokens as sequences decode in a step that differs by what captures it.
    eager_s = max((together or linear(alone))[0] - float(base[_BATCHES.index(_PROMPTS[0])]), 0.0)
    return StepTimes(
        plain(batches), plain(base), context_s, plain(prompts), linear(alone), pair_s, groups, together, eager_s
    )
