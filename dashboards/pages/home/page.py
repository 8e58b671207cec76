"""The first page: what the warehouse holds, how fresh it is, and where to go."""

from collections.abc import Sequence
from typing import Any

import panel as pn
import polars as pl
from markupsafe import Markup

from dashboards.data import Data
from dashboards.pages.advisor.state import MACHINE
from dashboards.pages.open_vs_proprietary.ability import sentence as gap_of
from dashboards.pages.scaling.ability import sentence as growth_of
from dashboards.parts import board_choice, formats
from dashboards.parts.how_far_off import address_of_error
from dashboards.parts.names import arena_pages, linked
from dashboards.parts.page import Content, Page, card, html
from dashboards.parts.templates import block, render
from profiling.answers.advise import advise
from profiling.answers.candidate import Need


def build(data: Data, pages: Sequence[Page]) -> Content:
    """Content of the first page, which leads to the pages."""
    retrieved = data.ask("retrieved")
    findings = [*_advice(data), *_ability(data), *_others(data)]
    release = data.release()
    lead = (
        f"{formats.count(int(retrieved['rows_loaded'].sum()))} rows from {retrieved.height} dated snapshots, "
        f"published {formats.age(release.published_at)}. Every figure names its source; scores come with their error."
    )
    return Content(
        pn.Column(
            html(block("opening", "Open language models, with evidence", lead), margin=(6, 0, 18, 0)),
            *([card(html(render(__file__, "findings.html", findings=findings)))] if findings else []),
            html(render(__file__, "doors.html", pages=pages), margin=(0, 0, 16, 0)),
            card(html(contents_table("freshness", data.ask("freshness")))),
            # Hundreds of lines: there for who looks for one, out of the way of who does not.
            card(html(contents_table("snapshots", retrieved))),
            card(html(contents_table("contents", data.ask("contents").filter(pl.col("rows") > 0)))),
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
    low, likely, high = (formats.significant(rate) for rate in best.tokens_per_s)
    sentence = (
        f"One {MACHINE} runs {best.model_id} in {best.weight_format} with {advice.need.context:,} tokens of context: "
        f"about {likely} tokens per second (80 %: {low} to {high}), ability {best.ability_in_format:.1f} "
        f"(90 %: {best.ability_low:.1f} to {best.ability_high:.1f}): {best.ability_basis}."
    )
    named = linked(sentence, [best.model_id], [MACHINE])
    return [{"sentence": named, "page": "advisor", "error": address_of_error(best.timed_as)}]


def _ability(data: Data) -> list[dict[str, str]]:
    """The gap and what size and time brought, in the words of the pages that show them."""
    if not board_choice.has_ability(data):
        return []
    leaders = [
        {
            "sentence": linked(gap_of(row), [row["open_model"], row["proprietary_model"]]),
            "page": "open-vs-proprietary",
        }
        for row in data.ask("ability_gap_today").head(1).iter_rows(named=True)
    ]
    growth = data.ask("ability_growth", domain="overall", size_basis="parameters_total")
    if not growth.is_empty():
        summary = growth_of({row["terms"]: row for row in growth.to_dicts()})
        leaders.append({"sentence": f"Open models by size and date: {summary}", "page": "scaling"})
    return leaders


def _others(data: Data) -> list[dict[str, str]]:
    """What the tables say by themselves."""
    rows = data.ask("findings").to_dicts()
    known = data.door().devices
    pages = arena_pages(data, [name for row in rows for name in row["names"] or ()])

    def told(row: dict[str, Any]) -> Markup:
        return linked(row["sentence"], devices=[name for name in row["names"] or () if name in known], pages=pages)

    return [{"sentence": told(row), "page": row["page"]} for row in rows]


def contents_table(part: str, rows: pl.DataFrame) -> str:
    """One of the tables of what the warehouse holds, as HTML.

    Args:
        part: `freshness`, `snapshots` or `contents`.
        rows: Result of the query of that name.
    """
    return render(__file__, "contents.html", part=part, rows=rows.to_dicts())
