"""Weights left out of a model: what that saves in memory and time, and what hardware makes nothing of."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from profiling.devices.accelerators import Accelerator
from profiling.errors import InvalidWorkload
from profiling.models.architecture import Architecture
from profiling.models.stored import TWO_OF_FOUR_INDEX_BITS
from profiling.models.variants import structurally_pruned
from profiling.roofline.workload import Precision, Values

Kind = Literal["unstructured", "2:4", "structured"]
_WRITTEN = re.compile(r"(?P<kind>unstructured|structured)[- ]?(?P<share>\d{1,2}(?:\.\d+)?) ?%?")


@dataclass(frozen=True, slots=True)
class Pruning:
    """Which weights are left out, and how many of all in blocks (tables and head stay)."""

    kind: Kind
    share: float

    def of(self, model: Architecture) -> Architecture:
        """The model that is left: smaller where whole rows and columns go, else of the same shape."""
        return structurally_pruned(model, self.share) if self.kind == "structured" else model

    def stored(self, precision: Precision) -> Precision:
        """Widths as loaded: of 2:4 half of the weights and their indices; scattered zeros are loaded like others."""
        if self.kind != "2:4":
            return precision

        def remaining_bits(bits: Values | None) -> Values | None:
            return None if bits is None else (bits + TWO_OF_FOUR_INDEX_BITS) / 2

        embedding = precision.embedding
        return replace(
            precision, weight_bits=(precision.weight_bits + TWO_OF_FOUR_INDEX_BITS) / 2, embedding_bits=embedding,
            head_bits=precision.head, expert_bits=remaining_bits(precision.expert_bits),
            attention_weight_bits=remaining_bits(precision.attention_weight_bits), two_of_four=True,
        )  # fmt: skip

    def note(self, device: Accelerator) -> str:
        """What the device makes of it."""
        if self.kind == "structured":
            return f"Structured pruning: {100 * self.share:.0f} % of every feed-forward block is gone, on every device."
        if self.kind == "2:4":
            used = (
                "multiplies them at twice the rate where the engine has kernels for it"
                if device.computes_two_of_four
                else "has no units for it"
            )
            return f"2:4: half of the weights are kept, each with two bits for its position; {device.name} {used}."
        return (
            f"Unstructured pruning: {100 * self.share:.0f} % of the weights are zero, but loaded and multiplied like "
            "others: no hardware here skips them, so memory and time stay; only a compressed file is smaller."
        )


def pruning_of(text: str) -> Pruning:
    """The pruning that a text states.

    Raises:
        InvalidWorkload: It states none; the message says how one is written.
    """
    name = text.strip().casefold()
    if name in {"2:4", "2-4", "2of4"}:
        return Pruning("2:4", 0.5)
    match = _WRITTEN.fullmatch(name)
    if match is None:
        raise InvalidWorkload(f"no pruning {text!r}; write 2:4, unstructured-50% or structured-30%")
    kind: Kind = "structured" if match["kind"] == "structured" else "unstructured"
    return Pruning(kind, float(match["share"]) / 100)
