"""The format a checkpoint is published in, from its `quantization_config` or `hf_quant_config.json`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from profiling.models.architecture import Architecture
from profiling.models.module_names import matrix_names
from profiling.models.schemes import Scheme, scheme_of
from profiling.models.steps import Embedding, Experts, Linear, Step
from profiling.models.stored import BF16, Group, StoredFormat, Width, group_of

_GROUPS: tuple[Group, ...] = ("attention", "feed_forward", "experts", "other", "embedding", "head")


def quantisation_of(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The part of a config that says how weights are stored, at the top or in the text part; None: plain numbers."""
    for part in (config, *(config.get(name) for name in ("text_config", "llm_config", "language_config"))):
        if not isinstance(part, Mapping):
            continue
        stated = part.get("quantization_config") or part.get("quantization")
        if isinstance(stated, Mapping) and stated:
            return stated
    return None


def published_format(model: Architecture, config: Mapping[str, Any]) -> StoredFormat:
    """The format that a config says its weights are stored in, as mean widths of the model's groups of tensors.

    Every matrix is matched, layer by layer, against the lists of exceptions; a group's width is the mean over its
    numbers and its products run in the format of most of them.

    Args:
        model: The decoder that the config describes.
        config: The whole config; `hf_quant_config.json` belongs under its `quantization_config`.
    """
    stated = quantisation_of(config)
    if stated is None:
        wide = str(config.get("torch_dtype") or config.get("dtype") or "").endswith("float32")
        return (
            replace(BF16, name="fp32", widths=tuple((group, Width(32, "fp32")) for group in _GROUPS)) if wide else BF16
        )
    scheme = scheme_of(stated, config)
    tally = _Tally()
    for stack in model.stacks:
        for step in (*stack.before, *stack.after):
            tally.add(step, _width(scheme, step, ""), 1)
        order = stack.order or tuple([0] * stack.depth)
        if scheme.by_layer:
            for index, kind in enumerate(order):
                for step in stack.layers[kind].steps:
                    tally.add(step, _width(scheme, step, f"layers.{index}."), 1)
        else:
            for layer in stack.layers:
                for step in layer.steps:
                    tally.add(step, _width(scheme, step, "layers.0."), layer.count)
    return StoredFormat(scheme.name, tuple(tally.means()), scheme.basis, scheme.notes)


def _width(scheme: Scheme, step: Step, place: str) -> Width:
    group = group_of(step)
    names = [f"{place}{name}" for name in matrix_names(step)]
    for targets, width in scheme.targeted:
        if targets.hold_any(names):
            return width
    if group not in scheme.widths or scheme.ignored.hold_any(names):
        return Width(scheme.plain_bits)
    return scheme.widths[group]


@dataclass(slots=True)
class _Tally:
    """Numbers and bits of every group, and how many of its numbers run in which format."""

    numbers: Counter[Group]
    bits: dict[Group, float]
    computes: dict[Group, Counter[tuple[str, int]]]

    def __init__(self) -> None:
        self.numbers = Counter()
        self.bits = defaultdict(float)
        self.computes = defaultdict(Counter)

    def add(self, step: Step, width: Width, count: int) -> None:
        if not isinstance(step, Linear | Experts | Embedding):
            return
        group, numbers = group_of(step), count * step.parameters
        if isinstance(step, Linear) and step.tied:
            numbers = step.width_in * step.width_out  # read from the table: what its products run in still matters
        self.numbers[group] += numbers
        self.bits[group] += numbers * width.bits
        self.computes[group][width.compute, width.padded_to] += numbers

    def means(self) -> Iterator[tuple[Group, Width]]:
        for group, numbers in self.numbers.items():
            if numbers:
                (compute, padded), _ = self.computes[group].most_common(1)[0]
                yield group, Width(self.bits[group] / numbers, compute, padded)
