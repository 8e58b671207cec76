"""Table 1 of the published performance analysis, number by number beside ours, every difference named.

The published numbers are those of LLM-Viewer 472f71f: Llama-2-7B, one decode step, batch 1, length 1024, plain
attention, RTX A6000, weights, activations and cache at 16 or 8 bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from profiling.devices.accelerators import find
from profiling.memory.need import activation_peak_bytes, kv_cache_bytes
from profiling.memory.weights import weight_bytes
from profiling.models.load import load
from profiling.reference_files import reference_rows
from profiling.roofline.operator_time import operator_times
from profiling.roofline.operators import operators, totals
from profiling.roofline.whole import pass_time
from profiling.roofline.workload import Precision, Workload

MODEL, ACCELERATOR = "meta-llama/Llama-2-7b-hf", "RTX-A6000"
_HIDDEN, _WIDTH, _VOCABULARY, _LAYERS = 4096, 11008, 32000, 32
_NORMS = 2 * _LAYERS + 1
LABELS = {
    "operations": "operations", "time_s": "time", "weight_bytes": "weights loaded",
    "kv_read_bytes": "KV cache loaded", "kv_write_bytes": "KV cache stored", "bytes_moved": "memory traffic",
    "activation_read_bytes": "activations loaded", "activation_write_bytes": "activations stored",
    "memory_weight_bytes": "memory: weights", "memory_kv_bytes": "memory: KV cache",
    "memory_activation_bytes": "memory: activations", "memory_bytes": "memory: in all",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """A named part of a difference: ours minus published."""

    name: str
    amount: float


@dataclass(frozen=True, slots=True)
class Line:
    """One number of the table."""

    bits: int
    metric: str
    published: float
    printed: str
    ours: float
    terms: tuple[Term, ...]

    @property
    def equal_as_printed(self) -> bool:
        """Whether ours shows the digits that were printed."""
        return as_printed(self.ours) == self.printed


def as_printed(value: float) -> str:
    """A number as the published analyzer prints it: one decimal below 100 of its unit, none above."""
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K"), (1.0, ""), (1e-3, "m"), (1e-6, "u")):
        if value >= factor:
            scaled = value / factor
            return f"{scaled:.0f}{unit}" if scaled >= 100 else f"{scaled:.1f}{unit}"
    return f"{value:g}"


def published(bits: int) -> Mapping[str, tuple[float, str]]:
    """Exact and printed published numbers by metric."""
    rows = (row for row in reference_rows("table1.csv") if int(row["bits"]) == bits)
    return {row["metric"]: (float(row["exact"]), row["printed"]) for row in rows}


def ours(bits: int) -> dict[str, float]:
    """Our numbers by metric."""
    model, card = load(MODEL), find(ACCELERATOR)
    precision = Precision(weight_bits=bits, activation_bits=bits, kv_bits=bits)
    workload = Workload(stage="decode", batch=1, context=1024, attention="naive", precision=precision)
    sums = {name: float(value) for name, value in totals(operators(model, workload)).items()}
    weights = float(weight_bytes(model, precision))
    cache = float(kv_cache_bytes(model, workload).high)
    alive = float(activation_peak_bytes(model, workload))
    return {
        **sums,
        "operations": sums["flops"],
        "time_s": float(pass_time(operator_times(model, card, workload)).bound_s),
        "memory_weight_bytes": weights,
        "memory_kv_bytes": cache,
        "memory_activation_bytes": alive,
        "memory_bytes": weights + cache + alive,
    }


def _terms(bits: int) -> dict[str, tuple[Term, ...]]:
    """The named differences, from the widths of the model alone."""
    number = bits / 8
    gains = Term("the report omits norm gains, which are kept at 16 bits", _NORMS * _HIDDEN * 2)
    matrix = _VOCABULARY * _HIDDEN * number
    weights = (gains, Term("the report omits the embedding row of the token", _HIDDEN * number))
    read = (
        Term("rotary embedding reads query and key", _LAYERS * 2 * _HIDDEN * number),
        Term("a residual sum reads two operands, in the report one", 2 * _LAYERS * _HIDDEN * number),
        Term("the activation has the feed-forward width, in the report the hidden one",
             _LAYERS * 2 * (_WIDTH - _HIDDEN) * number),
        Term("the report omits the final norm", _HIDDEN * number),
    )  # fmt: skip
    written = (
        Term("rotary embedding writes query and key", _LAYERS * 2 * _HIDDEN * number),
        Term("the activation has the feed-forward width, in the report the hidden one",
             _LAYERS * (_WIDTH - _HIDDEN) * number),
        Term("the report omits the final norm", _HIDDEN * number),
        Term("the embedding look-up writes its row", _HIDDEN * number),
    )  # fmt: skip
    traffic = (
        Term("weights (see that line)", sum(term.amount for term in weights)),
        Term("activations loaded (see that line)", sum(term.amount for term in read)),
        Term("activations stored (see that line)", sum(term.amount for term in written)),
    )
    card = find(ACCELERATOR)
    bandwidth = card.bandwidth_bytes_per_s
    theirs = published(bits)
    passing = sum(theirs[name][0] for name in ("activation_read_bytes", "activation_write_bytes", "kv_write_bytes"))
    passing += sum(term.amount for term in (*read, *written))
    # Rotary, softmax, residual sums and activation; norms wait for their gains instead.
    pointwise = _LAYERS * (6 * _HIDDEN + 5 * 32 * 1024 + 2 * _HIDDEN + 5 * _WIDTH)
    stored = (
        Term("the report omits the embedding", matrix),
        Term("the report omits the head", matrix),
        gains,
    )
    activations = (
        Term("the report adds up everything that the operators of a layer write",
             -(published(bits)["activation_write_bytes"][0] - _VOCABULARY * number) / _LAYERS),
        Term("ours is the largest set alive at one time: scores before and after softmax, and the residual stream",
             (2 * 32 * 1024 + _HIDDEN) * number),
    )  # fmt: skip
    return {
        "operations": (
            Term("the head has two operations per multiply-add, in the report one", _HIDDEN * _VOCABULARY),
            Term("the report omits the rotary embedding", _LAYERS * 3 * 2 * _HIDDEN),
            Term("the activation has 5 operations on the feed-forward width, in the report 2 on the hidden one",
                 _LAYERS * (5 * _WIDTH - 2 * _HIDDEN)),
            Term("the report omits the final norm", 7 * _HIDDEN),
        ),
        "weight_bytes": weights,
        "activation_read_bytes": read,
        "activation_write_bytes": written,
        "bytes_moved": traffic,
        "time_s": (
            *(Term(f"{term.name}, at 768 GB/s", term.amount / bandwidth) for term in traffic),
            Term("activations and new KV entries stay in the 6 MB cache", -passing / bandwidth),
            Term("element-wise operators are then limited by arithmetic", pointwise / card.vector_peak),
        ),
        "memory_weight_bytes": stored,
        "memory_activation_bytes": activations,
        "memory_bytes": (*stored, *activations),
    }  # fmt: skip


def reconciliation() -> list[Line]:
    """Every number of Table 1 at 16 and at 8 bits, with the terms that make up the difference."""
    lines = []
    for bits in (16, 8):
        theirs, mine = published(bits), ours(bits)
        terms = _terms(bits)
        for metric in LABELS:
            exact, printed = theirs[metric]
            lines.append(Line(bits, metric, exact, printed, mine[metric], terms.get(metric, ())))
    return lines


def as_markdown() -> str:
    """docs/table1.md."""
    text = [
        "# Table 1, reconciled",
        "",
        "Llama-2-7B, one decode step, batch 1, length 1024, plain attention, RTX A6000. *Published* is what the",
        "analyzer behind the report prints; *ours* is the bound of `profiling`. Every difference is the sum of the",
        "terms under the table, to the byte. Written by `python -m profiling.roofline.table1`; a test keeps it so.",
    ]
    for bits in (16, 8):
        text += ["", f"## {bits} bits", "", "| | published | ours | difference |", "|---|---|---|---|"]
        lines = [line for line in reconciliation() if line.bits == bits]
        for line in lines:
            gap = line.ours - line.published
            shown = "none" if gap == 0 else f"{gap:+.3g} s" if line.metric == "time_s" else f"{gap:+,.0f}"
            mark = "" if line.equal_as_printed else " (!)"
            text.append(f"| {LABELS[line.metric]} | {line.printed} | {as_printed(line.ours)}{mark} | {shown} |")
        text.append("")
        for line in lines:
            if line.terms:
                kind = "+.2e" if line.metric == "time_s" else "+,.0f"
                parts = "; ".join(f"{term.name}: {term.amount:{kind}}" for term in line.terms)
                text.append(f"- **{LABELS[line.metric]}**: {parts}")
    text += [
        "",
        "(!) the printed digits differ, for the reasons named. Memory for weights differs because a model in",
        "memory has its embedding and head: 13.5 GB in 16 bits, the size of the checkpoint.",
        "",
    ]
    return "\n".join(text)


if __name__ == "__main__":
    print(as_markdown(), end="")
