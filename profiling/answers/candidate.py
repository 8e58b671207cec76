"""What somebody has and wants, and a model in a format that may be the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from profiling.answers.cache_flags import WHOLE
from profiling.answers.evidence import Lost, Measured
from profiling.answers.question import Question
from profiling.devices.accelerators import GIB
from profiling.devices.fleet import Fleet
from profiling.engines.time import Basis
from profiling.memory.engines import EngineStart
from profiling.memory.need import MemoryNeed
from profiling.memory.weights import weight_bytes
from profiling.models.architecture import Architecture
from profiling.models.format_names import kv_format
from profiling.roofline.workload import Workload

Verdict = Literal["runs", "slow", "needs offload", "needs more memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need(EngineStart):
    """What somebody has and wants.

    Attributes:
        accelerator: The device, by a name of the table.
        devices: How many of it.
        context: Tokens that have to fit, prompt and answer together.
        users: Concurrent requests.
        use: One of `USES`.
        engine: What runs the model; None: what people run on such a device.
        kv: Format of the KV cache, as `q8_0` or `fp8`.
        least_tokens_per_s: What each user has to get, by the likely value.
        host_memory_gib: Memory of the machine beside the device, for layers and experts that do not fit on it; 0: not
            known.
        host: The processor, by a name of the table; None: a common one, and the answer says which.
        fleet: Devices that are not alike, in place of `accelerator` and `devices`; None: they are alike.
    """

    accelerator: str
    devices: int = 1
    context: int = 32_768
    users: int = 1
    use: str = "chat"
    engine: str | None = None
    kv: str = WHOLE
    least_tokens_per_s: float = 8.0
    host_memory_gib: float = 0.0
    host: str | None = None
    fleet: Fleet | None = None

    @property
    def kv_bits(self) -> float:
        """Bits per cached number, scales included.

        Raises:
            UnsupportedPrecision: No such cache format.
        """
        return kv_format(self.kv)

    @property
    def machine(self) -> str:
        """The devices, for reading."""
        if self.fleet is not None:
            return self.fleet.name
        return self.accelerator if self.devices == 1 else f"{self.devices} × {self.accelerator}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model in a format on the machine asked for.

    Attributes:
        model_id: Its name.
        weight_format: How its weights are stored.
        ability: Estimate for the use, of the weights as published; with its interval and what it rests on.
        verdict: Whether it runs so, is slow, or needs what the machine lacks.
        tokens_per_s: Low, likely and high rate of one user; None where it does not run.
        time_to_first_token_s: Likely, for a prompt of 2,048 tokens.
        longest_context: Tokens that fit for sure.
        memory_gib: Low and high need per device.
        file_gib: Size of the weights.
        reason: Why the verdict is not `runs`, or which wider formats were ruled out.
    """

    model_id: str
    weight_format: str
    mode: str
    ability: float
    ability_low: float
    ability_high: float
    results: int
    evidence_class: str
    sources: str
    verdict: Verdict
    file_gib: float
    memory_gib: tuple[float, float]
    budget_gib: float
    tokens_per_s: tuple[float, float, float] | None = None
    time_to_first_token_s: float | None = None
    longest_context: int | None = None
    rests_on: str = ""
    basis: Basis | None = None
    """Measured passes of the engine that its speed was held against; None: none."""
    reason: str = ""
    run: str = ""
    check: str = ""
    lost: Lost | None = None
    """Points of ability that the formats of weights and cache cost; None: not known."""
    kv: str = WHOLE
    """Format of the KV cache."""
    measured: tuple[Measured, ...] = ()
    """What was measured of this model in weights of that range of bits, each beside its prediction."""
    question: Question | None = None
    """The step that was timed, as every page and command asks for it; None where layers lie on several kinds."""
    placement: str = ""
    """Where layers and experts lie, where not all of them lie on one kind of device."""

    @property
    def timed_as(self) -> str:
        """The stage of the accuracy tables that its speed was held against; empty: none."""
        return self.basis.stage if self.basis else ""

    @property
    def rate(self) -> float:
        """Likely tokens per second of one user; 0 where it does not run."""
        return self.tokens_per_s[1] if self.tokens_per_s else 0.0

    @property
    def ability_in_format(self) -> float:
        """The estimate less what the format costs, where that is known."""
        return self.ability - (self.lost.likely if self.lost else 0.0)

    @property
    def ability_basis(self) -> str:
        """What the ability in the format rests on: boards judged the model as it is published."""
        if self.lost is None:
            return f"as published; the loss in {self.stored} is not known"
        lost = self.lost
        if lost.high == 0:
            return "as published"
        return (
            f"{self.ability:.1f} as published, minus a predicted {lost.likely:.1f} (80 %: {lost.low:.1f} to "
            f"{lost.high:.1f}) for {self.stored if lost.holds_cache else self.weight_format}"
        )

    @property
    def stored(self) -> str:
        """The formats of weights and cache, for reading."""
        return self.weight_format if self.kv == WHOLE else f"{self.weight_format} with a {self.kv} cache"

    def row(self) -> dict[str, object]:
        """One flat row."""
        low, likely, high = self.tokens_per_s or (None, None, None)
        return {
            "model_id": self.model_id, "weight_format": self.weight_format, "kv_format": self.kv, "mode": self.mode,
            "verdict": self.verdict,
            "ability": self.ability, "ability_low": self.ability_low, "ability_high": self.ability_high,
            "ability_in_format": self.ability_in_format,
            "ability_lost_low": self.lost.low if self.lost else None,
            "ability_lost_high": self.lost.high if self.lost else None,
            "is_cache_counted": self.lost.holds_cache if self.lost else None,
            "loss_warnings": " ".join(self.lost.warnings) or None if self.lost else None,
            "measured_losses": "; ".join(loss.words for loss in self.measured) or None, "results": self.results,
            "evidence_class": self.evidence_class, "sources": self.sources,
            "file_size_gib": self.file_gib, "memory_low_gib": self.memory_gib[0],
            "memory_high_gib": self.memory_gib[1], "memory_budget_gib": self.budget_gib,
            "tokens_per_s_low": low, "tokens_per_s": likely, "tokens_per_s_high": high,
            "tokens_per_s_error_pct": self.basis.held_out.mdape_pct if self.basis else None,
            "tokens_per_s_measurements": self.basis.held_out.rows if self.basis else None,
            "speed_rests_on": self.rests_on,
            "time_to_first_token_s": self.time_to_first_token_s, "longest_context": self.longest_context,
            "timed_as": self.timed_as, "placement": self.placement, "reason": self.reason, "run": self.run,
            "check": self.check,
        }  # fmt: skip


def described(
    model: Architecture, weight_format: str, row: Mapping[str, object], workload: Workload, need: MemoryNeed,
    kv: str = WHOLE,
) -> Candidate:  # fmt: skip
    """A candidate that is not timed yet, its verdict `runs` until something speaks against it."""
    whole = float(weight_bytes(model, workload.precision)) / GIB
    return Candidate(
        model_id=model.name, weight_format=weight_format, mode=str(row["mode"]), ability=float(str(row["ability"])),
        ability_low=float(str(row["ability_low"])), ability_high=float(str(row["ability_high"])),
        results=int(str(row["results"])), evidence_class=str(row["evidence_class"]), sources=str(row["sources"] or ""),
        verdict="runs", file_gib=whole, memory_gib=(float(need.low) / GIB, float(need.high) / GIB),
        budget_gib=float(need.budget) / GIB, kv=kv,
    )  # fmt: skip
