"""The format a checkpoint is published in, from its `quantization_config` or `hf_quant_config.json`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from profiling.models.architecture import Architecture
from profiling.models.module_names import expert_names, matrix_names
from profiling.models.scheme import Scheme
from profiling.models.schemes import scheme_of
from profiling.models.steps import Embedding, Experts, Linear, Step
from profiling.models.stored import BF16, Group, StoredFormat, Width, group_of

_GROUPS: tuple[Group, ...] = ("attention", "feed_forward", "experts", "other", "embedding", "head")


TEXT_PARTS = ("text_config", "llm_config", "language_config", "thinker_config")
"""Where configs of several towers keep what describes the text decoder."""


def quantisation_of(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The part of a config that says how weights are stored, at the top or in the text part; None: plain numbers."""
    for part in (config, *(config.get(name) for name in TEXT_PARTS)):
        if not isinstance(part, Mapping):
            continue
        stated = part.get("quantization_config") or part.get("quantization") or part.get("compression_config")
        if isinstance(stated, Mapping) and stated:
            inner = stated.get("quantization")  # ModelOpt's own file, copied whole
            return {**stated, **inner} if isinstance(inner, Mapping) else stated
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
    tally = _Tally(model.model_type)
    for stack in model.stacks:
        for step in (*stack.before, *stack.after):
            tally.add_all(scheme, step, "", 1)
        order = stack.order or tuple([0] * stack.depth)
        if scheme.by_layer:
            for index, kind in enumerate(order):
                for step in stack.layers[kind].steps:
                    tally.add_all(scheme, step, f"layers.{index}.", 1)
        else:
            for layer in stack.layers:
                for step in layer.steps:
                    tally.add_all(scheme, step, "layers.0.", layer.count)
    return StoredFormat(scheme.name, tuple(tally.means()), scheme.basis, scheme.notes, scheme.doubt)


def _width(scheme: Scheme, group: Group, names: Sequence[str]) -> Width:
    """The width of a matrix by its names: what is left out comes before what is targeted."""
    if scheme.ignored.hold_any(names):
        return Width(scheme.plain_bits)
    target_width = next((width for targets, width in scheme.targeted if targets.hold_any(names)), None)
    return target_width or scheme.widths.get(group, Width(scheme.plain_bits))


@dataclass(slots=True)
class _Tally:
    """Numbers and bits of every group, and how many of its numbers run in which format."""

    model_type: str
    numbers: dict[Group, float]
    bits: dict[Group, float]
    computes: dict[Group, dict[tuple[str, int], float]]

    def __init__(self, model_type: str) -> None:
        self.model_type = model_type
        self.numbers = defaultdict(float)
        self.bits = defaultdict(float)
        self.computes = defaultdict(lambda: defaultdict(float))

    def add_all(self, scheme: Scheme, step: Step, place: str, count: int) -> None:
        """The matrices of a step, those of experts side by side: formats may tell gate, up and down apart."""
        if not isinstance(step, Linear | Experts | Embedding):
            return
        group, numbers = group_of(step), count * step.parameters
        if isinstance(step, Linear) and step.tied:
            numbers = step.width_in * step.width_out  # read from the table: what its products run in still matters
        sides = expert_names(step, self.model_type) if isinstance(step, Experts) else (matrix_names(step),)
        for names in sides:
            self.add(group, numbers / len(sides), _width(scheme, group, [f"{place}{name}" for name in names]))

    def add(self, group: Group, numbers: float, width: Width) -> None:
        self.numbers[group] += numbers
        self.bits[group] += numbers * width.bits
        self.computes[group][width.compute, width.padded_to] += numbers

    def means(self) -> Iterator[tuple[Group, Width]]:
        for group, numbers in self.numbers.items():
            if numbers:
                compute, padded = max(self.computes[group], key=self.computes[group].__getitem__)
                yield group, Width(self.bits[group] / numbers, compute, padded)
