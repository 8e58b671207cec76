"""Points lost in benchmarks as a function of bits, recipe, size, mixture and task, fitted to measured losses.

With B bits in the layers, P billion parameters (of a mixture the geometric mean of all and active ones), s the 16-bit
score and g what guessing gets,

    points lost = (s − g) · (1 − exp(−L − L₀)),
    ln L = a + b·ln(B / 3.5) + (c + c'·[knowledge])·ln(P / 8) + h·ln(2 (s − g) / (100 − g))
           + d·[mixture] + e·[Llama 3] + (r + r'·ln(B / 3.5)) of the recipe + t of the task + u of the benchmark
           + v·[scales per channel] + w·[MXFP4]

L₀ is what even 8 bits lose. h is near −1: of models of one size and a recipe, one that knows twice as much loses about
as many points, not twice as many, since what is known well survives. Effects of recipes, tasks and benchmarks are
shrunk towards none (ridge), so that groups of few rows stay near the others. Errors are weighed by the noise of a
single run and by the size of the loss, and by a loss that is linear for outliers (pseudo-Huber); the minimum is found
by damped Gauss-Newton steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.quantisation.recipes import RECIPES, TASKS

Array = NDArray[np.float64]

_TYPICAL_BITS = 3.5
_TYPICAL_BILLIONS = 8.0
_RELATIVE_SPREAD = 0.25
"""Losses of the same recipe at the same bits differ between models by about this part of themselves."""
_LEAST_SHARE, _MOST_SHARE = 0.02, 0.98
"""Bounds of the share above guessing whose logarithm enters: scores at chance say nothing of what is known."""

_BOUNDS = (-12.0, 3.0)
"""Of ln L: beyond, nothing or all is lost."""
_BASIC = 7
"""Effects before those of recipes."""
_RECIPE_NAMES = tuple(RECIPES)

_FREE = 1e3
_SHRINK = {
    "knowledge size": 0.3,
    "share": 0.5,
    "mixture": 0.4,
    "family": 0.3,
    "recipe": 0.6,
    "recipe slope": 2.0,
    "task": 0.5,
    "benchmark": 0.4,
    "flag": 0.5,
}
"""Standard deviations of effects before any row is seen, in ln L."""
_FLOOR = (-5.5, 0.7)
"""Mean and standard deviation of ln L₀ before any row is seen: about 0.4 %."""


@dataclass(frozen=True, slots=True)
class Design:
    """Rows of the fit as arrays: features (rows × effects), points above guessing, and the measured change."""

    features: Array
    head_room: Array
    change: Array
    noise: Array


@dataclass(frozen=True, slots=True)
class PointsFit:
    """Effects on ln L, and the benchmarks that have one of their own."""

    effects: Array
    benchmarks: tuple[str, ...]

    def fraction_lost(self, frame: pl.DataFrame) -> Array:
        """Part of the score above guessing that is lost, from 0 to 1, for each row.

        Args:
            frame: Columns `layer_bits`, `effective_b`, `baseline_value`, `chance`, `is_mixture`, `is_llama_3`,
                `recipe`, `task`, `benchmark`, `is_per_channel` and `is_mxfp4`.
        """
        damage = np.exp(np.clip(_features(frame, self.benchmarks) @ self.effects[:-1], *_BOUNDS))
        return np.asarray(1 - np.exp(-damage - np.exp(self.effects[-1])))

    def recipe_spread(self, bits: float) -> float:
        """Standard deviation in ln L over measured recipes, at so many bits in the layers."""
        of_recipes = self.effects[_BASIC : _BASIC + 2 * len(RECIPES)].reshape(-1, 2)
        return float((of_recipes @ (1.0, math.log(bits / _TYPICAL_BITS))).std())

    def fraction_lost_of(
        self,
        bits: float,
        billions: float,
        share: float,
        recipe: str | None,
        task: str,
        benchmark: str,
        *,
        mixture: bool,
        llama_3: bool,
    ) -> float:
        """The same for one question, without a frame: thousands are asked at once.

        Args:
            bits: Bits in the layers.
            billions: Effective size.
            share: The 16-bit score between guessing (0) and all right (1).
            recipe: One of `RECIPES`, or None for their mean.
            task: One of `TASKS`.
            benchmark: Its name; one that was not fitted has no effect of its own.
            mixture: Whether tokens are routed to experts.
            llama_3: Whether the model is of the Llama-3 family.
        """
        effects = self.effects
        wide, size = math.log(bits / _TYPICAL_BITS), math.log(billions / _TYPICAL_BILLIONS)
        slope = effects[2] + (effects[3] if task == "knowledge" else 0.0)
        high = math.log(2 * min(max(share, _LEAST_SHARE), _MOST_SHARE))
        total = (
            effects[0]
            + effects[1] * wide
            + slope * size
            + effects[4] * high
            + effects[5] * mixture
            + effects[6] * llama_3
        )
        at = _BASIC
        if recipe is not None:
            of_recipe = at + 2 * _RECIPE_NAMES.index(recipe)
            total += effects[of_recipe] + effects[of_recipe + 1] * wide
        at += 2 * len(_RECIPE_NAMES)
        total += effects[at + TASKS.index(task)]
        if benchmark in self.benchmarks:
            total += effects[at + len(TASKS) + self.benchmarks.index(benchmark)]
        return 1 - math.exp(-math.exp(min(max(total, _BOUNDS[0]), _BOUNDS[1])) - math.exp(effects[-1]))


def usable(measurements: pl.DataFrame) -> pl.DataFrame:
    """The rows that the fit rests on: benchmark scores of quantised weights with a whole cache, of known recipes."""
    return measurements.filter(
        pl.col("use_in_fits").eq("yes")
        & pl.col("metric").eq("benchmark_percent")
        & pl.col("kv_format").eq("f16")
        & pl.col("layer_bits").lt(9.5)
        & pl.col("recipe").is_not_null()
    )


def fit_points(rows: pl.DataFrame) -> PointsFit:
    """The fit to rows of `usable`.

    Raises:
        ValueError: There are no rows.
    """
    if rows.is_empty():
        raise ValueError("no measured losses to fit")
    benchmarks = tuple(sorted(rows["benchmark"].unique()))
    design = _design(rows, benchmarks)
    shrink = 1 / np.append(_spreads(len(benchmarks)), _FLOOR[1])
    aim = np.zeros(len(shrink))
    aim[-1] = _FLOOR[0]
    effects = aim.copy()
    effects[:3] = (-3.0, -5.0, -0.5)
    scale = np.hypot(design.noise, 1.0)
    for _ in range(4):
        effects = _minimum(design, effects, scale, shrink, aim)
        scale = np.hypot(design.noise, _RELATIVE_SPREAD * _change(design, effects)[0])
    return PointsFit(effects, benchmarks)


def _features(frame: pl.DataFrame, benchmarks: Sequence[str]) -> Array:
    bits = np.log(frame["layer_bits"].to_numpy() / _TYPICAL_BITS)
    size = np.log(frame["effective_b"].to_numpy() / _TYPICAL_BILLIONS)
    knowledge = (frame["task"] == "knowledge").to_numpy().astype(float)
    share = ((frame["baseline_value"] - frame["chance"]) / (100 - frame["chance"])).to_numpy()
    high = np.log(2 * np.clip(share, _LEAST_SHARE, _MOST_SHARE))
    columns = [np.ones(frame.height), bits, size, size * knowledge, high]
    columns += [frame[flag].to_numpy().astype(float) for flag in ("is_mixture", "is_llama_3")]
    for recipe in RECIPES:
        of_recipe = (frame["recipe"] == recipe).fill_null(value=False).to_numpy().astype(float)
        columns += [of_recipe, of_recipe * bits]
    columns += [(frame["task"] == task).to_numpy().astype(float) for task in TASKS]
    columns += [(frame["benchmark"] == benchmark).to_numpy().astype(float) for benchmark in benchmarks]
    columns += [frame[flag].to_numpy().astype(float) for flag in ("is_per_channel", "is_mxfp4")]
    return np.stack(columns, axis=1)


def _spreads(benchmarks: int) -> Array:
    recipe = [_SHRINK["recipe"], _SHRINK["recipe slope"]] * len(RECIPES)
    others = [_SHRINK["task"]] * len(TASKS) + [_SHRINK["benchmark"]] * benchmarks + [_SHRINK["flag"]] * 2
    basic = [_FREE, _FREE, _FREE, *(_SHRINK[name] for name in ("knowledge size", "share", "mixture", "family"))]
    return np.array([*basic, *recipe, *others])


def _design(rows: pl.DataFrame, benchmarks: Sequence[str]) -> Design:
    return Design(
        features=_features(rows, benchmarks),
        head_room=np.maximum((rows["baseline_value"] - rows["chance"]).to_numpy(), 1.0),
        change=rows["delta"].to_numpy(),
        noise=rows["run_noise"].to_numpy(),
    )


def _change(design: Design, effects: Array) -> tuple[Array, Array]:
    """Predicted change in points, and its derivatives by the effects (rows × effects)."""
    damage = np.exp(np.clip(design.features @ effects[:-1], *_BOUNDS))
    floor = float(np.exp(effects[-1]))
    left = np.exp(-damage - floor)
    slope = -design.head_room * left
    derivatives = np.concatenate([design.features * (slope * damage)[:, None], (slope * floor)[:, None]], axis=1)
    return -design.head_room * (1 - left), derivatives


def _minimum(design: Design, start: Array, scale: Array, shrink: Array, aim: Array) -> Array:
    """Damped Gauss-Newton steps on the pseudo-Huber loss of scaled errors plus the ridge."""

    def loss(effects: Array) -> float:
        error = (_change(design, effects)[0] - design.change) / scale
        robust = 2 * (np.sqrt(1 + error**2) - 1)
        return float(robust.sum() + ((shrink * (effects - aim)) ** 2).sum())

    effects, damping, current = start, 1e-2, loss(start)
    for _ in range(30):
        predicted, derivatives = _change(design, effects)
        error = predicted - design.change
        weight = 1 / np.sqrt(1 + (error / scale) ** 2) / scale**2
        normal = derivatives.T @ (derivatives * weight[:, None]) + np.diag(shrink**2)
        gradient = derivatives.T @ (weight * error) + shrink**2 * (effects - aim)
        while True:
            tried = effects - np.linalg.solve(normal + damping * np.diag(np.diag(normal)), gradient)
            reached = loss(tried)
            if reached <= current or damping > 1e6:
                break
            damping *= 4
        if reached > current:
            return effects
        gained, effects, current, damping = current - reached, tried, reached, max(damping / 4, 1e-6)
        if gained < 1e-6 * current:
            break
    return effects
