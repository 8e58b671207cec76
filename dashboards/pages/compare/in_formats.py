"""The chosen models in the formats they would be run in: a choice for each, ability with its interval, the answer."""

from typing import Any

import panel as pn
import polars as pl

from dashboards.charts.opening import with_pages
from dashboards.charts.ratings import Rows, RowsChart
from dashboards.data import Data
from dashboards.pages.compare.state import CompareState
from dashboards.parts import controls, formats, page, theme
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.names import linked
from dashboards.parts.templates import block
from profiling.answers.format_comparison import Comparison, Side, comparisons, format_choices, notes, sentence
from profiling.errors import ProfilingError
from warehouse.contracts.ability import THIN_EVIDENCE

NAME = "ability_in_formats"
_TITLE = "Ability in a format"
_AT, _PUBLISHED = "@", "as published"


class Formats:
    """A drop-down of formats for each chosen model, and the chart and the sentences that follow."""

    def __init__(self, data: Data, state: CompareState) -> None:
        """Begin without a model.

        Args:
            data: What is asked.
            state: With `models`, `stored` and `kv`.
        """
        self._data, self._state = data, state
        self._chart = RowsChart(NAME)
        self._answer = page.html()
        self.card = ChartCard(NAME, self._chart.figure, self._answer)
        self._each = pn.Column(sizing_mode="stretch_width", margin=0)
        kv = controls.select(state, "kv", "KV cache", margin=(6, 0, 10, 0))
        self.choices = pn.Column(self._each, kv, sizing_mode="stretch_width", margin=(10, 0, 0, 0))

    def offer(self) -> list[str]:
        """Offer the formats of the chosen models; what is stated of others is dropped."""
        models, door = list(self._state.models), self._data.door()
        shapes = {model: door.judged_model(model) for model in models}
        formats_of_model = {model: format_choices(shape) if shape else [] for model, shape in shapes.items()}
        offered = [f"{model}{_AT}{name}" for model, names in formats_of_model.items() for name in names]
        self._state.stored = [pair for pair in self._state.stored if pair in offered]
        notes = self._state.offer("stored", offered, [])
        chosen = self._chosen()
        widgets = []
        for model, names in formats_of_model.items():
            if not names:
                continue
            widget = pn.widgets.Select(
                name=f"Format of {model.rsplit('/', 1)[-1]}", value=chosen.get(model, _PUBLISHED),
                options={f"{_PUBLISHED} ({names[0]})": _PUBLISHED, **{name: name for name in names[1:]}},
                sizing_mode="stretch_width", margin=(6, 0, 0, 0),
            )  # fmt: skip
            widget.param.watch(lambda event, model=model: self._choose(model, event.new), "value")
            widgets.append(widget)
        self._each.objects = widgets
        return notes

    def _chosen(self) -> dict[str, str]:
        return dict(pair.rsplit(_AT, 1) for pair in self._state.stored)

    def _choose(self, model: str, name: str) -> None:
        chosen = {**self._chosen(), model: name}
        self._state.stored = [
            f"{each}{_AT}{chosen[each]}"
            for each in self._state.models
            if each in chosen and chosen[each] != _PUBLISHED
        ]  # fmt: skip

    def draw(self) -> None:
        """Draw what is chosen; models that no board has judged are named and left out."""
        chosen, evidence, door = self._chosen(), self._data.evidence(), self._data.door()
        rows = evidence.abilities.filter(
            pl.col("domain").eq("overall") & pl.col("is_headline") & pl.col("evidence_class").ne("prior")
        )
        judged = set(rows["model_id"])
        models = [model for model in self._state.models if model in judged]
        # A cache is chosen for all, and has no meaning where nobody could run the model.
        sides = [
            Side(model, chosen.get(model), self._state.kv) if door.judged_model(model) else Side(model)
            for model in models
        ]
        try:
            results = comparisons(door, evidence, sides) if sides else []
        except ProfilingError as error:
            self.card.hide(_TITLE, str(error))
            return
        if not results:
            self.card.hide(_TITLE, "No board used here has evaluated any of these models.")
            return
        self._chart.show(marks(results))
        left_out = [model for model in self._state.models if model not in judged]
        where = "Ability on the scale of the Epoch Capabilities Index, minus what the formats cost"
        where += f"; no board has judged {', '.join(left_out)}" if left_out else ""
        self.card.show(
            _TITLE, "Choose the format in which you would run each model", "", where,
            " ".join(["Bars: 90 % intervals.", *notes(results)]),
        )  # fmt: skip
        self._answer.object = answer(results)


def answer(results: list[Comparison]) -> str:
    """Every other side held to the first, in sentences, and what was measured of each, as HTML."""
    models = [comparison.side.model_id for comparison in results]
    lines = [block("lead", linked(sentence(results[0], comparison), models)) for comparison in results[1:]]
    lines += [
        block("counts", linked(f"{comparison.side.model_id}: {measured.words}", models))
        for comparison in results
        for measured in comparison.measured[:2]
    ]
    return "".join(lines)


def marks(results: list[Comparison]) -> Rows:
    """A row per model in its format: hollow where boards say hardly anything of it."""
    rows: list[dict[str, Any]] = []
    for place, comparison in enumerate(results):
        low, likely, high = comparison.ability
        size = "" if comparison.file_gib is None else f"weights {formats.significant(comparison.file_gib)} GiB; "
        lost = (
            "cost of the format not known"
            if comparison.lost is None
            else f"the format costs {comparison.lost.likely:.1f}"
        )
        rows.append(
            {
                "row": place, "x": likely, "low": low, "high": high, "colour": theme.COLOURS[place],
                "mark": theme.MARKS[place], "fill": 0.0 if comparison.evidence_class in THIN_EVIDENCE else 1.0,
                "name": comparison.name,
                "first": f"ability {likely:.1f} (90 %: {low:.1f} to {high:.1f}), {comparison.evidence_class}",
                "second": f"{size}judged at {comparison.judged[1]:.1f}, {lost}",
            }
        )  # fmt: skip
    sides = [comparison.side for comparison in results]
    names = [f"{side.weight_format} · {side.model_id.rsplit('/', 1)[-1]}" for side in sides]
    pages = {comparison.name: comparison.side.model_id for comparison in results}
    return Rows(names, with_pages(pl.DataFrame(rows), pages), "Ability (index points)", row_px=30)
