"""What a stored format costs in quality: points, nats or cache losses, with intervals and what they rest on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from analytics.quantisation import points, tokens
from analytics.quantisation.caches import WHOLE_BITS, Caches
from analytics.quantisation.held_out import Intervals, half_of, held_out, intervals_of
from analytics.quantisation.nearby import FEWEST_MODELS, Near, near_of
from analytics.quantisation.recipes import (
    LAYER_BITS,
    TASKS,
    UNMEASURED_TASKS,
    bits_class,
    chance_of,
    effective_billions,
    is_llama_3,
    prepared,
    recipe_of,
    run_noise,
    task_of,
)
from analytics.statistics.normal import TWO_SIDED_80, TWO_SIDED_95

SINGLE_RUN = TWO_SIDED_95
"""A gap of less than this many standard deviations of run-to-run noise is not resolved by one run of each."""

_WIDE = 1.5


@dataclass(frozen=True, slots=True)
class Loss:
    """Points of a benchmark that quantisation costs; positive is lost. All None where nothing was measured."""

    points: float | None
    low: float | None
    high: float | None
    """Where a measured loss of an unseen model lies in four of five cases."""
    fraction: float | None
    """Part of the score above guessing that is lost."""
    basis: str
    resolved: bool
    """Whether one run of each arm would show it: the loss exceeds the noise floor of a single run."""
    noise_floor: float | None
    """Points below which a single run shows nothing."""
    measurements: int
    """Measurements of this kind of task in this range of bits."""
    models: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """The model that is quantised, as far as losses depend on it."""

    parameters: float
    """All of them."""
    is_mixture: bool = False
    """Whether it routes tokens to experts."""
    active: float | None = None
    """Parameters one token uses; of a mixture without, a tenth is taken."""
    name: str = ""
    """The Llama-3 family is known by it: it loses more per bit than others."""

    def __post_init__(self) -> None:
        """Raises ValueError where a count is not a positive number."""
        for count in (self.parameters, self.active if self.active is not None else 1.0):
            if not (math.isfinite(count) and count > 0):
                raise ValueError(f"parameters must be a positive number, got {count}")

    @property
    def effective_billions(self) -> float:
        """Size that its losses go by, in billions of parameters."""
        active = self.active and self.active / 1e9
        return effective_billions(self.parameters / 1e9, active, is_mixture=self.is_mixture)


@dataclass(frozen=True, slots=True)
class LossModel:
    """Fits to measured losses, and the answers that follow. Make one with `LossModel.of`."""

    measurements: pl.DataFrame = field(repr=False)
    """As `recipes.prepared` makes them."""
    of_points: points.PointsFit
    of_tokens: tokens.TokensFit
    intervals: Intervals
    near: Mapping[tuple[str, str], Near] = field(repr=False)
    """What was measured, by kind of task and range of bits."""
    caches: Caches = field(repr=False)
    """What was measured of caches."""

    @classmethod
    def of(cls, measurements: pl.DataFrame, intervals: Intervals | None = None) -> LossModel:
        """Fits to the measurements; takes 0.1 s, and 0.5 s more where the intervals are not given.

        Args:
            measurements: Columns of `core.quantisation_measurements`.
            intervals: Half widths from an earlier cross-validation of the same measurements.

        Raises:
            ValueError: There are no measurements to fit.
        """
        rows = prepared(measurements)
        spread = intervals or intervals_of(held_out(rows))
        of_points, of_tokens = points.fit_points(points.usable(rows)), tokens.fit_tokens(tokens.usable(rows))
        return cls(rows, of_points, of_tokens, spread, near_of(rows), Caches.of(rows))

    def quantisation_loss(
        self,
        bits: float | None,
        method: str,
        subject: Subject,
        *,
        task: str = "knowledge",
        baseline: float | None = None,
        kv_bits: float = 16,
    ) -> Loss:
        """Points that a format of the weights, with one of the KV cache, costs in a task.

        The two losses add up, their intervals as independent ones; where they were never measured together at such
        bits a warning says so, and where either is not known there is no figure.

        Args:
            bits: Bits per weight of the layers' matrices, scales included; None where `method` is a GGUF file type,
                whose own are then taken.
            method: A quantiser, a recipe or a stored format, as `recipes.recipe_of` takes them.
            subject: The model.
            task: A kind of task, or a benchmark by name (`MMLU`).
            baseline: Its 16-bit score in that benchmark, in points; without, what measured models of its size have.
            kv_bits: Bits per cached number, scales included.

        Raises:
            ValueError: Bits are not a positive number, or the task is not known.
        """
        bits = _bits(bits, method)
        of_weights = self._weights_loss(bits, method, subject, task, baseline)
        if kv_bits >= WHOLE_BITS:
            return of_weights
        return self._with_cache(of_weights, bits, kv_bits, task, baseline, subject.effective_billions)

    def _with_cache(
        self, of_weights: Loss, bits: float, kv_bits: float, task: str, baseline: float | None, size: float
    ) -> Loss:
        of_cache = self.cache_loss(kv_bits, task=task)
        warnings = (*of_weights.warnings, *of_cache.warnings)
        if of_weights.points is None or of_weights.low is None or of_cache.points is None or of_cache.low is None:
            return _unknown(" ".join(dict.fromkeys(warnings)), of_weights.measurements, of_weights.models)
        if bits < WHOLE_BITS and not self.caches.measured_together(bits, kv_bits):
            where = f"weights at {bits_class(bits)} bits with a cache near {kv_bits:g} bits"
            warnings = (*warnings, f"No score of {where} was measured: the two losses, each measured alone, are added.")
        # A mean below nothing is noise: narrower caches do not improve models.
        lost = of_weights.points + max(of_cache.points, 0.0)
        half = math.hypot(of_weights.points - of_weights.low, of_cache.points - of_cache.low)
        chance = chance_of(task)
        if baseline is None:
            baseline = self.near[task_of(task), bits_class(bits)].reference_score(task, size)
        floor = SINGLE_RUN * run_noise(task)
        basis = f"{of_weights.basis}; cache: {of_cache.basis}"
        return Loss(lost, lost - half, lost + half, lost / max(baseline - chance, 1.0), basis, lost >= floor, floor,
                    of_weights.measurements + of_cache.measurements, max(of_weights.models, of_cache.models),
                    warnings)  # fmt: skip

    def _weights_loss(self, bits: float, method: str, subject: Subject, task: str, baseline: float | None) -> Loss:
        kind = task_of(task)
        if kind in UNMEASURED_TASKS:
            return _unknown(UNMEASURED_TASKS[kind])
        if task not in TASKS and task not in self.of_points.benchmarks:
            tasks = ", ".join((*TASKS, *UNMEASURED_TASKS))
            raise ValueError(f"{task!r} is neither a kind of task ({tasks}) nor a measured benchmark")
        noise = run_noise(task)
        if bits >= WHOLE_BITS:
            return _baseline(noise)
        recipe = recipe_of(method)
        near = self.near.get((kind, bits_class(bits)), Near())
        size = subject.effective_billions
        if refused := near.refusal(bits, size):
            return _unknown(refused, near.measurements, near.models)
        if baseline is None:
            baseline = near.reference_score(task, size)
        chance = chance_of(task)
        fraction = self.of_points.fraction_lost_of(
            bits, size, (baseline - chance) / (100 - chance), recipe, kind, task,
            mixture=subject.is_mixture, llama_3=is_llama_3(subject.name),
        )  # fmt: skip
        lost = max(baseline - chance, 1.0) * fraction
        half = float(half_of(self.intervals.points.get(near.range_of_bits, _WIDE), noise, lost))
        # How much a recipe that nobody measured there differs from those that were measured, nobody knows either.
        if not any(recipe in loss.recipes for loss in self.near.values() if loss.range_of_bits == near.range_of_bits):
            left = (1 - fraction) ** math.exp(TWO_SIDED_80 * self.of_points.recipe_spread(bits))
            half = math.hypot(half, max(baseline - chance, 1.0) * (1 - fraction - left))
        floor = SINGLE_RUN * noise
        basis = f"fitted to measured losses: {near.measurements} of {near.models} models in {near.where}"
        warnings = near.warnings(size, recipe, method, is_mixture=subject.is_mixture)
        return Loss(lost, lost - half, lost + half, fraction, basis, lost >= floor, floor, near.measurements,
                    near.models, warnings)  # fmt: skip

    def cache_loss(self, kv_bits: float, *, task: str = "knowledge") -> Loss:
        """Points that a quantised KV cache costs: the mean of what was measured near those bits, over all short tasks.

        Args:
            kv_bits: Bits per cached number, scales included.
            task: A kind of task or a benchmark; there is no figure for kinds that were not measured with such caches.

        Raises:
            ValueError: `kv_bits` is not a positive number.
        """
        if not (math.isfinite(kv_bits) and kv_bits > 0):
            raise ValueError(f"kv_bits must be a positive number, got {kv_bits}")
        kind = task_of(task)
        if kind in UNMEASURED_TASKS:
            return _unknown(UNMEASURED_TASKS[kind])
        if kv_bits >= WHOLE_BITS:
            return _baseline(run_noise(task))
        change = self.caches.near(kv_bits)
        if change is None or change.models < FEWEST_MODELS:
            seen = (change.measurements, change.models) if change else (0, 0)
            return _unknown(
                f"Losses of a cache near {kv_bits:g} bits were measured on {seen[1]} models: too few.", *seen
            )
        if kind not in change.tasks:
            return _unknown(f"No loss of a cache near {kv_bits:g} bits was measured in {kind}.")
        floor = SINGLE_RUN * run_noise(task)
        warnings = (f"Caches were measured on {change.models} models with short inputs; with long ones errors add up.",)
        narrow = change.with_quantised_weights
        basis = (
            f"mean of {change.measurements} measured losses of {change.models} models, {narrow} beside narrow weights"
        )
        return Loss(change.points, change.points - change.half_width, change.points + change.half_width, None, basis,
                    change.points >= floor, floor, change.measurements, change.models, warnings)  # fmt: skip


def ability_lost(share_above_guessing: float, fraction_lost: float, discrimination: float) -> float:
    """Loss on a latent scale of ability that follows from a loss in one benchmark of it.

    With the logistic link of item response, share = σ(discrimination · (ability − difficulty)), so that the loss is
    (logit s − logit s·(1 − f)) / discrimination. It holds in so far as the benchmark's loss stands for all of ability:
    knowledge is measured best, code and reasoning may lose more.

    Args:
        share_above_guessing: The 16-bit score between guessing (0) and all right (1), exclusive.
        fraction_lost: Part of it that is lost, at least 0 and below 1.
        discrimination: Slope of the benchmark, per unit of ability.

    Raises:
        ValueError: An argument outside its range.
    """
    if not (0 < share_above_guessing < 1 and 0 <= fraction_lost < 1 and discrimination > 0):
        raise ValueError("needs 0 < share < 1, 0 ≤ fraction lost < 1 and a positive discrimination")
    left = share_above_guessing * (1 - fraction_lost)
    return (_logit(share_above_guessing) - _logit(left)) / discrimination


def _logit(share: float) -> float:
    return math.log(share / (1 - share))


def _bits(bits: float | None, method: str) -> float:
    if bits is None:
        bits = LAYER_BITS.get(method.casefold().removeprefix("gguf-"))
        if bits is None:
            raise ValueError(f"{method!r} is not a GGUF file type whose bits are known here: give the bits")
    if not (math.isfinite(bits) and bits > 0):
        raise ValueError(f"bits must be a positive number, got {bits}")
    return bits


def _baseline(noise: float) -> Loss:
    return Loss(0.0, 0.0, 0.0, 0.0, "16 bits are the baseline", False, SINGLE_RUN * noise, 0, 0)


def _unknown(why: str, measurements: int = 0, models: int = 0) -> Loss:
    return Loss(None, None, None, None, "not measured", False, None, measurements, models, (why,))
