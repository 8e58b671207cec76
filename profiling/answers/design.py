"""Shapes of decoders that nobody has trained: which of one size are fast and small on a device, by prediction alone.

A search over depth, head sharing and width, windows, states and experts begins with shapes that are in use (NSGA-II,
Deb et al. 2002, by Optuna). Every shape is built at the size asked for, its width solved for, and asked at the same
door as any model; what no other shape beats on speed, memory and expected ability is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import log2
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    import optuna

TRIALS = 300
"""Shapes that are tried; the first are those of `STARTS`."""
_POPULATION = 40
_STEPS: Mapping[str, tuple[int, int, int]] = {"layers": (16, 96, 4)}
"""Axes of whole numbers: least, most, step. Nothing here knows what too little depth costs, so that it ends at 16
layers, the fewest of models in use of one billion parameters or more."""
AXES: Mapping[str, tuple[Any, ...]] = {
    "queries_per_key": (1, 2, 4, 8),
    "head_dim": (64, 128, 256),
    "mixing": ("attention", "windows", "states"),
    "window": (512, 1024, 2048, 4096),
    "windowed_of": (2, 4, 6),
    "states_of": (2, 4, 8),
    "blocks": ("dense", "experts"),
    "experts": (16, 32, 64, 128, 256),
    "per_token": (2, 4, 8),
    "shared": (0, 1),
    "active_share": (0.33, 0.5, 1.0),
}
"""Axes of choices. Of `windowed_of` layers all but one see the last `window` tokens, of `states_of` all but one keep a
state (Gated DeltaNet); the experts of a token are together `active_share` as wide as a dense block would be."""
_USUAL: Mapping[str, Any] = {
    "queries_per_key": 4, "head_dim": 128, "window": 1024, "windowed_of": 6, "states_of": 4, "experts": 128,
    "per_token": 4, "shared": 0, "active_share": 0.33,
}  # fmt: skip
_BLOCKS: tuple[Mapping[str, Any], ...] = (
    {"blocks": "dense"},
    {"blocks": "experts", "experts": 64, "per_token": 8, "shared": 1, "active_share": 1.0},
    {"blocks": "experts"},
)
STARTS: tuple[Mapping[str, Any], ...] = tuple(
    {"layers": layers, "mixing": mixing, **_USUAL, **blocks}
    for layers, mixing, blocks in product((16, 28, 48), AXES["mixing"], _BLOCKS)
)
"""Shapes in use: windows as in Gemma 3, states as in Qwen3-Next, 64 experts and a shared one as in DeepSeek-V2-Lite, or
128 with 4 of each token as in gpt-oss-120b."""
WIDTH_STEP = 64
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
        """Points of a model with so many active parameters; a board's scale ends at 0, the line does not."""
        return max(0.0, self.intercept + self.points_per_doubling * log2(active / 1e9))


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
    match = _SIZE.fullmatch(text.strip())
    value = float(match[1]) * _UNITS[match[2].casefold()] if match else 0.0
    if not 1e7 <= value <= 1e13:
        raise InvalidWorkload(f"{text!r} is not a number of parameters between 10M and 10T; write 3B or 700M")
    return value


def shape(
    parameters: float, chosen: Mapping[str, Any], vocabulary: int = VOCABULARY
) -> tuple[dict[str, object], Architecture] | None:
    """The shape of these choices whose width comes closest to the size, with the words that describe it.

    Args:
        parameters: In all.
        chosen: A value of every axis that matters to it (`AXES`, and `layers`).
        vocabulary: Tokens of the vocabulary.

    Returns:
        None where no width comes within `LARGEST_MISS` of the size.
    """
    low, high = 1, 320
    while low < high:  # parameters grow with the width
        middle = (low + high) // 2
        tried = _of_width(middle, vocabulary, chosen)[1]
        low, high = (middle + 1, high) if tried.parameters_total < parameters else (low, middle)
    near = [_of_width(width, vocabulary, chosen) for width in (max(low - 1, 1), low)]
    words, model = min(near, key=lambda neighbour: abs(neighbour[1].parameters_total - parameters))
    return (words, model) if abs(model.parameters_total / parameters - 1) <= LARGEST_MISS else None


def _of_width(steps: int, vocabulary: int, chosen: Mapping[str, Any]) -> tuple[dict[str, object], Architecture]:
    hidden, layers, head_dim = steps * WIDTH_STEP, chosen["layers"], chosen["head_dim"]
    heads = max(1, hidden // head_dim)
    kv_heads = max(1, heads // chosen["queries_per_key"])
    heads = kv_heads * min(chosen["queries_per_key"], heads)
    inner = round(8 / 3 * hidden / WIDTH_STEP) * WIDTH_STEP
    described: dict[str, Any] = {
        "layers": layers, "vocabulary_size": vocabulary, "tied": hidden <= 2048, "hidden_size": hidden, "heads": heads,
        "kv_heads": kv_heads, "head_dim": head_dim, "intermediate_size": inner,
    }  # fmt: skip
    mixing, blocks = chosen["mixing"], chosen["blocks"]
    words: dict[str, object] = {
        "mixing": mixing, "blocks": blocks, "layers": layers, "hidden_size": hidden, "heads": heads,
        "kv_heads": kv_heads, "head_dim": head_dim, "intermediate_size": inner, "experts": None,
        "experts_per_token": None, "shared_experts": None, "window": None, "windowed_layers": None,
        "state_layers": None,
    }  # fmt: skip
    if mixing == "windows":
        of, window = chosen["windowed_of"], chosen["window"]
        described["window"] = [0 if place % of == of - 1 else window for place in range(layers)]
        words |= {"window": window, "windowed_layers": sum(map(bool, described["window"]))}
    if mixing == "states":
        of = chosen["states_of"]
        described["layer_kinds"] = ["attention" if place % of == of - 1 else "state" for place in range(layers)]
        described["state"] = {
            "kind": "delta_net", "key_heads": max(1, heads // 2), "value_heads": heads, "key_dim": head_dim,
            "value_dim": head_dim, "kernel": 4,
        }  # fmt: skip
        words |= {"state_layers": described["layer_kinds"].count("state")}
    if blocks == "experts":
        per_token, shared = chosen["per_token"], chosen["shared"]
        inner = max(64, round(inner * chosen["active_share"] / (per_token + shared) / 64) * 64)
        described["mixture"] = {
            "experts": chosen["experts"], "per_token": per_token, "intermediate_size": inner,
            "shared_intermediate_size": shared * inner,
        }  # fmt: skip
        words |= {
            "intermediate_size": inner, "experts": chosen["experts"], "experts_per_token": per_token,
            "shared_experts": shared,
        }  # fmt: skip
    return words, custom_model(described, f"{mixing}-{blocks}-{layers}x{hidden}")


def design(
    door: Door, wish: Wish, fit: ScalingFit | None = None, trials: int = TRIALS
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Shapes that keep the wish and that no other tried beats on speed, memory and expected ability, fastest first.

    Args:
        door: Whose facts.
        wish: What is wanted.
        fit: What size makes of quality; None leaves ability out.
        trials: Shapes that are tried; the same number gives the same answer.

    Returns:
        Rows, and what the reader should know: everything here is predicted, nothing of it trained or measured.

    Raises:
        DoesNotFit: No shape of that size keeps the wish; the message says what comes closest.
        UnknownAccelerator: The device is not known.
    """
    door.device(wish.accelerator)
    tried = _Tried(door, wish, fit)
    tried.search(trials)
    rows, seen = list(tried.rows.values()), len(tried.seen)
    if not rows:
        raise DoesNotFit(
            f"none of {seen} shapes of {wish.parameters / 1e9:g}B meets the limits; closest: {tried.nearest[1]}"
        )
    frame = pl.DataFrame(rows, infer_schema_length=None)
    order = ["time_per_output_token_s", "memory_high_gib"]
    front = frame.filter(pl.Series(front_mask(_objectives(rows)))).sort(order)
    summary = (
        f"Predicted, not trained: {seen} shapes of {wish.parameters / 1e9:g}B were tried, {len(rows)} meet the limits, "
        f"{front.height} are not beaten by any other on speed, memory and expected ability at once."
    )
    notes = [
        summary,
        "Times have the error of any prediction on this device: the low and high columns hold 80 %.",
    ]
    if fit is not None:
        notes.append(
            f"Expected ability is the line over active parameters of {fit.board} ({fit.points_per_doubling:.1f} points "
            f"per doubling); models lie {fit.residual:.1f} points about it, and it knows nothing of shape, data or "
            "training: differences smaller than that mean nothing."
        )
    return front, tuple(notes)


class _Tried:
    """Shapes that were tried, and those of them that keep the wish."""

    def __init__(self, door: Door, wish: Wish, fit: ScalingFit | None) -> None:
        self.door, self.wish, self.fit = door, wish, fit
        self.seen: set[tuple[object, ...]] = set()
        self.rows: dict[tuple[object, ...], dict[str, object]] = {}
        self.nearest: tuple[float, str] = (float("inf"), "none could be asked about")

    def search(self, trials: int) -> None:
        """Try so many shapes, those in use first."""
        import optuna  # noqa: PLC0415 - takes half a second, which no other question has

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.NSGAIISampler(population_size=_POPULATION, seed=0)
        study = optuna.create_study(directions=["minimize"] * 4, sampler=sampler)
        for start in STARTS:
            study.enqueue_trial(dict(start))
        study.optimize(self._try, n_trials=trials)

    def _try(self, trial: optuna.Trial) -> tuple[float, ...]:
        """Objectives of one shape; one that misses the size or cannot be asked about is left out."""
        from optuna import TrialPruned  # noqa: PLC0415 - as above

        candidate = shape(self.wish.parameters, _chosen(trial), self.wish.vocabulary)
        if candidate is None:
            raise TrialPruned
        words, model = candidate
        key = tuple(words.values())
        self.seen.add(key)
        try:
            row = _row(words, model, _ask(self.door, self.wish, model), self.fit)
        except ProfilingError as error:
            self.nearest = min(self.nearest, (float("inf"), str(error)))
            raise TrialPruned from error
        missed = _missed(self.wish, row)
        trial.set_constraint("wish", max(missed.values(), default=1.0) - 1.0)
        if missed:
            self.nearest = min(self.nearest, (max(missed.values()), _closest(words, missed)))
        else:
            self.rows[key] = row
        return tuple(_objectives([row])[0].tolist())


def _chosen(trial: optuna.Trial) -> dict[str, Any]:
    """A value of every axis."""
    whole = {name: trial.suggest_int(name, low, high, step=step) for name, (low, high, step) in _STEPS.items()}
    return whole | {name: trial.suggest_categorical(name, values) for name, values in AXES.items()}


def _ask(door: Door, wish: Wish, model: Architecture) -> tuple[Estimate, Estimate]:
    """Prefill and decode of a shape; it is known to the door for as long as it is asked about."""
    question = Question(
        model=model.name, accelerator=wish.accelerator, batch=wish.batch, context=wish.context,
        weight_format=wish.weight_format, engine=wish.engine,
    )  # fmt: skip
    alone = door.with_model(model)
    decode = alone.answer(question)
    if wish.batch == 1 and decode.prefill is not None:
        return decode.estimate, decode.prefill
    return decode.estimate, alone.answer(replace(question, stage="prefill", batch=1)).estimate


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
    excess = ", ".join(f"{name} {factor:.2f} times as large as asked" for name, factor in missed.items())
    return f"{words['layers']} layers of {words['hidden_size']}, {words['mixing']}, {words['blocks']}: {excess}"


def _objectives(rows: Sequence[Mapping[str, object]]) -> np.ndarray:
    """All minimised: time per token, time to first token, memory, and less ability, which is known to no fraction."""
    return np.array([
        [float(str(row[name])) for name in ("time_per_output_token_s", "time_to_first_token_s", "memory_high_gib")]
        + [-round(float(str(row["expected_ability"] or 0.0)))]
        for row in rows
    ])  # fmt: skip
