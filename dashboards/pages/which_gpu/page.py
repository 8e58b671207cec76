"""Which GPU? How many accelerators of each kind a model needs in each precision, and what serving it then costs."""

from typing import Any

import duckdb
import panel as pn
import polars as pl
from bokeh.models import CustomJSTickFormatter

from analytics.units import counted
from dashboards.charts.matrix import Matrix, Row
from dashboards.data import Data
from dashboards.finding import address_of_device, address_of_model
from dashboards.pages.which_gpu import text
from dashboards.pages.which_gpu.state import METRICS, MOST_MODELS, WhichGpuState, chosen
from dashboards.parts import controls, engine_options, formats, page
from dashboards.parts.page import Content
from profiling.answers.cost import POWER_USAGE_EFFECTIVENESS as PUE
from profiling.answers.matrix import matrix
from profiling.devices.accelerators import GIB

_BILLIONS = """const size = Math.pow(2, tick)
return (size >= 10 ? Math.round(size).toLocaleString('en') : parseFloat(size.toPrecision(2))) + ' B'"""
_RECKONED = (
    "context", "concurrency", "weights", "kv", "engine", *engine_options.NAMES, "family", "size", "models",
    "accelerators",
)  # fmt: skip
_PRICED = ("prices", "grid", "show")
_LESS_IS_BETTER = ("devices", "usd", "grams", "buy")
_SEPARATOR = "|"


class WhichGpu:
    """One session's page: what is chosen, the matrix, and the details of a cell."""

    def __init__(self, data: Data, search: str) -> None:
        self.data, self.door = data, data.door()
        self.state = WhichGpuState.from_address(search)
        self._notes = self.state.offer_all(self.door)
        self._notes += self.state.settle()
        self.cells = pl.DataFrame()
        self._names: list[tuple[str, str]] = []
        self.notes, self.heading, self.below, self.details = (page.html() for _ in range(4))
        self.matrix = Matrix(  # type: ignore[no-untyped-call]
            sizing_mode="stretch_width", margin=(10, 0, 0, 0)
        )
        self.matrix.on_pick(self._pick)
        self.drawer = page.drawer(self.details, lambda: self.state.param.update(cell=""))
        self._update()
        self._open()
        self.state.param.watch(self._on_choice, [*_RECKONED, *_PRICED])
        self.state.param.watch(lambda _event: self._open(), "cell")

    def _on_choice(self, *_events: Any) -> None:
        self._notes = []
        self._update()
        self._open()

    def _accelerators(self) -> list[str]:
        """Those chosen, from the smallest memory."""
        devices = self.door.devices
        return sorted(self.state.accelerators, key=lambda name: (devices[name].usable_memory_bytes, name))

    def _grid(self) -> tuple[str, float]:
        name = next(row["country"] for row in self.door.grids if row["country_code"] == self.state.grid)
        return name, self.door.grams_co2e_per_kwh(self.state.grid)

    def _update(self) -> None:
        """Reckon the matrix and show it."""
        state = self.state
        choice = chosen(state, self.door)
        names = self._accelerators()
        cells = matrix(self.door, choice.models, names, state.formats, state.question)
        self.cells = text.with_purchase(cells, self._purchase_prices())
        notes = list(self._notes)
        if choice.beyond:
            notes.append(f"{choice.beyond} more models match; the {MOST_MODELS} smallest are shown. Narrow the size.")
        if not choice.models:
            notes.append("No model passes these filters. Widen the size, or take a family away.")
        if not names:
            notes.append("No accelerator is chosen. Add one.")
        notes += text.beyond(self.door, choice.models, state.context)
        self.notes.object = page.notes(notes)
        self._fill(choice.models, choice.alike, names)
        self._describe_matrix(names)

    def _purchase_prices(self) -> pl.DataFrame:
        """What devices cost to buy; none where the release does not hold it."""
        try:
            return self.data.ask("purchase_prices")
        except duckdb.Error:
            return pl.DataFrame(schema=text.PURCHASE)

    def _fill(self, models: tuple[str, ...], alike: Any, names: list[str]) -> None:
        metric = self.state.show
        spans = {metric: span} if (span := self._span(metric)) else {}
        columns = [
            (name, f"{device.usable_memory_bytes / GIB:.0f} GiB · {self._price(name)}", address_of_device(name))
            for name in names
            for device in (self.door.devices[name],)
        ]
        rows = []
        self._names = []
        table = self.cells.partition_by("model", "weights", as_dict=True, maintain_order=True)
        for model in models:
            architecture = self.door.model(model)
            sizes = formats.parameters(architecture.parameters_total)
            if architecture.is_mixture_of_experts:
                sizes += f", {formats.parameters(architecture.parameters_active)} active"
            if model in alike:
                sizes += f"; {alike[model]} more of this shape"
            for weights in self.state.formats:
                if names:
                    part = table[model, weights]
                    cells = tuple(text.cell(row, metric, spans) for row in part.iter_rows(named=True))
                    rows.append(Row(model, sizes, weights, cells, address_of_model(model)))
                    self._names.append((model, weights))
        self.matrix.visible = bool(rows)
        label = next(label for label, name in METRICS.items() if name == metric)
        self.matrix.fill(columns, rows, f"{label}, by model, precision and accelerator")

    def _span(self, metric: str) -> tuple[float, float] | None:
        column = metric if metric in self.cells.columns else f"{metric}_likely"
        values = self.cells[column].drop_nulls()
        if values.is_empty():
            return None
        # The middle nine tenths, so that one extreme does not wash out the others.
        low, high = (float(values.quantile(share) or 0.0) for share in (0.05, 0.95))
        return (low, high) if metric in _LESS_IS_BETTER else (high, low)

    def _price(self, name: str) -> str:
        hourly = self.door.usd_per_device_hour(name, spot=self.state.prices == "spot")
        return "no price" if hourly is None else f"${hourly:.2f}/h"

    def _describe_matrix(self, names: list[str]) -> None:
        state = self.state
        grid, grams = self._grid()
        label = next(label for label, name in METRICS.items() if name == state.show)
        fits = self.cells.filter(pl.col("verdict") == "fits").height
        counts = f"{fits} of {self.cells.height} combinations fit on at most 128 devices; click one for its details"
        sequences = f"{counted(state.concurrency, 'sequence')} of {state.context:,} tokens"
        self.heading.object = page.heading(label, f"{sequences}, decoding. {counts}.")
        calibrated = [name for name in names if name in self.door.calibrations]
        measured = f"Calibrated on measured kernels: {', '.join(calibrated)}; " if calibrated else ""
        rest = "all others by documented default efficiencies" if calibrated else "Documented default efficiencies"
        offers = state.prices.replace("_", "-")
        self.below.object = page.caption(
            f"Batch {state.concurrency:,}, context {state.context:,}, {state.question.kv_bits:g}-bit KV cache, engine "
            f"profile {state.engine}{engine_options.flags(state)}. Rates are of all sequences together, with an 80 % "
            f"interval (hover). {measured}{rest}, with a wide interval. "
            f"Prices by the hour: the cheapest {offers} offer known, from the reference table with its source; to buy: "
            "the newest listing of each device before tax, new or used as it says, without a computer around it. "
            f"Carbon of running alone, without making the hardware: {grid}, {grams:.0f} g CO₂e per kWh (CodeCarbon), "
            f"PUE {PUE}. GPUs needed: "
            "tensor parallel within a node of 8, whole nodes as pipeline stages beyond. The stronger the colour, "
            "the better."
        )

    # Details and downloads -----------------------------------------------------------------------------------------

    def _pick(self, row: int, column: int) -> None:
        names = self._accelerators()
        if row < len(self._names) and column < len(names):
            self.state.cell = _SEPARATOR.join((*self._names[row], names[column]))

    def _open(self) -> None:
        device = self._found()
        self.drawer.visible = device is not None
        if device is not None:
            grid, grams = self._grid()
            self.details.object = text.details(self.door, device, self.state.question, grid, grams)

    def _found(self) -> dict[str, Any] | None:
        parts = str(self.state.cell).split(_SEPARATOR)
        if len(parts) != 3:
            return None
        model, weights, accelerator = parts
        rows = self.cells.filter(
            pl.col("model") == model, pl.col("weights") == weights, pl.col("accelerator") == accelerator
        )
        return rows.row(0, named=True) if rows.height else None

    def _rows(self) -> pl.DataFrame:
        units = {"tokens": "tokens_per_s", "usd": "usd_per_million_tokens", "grams": "g_co2e_per_million_tokens"}
        bought = {"buy_likely": "usd_to_buy", "condition": "price_condition", "as_of_date": "price_as_of_date"}
        names = {f"{name}_{end}": f"{unit}_{end}" for name, unit in units.items() for end in ("low", "likely", "high")}
        return self.cells.rename(names | bought | {"tensor": "tensor_parallel", "pipeline": "pipeline_parallel"})

    def _describe(self) -> dict[str, Any]:
        grid, grams = self._grid()
        question = self.state.question
        return {
            "address": f"which-gpu{self.state.address()}",
            "stage": "decode",
            "batch": question.batch,
            "context": question.context,
            "engine": question.engine,
            "kv_bits": question.kv_bits,
            **engine_options.chosen(self.state),
            "grid": grid,
            "g_co2e_per_kwh": grams,
            "power_usage_effectiveness": PUE,
            "prices": {
                name: price and {"usd_per_device_hour": price.usd_per_device_hour, "basis": price.basis}
                for name in self.state.accelerators
                for price in (self.door.price(name, spot=question.spot),)
            },
        }

    # How it is laid out --------------------------------------------------------------------------------------------

    def _sidebar(self) -> pn.Column:
        state, margin = self.state, (0, 0, 10, 0)
        low, high = state.param["size"].bounds
        size = pn.widgets.RangeSlider(
            name="Size", start=low, end=high, step=0.25, value=state.size,
            format=CustomJSTickFormatter(code=_BILLIONS), sizing_mode="stretch_width", margin=(0, 8, 12, 8),
        )  # fmt: skip
        size.param.watch(lambda event: state.param.update(size=tuple(event.new)), "value_throttled")
        return pn.Column(
            controls.integer(state, "concurrency", "Concurrency (sequences)", margin=margin),
            controls.integer(state, "context", "Context (tokens)", step=1024, margin=margin),
            controls.several(state, "weights", "Precision of weights", margin=margin),
            controls.select(state, "kv", "KV cache", margin=margin),
            controls.select(state, "engine", "Engine profile", margin=margin),
            engine_options.more(state, engine_options.fields(state, margin=margin)),
            controls.several(state, "accelerators", "Accelerators", margin=margin),
            controls.several(state, "family", "Families", placeholder="the usual models", margin=margin),
            size,
            controls.several(state, "models", "Or models by name", placeholder="any part of a name", margin=margin),
            controls.select(state, "grid", "Electricity grid", margin=margin),
            controls.radio(state, "prices", {"On demand": "on_demand", "Spot": "spot"}, height=32),
            sizing_mode="stretch_width",
            margin=0,
        )

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Which GPU?",
            "How many accelerators of each kind a model needs in each precision, how fast it then runs, and what a "
            "million output tokens cost in money and carbon.",
        )
        table = page.card(
            self.heading,
            page.row(
                controls.select(self.state, "show", "", width=220, sizing_mode=None),
                page.download_buttons("which_gpu", self._rows, self._describe, self.data, margin=0),
                align="center", gap="8px 16px", margin=(10, 0, 0, 0),
            ),
            self.matrix,
            pn.Spacer(height=8),
            self.below,
        )  # fmt: skip
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)), self.notes, table, sizing_mode="stretch_width", margin=0
        )
        return Content(main=main, sidebar=self._sidebar, overlay=self.drawer, state=self.state)
