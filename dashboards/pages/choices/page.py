"""Choices: which models fit my hardware within my limits, which of them is best, how fast and at what cost, and why."""

from typing import Any

import panel as pn
import polars as pl
from markupsafe import Markup

from analytics.units import counted
from dashboards.charts.choice_front import ChoiceFront
from dashboards.data import Data, sql_with_values
from dashboards.pages.choices import text
from dashboards.pages.choices.state import AGAINST, QUALITIES, ChoicesState
from dashboards.parts import choices as rules
from dashboards.parts import controls, formats, page
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact, FactTable
from dashboards.parts.page import Content
from dashboards.parts.templates import block

_CHART = "models_for_your_gpu"
_FITTING = {
    "model_id": Fact("Model", width=270),
    "quality": Fact("Quality", "0.0", 76, stays=True),
    "quality_low": Fact("95 % from", "0.0", 72),
    "quality_high": Fact("95 % to", "0.0", 72),
    "precision_words": Fact("Shown at", width=72),
    "tokens_per_s": Fact("Tokens/s", "0,0.0", 80),
    "fits_at": Fact("Fits at", width=300),
    "devices": Fact("Devices used", "0", 72),
    "time_to_first_token_s": Fact("First token (s)", "0,0.00", 84),
    "usd": Fact("USD per million tokens", "0,0.000", 96, header="usd_per_million_tokens"),
    "usd_basis": Fact("Cost basis", width=80),
    "g_co2e_per_million_tokens": Fact("g CO₂e per million tokens", "0,0", 96),
    "kwh_per_million_tokens": Fact("kWh per million tokens", "0,0.000", 96),
    "max_batch": Fact("Largest batch", "0,0", 76),
    "memory_high_gib": Fact("Memory, at most (GiB)", "0.0", 92),
    "licence": Fact("Licence", width=110),
    "release_date": Fact("Released", width=108),
    "architecture_link": Fact("Architecture known by", width=150),
}
_DROPPED = {
    "model_id": Fact("Model", width=300, link="model/"),
    "quality": Fact("Quality", "0.0", 76, stays=True),
    "reason": Fact("Why it was left out", width=310),
    "fits_at": Fact("Fits at", width=300),
}
_HARDWARE = {
    "hardware": Fact("Hardware", width=210, link="device/", link_of="accelerator"),
    "usd_per_hour": Fact("USD per hour", "0,0.00", 80, stays=True),
    "model_id": Fact("Cheapest model of that quality to serve", width=270, link="model/"),
    "precision_words": Fact("Precision", width=76),
    "quality": Fact("Quality", "0.0", 72),
    "tokens_per_s": Fact("Tokens/s", "0,0.0", 80),
    "usd_per_million_tokens": Fact("USD per million tokens", "0,0.000", 96),
    "kwh_per_million_tokens": Fact("kWh per million tokens", "0,0.000", 96),
    "g_co2e_per_million_tokens": Fact("g CO₂e per million tokens", "0,0", 96),
}
_UNITS = {"arena_rating": "arena points", rules.ABILITY: "index points"}
_SHARING = (
    " Each model uses as few devices as it fits on; 2, 4 and 8 are considered from 12, 24 and 48 billion parameters."
)
_HARDWARE_CHOICES = ("accelerator", "devices", "context", "batch")


def build(data: Data, search: str) -> Content:
    """Content of the page for one session.

    Raises:
        NothingToShow: nothing is predicted, or no model is rated.
    """
    axes = data.ask("choice_axes")
    if axes.is_empty():
        raise page.NothingToShow("The published warehouse holds no predictions.")
    return Choices(data, search, axes).content()


class Choices:
    """One session's page: what is chosen, what passes, and the widgets between them."""

    def __init__(self, data: Data, search: str, axes: pl.DataFrame) -> None:
        self.data, self.axes = data, axes
        self.state = ChoicesState.from_address(search)
        self._notes = self.state.offer_hardware(axes) + self.state.settle()
        self._busy = False
        self.judged = self.fitting = self.front = self.reverse = pl.DataFrame()
        self.notes, self.answers, self.list, self.coverage = (page.html() for _ in range(4))
        self.fits_heading, self.dropped_heading, self.reverse_heading = (page.html() for _ in range(3))
        self.below, self.details = page.html(), page.html()
        self.chart = ChoiceFront(_CHART, self._open_model)
        self.card = ChartCard(
            _CHART, self.chart.figure, controls.select(self.state, "against", "Against", width=200, sizing_mode=None)
        )
        self.fits, self.dropped = (
            FactTable(facts, key="Model", pressed=self._open_model) for facts in (_FITTING, _DROPPED)
        )
        self.hardware = FactTable(_HARDWARE)
        self.weights = pn.Column(
            *(
                controls.integer(self.state, f"w_{name}", title, margin=(0, 0, 6, 0))
                for name, title in rules.BENCHMARKS.items()
            ),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        self.drawer = page.drawer(self.details, lambda: self._open_model(""))
        self._judge()
        self._watch()

    # What follows a choice -----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        state = self.state
        own_watchers = {*_HARDWARE_CHOICES, "model", "against", "wanted"}
        rest = sorted(set(state.keys()) - own_watchers)
        state.param.watch(self._other_accelerator, "accelerator")
        state.param.watch(self._again, ["devices", "context", "batch", *rest])
        state.param.watch(lambda _event: self._redraw(), "against")
        state.param.watch(lambda _event: self._turn_round(), "wanted")
        state.param.watch(lambda _event: self._show_details(), "model")

    def _other_accelerator(self, _event: Any) -> None:
        self._busy = True
        try:
            self._notes = self.state.follow_accelerator(self.axes)
        finally:
            self._busy = False
        self._again()

    def _again(self, *_events: Any) -> None:
        if not self._busy:
            if _events:
                self._notes = []
            with page.together():
                self._judge()

    def _redraw(self) -> None:
        with page.together():
            self._draw()

    def _judge(self) -> None:
        state = self.state
        self.weights.visible = state.quality == rules.WEIGHTED
        choices = self.data.ask("choices", **state.question)
        self.judged = rules.judged(rules.priced(choices, state.wish), state.limits)
        self.fitting = self.judged.filter(pl.col("reason").is_null())
        notes = list(self._notes)
        if state.quality == rules.WEIGHTED and not any(state.weights.values()):
            notes.append("Every weight is 0. Give at least one benchmark a weight above 0.")
        elif self.judged.is_empty():
            notes.append("No model that could be placed has a score for this. Choose another measure of quality.")
        elif self.fitting.is_empty():
            notes.append("No model passes. The list of excluded models says why; relax the limits that it names.")
        self.notes.object = page.notes(notes)
        self._answer()
        self._draw()
        self._tabulate()
        self._turn_round()
        self._show_details()

    def _conditions(self) -> str:
        state = self.state
        at_once = "one sequence at a time" if state.batch == "1" else f"{int(state.batch):,} sequences at a time"
        return f"{state.hardware}, {at_once} of {int(state.context):,} tokens, engine vLLM"

    def _quality_title(self) -> str:
        label = next(label for label, name in QUALITIES.items() if name == self.state.quality)
        return f"{label} ({_UNITS.get(self.state.quality, 'points')})"

    def _answer(self) -> None:
        if self.fitting.is_empty():
            self.answers.object = ""
            return
        picks: dict[str, tuple[str, dict[str, Any]]] = {}
        best = self.fitting.row(0, named=True)
        picks[best["model_id"]] = (f"Best for {self.state.hardware}", best)
        official = self.fitting.filter(pl.col("is_official_provider").fill_null(value=False))
        near = rules.within_noise(self.fitting, best)
        fastest = near.sort("tokens_per_s", descending=True).head(1)
        liked = self.fitting.drop_nulls("arena_rating").sort("arena_rating", descending=True).head(1)
        for label, rows in (
            ("Best from an official provider", official.head(1)),
            ("What people prefer: best in the arena", liked),
            ("Fastest of those within noise of the best", fastest),
        ):
            if rows.height and rows["model_id"][0] not in picks and len(picks) < 3:
                picks[rows["model_id"][0]] = (label, rows.row(0, named=True))
        cards = [
            text.answer(label, row, self.state.kwh, near.height if row["model_id"] == best["model_id"] else 0)
            for label, row in picks.values()
        ]
        fits, total = formats.count(self.fitting.height), formats.count(self.judged.height)
        self.answers.object = page.heading(
            f"{fits} of {total} models pass on {self.state.hardware}",
            f"{self._conditions()}. Each in the highest precision that fits{self._cost_of_bits()}{self._newer()}",
        ) + block("answers", list(map(Markup, cards)))  # fmt: skip

    def _draw(self) -> None:
        title = "Models for your GPU"
        if self.fitting.is_empty():
            self.card.hide(title, "No model passes, so there is nothing to plot.")
            self.front = self.fitting
            self.list.object = ""
            return
        against, axis, more = next(v for v in AGAINST.values() if v[0] == self.state.against)
        self.front = rules.front(self.fitting, against, more_is_better=more)
        if self.front.is_empty():
            self.card.hide(title, f"{axis} is not known for any model here.")
            self.list.object = ""
            return
        swatches = self.chart.show(self.fitting, self.front, against, axis, self._quality_title(), more=more)
        self.card.show(title, self._conditions(), swatches, self._where(), self._reading())
        self.card.came_from("choices", self.state.question)
        self.list.object = text.front_table(self.front, f"{'so many' if more else 'so few'} {formats.running(axis)}")

    def _cost_of_bits(self) -> str:
        """What is known of what fewer bits cost."""
        if self.state.quality == rules.ABILITY:
            return ", its ability less what that is predicted to cost. The Advisor chooses among more formats."
        return ": these boards did not measure what fewer bits cost in quality."

    def _newer(self) -> str:
        """Where models are that were released since the board that is asked."""
        if self.state.quality == rules.ABILITY:
            return ""
        board = {"arena_rating": "arena", "open_llm_v1_average": "open_llm_v1"}.get(self.state.quality, "open_llm_v2")
        newest = self.judged[f"{board}_as_of_date"].drop_nulls().max()
        return f" Ability has models released after this board of {newest!s} too." if newest else ""

    def _where(self) -> str:
        dates = [
            f"{name} of {self.judged[column].drop_nulls()[0]}"
            for name, column in (
                ("abilities", "ability_as_of_date"), ("Open LLM v2", "open_llm_v2_as_of_date"),
                ("v1", "open_llm_v1_as_of_date"), ("arena", "arena_as_of_date"),
            )
            if self.judged[column].drop_nulls().len()
        ]  # fmt: skip
        return f"Sources: {', '.join(dates)}; n = {formats.count(self.fitting.height)} models"

    def _reading(self) -> str:
        calibrated = bool(self.fitting["is_calibrated"].any())
        basis = (
            "times fitted to measured kernels of this accelerator"
            if calibrated
            else "times by documented default efficiencies, with a wide interval"
        )
        return f"Predicted {basis}. Click a point for details."

    def _tabulate(self) -> None:
        words = pl.col("precision").replace_strict(rules.PRECISIONS, default=pl.col("precision"))
        link = pl.col("architecture_link").str.replace_all("_", " ")
        level = rules.level(self.state.quality)
        ends = {
            f"quality_{end}": Fact(f"{level} % {word}", "0.0", 72) for end, word in (("low", "from"), ("high", "to"))
        }
        self.fits.show(self.fitting.with_columns(words.alias("precision_words"), link.alias("architecture_link")), ends)
        left_out = pl.concat([self.judged.filter(pl.col("reason").is_not_null()), self._too_short()], how="diagonal")
        left_out = left_out.sort("quality", "model_id", descending=[True, False])
        self.dropped.show(left_out)
        counts = left_out.group_by(_kind(pl.col("reason")).alias("kind")).len().sort("len", descending=True)
        reasons = "; ".join(f"{formats.count(count)} {kind}" for kind, count in counts.iter_rows())
        self.fits_heading.object = page.heading(
            "Models that pass",
            f"{formats.count(self.fitting.height)}, best first. Click one for details.",
        )  # fmt: skip
        self.dropped_heading.object = page.heading(
            "Why the others were left out",
            f"{formats.count(left_out.height)}: {reasons}. “You have” is what the engine will use: 90 % of what "
            f"the device reports.{_SHARING if self.state.devices != '1' else ''}",
        )  # fmt: skip
        self.below.object = self._coverage()

    def _too_short(self) -> pl.DataFrame:
        short = self.data.ask("choices_too_short", context=int(self.state.context))
        rated = short.with_columns(rules.quality(self.state.wish).alias("quality"))
        reason = pl.format("made for at most {} tokens", "max_position")
        return rated.filter(pl.col("quality").is_not_null()).select("model_id", "quality", reason.alias("reason"))

    def _coverage(self) -> str:
        frame = self.data.ask("choice_coverage")
        parts = []
        for (source,), rows in frame.group_by("source", maintain_order=True):
            choosable = int(rows.filter(pl.col("is_choosable"))["models"].sum())
            missing = rows.filter(~pl.col("is_choosable")).sort("models", descending=True).head(2)
            why = "; ".join(f"{formats.count(row['models'])}: {row['outcome']}" for row in missing.to_dicts())
            total = formats.count(int(rows["models"].sum()))
            reasons = f" ({why})" if why else ""
            parts.append(f"{formats.boards(source)}: {formats.count(choosable)} of {total} can be placed{reasons}")
        return page.caption(". ".join(parts) + '. All of it: `skyline sql "FROM marts.choice_coverage"`.')

    def _turn_round(self) -> None:
        """The other way round: which hardware is cheapest for a wanted quality."""
        state = self.state
        wanted = state.wanted or (float(self.fitting["quality"][0]) if self.fitting.height else 0.0)
        parameters = {
            "quality": state.quality, "licence": state.licence, "maker": "official" if state.maker != "any" else "any",
            "least": wanted - 0.005, "batch": int(state.batch), "context": int(state.context),
            **{f"w_{short}": state.weights[name] for short, name in _SHORT.items()},
        }  # fmt: skip
        rows = self.data.ask("cheapest_hardware", **parameters)
        many = pl.when(pl.col("devices") > 1).then(pl.format("{} × {}", "devices", "accelerator"))
        self.reverse = rows.with_columns(
            many.otherwise("accelerator").alias("hardware"),
            pl.col("precision").replace_strict(rules.PRECISIONS, default=pl.col("precision")).alias("precision_words"),
        )
        self.hardware.show(self.reverse)
        priced = rows.filter(pl.col("usd_per_hour").is_not_null())
        if rows.is_empty():
            line = f"Nothing in the warehouse reaches {wanted:.1f} points on any hardware at this context and batch."
        elif priced.is_empty():
            line = f"{counted(rows.height, 'configuration')} can reach {wanted:.1f} points; none has a rental price."
        else:
            row = priced.row(0, named=True)
            count = f"{row['devices']} × " if row["devices"] > 1 else ""
            line = (
                f"The cheapest to rent is {count}{row['accelerator']} at ${row['usd_per_hour']:.2f} "
                f"an hour, with {row['model_id']} in {rules.PRECISIONS[row['precision']]}."
            )
        self.reverse_heading.object = page.heading(
            "The reverse question: the cheapest hardware for a given quality",
            f"{line} Hardware without a listed rental price comes last, by energy.",
        )  # fmt: skip

    # Details and downloads -----------------------------------------------------------------------------------------

    def _open_model(self, model: str) -> None:
        self.state.model = model

    def _show_details(self) -> None:
        rows = self.judged.filter(pl.col("model_id") == self.state.model)
        self.drawer.visible = rows.height > 0
        if rows.height:
            self.details.object = text.details(rows.row(0, named=True), self.state.kwh)

    def _describe(self) -> dict[str, Any]:
        return {
            "conditions": self._conditions(), "source": self._where(), "address": f"choices{self.state.address()}",
            "sql": sql_with_values("choices", self.state.question),
        }  # fmt: skip

    # How it is laid out --------------------------------------------------------------------------------------------

    def _sidebar(self) -> pn.Column:
        state, margin = self.state, (0, 0, 10, 0)

        def head(words: str) -> pn.pane.HTML:
            return page.html(block("group", words), margin=(4, 0, 6, 0))

        return pn.Column(
            head("My hardware"),
            controls.select(state, "accelerator", "Accelerator", margin=margin),
            controls.select(state, "devices", "How many, at most", margin=margin),
            head("What matters most"),
            controls.select(state, "quality", "Quality", margin=margin),
            self.weights,
            head("My limits (0 = none)"),
            controls.select(state, "context", "Context", margin=margin),
            controls.select(state, "batch", "Requests", margin=margin),
            controls.number(state, "speed", "Minimum tokens per second, in all", margin=margin),
            controls.number(state, "first_token", "First token within (s)", margin=margin),
            controls.number(state, "usd", "Maximum USD per million tokens", margin=margin),
            controls.number(state, "grams", "Maximum g CO₂e per million tokens", margin=margin),
            controls.select(state, "licence", "Licence", margin=margin),
            controls.select(state, "maker", "Submitted by", margin=margin),
            controls.select(state, "precision", "Precision", margin=margin),
            controls.switch(state, "merges", "Include merged models", margin=margin),
            controls.switch(state, "borderline", "Include borderline fits", margin=margin),
            head("My prices"),
            controls.number(state, "device_hour", "USD per device-hour (0: listed)", margin=margin),
            controls.number(state, "kwh", "USD per kWh, where no rent is listed", margin=margin),
            sizing_mode="stretch_width",
            margin=0,
        )

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Choices",
            "State your hardware and see which models fit, which are best, how fast they will be, what they "
            "cost, and why the others were left out. For one model and any number of devices:",
            link=("which-gpu", "Which GPU?"),
        )
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)),
            self.notes,
            page.card(self.answers),
            self.card.column,
            page.below(self._lists),
            sizing_mode="stretch_width",
            margin=0,
        )
        return Content(main=main, sidebar=self._sidebar, overlay=self.drawer, state=self.state)

    def _lists(self) -> list[pn.Column]:
        downloads = page.download_buttons("choices", self.fits.rows, self._describe, self.data)
        reasons = page.download_buttons("choices_left_out", self.dropped.rows, self._describe, self.data)
        hardware = page.download_buttons("choices_hardware", self.hardware.rows, self._describe, self.data)
        wanted = controls.number(self.state, "wanted", "Wanted quality (0: that of the best above)", width=320,
                                 sizing_mode=None)  # fmt: skip
        return [
            page.card(self.list),
            page.card(self.fits_heading, downloads, self.fits.widget),
            page.card(self.dropped_heading, reasons, self.dropped.widget, self.below),
            page.card(self.reverse_heading, pn.Spacer(height=8), wanted, hardware, self.hardware.widget),
        ]


_SHORT = {"ifeval": "ifeval", "bbh": "bbh", "math": "math_lvl_5", "gpqa": "gpqa", "musr": "musr", "mmlu": "mmlu_pro"}
"""Weights given in the query, and which benchmark each belongs to."""


def _kind(reason: pl.Expr) -> pl.Expr:
    """A reason without its figures, for counting."""
    return (
        pl.when(reason.str.starts_with("needs")).then(pl.lit("do not fit"))
        .when(reason.str.starts_with("made for")).then(pl.lit("are made for a shorter context"))
        .when(reason.str.starts_with("licence")).then(pl.lit("have another licence"))
        .when(reason.str.starts_with("its weights")).then(pl.lit("are no longer on the hub"))
        .when(reason.str.starts_with("flagged")).then(pl.lit("are flagged"))
        .when(reason.str.starts_with("made by merging")).then(pl.lit("are merges"))
        .when(reason.str.starts_with("not by an official")).then(pl.lit("are not by an official provider"))
        .otherwise(pl.lit("are too slow, too expensive, emit too much, or use another precision"))
    )  # fmt: skip
