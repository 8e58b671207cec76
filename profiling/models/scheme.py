"""What a quantiser's config comes to: a width for each group of matrices, names left out, names with their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from profiling.models.module_names import Names
from profiling.models.stored import Group, Width

MATRICES: tuple[Group, ...] = ("attention", "feed_forward", "experts")
_LEFT_OUT = "names left out"
MICRO_TILE = 256
"""vLLM and TensorRT-LLM fill 4-bit micro-scaled experts up to multiples of 256 (2,880 of gpt-oss becomes 3,072)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How matrices are stored: a width for each group that is covered, exceptions, and widths for named modules."""

    name: str
    widths: Mapping[Group, Width]
    ignored: Names = field(default_factory=lambda: Names(()))
    targeted: Sequence[tuple[Names, Width]] = ()
    plain_bits: float = 16
    basis: str = ""
    notes: tuple[str, ...] = ()
    doubt: float = 0.0
    """Share of the weights that may come on top: scales that are not stated, matrices that stay wide."""

    @property
    def by_layer(self) -> bool:
        """Whether layers have to be told apart."""
        return self.ignored.by_layer or any(targets.by_layer for targets, _ in self.targeted)


def all_of(width: Width, groups: Sequence[Group] = MATRICES) -> dict[Group, Width]:
    """The same width for each of these groups."""
    return dict.fromkeys(groups, width)


def names_of(*values: object) -> tuple[Names, tuple[str, ...]]:
    """A list of modules from whatever states it, and a note where a copy of the config says that it left it out."""
    names: list[str] = []
    notes: list[str] = []
    for value in values:
        if isinstance(value, str) and _LEFT_OUT in value:
            notes.append("the list of matrices that stay at 16 bits is not at hand; the usual ones are taken to")
        elif isinstance(value, str):
            names.append(value)
        elif isinstance(value, Sequence):
            names += [str(each) for each in value]
    return Names(names), tuple(notes)


def integer(stated: Mapping[str, Any], *names: str, default: int) -> int:
    """The first of these fields that is a number other than 0."""
    for name in names:
        value = stated.get(name)
        if isinstance(value, str) and value.strip().isdigit():
            value = int(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and value:
            return int(value)
    return default


def grouped(bits: int, group: int, *, zero_bits: int, scale_bits: int = 16) -> float:
    """Bits per number with a scale (and zero point) per group; −1 or 0: one per row, which is negligible."""
    return bits + ((scale_bits + zero_bits) / group if group > 0 else 0)


def own_widths(
    entries: Mapping[str, Any], width_of: Callable[[Mapping[str, Any]], Width | None], mark: str = ""
) -> tuple[list[str], list[tuple[Names, Width]]]:
    """Modules with a width of their own: those that stay whole (no width), and the others by width, first come first.

    Args:
        entries: What is said of each module.
        width_of: The width that an entry describes; None: the module stays at 16 bits.
        mark: Put before names that are regular expressions without saying so.
    """
    whole: list[str] = []
    own: list[tuple[Names, Width]] = []
    for module, how in entries.items():
        name = str(module) if str(module).startswith("re:") else f"{mark}{module}"
        width = width_of(how) if isinstance(how, Mapping) else None
        if width is None:
            whole.append(name)
        else:
            own.append((Names([name]), width))
    return whole, own


ALGORITHMS: Mapping[str, Width] = {
    "FP8": Width(8, "fp8"), "FP8_PER_CHANNEL_PER_TOKEN": Width(8, "fp8"), "FP8_PB_WO": Width(8, "fp16"),
    "FP8_PB_REAL": Width(8, "fp8"), "FP8_BLOCK_SCALES": Width(8 + 32 / 128**2, "fp8", 128),
    "NVFP4": Width(4.5, "fp4", MICRO_TILE), "NVFP4_AWQ": Width(4.5, "fp4", MICRO_TILE),
    "W4A16_NVFP4": Width(4.5, "fp16", MICRO_TILE), "W4A8_NVFP4_FP8": Width(4.5, "fp8", MICRO_TILE),
    "MXFP8": Width(8.25, "fp8"), "MXFP4": Width(4.25, "fp16", MICRO_TILE),
    "W4A8_MXFP4_FP8": Width(4.25, "fp8", MICRO_TILE), "W4A16_AWQ": Width(4.125, "fp16", 64),
    "INT4_AWQ": Width(4.125, "fp16", 64), "W4A8_AWQ": Width(4.125, "fp8", 64), "INT8_SQ": Width(8, "int8"),
    "W8A8_SQ_PER_CHANNEL": Width(8, "int8"), "W8A16": Width(8, "fp16"), "W4A16": Width(4.125, "fp16", 64),
}  # fmt: skip
"""ModelOpt's algorithms."""
