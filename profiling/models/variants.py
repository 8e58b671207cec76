"""A model changed in one respect: another vocabulary, or blocks and heads taken out of it (structured pruning)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from profiling.errors import InvalidWorkload
from profiling.models.architecture import Architecture, Layer, Stack
from profiling.models.steps import Embedding, Experts, Linear, Pointwise, Step
from profiling.models.stored import group_of

_NARROW = ("per_layer", "low_rank")
"""Matrices of the feed-forward group that are no block of their own."""


def with_vocabulary(model: Architecture, size: int) -> Architecture:
    """The model with another vocabulary: input tables and output matrix grow or shrink with it.

    Raises:
        InvalidWorkload: The size cannot be.
    """
    if not 1 <= size <= 2**24:
        raise InvalidWorkload(f"a vocabulary of {size:,} is not possible; it must lie between 1 and {2**24:,}")
    old = model.vocabulary_size

    def changed(step: Step) -> Step:
        if isinstance(step, Embedding) and step.scales_with_vocabulary:
            return replace(step, entries=round(step.entries * size / old))
        if isinstance(step, Linear) and step.is_head and step.width_out == old:
            return replace(step, width_out=size)
        return step

    return _mapped(replace(model, vocabulary_size=size, stored_bytes=None), changed)


def structurally_pruned(model: Architecture, share: float) -> Architecture:
    """The model with this share of the inner width of every feed-forward block taken out, experts' included.

    Whole rows and columns go, so that what is left is an ordinary smaller model: memory and time fall on every device.
    Attention, tables and head stay as they are (LLM-Pruner, arXiv 2305.11627; SliceGPT takes other dimensions).

    Raises:
        InvalidWorkload: The share cannot be.
    """
    if not 0 <= share < 1:
        raise InvalidWorkload(
            f"{100 * share:.0f} % of a feed-forward block cannot be taken out; it must lie in [0, 100 %)"
        )

    def left(width: int) -> int:
        return max(1, round(width * (1 - share)))

    def changed(step: Step) -> Step:
        if isinstance(step, Experts):
            return replace(step, intermediate_size=left(step.intermediate_size))
        if isinstance(step, Linear) and group_of(step) == "feed_forward" and not step.name.startswith(_NARROW):
            if "down" in step.name:
                return replace(step, width_in=left(step.width_in))
            fused = left(step.fused_width) if step.fused_width else 0
            return replace(step, width_out=left(step.width_out), fused_width=fused)
        if isinstance(step, Pointwise) and step.name.startswith(("activation", "shared_activation")):
            return replace(step, width=left(step.width))
        return step

    return _mapped(replace(model, stored_bytes=None), changed)


def _mapped(model: Architecture, changed: Callable[[Step], Step]) -> Architecture:
    def steps(originals: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(changed(step) for step in originals)

    def stack(original: Stack) -> Stack:
        layers: tuple[Layer, ...] = tuple(replace(layer, steps=steps(layer.steps)) for layer in original.layers)
        return replace(original, before=steps(original.before), layers=layers, after=steps(original.after))

    return replace(model, stacks=tuple(stack(part) for part in model.stacks))
