"""Where layers and experts of a model lie, what each device then holds and does, and the flags that ask for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from profiling.answers.door import Door
from profiling.devices.accelerators import GIB, Accelerator
from profiling.devices.fleet import Fleet
from profiling.errors import InvalidWorkload
from profiling.memory.engines import default_engine
from profiling.memory.need import MemoryNeed, Verdict
from profiling.models.architecture import Architecture
from profiling.roofline.whole import PassTime

_HOST = {"llama.cpp": "Core-i7-14700K (DDR5-5600)", "vllm-v1": "EPYC-9554 (DDR5-4800)"}
"""Processor that is taken where only its memory is stated, by what people run on the card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Layers and experts that stay in the memory of the machine, counted from the bottom; both 0: none."""

    cpu_layers: int = 0
    """Whole layers, with their cache: llama.cpp's `--n-gpu-layers` is the number of the others."""
    cpu_expert_layers: int = 0
    """Layers whose routed experts alone stay: llama.cpp's `--n-cpu-moe`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one device holds and does."""

    device: Accelerator
    model: Architecture
    layers: int
    """Layers that it runs, whole or without their experts."""
    need: MemoryNeed
    step: PassTime
    """Its share of a decode step."""
    is_host: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The answer for one placement.

    Attributes:
        pieces: Cards in the order that data passes through them; the processor last.
        placement: What the processor holds.
        step: A decode step through all of them.
        first: A prompt through all of them; None where no prompt was asked about.
        batch: Sequences in flight.
        layers: Layers of the model.
    """

    fleet: Fleet
    pieces: tuple[Piece, ...]
    placement: Placement
    step: PassTime
    first: PassTime | None
    batch: int
    layers: int
    cpu_moe: int = 0
    """llama.cpp's `--n-cpu-moe`: it counts the layers below the first experts too."""

    @property
    def verdict(self) -> Verdict:
        """That of the piece that fits worst."""
        verdicts = {piece.need.verdict for piece in self.pieces}
        return "does not fit" if "does not fit" in verdicts else "borderline" if "borderline" in verdicts else "fits"

    @property
    def tokens_per_s(self) -> tuple[float, float, float]:
        """Low, likely and high rate of all sequences together."""
        times = (self.step.high_s, self.step.likely_s, self.step.low_s)
        low, likely, high = (self.batch / float(each) for each in times)
        return low, likely, high

    @property
    def host(self) -> Piece | None:
        """What the processor does."""
        return next((piece for piece in self.pieces if piece.is_host), None)

    @property
    def flags(self) -> str:
        """The flags of llama.cpp that place the model so; empty where its defaults do."""
        gpu_layers = self.layers - self.placement.cpu_layers
        flags = [f"-ngl {gpu_layers if self.placement.cpu_layers else 99}"]
        if self.cpu_moe:
            flags.append(f"--n-cpu-moe {self.cpu_moe}")
        cards = [piece for piece in self.pieces if not piece.is_host]
        if len(cards) > 1:
            flags.append(f"-ts {','.join(str(piece.layers) for piece in cards)}")
        return " ".join(flags)

    @property
    def words(self) -> str:
        """Where the layers and experts lie, for reading."""
        host = self.host
        if host is None:
            cards = (f"{piece.layers} on {piece.device.name}" for piece in self.pieces)
            return f"{self.layers} layers: {', '.join(cards)}"
        in_memory = f"{float(host.need.weights) / GIB:.1f} GiB in system memory"
        if self.placement.cpu_layers:
            return f"{self.placement.cpu_layers} of {self.layers} layers, {in_memory}"
        if self.placement.cpu_expert_layers:
            return f"experts of {self.placement.cpu_expert_layers} of {self.layers} layers, {in_memory}"
        return "all on the card"

    def row(self) -> dict[str, object]:
        """One flat row; memory of the fullest card and of the machine, in GiB."""
        low, likely, high = self.tokens_per_s if self.verdict != "does not fit" else (None, None, None)
        cards = [piece for piece in self.pieces if not piece.is_host]
        fullest = max(cards, key=lambda piece: float(piece.need.high) / float(piece.need.budget), default=None)
        host, runs = self.host, self.verdict != "does not fit"
        return {
            "machine": self.fleet.name,
            "verdict": self.verdict,
            "layers": self.layers,
            "layers_per_card": ", ".join(str(piece.layers) for piece in cards),
            "cpu_layers": self.placement.cpu_layers,
            "cpu_expert_layers": self.placement.cpu_expert_layers,
            "fullest_card": fullest.device.name if fullest else None,
            "card_memory_low_gib": float(fullest.need.low) / GIB if fullest else None,
            "card_memory_high_gib": float(fullest.need.high) / GIB if fullest else None,
            "card_budget_gib": float(fullest.need.budget) / GIB if fullest else None,
            "host": host.device.name if host else None,
            "host_memory_low_gib": float(host.need.low) / GIB if host else None,
            "host_memory_high_gib": float(host.need.high) / GIB if host else None,
            "host_budget_gib": float(host.need.budget) / GIB if host else None,
            "tokens_per_s_low": low,
            "tokens_per_s": likely,
            "tokens_per_s_high": high,
            "card_share_of_time": (
                sum(float(piece.step.likely_s) for piece in cards) / float(self.step.likely_s) if runs else None
            ),
            "time_to_first_token_s": float(self.first.likely_s) if self.first is not None and runs else None,
            "flags": self.flags,
        }  # fmt: skip


def host_of(door: Door, card: Accelerator, memory_gib: float, name: str | None = None) -> tuple[Accelerator, str]:
    """The processor beside a card with its memory, and what was assumed of it.

    Args:
        door: Whose devices.
        card: The card.
        memory_gib: Memory of the machine in GiB.
        name: The processor as people name it; None: a common one is taken, and the second answer says which.

    Raises:
        UnknownAccelerator: The name means none, or several.
        InvalidWorkload: It is no processor, or there is no memory.
    """
    if memory_gib <= 0:
        raise InvalidWorkload("the size of system memory is not known; state it in GiB")
    if name is None:
        usual = _HOST["vllm-v1" if default_engine(card) == "vllm-v1" else "llama.cpp"]
        device = door.device(usual)
        note = (
            f"The processor is taken as {usual}, {device.bandwidth_bytes_per_s / 1e9:.0f} GB/s, as none was named; "
            "its bandwidth determines the speed."
        )
    else:
        device, note = door.device(name), ""
        if device.kind != "cpu":
            raise InvalidWorkload(f"{device.name} is not a processor; name one such as {_HOST['llama.cpp']!r}")
    return replace(device, memory_bytes=memory_gib * GIB, reported_memory_bytes=memory_gib * GIB), note
