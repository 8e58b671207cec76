"""What the roofline page says in words and figures: headlines, differences, captions."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from analytics.units import decimal
from dashboards.charts.memory_bar import gib
from dashboards.charts.roofline import seconds, span_of_seconds
from dashboards.finding import address_of_device, address_of_model
from dashboards.pages.roofline.state import STAGES
from dashboards.parts import formats, page
from dashboards.parts.how_far_off import address_of_error
from dashboards.parts.names import named
from dashboards.parts.templates import render
from profiling.answers.answer import Answer
from profiling.devices.accelerators import GIB
from profiling.roofline.whole import PassTime

STYLES = """
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(172px, 1fr)); gap: 10px; margin-top: 10px; }
.tile { background: var(--sunken); border-radius: 8px; padding: 10px 13px; }
.tile b { display: block; font-size: 22px; line-height: 1.2; letter-spacing: -0.01em; font-weight: 650; }
.tile b small { display: inline-block; font-size: 13.5px; font-weight: 500; color: var(--muted); letter-spacing: 0; }
.tile span { display: block; color: var(--muted); font-size: 12.5px; }
.tile.bad { background: var(--warn-bg); color: var(--warn-text); grid-column: 1 / -1; }
.tile.bad span { color: inherit; }
.letter { display: inline-flex; width: 22px; height: 22px; border-radius: 6px; background: var(--accent-soft);
  color: var(--accent); align-items: center; justify-content: center; font-size: 13px; margin-right: 8px; }
"""
_VERDICTS = {
    "fits": "fits",
    "borderline": "borderline: it depends on the engine",
    "does not fit": "does not fit",
}
_STAGES = {stage: label for label, stage in STAGES.items()}


def describe(answer: Answer) -> str:
    """A configuration in one line."""
    query = answer.question
    length = f"{query.context:,} tokens of {'prompt' if query.stage in ('prefill', 'generate') else 'context'}"
    made = f", {query.generated:,} generated" if query.stage == "generate" else ""
    return (
        f"{_STAGES[query.stage]}, batch {query.batch:,}, {length}{made}; {answer.weight_format} weights, "
        f"{bits(answer)}, {query.attention} attention; {query.devices}"
    )


def bits(answer: Answer) -> str:
    """Widths of activations and cache."""
    precision = answer.estimate.workload.precision
    return f"{float(precision.activation_bits):g}-bit activations, {float(precision.kv_bits):g}-bit KV cache"


def title(answer: Answer, letter: str = "") -> str:
    """Heading of a configuration."""
    sizes = formats.parameters(answer.model.parameters_total) + " parameters"
    if answer.model.is_mixture_of_experts:
        sizes += f", {formats.parameters(answer.model.parameters_active)} active"
    return render(
        __file__, "title.html", title=named(f"{answer.model.name} on {answer.question.devices}"), letter=letter,
        line=named(f"{sizes}, {answer.model.attention_kind}. {describe(answer)}"),
        model=address_of_model(answer.model.name), device=address_of_device(answer.device.name),
    )  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """One of the numbers that most come for.

    Attributes:
        label: What it is.
        value: The number, with its unit.
        below: What it holds for.
        note: Its interval, or what it is of.
        name: By which it is found on the page; none for a number that there is not.
        is_bad: Whether it says that there are no others.
    """

    label: str
    value: str
    below: str
    note: str = ""
    name: str = ""
    is_bad: bool = False


def headline(answer: Answer) -> str:
    """The numbers that most come for; of a configuration that does not fit, only why."""
    tiles = _tiles(answer) if answer.runs else [_unfit(answer)]
    return render(
        __file__,
        "headline.html",
        tiles=tiles,
        rests_on=named(answer.rests_on),
        error=address_of_error(answer.estimate.basis.stage),
    )


def _tiles(answer: Answer) -> list[Tile]:
    estimate, query = answer.estimate, answer.question
    tiles = []
    if answer.prefill is not None:
        first = answer.prefill.time_to_first_token
        tiles.append(_time("Time to first token", first, f"prefill of {query.batch:,} × {query.context:,} tokens"))
    if answer.decode is not None:
        each = answer.decode.time_per_output_token
        place = "mean of the generation" if query.stage == "generate" else f"at {query.context:,} tokens of context"
        tiles.append(_time("Time per output token", each, place))
    if query.stage == "encode":
        tiles.append(_time("Time per pass", estimate.time, f"{query.batch:,} × {query.context:,} tokens"))
    if estimate.tokens_per_s is not None:
        tiles.append(_rate(estimate.tokens_per_s, query.stage))
    share = f"{100 * estimate.fraction_of_roof:.0f} % of the roofline"
    tiles.append(
        Tile(
            "Bound by",
            str(estimate.bound_by),
            f"largest part of the bound; the prediction is {share}",
            name="bound",
        )
    )
    tiles.append(_memory(answer))
    return tiles


def _time(label: str, time: PassTime | None, below: str) -> Tile:
    if time is None:
        return Tile(label, formats.MISSING, f"{below} does not fit")
    main, _, interval = span_of_seconds(float(time.low_s), float(time.likely_s), float(time.high_s)).partition(" (")
    return Tile(label, main, f"bound {seconds(float(time.bound_s))}; {below}", interval.rstrip(")"), label)


def _rate(made: PassTime, stage: str) -> Tile:
    likely, low, high, bound = (
        formats.significant(float(getattr(made, side))) for side in ("likely_s", "low_s", "high_s", "bound_s")
    )
    what = "processed" if stage in ("prefill", "encode") else "produced"
    label = "Tokens per second"
    return Tile(label, likely, f"bound {bound}; {what}, all sequences together", f"80 %: {low}–{high}", label)


def _memory(answer: Answer) -> Tile:
    need = answer.estimate.need
    low, high = (formats.significant(float(side) / GIB) for side in (need.low, need.high))
    budget = gib(float(need.budget) / GIB)
    below = f"of {budget}: {_VERDICTS[need.verdict]}; largest batch that fits: {answer.largest_batch:,}"
    return Tile("Memory per device", f"{low}–{high}", below, "GiB", "memory")


def _unfit(answer: Answer) -> Tile:
    need = answer.estimate.need
    return Tile(
        "Memory", "Does not fit",
        f"Needs at least {gib(float(need.low) / GIB)} per device; {answer.question.engine or ''} may use "
        f"{gib(float(need.budget) / GIB)} of {gib(answer.device.usable_memory_bytes / GIB)}. It has no "
        "latency and no throughput.", name="unfit", is_bad=True,
    )  # fmt: skip


def differences(first: Answer, second: Answer) -> str:
    """Both configurations number by number, and the second over the first."""
    lines = [
        (label, _cell(here, kind), _cell(two, kind), _ratio(here, two))
        for (label, kind, here), (_, _, two) in zip(_figures(first), _figures(second), strict=True)
    ]
    return page.heading("B against A") + page.table(("Quantity", "A", "B", "B / A"), lines)


def _figures(answer: Answer) -> Sequence[tuple[str, str, float | None]]:
    estimate, need = answer.estimate, answer.estimate.need
    runs = answer.runs
    first = answer.prefill.time_to_first_token if answer.prefill else None
    each = answer.decode.time_per_output_token if answer.decode else None
    rate = estimate.tokens_per_s
    work = sum(float(time.operator.count * time.operator.flops) for time in estimate.operators)
    moved = sum(float(time.operator.count * time.operator.bytes_moved) for time in estimate.operators)
    return (
        ("Time to first token, likely", "s", float(first.likely_s) if first and runs else None),
        ("Time per output token, likely", "s", float(each.likely_s) if each and runs else None),
        ("Tokens per second, likely", "/s", float(rate.likely_s) if rate else None),
        ("Bound of the pass", "s", float(estimate.time.bound_s) if runs else None),
        ("Share of the roofline, predicted", "%", 100 * estimate.fraction_of_roof if runs else None),
        ("Work per pass and device", "FLOP", work),
        ("Moved per pass and device", "B", moved),
        ("Weights per device", "GiB", float(need.weights) / GIB),
        ("KV cache per device", "GiB", float(need.kv_cache.high) / GIB),
        ("Memory per device, at most", "GiB", float(need.high) / GIB),
    )


def _cell(value: float | None, kind: str) -> str:
    if value is None:
        return "does not fit" if kind in ("s", "/s", "%") else formats.MISSING
    if kind == "s":
        return seconds(value)
    if kind == "FLOP":
        return f"{formats.significant(value / 1e9)} GFLOP"
    if kind == "B":
        return f"{formats.significant(value / 1e9)} GB"
    return f"{formats.significant(value)} {'tokens/s' if kind == '/s' else kind}"


def _ratio(numerator: float | None, two: float | None) -> str:
    if not numerator or two is None:
        return formats.MISSING
    return f"{formats.significant(two / numerator)} × ({decimal(100 * (two / numerator - 1), signed=True)} %)"


def record(answer: Answer) -> dict[str, object]:
    """A configuration and its figures for a file, in base units; null where it does not fit."""
    estimate = answer.estimate

    def time(passed: PassTime | None) -> dict[str, float] | None:
        return None if passed is None else {side: float(getattr(passed, side)) for side in PassTime.__slots__}

    made = time(estimate.tokens_per_s)
    return {
        "question": asdict(answer.question),
        "verdict": estimate.fits,
        "memory_low_bytes_per_device": float(estimate.need.low),
        "memory_high_bytes_per_device": float(estimate.need.high),
        "memory_budget_bytes_per_device": float(estimate.need.budget),
        "time_to_first_token": time(answer.prefill.time_to_first_token) if answer.prefill else None,
        "time_per_output_token": time(answer.decode.time_per_output_token) if answer.decode else None,
        "tokens_per_s": {name.removesuffix("_s"): value for name, value in made.items()} if made else None,
        "bound_by": estimate.bound_by,
        "is_calibrated": estimate.calibrated,
        "error": answer.rests_on,
        "peaks_source": answer.device.source,
    }
