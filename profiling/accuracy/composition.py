"""How measured quantities are composed of passes: a token under load, a request, a first token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from profiling.accuracy.cases import Case
from profiling.accuracy.passes import Passes
from profiling.engines.effects import ANSWERING_S, WAITING_EFFECTS, Setting, attention_of, setting_of
from profiling.engines.fit import Parameters, factors, parts_named
from profiling.engines.parts import PARTS
from profiling.memory.engines import engine_profile
from profiling.roofline.whole import pipelined

Array = npt.NDArray[np.float64]
UNDER_LOAD = ("time per token under load", "throughput", "throughput at maximum load")
FIRST_TOKEN = "first token under load"  # noqa: S105 - a stage
ONCE_A_STEP = ("product_memory", "unpacking", "launches", "eager_launches", "mixture_layers", "passes", "collectives")
"""Parts that a step has once, however many of its tokens are read and how many are made: weights move for both."""
_ONCE = np.array([name in ONCE_A_STEP for name in PARTS])
_WAITED = parts_named(WAITING_EFFECTS)


def settings_of(cases: Sequence[Case]) -> list[Setting]:
    """The setting of each case; its stage is the first word of what is compared."""
    return [
        replace(
            _setting(case),
            on_small_host=float(case.on_small_host),
            years=years_of(case),
            tuned=float(case.tuned),
            amdvlk=float(case.amdvlk),
        )
        for case in cases
    ]


def _setting(case: Case) -> Setting:
    return setting_of(
        case.engine, case.device, case.precision, attention_of(case.model, case.attention), case.stage.split(" ")[0],
        case.arrival, case.rocblas, groups=case.split.data > 1,
    )  # fmt: skip


_SINCE, _EARLIEST, _LATEST = 2026.0, -2.5, 0.75


def years_of(case: Case) -> float:
    """Years from the beginning of 2026 to when a first token was timed; 0 where that is not stated, and of all else.

    Of other times such a term lowered the error on models left out and raised it on devices, or the reverse.
    """
    if case.stage != FIRST_TOKEN or not case.month:
        return 0.0
    year, _, month = case.month.partition("-")
    return min(max(float(year) + (float(month) - 1 if month else 6.0) / 12 - _SINCE, _EARLIEST), _LATEST)


def pass_weights(cases: Sequence[Case]) -> tuple[Array, Array]:
    """Prefill passes and decode steps that each measured time is made of.

    A token under load is one decode step with its share of the prompts that are read meanwhile: each request that is
    answered makes room for one, so one per sequence and length of the answer. A request does not wait for its own nor
    those that its step reads with it, and of the first round, which comes all at once, for the half that are read after
    it. Groups that attend to requests of their own read one prompt each at a time.
    Stages of a pipeline work on parts of a prompt at once: n parts over p stages take (n + p - 1) / p of the time of
    one part each.
    """
    prefill, decode = np.zeros(len(cases)), np.zeros(len(cases))
    for index, case in enumerate(cases):
        if case.stage.startswith("prefill"):
            prefill[index] = float(
                pipelined(case.input_tokens, case.micro_batch, case.split.pipeline, case.engine.parts_in_flight)
            )
        elif case.stage.startswith("decode") or (case.stage == "energy" and not case.input_tokens):
            decode[index] = 1.0
        elif case.stage == "request":
            prefill[index], decode[index] = 1.0, max(1.0, case.output_tokens - 1)
        elif case.stage in UNDER_LOAD or case.stage == "energy":
            own = case.batch / case.split.data
            later = 1 - 0.5 / case.rounds
            prompts = later * max(own - prompts_of_a_step(case), 0.0) if case.stage == UNDER_LOAD[0] else own
            prefill[index], decode[index] = prompts / max(1.0, case.output_tokens), 1.0
        elif case.stage == FIRST_TOKEN:
            prefill[index], decode[index] = 1.0, 1.0 if case.batch > 1 else 0.0
    return prefill, decode


def prompts_of_a_step(case: Case) -> float:
    """Prompts that one step reads: of a single round, which all wait at its start, as many as the engine takes at once.

    Of several rounds one: a request comes when another is answered.
    """
    if case.rounds > 1:
        return 1.0
    tokens = engine_profile(case.engine.family).tokens_of_a_step(case.device.usable_memory_bytes)
    return min(max(1.0, tokens / max(case.input_tokens, 1.0)), max(1.0, case.batch / case.split.data))


def parts_of_cases(cases: Sequence[Case], passes: Passes) -> Array:
    """Seconds by part of each measured time, (cases, PARTS), without what a first token waits for.

    Prompts are read in the steps that make tokens for others, so what a step has once is counted once, for all prompts
    that it reads: in the step of the tokens where prompts are fewer than steps, in that of the prompts where each step
    reads some.
    """
    prefill, decode = pass_weights(cases)
    both = (decode > 0) & (prefill > 0) & np.array([case.stage != "request" for case in cases])
    together = np.array([prompts_of_a_step(case) if case.stage == UNDER_LOAD[0] else 1.0 for case in cases])
    shared = np.where(both, np.minimum(prefill / together, 1.0), 0.0)[:, None]
    prompts = np.where(_ONCE & both[:, None], shared, prefill[:, None])
    steps = np.where(_ONCE, decode[:, None] - np.minimum(shared, decode[:, None]), decode[:, None])
    return np.asarray(passes.prefill * prompts + passes.decode * steps)


def waiting_parts(cases: Sequence[Case], passes: Passes, parameters: Parameters) -> Array:
    """Seconds that a first token under load waits beside its own step, (cases, parts of `WAITING_EFFECTS`).

    Answering: what happens outside of the engine's steps. Steps: the one under way, and those that the engine's
    options hold prompts back for.
    Prompts: where a fixed number is in flight, all of them come at once at the start, and requests of this first round
    wait for half of the others' steps (n steps of s prompts end after (n + 1) / 2 on average, with n + 1 times s / 2
    prompts read); later ones, and those that come by themselves, wait for a prompt that is being read, which is the
    likelier the more of the time prompts take. Queue: where more are in flight than memory holds,
    the answers of those that run.
    """
    result = np.zeros((len(cases), len(_WAITED)))
    parts_of_key: dict[tuple[object, ...], Array] = {}
    for index, case in enumerate(cases):
        if case.stage != FIRST_TOKEN:
            continue
        if case.group not in parts_of_key:
            attention = attention_of(case.model, case.attention)
            setting = setting_of(
                case.engine, case.device, case.precision, attention, "prefill", case.arrival, case.rocblas
            )
            parts_of_key[case.group] = factors(parameters, setting)
        by_part = parts_of_key[case.group]
        parts = passes.prefill[index] * by_part
        prompt, once_s, step = float(parts.sum()), float(parts[_ONCE].sum()), float(passes.decode[index] @ by_part)
        others = max(case.batch / case.split.data - 1, 0.0)
        busy = others * prompt / (max(1.0, case.output_tokens) * step)
        together = prompts_of_a_step(case)
        first_round_s = (others + together - 1) / 2 * (prompt - once_s) + ((others + 1) / together - 1) / 2 * once_s
        before_s = (1 - 1 / case.rounds) * min(busy / 2, others) * prompt + first_round_s / case.rounds
        per_token = step + (1 - 1 / case.rounds) * others / max(1.0, case.output_tokens) * prompt
        seconds = {
            "answering": ANSWERING_S, "steps": step * (1 + case.held_back_steps) if others else 0.0,
            "prompts_before": before_s,
            "queue": (case.waiting - 1) * case.output_tokens * per_token,
        }  # fmt: skip
        result[index] = [seconds[name] for name in _WAITED]
    return result


def all_parts(cases: Sequence[Case], passes: Passes, parameters: Parameters) -> Array:
    """Seconds by part of each measured time, in the order of `LOADED_EFFECTS`: passes, then what is waited for."""
    return np.hstack([parts_of_cases(cases, passes), waiting_parts(cases, passes, parameters)])
