"""Model: all that is known of one: what it is, how able, on what evidence, in which formats, and where it fits."""

from collections.abc import Mapping
from typing import Any

import duckdb
import panel as pn
import polars as pl

from analytics.units import counted
from dashboards.charts.ratings import Rows, RowsChart
from dashboards.data import Data
from dashboards.finding import address_of_model, judged, named_model, publisher_of
from dashboards.pages.model import facts, own
from dashboards.pages.model.state import ModelState
from dashboards.parts import ability as words
from dashboards.parts import controls, formats, how_far_off, page, subject, theme
from dashboards.parts.benchmarks import benchmark
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact, interval
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.table_card import TableCard, frame
from profiling.answers.door import Door
from profiling.answers.energy import INCLUDES
from profiling.errors import ProfilingError
from profiling.models.architecture import Architecture
from profiling.models.names import ModelName
from profiling.models.sources import catalogue

_CHART = "ability_by_domain"
_IDENTITY = {"fact": Fact("Fact"), "value": Fact("Value"), "basis": Fact("Basis")}
_ABILITY = {
    "domain": Fact("Domain", width=140, shown_as=words.domain),
    "mode": Fact("Mode", width=110, shown_as=words.mode, stays=True),
    "effort": Fact("Effort", width=80),
    "ability": Fact("Ability", "0.0", 80, stays=True),
    "ability_low": Fact("Ability, 90 % from", "0.0", 90),
    "ability_high": Fact("Ability, 90 % to", "0.0", 94),
    "results": Fact("Results", "0", 76),
    "evidence_class": words.FACTS["evidence_class"],
    "sources": Fact("Sources", width=320, shown_as=formats.boards),
}
_SCORES = {
    "benchmark": Fact("Benchmark", width=200, shown_as=benchmark),
    "benchmark_version": Fact("Version", width=120),
    "category": Fact("Domain", width=110, shown_as=words.domain),
    "metric": Fact("Metric", width=120),
    "score": Fact("Score", "0,0.00", 84, stays=True),
    "standard_error": Fact("Standard error", "0,0.00", 110),
    "standard_error_origin": Fact("Origin of the error", width=130),
    "unit": Fact("Unit", width=80),
    "name_in_source": Fact("Name in the source", width=220),
    "mode": Fact("Mode", width=100, shown_as=words.mode),
    "effort": Fact("Effort", width=76),
    "scaffold": Fact("Scaffold", width=110),
    "host": Fact("Host", width=100),
    "reporter": Fact("Reporter", width=110),
    "source": Fact("Source", width=190, shown_as=formats.boards),
    "snapshot_date": Fact("Snapshot", width=108),
}
_FORMATS = {
    "weight_format": Fact("Format", width=130),
    "engine": Fact("Engine", width=110),
    "bits_per_weight": Fact("Bits per weight", "0.00", 110),
    "file_gib": Fact("File (GiB)", "0,0.0", 88, stays=True),
    "file_low_gib": Fact("File, least (GiB)", "0,0.0", 116),
    "file_high_gib": Fact("File, most (GiB)", "0,0.0", 116),
    "memory_low_gib": Fact("Weights and cache, least (GiB)", "0,0.0", 130),
    "memory_high_gib": Fact("Weights and cache, most (GiB)", "0,0.0", 130),
    "lost": Fact("Ability lost", "0.0", 96),
    "lost_low": Fact("Lost, 80 % from", "0.0", 80),
    "lost_high": Fact("Lost, 80 % to", "0.0", 84),
    "measured": Fact("Measured change in points", width=230),
    "basis": Fact("Basis of the size", width=330),
}
_QUANTISED = {
    "format": Fact("Format", width=120),
    "benchmark": Fact("Benchmark", width=170, stays=True),
    "lost": Fact("Points lost", "0.0", 90, stays=True),
    "predicted": Fact("Predicted", "0.0", 84),
    "predicted_low": Fact("Predicted, 80 % from", "0.0", 104),
    "predicted_high": Fact("Predicted, 80 % to", "0.0", 108),
    "is_resolved": Fact("Beyond noise", width=100),
    "layer_bits": Fact("Bits in the layers", "0.00", 116),
    "method": Fact("Quantiser", width=150),
    "source": Fact("Source", width=300),
}
_DEVICES = {
    "accelerator": Fact("Device", width=220, link="device/"),
    "verdict": Fact("Verdict", width=110),
    "weight_format": Fact("Format", width=120),
    "tokens_per_s": Fact("Tokens/s", "0,0.0", 98, stays=True),
    "tokens_per_s_low": Fact("Tokens/s, 80 % from", "0,0.0", 104),
    "tokens_per_s_high": Fact("Tokens/s, 80 % to", "0,0.0", 108),
    "time_to_first_token_s": Fact("First token (s)", "0,0.00", 106),
    "usd_per_million_tokens": Fact("USD per million tokens", "0,0.00", 110),
    "g_co2e_per_million_tokens": Fact("g CO₂e per million tokens", "0,0", 110),
    "longest_context": Fact("Longest context (tokens)", "0,0", 130),
    "memory_high_gib": Fact("Memory, at most (GiB)", "0,0.0", 120),
    "memory_budget_gib": Fact("Memory available (GiB)", "0,0.0", 124),
    "engine": Fact("Engine", width=110),
    "timed_as": how_far_off.TIMED_AS,
    "rests_on": Fact("Basis of speed", width=360),
}
_FRONTS = {
    "domain": Fact("Domain", width=140, shown_as=words.domain),
    "against": Fact("Against", width=230, stays=True),
    "value": Fact("Cost", "0,0.[000]", 96, stays=True),
    "entered_on": Fact("On the front since", width=110),
    "left_on": Fact("Until", width=100),
    "displaced_by": Fact("Later beaten by", width=280, link="model/"),
}
_RELATIVES = {
    "model_id": Fact("Model", width=300, link="model/"),
    "relation": Fact("Relation", width=220),
    "parameters_billion": Fact("Parameters (billion)", "0,0.[0]", 110),
    "release_date": Fact("Released", width=108),
    "ability": Fact("Ability", "0.0", 80, stays=True),
    "ability_low": Fact("Ability, 90 % from", "0.0", 90),
    "ability_high": Fact("Ability, 90 % to", "0.0", 94),
}
_MEASURED = {"accelerator": Fact("Device", width=200, link="device/")} | subject.MEASURED
_AGAINST = {
    "weights_gib": "size of the weights", "memory_gib": "memory to serve", "parameters_total": "parameters",
    "parameters_active": "active parameters", "time_per_token_s": "time per token", "usd_per_million_tokens": "rent",
}  # fmt: skip
_PRICES = {
    "provider": Fact("Provider", width=160),
    "provider_kind": Fact("Kind", width=110),
    "usd_per_million_input": Fact("Input (USD per million tokens)", "0,0.000", 150),
    "usd_per_million_output": Fact("Output (USD per million tokens)", "0,0.000", 154, stays=True),
    "usd_per_million_cached_input": Fact("Cached input (USD per million tokens)", "0,0.000", 170),
    "context_length": Fact("Context (tokens)", "0,0", 120),
    "model_as_listed": Fact("Name in the list", width=200),
    "as_of_date": Fact("As of", width=108),
    "age_days": Fact("Age (days)", "0,0", 90),
    "bundled_as_of_date": Fact("In place of a price of", width=120),
    "source": Fact("Source", width=260),
}


class ModelPage(SessionPage[ModelState]):
    """One session's page."""

    def __init__(self, data: Data, search: str) -> None:
        super().__init__(data, ModelState.from_address(search))
        self._notes = self.state.settle()
        self.notes, self.about = page.html(), page.html()
        self.identity = pl.DataFrame()
        self.chart = RowsChart(_CHART)
        self.ability = TableCard("ability", _ABILITY, self._describe, self.data)
        self.scores = TableCard("scores", _SCORES, self._describe, self.data)
        self.formats = TableCard("formats", _FORMATS, self._describe, self.data)
        self.quantised = TableCard("quantised", _QUANTISED, self._describe, self.data)
        self.devices = TableCard("devices", _DEVICES, self._describe, self.data)
        self.prices = TableCard("api_prices", _PRICES, self._describe, self.data)
        self.fronts = TableCard("fronts", _FRONTS, self._describe, self.data)
        self.relatives = TableCard("relatives", _RELATIVES, self._describe, self.data)
        self.measured = TableCard("measured", _MEASURED, self._describe, self.data)
        self.about_downloads = page.download_buttons("model", lambda: self.identity, self._describe, self.data)
        self.chart_card = ChartCard(_CHART, self.chart.figure)
        self.name: ModelName | None = None
        self.model: Architecture | None = None
        self._own: Architecture | None = None
        self._show()
        self._when("id", self._leave, lambda: None)
        self._when("context", self._compute)

    # What is asked ---------------------------------------------------------------------------------------------------

    def _ask(self, query: str, **more: Any) -> pl.DataFrame:
        """Rows of a query about the model; none where the release does not hold its tables."""
        try:
            return self.data.ask(query, model_id=self.name.model_id if self.name else None, **more)
        except duckdb.Error:
            return pl.DataFrame()

    def _describe(self) -> dict[str, Any]:
        name = self.name.model_id if self.name else None
        return subject.describe(f"model{self.state.address()}", model=name, context=int(self.state.context))

    def _known(self) -> bool:
        """Settle which model is meant; say why where none is."""
        self.name = self.model = None
        if self._own is not None:
            self.name, self.model = ModelName(own.NAME, own.NAME, own.NAME, evidence="its config"), self._own
            return True
        if not self.state.id.strip():
            return False
        name = named_model(self.data, self.state.id)
        if name.model_id is None or (name.catalogue_id is None and name.model_id not in judged(self.data)):
            self._notes.append(name.evidence.replace("; --online asks the hub", ""))
            return False
        self.name = name
        if name.catalogue_id is not None:
            try:
                self.model = facts.under_its_own_name(self.data.door(), name.model_id, name.catalogue_id)
            except ProfilingError as error:
                self._notes.append(f"Its sizes and speed are not known: {error}")
        is_copied = name.catalogue_id not in (None, name.model_id)
        if name.model_id != self.state.id.strip():
            why = "" if is_copied else f": {name.evidence}"
            self._notes.append(f"“{self.state.id}” is taken as {name.model_id}{why}.")
        if is_copied:
            self._notes.append(f"Its dimensions are those of {name.catalogue_id}: {name.evidence}.")
        return True

    def _take(self, model: Architecture) -> None:
        """Show the reader's own model."""
        self._own, self._notes = model, list(model.notes)
        with page.together():
            self._show()

    def _leave(self) -> None:
        """Show a model that is named."""
        self._own = None
        self._show()

    def _door(self) -> Door:
        door = self.data.door()
        return door if self._own is None else door.with_model(self._own)

    # What is shown ---------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        is_known = self._known()
        self.notes.object = page.notes(self._notes)
        sections = (
            self.ability, self.scores, self.formats, self.quantised, self.devices, self.prices, self.fronts,
            self.relatives, self.measured,
        )  # fmt: skip
        for part in (self.chart_card.column, self.about_downloads, *(section.card for section in sections)):
            part.visible = is_known
        if not is_known:
            self.about.object = self._index()
            return
        self._show_identity()
        self._show_evidence()
        self._compute()

    def _index(self) -> str:
        known = dict.fromkeys([*catalogue(), *self.data.door().own_models, *judged(self.data)])
        names = [(publisher_of(name), name, address_of_model(name)) for name in known]
        return subject.index(
            "Models", f"{len(names):,} models have a page, by publisher. The field above finds them by any name.",
            subject.grouped(names),
        )  # fmt: skip

    def _show_identity(self) -> None:
        if self.name is None or self.name.model_id is None:
            return
        published = self._ask("model_published", shapes_id=self.name.catalogue_id)
        row = published.row(0, named=True) if published.height else {}
        rows = facts.identity(self.name.model_id, self.model, _Absent(row))
        if self._own is None:
            address = address_of_model(self.name.model_id)
            rows.append({"fact": "Permanent address", "value": address, "basis": "", "address": address})
        self.identity = frame(rows).select(list(_IDENTITY))
        shown = formats.without_account(self.name.model_id)
        self.about.object = subject.identity(shown, "Everything known about this model, with sources.", rows)

    def _show_evidence(self) -> None:
        ability = self._ask("model_ability")
        self.chart_card.column.visible = not ability.is_empty()
        if not ability.is_empty():
            level = f"{100 * ability['ci_level'][0]:.0f} %"
            self.chart.show(_dots(ability))
            self.chart_card.show(
                "Ability by domain", f"{self.name.model_id if self.name else ''}; intervals hold {level}", "",
                "Ability on the scale of the Epoch Capabilities Index",
                "Where two intervals overlap, the difference may be noise.",
            )  # fmt: skip
        self.ability.show(
            "Ability", "by domain and mode, on the scale of the Epoch Capabilities Index", ability,
            empty="No board in the published warehouse has evaluated this model.",
        )  # fmt: skip
        scores = self._ask("model_scores")
        self.scores.show(
            "Scores", f"{counted(scores.height, 'result')}, the newest of each source, as it states them", scores,
            "Standard errors in the unit of the score; where a source states none and the score is a share of "
            "independent questions, it is the binomial one. Of a model without an address on the hub: what sources "
            "list under this name.",
            empty="No source lists a result under this name.",
        )  # fmt: skip
        prices = self._ask("model_api_prices")
        self.prices.show(
            "API prices", f"{counted(prices.height, 'offer')}, the newest of each provider, cheapest first",
            prices, empty="No price list names this model.",
        )  # fmt: skip
        self._show_company()

    def _show_company(self) -> None:
        """Where the model stands among others: its fronts, its relatives, and what was measured of it."""
        fronts = self._ask("model_fronts")
        if fronts.height:
            fronts = fronts.with_columns(
                pl.when(pl.col("unit") == "parameters").then(pl.col("value") / 1e9).otherwise("value").alias("value"),
                pl.col("unit").replace({"parameters": "billion", "USD / 10⁶ tokens": "USD per million tokens"}),
            ).with_columns(pl.format("{} ({})", pl.col("cost").replace(_AGAINST), "unit").alias("against"))
        now = fronts.filter(pl.col("left_on").is_null()).height if fronts.height else 0
        self.fronts.show(
            "Place on the fronts", f"On {now or 'none'} of the {counted(fronts.height, 'front')} that it was once on",
            fronts,
            "A front holds the open models that no other beats on both ability and cost; days of the past are judged "
            "by today's results.",
            empty="It was never among the open models that no other beats on both ability and cost.",
        )  # fmt: skip
        relatives = self._ask("model_relatives", shapes_id=self.name.catalogue_id if self.name else None)
        self.relatives.show(
            "Relatives", "what it was made from, what was made from it, and its publisher's models of its architecture",
            relatives, empty="No related model is known.",
        )  # fmt: skip
        self.quantised.show(
            "Losses measured", "in points, each next to what a fit to other models predicts for this one",
            self._ask("model_quantised"),
            "The prediction used no data of this model; its interval holds 80 % of measured losses. A loss "
            "within noise may not show in one run of each.",
            empty="No loss of this model in a low-bit format has been published in a form that could be included here"
            f"{'' if self.model is None else '; the losses above are predicted'}.",
        )  # fmt: skip
        self.measured.show(
            "Measured", "end to end, with the prediction for the same configuration", self._ask("model_measured"),
            empty="No end-to-end measurement of this model has been loaded"
            f"{'' if self.model is None else '; its speed above is predicted'}.",
        )  # fmt: skip

    def _compute(self) -> None:
        for table, title in ((self.formats, "Formats"), (self.devices, "Where it fits")):
            table.wait(title)
        self._later(self._show_devices, self._show_formats)

    def _show_devices(self) -> None:
        name, model, context = self.name, self.model, int(self.state.context)
        if name is None:
            return
        rows: list[dict[str, Any]] = []
        if model is not None and name.catalogue_id is not None and model.kind == "decoder":
            rows = facts.device_rows(self._door(), model, name.catalogue_id, context)
        self.devices.show(
            "Where it fits", f"one device, one request, {context:,} tokens of context; each in the best format",
            frame(rows),
            "The engine is what people usually run on the device; speed is predicted, with its 80 % interval. "
            "Where nothing fits, the narrowest format is shown. Cost is rent at the usual price, carbon that of "
            "running on the world's average electricity; empty where no price or no power is known. "
            f"{INCLUDES} Each row links to the error of its speed." + how_far_off.links(
                how_far_off.FIRST_TOKEN, how_far_off.ENERGY
            ),
            empty="How it runs is unknown: its architecture is not known, or it does not generate text.",
        )  # fmt: skip

    def _show_formats(self) -> None:
        model, context = self.model, int(self.state.context)
        rows = facts.format_rows(model, self.data.evidence(), context) if model is not None else []
        self.formats.show(
            "Formats", f"file, memory of one sequence at {context:,} tokens, and what the format costs in ability",
            frame(rows),
            "Points of ability that a format costs are predicted from measured losses of quantised models, with their "
            "80 % interval; empty where nothing comparable was measured. Engines need working memory on top of weights "
            "and cache.",
            empty="Its sizes are unknown because its architecture is not known.",
        )  # fmt: skip

    def _sidebar(self) -> pn.Column:
        state, margin = self.state, (0, 0, 10, 0)
        return pn.Column(
            controls.text(
                state, "id", "Model", margin=margin, sizing_mode="stretch_width",
                placeholder="Qwen/Qwen3-32B, llama 3.1 8b, qwen2.5:14b",
            ),
            controls.select(state, "context", "Context (tokens)", margin=margin),
            own.Own(self._take).column,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip

    def content(self) -> Content:
        """Everything in its place."""
        main = pn.Column(
            self.notes, page.card(self.about, self.about_downloads), self.chart_card.column, self.ability.card,
            self.devices.card, self.formats.card, self.quantised.card, self.fronts.card, self.relatives.card,
            self.scores.card, self.measured.card, self.prices.card,
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, sidebar=self._sidebar, state=self.state)


class _Absent(dict[str, Any]):
    """Facts of which any may be missing."""

    def __missing__(self, _key: str) -> None:
        return None


def _mode(row: Mapping[str, Any]) -> str:
    """How a model was run, as short as it can be told: an effort is one of thinking."""
    if row["effort"] and row["mode"] in ("thinking", "not stated"):
        return str(row["effort"])
    return " · ".join(filter(None, (row["mode"] if row["mode"] != "not stated" else "", row["effort"])))


def _dots(ability: pl.DataFrame) -> Rows:
    """A row per domain and mode, in the order given."""
    rows = ability.to_dicts()
    names = [
        " · ".join(filter(None, (words.domain(row["domain"]), _mode(row)))) for row in rows
    ]  # fmt: skip
    intervals = [interval(row["ability_low"], row["ability_high"], "90 %: ") for row in rows]
    marks = ability.select(
        row=pl.int_range(pl.len()), x="ability", low="ability_low", high="ability_high",
        name=pl.Series(names, dtype=pl.String),
        first=pl.Series([f"{row['ability']:.1f}{ends}" for row, ends in zip(rows, intervals, strict=True)]),
        second=pl.Series([f"{counted(row['results'], 'result')}, {row['evidence_class']}" for row in rows]),
        colour=pl.lit(theme.COLOURS[0]), mark=pl.lit("circle"), fill=pl.lit(0.85),
    )  # fmt: skip
    return Rows(names=names, marks=marks, axis="Ability (index points)", row_px=26)
