"""The Advisor: which model, in which format, for a machine and a use; chosen by evidence, with what was ruled out.

Models are looked at from the ablest down. Of each the widest format that fits the machine at the context asked for
and keeps the speed asked for is taken, so that quality is given up only for what the machine cannot do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import hypot

import polars as pl

from analytics.quantisation.recipes import UNMEASURED_TASKS
from analytics.statistics.normal import TWO_SIDED_90, TWO_SIDED_95
from profiling.answers.advise_split import LAYERED, HostMemory, on_unlike
from profiling.answers.answer import Answer
from profiling.answers.cache_flags import WHOLE, cache_flags
from profiling.answers.candidate import Candidate, Need, Verdict, described
from profiling.answers.commands import PROMPT, commands, unset_options
from profiling.answers.door import Door
from profiling.answers.evidence import Evidence, Lost, in_format
from profiling.answers.question import Question, split_over
from profiling.answers.widest_format import Tried, widest
from profiling.devices.accelerators import Accelerator
from profiling.devices.fleet import Fleet
from profiling.engines.families import reads
from profiling.engines.formats import FORMATS, formats_of
from profiling.errors import InvalidWorkload, ProfilingError, UnsupportedPrecision
from profiling.memory.engines import borrowed, cannot_run, default_engine, runs_on
from profiling.memory.need import max_context, memory_need
from profiling.models.architecture import Architecture
from profiling.roofline.estimate import estimate
from profiling.roofline.precisions import least_weight_bytes, precision_for
from profiling.roofline.workload import Workload

USES: Mapping[str, str] = {
    "chat": "overall", "coding": "coding", "agents": "agents", "maths": "maths", "long documents": "overall",
}  # fmt: skip
"""Uses, and the domain of ability that each is judged by."""
_LOSS_BEYOND_KNOWLEDGE: Mapping[str, str] = {
    "coding": "The loss per format is estimated from knowledge tests; code may lose more.",
    "maths": "The loss per format is estimated from knowledge tests; long reasoning may lose more.",
    "agents": f"The loss per format is estimated from knowledge tests. {UNMEASURED_TASKS['tool use']}",
    "long documents": f"The loss per format is estimated from knowledge tests. {UNMEASURED_TASKS['long context']}",
}
"""What must be said of the loss of a format, by use."""
CACHE_TASKS: Mapping[str, str] = {
    "chat": "knowledge", "coding": "code", "agents": "tool use", "maths": "maths", "long documents": "long context",
}  # fmt: skip
"""Kind of task that a narrow cache is asked about, by use."""
_ORDER: tuple[Verdict, ...] = ("runs", "slow", "needs offload", "needs more memory")
_MOST_NAMED = 4
_NAMES_OF_FILES = (
    "Commands name quantised files and checkpoints as they are usually called; on the hub their publishers' names "
    "stand before these."
)
_MOST_SHOWN = {"runs": 12, "slow": 5, "needs offload": 5, "needs more memory": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """The answer: candidates by group, best first, and what should be known beside them."""

    need: Need
    engine: str
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = field(default=())

    def of(self, verdict: Verdict) -> list[Candidate]:
        """Candidates of one group."""
        return [candidate for candidate in self.candidates if candidate.verdict == verdict]

    @property
    def best(self) -> Candidate | None:
        """The first that runs."""
        return next(iter(self.of("runs")), None)

    @property
    def within_noise(self) -> list[Candidate]:
        """Others that run and are behind the best by no more than both their errors, taken as independent, explain.

        At 95 %, as wherever else two models are compared; the intervals of abilities hold 90 %.
        """
        best = self.best
        if best is None:
            return []
        below, wider = best.ability_in_format - best.ability_low, TWO_SIDED_95 / TWO_SIDED_90

        def is_within(candidate: Candidate) -> bool:
            behind = best.ability_in_format - candidate.ability_in_format
            return behind <= wider * hypot(below, candidate.ability_high - candidate.ability_in_format)

        return [candidate for candidate in self.of("runs")[1:] if is_within(candidate)]


def advise(door: Door, evidence: Evidence, need: Need, formats: Sequence[str | None] = ()) -> Advice:
    """The best models for a need, with speed, memory and evidence, and what was ruled out and why.

    Args:
        door: Whose facts.
        evidence: What is known of quality.
        need: What somebody has and wants.
        formats: Weight formats to choose from, widest first; those of the engine where none is given.

    Raises:
        InvalidWorkload: The use is not known, a number cannot be, or the engine has no such cache.
        UnknownAccelerator: The device is not known.
        UnsupportedPrecision: No compute rate of the device is published; the message says how to ask all the same.
    """
    if need.use not in USES:
        raise InvalidWorkload(f"unknown use {need.use!r}; known: {', '.join(USES)}")
    device = door.device(need.accelerator)
    _require_rate(device)
    engine = need.engine or (LAYERED if need.fleet else default_engine(device))
    if need.fleet is not None and runs_on(engine) != LAYERED:
        raise InvalidWorkload(f"{need.machine} is split by layers, which llama.cpp does; {engine} needs devices alike")
    cache_flags(engine, need.kv)
    if need.fleet is not None and need.options:
        raise InvalidWorkload(f"{need.machine} is split by layers, for which engine options are not supported")
    choices = tuple(formats) or formats_of(engine)
    notes = [f"Engine: {engine}, {'as asked' if need.engine else f'the usual one for {need.machine}'}."]
    notes += [*borrowed(engine), *([old] if (old := cannot_run(engine, device)) else [])]
    notes += unset_options(engine, need.options)
    host_memory = HostMemory.of(door, device, need, tuple(formats) or FORMATS[LAYERED], notes)
    room = (need.fleet or Fleet(((device, need.devices),))).usable_memory_bytes
    candidates: list[Candidate] = []
    counts = dict.fromkeys(_ORDER, 0)
    out = _LeftOut(engine)
    for row, model in _judged(door, evidence, need, out):
        offloads = host_memory is not None and counts["needs offload"] < _MOST_SHOWN["needs offload"]
        shows_larger = offloads or counts["needs more memory"] < _MOST_SHOWN["needs more memory"]
        if not shows_larger and all(least_weight_bytes(model, each) > room for each in choices):
            continue
        candidate = _candidate(door, model, device, engine, choices, need, row)
        if candidate.verdict == "needs more memory" and host_memory and offloads:
            candidate = host_memory.candidate(door, model, need, row) or candidate
        lost = evidence.lost(model, candidate.weight_format, need.kv_bits, CACHE_TASKS[need.use])
        candidate = replace(_with_loss(candidate, lost), measured=evidence.measured(model, candidate.weight_format))
        if counts[candidate.verdict] < _MOST_SHOWN[candidate.verdict]:
            candidates.append(candidate)
        counts[candidate.verdict] += 1
        if counts["runs"] >= _MOST_SHOWN["runs"]:
            break
    candidates.sort(key=lambda candidate: (_ORDER.index(candidate.verdict), -candidate.ability_in_format))
    commands = [(candidate.model_id, candidate.run) for candidate in candidates if candidate.run]
    if any(model_id not in run and not run.startswith("#") for model_id, run in commands):
        notes.append(_NAMES_OF_FILES)
    notes += out.notes
    notes += _not_known(evidence, need, candidates)
    return Advice(need=need, engine=engine, candidates=tuple(candidates), notes=tuple(notes))


def _require_rate(device: Accelerator) -> None:
    if not device.peaks:
        memory, bandwidth = device.usable_memory_bytes / 1e9, device.bandwidth_bytes_per_s / 1e9
        raise UnsupportedPrecision(
            f"no compute rate of {device.name} is published; with the usual one for its bandwidth ask about "
            f'"other: {memory:.0f} GB at {bandwidth:.0f} GB/s"'
        )


def _not_known(evidence: Evidence, need: Need, candidates: Sequence[Candidate]) -> Iterator[str]:
    """What the evidence does not say of such a need."""
    if evidence.losses is None:
        yield "The loss from each format is left out: no measured losses are known."
    elif need.use in _LOSS_BEYOND_KNOWLEDGE and any(candidate.lost and candidate.lost.high for candidate in candidates):
        yield _LOSS_BEYOND_KNOWLEDGE[need.use]
    for why in evidence.unknown_cache(need.kv_bits, CACHE_TASKS[need.use]):
        yield f"The loss from a {need.kv} cache is left out. {why}"
    best = next((candidate for candidate in candidates if candidate.verdict == "runs"), None)
    if need.kv != WHOLE and best is not None and best.lost is not None and best.lost.holds_cache:
        yield from best.lost.warnings
    if evidence.abilities.is_empty():
        yield "No abilities are known: run `skyline refresh` with boards, or name a model."


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """Open models that are not looked at: those whose shapes are not known, and those that the engine does not read."""

    engine: str
    without_shapes: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def notes(self) -> list[str]:
        notes = [_not_looked_at(self.without_shapes)] if self.without_shapes else []
        more = ", and more" if len(self.unread) > _MOST_NAMED else ""
        names = f"{', '.join(self.unread[:_MOST_NAMED])}{more}"
        return [*notes, *([f"Left out, as {self.engine} does not read them: {names}."] if self.unread else [])]


def _judged(
    door: Door, evidence: Evidence, need: Need, out: _LeftOut
) -> Iterator[tuple[Mapping[str, object], Architecture]]:
    """Models by their quality that reach the context and that the engine may read, and what is left out beside."""
    for row in _ranked(evidence.abilities, USES[need.use]):
        name = str(row["model_id"])
        model = door.judged_model(name)
        if model is None:
            if row["is_open_weights"] and "/" in name:
                out.without_shapes.append(f"{name} ({row['ability']:.0f})")
        elif reads(out.engine, model) == "no":
            out.unread.append(name)
        elif not model.max_position or model.max_position >= need.context:
            yield row, model


def _not_looked_at(names: Sequence[str]) -> str:
    """Open models, with their ability, that rank among the candidates and whose configuration is not known."""
    several = "1 open model ranks" if len(names) == 1 else f"{len(names)} open models rank"
    more = ", and more" if len(names) > _MOST_NAMED else ""
    return (
        f"{several} among these but {'has' if len(names) == 1 else 'have'} no configuration here, so whether they fit "
        f"is not known: {', '.join(names[:_MOST_NAMED])}{more}. `skyline describe NAME --online` reads one from the "
        "hub and keeps it."
    )


def _ranked(abilities: pl.DataFrame, domain: str) -> Iterator[dict[str, object]]:
    """The headline mode of every judged model, ablest first; where nobody judges the domain, by overall."""
    judged = abilities.filter(pl.col("is_headline") & (pl.col("evidence_class") != "prior"))
    for each in (domain, "overall"):
        rows = judged.filter(pl.col("domain") == each)
        if rows.height:
            yield from rows.sort("ability", "model_id", descending=[True, False]).iter_rows(named=True)
            return


def _with_loss(candidate: Candidate, lost: Lost | None) -> Candidate:
    """The interval of the ability widened by that of the loss."""
    low, _, high = in_format((candidate.ability_low, candidate.ability, candidate.ability_high), lost)
    return replace(candidate, lost=lost, ability_low=low, ability_high=high)


def _candidate(
    door: Door,
    model: Architecture,
    device: Accelerator,
    engine: str,
    formats: Sequence[str | None],
    need: Need,
    row: Mapping[str, object],
) -> Candidate:
    if need.fleet is not None:
        return on_unlike(door, model, need.fleet, formats, need, row)
    split = split_over(model, need.devices, engine)
    profile = need.profile(engine)

    def look(weight_format: str | None) -> Tried[Workload]:
        precision = precision_for(model, weight_format, need.kv_bits)
        workload = Workload(
            batch=need.users, context=need.context, precision=precision, parallelism=split, chunk=need.batched_tokens
        )
        needed = memory_need(model, device, workload, profile)
        name = weight_format or model.published_format.name
        return Tried(described(model, name, row, workload, needed, need.kv), needed.verdict == "fits", workload)

    def timed(looked: Tried[Workload]) -> Candidate | None:
        return _timed(door, looked.candidate, model, device, engine, need, looked.inputs)

    return widest(formats, look, timed, need.least_tokens_per_s, narrower_is_better=runs_on(engine) in FORMATS)


def _timed(
    door: Door,
    candidate: Candidate,
    model: Architecture,
    device: Accelerator,
    engine: str,
    need: Need,
    workload: Workload,
) -> Candidate | None:
    profile = need.profile(engine)
    question = Question(
        model=model.name, accelerator=device.name, batch=need.users, context=need.context, engine=engine,
        weight_format=candidate.weight_format, tensor=workload.parallelism.tensor,
        pipeline=workload.parallelism.pipeline, kv_bits=need.kv_bits, **need.options,
    )  # fmt: skip
    prompt = replace(workload, stage="prefill", batch=1, context=min(PROMPT, need.context))
    try:
        decode, prefill = (
            estimate(model, device, load, door.kernels(device, engine), engine, profile=profile)
            for load in (workload, prompt)
        )
    except ProfilingError:
        return None
    answer = Answer(
        question=question, model=model, device=device, estimate=decode, ask=lambda _: prefill,
        usd_per_million_tokens=None, grams_co2e_per_million_tokens=None,
        calibrations=door.calibrations.get(device.name, ()),
    )  # fmt: skip
    rate, first = decode.tokens_per_s, prefill.time_to_first_token
    longest = max_context(model, device, workload, profile)
    run, check = commands(
        model, candidate.weight_format, engine, device, split=workload.parallelism, context=need.context,
        users=need.users, kv=need.kv, options=need.options,
    )  # fmt: skip
    return replace(
        candidate,
        tokens_per_s=None
        if rate is None
        else (float(rate.low_s) / need.users, float(rate.likely_s) / need.users, float(rate.high_s) / need.users),
        time_to_first_token_s=None if first is None else float(first.likely_s),
        longest_context=min(longest, model.max_position or longest),
        rests_on=answer.rests_on, basis=answer.estimate.basis, run=run, check=check, question=question,
    )  # fmt: skip
