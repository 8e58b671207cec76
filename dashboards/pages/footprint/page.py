"""Footprint: what evaluating cost the boards, and what a million tokens cost in energy and carbon as models grow."""

from typing import Any

import panel as pn
import param
import polars as pl

from analytics.units import JOULES_PER_KWH
from dashboards.charts.log_scatter import LogScatter, power_law
from dashboards.data import Data, sql_with_values
from dashboards.pages.footprint.effort import reconciled
from dashboards.parts import choices as rules
from dashboards.parts import controls, formats, how_far_off, page
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact, FactTable
from dashboards.parts.names import linked
from dashboards.parts.page import Content
from dashboards.parts.state import UrlState
from dashboards.parts.templates import block, render
from profiling.answers.cost import POWER_USAGE_EFFECTIVENESS
from profiling.answers.energy import INCLUDES, host_draw

_SERVING, _EVALUATING = "what_bigger_costs", "evaluation_co2"
_KG_PER_NODE_HOUR = 1.51088
_FACTS = {
    "model_id": Fact("Model", width=270, link="model/"),
    "parameters_billion": Fact("Parameters (billion)", "0,0.0", 96),
    "active_billion": Fact("Active (billion)", "0,0.0", 84, header="parameters_active_billion"),
    "batch": Fact("Batch", "0,0", 64, stays=True),
    "devices": Fact("Devices", "0", 70),
    "open_llm_v2_average": Fact("Open LLM v2", "0.0", 84),
    "kwh": Fact("kWh per million tokens", "0,0.000", 96, header="kwh_per_million_tokens", stays=True),
    "host_kwh": Fact("… of the host", "0,0.000", 96, header="host_kwh_per_million_tokens"),
    "grams": Fact("g CO₂e per million tokens", "0,0", 96, header="g_co2e_per_million_tokens"),
    "grams_low": Fact("from", "0,0", 80, header="g_co2e_low_per_million_tokens"),
    "grams_high": Fact("to", "0,0", 80, header="g_co2e_high_per_million_tokens"),
    "tokens_per_s": Fact("Tokens/s", "0,0.0", 80),
}


class FootprintState(UrlState):
    """Choices of the page."""

    accelerator: Any = param.Selector(objects=[])
    precision: Any = param.Selector(objects=[])
    context: Any = param.Selector(objects=[])
    grid: Any = param.Selector(objects=[])
    table: Any = param.Selector(default="codecarbon", objects={"CodeCarbon": "codecarbon", "EcoLogits": "ecologits"})
    pue: Any = param.Number(
        default=POWER_USAGE_EFFECTIVENESS, bounds=(1.0, 3.0), doc="Energy of the building over that of the devices."
    )
    snapshot: Any = param.Selector(objects=[])


def build(data: Data, search: str) -> Content:
    """Content of the page for one session.

    Raises:
        NothingToShow: nothing is predicted.
    """
    axes = data.ask("choice_axes")
    if axes.is_empty():
        raise page.NothingToShow("The published warehouse holds no predictions.")
    return Footprint(data, search, axes).content()


class Footprint:
    """One session's page."""

    def __init__(self, data: Data, search: str, axes: pl.DataFrame) -> None:
        self.data = data
        self.state = state = FootprintState.from_address(search)
        self.grids = data.ask("grids")
        self.evaluations = data.ask("footprint_evaluations")
        names = axes["accelerator"].unique().sort().to_list()
        contexts = {f"{c:,} tokens": str(c) for c in axes["context"].unique().sort()}
        countries = {row["country"]: row["country_code"] for row in self.grids.iter_rows(named=True)}
        snapshots = {
            f"{formats.board(r['board'])} · {r['as_of_date']}": r["snapshot_id"]
            for r in self.evaluations.to_dicts()[::-1]
        }
        precisions = {f"{words} weights": name for name, words in rules.PRECISIONS.items()}
        self._notes: list[str] = []
        for name, options, default in (
            ("accelerator", names, "H100-SXM5-80GB" if "H100-SXM5-80GB" in names else names[0]),
            ("precision", precisions, "w16a16kv16"),
            ("context", contexts, next(iter(contexts.values()))),
            ("grid", countries, "WLD"),
            ("snapshot", snapshots, next(iter(snapshots.values()), None)),
        ):
            state.remember_default(name, default)
            self._notes += state.offer(name, options, default)
        self._notes += state.settle()
        self.rows = pl.DataFrame()
        self.notes = page.html(page.notes(self._notes))
        self.finding, self.changes, self.effort = page.html(), page.html(), page.html()
        self.serving, self.evaluating = LogScatter(_SERVING), LogScatter(_EVALUATING, 360)
        self.serving_card = ChartCard(_SERVING, self.serving.figure)
        self.evaluating_card = ChartCard(
            _EVALUATING,
            self.evaluating.figure,
            controls.select(state, "snapshot", "Snapshot", width=260, sizing_mode=None),
        )
        self.table = FactTable(_FACTS)
        self._serve()
        self._evaluate()
        state.param.watch(self._on_serving, ["accelerator", "precision", "context", "grid", "table", "pue"])
        state.param.watch(self._on_snapshot, "snapshot")

    def _on_serving(self, *_events: Any) -> None:
        with page.together():
            self._serve()

    def _on_snapshot(self, *_events: Any) -> None:
        with page.together():
            self._evaluate()

    def _grams_per_kwh(self) -> float | None:
        row = self.grids.filter(pl.col("country_code") == self.state.grid).row(0, named=True)
        value = row[self.state.table]
        return None if value is None else float(value)

    def _serve(self) -> None:
        state = self.state
        title = "Carbon per million tokens, by size of the model"
        question = self._question()
        serving_rows = self.data.ask("footprint_serving", **question)
        per_kwh = self._grams_per_kwh()
        if serving_rows.is_empty() or per_kwh is None:
            reason = (
                "This source gives no carbon intensity for that country; choose the other source."
                if per_kwh is None
                else f"No energy is known on {state.accelerator}: its rated power is not published, or nothing fits."
            )
            self.finding.object = ""
            self.serving_card.hide(title, reason)
            self.rows = serving_rows.clear()
            self.table.show(self._named(self.rows, 0.0))
            return
        self.rows = self._named(serving_rows, per_kwh)
        groups = {
            f"batch {batch}": rows.select(
                pl.col("parameters_billion").alias("x"), pl.col("grams").alias("y"), pl.col("grams_low").alias("low"),
                pl.col("grams_high").alias("high"), pl.col("model_id").alias("name"),
                pl.format("{} B, {} kWh ({} of hosts) and {} g CO₂e per million tokens, {} devices",
                          pl.col("parameters_billion").round(1),
                          pl.col("kwh").round(3), pl.col("host_kwh").round(3),
                          pl.col("grams").round(0), "devices").alias("facts"),
            )
            for (batch,), rows in self.rows.group_by("batch", maintain_order=True)
        }  # fmt: skip
        groups = dict(sorted(groups.items(), key=lambda item: int(item[0].split()[1])))
        country = next(k for k, v in state.param["grid"].get_range().items() if v == state.grid)
        label = next(k for k, v in state.param["table"].get_range().items() if v == state.table)
        legend = self.serving.show(groups, "Parameters (billion)", "g CO₂e per million tokens")
        where = (
            f"{state.accelerator}, {rules.PRECISIONS[state.precision]} weights, {int(state.context):,} "
            f"tokens; {country}, "
            f"{per_kwh:.0f} g/kWh ({label}), PUE {state.pue:g}; n = {self.rows['model_id'].n_unique()} models"
        )
        more = (
            f"{INCLUDES} The device draws the share of its rated power that metered devices did (half and all of it at "
            f"the ends), over the 80 % interval of speed; {self._host_sentence()} The load is constant; embodied "
            "carbon is not included. A larger batch shares the reading of weights, so it changes energy more than most "
            "choices of model do." + how_far_off.links(how_far_off.ENERGY)
        )
        self.serving_card.show(title, _doublings(groups), legend, where, more)
        self.serving_card.came_from("footprint_serving", question)
        self.finding.object = self._trade_off(groups)
        self.table.show(self.rows.sort("parameters_billion", "model_id", "batch", descending=[True, False, False]))

    def _host_sentence(self) -> str:
        """What the host of the accelerator chosen is taken to draw."""
        device = self.data.door().devices.get(self.state.accelerator)
        draw = device and host_draw(device)
        if not draw:
            return "what its host draws is not known."
        watts = draw.watts
        return f"its share of a {draw.what} draws {watts.likely:.0f} W (range {watts.low:.0f} to {watts.high:.0f})."

    def _named(self, rows: pl.DataFrame, per_kwh: float) -> pl.DataFrame:
        """Rows with kWh, and grams of CO₂e at the grid and the building's overhead chosen."""
        grams = per_kwh * self.state.pue / JOULES_PER_KWH
        return rows.with_columns(
            ((pl.col("joules_per_million_tokens") + pl.col("host_joules_per_million_tokens")) / JOULES_PER_KWH)
            .alias("kwh"),
            (pl.col("host_joules_per_million_tokens") / JOULES_PER_KWH).alias("host_kwh"),
            *(
                (grams * (pl.col(f"joules{end}_per_million_tokens") + pl.col(f"host_joules{end}_per_million_tokens")))
                .alias(f"grams{end}")
                for end in ("", "_low", "_high")
            ),
        )  # fmt: skip

    def _trade_off(self, groups: dict[str, pl.DataFrame]) -> str:
        """The price of scaling up, from the smallest and the largest rated models here, as a sentence."""
        rated = self.rows.filter(
            pl.col("open_llm_v2_average").is_not_null(), pl.col("batch") == self.rows["batch"].max()
        )
        lines, ends = [_doublings(groups)], []
        front = rules.front(
            rated.rename({"open_llm_v2_average": "quality"}),
            "grams",
            more_is_better=False,
        )
        if front.height > 1:
            cheap, dear = front.row(0, named=True), front.row(-1, named=True)
            ends = [cheap["model_id"], dear["model_id"]]
            factor = dear["grams"] / cheap["grams"]
            lines.append(
                f"At batch {dear['batch']}, going from {cheap['model_id']} ({cheap['quality']:.0f} points) to "
                f"{dear['model_id']} ({dear['quality']:.0f} points) costs {formats.significant(factor, 2)} "
                "times the carbon."
            )
        return block("heading", "The trade-off of scaling up") + block("paragraph", linked(" ".join(lines), ends))

    def _evaluate(self) -> None:
        title = "CO₂ of evaluating, one snapshot at a time"
        if self.evaluations.is_empty() or self.state.snapshot is None:
            self.evaluating_card.hide(title, "No board here states the CO₂ of its evaluations.")
            self.changes.object = self.effort.object = ""
            return
        question = {"snapshot_id": self.state.snapshot}
        rows = self.data.ask("footprint_points", **question)
        about = self.evaluations.filter(pl.col("snapshot_id") == self.state.snapshot).row(0, named=True)
        facts = pl.format("{} B, {} kg", pl.col("parameters_billion").round(2), pl.col("evaluation_co2_kg").round(2))
        shown = rows.select(
            pl.col("parameters_billion").alias("x"), pl.col("evaluation_co2_kg").alias("y"),
            pl.col("evaluation_co2_kg").alias("low"), pl.col("evaluation_co2_kg").alias("high"),
            pl.col("model_id").alias("name"), facts.alias("facts"),
            pl.col("is_moe").fill_null(value=False).alias("mixture"),
        )  # fmt: skip
        groups = {
            name: part.drop("mixture")
            for name, flag in (("dense", False), ("mixture of experts", True))
            if (part := shown.filter(pl.col("mixture") == flag)).height
        }
        legend = self.evaluating.show(groups, "Parameters (billion)", "kg CO₂ of the evaluation")
        hours = about["total_kg"] / _KG_PER_NODE_HOUR
        subtitle = (
            f"{formats.count(about['entries'])} entries, {formats.count(about['total_kg'])} kg in all, as the "
            "board states it: "
            f"{formats.count(hours)} hours of a node of eight H100s at full power"
        )
        where = (
            f"{formats.board(about['board'])}, snapshot of {about['as_of_date']}; "
            f"n = {formats.count(rows.height)} with known size"
        )
        more = (
            "The figure is time on a fixed node at rated power (5.6 kW, 269.8 g/kWh), not energy measured, "
            "and not what the "
            "model costs in use: models of one size differ many times over."
        )
        self.evaluating_card.show(title, subtitle, legend, where, more)
        self.evaluating_card.came_from("footprint_points", question)
        self.changes.object = self._changes()
        self.effort.object = reconciled(self.data.door(), about["entries"], hours, about["as_of_date"].isoformat())

    def _changes(self) -> str:
        """Why totals of two snapshots must not be compared: what changed on the same entries."""
        return render(__file__, "changes.html", changes=self.data.ask("footprint_revisions").to_dicts())

    def _question(self) -> dict[str, Any]:
        """Parameters of the query `footprint_serving`."""
        state = self.state
        return {"accelerator": state.accelerator, "context": int(state.context), "precision": state.precision}

    def _describe(self) -> dict[str, Any]:
        state = self.state
        return {
            "query": sql_with_values("footprint_serving", self._question()),
            "address": f"footprint{state.address()}", "accelerator": state.accelerator, "grid": state.grid,
            "g_co2e_per_kwh": self._grams_per_kwh(), "grid_table": state.table, "power_usage_effectiveness": state.pue,
        }  # fmt: skip

    def _sidebar(self) -> pn.Column:
        state, margin = self.state, (0, 0, 10, 0)
        return pn.Column(
            controls.select(state, "accelerator", "Accelerator", margin=margin),
            controls.select(state, "precision", "Precision", margin=margin),
            controls.select(state, "context", "Context", margin=margin),
            controls.select(state, "grid", "Electricity of", margin=margin),
            controls.radio(state, "table", dict(state.param["table"].get_range()), height=32),
            controls.number(state, "pue", "PUE (building over devices)", step=0.05, margin=(10, 0, 0, 0)),
            sizing_mode="stretch_width",
            margin=0,
        )

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Footprint",
            "What a million tokens cost in energy and carbon as models grow, by batch and by grid, and what the"
            " boards spent on evaluation.",
        )
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)),
            self.notes,
            page.card(self.finding),
            self.serving_card.column,
            page.below(self._more),
            sizing_mode="stretch_width",
            margin=0,
        )
        return Content(main=main, sidebar=self._sidebar, state=self.state)

    def _more(self) -> list[pn.Column]:
        table = page.card(
            page.html(page.heading("Model by model")),
            page.download_buttons("footprint", self.table.rows, self._describe, self.data),
            self.table.widget,
        )
        return [
            table,
            self.evaluating_card.column,
            page.card(self.effort),
            *([page.card(self.changes)] if self.changes.object else []),
        ]


def _doublings(groups: dict[str, pl.DataFrame]) -> str:
    """By how much carbon grows when the size doubles, per group."""
    parts = [f"{2 ** law[0]:.2f} at {name}" for name, rows in groups.items() if (law := power_law(rows)) is not None]
    if not parts:
        return "Too few models for a trend."
    return f"Twice the parameters multiply the carbon per token by {' and by '.join(parts)}."
