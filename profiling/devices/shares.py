"""Parts of a card that a driver presents as cards of their own: MIG slices and vGPU shares.

MIG divides the memory of a card into eighths and its compute into sevenths, those of an A30 and an RTX PRO 6000 into
quarters: `3g.40gb` of an A100 with 80 GB has three of the seven and four of the eight (docs.nvidia.com, MIG user guide,
supported profiles). Bandwidth and cache follow the memory, peaks the compute. A vGPU has memory of its own and takes
turns for everything else (docs.nvidia.com, vGPU user guide, time-sliced vGPUs): alone it is as fast as the card.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from profiling.devices.device import GIGA, Accelerator

_SLICE = re.compile(r"(?:\bmig[ -]*)?\b(\d)g\.(\d+)gb(?:\+(?:me|gfx)(?:\.all)?)?\b")
_VGPU = re.compile(r"\b(?:grid )?([ahlptvm]\d+[a-z]?)-(\d{1,3})[abcq]\b")
_BOARDS = {"a100d": "a100 80gb", "v100d": "v100 32gb"}
"""Boards with twice the memory, as vGPU names them."""
_EIGHTHS = 8
_SLICED = ("A100", "A30", "A800", "H100", "H200", "H20", "H800", "GH200", "B200", "B300", "GB200", "GB300")
_IN_QUARTERS = ("A30", "RTX-PRO-6000-Blackwell")
_MEMORY_OF_COMPUTE: Mapping[int, Mapping[int, tuple[int, ...]]] = {
    7: {1: (1, 2), 2: (2,), 3: (4,), 4: (4,), 7: (8,)},
    4: {1: (2,), 2: (4,), 4: (8,)},
}
"""Memory slices that may come with each number of compute slices, by how many of these a card has."""
_LEAST_SEEN = 0.91
"""Of the eighth of an H200, 17.5 GiB, drivers were seen to give 16.0 (1g.18gb)."""


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a card, as its name says it."""

    card: str
    """The text without the part."""
    memory_gb: float
    compute_slices: int | None
    """None for a vGPU, which has all of them by turns."""


def share_in(text: str) -> Share | None:
    """The part of a card that a text in lower case names; None where it names whole devices."""
    if found := _SLICE.search(text):
        return Share(f"{text[: found.start()]} {text[found.end() :]}".strip(" -"), float(found[2]), int(found[1]))
    if found := _VGPU.search(text):
        card = f"{text[: found.start()]}{_BOARDS.get(found[1], found[1])}{text[found.end() :]}"
        return Share(card.strip(), float(found[2]), None)
    return None


def parts(share: Share, cards: Iterable[Accelerator]) -> list[Accelerator]:
    """That part of each of some cards that has it; boards with NVLink, where most slices are let, come first."""
    having = [card for card in cards if _has(share, card)]
    return [_part(share, card) for card in sorted(having, key=lambda card: card.link_kind != "nvlink")]


def _has(share: Share, card: Accelerator) -> bool:
    whole = card.memory_bytes / GIGA
    if card.vendor != "NVIDIA" or card.kind != "gpu" or share.memory_gb > whole * 1.01:
        return False
    if share.compute_slices is None:
        return True
    if not any(card.name == name or card.name.startswith(f"{name}-") for name in (*_SLICED, *_IN_QUARTERS)):
        return False
    # Sizes are printed in whole GB: of 141 an eighth is 18, two are 35 and four are 71.
    eighths = _eighths(share, card)
    exact = eighths * whole / _EIGHTHS
    return abs(share.memory_gb - exact) <= 0.51 and eighths in _MEMORY_OF_COMPUTE[_compute_slices(card)].get(
        share.compute_slices, ()
    )


def _eighths(share: Share, card: Accelerator) -> int:
    return round(share.memory_gb / (card.memory_bytes / GIGA) * _EIGHTHS)


def _compute_slices(card: Accelerator) -> int:
    return 4 if card.name.startswith(_IN_QUARTERS) else 7


def _part(share: Share, card: Accelerator) -> Accelerator:
    memory = (
        share.memory_gb * GIGA / card.memory_bytes if share.compute_slices is None else _eighths(share, card) / _EIGHTHS
    )
    reported = card.total_memory_bytes * memory
    if share.compute_slices is None:
        return replace(
            card, name=f"{card.name} vGPU {share.memory_gb:g}GB", memory_bytes=share.memory_gb * GIGA,
            reported_memory_bytes=reported, node_size=1, link_kind="none", link_bytes_per_s=None, in_grid=False,
            flags="a share by turns: as fast as the card while no other machine computes on it",
        )  # fmt: skip
    compute = share.compute_slices / _compute_slices(card)
    cache = card.last_level_cache_bytes
    return replace(
        card,
        name=f"{card.name} MIG {share.compute_slices}g.{share.memory_gb:g}gb",
        memory_bytes=card.memory_bytes * memory,
        reported_memory_bytes=reported,
        usable_fraction_range=(card.usable_fraction * _LEAST_SEEN, card.usable_fraction),
        bandwidth_bytes_per_s=card.bandwidth_bytes_per_s * memory,
        peaks={kind: peak * compute for kind, peak in card.peaks.items()},
        peaks_with_fp16_sums={kind: peak * compute for kind, peak in card.peaks_with_fp16_sums.items()},
        last_level_cache_bytes=None if cache is None else cache * memory,
        register_file_bytes=None if card.register_file_bytes is None else card.register_file_bytes * compute,
        power_w=None,
        link_bytes_per_s=None,
        link_kind="none",
        node_size=1,
        in_grid=False,
        flags=f"{share.compute_slices} of {_compute_slices(card)} compute slices and {_eighths(share, card)} of "
        f"{_EIGHTHS} memory slices of a card; its power is not that of the card",
    )
