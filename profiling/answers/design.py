"""Shapes of decoders that nobody has trained: which of one size are fast and small on a device, by prediction alone.

Every combination of depth, head sharing, windows, states and experts is built at the size asked for, its width solved
for, and asked at the same door as any model; what no other shape beats on speed, memory and expected ability is kept.
A grid suffices: shapes are few, and each takes milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import log2
from typing import Any

import numpy as np
import polars as pl

from analytics.fronts.nondominated import front_mask
from profiling.answers.door import Door
from profiling.answers.question import Question
from profiling.devices.accelerators import GIB
from profiling.errors import DoesNotFit, InvalidWorkload, ProfilingError
from profiling.models.architecture import Architecture
from profiling.models.custom import custom_model
from profiling.roofline.estimate import Estimate

LAYERS = (12, 16, 24, 32, 48)
QUERIES_PER_KEY = (1, 4, 8)
MIXING = ("attention", "windows", "states")
BLOCKS = ("dense", "experts", "many experts")
WINDOW, WINDOWED_OF = 1024, 6
"""Five of six layers see the last 1,024 tokens, as in Gemma 3."""
STATES_OF = 4
"""Three of four layers keep a state (Gated DeltaNet), as in Qwen3-Next."""
MIXTURES: Mapping[str, tuple[int, int, int, int]] = {"experts": (64, 6, 1, 8), "many experts": (128, 4, 0, 12)}
"""Experts, those of each token, shared ones, and by what their inner width is divided: 64 with 6 and a shared one as in
DeepSeek-V2-Lite, 128 with 4 as in gpt-oss-120b."""
HEAD_DIM, WIDTH_STEP = 128, 128
VOCABULARY = 128_256
LARGEST_MISS = 0.06
"""How far the parameters of a shape may lie from those asked for."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmbt])", re.IGNORECASE)
_UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


_NEWEST_FIT = """
SELECT fit.board, fit.intercept, fit.points_per_doubling, stddev(residual.residual) AS residual
FROM marts.scaling_fits AS fit
JOIN marts.scaling_residuals AS residual USING (snapshot_id, size_basis)
WHERE fit.measure = 'average' AND fit.size_basis = 'parameters_active' AND fit.method = 'ordinary_least_squares'
GROUP BY ALL ORDER BY max(fit.as_of_date) DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class ScalingFit:
    """What size makes of quality: a line over doublings of active parameters, and how far models lie from it."""

    board: str
    intercept: float
    """Points at 10^9 active parameters."""
    points_per_doubling: float
    residual: float
    """Standard deviation of models about the line, in points."""

    @classmethod
    def newest(cls, query: Callable[[str], pl.DataFrame]) -> ScalingFit | None:
        """The newest line over active parameters of the warehouse that `query` asks; None where there is none."""
        rows = query(_NEWEST_FIT)
        return cls(**rows.row(0, named=True)) if rows.height else None

    def expected(self, active: float) -> float:
        """Points of a model with so many active parameters."""
        return self.intercept + self.points_per_doubling * log2(active / 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted.

    Attributes:
        parameters: In all.
        accelerator: The device.
        context: Tokens of the prompt, and attended while decoding.
        batch: Sequences in flight.
        time_to_first_token_s: Most that the prompt may take, by the likely value; None: any.
        time_per_output_token_s: Most that a token may take; None: any.
        weight_format: How weights are stored; None: 16 bits.
        vocabulary: Tokens of the vocabulary.
        engine: What runs it; None: what people run on the device.
    """

    parameters: float
    accelerator: str
    context: int = 4096
    batch: int = 1
    time_to_first_token_s: float | None = None
    time_per_output_token_s: float | None = None
    weight_format: str | None = None
    vocabulary: int = VOCABULARY
    engine: str | None = None


def parameters_of(text: str) -> float:
    """A number of parameters as people write it: `3B`, `700M`.

    Raises:
        InvalidWorkload: It is none.
    """
    found = _SIZE.fullmatch(text.strip())
    value = float(found[1]) * _UNITS[found[2].casefold()] if found else 0.0
    if not 1e7 <= value <= 1e13:
        raise InvalidWorkload(f"{text!r} is no number of parameters between 10M and 10T; write 3B or 700M")
    return value


def shapes(parameters: float, vocabulary: int = VOCABULARY) -> Iterator[tuple[dict[str, object], Architecture]]:
    """Shapes within `LARGEST_MISS` of the size, with the words that describe them."""
    for layers, queries, *kind in product(LAYERS, QUERIES_PER_KEY, MIXING, BLOCKS):
        found = _solved(parameters, vocabulary, layers, queries, (kind[0], kind[1]))
        if found is not None:
            yield found


def _solved(
    parameters: float, vocabulary: int, layers: int, queries: int, kind: tuple[str, str]
) -> tuple[dict[str, object], Architecture] | None:
    """The width that comes closest to the size; None where no width comes close."""
    low, high = 1, 160
    while low < high:  # parameters grow with the width
        middle = (low + high) // 2
        tried = _of_width(middle, vocabulary, layers, queries, kind)[1]
        low, high = (middle + 1, high) if tried.parameters_total < parameters else (low, middle)
    near = [_of_width(width, vocabulary, layers, queries, kind) for width in (max(low - 1, 1), low)]
    words, model = min(near, key=lambda one: abs(one[1].parameters_total - parameters))
    return (words, model) if abs(model.parameters_total / parameters - 1) <= LARGEST_MISS else None


def _of_width(
    steps: int, vocabulary: int, layers: int, queries: int, kind: tuple[str, str]
) -> tuple[dict[str, object], Architecture]:
    hidden = steps * WIDTH_STEP
    heads = max(1, hidden // HEAD_DIM)
    kv_heads = max(1, heads // queries)
    heads = kv_heads * min(queries, heads)
    inner = round(8 / 3 * hidden / WIDTH_STEP) * WIDTH_STEP
    described: dict[str, Any] = {
        "layers": layers, "vocabulary_size": vocabulary, "tied": hidden <= 2048, "hidden_size": hidden, "heads": heads,
        "kv_heads": kv_heads, "head_dim": HEAD_DIM, "intermediate_size": inner,
    }  # fmt: skip
    mixing, blocks = kind
    if mixing == "windows":
        described["window"] = [0 if place % WINDOWED_OF == WINDOWED_OF - 1 else WINDOW for place in range(layers)]
    if mixing == "states":
        described["layer_kinds"] = [
            "attention" if place % STATES_OF == STATES_OF - 1 else "state" for place in range(layers)
        ]
        described["state"] = {
            "kind": "delta_net", "key_heads": max(1, heads // 2), "value_heads": heads, "key_dim": HEAD_DIM,
            "value_dim": HEAD_DIM, "kernel": 4,
        }  # fmt: skip
    experts = per_token = None
    if blocks in MIXTURES:
        experts, per_token, shared, divisor = MIXTURES[blocks]
        inner = max(64, round(inner / divisor / 64) * 64)
        described["mixture"] = {
            "experts": experts, "per_token": per_token, "intermediate_size": inner,
            "shared_intermediate_size": shared * inner,
        }  # fmt: skip
    words: dict[str, object] = {
        "mixing": mixing, "blocks": blocks, "layers": layers, "hidden_size": hidden, "heads": heads,
        "kv_heads": kv_heads, "intermediate_size": inner, "experts": experts, "experts_per_token": per_token,
        "windowed_layers": sum(bool(each) for each in described.get("window", ())) or None,
        "state_layers": described.get("layer_kinds", []).count("state") or None,
    }  # fmt: skip
    name = f"{mixing}-{blocks.replace(' ', '-')}-{layers}x{hidden}"
    return words, custom_model(described, name)


def design(door: Door, wish: Wish, fit: ScalingFit | None = None) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Shapes that keep the wish and that no other of them beats on speed, memory and expected ability, fastest first.

    Returns:
        Rows, and what the reader should know: everything here is predicted, nothing of it trained or measured.

    Raises:
        DoesNotFit: No shape of that size keeps the wish; the message says what comes closest.
        UnknownAccelerator: The device is not known.
    """
    door.device(wish.accelerator)
    kept: list[dict[str, object]] = []
    nearest: tuple[float, str] = (float("inf"), "none could be asked about")
    seen = 0
    for words, model in shapes(wish.parameters, wish.vocabulary):
        seen += 1
        try:
            answer = _ask(door, wish, model)
        except ProfilingError as error:
            nearest = min(nearest, (float("inf"), str(error)))
            continue
        row = _row(words, model, answer, fit)
        missed = _missed(wish, row)
        if missed:
            nearest = min(nearest, (max(missed.values()), _closest(words, missed)))
        else:
            kept.append(row)
    if not kept:
        raise DoesNotFit(f"none of {seen} shapes of {wish.parameters / 1e9:g}B keeps the wish; closest: {nearest[1]}")
    frame = pl.DataFrame(kept, infer_schema_length=None)
    front = frame.filter(pl.Series(front_mask(_objectives(kept)))).sort("time_per_output_token_s")
    tried = (
        f"Predicted, not trained: {seen} shapes of {wish.parameters / 1e9:g}B were tried, {len(kept)} keep the wish, "
        f"{front.height} are beaten by no other of them on speed, memory and expected ability."
    )
    notes = [
        tried,
        "Times have the error of any prediction on this device: the low and high columns hold 80 %.",
    ]
    if fit is not None:
        notes.append(
            f"Expected ability is the line over active parameters of {fit.board} ({fit.points_per_doubling:.1f} points "
            f"per doubling); models lie {fit.residual:.1f} points about it, and it knows nothing of shape, data or "
            "training: differences smaller than that mean nothing."
        )
    return front, tuple(notes)


def _ask(door: Door, wish: Wish, model: Architecture) -> tuple[Estimate, Estimate]:
    """Prefill and decode of a shape; it is known to the door for as long as it is asked about."""
    asked = Question(
        model=model.name, accelerator=wish.accelerator, batch=wish.batch, context=wish.context,
        weight_format=wish.weight_format, engine=wish.engine,
    )  # fmt: skip
    alone = door.with_model(model)
    decode = alone.answer(asked)
    if wish.batch == 1 and decode.prefill is not None:
        return decode.estimate, decode.prefill
    return decode.estimate, alone.answer(replace(asked, stage="prefill", batch=1)).estimate


def _row(
    words: Mapping[str, object], model: Architecture, estimates: tuple[Estimate, Estimate], fit: ScalingFit | None
) -> dict[str, object]:
    decode, prefill = estimates
    need, step, first = decode.need, decode.time, prefill.time
    expected = None if fit is None else fit.expected(model.parameters_active)
    return {
        **words,
        "parameters": model.parameters_total,
        "parameters_active": model.parameters_active,
        "verdict": decode.fits,
        "memory_high_gib": float(need.high) / GIB,
        "kv_cache_gib": float(need.kv_cache.high) / GIB,
        "time_to_first_token_s": float(first.likely_s),
        "time_to_first_token_low_s": float(first.low_s),
        "time_to_first_token_high_s": float(first.high_s),
        "time_per_output_token_s": float(step.likely_s),
        "time_per_output_token_low_s": float(step.low_s),
        "time_per_output_token_high_s": float(step.high_s),
        "expected_ability": expected,
        "expected_ability_low": None if fit is None or expected is None else expected - fit.residual,
        "expected_ability_high": None if fit is None or expected is None else expected + fit.residual,
        "is_prediction": True,
    }


def _missed(wish: Wish, row: Mapping[str, object]) -> dict[str, float]:
    """Limits that are not kept, and by what factor."""
    limits = {
        "time_to_first_token_s": wish.time_to_first_token_s, "time_per_output_token_s": wish.time_per_output_token_s,
    }  # fmt: skip
    missed = {
        name: float(str(row[name])) / limit
        for name, limit in limits.items()
        if limit is not None and float(str(row[name])) > limit
    }
    if row["verdict"] == "does not fit":
        missed["memory"] = 10.0
    return missed


def _closest(words: Mapping[str, object], missed: Mapping[str, float]) -> str:
    said = ", ".join(f"{name} {factor:.2f} times as large as asked" for name, factor in missed.items())
    return f"{words['layers']} layers of {words['hidden_size']}, {words['mixing']}, {words['blocks']}: {said}"


def _objectives(rows: Sequence[Mapping[str, object]]) -> np.ndarray:
    """All minimised: time per token, time to first token, memory, and less ability, which is known to no fraction."""
    return np.array([
        [float(str(row[name])) for name in ("time_per_output_token_s", "time_to_first_token_s", "memory_high_gib")]
        + [-round(float(str(row["expected_ability"] or 0.0)))]
        for row in rows
    ])  # fmt: skip
