"""Measured models: what a sweep found on a device, beside what was predicted, module by module."""

from typing import Any

import panel as pn
import polars as pl

from analytics.units import counted
from dashboards.charts.measured import QUANTITIES, Predictions, Sweep, Trace
from dashboards.charts.measured_layers import LayerBars, Network
from dashboards.data import Data, sql_with_values
from dashboards.pages.measured import form as measured_form
from dashboards.pages.measured import text
from dashboards.pages.measured.state import MeasuredState
from dashboards.parts import controls, formats, own_measurements, page
from dashboards.parts.declared_table import FactTable
from dashboards.parts.page import Content, NothingToShow
from dashboards.parts.session import SessionPage
from dashboards.parts.templates import render

_NONE = "none"


def build(data: Data, search: str) -> Content:
    """Content of the page for one session.

    Raises:
        NothingToShow: nothing was measured.
    """
    runs = data.ask("profile_environments").filter(pl.col("points") > 0)
    if runs.is_empty():
        raise NothingToShow(
            "The warehouse holds no measurements; skyline profile run makes some. Those published by others "
            "are on the page How far off; skyline refresh --source online fetches more."
        )
    return Measured(data, runs, search).content()


class Measured(SessionPage[MeasuredState]):
    """One session's page."""

    def __init__(self, data: Data, runs: pl.DataFrame, search: str) -> None:
        super().__init__(data, MeasuredState.from_address(search))
        self.runs = runs
        self.sweep, self.predictions, self.trace = Sweep(), Predictions(), Trace()
        self.bars, self.network = LayerBars(), Network()
        self.notes, self.about, self.errors = page.html(), page.html(), page.html()
        self.legends = {name: page.html() for name in ("sweep", "predictions", "bars", "network")}
        self.heads = {name: page.html() for name in ("sweep", "layers", "trace")}
        self.no_value, self.no_trace, self.no_layers = page.html(), page.html(), page.html()
        self.comparison, self.command, self.quality = page.html(), page.html(), page.html()
        self.of_quality = page.card(self.quality)
        self.table = FactTable(text.POINTS)
        names = {_run_label(row): row["run_id"] for row in runs.iter_rows(named=True)}
        # A sweep tells more than a prompt or a load: the run with the most points comes first.
        default = str(runs.sort("points", descending=True)["run_id"][0])
        self.state.remember_default("run", default)
        notes = self.state.offer("run", names, default)
        others = {"none": _NONE, **names}
        quantities = {title: name for name, (_, _, _, title) in QUANTITIES.items()}
        by_processor = (self.points["compared_clock"] == "processor").any()
        usual = "processor" if by_processor else "latency"
        self.state.remember_default("quantity", usual)
        notes += self.state.offer("quantity", quantities, usual)
        self.state.remember_default("other", _NONE)
        notes += self.state.offer("other", others, _NONE)
        self._notes = notes + self._offer() + self.state.settle()
        self._update()
        # What another run does not hold is replaced without a word; an address is answered.
        self._when(["run", "model", "stage", "precision", "quantity"], self._update, self._offer)
        self._when(["point", "modules"], self._show_layers)
        self._when("trace", self._show_trace)
        self._when("other", self._show_comparison)

    # What follows a choice -----------------------------------------------------------------------------------------

    @property
    def points(self) -> pl.DataFrame:
        """Points of the chosen run."""
        return self.data.ask("profile_points", run_id=self.state.run)

    def _chosen(self) -> pl.DataFrame:
        state = self.state
        points_of_stage = self.points.filter(pl.col("model") == state.model, pl.col("stage") == state.stage)
        return points_of_stage.filter(pl.col("precision").fill_null("") == state.precision)

    def _offer(self) -> list[str]:
        """Offer what the run holds, from the widest choice to the narrowest."""
        notes: list[str] = []
        points = self.points
        for name in ("model", "stage", "precision"):
            values = points[name].fill_null("").unique(maintain_order=True).to_list()
            self.state.remember_default(name, values[0])
            notes += self.state.offer(name, {value or "not stated": value for value in values}, values[0])
            points = points.filter(pl.col(name).fill_null("") == getattr(self.state, name))
        labels = {_point_label(row): row["point_id"] for row in points.iter_rows(named=True)}
        first = next(iter(labels.values()))
        self.state.remember_default("point", first)
        return notes + self.state.offer("point", labels, first)

    def _update(self) -> None:
        self.notes.object = page.notes(self._notes)
        run = self.runs.row(by_predicate=pl.col("run_id") == self.state.run, named=True)
        self.about.object = text.environment(run)
        errors = self.data.ask("profile_errors", environment_id=run["environment_id"])
        self.errors.object = text.errors(errors)
        points = self._chosen()
        column, _, unit, title = QUANTITIES[self.state.quantity]
        measured = points.filter(pl.col(column).is_not_null())
        form = self.state.precision or "format not stated"
        subtitle = f"{self.state.model}, {self.state.stage}, {form}; n = {measured.height}"
        self.heads["sweep"].object = page.about(
            Sweep.NAME, f"{title} over context and batch", subtitle, text.source(run)
        )
        self.legends["sweep"].object = self.sweep.show(points, self.state.quantity)
        self.sweep.figure.visible = not measured.is_empty()
        self.no_value.object = "" if not measured.is_empty() else text.why_none(points, self.state.quantity, unit)
        self.legends["predictions"].object = self.predictions.show(self.points)
        self.command.object = text.command(run)
        self.quality.object = text.quality(self.points)
        self.of_quality.visible = bool(self.quality.object)
        self.table.show(text.table(self.points))
        self._show_layers()
        self._show_trace()
        self._show_comparison()

    def _show_layers(self) -> None:
        layers = self.data.ask("profile_layers", run_id=self.state.run, point_id=self.state.point or "")
        row = self.points.filter(pl.col("point_id") == self.state.point)
        there = not layers.is_empty()
        of_memory = self.state.modules == "memory"
        drawn = there and not (of_memory and layers["peak_bytes"].is_null().all())
        if drawn:
            self.legends["bars"].object = self.bars.show(layers, self.state.modules)
        if there:
            self.legends["network"].object = self.network.show(layers)
        self.bars.figure.visible = self.legends["bars"].visible = drawn
        self.network.figure.visible = there
        ratio = row["layer_sum_ratio"][0] if row.height else None
        whole = f"; the sum is {formats.significant(100 * ratio)} % of the undisturbed step" if ratio else ""
        subtitle = f"{_point_label(row.row(0, named=True)) if row.height else ''}{whole}; n = {layers.height} modules"
        self.heads["layers"].object = page.about(
            LayerBars.NAME, "Modules", subtitle,
            "peak memory of a layer beyond its weights and inputs, from the allocator" if of_memory
            else "time of each module alone, from hooks in a separate pass",
        )  # fmt: skip
        why = (
            ""
            if drawn
            else "No allocator reported what these modules held."
            if there
            else "This point was not measured module by module."
        )
        self.no_layers.object = page.caption(why) if why else ""

    def _show_trace(self) -> None:
        samples = self.data.ask("profile_telemetry", run_id=self.state.run)
        there = self.trace.show(samples, self.state.trace)
        self.trace.figure.visible = there
        self.heads["trace"].object = page.about(
            Trace.NAME,
            f"Device during the run: {self.state.trace}",
            f"{formats.count(samples.height)} samples",
            "sampled during the run",
        )
        self.no_trace.object = "" if there else page.caption("The device or its driver did not report this.")

    def _show_comparison(self) -> None:
        if self.state.other == _NONE:
            self.comparison.object = page.caption("Choose a run under “Compare with”.")
            return
        other = self.data.ask("profile_points", run_id=self.state.other)
        self.comparison.object = text.comparison(self.points, other)

    # How it is laid out --------------------------------------------------------------------------------------------

    def _sidebar(self) -> pn.Column:
        margin = (0, 0, 10, 0)
        return pn.Column(
            controls.select(self.state, "run", "Run", margin=margin),
            controls.select(self.state, "model", "Model", margin=margin),
            controls.select(self.state, "stage", "Stage", margin=margin),
            controls.select(self.state, "precision", "Number format", margin=margin),
            controls.select(self.state, "quantity", "Quantity", margin=margin),
            controls.select(self.state, "point", "Modules of", margin=margin),
            controls.select(self.state, "trace", "Telemetry", margin=margin),
            controls.select(self.state, "other", "Compare with", margin=margin),
            sizing_mode="stretch_width",
            margin=0,
        )

    def content(self) -> Content:
        """Everything in its place."""
        main = pn.Column(
            page.html(render(__file__, "lead.html"), margin=(0, 0, 12, 0)),
            self.notes,
            *own_measurements.cards(self.data, "measured"),
            page.card(self.about),
            self.of_quality,
            page.card(
                self.heads["sweep"], self.legends["sweep"], self.sweep.figure, self.no_value,
                page.picture_buttons(Sweep.NAME),
            ),
            page.below(self._more),
            sizing_mode="stretch_width",
            margin=0,
        )  # fmt: skip
        return Content(main=main, sidebar=self._sidebar, state=self.state)

    def _more(self) -> list[pn.Column]:
        describe = {
            "address": f"measured{self.state.address()}", "source": f"run {self.state.run}",
            "query": sql_with_values("profile_points", {"run_id": self.state.run}),
        }  # fmt: skip
        network = pn.Column(
            self.network.figure, sizing_mode="stretch_width", margin=0,
            styles={"overflow-x": "auto", "overflow-y": "hidden", "min-width": "0"},
        )  # fmt: skip
        return [
            page.card(
                page.html(text.PREDICTIONS), self.legends["predictions"], self.predictions.figure,
                page.picture_buttons(Predictions.NAME), self.errors,
            ),
            page.card(
                self.heads["layers"],
                controls.radio(
                    self.state, "modules", {"Time": "time", "Memory": "memory"}, height=32, margin=(8, 0, 0, 0)
                ),
                self.legends["bars"], self.bars.figure, self.no_layers,
                page.picture_buttons(LayerBars.NAME, "layers"),
                self.legends["network"], network, page.picture_buttons(Network.NAME, "network"),
            ),
            page.card(
                self.heads["trace"], self.trace.figure, self.no_trace, page.picture_buttons(Trace.NAME)
            ),
            page.card(page.html(page.heading("Comparison with another run")), self.comparison),
            page.card(
                page.html(page.heading("Points")),
                page.download_buttons("measured", lambda: self.points, lambda: describe, self.data),
                self.table.widget,
            ),
            page.card(self.command),
            *measured_form.forms(self.data.measuring),
        ]  # fmt: skip


def _run_label(row: dict[str, Any]) -> str:
    return f"{row['name']} ({counted(row['points'], 'point')}, {str(row['measured_at'])[:16].replace('T', ' ')} UTC)"


def _point_label(row: dict[str, Any]) -> str:
    batch = "" if row["batch"] is None else f"batch {row['batch']}, "
    model = formats.without_account(row["model"])
    return f"{model}, {row['stage']}, {batch}context {row['context']} ({row['point_id'][:4]})"
