"""Compare: a few models side by side, every fact with its source, and which differences noise cannot explain."""

import math
from typing import Any

import panel as pn
import param
import polars as pl

from dashboards import formats
from dashboards.charts.compare import BARS, RADAR, WITHIN_NOISE, Bars, Radar
from dashboards.data import Data
from dashboards.pages import page
from dashboards.pages.advisor_text import table
from dashboards.pages.arena_card import ChartCard
from dashboards.pages.page import Content
from dashboards.state import UrlState

_MOST, _FIRST = 5, 3
_SEPARATOR = "|"
_FACTS = {
    "open_llm_v2_average": "Open LLM v2 average", "open_llm_v1_average": "Open LLM v1 average",
    "arena_rating": "Arena rating", "arena_model": "Arena name", "parameters_total": "Parameters",
    "parameters_active": "Active parameters", "model_type": "Kind of training", "licence": "Licence",
    "licence_class": "Licence class", "release_date": "Released", "release_basis": "which is",
    "is_on_hub": "Weights on the hub", "is_merged": "Made by merging", "is_official_provider": "Official provider",
    "architecture_id": "Runs as", "architecture_evidence": "which is known by", "open_llm_v2_precision": "Measured in",
    "open_llm_v2_as_of_date": "Open LLM v2 of", "arena_as_of_date": "Arena of",
}  # fmt: skip


class CompareState(UrlState):
    """Choices of the page."""

    models: Any = param.ListSelector(default=[], objects=[], doc="Models, the first is what the others are held to.")


def build(data: Data, search: str) -> Content:
    """Content of the page for one session.

    Raises:
        NothingToShow: no model is rated.
    """
    names = data.ask("compare_names")
    if names.is_empty():
        raise page.NothingToShow("The published warehouse rates no model on the Open LLM Leaderboard v2.")
    return Compare(data, search, names).content()


class Compare:
    """One session's page."""

    def __init__(self, data: Data, search: str, names: pl.DataFrame) -> None:
        self.data = data
        self.state = CompareState.from_address(search)
        known = names["model_id"].to_list()
        first = known[:_FIRST]
        self.state.remember_default("models", first)
        self._notes = self.state.offer("models", known, first) + self.state.settle()
        if len(self.state.models) > _MOST:
            self._notes.append(f"At most {_MOST} models stand side by side; the first {_MOST} are shown.")
            self.state.models = self.state.models[:_MOST]
        self.facts = pl.DataFrame()
        self.notes, self.side_by_side = page.html(), page.html()
        self.radar, self.bars = Radar(), Bars()
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
        self.add.param.watch(self._on_add, "value")
        self.chosen.param.watch(self._on_chosen, "value")
        self.state.param.watch(self._on_models, "models")
        self._draw()

    def _on_add(self, event: Any) -> None:
        models = list(self.state.models)
        if event.new in self.state.param["models"].objects and event.new not in models:
            self._notes = []
            if len(models) >= _MOST:
                self._notes = [f"At most {_MOST} models stand side by side; take one away first."]
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
        with page.together():
            self._draw()

    def _draw(self) -> None:
        models = list(self.state.models)
        notes = [*self._notes] if models else [*self._notes, "No model is chosen. Add one by any part of its name."]
        self.notes.object = page.notes(notes)
        if not models:
            for card, title in ((self.radar_card, "Benchmarks"), (self.bars_card, "Scores and their noise")):
                card.hide(title, "No model is chosen.")
            self.side_by_side.object = ""
            self.facts = pl.DataFrame()
            return
        asked = {"models": _SEPARATOR.join(models)}
        scores = self.data.ask("compare_scores", **asked)
        rows = {row["model_id"]: row for row in self.data.ask("compare_models", **asked).iter_rows(named=True)}
        day = rows[models[0]]["open_llm_v2_as_of_date"]
        where = f"Open LLM Leaderboard v2, snapshot of {day}; n = {len(models)} models"
        self.radar_card.show(
            "Benchmarks", "From 0 in the middle to 100 on the rim, normalised between chance and 100",
            self.radar.show(scores, models), where, "Areas depend on the order of the axes: compare corners.",
        )  # fmt: skip
        self.bars_card.show(
            "Scores and their noise", "Bars with 95 % intervals, binomial over the questions",
            self.bars.show(scores, models), where,
        )  # fmt: skip
        for card in (self.radar_card, self.bars_card):
            card.came_from("compare_scores", asked)
        self.side_by_side.object = self._table(models, rows, scores)

    def _table(self, models: list[str], rows: dict[str, dict[str, Any]], scores: pl.DataFrame) -> str:
        """Every fact side by side; scores are held to those of the first model."""
        found = {(row["benchmark"], row["model_id"]): row for row in scores.iter_rows(named=True)}
        lines: list[list[str]] = []
        for benchmark in scores["benchmark"].unique().sort():
            pairs = [
                (row["score"], row["standard_error"]) if (row := found.get((benchmark, model))) else None
                for model in models
            ]
            lines.append([benchmark, *_held_to_first(pairs)])
        for column, label in _FACTS.items():
            if column.endswith("_average"):
                error = column.replace("_average", "_standard_error")
                pairs = [(rows[m][column], rows[m][error]) if rows[m][column] is not None else None for m in models]
                cells = _held_to_first(pairs)
            elif column == "arena_rating":
                cells = _held_to_first([_arena(rows[model]) for model in models])
            elif column.startswith("parameters"):
                cells = [formats.parameters(rows[model][column]) for model in models]
            else:
                cells = [formats.value(rows[model][column]) for model in models]
            lines.append([label, *cells])
        self.facts = pl.DataFrame(lines, schema=["Fact", *models], orient="row")
        body = ["<tr>" + "".join(f"<td>{formats.escape(cell)}</td>" for cell in line) + "</tr>" for line in lines]
        lead = (
            "<h2>Side by side</h2><p class='counts'>Scores are held to those of the first model: ▲ and ▼ differ by "
            "more than noise explains (1.96 standard errors of the difference, as if independent), ≈ do not.</p>"
        )
        return lead + table(["", *models], body)

    def _describe(self) -> dict[str, Any]:
        return {"address": f"compare{self.state.address()}", "models": list(self.state.models)}

    def content(self) -> Content:
        """Everything in its place."""
        lead = (
            "<h1>Compare</h1><p class='lead'>A few models side by side: every fact we hold, and which differences are "
            "more than noise. What runs on your hardware is on the "
            "<a href='advisor' style='color:var(--accent)'>Advisor</a>.</p>"
        )
        downloads = page.downloads("compare", lambda: self.facts, self._describe)
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)),
            self.notes,
            self.radar_card.column,
            self.bars_card.column,
            page.card(self.side_by_side, pn.Spacer(height=8), downloads),
            sizing_mode="stretch_width",
            margin=0,
        )
        sidebar = pn.Column(self.add, self.chosen, sizing_mode="stretch_width", margin=0)
        return Content(main=main, sidebar=sidebar, state=self.state)


def _arena(row: dict[str, Any]) -> tuple[float, float | None] | None:
    if row["arena_rating"] is None:
        return None
    bounds = (row["arena_rating_lower"], row["arena_rating_upper"])
    return row["arena_rating"], None if None in bounds else (bounds[1] - bounds[0]) / (2 * WITHIN_NOISE)


def _held_to_first(pairs: list[tuple[float, float | None] | None]) -> list[str]:
    """Values with their errors, and how each stands to the first."""
    first = pairs[0]
    cells = []
    for place, pair in enumerate(pairs):
        text = formats.MISSING if pair is None else formats.points(*pair)
        if place and pair is not None and first is not None:
            text += f"  {mark(pair, first)}"
        cells.append(text)
    return cells


def mark(value: tuple[float, float | None], against: tuple[float, float | None]) -> str:
    """▲ or ▼ where two values differ by more than noise explains, ≈ where not, ? where an error is not known."""
    if value[1] is None or against[1] is None:
        return "?"
    difference = value[0] - against[0]
    if abs(difference) <= WITHIN_NOISE * math.hypot(value[1], against[1]):
        return "≈"
    return "▲" if difference > 0 else "▼"
