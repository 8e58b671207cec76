"""Processors: CPUs, GPUs, TPUs and NPUs under one load; time, energy, cost, and what binds each."""

from typing import Any

import panel as pn
import polars as pl

from analytics.units import JOULES_PER_KWH
from dashboards.charts import legend
from dashboards.charts.ratings import RowsChart
from dashboards.data import Data
from dashboards.pages.processors import text
from dashboards.pages.processors.state import MEASURES, ProcessorsState
from dashboards.parts import controls, how_far_off, page
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact
from dashboards.parts.names import linked
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.table_card import TableCard
from dashboards.parts.templates import block
from profiling.answers.energy import INCLUDES
from profiling.answers.processors import compare_processors, warned, what_binds
from profiling.errors import ProfilingError

_CHART = "processors"
_FACTS = {
    "accelerator": Fact("Processor", width=210, link="device/"),
    "kind": Fact("Kind", width=140),
    "verdict": Fact("Memory", width=100),
    "bound_by": Fact("Bound by", width=90),
    "predicted_ms": Fact("Time (ms)", "0,0.00", 84, stays=True),
    "predicted_low_ms": Fact("80 % from (ms)", "0,0.00", 84),
    "predicted_high_ms": Fact("80 % to (ms)", "0,0.00", 84),
    "tokens_per_s": Fact("Tokens/s", "0,0.0", 84),
    "kwh_per_million_tokens": Fact("kWh per million tokens", "0,0.000", 110),
    "kwh_of_host": Fact("… of the host", "0,0.000", 90, header="host_kwh_per_million_tokens"),
    "usd_per_million_tokens": Fact("USD per million tokens", "0,0.000", 110),
    "g_co2e_per_million_tokens": Fact("g CO₂e per million tokens", "0,0.0", 110),
    "engine": Fact("Engine", width=100),
    "weight_format": Fact("Weights", width=80),
    "timed_as": how_far_off.TIMED_AS,
    "reason": Fact("Why not", width=240),
}


class Processors(SessionPage[ProcessorsState]):
    """One session's page."""

    def __init__(self, data: Data, search: str) -> None:
        super().__init__(data, ProcessorsState.from_address(search))
        self.door = data.door()
        self._notes = self.state.offer_all(self.door) + self.state.settle()
        self._notes += self.state.follow_model(self.door)
        self.rows = pl.DataFrame()
        self.notes, self.answer = page.html(), page.html()
        self.chart = RowsChart(_CHART, is_logarithmic=True, opens="device")
        self.chart_card = ChartCard(
            _CHART, self.chart.figure, controls.radio(self.state, "show", dict(MEASURES), height=32)
        )
        self.table = TableCard(_CHART, _FACTS, self._describe, self.data)
        self._ask()
        names = set(self.state.keys()) - {"show"}
        self._when(sorted(names), self._ask, lambda: self.state.follow_model(self.door))
        self._when("show", self._draw)

    def _ask(self) -> None:
        try:
            self.rows = compare_processors(self.door, self.state.question, self.state.devices)
        except ProfilingError as error:
            self.notes.object = page.notes([*self._notes, str(error)])
            return
        self.notes.object = page.notes([*self._notes, *warned(self.door, self.state.question, self.rows)])
        self.answer.object = block("lead", linked(what_binds(self.rows), devices=self.rows["accelerator"]))
        self._draw()

    def _draw(self) -> None:
        state, measure = self.state, text.MEASURES[self.state.show]
        shown = text.drawn(self.rows, measure)
        self.chart.figure.visible = bool(shown.names)
        if shown.names:
            self.chart.show(shown)
        load = f"{state.batch:,} × {state.context:,} tokens, {state.stage}"
        self.chart_card.show(
            measure.title, f"{state.model}, {load}; lower is better",
            legend.swatches(_CHART, text.legend(self.rows)),
            "One device of each kind, with the engine usually run on it",
            f"{measure.how} The limit is the resource that the pass waits for most."
            + how_far_off.links(*([how_far_off.ENERGY] if measure.column.startswith("kwh") else self._timed_as())),
        )  # fmt: skip
        self.table.show(
            "Every processor", text.counts(self.rows),
            self.rows.with_columns(
                (pl.col("^predicted.*_s$") * 1e3).name.map(lambda name: name.removesuffix("_s") + "_ms"),
                kwh_of_host=pl.col("host_joules_per_token") * 1e6 / JOULES_PER_KWH,
            ),
            INCLUDES + how_far_off.links(how_far_off.ENERGY),
        )  # fmt: skip

    def _timed_as(self) -> list[str]:
        """Classes of the predictions shown, in the order of the table."""
        return self.rows["timed_as"].drop_nulls().unique(maintain_order=True).to_list()

    def _describe(self) -> dict[str, Any]:
        question = self.state.question
        return {
            "address": f"processors{self.state.address()}", "model": question.model, "stage": question.stage,
            "batch": question.batch, "context": question.context, "devices_of_each": 1,
        }  # fmt: skip

    def _sidebar(self) -> pn.Column:
        state, margin = self.state, (0, 0, 10, 0)
        return pn.Column(
            controls.search(state, "model", "Model", margin=margin),
            controls.select(state, "weights", "Weights", margin=margin),
            controls.select(state, "stage", "Stage", margin=margin),
            controls.integer(state, "batch", "Batch (sequences)", margin=margin),
            controls.integer(state, "context", "Context (tokens)", step=1024, margin=margin),
            controls.several(state, "devices", "Processors", margin=margin),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Processors",
            "CPUs, GPUs, TPUs and NPUs under one load: how long it takes, what it costs in energy and money, "
            "and what limits each.",
        )
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)), self.notes, page.card(self.answer), self.chart_card.column,
            self.table.card,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, sidebar=self._sidebar, state=self.state)
