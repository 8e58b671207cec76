"""What is known of why a measurement lies outside its interval: facts that its row, its model and its device declare.

None of them is proven to be the cause. A fact is named only where it points the way in which the measurement lies: what
makes runs slower, such as a part of the weights on the processor, beside those that were slower than predicted.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from profiling.accuracy.cases import SPECULATING, Case
from profiling.accuracy.composition import FIRST_TOKEN, UNDER_LOAD
from profiling.engines.time import shipped_times
from profiling.memory.weights import weight_bytes

UNKNOWN = "unknown"
_FULL = 0.85
"""Share of a device's memory that weights take from which on a part may have run elsewhere: cache, buffers and what a
display holds need the rest."""
_RUNS_RATIO = 1.5
"""Slowest over fastest of runs of one question from which on the runs themselves say that something else decides."""
_WAITING = 1.1
"""Requests in flight over those that run from which on the figure matters."""
_SLOW_LINK = 70e9
"""Bytes per second that PCIe 5 does not exceed: cards with a faster one are linked as their data sheet says."""


@dataclass(frozen=True, slots=True)
class _Seen:
    row: Mapping[str, Any]
    case: Case
    slower: bool
    """Whether it took longer than predicted."""
    runs_ratio: float
    """Slowest over fastest of the runs of the same question."""
    median_month: str
    """When the middle one of the rows that the prediction rests on was measured."""
    per_token_s: float | None
    """Measured time per token under the same load, where the first token was timed and that was too."""

    def says(self, pattern: str, column: str = "note") -> bool:
        return re.search(pattern, str(self.row.get(column) or ""), re.IGNORECASE) is not None

    @property
    def share(self) -> float:
        case = self.case
        return float(weight_bytes(case.model, case.precision, case.split)) / case.device.total_memory_bytes


_CAUSES: tuple[tuple[Callable[[_Seen], bool], Callable[[_Seen], str]], ...] = (
    (
        lambda seen: seen.runs_ratio >= _RUNS_RATIO,
        lambda seen: f"runs of one configuration differ by a factor of {seen.runs_ratio:.1f}: build, driver or flags",
    ),
    (
        lambda seen: seen.slower and seen.case.engine.family == "llama.cpp" and seen.share >= _FULL,
        lambda seen: f"weights take {100 * seen.share:.0f} % of the memory; whether a part ran on the processor is not "
        "stated",
    ),
    (
        lambda seen: seen.slower and seen.case.rocblas,
        lambda _: "hipBLASLt was switched off",
    ),
    (
        lambda seen: seen.slower and seen.says("Pi host"),
        lambda _: "the host is a Raspberry Pi, whose link and processor are not in the prediction",
    ),
    (
        lambda seen: seen.slower
        and seen.case.split.devices > 1
        and (seen.case.device.link_bytes_per_s or 0.0) < _SLOW_LINK,
        lambda _: "how the cards are linked is not stated",
    ),
    (
        lambda seen: seen.slower
        and (seen.case.device.kind == "cpu" or re.search(r"Laptop|Max-Q|Ryzen-AI|Core-Ultra", seen.case.device.name)
             is not None),
        lambda _: "the power limit that the machine's maker set is not stated",
    ),
    (
        lambda seen: seen.slower and seen.case.attention == "naive"
        and (seen.says(r"^\d{4}-\d\d", "measured_on") or seen.says(r"\bfa[ =]?0\b")),
        lambda _: "a build from before September 2025, or one configured without a fast attention kernel",
    ),
    (
        lambda seen: not seen.slower
        and seen.case.engine.family == "llama.cpp"
        and seen.case.month > seen.median_month > "",
        lambda seen: f"measured after most rows behind the prediction (median {seen.median_month}); engines get faster",
    ),
    (
        lambda seen: not seen.slower
        and seen.case.engine.name in SPECULATING
        and any(part.mtp_layers for part in seen.case.model.not_counted),
        lambda _: "the model supports speculative decoding; whether it was used is not stated",
    ),
    (
        lambda seen: seen.slower
        and seen.per_token_s is not None
        and seen.case.measured_s > seen.case.output_tokens * seen.per_token_s,
        lambda _: "the first token took longer than an answer, so that requests waited for others to end; how many the "
        "engine was let run is not stated",
    ),
    (
        lambda seen: seen.slower
        and seen.case.engine.name == "transformers"
        and seen.case.model.is_mixture_of_experts
        and seen.says(r"^4\.", "engine_version"),
        lambda _: "Transformers 4 runs experts one by one from Python",
    ),
    (
        lambda seen: seen.case.waiting > _WAITING,
        lambda seen: f"by its memory {seen.case.batch:,.0f} of {seen.case.batch * seen.case.waiting:,.0f} requests run "
        "at once; how many did is not stated",
    ),
    (
        lambda seen: seen.says("batch not stated") or seen.row.get("batch") is None,
        lambda _: "layout or batch is not stated, so the one that memory allows was taken",
    ),
    (
        lambda seen: seen.says("input length is our estimate"),
        lambda _: "the prompt length is an estimate",
    ),
    (
        lambda seen: seen.says("lengths of the data set"),
        lambda _: "lengths are means of a data set",
    ),
    (
        lambda seen: seen.says("without a format"),
        lambda _: "the stored format is not stated; Q4_K_M was taken",
    ),
    (
        lambda seen: seen.says(r"^gguf-ud-", "weight_format"),
        lambda _: "the publisher chose a type for each layer; the plain mix was taken",
    ),
    (
        lambda seen: seen.says("variant not stated"),
        lambda _: "which variant of the card it was is not stated",
    ),
    (
        lambda seen: seen.says("nightl") or seen.says(r"\d(rc|a|b)\d|dev", "engine_version"),
        lambda _: "a build from before a release",
    ),
)  # fmt: skip


def known_causes(rows: pl.DataFrame, cases: Sequence[Case], predictions: pl.DataFrame) -> pl.DataFrame:
    """`row` and `known_causes` of every measurement outside its interval; `UNKNOWN` where nothing is known.

    Args:
        rows: Columns of `core.end_to_end_measurements`.
        cases: The questions that were made of them.
        predictions: Rows of `predict.SCHEMA`.
    """
    outside = predictions.filter(~pl.col("measured").is_between("low", "high"))
    by_row = {case.row: case for case in cases}
    alike: dict[tuple[object, ...], list[float]] = defaultdict(list)
    per_token: dict[tuple[object, ...], float] = {}
    for case in cases:
        alike[case.stage, *_question(case)].append(case.measured_s)
        if case.stage == UNDER_LOAD[0]:
            per_token[_question(case)] = case.measured_s
    causes: list[tuple[int, str]] = []
    times = shipped_times()
    for row, measured, predicted in outside.select("row", "measured", "predicted").iter_rows():
        if row not in by_row:  # memory: what tools count differs, and none says what
            causes.append((row, UNKNOWN))
            continue
        case = by_row[row]
        runs = alike[case.stage, *_question(case)]
        step = per_token.get(_question(case)) if case.stage == FIRST_TOKEN else None
        month = times.basis(case.engine, case.device, (case.stage,)).median_month
        seen = _Seen(rows.row(row, named=True), case, measured > predicted, max(runs) / min(runs), month, step)
        causes.append((row, "; ".join(words(seen) for holds, words in _CAUSES if holds(seen)) or UNKNOWN))
    return pl.DataFrame(causes, schema={"row": pl.Int64, "known_causes": pl.String}, orient="row")


def _question(case: Case) -> tuple[object, ...]:
    return (
        *case.group, case.batch * case.waiting, case.replicas, case.input_tokens, case.output_tokens,
        case.depth, case.metered, case.arrival,
    )  # fmt: skip
