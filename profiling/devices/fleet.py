"""Several devices at work on one model, alike or not, and the links between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from profiling.devices.device import Accelerator
from profiling.errors import InvalidWorkload


@dataclass(frozen=True, slots=True)
class Link:
    """What devices that share a model exchange over."""

    bytes_per_s: float
    """Of a reduction over all of them, per device and direction."""
    latency_s: float
    """Of one reduction over several nodes, beyond what is counted per call within a node."""
    nodes: int
    """How many nodes the devices fill."""


HOP_WITHIN_A_NODE_S = 0.6e-6
"""Of a ring's step between neighbours in a node (NCCL's own figure for its low-latency protocol)."""


def link_across(device: Accelerator, devices: int) -> Link:
    """The link that so many alike devices exchange over: that of the node, or of the network beyond it.

    A reduction over several nodes runs in rings that pass every device; as many rings as a node has devices leave it,
    each over a network port of its own, so that all ports of a node carry it together. A ring of n devices in m nodes
    takes 2 (n - 1) steps, of which 2 m cross the network.

    Raises:
        InvalidWorkload: They cannot be joined, or nothing is known about the network between their nodes.
    """
    nodes = ceil(devices / device.node_size)
    if devices == 1:
        return Link(float("inf"), 0.0, 1)
    if device.link_kind == "none":
        raise InvalidWorkload(f"{device.name} has no link to others, so {devices} of them cannot be joined")
    if nodes == 1:
        if not device.link_bytes_per_s:
            raise InvalidWorkload(
                f"{device.name} has no known link bandwidth, so {devices} devices cannot be timed; "
                "add link_gb_per_s_per_direction to a user-defined accelerator"
            )
        return Link(device.link_bytes_per_s, 0.0, 1)
    if not device.between_nodes_bytes_per_s or device.between_nodes_latency_s is None:
        raise InvalidWorkload(
            f"{devices} x {device.name} fill {nodes} nodes of {device.node_size}, and the network between them is not "
            "known; add between_nodes_gb_per_s_per_direction and between_nodes_latency_us to a user-defined accelerator"
        )
    ports = device.node_size * device.between_nodes_bytes_per_s
    crossing = 2 * nodes
    latency = crossing * device.between_nodes_latency_s + (2 * (devices - 1) - crossing) * HOP_WITHIN_A_NODE_S
    return Link(min(device.link_bytes_per_s or ports, ports), latency, nodes)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Devices that hold one model together: kinds and how many of each, as `((3090, 1), (3060, 1))`."""

    parts: tuple[tuple[Accelerator, int], ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            InvalidWorkload: No device, or fewer than one of a kind.
        """
        if not self.parts or any(count < 1 for _, count in self.parts):
            raise InvalidWorkload("a fleet needs at least one device of each kind it names")

    @property
    def devices(self) -> tuple[Accelerator, ...]:
        """One entry per device."""
        return tuple(device for device, count in self.parts for _ in range(count))

    @property
    def is_mixed(self) -> bool:
        """Whether its devices differ: then layers are split, not matrices."""
        return len({device.name for device, _ in self.parts}) > 1

    @property
    def name(self) -> str:
        """As people write it: `2 x RTX-3090`, `RTX-3090 + RTX-3060-12GB`."""
        return " + ".join(device.name if count == 1 else f"{count} x {device.name}" for device, count in self.parts)

    @property
    def usable_memory_bytes(self) -> float:
        """Over all devices; what must lie on every one of them counts once per device."""
        return sum(device.usable_memory_bytes for device in self.devices)

    def layer_shares(self) -> tuple[float, ...]:
        """Share of the layers per device when they are dealt out by usable memory, as llama.cpp does by default."""
        whole = self.usable_memory_bytes
        return tuple(device.usable_memory_bytes / whole for device in self.devices)

    @property
    def link_bytes_per_s(self) -> float:
        """The slowest link to any of them; infinite for a single device.

        Raises:
            InvalidWorkload: A link is not known.
        """
        if len(self.devices) == 1:
            return float("inf")
        if not self.is_mixed:
            return link_across(self.devices[0], len(self.devices)).bytes_per_s
        links = [device.link_bytes_per_s for device, _ in self.parts]
        missing = [device.name for device, _ in self.parts if not device.link_bytes_per_s]
        if missing:
            raise InvalidWorkload(f"{missing[0]} has no known link, so {self.name} cannot be timed")
        return min(link for link in links if link)
