"""How measured quantities are composed of passes: a token under load, a request, a first token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from profiling.accuracy.cases import Case
from profiling.accuracy.passes import Passes
from profiling.engines.effects import FIRST_TOKEN_EFFECTS, Setting, attention_of, setting_of
from profiling.engines.fit import Parameters, factors, parts_named
from profiling.roofline.whole import pipelined

Array = npt.NDArray[np.float64]
UNDER_LOAD = ("time per token under load", "throughput", "throughput at maximum load")
FIRST_TOKEN = "first token under load"  # noqa: S105 - a stage
_MIXED = 0.65
"""Share of a prompt's own time that it adds to the steps it is mixed into: these move the weights once for both."""
_FIRST_PARTS = parts_named(FIRST_TOKEN_EFFECTS)
_BEFORE = 0.02
"""Share of the prompts in flight that one waits for, before the fitted factor."""


def settings_of(cases: Sequence[Case]) -> list[Setting]:
    """The setting of each case; its stage is the first word of what is compared."""
    return [
        setting_of(
            case.engine,
            case.device,
            case.precision,
            attention_of(case.model, case.attention),
            case.stage.split(" ")[0],
            case.arrival,
        )
        for case in cases
    ]


def pass_weights(cases: Sequence[Case]) -> tuple[Array, Array]:
    """Prefill passes and decode steps that each measured time is made of.

    Under load every step of a replica's sequences carries its share of new prompts: one prompt per sequence and
    output length. Stages of a pipeline work on parts of a prompt at once: n parts over p stages take (n + p - 1) / p
    of the time of one part each.
    """
    prefill, decode = np.zeros(len(cases)), np.zeros(len(cases))
    for index, case in enumerate(cases):
        if case.stage.startswith("prefill"):
            prefill[index] = float(pipelined(case.input_tokens, case.micro_batch, case.split.pipeline))
        elif case.stage.startswith("decode") or (case.stage == "energy" and not case.input_tokens):
            decode[index] = 1.0
        elif case.stage == "request":
            prefill[index], decode[index] = 1.0, max(1.0, case.output_tokens - 1)
        elif case.stage in UNDER_LOAD or case.stage == "energy":
            prefill[index], decode[index] = _MIXED * case.batch / max(1.0, case.output_tokens), 1.0
    return prefill, decode


def parts_of_cases(cases: Sequence[Case], passes: Passes) -> Array:
    """Seconds by part of each measured time, (cases, PARTS); zero where it is not made of passes alone."""
    prefill, decode = pass_weights(cases)
    return np.asarray(passes.prefill * prefill[:, None] + passes.decode * decode[:, None])


def first_token_parts(cases: Sequence[Case], passes: Passes, parameters: Parameters) -> Array:
    """Seconds by what a first token under load waits for, (cases, parts of `FIRST_TOKEN_EFFECTS`).

    Its own prompt; steps of others under way and between scheduling; prompts that came before; and, where more
    requests are in flight than memory holds, the answers of those that run.
    """
    result = np.zeros((len(cases), len(_FIRST_PARTS)))
    for index, case in enumerate(cases):
        if case.stage != FIRST_TOKEN:
            continue
        setting = setting_of(
            case.engine, case.device, case.precision, attention_of(case.model, case.attention), "prefill", case.arrival
        )
        by_part = factors(parameters, setting)
        prompt = float(passes.prefill[index] @ by_part)
        step = float(passes.decode[index] @ by_part) + _MIXED * case.batch / max(1.0, case.output_tokens) * prompt
        seconds = {
            "own_prompt": prompt, "steps": step, "prompts_before": _BEFORE * case.batch * prompt,
            "queue": (case.waiting - 1) * case.output_tokens * step,
        }  # fmt: skip
        result[index] = [seconds[name] for name in _FIRST_PARTS]
    return result
