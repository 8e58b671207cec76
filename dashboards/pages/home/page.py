"""The first page: what the warehouse holds, how fresh it is, and where to go."""

from collections.abc import Mapping, Sequence

import panel as pn
import polars as pl

from dashboards.data import Data
from dashboards.pages.advisor.state import MACHINE
from dashboards.pages.open_vs_proprietary.ability import sentence as gap_of
from dashboards.pages.scaling.ability import sentence as growth_of
from dashboards.parts import board_choice, formats
from dashboards.parts.page import Content, card, html
from profiling.answers.advise import Need, advise


def build(data: Data, _search: str) -> Content:
    """Content of the first page."""
    # The list of pages names this one, so it can be read only once all are there.
    from dashboards.pages import PAGES  # noqa: PLC0415

    retrieved = data.ask("retrieved")
    findings = _findings([*_advice(data), *_ability(data), *data.ask("findings").to_dicts()])
    release = data.release()
    doors = "".join(
        f'<a class="door" href="{page.slug}"><b>{formats.escape(page.title)}</b>'
        f"<span>{formats.escape(page.summary)}</span></a>"
        for page in PAGES
        if page.summary
    )
    lead = (
        f"{formats.count(int(retrieved['rows_loaded'].sum()))} rows from {retrieved.height} dated snapshots, "
        f"published {formats.age(release.published_at)}. Every figure has its source; scores carry their error."
    )
    return Content(
        pn.Column(
            html(f"<h1>Open language models, with evidence</h1><p class='lead'>{lead}</p>", margin=(6, 0, 18, 0)),
            *([card(html(findings))] if findings else []),
            html(f'<div class="grid">{doors}</div>', margin=(0, 0, 16, 0)),
            card(html(_freshness(data.ask("freshness")))),
            card(html(_snapshots(retrieved))),
            card(html(_contents(data.ask("contents")))),
            sizing_mode="stretch_width",
        )
    )


def _advice(data: Data) -> list[dict[str, str]]:
    """What the Advisor answers with its defaults, in a sentence; nothing where no ability is known."""
    evidence = data.evidence()
    if evidence.abilities.is_empty():
        return []
    advice = advise(data.door(), evidence, Need(accelerator=MACHINE))
    best = advice.best
    if best is None or best.tokens_per_s is None:
        return []
    low, likely, high = best.tokens_per_s
    sentence = (
        f"One {MACHINE} runs {best.model_id} in {best.weight_format} with {advice.need.context:,} tokens of context: "
        f"about {likely:.0f} tokens per second ({low:.0f} to {high:.0f}), ability {best.ability_in_format:.0f} "
        f"({best.ability_low:.0f} to {best.ability_high:.0f}), {best.ability_basis}."
    )
    return [{"sentence": sentence, "page": "advisor"}]


def _ability(data: Data) -> list[dict[str, str]]:
    """The gap and what size and time brought, in the words of the pages that show them."""
    if not board_choice.has_ability(data):
        return []
    found = [
        {"sentence": gap_of(row), "page": "open-vs-proprietary"}
        for row in data.ask("ability_gap_today").head(1).iter_rows(named=True)
    ]
    growth = data.ask("ability_growth", domain="overall", size_basis="parameters_total")
    if not growth.is_empty():
        told = growth_of({row["terms"]: row for row in growth.to_dicts()})
        found.append({"sentence": f"Open models by size and date: {told}", "page": "scaling"})
    return found


def _findings(findings: Sequence[Mapping[str, str]]) -> str:
    """Sentences computed from the tables, each leading to the page that shows it."""
    items = "".join(
        f"<li>{formats.escape(row['sentence'])} <a href='{formats.escape(row['page'])}'>See it</a></li>"
        for row in findings
    )
    lead = "<h2>What the data say today</h2><p class='caption'>Computed from this release, with its uncertainty.</p>"
    return f"{lead}<ul class='findings'>{items}</ul>" if items else ""


def _freshness(sources: pl.DataFrame) -> str:
    rows = "".join(
        f"<tr><td>{formats.escape(formats.board(row['board']))}</td>"
        f"<td class='number'>{formats.count(row['snapshots'])}</td>"
        f"<td>{row['first'] or formats.MISSING}</td><td>{row['latest'] or formats.MISSING}</td>"
        f"<td class='number'>{formats.count(row['rows_loaded'])}</td>"
        f"<td class='number'>{formats.count(row['rows_rejected'])}</td><td>{formats.age(row['retrieved_at'])}</td>"
        f"<td>{formats.escape(_standing(row))}</td></tr>"
        for row in sources.iter_rows(named=True)
    )
    heads = ("Source", "Snapshots", "First", "Latest", "Rows loaded", "Rejected", "Retrieved", "By its rhythm")
    table = _table(heads, rows, numbers=("Snapshots", "Rows loaded", "Rejected"))
    caption = "By the dates the sources themselves give; a dash where there is none."
    return f"<h2>How fresh it is</h2><p class='caption'>{caption}</p>{table}"


def _standing(row: Mapping[str, object]) -> str:
    """Whether a declared board is fresh by its own rhythm, and what came of asking for it last."""
    said = [str(row[name]) for name in ("freshness", "last_outcome") if row[name]]
    return ": ".join(said) or formats.MISSING


def _snapshots(snapshots: pl.DataFrame) -> str:
    rows = "".join(
        f"<tr><td>{formats.escape(formats.board(row['board']))}</td><td>{row['as_of_date'] or formats.MISSING}</td>"
        f"<td>{formats.escape(formats.label(row['coverage']))}</td>"
        f"<td class='number'>{formats.count(row['rows_loaded'])}</td>"
        f"<td class='number'>{formats.count(row['rows_rejected'])}</td>"
        f"<td>{formats.escape(row['licence'] or 'none stated')}</td><td>{formats.escape(row['uri'])}</td></tr>"
        for row in snapshots.iter_rows(named=True)
    )
    heads = ("Board", "As of", "Coverage", "Rows loaded", "Rejected", "Licence", "Source")
    table = _table(heads, rows, numbers=("Rows loaded", "Rejected"))
    # Hundreds of lines: there for who looks for one, out of the way of who does not.
    summary = f"<summary>All {snapshots.height} snapshots, each with its source</summary>"
    return f"<details class='help'>{summary}{table}</details>"


def _contents(tables: pl.DataFrame) -> str:
    filled = tables.filter(pl.col("rows") > 0)
    rows = "".join(
        f"<tr><td><code>{formats.escape(row['relation'])}</code></td>"
        f"<td class='number'>{formats.count(row['rows'])}</td>"
        f"<td>{formats.escape(row['meaning'])}</td></tr>"
        for row in filled.iter_rows(named=True)
    )
    summary = f"<summary>All {filled.height} tables that hold rows, and what each one holds</summary>"
    lead = (
        "<p class='caption'>Query them with <code>skyline sql</code>, on the SQL page, or with any DuckDB client.</p>"
    )
    table = _table(("Table", "Rows", "What it is"), rows, numbers=("Rows",), kind="list wordy")
    return f"<details class='help'>{summary}{lead}{table}</details>"


def _table(heads: tuple[str, ...], rows: str, numbers: tuple[str, ...], kind: str = "list") -> str:
    cells = "".join(f"<th{' class=number' if head in numbers else ''}>{head}</th>" for head in heads)
    head = f"<thead><tr>{cells}</tr></thead>"
    return f'<div class="scroll"><table class="{kind}">{head}<tbody>{rows}</tbody></table></div>'
