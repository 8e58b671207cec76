"""What was measured near a question: how much, on which models, and so whether it may be answered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from analytics.quantisation import points
from analytics.quantisation.recipes import RECIPES, bits_class

FEWEST_MODELS = 3
"""Losses measured on fewer models are not predicted from."""
_FEW_MODELS = 8
_CAREFUL = frozenset({"code", "reasoning"})
"""Kinds of task with few measurements, which are not stretched to models of other sizes."""
_SIZE_REACH = 2.0
_LEAST_BITS = 1.5


@dataclass(frozen=True, slots=True)
class Baseline:
    """Usual 16-bit score of a benchmark as a line over ln size, within the range that was seen."""

    level: float
    slope: float
    lowest: float
    highest: float

    def at(self, billions: float) -> float:
        """Points at an effective size."""
        return min(max(self.level + self.slope * math.log(billions), self.lowest), self.highest)


@dataclass(frozen=True, slots=True)
class Near:
    """Measured losses in one kind of task and one range of bits."""

    kind: str = ""
    range_of_bits: str = ""
    measurements: int = 0
    models: int = 0
    mixtures: int = 0
    smallest: float = 0.0
    largest: float = 0.0
    """Effective sizes of the measured models, in billions."""
    recipes: frozenset[str] = frozenset()
    baselines: Mapping[str, Baseline] = field(default_factory=dict)
    """Usual 16-bit scores by benchmark, and of the kind of task by its own name."""

    @property
    def where(self) -> str:
        """Task and bits in words."""
        return f"{self.kind} at {self.range_of_bits} bits"

    def is_near(self, billions: float) -> bool:
        """Whether models of about that size were measured."""
        return self.smallest / _SIZE_REACH <= billions <= self.largest * _SIZE_REACH

    def reference_score(self, task: str, billions: float) -> float:
        """16-bit score of a model of that effective size: of the benchmark, else of the kind of task."""
        return self.baselines.get(task, self.baselines[self.kind]).at(billions)

    def refusal(self, bits: float, billions: float) -> str | None:
        """Why no figure can be given, or None.

        Args:
            bits: Bits in the layers.
            billions: Effective size of the model.
        """
        if bits < _LEAST_BITS:
            return f"Nothing was measured below {_LEAST_BITS} bits."
        if self.models < FEWEST_MODELS:
            return (
                f"Losses in this kind of task at these bits were measured on {self.models} models: too few to predict."
            )
        if self.kind in _CAREFUL and not self.is_near(billions):
            return (
                f"Losses in {self.where} were measured on models of {self.smallest:.3g} to {self.largest:.3g} billion "
                f"effective parameters only, not near {billions:.3g}."
            )
        return None

    def warnings(self, billions: float, recipe: str | None, method: str, *, is_mixture: bool) -> tuple[str, ...]:
        """What to say beside a figure that can be given."""
        sentences = []
        if recipe is None:
            sentences.append(f"{method!r} is not a recipe whose losses were measured: the mean of all is used.")
        elif recipe not in self.recipes:
            sentences.append(f"No loss of this recipe ({RECIPES[recipe]}) was measured in {self.where}.")
        if self.models < _FEW_MODELS:
            sentences.append(f"Losses in {self.where} were measured on {self.models} models only.")
        if not self.is_near(billions):
            sentences.append(
                f"Measured models have {self.smallest:.3g} to {self.largest:.3g} billion effective parameters."
            )
        if is_mixture and self.mixtures < FEWEST_MODELS:
            sentences.append(f"Hardly any mixture of experts was measured in {self.where}.")
        return tuple(sentences)


def near_of(measurements: pl.DataFrame) -> dict[tuple[str, str], Near]:
    """What was measured, by kind of task and range of bits.

    Args:
        measurements: As `recipes.prepared` makes them.
    """
    rows = points.usable(measurements)
    rows = rows.with_columns(pl.Series("range_of_bits", [bits_class(bits) for bits in rows["layer_bits"]], pl.String))
    of_task = {kind: group for (kind,), group in rows.group_by("task")}
    return {
        (str(kind), str(bits)): Near(
            kind=str(kind),
            range_of_bits=str(bits),
            measurements=group.height,
            models=group["model"].n_unique(),
            mixtures=group.filter("is_mixture")["model"].n_unique(),
            smallest=float(group["effective_b"].to_numpy().min()),
            largest=float(group["effective_b"].to_numpy().max()),
            recipes=frozenset(group["recipe"]),
            baselines={**_baselines(of_task[kind], "benchmark"), **_baselines(of_task[kind], "task")},
        )
        for (kind, bits), group in rows.group_by("task", "range_of_bits")
    }


def _baselines(rows: pl.DataFrame, by: str) -> dict[str, Baseline]:
    """Of each benchmark or kind of task the line through the scores of its models, one per model and benchmark."""
    once = rows.unique(["model", "benchmark"], keep="first", maintain_order=True)
    baselines = {}
    for (name,), group in once.group_by(by):
        sizes, scores = np.log(group["effective_b"].to_numpy()), group["baseline_value"].to_numpy()
        spread = float(((sizes - sizes.mean()) ** 2).sum())
        slope = float(((sizes - sizes.mean()) * (scores - scores.mean())).sum() / spread) if spread > 0 else 0.0
        level = float(scores.mean() - slope * sizes.mean())
        baselines[str(name)] = Baseline(level, slope, float(scores.min()), float(scores.max()))
    return baselines
