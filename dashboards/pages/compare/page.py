"""Compare: a few models side by side, every fact with its source, and which differences noise cannot explain."""

import math
from collections.abc import Sequence
from typing import Any

import panel as pn
import polars as pl
from markupsafe import Markup

from analytics.statistics.normal import TWO_SIDED_95
from dashboards.charts.compare import BARS, RADAR, Bars, Radar
from dashboards.charts.ratings import RowsChart
from dashboards.data import Data
from dashboards.finding import address_of_model
from dashboards.pages.compare import ability
from dashboards.pages.compare.in_formats import Formats
from dashboards.pages.compare.state import CompareState
from dashboards.parts import ability as words
from dashboards.parts import board_choice, formats, how_far_off, page
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.page import Content
from dashboards.parts.templates import block, render

_MOST, _FIRST = 5, 3
_SEPARATOR = "|"
_ENDED = "The Open LLM Leaderboard v2, which ended in March 2025,"
_WHERE_ELSE = "Newer boards' results for them are in the chart above and the table below."
_FACTS = {
    "open_llm_v2_average": "Open LLM v2 average", "open_llm_v1_average": "Open LLM v1 average",
    "arena_rating": "Arena rating", "arena_model": "Arena name", "parameters_total": "Parameters",
    "parameters_active": "Active parameters", "model_type": "Kind of training", "licence": "Licence",
    "licence_class": "Licence class", "release_date": "Released", "release_basis": "Basis of the date",
    "is_on_hub": "Weights on the hub", "is_merged": "Made by merging", "is_official_provider": "Official provider",
    "architecture_id": "Runs as", "architecture_evidence": "Architecture known by",
    "open_llm_v2_precision": "Measured in", "open_llm_v2_as_of_date": "Open LLM v2 of", "arena_as_of_date": "Arena of",
}  # fmt: skip


def build(data: Data, search: str) -> Content:
    """Content of the page for one session.

    Raises:
        NothingToShow: no model is rated.
    """
    judged = data.ask("compare_judged")["model_id"].to_list() if board_choice.has_ability(data) else []
    listed = data.ask("compare_names")["model_id"].to_list()
    names = list(dict.fromkeys([*judged, *listed]))
    if not names:
        raise page.NothingToShow("The published warehouse has no ratings.")
    return Compare(data, search, names).content()


class Compare:
    """One session's page."""

    def __init__(self, data: Data, search: str, known: list[str]) -> None:
        self.data = data
        self.state = CompareState.from_address(search)
        first = known[:_FIRST]
        self.state.remember_default("models", first)
        self._notes = self.state.offer("models", known, first) + self.state.settle("stored")
        if len(self.state.models) > _MOST:
            self._notes.append(f"At most {_MOST} models fit side by side; the first {_MOST} are shown.")
            self.state.models = self.state.models[:_MOST]
        self.facts = self.abilities = pl.DataFrame()
        self.notes, self.side_by_side = page.html(), page.html()
        self.radar, self.bars, self.domains = Radar(), Bars(), RowsChart(ability.NAME)
        self.ability_card = ChartCard(ability.NAME, self.domains.figure)
        self.radar_card = ChartCard(RADAR, self.radar.figure)
        self.bars_card = ChartCard(BARS, self.bars.figure)
        self.add = pn.widgets.AutocompleteInput(
            name="Add a model", options=sorted(known, key=str.casefold), placeholder="any part of a name",
            restrict=True, case_sensitive=False, search_strategy="includes", min_characters=2,
            sizing_mode="stretch_width", margin=(0, 0, 10, 0),
        )  # fmt: skip
        chosen = {formats.escape(name): name for name in self.state.models}
        self.chosen = pn.widgets.MultiChoice(
            name="Side by side", options=chosen, value=list(self.state.models), solid=False,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self.formats = Formats(data, self.state)
        self._notes += self.formats.offer()
        self.add.param.watch(self._on_add, "value")
        self.chosen.param.watch(self._on_chosen, "value")
        self.state.param.watch(self._on_models, "models")
        self.state.param.watch(lambda _event: self.formats.draw(), ["stored", "kv"])
        self._draw()

    def _on_add(self, event: Any) -> None:
        models = list(self.state.models)
        if event.new in self.state.param["models"].objects and event.new not in models:
            self._notes = []
            if len(models) >= _MOST:
                self._notes = [f"At most {_MOST} models fit side by side; remove one first."]
                self.notes.object = page.notes(self._notes)
            else:
                self.state.models = [*models, event.new]
        if event.new:
            self.add.value = ""

    def _on_chosen(self, event: Any) -> None:
        if list(event.new) != list(self.state.models):
            self._notes = []
            self.state.models = list(event.new)

    def _on_models(self, _event: Any) -> None:
        models = list(self.state.models)
        self.chosen.param.update(options={formats.escape(name): name for name in models}, value=models)
        self.formats.offer()
        with page.together():
            self._draw()

    def _draw(self) -> None:
        models = list(self.state.models)
        self.formats.draw()
        notes = [*self._notes] if models else [*self._notes, "No model is chosen. Add one by any part of the name."]
        self.notes.object = page.notes(notes)
        if not models:
            for card, title in self._titles():
                card.hide(title, "No model is chosen.")
            self.side_by_side.object = ""
            self.facts = pl.DataFrame()
            return
        parameters = {"models": _SEPARATOR.join(models)}
        self._draw_ability(models, parameters)
        scores = self.data.ask("compare_scores", **parameters)
        rows = {row["model_id"]: row for row in self.data.ask("compare_models", **parameters).iter_rows(named=True)}
        self._draw_scores(models, parameters, scores, rows)
        self.side_by_side.object = self._table(models, rows, scores)

    def _titles(self) -> list[tuple[ChartCard, str]]:
        return [
            (self.ability_card, "Ability by domain"), (self.radar_card, "Benchmarks"),
            (self.bars_card, "Scores and their noise"),
        ]  # fmt: skip

    def _draw_ability(self, models: list[str], parameters: dict[str, str]) -> None:
        has_ability = board_choice.has_ability(self.data)
        self.abilities = self.data.ask("compare_ability", **parameters) if has_ability else pl.DataFrame()
        if self.abilities.is_empty():
            self.ability_card.hide("Ability by domain", "No board used here has evaluated any of these models.")
            return
        self.domains.show(ability.marks(self.abilities, models))
        as_of = self.abilities["as_of_date"].max()
        domains = self.abilities["domain"].n_unique()
        self.ability_card.show(
            "Ability by domain", f"{domains} domains, each on the overall scale; hollow: little evidence",
            ability.swatches(models), words.where("overall", as_of, len(models)), words.READING,  # type: ignore[arg-type]
        )  # fmt: skip
        self.ability_card.came_from("compare_ability", parameters)

    def _draw_scores(
        self, models: list[str], parameters: dict[str, str], scores: pl.DataFrame, rows: dict[str, dict[str, Any]]
    ) -> None:
        there = scores["model_id"].unique().to_list()
        without = [model for model in models if model not in there]
        self.bars_card.column.visible = bool(there)
        if not there:
            self.radar_card.hide("Benchmarks", f"{_ENDED} has results of none of these models. {_WHERE_ELSE}")
            return
        day = next(row["open_llm_v2_as_of_date"] for row in rows.values() if row["open_llm_v2_as_of_date"])
        where = f"Open LLM Leaderboard v2, snapshot of {day}; n = {len(there)} models"
        if without:
            where += f"; no results of {', '.join(without)}"
        self.radar_card.show(
            "Benchmarks", "From 0 in the middle to 100 on the rim, normalised between chance and 100",
            self.radar.show(scores, models), where, "The area depends on the order of the axes, so compare the "
                                                    "corners.",
        )  # fmt: skip
        self.bars_card.show(
            "Scores and their noise", "Bars: 95 % intervals, binomial over the questions",
            self.bars.show(scores, models), where,
        )  # fmt: skip
        for card in (self.radar_card, self.bars_card):
            card.came_from("compare_scores", parameters)

    def _table(self, models: list[str], rows: dict[str, dict[str, Any]], scores: pl.DataFrame) -> str:
        """Every fact side by side; scores are held to those of the first model."""
        score_rows = {(row["benchmark"], row["model_id"]): row for row in scores.iter_rows(named=True)}
        lines: list[list[str]] = []
        timed_as: list[str] = []
        if not self.abilities.is_empty():
            texts = ability.estimates(self.abilities, models)
            for domain, values in ability.pairs(self.abilities, models).items():
                label = f"Ability: {formats.running(words.domain(domain))}"
                lines.append([label, *_against_first(values, texts[domain])])
            facts = self.data.ask("compare_facts", models=_SEPARATOR.join(models))
            lines += ability.fact_lines(facts, models)
            timed_as = facts["timed_as"].drop_nulls().unique().sort().to_list()
        for benchmark in scores["benchmark"].unique().sort():
            pairs = [
                (row["score"], row["standard_error"]) if (row := score_rows.get((benchmark, model))) else None
                for model in models
            ]
            lines.append([benchmark, *_against_first(pairs)])
        labels = {line[0] for line in lines}
        nothing = dict.fromkeys((*_FACTS, "arena_rating_lower", "arena_rating_upper"))
        rows = {model: rows.get(model, nothing) for model in models}
        for column, label in _FACTS.items():
            if label in labels or all(row[column] is None for row in rows.values()):
                continue
            if column.endswith("_average"):
                error = column.replace("_average", "_standard_error")
                pairs = [(rows[m][column], rows[m][error]) if rows[m][column] is not None else None for m in models]
                cells = _against_first(pairs)
            elif column == "arena_rating":
                cells = _against_first([_arena(rows[model]) for model in models])
            elif column.startswith("parameters"):
                cells = [formats.parameters(rows[model][column]) for model in models]
            elif column == "licence_class":
                cells = [formats.label(formats.value(rows[model][column])) for model in models]
            else:
                cells = [formats.value(rows[model][column]) for model in models]
            lines.append([label, *cells])
        wide = pl.DataFrame(lines, schema=["fact", *models], orient="row")
        self.facts = wide.unpivot(index="fact", variable_name="model_id")
        below = page.caption(ability.LOAD + how_far_off.links(*timed_as)) if timed_as else ""
        names = [Markup(block("link", address_of_model(model), model)) for model in models]  # noqa: S704 - it escapes
        return render(__file__, "side_by_side.html", names=names, lines=lines) + below

    def _describe(self) -> dict[str, Any]:
        return {"address": f"compare{self.state.address()}", "models": list(self.state.models)}

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Compare",
            "A few models side by side: every fact in the warehouse, and which differences exceed noise. What runs "
            "on your hardware:",
            link=("advisor", "Advisor"),
        )
        downloads = page.download_buttons("compare", lambda: self.facts, self._describe, self.data)
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)),
            self.notes,
            self.ability_card.column,
            self.formats.card.column,
            self.radar_card.column,
            self.bars_card.column,
            page.card(self.side_by_side, downloads),
            sizing_mode="stretch_width",
            margin=0,
        )
        return Content(main=main, sidebar=self._sidebar, state=self.state)

    def _sidebar(self) -> pn.Column:
        return pn.Column(self.add, self.chosen, self.formats.choices, sizing_mode="stretch_width", margin=0)


def _arena(row: dict[str, Any]) -> tuple[float, float | None] | None:
    if row["arena_rating"] is None:
        return None
    bounds = (row["arena_rating_lower"], row["arena_rating_upper"])
    return row["arena_rating"], None if None in bounds else (bounds[1] - bounds[0]) / (2 * TWO_SIDED_95)


def _against_first(pairs: list[tuple[float, float | None] | None], texts: Sequence[str] | None = None) -> list[str]:
    """Values with their errors, or as they are worded, and how each stands to the first."""
    first = pairs[0]
    cells = []
    for place, pair in enumerate(pairs):
        text = formats.MISSING if pair is None else texts[place] if texts else formats.points(*pair)
        if place and pair is not None and first is not None:
            text += f"\N{NO-BREAK SPACE}{mark(pair, first)}"
        cells.append(text)
    return cells


def mark(value: tuple[float, float | None], against: tuple[float, float | None]) -> str:
    """▲ or ▼ where two values differ by more than noise explains, ≈ where not, ? where an error is not known."""
    if value[1] is None or against[1] is None:
        return "?"
    difference = value[0] - against[0]
    if abs(difference) <= TWO_SIDED_95 * math.hypot(value[1], against[1]):
        return "≈"
    return "▲" if difference > 0 else "▼"
