"""How far off: predictions held against what others measured, and against one's own measurements."""

from typing import Any

import duckdb
import panel as pn
import polars as pl

from analytics.units import counted
from dashboards.charts import legend
from dashboards.charts.predicted import PredictedMeasured
from dashboards.charts.ratings import RowsChart
from dashboards.data import Data
from dashboards.pages.how_far_off import text
from dashboards.pages.how_far_off.state import ALL_STAGES, GROUPS, HowFarOffState
from dashboards.parts import controls, own_measurements, page
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact
from dashboards.parts.names import named
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.table_card import TableCard
from dashboards.parts.templates import block, render
from profiling.accuracy.held_out import held_out_errors
from profiling.accuracy.table import error_table
from profiling.engines.time import COMMAND

_ERRORS, _PICTURE = "error_on_what_was_left_out", "predicted_against_measured"
_SHIPPED = {
    "stage": Fact("Stage", width=190),
    "engine": Fact("Engine", width=148, stays=True),
    "devices_left_out_mdape_pct": Fact("Error, devices left out (%)", "0.0", 90, stays=True),
    "models_left_out_mdape_pct": Fact("Error, models left out (%)", "0.0", 90),
    **{
        f"{group}_left_out_{name}": Fact(f"{title}, {group} left out{unit}", form, 120)
        for name, title, unit, form in (
            ("inside_pct", "Inside 80 % interval", " (%)", "0.0"),
            ("measured_over_predicted_p10", "Measured / predicted, 10th percentile", "", "0.00"),
            ("measured_over_predicted_p90", "Measured / predicted, 90th percentile", "", "0.00"),
        )
        for group in ("devices", "models")
    },
    "rows": Fact("Measurements", "0,0", 124),
    "devices": Fact("Devices", "0", 76),
    "models": Fact("Models", "0", 70),
}
_OWN = {
    "stage": Fact("Stage", width=190),
    "group": Fact("Group", width=190, stays=True),
    "rows": Fact("Measurements", "0,0", 124),
    "asked": Fact("Predicted", "0,0", 84),
    "mdape_pct": Fact("Median error (%)", "0.0", 90, stays=True),
    "bias_log2": Fact("Bias (log2)", "0.00", 84),
    "inside_pct": Fact("Inside 80 % interval (%)", "0.0", 110),
    "below_bound_pct": Fact("Below the bound (%)", "0.00", 100),
    "naive_mdape_pct": Fact("Rule of thumb, error (%)", "0.0", 110),
}
_WORST = {
    "model": Fact("Model", width=200, link="model/"),
    "device": Fact("Device", width=140, link="device/", stays=True),
    "stage": Fact("Stage", width=170),
    "ratio": Fact("Predicted over measured", "0.00", 100, stays=True),
    "known_causes": Fact("Possible causes", width=380, wraps=True),
    "engine": Fact("Engine", width=120),
    "format": Fact("Format", width=100),
    "measured": Fact("Measured", "0,0.0000", 90),
    "predicted": Fact("Predicted", "0,0.0000", 90),
    "unit": Fact("Unit", width=50),
    "inside": Fact("Inside interval", width=80),
    "basis": Fact("Basis of the prediction", width=380),
    "source": Fact("Source", width=130),
}
_UNITS = {"s": "s", "J": "J per token", "GiB": "GiB"}


class HowFarOff(SessionPage[HowFarOffState]):
    """One session's page."""

    def __init__(self, data: Data, search: str) -> None:
        super().__init__(data, HowFarOffState.from_address(search))
        self.shipped = held_out_errors()
        try:
            self.rows = text.labelled(data.ask("how_far_off"))
        except duckdb.Error:  # a release from before there were such tables
            self.rows = pl.DataFrame()
        self.predicted = text.predicted_rows(self.rows) if self.rows.height else pl.DataFrame()
        self.notes, self.answer = page.html(), page.html()
        self.dots, self.picture = RowsChart(_ERRORS), PredictedMeasured(_PICTURE)
        self.dots_card = ChartCard(_ERRORS, self.dots.figure)
        self.picture_card = ChartCard(_PICTURE, self.picture.figure)
        self.table, self.errors, self.worst = (
            TableCard(name, facts, self._describe, data)
            for name, facts in (("held_out_errors", _SHIPPED), ("errors", _OWN), ("furthest_off", _WORST))
        )
        stages = self.shipped["stage"].unique(maintain_order=True).to_list()
        if self.rows.height:
            stages += [stage for stage in self.rows["stage"].unique().sort() if stage not in stages]
        self.state.remember_default("stage", ALL_STAGES)
        self._notes = self.state.offer("stage", {"everything": ALL_STAGES} | {s: s for s in stages}, ALL_STAGES)
        self._notes += self.state.settle()
        self._draw()
        self._when(self.state.keys(), self._draw, lambda: None)

    def _draw(self) -> None:
        self.notes.object = page.notes(self._notes)
        stage = self.state.stage
        chosen, row_name = text.rows_of(self.shipped, stage)
        self.answer.object = block("lead", named(text.first_sentence(self.shipped, stage)))
        self.dots.show(text.dots(chosen, row_name))
        title = (
            f"Error of {stage}, by engine" if row_name == "engine" else "Error by what is timed, all engines together"
        )
        self.dots_card.show(
            title, "on devices and models left out of the fit; lower is better",
            legend.swatches(_ERRORS, [legend.Entry(*entry) for entry in text.LEGEND]),
            f"Fitted to {text.fitted_to(self.shipped)}",
            "Devices left out: how far off an engine is on a device without measurements. Models left out: on a "
            "measured device, with a model that is new. Hover to see the range of 80 % of measurements.",
        )  # fmt: skip
        listed = chosen if row_name == "engine" else self.shipped
        self.table.show("Every held-out error", "median by what is timed and engine", text.side_by_side(listed))
        if self.rows.height:
            self._draw_own()

    def _draw_own(self) -> None:
        stage = self.state.stage
        chosen = pl.lit(value=True) if stage == ALL_STAGES else pl.col("stage") == stage
        rows, predicted = self.rows.filter(chosen), self.predicted.filter(chosen)
        label = next(words for words, name in GROUPS.items() if name == self.state.by)
        self.errors.show(
            "Measurements in this home", text.own_sentence(rows, predicted),
            error_table(predicted, rows, self.state.by),
            "Each is compared with its prediction; rows used in the fit look better than new ones would.",
        )  # fmt: skip
        self.worst.show(
            "The ten largest errors",
            "by ratio, each configuration once; possible causes are recorded facts, not proven",
            text.worst(predicted),
        )
        units = predicted["unit"].unique().to_list()
        unit = units[0] if len(units) == 1 else "s"
        points = text.drawn(predicted, unit, self.state.by)
        title = "Predicted against measured"
        if points.is_empty():
            self.picture_card.hide(title, "No measurement of this stage has a prediction.")
            return
        self.picture_card.show(
            title, f"{counted(points.height, 'measurement')}; colours by {label}",
            self.picture.show(points, _UNITS[unit]), "Intervals hold 80 %",
        )  # fmt: skip

    def _describe(self) -> dict[str, Any]:
        return {
            "address": f"how-far-off{self.state.address()}", "fitted_to": text.fitted_to(self.shipped),
            "error": "median of |predicted / measured - 1|, in percent",
        }  # fmt: skip

    # How it is laid out --------------------------------------------------------------------------------------------

    def _sidebar(self) -> pn.Column:
        state, margin = self.state, (0, 0, 10, 0)
        return pn.Column(
            controls.select(state, "stage", "Stage", margin=margin),
            *([controls.select(state, "by", "Groups", margin=margin)] if self.rows.height else []),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "How far off",
            "Predicted times compared with published measurements of passes and requests: the error, "
            "whether the intervals hold, and how both do on devices and models left out of the fit.",
        )
        how = render(__file__, "how.html", source=text.fitted_to(self.shipped), command=COMMAND)
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)),
            self.notes,
            page.card(self.answer),
            *own_measurements.cards(self.data, "how-far-off"),
            *((self.errors.card, self.picture_card.column, self.worst.card) if self.rows.height else ()),
            self.dots_card.column,
            self.table.card,
            *(() if self.rows.height else (page.card(page.html(render(__file__, "none_yet.html"))),)),
            page.card(page.html(how)),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, sidebar=self._sidebar, state=self.state)
