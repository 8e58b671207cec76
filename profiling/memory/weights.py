"""Bytes of weights on a device: every group at its own width, what engines fill up, and what is loaded beside them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from profiling.models.architecture import Architecture, Stack, fact_of
from profiling.models.steps import Embedding, Experts, Linear, Step
from profiling.models.stored import Group, group_of
from profiling.roofline.operator import GAIN_BITS
from profiling.roofline.workload import Parallelism, Precision, Values


@dataclass(frozen=True, slots=True)
class _Weights:
    """What a device holds of a side of the model: numbers by group, and bytes that no format changes."""

    numbers: tuple[tuple[Group, float], ...]
    fixed_bytes: float

    def bytes_in(self, precision: Precision) -> Values:
        """Bytes at these widths."""
        stored: Values = self.fixed_bytes
        for group, numbers in self.numbers:
            stored = stored + numbers * np.divide(precision.bits_of(group), 8)
        return stored


def _numbers_of(step: Step, split: Parallelism) -> tuple[float, float]:
    """Numbers of a step on one device that have their group's width, and bytes of those that stay at 16 bits."""
    ways = split.tensor
    if isinstance(step, Linear):
        share = 1.0
        if step.split != "none":
            share = ceil(step.units / ways) / step.units if step.units else 1 / ways
        matrix = 0 if step.tied else step.width_in * step.width_out
        return matrix * share, step.width_out * GAIN_BITS / 8 * share if step.bias else 0.0
    if isinstance(step, Experts):
        matrices = step.count * (3 if step.gated else 2) * step.hidden_size * step.intermediate_size
        return matrices / split.ways, (step.parameters - matrices) * GAIN_BITS / 8 / split.ways
    if isinstance(step, Embedding):
        return step.parameters / ways, 0.0
    return 0.0, step.parameters * GAIN_BITS / 8


@fact_of
def _weights_of(model: Architecture, split: Parallelism) -> tuple[tuple[_Weights, _Weights, _Weights], ...]:
    """Of each stack what the fullest device holds of its layers, of what comes before them and of what comes after."""
    return tuple(
        (
            _summed(((layer.count * stage_share(stack, split), layer.steps) for layer in stack.layers), split),
            _summed([(1.0, stack.before)], split),
            _summed([(1.0, stack.after)], split),
        )
        for stack in model.stacks
    )


def _summed(parts: Iterable[tuple[float, Sequence[Step]]], split: Parallelism) -> _Weights:
    numbers: dict[Group, float] = defaultdict(float)
    fixed = 0.0
    for times, steps in parts:
        for step in steps:
            own, fixed_bytes = _numbers_of(step, split)
            fixed += times * fixed_bytes
            if own:
                numbers[group_of(step)] += times * own
    return _Weights(tuple(numbers.items()), fixed)


def weight_bytes(model: Architecture, precision: Precision, parallelism: Parallelism | None = None) -> Values:
    """Bytes of weights on the fullest device; the whole model without parallelism.

    Each group of weights has its own width: attention, feed-forward blocks, routed experts, routers, tables and head;
    norm gains and biases stay at 16 bits. With pipeline stages: ceil(layers / pp) average layers and the larger of
    embedding and head.
    """
    split = parallelism or Parallelism()
    total: Values = 0.0
    for layers, before, after in _weights_of(model, split):
        ends = [side.bytes_in(precision) for side in (before, after)]
        end = ends[0] + ends[1] if split.pipeline == 1 else np.maximum(ends[0], ends[1])
        total = total + layers.bytes_in(precision) + end
    return total


INFERRED_SPREAD = 0.05
"""How far weights of a family that was read by its fields may exceed the count: norms and biases are guessed."""


def additional_weight_bytes(
    model: Architecture, precision: Precision, parallelism: Parallelism | None = None, *, fills_tiles: bool = True
) -> Values:
    """What may come on top of the weights on a device: filling up to tiles, other towers, doubt about family or format.

    Most engines fill matrices of some formats up to a multiple of their tile (gpt-oss: 2,880 to 3,072) and load vision
    and audio towers at 16 bits beside the decoder; layers that predict ahead are loaded for speculation only.
    """
    split = parallelism or Parallelism()
    more: Values = 0.0
    for group, numbers in _padding_of(model, split, precision.padding if fills_tiles else ()):
        more = more + numbers * np.divide(precision.bits_of(group), 8)
    if model.stored_bytes is not None and _is_published(model, precision):
        # The checkpoint's own sizes decide what there is beside the decoder.
        other_bytes: Values = np.maximum(model.stored_bytes - weight_bytes(model, precision), 0.0)
        return more + other_bytes
    towers = sum(part.parameters or 0 for part in model.not_counted if part.is_tower)
    doubt = INFERRED_SPREAD if model.is_inferred_form else 0.0
    if model.published_format.doubt and _is_published(model, precision):
        doubt += model.published_format.doubt
    return more + towers * GAIN_BITS / 8 + (doubt * weight_bytes(model, precision, split) if doubt else 0.0)


def _is_published(model: Architecture, precision: Precision) -> bool:
    """Whether the widths are those of the checkpoint's own format."""
    groups = {group_of(step) for _, step in model.counted_steps() if step.parameters}
    return all(
        np.ndim(precision.bits_of(group)) == 0 and precision.bits_of(group) == model.published_format.of(group).bits
        for group in groups
    )


@fact_of
def _padding_of(
    model: Architecture, split: Parallelism, padding: tuple[tuple[Group, int], ...]
) -> tuple[tuple[Group, float], ...]:
    """Numbers by which filled matrices of a group exceed their own on one device, where any are filled."""
    multiples, padding_elements = dict(padding), defaultdict[Group, float](float)
    for stack in model.stacks if multiples else ():
        for layer in stack.layers:
            for step in layer.steps:
                if isinstance(step, Linear | Experts) and (group := group_of(step)) in multiples:
                    times = layer.count * stage_share(stack, split)
                    padding_elements[group] += times * _filled_numbers(step, multiples[group], split)
    return tuple(padding_elements.items())


def _filled_numbers(step: Linear | Experts, multiple: int, parallelism: Parallelism) -> float:
    if isinstance(step, Experts):
        inner = step.intermediate_size / (parallelism.ways / parallelism.expert)
        count = step.count / parallelism.expert * (3 if step.gated else 2)
        sides = (float(step.hidden_size), inner)
    else:
        share = 1 / parallelism.tensor
        width_in = step.width_in * (share if step.split == "row" else 1)
        width_out = step.width_out * (share if step.split == "column" else 1)
        count, sides = 1.0, (float(width_in), float(width_out))
    filled = [ceil(side / multiple) * multiple for side in sides]
    return count * (filled[0] * filled[1] - sides[0] * sides[1])


def stage_share(stack: Stack, parallelism: Parallelism) -> float:
    """Part of a stack's layers that the fullest pipeline stage holds."""
    return ceil(stack.depth / parallelism.pipeline) / stack.depth if stack.depth else 1.0
