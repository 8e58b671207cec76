"""The first page: what the warehouse holds, how fresh it is, and where to go."""

import panel as pn
import polars as pl

from dashboards import formats
from dashboards.data import Data
from dashboards.pages.page import Content, card, html


def build(data: Data, _search: str) -> Content:
    """Content of the first page."""
    # The list of pages names this one, so it can be read only once all are there.
    from dashboards.pages import PAGES  # noqa: PLC0415

    retrieved = data.ask("retrieved")
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
            *([card(html(findings))] if (findings := _findings(data.ask("findings"))) else []),
            html(f'<div class="grid">{doors}</div>', margin=(0, 0, 16, 0)),
            card(html(_freshness(data.ask("freshness")))),
            card(html(_snapshots(retrieved))),
            card(html(_contents(data.ask("contents")))),
            sizing_mode="stretch_width",
        )
    )


def _findings(findings: pl.DataFrame) -> str:
    """Sentences computed from the tables, each leading to the page that shows it."""
    items = "".join(
        f"<li>{formats.escape(row['sentence'])} <a href='{formats.escape(row['page'])}'>See it</a></li>"
        for row in findings.iter_rows(named=True)
    )
    lead = "<h2>What the tables say today</h2><p class='caption'>Computed from this release, with its noise.</p>"
    return f"{lead}<ul class='findings'>{items}</ul>" if items else ""


def _freshness(sources: pl.DataFrame) -> str:
    rows = "".join(
        f"<tr><td>{formats.escape(formats.board(row['board']))}</td>"
        f"<td class='number'>{formats.count(row['snapshots'])}</td>"
        f"<td>{row['first']}</td><td>{row['latest']}</td>"
        f"<td class='number'>{formats.count(row['rows_loaded'])}</td>"
        f"<td class='number'>{formats.count(row['rows_rejected'])}</td><td>{formats.age(row['retrieved_at'])}</td></tr>"
        for row in sources.iter_rows(named=True)
    )
    heads = ("Source", "Snapshots", "First", "Latest", "Rows loaded", "Rejected", "Retrieved")
    table = _table(heads, rows, numbers=("Snapshots", "Rows loaded", "Rejected"))
    return f"<h2>How fresh it is</h2><p class='caption'>By the dates that the sources themselves give.</p>{table}"


def _snapshots(snapshots: pl.DataFrame) -> str:
    rows = "".join(
        f"<tr><td>{formats.escape(formats.board(row['board']))}</td><td>{row['as_of_date']}</td>"
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
    summary = f"<summary>All {filled.height} tables that hold rows, and what each is</summary>"
    lead = "<p class='caption'>Ask them with <code>skyline sql</code>, on the SQL page, or with any DuckDB client.</p>"
    table = _table(("Table", "Rows", "What it is"), rows, numbers=("Rows",), kind="list wordy")
    return f"<details class='help'>{summary}{lead}{table}</details>"


def _table(heads: tuple[str, ...], rows: str, numbers: tuple[str, ...], kind: str = "list") -> str:
    cells = "".join(f"<th{' class=number' if head in numbers else ''}>{head}</th>" for head in heads)
    head = f"<thead><tr>{cells}</tr></thead>"
    return f'<div class="scroll"><table class="{kind}">{head}<tbody>{rows}</tbody></table></div>'
