"""Device: all that is known of one: its peaks, its memory, its prices, what runs best on it, and how fast it was."""

import datetime as dt
from typing import Any

import duckdb
import panel as pn
import polars as pl

from dashboards.charts.ratings import RowsChart
from dashboards.data import Data
from dashboards.finding import address_of_device, judged
from dashboards.pages.advisor.page import dots
from dashboards.pages.device import facts
from dashboards.pages.device.state import DeviceState
from dashboards.parts import ability as words
from dashboards.parts import controls, how_far_off, page, subject
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact
from dashboards.parts.names import linked
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.table_card import TableCard, frame
from profiling.answers.advise import advise
from profiling.answers.candidate import Need
from profiling.answers.energy import INCLUDES
from profiling.devices.accelerators import GIB, Accelerator
from profiling.devices.names import resolve_device
from profiling.errors import ProfilingError

MOST_MODELS = 8
_CHART = "ability_on_this_device"
_FIGURES = {
    "figure": Fact("Figure", width=300),
    "value": Fact("Value", "0,0.[00]", 110, stays=True),
    "unit": Fact("Unit", width=150, stays=True),
    "basis": Fact("Basis", width=340),
}
_BEST = {
    "model_id": Fact("Model", width=280, link="model/"),
    "weight_format": Fact("Format", width=90),
    "ability_in_format": Fact("Ability", "0.0", 76, stays=True),
    "tokens_per_s": Fact("Tokens/s", "0,0.0", 98),
    "ability_low": Fact("Ability, 90 % from", "0.0", 86),
    "ability_high": Fact("Ability, 90 % to", "0.0", 90),
    "tokens_per_s_low": Fact("Tokens/s, 80 % from", "0,0.0", 100),
    "tokens_per_s_high": Fact("Tokens/s, 80 % to", "0,0.0", 104),
    "time_to_first_token_s": Fact("First token (s)", "0,0.00", 104),
    "longest_context": Fact("Longest context (tokens)", "0,0", 130),
    "memory_high_gib": Fact("Memory, at most (GiB)", "0.0", 120),
    "evidence_class": words.FACTS["evidence_class"],
    "timed_as": how_far_off.TIMED_AS,
}
_BUDGETS = {
    "context": Fact("Context (tokens)", "0,0", 110),
    "least_tokens_per_s": Fact("Minimum tokens per second", "0", 120),
    "model_id": Fact("Model", width=280, link="model/"),
    "weight_format": Fact("Format", width=90),
    "ability_in_format": Fact("Ability", "0.0", 76),
    "ability_low": Fact("Ability, 90 % from", "0.0", 86),
    "ability_high": Fact("Ability, 90 % to", "0.0", 90),
    "tokens_per_s": Fact("Tokens/s", "0,0.0", 98),
    "memory_high_gib": Fact("Memory, at most (GiB)", "0.0", 120),
    "timed_as": how_far_off.TIMED_AS,
}
_CONTEXTS, _SPEEDS = (8_192, 32_768, 131_072), (8.0, 30.0)
_ERRORS = {
    "engine": Fact("Engine", width=130),
    "stage": Fact("What is timed", width=210, stays=True),
    "basis": Fact("Measured on", width=220),
    "measured_rows": Fact("Measurements there", "0,0", 120),
    "mdape_pct": Fact("Median error (%)", "0.0", 96, stays=True),
    "measured_over_predicted_p10": Fact("Measured over predicted, 10 %", "0.00", 130),
    "measured_over_predicted_p90": Fact("Measured over predicted, 90 %", "0.00", 130),
}
_MARKET = {
    "price_kind": Fact("Kind", width=100),
    "hyperscaler": Fact("Provider", width=130),
    "usd_per_device_hour": Fact("USD per device and hour", "0,0.000", 140, stays=True),
    "usd_low_per_device_hour": Fact("Lowest", "0,0.000", 84),
    "usd_high_per_device_hour": Fact("Highest", "0,0.000", 84),
    "providers": Fact("Providers", "0", 86),
    "offers": Fact("Offers", "0", 70),
    "newest_date": Fact("Newest offer", width=110),
    "age_days": Fact("Age (days)", "0,0", 90),
    "basis": Fact("Basis", width=360),
    "sources": Fact("Sources", width=320),
}
_PURCHASE = {
    "item": Fact("Item", width=240),
    "condition": Fact("Condition", width=90),
    "price_low": Fact("Lowest", "0,0", 84),
    "price_typical": Fact("Typical", "0,0", 84, stays=True),
    "price_high": Fact("Highest", "0,0", 84),
    "currency": Fact("Currency", width=80),
    "tax": Fact("Tax", width=110),
    "usd_before_tax": Fact("USD before tax", "0,0", 110),
    "devices": Fact("Devices in it", "0", 96),
    "region": Fact("Region", width=76),
    "as_of_date": Fact("As of", width=108),
    "age_days": Fact("Age (days)", "0,0", 90),
    "evidence": Fact("Evidence", width=240),
    "source": Fact("Source", width=280),
}
_MEASURED = {"model_id": Fact("Model", width=260, link="model/")} | subject.MEASURED
_KERNELS = {
    "operator_class": Fact("Operators", width=190),
    "kernels": Fact("Kernels measured", "0,0", 120),
    "held_out_mape_pct": Fact("Mean error, held out (%)", "0.0", 150),
    "held_out_median_error_pct": Fact("Median error, held out (%)", "0.0", 160),
    "interval_coverage_pct": Fact("Share within the interval (%)", "0.0", 170),
    "framework": Fact("Framework", width=140),
    "source": Fact("Source", width=300),
}


class DevicePage(SessionPage[DeviceState]):
    """One session's page."""

    def __init__(self, data: Data, search: str) -> None:
        super().__init__(data, DeviceState.from_address(search))
        self._notes = self.state.settle()
        self.notes, self.about = page.html(), page.html()
        self.identity = pl.DataFrame()
        self.chart = RowsChart(_CHART)
        self.figures = TableCard("figures", _FIGURES, self._describe, self.data)
        self.best = TableCard("best_models", _BEST, self._describe, self.data)
        self.market = TableCard("rental_prices", _MARKET, self._describe, self.data)
        self.purchase = TableCard("purchase_prices", _PURCHASE, self._describe, self.data)
        self.measured = TableCard("measured", _MEASURED, self._describe, self.data)
        self.kernels = TableCard("kernels", _KERNELS, self._describe, self.data)
        self.errors = TableCard("errors", _ERRORS, self._describe, self.data)
        self.budgets = TableCard("best_by_budget", _BUDGETS, self._describe, self.data)
        self.about_downloads = page.download_buttons("device", lambda: self.identity, self._describe, self.data)
        self.chart_card = ChartCard(_CHART, self.chart.figure)
        self.device: Accelerator | None = None
        self._show()
        self._when("id", self._show, lambda: None)
        self._when(["use", "context"], self._advise)
        self._when("budgets", self._weigh)

    def _ask(self, query: str) -> pl.DataFrame:
        """Rows of a query about the device; none where the release does not hold its tables."""
        try:
            return self.data.ask(query, accelerator=self.device.name if self.device else None)
        except duckdb.Error:
            return pl.DataFrame()

    def _describe(self) -> dict[str, Any]:
        name = self.device.name if self.device else None
        state = self.state
        return subject.describe(f"device{state.address()}", device=name, use=state.use, context=int(state.context))

    def _resolve(self) -> None:
        """Settle which device is meant; say why where none is."""
        self.device = None
        if not self.state.id.strip():
            return
        try:
            resolved = resolve_device(self.state.id, self.data.door().devices)
        except ProfilingError as error:
            self._notes.append(str(error))
            return
        if resolved.note:
            self._notes.append(resolved.note)
        if resolved.devices:
            self.device, count = resolved.devices[0]
            if len(resolved.devices) > 1 or count > 1:
                self._notes.append(f"This page covers one {self.device.name}; the Advisor answers for several.")

    def _show(self) -> None:
        self._resolve()
        self.notes.object = page.notes(self._notes)
        sections = (
            self.figures, self.best, self.market, self.purchase, self.measured, self.kernels, self.errors,
        )  # fmt: skip
        self.budgets.card.visible = False
        for part in (self.chart_card.column, self.about_downloads, *(section.card for section in sections)):
            part.visible = self.device is not None
        if self.device is None:
            self.about.object = self._index()
            return
        self._show_device(self.device)
        self._show_prices()
        self._show_measured()
        self._advise()

    def _index(self) -> str:
        devices = self.data.door().devices.values()
        names = [(device.vendor or "Other", device.name, address_of_device(device.name)) for device in devices]
        return subject.index(
            "Devices", f"{len(names):,} devices have a page, by maker. The field above finds them by any name, and "
            "accepts a device described in one line: “other: 16 GB at 288 GB/s, 30 TFLOPS”.", subject.grouped(names),
        )  # fmt: skip

    def _show_device(self, device: Accelerator) -> None:
        figures = self._ask("device_figures")
        rows = facts.identity(device, figures.row(0, named=True) if figures.height else {})
        address = address_of_device(device.name if figures.height else self.state.id)
        rows.append({"fact": "Permanent address", "value": address, "basis": "", "address": address})
        self.identity = frame(rows).select("fact", "value", "basis")
        links = [("What to run on it: the Advisor", f"advisor?machine={address.removeprefix('device/')}")]
        lead = "Everything known about this device, with sources."
        self.about.object = subject.identity(device.name, lead, rows, links)
        self.figures.show(
            "Figures", "decimal units; peaks without structured sparsity", frame(facts.figures(device)),
            f"Sources of the figures, and doubts about them, are given above. {facts.power_sources(device)} {INCLUDES}"
            + how_far_off.links(how_far_off.ENERGY),
            empty="No figures are published for it.",
        )  # fmt: skip

    def _show_prices(self) -> None:
        today = dt.datetime.now(dt.UTC).date()
        market, purchase = self._ask("device_market"), self._ask("device_purchase")
        if market.height:
            market = market.with_columns(
                price_kind=pl.col("price_kind").str.replace_all("_", " "),
                hyperscaler=pl.when("is_hyperscaler").then(pl.lit("hyperscalers")).otherwise(pl.lit("others")),
                age_days=(pl.lit(today) - pl.col("newest_date")).dt.total_days(),
            )
        if purchase.height:
            purchase = purchase.with_columns(age_days=(pl.lit(today) - pl.col("as_of_date")).dt.total_days())
        usual = market.filter(pl.col("is_usual")).to_dicts() if market.height else []
        self.market.show(
            "Rental prices", facts.price_line(usual[0] if usual else None), market,
            "The median over providers, with the lowest and the highest.", empty="No known provider rents it out.",
        )  # fmt: skip
        self.purchase.show(
            "Purchase prices", "as listed, newest first", purchase, empty="No purchase price is known.",
        )  # fmt: skip

    def _show_measured(self) -> None:
        self.measured.show(
            "Measured", "end to end, with the prediction for the same configuration", self._ask("device_measured"),
            empty="No end-to-end measurement on this device has been loaded; how far off predictions are on it was "
            "found on the public measurements that the fit rests on, below.",
        )  # fmt: skip
        if self.device is not None:
            self.errors.show(
                "Prediction error on this device", "median error, on models or devices left out of the fit",
                frame(facts.errors(self.device)),
                "Of engines measured on this very device, the error on models left out; of those measured only on "
                "devices of its class, the error on devices left out.",
                empty="No engine was measured on it or on its class: its interval is that of all engines together.",
            )  # fmt: skip
        kernels = self._ask("device_kernels")
        self.kernels.show(
            "Kernels behind the predictions", "errors on shapes left out of the fit", kernels,
            empty="None of its kernels have been measured: speed is predicted from documented default "
            "efficiencies, with a wide interval.",
        )  # fmt: skip

    def _advise(self) -> None:
        self.chart_card.column.visible = False
        self.best.wait("What runs best on it")
        self._later(self._show_best)
        self._weigh()

    def _weigh(self) -> None:
        self.budgets.card.visible = self.device is not None and bool(self.state.budgets)
        if self.budgets.card.visible:
            self.budgets.wait("What runs best for other contexts and speeds")
            self._later(self._show_budgets)

    def _show_budgets(self) -> None:
        if self.device is None:
            return
        door, evidence = self.data.door().with_device(self.device), self.data.evidence()
        rows: list[dict[str, Any]] = []
        for context in _CONTEXTS:
            for speed in _SPEEDS:
                conditions = {"context": context, "least_tokens_per_s": speed}
                need = Need(accelerator=self.device.name, use=self.state.use, context=context, least_tokens_per_s=speed)
                try:
                    best = advise(door, evidence, need).best
                except ProfilingError:
                    best = None
                rows.append(conditions | (best.row() if best is not None else {"model_id": None}) | conditions)
        self.budgets.show(
            "What runs best for other contexts and speeds", f"for {self.state.use}, one request", frame(rows),
            "Empty where no evaluated model meets both.",
        )  # fmt: skip

    def _show_best(self) -> None:
        if self.device is None:
            return
        state, device, context = self.state, self.device, int(self.state.context)
        try:
            need = Need(accelerator=device.name, context=context, use=state.use)
            advice = advise(self.data.door().with_device(device), self.data.evidence(), need)
        except (ProfilingError, duckdb.Error) as error:
            self.best.show("What runs best on it", "", pl.DataFrame(), empty=str(error))
            return
        runs = advice.of("runs")[:MOST_MODELS]
        self.chart_card.column.visible = bool(runs)
        self.chart.show(dots(runs))
        self.chart_card.show(
            f"Most capable models that run on {device.name}",
            f"{device.usable_memory_bytes / GIB:.1f} GiB usable; {context:,} tokens of context; {advice.engine}", "",
            "Ability on the scale of the Epoch Capabilities Index, minus what the format costs",
            "Intervals hold 90 %; where they overlap, the difference may be noise.",
        )  # fmt: skip
        self.best.show(
            "What runs best on it", f"for {state.use}, {context:,} tokens of context, one request", frame(
                [run.row() for run in runs]),
            linked(" ".join(advice.notes), judged(self.data)) + how_far_off.links(how_far_off.FIRST_TOKEN),
            empty="No evaluated model runs like this; the Advisor says what each would need.",
        )  # fmt: skip

    def _sidebar(self) -> pn.Column:
        state, margin = self.state, (0, 0, 10, 0)
        return pn.Column(
            controls.text(
                state, "id", "Device", margin=margin, sizing_mode="stretch_width",
                placeholder="4090, m3 max 64gb, other: 16 GB at 288 GB/s, 30 TFLOPS",
            ),
            controls.select(state, "use", "Use", margin=margin),
            controls.select(state, "context", "Context (tokens)", margin=margin),
            controls.switch(state, "budgets", "Other contexts and speeds too"),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def content(self) -> Content:
        """Everything in its place."""
        main = pn.Column(
            self.notes, page.card(self.about, self.about_downloads), self.chart_card.column, self.best.card,
            self.budgets.card, self.figures.card, self.market.card, self.purchase.card, self.measured.card,
            self.errors.card, self.kernels.card,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, sidebar=self._sidebar, state=self.state)
