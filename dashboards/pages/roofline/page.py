"""The roofline explorer: what binds each operator of a model on an accelerator, how long it takes, what it needs."""

from typing import Any

import panel as pn
import polars as pl

from dashboards.data import Data
from dashboards.pages.roofline import text
from dashboards.pages.roofline.changes import Changes
from dashboards.pages.roofline.side import Side
from dashboards.pages.roofline.state import FIRST, NAMES, SECOND, RooflineState
from dashboards.pages.roofline.table import OperatorTable
from dashboards.parts import controls, engine_options, page
from dashboards.parts.page import Content
from profiling.answers.known_models import left_out, models
from profiling.errors import ProfilingError

_LABELS = {
    "model": "Model", "accelerator": "Accelerator", "stage": "Stage", "batch": "Batch (sequences)",
    "context": "Context (tokens)", "generated": "Generated (tokens)", "weights": "Weights",
    "activations": "Activations", "kv": "KV cache", "attention": "Attention kernel", "tp": "Tensor parallel",
    "pp": "Pipeline stages", "engine": "Engine profile", "prefix": "Cached prefix (tokens)",
    "chunk": "Tokens per pass (0: engine's)", "draft": "Speculated tokens per step",
    "drafts": "Speculated by", "acceptance": "Acceptance (0: the usual)", "pruning": "Pruning",
    "image_tokens": "Image tokens in the prompt", "audio_tokens": "Audio tokens in the prompt",
}  # fmt: skip
_MORE = ("image_tokens", "audio_tokens", *engine_options.NAMES)
_SEARCHED = ("model", "accelerator")
_WHOLE = ("batch", "context", "generated", "prefix", "chunk", "draft", "image_tokens", "audio_tokens")
_WRITTEN = {"drafts": "a smaller model, or mtp", "pruning": "2:4, unstructured-50%, structured-30%"}


class Roofline:
    """One session's page: two configurations, what they show, and the widgets between them."""

    def __init__(self, data: Data, search: str) -> None:
        self.data, self.door = data, data.door()
        self.state = RooflineState.from_address(search)
        self._busy = True
        self._notes: list[str] = []
        self.sides: dict[str, Side] = {}
        self.fields: dict[str, dict[str, pn.viewable.Viewable]] = {}
        self.notes, self.differences = page.html(), page.html()
        self.table = OperatorTable()
        for prefix in (FIRST, SECOND):
            self._notes += self.state.offer_all(prefix, self.door)
        self._notes += self.state.settle()
        self.second_fields = pn.Column(margin=0, sizing_mode="stretch_width")
        self.summaries, self.rooflines, self.memories = (_pair() for _ in range(3))
        self.graphs = pn.Column(margin=0, sizing_mode="stretch_width")
        self.changes = Changes(data, self.state)
        self.comparison = page.card(self.differences)
        self.table_card = page.card()
        self._busy = False
        self._update()
        self._watch()

    # What follows a choice -----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        watch = self.state.param.watch
        for prefix in (FIRST, SECOND):
            watch(self._on_model(prefix), prefix + "model")
            watch(self._on_choice, [prefix + name for name in NAMES if name != "model"])
        watch(self._on_compare, "compare")
        watch(lambda _event: self._draw_graphs(), "sized_by")
        watch(lambda _event: self._show_changes(), ["changes", "swept"])

    def _on_model(self, prefix: str) -> Any:
        def follow(_event: Any) -> None:
            if self._busy:
                return
            self._busy = True
            try:
                self._notes = self.state.follow_model(prefix, self.door)
            finally:
                self._busy = False
            self._update()

        return follow

    def _on_choice(self, *_events: Any) -> None:
        if not self._busy:
            self._notes = []
            self._update()

    def _on_compare(self, _event: Any) -> None:
        state = self.state
        if state.compare and state.is_untouched(SECOND):
            # A comparison begins where the reader is, with one thing changed.
            self._busy = True
            try:
                state.b_model = state.model
                state.follow_model(SECOND, self.door)
                state.param.update(**{SECOND + name: getattr(state, name) for name in NAMES})
                state.b_weights = "bf16" if state.weights == "fp8" else "fp8"
            finally:
                self._busy = False
        self._update()

    def _changer(self, prefix: str) -> Any:
        def change(changes: dict[str, Any]) -> None:
            self.state.change(prefix, changes)

        return change

    def _shown(self) -> list[str]:
        return [FIRST, SECOND] if self.state.compare else [FIRST]

    def _side(self, prefix: str) -> Side:
        """Charts and fields of a configuration, built and put in their places when first shown."""
        if prefix not in self.sides:
            side = self.sides[prefix] = Side(self.door, "b" if prefix else "a", self._changer(prefix))
            self.fields[prefix] = self._fields(prefix)
            self.summaries.append(side.summary)
            self.rooflines.append(side.roofline_card)
            self.memories.append(side.memory_card)
            self.graphs.append(side.graph_card)
            if prefix:
                heading = page.html(page.heading("Configuration B"), margin=(16, 0, 8, 0))
                self.second_fields.objects = [heading, *self._placed(prefix)]
        return self.sides[prefix]

    def _update(self) -> None:
        """Ask again and fill everything."""
        state = self.state
        for prefix in self._shown():
            side = self._side(prefix)
            try:
                side.show(self.door.answer(state.question(prefix)), lettered=state.compare)
            except ProfilingError as error:
                side.refuse(str(error))
            fields, stage = self.fields[prefix], getattr(state, prefix + "stage")
            fields["generated"].visible = stage == "generate"
            for name in ("prefix", "chunk"):
                fields[name].visible = stage in {"prefill", "generate"}
            for name in ("draft", "drafts", "acceptance"):
                fields[name].visible = stage in {"decode", "generate"}
        self._arrange()
        self._draw_graphs()
        answered = [side for prefix in self._shown() if (side := self.sides[prefix]).answer is not None]
        answers = [side.answer for side in answered if side.answer is not None]
        self.comparison.visible = len(answers) == 2
        if len(answers) == 2:
            self.differences.object = text.differences(*answers)
        self.table_card.visible = bool(answered)
        if answered:
            self.table.show([side.operators for side in answered])
        self._show_changes()
        warned = [warning for answer in answers for warning in (*answer.warnings, *answer.tower_notes)]
        self.notes.object = page.notes([*self._notes, *dict.fromkeys(warned)])

    def _show_changes(self) -> None:
        first = self.sides.get(FIRST)
        self.changes.show(first.answer if first else None)

    def _arrange(self) -> None:
        second = self.sides.get(SECOND)
        self.second_fields.visible = self.state.compare
        if second is None:
            return
        second.summary.visible = self.state.compare
        for card in second.charts:
            card.visible = self.state.compare and second.answer is not None

    def _draw_graphs(self) -> None:
        for prefix in self._shown():
            self.sides[prefix].show_graph(self.state.sized_by, lettered=self.state.compare)

    # What can be downloaded ----------------------------------------------------------------------------------------

    def _rows(self) -> pl.DataFrame:
        """Operators of every configuration shown, in base units."""
        frames = [
            self.sides[prefix].operators.drop("key").insert_column(0, pl.lit(letter).alias("configuration"))
            for prefix, letter in ((FIRST, "A"), (SECOND, "B"))
            if prefix in self._shown() and self.sides[prefix].answer is not None
        ]
        return pl.concat(frames) if frames else pl.DataFrame({"configuration": []})

    def _describe(self) -> dict[str, Any]:
        about: dict[str, Any] = {"address": f"roofline{self.state.address()}"}
        for prefix, letter in ((FIRST, "A"), (SECOND, "B")):
            answer = self.sides[prefix].answer if prefix in self._shown() else None
            if answer is not None:
                about[letter] = text.record(answer)
        return about

    # How it is laid out --------------------------------------------------------------------------------------------

    def _fields(self, prefix: str) -> dict[str, pn.viewable.Viewable]:
        fields: dict[str, pn.viewable.Viewable] = {}
        for name, label in _LABELS.items():
            title = f"{label}, B" if prefix else label
            margin = (0, 0, 10, 0)
            if name in _SEARCHED:
                fields[name] = controls.search(
                    self.state, prefix + name, title, margin=margin, placeholder="any part of the name"
                )
            elif name in _WHOLE:
                step = 1 if name in ("batch", "draft") else 512
                fields[name] = controls.integer(self.state, prefix + name, title, margin=margin, step=step)
            elif name == "acceptance":
                fields[name] = controls.number(self.state, prefix + name, title, margin=margin)
            elif name in _WRITTEN:
                fields[name] = controls.text(
                    self.state, prefix + name, title, margin=margin, sizing_mode="stretch_width",
                    placeholder=_WRITTEN[name],
                )  # fmt: skip
            else:
                fields[name] = controls.select(self.state, prefix + name, title, margin=margin)
        suffix = ", B" if prefix else ""
        fields |= engine_options.fields(self.state, prefix, suffix, margin=(0, 0, 10, 0))
        return fields

    def _placed(self, prefix: str) -> list[pn.viewable.Viewable]:
        """Fields of a configuration in their order, those that few ask for folded."""
        fields = self.fields[prefix]
        title = "More options, B" if prefix else "More options"
        more = engine_options.more(self.state, {prefix + name: fields[name] for name in _MORE}, title)
        return [*(field for name, field in fields.items() if name not in _MORE), more]

    def _sidebar(self) -> pn.Column:
        return pn.Column(
            *self._placed(FIRST),
            controls.switch(self.state, "compare", "Compare with a second configuration", margin=(4, 0, 0, 0)),
            self.second_fields,
            sizing_mode="stretch_width",
            margin=0,
        )

    def content(self) -> Content:
        """Everything in its place."""
        sizes = controls.radio(
            self.state, "sized_by", {"Size by time": "time", "Size by bytes": "bytes"}, height=32, margin=(0, 0, 12, 0)
        )
        self.table_card.objects = [
            page.html(
                page.heading(
                    "Operators", "work, bytes and times of all occurrences in one pass on one device; decimal units"
                )
            ),
            page.download_buttons("roofline", self._rows, self._describe, self.data),
            self.table.widget,
        ]
        named = ", ".join(left_out())
        missing = f" Left out because the operators of their families are not known: {named}." if named else ""
        lead = page.opening(
            "Roofline explorer",
            "What limits every operator of a model on an accelerator, how long it takes, how certain that is, "
            "and whether it fits. The address holds your choices, so it can be shared.",
        )
        sources = page.caption(
            f"Architectures: {len(models())} models of the bundled catalogue, from their published "
            f"config.json.{missing} Accelerators: dense data-sheet peaks, each with its source. Bounds: Williams, "
            "Waterman and Patterson 2009."
        )
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)),
            self.notes,
            self.summaries,
            self.comparison,
            self.rooflines,
            self.memories,
            sizes,
            self.graphs,
            self.table_card,
            controls.switch(self.state, "changes", "Show what would help, and what changes it", margin=(4, 0, 12, 0)),
            self.changes.cards,
            page.html(sources),
            sizing_mode="stretch_width",
            margin=0,
        )
        return Content(main=main, sidebar=self._sidebar, state=self.state)


def _pair() -> pn.FlexBox:
    """Room for the cards of both configurations, side by side where there is width for it."""
    return pn.FlexBox(gap="0 16px", sizing_mode="stretch_width", margin=0, align_items="stretch")
