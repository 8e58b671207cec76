"""Parts of a decoder as one of several devices holds them: layers whole, layers without experts, experts alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from profiling.errors import IllegalParallelism
from profiling.models.architecture import Architecture, Layer, fact_of
from profiling.models.steps import Experts

Mode = Literal["whole", "without experts", "experts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What one device holds of a decoder; layers are counted from the bottom, from 0.

    Attributes:
        whole: Layers with all their steps.
        without_experts: Layers whose routed experts are elsewhere.
        experts: Layers of which only the routed experts are here.
        first: Whether what comes before the layers (input tables) is here.
        last: Whether what comes after them (norm and head) is here.
    """

    whole: Sequence[int] = ()
    without_experts: Sequence[int] = ()
    experts: Sequence[int] = ()
    first: bool = False
    last: bool = False

    def __post_init__(self) -> None:
        """Places as tuples, so that equal parts are found again."""
        for name in ("whole", "without_experts", "experts"):
            object.__setattr__(self, name, tuple(getattr(self, name)))


@fact_of
def layer_kinds(model: Architecture) -> tuple[int, ...]:
    """Index into the layers of the main stack of each layer, from bottom to top.

    Where a config does not say in which order its kinds of layers come, they are taken one kind after the other.
    """
    stack = model.main
    in_turn = (place for place, layer in enumerate(stack.layers) for _ in range(layer.count))
    return stack.order or tuple(in_turn)


@fact_of
def expert_layers(model: Architecture) -> tuple[int, ...]:
    """Layers that have routed experts, from bottom to top."""
    layers = model.main.layers
    return tuple(place for place, kind in enumerate(layer_kinds(model)) if layers[kind].experts is not None)


@fact_of
def part_of(model: Architecture, selection: Selection) -> Architecture | None:
    """The part as a model of its own, for memory and time; None where nothing is held.

    Raises:
        IllegalParallelism: The model is no decoder, whose layers alone are dealt out.
    """
    if model.kind != "decoder":
        raise IllegalParallelism(f"{model.name} is no decoder; only layers of decoders are dealt out to unlike devices")
    kinds, stack = layer_kinds(model), model.main
    counts: Counter[tuple[int, Mode]] = Counter()
    modes: tuple[tuple[Mode, Iterable[int]], ...] = (
        ("whole", selection.whole), ("without experts", selection.without_experts), ("experts", selection.experts),
    )  # fmt: skip
    for mode, places in modes:
        counts.update((kinds[place], mode) for place in places)
    made = (_layer(stack.layers[kind], mode, count) for (kind, mode), count in sorted(counts.items()))
    layers = tuple(layer for layer in made if layer is not None)
    before, after = stack.before if selection.first else (), stack.after if selection.last else ()
    if not layers and not before and not after:
        return None
    return replace(
        model,
        stacks=(replace(stack, before=before, layers=layers, after=after, order=()),),
        stored_bytes=None,
        not_counted=model.not_counted if selection.last else (),
    )


def _layer(layer: Layer, mode: Mode, count: int) -> Layer | None:
    if mode == "whole" or (mode == "without experts" and layer.experts is None):
        return replace(layer, count=count)
    steps = tuple(step for step in layer.steps if isinstance(step, Experts) == (mode == "experts"))
    suffix = "experts" if mode == "experts" else "without_experts"
    return replace(layer, name=f"{layer.name}_{suffix}", steps=steps, count=count) if steps else None
