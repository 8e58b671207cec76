"""How a checkpoint's weights are stored: bits of each group of tensors, and the numbers that products run in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from profiling.models.steps import Embedding, Experts, Linear, Step

Group = Literal["attention", "feed_forward", "experts", "other", "embedding", "head"]
"""Attention and states; dense and shared feed-forward blocks; routed experts; routers and other small matrices; input
tables; the output matrix."""

_FEED_FORWARD = ("gate", "up", "down", "low_rank_down", "low_rank_up", "shared_gate", "shared_up",
                 "shared_down", "per_layer_gate", "per_layer_projection")  # fmt: skip
_OTHER = ("router", "embedding_projection", "head_projection", "pooler", "per_layer_model_projection", "streams_out",
          "experts_down", "experts_up", "index_weights", "sink", "state_strength")  # fmt: skip
_OTHER_STARTS = ("router_", "stream_", "bottleneck_")
_OTHER_ENDS = ("_mix", "_scale_down", "_scale_up", "_kernel")


def group_of(step: Step) -> Group:
    """The group whose width a step's matrix has."""
    if isinstance(step, Embedding):
        return "embedding"
    if isinstance(step, Experts):
        return "experts"
    if not isinstance(step, Linear):
        return "other"
    if step.is_head:
        return "head"
    name = step.name
    # `shared_gate` of Qwen is one column that scales the shared block; elsewhere it is a matrix of that block.
    if name in _OTHER or name.startswith(_OTHER_STARTS) or name.endswith(_OTHER_ENDS) or step.width_out == 1:
        return "other"
    return "feed_forward" if name in _FEED_FORWARD or name.startswith(("up_", "down_")) else "attention"


@dataclass(frozen=True, slots=True)
class Width:
    """How one group of matrices is stored."""

    bits: float
    """Per number, scales and zero points included."""
    compute: str = "fp16"
    """Format of the products where the device has it: that of the numbers, not of numbers plus scales."""
    padded_to: int = 1
    """Engines fill rows and columns of such matrices up to a multiple of this."""


PLAIN = Width(16)
TWO_OF_FOUR_INDEX_BITS = 2
"""Bits per kept weight that say which two of four are kept (arXiv 2104.08378, section 3)."""


@dataclass(frozen=True, slots=True)
class StoredFormat:
    """A checkpoint's format: the mean width of every group of a model's tensors."""

    name: str
    widths: tuple[tuple[Group, Width], ...]
    basis: str = ""
    notes: tuple[str, ...] = ()
    doubt: float = 0.0
    """Share of the weights that may come on top, where the quantiser is not known here."""

    def of(self, group: Group) -> Width:
        """The width of a group; 16 bits where the format does not speak of it."""
        return next((width for name, width in self.widths if name == group), PLAIN)


_OF_SOME_MATRICES = frozenset({"mxfp4", "nvfp4", "mxfp8", "fp8", "w4a16", "w8a8"})
"""Formats that publishers apply to some matrices of a model and leave others at 16 bits, each in its own way."""


_SAME = {"fp8-dynamic": "fp8", "fp8_dynamic": "fp8", "w8a8-fp8": "fp8", "w8a8-int8": "w8a8"}
"""Other names of formats whose scales are as many: they say how activations are rounded."""


def means_published(form: str | None, published: StoredFormat) -> bool:
    """Whether a format that is asked for is that of the checkpoint as published.

    None is, and so is its name; so is `mxfp4` of a checkpoint with MXFP4 experts, which no other file has in all
    matrices.
    """
    if form is None:
        return True
    text, name = form.strip().casefold(), published.name.casefold()
    text = _SAME.get(text, text)
    kind = re.split(r"[ -]", name.removeprefix("int "), maxsplit=1)[0]
    is_alone = not set(name) & set(",+")
    return text == name or (is_alone and text == kind and text in _OF_SOME_MATRICES)


BF16 = StoredFormat("bf16", (), "the config states no quantisation")
