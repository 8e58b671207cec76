"""What changes memory and time: one question asked over and over, each time with one thing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import polars as pl

from profiling.answers.answer import Answer
from profiling.answers.door import Door
from profiling.answers.lengths import tokens
from profiling.answers.pruning import pruning_of
from profiling.answers.question import PLAIN_BITS, Question
from profiling.devices.accelerators import GIB
from profiling.errors import InvalidWorkload, ProfilingError, nearest
from profiling.models.architecture import Architecture
from profiling.roofline.workload import legal_tensor_ways

Change = Callable[[Question, str], Question]


def _weights(question: Question, value: str) -> Question:
    bits = None if value in PLAIN_BITS or value == "published" else question.weight_bits
    return replace(question, weight_format=None if value == "published" else value, weight_bits=bits)


def _with(question: Question, name: str, value: Any) -> Question:
    return replace(question, **{name: value})


def _integer(question: Question, value: str, *, name: str) -> Question:
    return _with(question, name, tokens(value))


def _number(question: Question, value: str, *, name: str) -> Question:
    try:
        return _with(question, name, float(value))
    except ValueError:
        raise InvalidWorkload(f"{name} is {value!r}; it must be a number") from None


def _text(question: Question, value: str, *, name: str) -> Question:
    return _with(question, name, None if value == "none" else value)


AXES: Mapping[str, tuple[str, Change]] = {
    "weights": ("how weights are stored", _weights),
    "cache": ("bits per number of the KV cache", partial(_number, name="kv_bits")),
    "pruning": ("weights left out", partial(_text, name="pruning")),
    "vocabulary": ("tokens in the vocabulary", partial(_integer, name="vocabulary")),
    "batch": ("sequences in flight", partial(_integer, name="batch")),
    "context": ("tokens", partial(_integer, name="context")),
    "attention": ("attention kernel", partial(_text, name="attention")),
    "split": ("devices that share every layer", partial(_integer, name="tensor")),
}
"""What can be changed: what its values are, and how a question is changed by one."""
_FEWEST_TOKENS, _MOST_TOKENS = 128, 131_072
_MOST_VALUES = 128
"""In one answer, over all axes."""


def default_values(model: Architecture, question: Question, axis: str) -> tuple[str, ...]:
    """Values of an axis that are worth a look for a model, where nobody names any."""
    longest = min(model.max_position or _MOST_TOKENS, _MOST_TOKENS)
    lengths = (_FEWEST_TOKENS * 2**power for power in range(11))
    usual: dict[str, Iterable[object]] = {
        "weights": ("published", "bf16", "8-bit", "fp8", "q8_0", "q4_k_m", "awq-4bit-g128", "4-bit"),
        "cache": () if model.kind == "encoder" else (16, 8.5, 8, 4.5, 4),
        "pruning": ("none", "unstructured-50%", "2:4", "structured-25%", "structured-50%"),
        "vocabulary": (max(1, round(model.vocabulary_size * factor)) for factor in (0.25, 0.5, 1, 2, 4)),
        "batch": (2**power for power in range(9)),
        "context": (length for length in lengths if question.prefix < length <= longest),
        "attention": ("flash", "naive"),
        "split": legal_tensor_ways(model, 8),
    }
    return tuple(str(value) for value in usual[axis])


def sweep(door: Door, question: Question, axes: Mapping[str, Sequence[str]] | None = None) -> pl.DataFrame:
    """One row per value of every axis: memory by part, work, bytes moved and time, and how far it is from the question.

    Args:
        door: Whose facts.
        question: What stays as it is while one axis is changed.
        axes: Values by axis (`AXES`); no values: the usual ones; None: every axis.

    Returns:
        Rows with `axis`, `value`, `is_asked` (the question itself), memory in bytes, work, times in seconds, change of
        the predicted time and of the memory in percent; where a value cannot be asked about, the reason and nulls. Of
        pruning the reason says what the device makes of it.

    Raises:
        ProfilingError: The question itself cannot be asked, or there is no such axis.
    """
    base = door.answer(question)
    chosen = dict.fromkeys(AXES, ()) if axes is None else axes
    rows: list[dict[str, Any]] = []
    for axis, named in chosen.items():
        if axis not in AXES:
            near = nearest(axis, AXES, 1)
            raise InvalidWorkload(
                f"no axis {axis!r}{f'; nearest: {near}' if near else ''}; there are {', '.join(AXES)}"
            )
        values = tuple(named) or default_values(base.model, base.question, axis)
        if len(rows) + len(values) > _MOST_VALUES:
            raise InvalidWorkload(f"more than {_MOST_VALUES} values; ask for fewer at a time")
        rows += [_row(door, base, axis, value) for value in values]
    return pl.DataFrame(rows, infer_schema_length=None)


def _row(door: Door, base: Answer, axis: str, value: str) -> dict[str, Any]:
    empty: dict[str, Any] = dict.fromkeys(_figures(base, base))
    try:
        question = AXES[axis][1](base.question, value)
        answer = door.answer(question)
    except ProfilingError as error:
        return {"axis": axis, "value": value, "is_asked": False, **empty, "reason": str(error)}
    notes = list(answer.warnings)
    if question.pruning is not None:
        notes.append(pruning_of(question.pruning).note(answer.device))
    reason = "; ".join(notes)
    return {"axis": axis, "value": value, "is_asked": _same(answer, base), **_figures(answer, base), "reason": reason}


def _same(answer: Answer, base: Answer) -> bool:
    return answer.question == base.question or (
        answer.estimate.workload == base.estimate.workload and answer.model == base.model
    )


def _figures(answer: Answer, base: Answer) -> dict[str, Any]:
    estimate, need = answer.estimate, answer.estimate.need
    runs, times = answer.runs, answer.estimate.operators
    rate = estimate.tokens_per_s
    seconds = {"low": estimate.time.low_s, "likely": estimate.time.likely_s, "high": estimate.time.high_s}
    return {
        "verdict": estimate.fits,
        "parameters": answer.model.parameters_total,
        "weights_bytes": float(need.weights),
        "kv_cache_bytes": float(need.kv_cache.high),
        "activations_bytes": answer.activation_bytes,
        "memory_low_gib": float(need.low) / GIB,
        "memory_high_gib": float(need.high) / GIB,
        "memory_change_pct": 100 * (float(need.high) / float(base.estimate.need.high) - 1),
        "flops": sum(time.operator.count * float(time.operator.flops) for time in times),
        "moved_bytes": sum(time.operator.count * float(time.operator.bytes_moved) for time in times),
        "bound_s": float(estimate.time.bound_s),
        **{f"predicted_{end}_s": float(value) for end, value in seconds.items()},
        "time_change_pct": 100 * (float(estimate.time.likely_s) / float(base.estimate.time.likely_s) - 1),
        "tokens_per_s": float(rate.likely_s) if rate is not None and runs else None,
        "bound_by": estimate.bound_by,
    }
