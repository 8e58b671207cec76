"""Candidates of the Advisor whose layers lie in several memories: unlike cards, and the memory of the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from profiling.answers.candidate import Candidate, Need, Verdict, described
from profiling.answers.commands import PROMPT, commands
from profiling.answers.door import Door
from profiling.answers.placement import Split, host_of
from profiling.answers.split import best_split, longest_on, needs_on, placed
from profiling.answers.widest_format import Tried, widest
from profiling.devices.accelerators import Accelerator
from profiling.devices.fleet import Fleet
from profiling.errors import ProfilingError
from profiling.memory.engines import runs_on
from profiling.memory.need import kv_cache_bytes
from profiling.memory.weights import weight_bytes
from profiling.models.architecture import Architecture
from profiling.roofline.precisions import precision_for
from profiling.roofline.workload import Workload

LAYERED = "llama.cpp"
"""The engine that deals out layers to unlike devices and leaves layers and experts to the processor."""
SPLIT_BASIS = (
    "sum of the times of each device's part; no fit covers such splits, so intervals that include a processor are a "
    "fifth wider: two measured runs lie in them"
)


@dataclass(frozen=True, slots=True)
class HostMemory:
    """The memory of the machine beside its cards, and what may use it."""

    fleet: Fleet
    host: Accelerator
    formats: tuple[str | None, ...]

    @classmethod
    def of(
        cls, door: Door, device: Accelerator, need: Need, formats: tuple[str | None, ...], notes: list[str]
    ) -> HostMemory | None:
        """What there is; None where the device has no memory of its own, or nothing is known of the machine's."""
        if device.unified_memory or device.kind != "gpu":
            return None
        if not need.host_memory_gib:
            notes.append("No layers or experts were placed in system memory, since its size is not given.")
            return None
        if need.options:
            notes.append(
                "Where layers or experts are in system memory, the engine is assumed to run with its default options."
            )
        host, note = host_of(door, device, need.host_memory_gib, need.host)
        notes.extend([note] if note else [])
        return cls(need.fleet or Fleet(((device, need.devices),)), host, formats)

    def candidate(self, door: Door, model: Architecture, need: Need, row: Mapping[str, object]) -> Candidate | None:
        """The model in the widest format that cards and machine hold and that is fast enough, else in the fastest.

        None where no format fits.
        """
        room = self.fleet.usable_memory_bytes + self.host.usable_memory_bytes
        best: Candidate | None = None
        for weight_format in self.formats:
            try:
                precision = precision_for(model, weight_format, need.kv_bits)
                workload = Workload(batch=need.users, context=need.context, precision=precision)
                least = weight_bytes(model, workload.precision) + kv_cache_bytes(model, workload).low
                if float(least) > room:
                    continue
                split = best_split(door, model, self.fleet, workload, self.host, prompt=min(PROMPT, need.context))
            except ProfilingError:
                continue
            name = weight_format or model.published_format.name
            candidate = _of_split(model, name, row, workload, split, need, "needs offload")
            fast = candidate.tokens_per_s is not None and candidate.tokens_per_s[1] >= need.least_tokens_per_s
            if best is None or candidate.rate > best.rate:
                best = candidate
            if fast:
                return candidate
        if best is None:
            return None
        slower = f"slower than {need.least_tokens_per_s:g} tokens/s in every format that fits this way"
        return replace(best, reason=slower)


def _of_split(
    model: Architecture, weight_format: str, row: Mapping[str, object], workload: Workload, split: Split, need: Need,
    verdict: Verdict,
) -> Candidate:  # fmt: skip
    """A candidate whose layers lie in several memories; its memory is that of the fullest card."""
    cards = [piece for piece in split.pieces if not piece.is_host] or list(split.pieces)
    fullest = max(cards, key=lambda piece: float(piece.need.high) / float(piece.need.budget))
    low, likely, high = (rate / need.users for rate in split.tokens_per_s)
    engine = need.engine if need.engine and runs_on(need.engine) == LAYERED else LAYERED
    run, check = commands(
        model, weight_format, engine, fullest.device, context=need.context, users=need.users, flags=split.flags,
        kv=need.kv,
    )  # fmt: skip
    return replace(
        described(model, weight_format, row, workload, fullest.need, need.kv),
        verdict=verdict, tokens_per_s=(low, likely, high),
        time_to_first_token_s=None if split.first is None else float(split.first.likely_s),
        rests_on=SPLIT_BASIS, run=run, check=check, placement=split.words,
        longest_context=need.context,
    )  # fmt: skip


def on_unlike(
    door: Door, model: Architecture, fleet: Fleet, formats: Sequence[str | None], need: Need, row: Mapping[str, object]
) -> Candidate:
    """The widest format that unlike devices hold by layers and that is fast enough.

    Raises:
        UnsupportedPrecision: None of the formats can be used.
        IllegalParallelism: The model cannot be dealt out so.
    """

    def look(weight_format: str | None) -> Tried[Workload]:
        precision = precision_for(model, weight_format, need.kv_bits)
        workload = Workload(batch=need.users, context=need.context, precision=precision)
        needs = needs_on(door, model, fleet, workload)
        fullest = max(needs, key=lambda need: float(need.high) / float(need.budget))
        candidate = described(model, weight_format or model.published_format.name, row, workload, fullest, need.kv)
        return Tried(candidate, all(need.verdict == "fits" for need in needs), workload, " on its fullest card")

    def timed(looked: Tried[Workload]) -> Candidate:
        split = placed(door, model, fleet, looked.inputs, prompt=min(PROMPT, need.context))
        answer = _of_split(model, looked.candidate.weight_format, row, looked.inputs, split, need, "runs")
        longest = min(longest_on(door, model, fleet, looked.inputs), model.max_position or 2**20)
        return replace(answer, longest_context=longest)

    return widest(formats, look, timed, need.least_tokens_per_s, narrower_is_better=True)
