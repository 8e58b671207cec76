"""The card of one entry: every fact in the warehouse about it, and how it stands against the fronts. Text only."""

from typing import Any

from analytics.statistics.normal import TWO_SIDED_95
from dashboards.data import Data
from dashboards.finding import address_of_model
from dashboards.parts import formats
from dashboards.parts.fields import COSTS

_SHOWN_APART = {"snapshot_id", "board", "as_of_date", "entry_id", "model_id", "average", "average_standard_error"}
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
    found = data.ask("entry", snapshot_id=snapshot_id, entry_id=entry_id)
    if found.is_empty():
        return "<h2>No such entry</h2><p>This snapshot has no entry of the name in the address.</p>"
    entry = found.row(0, named=True)
    model_id = str(entry["model_id"])
    parts = [
        f"<h2 style='overflow-wrap:anywhere;padding-right:44px'>{formats.escape(model_id)}</h2>",
        f"<p class='caption'>{formats.escape(entry['board'])}, snapshot of {entry['as_of_date']}</p>",
        _standing(data, entry),
        _scores(data, entry),
        "<h3>Facts</h3>",
        _facts(entry),
    ]
    own = f'<a href="{formats.escape(address_of_model(model_id))}">Everything known about this model</a>'
    hub = formats.escape(f"https://huggingface.co/{model_id}")
    there = f' · <a href="{hub}" rel="noopener noreferrer" target="_blank">on the hub</a>' if "/" in model_id else ""
    parts.append(f'<p class="links">{own}{there}</p>')
    return "".join(parts)


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
    spread = f" (± {TWO_SIDED_95 * error:.1f})" if error is not None else ""
    return f"{pair[:1].upper()}{pair[1:]}: beaten by {dominator}: {gap}{spread}{share}{noise}."


def _standing(data: Data, entry: dict[str, Any]) -> str:
    rows = data.ask("standing", snapshot_id=entry["snapshot_id"], entry_id=entry["entry_id"])
    standings = {str(row["objectives"]): row for row in rows.iter_rows(named=True)}
    named = [f"average_vs_{against}" for against in COSTS]
    lines = [sentence(standings[name]) for name in named if name in standings]
    if not lines:
        return ""
    return '<div class="verdict">' + "".join(f"<p>{formats.escape(line)}</p>" for line in lines) + "</div>"


def _scores(data: Data, entry: dict[str, Any]) -> str:
    scores = data.ask("scores", snapshot_id=entry["snapshot_id"])
    own = scores.filter(scores["entry_id"] == entry["entry_id"])
    rows = [("Average", entry["average"], entry["average_standard_error"])]
    rows += [(row["benchmark"], row["score"], row["standard_error"]) for row in own.iter_rows(named=True)]
    body = "".join(
        f"<tr><th>{formats.escape(name)}</th><td>{formats.points(score, error)}"
        f'<span class="meter"><i style="width:{max(0.0, min(score or 0.0, 100.0)):.1f}%"></i></span></td></tr>'
        for name, score, error in rows
    )
    return f'<h3>Scores, points ± standard error</h3><table class="facts">{body}</table>'


def _facts(entry: dict[str, Any]) -> str:
    rows = []
    for name, item in entry.items():
        if name in _SHOWN_APART or name.endswith("_source") or item is None:
            continue
        label, unit = _LABELS.get(name, (formats.label(name).removeprefix("is ").capitalize(), ""))
        text = formats.quantity(item, unit) if unit and not isinstance(item, bool | str) else formats.value(item)
        if unit == "bytes":
            text = f"{item:,} bytes"
        stem = name.removesuffix("_gib").removesuffix("_total").removesuffix("_active")
        source = entry.get(f"{name}_source") or (None if name.startswith("reported") else entry.get(f"{stem}_source"))
        origin = f" <small>({formats.escape(formats.label(str(source)))})</small>" if source else ""
        rows.append(f"<tr><th>{formats.escape(label)}</th><td>{formats.escape(text)}{origin}</td></tr>")
    return f'<table class="facts">{"".join(rows)}</table>'
