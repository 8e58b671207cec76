"""From analysis to advice: what would make a configuration faster, and by how much, with the interval of that change.

Each change is a question of its own, asked at the same door; the change of time is that of one token (or of one pass),
so that larger batches are compared fairly. Its interval takes the time that is saved to be as uncertain as the wider of
the two predictions: errors of one engine on one device go together, so that what stays as it was says nothing new.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from profiling.answers.answer import Answer
from profiling.answers.door import Door
from profiling.answers.question import Question
from profiling.devices.accelerators import GIB
from profiling.errors import ProfilingError
from profiling.memory.engines import engine_profile, runs_on
from profiling.roofline.operators import Operator
from profiling.roofline.workload import legal_tensor_ways

FASTER_MEMORY = 2.0
"""What bandwidth is multiplied by, to say what it is worth."""
_LLAMA_FORMATS = ("q8_0", "q4_k_m")
_SERVED = ("fp8", "awq-4bit-g128")


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """A change and what it brings.

    Attributes:
        kind: fuse, batch, weights, cache, context, memory or split.
        change: In words.
        ratio: Low, likely and high time of a token after the change over that before it.
        memory_gib: Most memory per device after it.
        verdict: Whether it fits then.
        costs: What is given up for it.
        operators: Seconds of every operator after the change, by its key.
    """

    kind: str
    change: str
    ratio: tuple[float, float, float]
    memory_gib: float
    verdict: str
    costs: str
    operators: Mapping[str, float]

    def row(self) -> dict[str, object]:
        """One flat row; changes of time in percent, negative where it gets faster."""
        low, likely, high = (100 * (each - 1) for each in self.ratio)
        return {
            "kind": self.kind, "change": self.change, "time_change_low_pct": low, "time_change_pct": likely,
            "time_change_high_pct": high, "memory_high_gib": self.memory_gib, "verdict": self.verdict,
            "costs": self.costs,
        }  # fmt: skip


def improvements(door: Door, question: Question) -> list[Improvement]:
    """What would help, the most first; left out is what makes it slower, does not fit, or cannot be asked about.

    Raises:
        ProfilingError: The question itself cannot be asked so.
    """
    base = door.answer(question)
    found = [fused] if (fused := _fused(base)) else []
    for kind, change, variant, costs in _changes(base):
        try:
            found.append(_improvement(base, door.answer(variant), kind, change, costs))
        except ProfilingError:
            continue
    device = base.device
    fast = replace(device, bandwidth_bytes_per_s=FASTER_MEMORY * device.bandwidth_bytes_per_s)
    change = f"memory {FASTER_MEMORY:g} times as fast ({fast.bandwidth_bytes_per_s / 1e9:,.0f} GB/s)"
    answer = door.with_device(fast).answer(base.question)
    found.append(_improvement(base, answer, "memory", change, "another device"))
    helping = (one for one in found if one.ratio[1] < 1 and one.verdict != "does not fit")
    return sorted(helping, key=lambda one: one.ratio[1])


def improvement_rows(door: Door, question: Question) -> pl.DataFrame:
    """`improvements` as a frame."""
    return pl.DataFrame([one.row() for one in improvements(door, question)], infer_schema_length=None)


def operator_improvement_rows(door: Door, question: Question) -> pl.DataFrame:
    """One row per operator: its share of the time, what binds it, and what the best change of each kind does to it.

    Columns `<kind>_pct` hold the change of the operator's own time per token in percent; `helps_most` names the kind
    that takes most off, and `change_of_whole_pct` what that is of the whole, with its interval: a saving as uncertain
    as that of the whole change.
    """
    base = door.answer(question)
    best: dict[str, Improvement] = {}
    for one in improvements(door, question):
        best.setdefault(one.kind, one)
    rows = []
    for entry in base.operators().iter_rows(named=True):
        before = entry["likely_s"] / _tokens(base)
        changes = {
            kind: 100 * (one.operators[entry["key"]] / before - 1)
            for kind, one in best.items()
            if before > 0 and entry["key"] in one.operators
        }
        helps = min(changes, key=lambda kind: changes[kind], default=None)
        rows.append({
            "place": entry["place"], "operator": entry["operator"], "share_pct": entry["share_pct"],
            "bound_by": entry["bound_by"], "helps_most": helps if helps and changes[helps] < -0.5 else None,
            **_change_of_pass(entry["share_pct"], None if helps is None else changes[helps], best.get(helps or "")),
            **{f"{kind}_pct": changes.get(kind) for kind in KINDS},
        })  # fmt: skip
    return pl.DataFrame(rows, infer_schema_length=None)


def _change_of_pass(share_pct: float, change_pct: float | None, one: Improvement | None) -> dict[str, float | None]:
    """What the change of an operator is of the whole, in percent: low, likely and high."""
    ends = ("low_", "", "high_")
    if one is None or change_pct is None:
        return {f"change_of_whole_{end}pct": None for end in ends}
    saved = 1 - one.ratio[1]
    return {
        f"change_of_whole_{end}pct": share_pct * change_pct / 100 * (1 - ratio) / saved
        for end, ratio in zip(ends, one.ratio, strict=True)
    }


KINDS = ("fuse", "batch", "weights", "cache", "context", "memory", "split")


def _changes(base: Answer) -> Iterator[tuple[str, str, Question, str]]:
    """Kind, words, the changed question, and what it costs."""
    query, model = base.question, base.model
    is_pass = query.stage in {"prefill", "encode"}
    precision = base.estimate.workload.precision
    layered = query.engine is not None and runs_on(query.engine) in {"llama.cpp", "mlx"}
    for name in _LLAMA_FORMATS if layered else _SERVED:
        other = replace(query, weight_format=name, weight_bits=None, activation_bits=None)
        try:
            narrower = float(other.precision_of(model).weight_bits) < float(precision.weight_bits)
        except ProfilingError:
            continue
        if narrower:
            yield "weights", f"weights in {name}", other, "some quality: see the loss from quantisation"
    if model.kind != "encoder" and query.stage != "prefill":
        for bits in (8, 4):
            if bits < query.kv_bits:
                yield "cache", f"KV cache in {bits} bits", replace(query, kv_bits=bits), "some quality at long contexts"
    for factor in (2, 8):
        yield (
            "batch", f"batch {query.batch * factor:,}", replace(query, batch=query.batch * factor),
            "each sequence waits longer",
        )  # fmt: skip
    if query.context >= 2 and query.context // 2 > query.prefix:
        shorter = replace(query, context=query.context // 2)
        yield "context", f"half the context ({shorter.context:,} tokens)", shorter, "what the other half said"
    ways = [each for each in legal_tensor_ways(model, 8) if each in {2 * query.tensor, 4 * query.tensor}]
    dealt = query.engine is not None and engine_profile(query.engine).by_layers
    costs = "more devices; by default the engine deals out whole layers" if dealt else "more devices"
    for each in ways:
        yield "split", f"{each} devices share every layer", replace(query, tensor=each), costs
    if is_pass and query.attention == "naive":
        yield "fuse", "attention in one kernel (flash)", replace(query, attention="flash"), "nothing"


def _tokens(answer: Answer) -> float:
    """What one pass yields: a longer prompt or a larger batch does more."""
    workload = answer.estimate.workload
    sequences = float(workload.batch)
    return sequences * workload.tokens_per_step if workload.stage == "decode" else sequences


def _improvement(base: Answer, found: Answer, kind: str, change: str, costs: str) -> Improvement:
    before, after = base.estimate.time, found.estimate.time
    scale = _tokens(base) / _tokens(found)
    likely = float(after.likely_s) / float(before.likely_s) * scale
    saved = 1 - likely
    ends = [
        1 - saved * max(float(getattr(one, end)) / float(one.likely_s) for one in (before, after)) if end == "high_s"
        else 1 - saved * min(float(getattr(one, end)) / float(one.likely_s) for one in (before, after))
        for end in ("low_s", "high_s")
    ]  # fmt: skip
    least = float(after.bound_s) / float(before.high_s) * scale
    low, high = max(min(ends), least), max(ends)
    each = {row["key"]: row["likely_s"] / _tokens(found) for row in found.operators().iter_rows(named=True)}
    return Improvement(
        kind=kind, change=change, ratio=(min(low, likely), likely, high),
        memory_gib=float(found.estimate.need.high) / GIB, verdict=found.estimate.fits, costs=costs, operators=each,
    )  # fmt: skip


def _fused(base: Answer) -> Improvement | None:
    """Element by element work done where its input is made: nothing of it is read, written or launched on its own.

    The likely change is all of it; the high end is none, where the engine does so already.
    """
    times = base.estimate.operators
    whole = sum(float(time.operator.count * time.prediction.likely_s) for time in times)
    operators = {
        _key(time.operator): float(time.operator.count * time.prediction.likely_s) / _tokens(base) for time in times
    }
    gone = [time for time in times if time.operator.operator_class == "elementwise"]
    saved = sum(float(time.operator.count * time.prediction.likely_s) for time in gone)
    if not saved or saved >= whole:
        return None
    widest = max(float(time.prediction.high_s) / float(time.prediction.likely_s) for time in gone)
    operators |= {_key(time.operator): 0.0 for time in gone}
    share = saved / whole
    return Improvement(
        kind="fuse", change=f"{len(gone)} kinds of element-by-element operators fused with the product before them",
        ratio=(max(1 - share * widest, 0.01), 1 - share, 1.0), memory_gib=float(base.estimate.need.high) / GIB,
        verdict=base.estimate.fits, costs="nothing; the high end applies to engines that already do this",
        operators=operators,
    )  # fmt: skip


def _key(operator: Operator) -> str:
    return f"{operator.place}/{operator.name}"
