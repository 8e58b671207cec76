"""Which link between devices a split of a model waits for."""

from __future__ import annotations

from dataclasses import replace

from profiling.devices.accelerators import Accelerator
from profiling.devices.fleet import Link, link_across
from profiling.roofline.workload import Parallelism

_LARGEST_MACHINE = 8
_PCIE_BYTES_PER_S = 50e9
"""What PCIe 5 x16 moves per direction in practice."""


def link_of(accelerator: Accelerator, split: Parallelism) -> Link:
    """The slowest link of a split: that of the devices that hold a layer together; for stages alone that of the node.

    Where cards are joined in groups smaller than eight (bridges, PCIe switches), up to eight of them are taken as one
    machine whose groups meet over PCIe: boards of two processors hold as many.

    Raises:
        InvalidWorkload: They cannot be joined, or the link is not known.
    """
    ways = split.ways if split.ways > 1 else min(split.devices, accelerator.node_size)
    if accelerator.node_size < ways <= _LARGEST_MACHINE and accelerator.link_kind != "none":
        within = link_across(accelerator, accelerator.node_size)
        return replace(within, bytes_per_s=min(within.bytes_per_s, _PCIE_BYTES_PER_S))
    return link_across(accelerator, ways)
