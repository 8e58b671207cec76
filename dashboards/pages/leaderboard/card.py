"""The card of one entry: every fact in the warehouse about it, and how it stands against the fronts. Text only."""

from collections.abc import Iterator
from typing import Any

from analytics.statistics.normal import TWO_SIDED_95
from dashboards.data import Data
from dashboards.finding import address_of_model
from dashboards.parts import formats
from dashboards.parts.fields import COSTS
from dashboards.parts.templates import render

_NOT_LISTED = {"snapshot_id", "board", "as_of_date", "entry_id", "model_id", "average", "average_standard_error"}
_LABELS = {
    "size_gib": ("Size", "GiB"),
    "reported_size_gib": ("Size as the board measured it", "GiB"),
    "parameters_total": ("Parameters", "parameters"),
    "parameters_active": ("Active parameters", "parameters"),
    "parameters_non_embedding": ("Non-embedding parameters", "parameters"),
    "reported_parameters": ("Parameters as the board states them", "parameters"),
    "evaluation_co2_kg": ("CO₂ of the evaluation", "kg"),
    "error_pct": ("Error", "%"),
    "size_adjusted_residual": ("Average above expectation for its size", "points"),
    "residual_rank": ("Rank by that", ""),
    "score_per_gib": ("Average per GiB", "points / GiB"),
    "score_per_billion_parameters": ("Average per billion parameters", "points / billion"),
    "score_per_kg_co2": ("Average per kg of CO₂", "points / kg"),
    "size_bytes": ("Size in bytes", "bytes"),
    "is_moe": ("Mixture of experts", ""),
    "is_on_hub": ("On the hub at the snapshot", ""),
    "hub_likes": ("Likes on the hub", ""),
}
_CHEAPER = {"size_gib": "the size", "parameters_total": "the parameters", "evaluation_co2_kg": "the CO₂"}


def build(data: Data, snapshot_id: str, entry_id: str) -> str:
    """The card as HTML; a sentence saying so where the snapshot holds no such entry."""
    entries = data.ask("entry", snapshot_id=snapshot_id, entry_id=entry_id)
    if entries.is_empty():
        return render(__file__, "card.html", entry=None)
    entry = entries.row(0, named=True)
    model_id = str(entry["model_id"])
    return render(
        __file__, "card.html", entry=entry, standings=_standings(data, entry), scores=_scores(data, entry),
        facts=list(_facts(entry)), own=address_of_model(model_id),
        hub=f"https://huggingface.co/{model_id}" if "/" in model_id else None,
    )  # fmt: skip


def sentence(standing: dict[str, Any]) -> str:
    """How an entry stands against the front of one set of objectives, as a sentence."""
    quality, _, against = str(standing["objectives"]).partition("_vs_")
    cost = formats.running(COSTS[against].name_in_text) if against in COSTS else formats.label(against)
    pair = f"{formats.label(quality)} against {cost}"
    if standing["dominated_by_model_id"] is None:
        return f"On the front of {pair}: no entry beats it."
    dominator = standing["dominated_by_model_id"]
    ratio = standing["cost_ratio"]
    share = f" at {formats.significant(1 / ratio, 2)}× {_CHEAPER.get(against, 'the cost')}" if ratio else ""
    gap = f"+{standing['score_gap']:.1f} points" if standing["score_gap"] >= 0.05 else "an equal score"
    noise = {True: "; within noise", False: "; more than noise", None: ""}[standing["within_noise"]]
    error = standing["score_gap_standard_error"]
    spread = f" (95 %: ± {TWO_SIDED_95 * error:.1f})" if error is not None else ""
    return f"{pair[:1].upper()}{pair[1:]}: beaten by {dominator}: {gap}{spread}{share}{noise}."


def _standings(data: Data, entry: dict[str, Any]) -> list[str]:
    rows = data.ask("standing", snapshot_id=entry["snapshot_id"], entry_id=entry["entry_id"])
    standings = {str(row["objectives"]): row for row in rows.iter_rows(named=True)}
    named = [f"average_vs_{against}" for against in COSTS]
    return [sentence(standings[name]) for name in named if name in standings]


def _scores(data: Data, entry: dict[str, Any]) -> list[tuple[str, str, float]]:
    scores = data.ask("scores", snapshot_id=entry["snapshot_id"])
    own = scores.filter(scores["entry_id"] == entry["entry_id"])
    rows = [("Average", entry["average"], entry["average_standard_error"])]
    rows += [(row["benchmark"], row["score"], row["standard_error"]) for row in own.iter_rows(named=True)]
    return [(name, formats.points(score, error), max(0.0, min(score or 0.0, 100.0))) for name, score, error in rows]


def _facts(entry: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, item in entry.items():
        if name in _NOT_LISTED or name.endswith("_source") or item is None:
            continue
        label, unit = _LABELS.get(name, (formats.label(name).removeprefix("is ").capitalize(), ""))
        text = formats.quantity(item, unit) if unit and not isinstance(item, bool | str) else formats.value(item)
        if unit == "bytes":
            text = f"{item:,} bytes"
        stem = name.removesuffix("_gib").removesuffix("_total").removesuffix("_active")
        source = entry.get(f"{name}_source") or (None if name.startswith("reported") else entry.get(f"{stem}_source"))
        yield label, text, formats.label(str(source)) if source else ""
