"""Fronts of ability against what a model costs to hold and to serve, as they stood on any date."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import panel as pn
import param
import polars as pl

from analytics.statistics.normal import TWO_SIDED_90, TWO_SIDED_95
from dashboards.charts.front import Drawing, Front, FrontChart, drawing
from dashboards.data import Data, sql_with_values
from dashboards.parts import ability as words
from dashboards.parts import board_choice, controls, formats, page
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact, FactTable
from dashboards.parts.fields import Measure
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.state import UrlState

NAME, _HEIGHT = "ability_front", 540
_ABILITY = Measure("ability", "Ability", "index points")
_COSTS = {
    "weights_gib": (Measure("weights_gib", "Size", "GiB", logarithmic=True), 1.0),
    "memory_gib": (Measure("memory_gib", "Memory to serve", "GiB", logarithmic=True), 1.0),
    "parameters_total": (Measure("parameters_billion", "Parameters", "billion", logarithmic=True), 1e-9),
    "parameters_active": (Measure("active_parameters_billion", "Active parameters", "billion", logarithmic=True), 1e-9),
    "time_per_token_s": (Measure("time_per_token_s", "Time per token", "s", logarithmic=True), 1.0),
    "usd_per_million_tokens": (
        Measure("usd_per_million_tokens", "Rent", "USD per million tokens", logarithmic=True),
        1.0,
    ),
}
_UNDER_LOAD = {"memory_gib", "time_per_token_s", "usd_per_million_tokens"}
_STEPS = {True: "clear", False: "within noise"}
_FACTS = {
    "position": Fact("#", "0", 46),
    "model_id": Fact("Model", width=300, link="model/"),
    "x": Fact("Cost", "0,0.000", 96),
    "ability": Fact("Ability (index points)", "0.0", 96, stays=True),
    "ability_low": Fact("90 % from", "0.0", 80),
    "ability_high": Fact("90 % to", "0.0", 80),
    "step": Fact("Step over the one before", width=120),
    "evidence_class": words.FACTS["evidence_class"],
    "entered_on": Fact("On the front since", width=110),
    "displaced_by": Fact("Later beaten by", width=240, link="model/"),
}


@dataclass(frozen=True, eq=False)
class _View:
    """What a choice shows, the same for everybody who makes it.

    Attributes:
        members: The front of the day, see `standing`.
        drawing: The same, ready to be drawn.
        as_of: Day of the newest judgement.
    """

    members: pl.DataFrame
    drawing: Drawing
    as_of: dt.date


def _view(data: Data, domain: str, cost: str, day: dt.date) -> _View:
    measure, scale = _COSTS[cost]
    judged = data.ask("ability_front_cloud", domain=domain, cost=cost)
    cloud = judged.filter(pl.col("release_date") <= day).select(
        "model_id", pl.col("weight_format").alias("precision"),
        (pl.col("value") * scale).alias("x"), pl.col("ability").alias("y"),
    )  # fmt: skip
    members = standing(data.ask("ability_front_history", domain=domain, cost=cost), day, scale)
    drawn = members.select(
        pl.col("model_id").alias("entry_id"), "model_id", pl.col("weight_format").alias("precision"), "x",
        pl.col("ability").alias("y"),
        ((pl.col("ability_high") - pl.col("ability_low")) / (2 * TWO_SIDED_90)).alias("standard_error"),
        pl.col("is_clear").alias("beyond_noise_of_previous"), pl.col("ability_low").alias("low"),
        pl.col("ability_high").alias("high"),
    )  # fmt: skip
    front = Front(cloud, drawn, measure, _ABILITY, kind="Published as", bars="90 % interval")
    return _View(members, drawing(front, NAME, _HEIGHT), judged["as_of_date"].max())  # type: ignore[arg-type]


class AbilityFrontState(UrlState):
    """Choices of the page."""

    board: Any = param.Selector(default=board_choice.ABILITY, objects=[board_choice.ABILITY])
    domain: Any = param.Selector(objects=[])
    cost: Any = param.Selector(objects=[])
    date: Any = param.Selector(objects=[], doc="Day of which the front is shown.")


class AbilityFront(SessionPage[AbilityFrontState]):
    """One session's page."""

    def __init__(self, data: Data, search: str) -> None:
        super().__init__(data, AbilityFrontState.from_address(search))
        self.notes = page.html()
        self.chart = FrontChart(NAME, _HEIGHT)
        self.card = ChartCard(NAME, self.chart.figure)
        self.table = FactTable(_FACTS)
        self.members = pl.DataFrame()
        fronts = data.ask("ability_front_choices")
        domains = {words.domain(name): name for name in fronts["domain"].unique(maintain_order=True)}
        self.choices = fronts
        first = next(iter(domains.values()), None)
        self.state.remember_default("domain", first)
        self._notes += self.state.offer("domain", domains, first)
        self._offer_cost()
        self._notes += self.state.settle()
        self.picks = {
            name: controls.select(self.state, name, label, **controls.picked(width))
            for name, label, width in (
                ("domain", "Domain", 210),
                ("cost", "Against", 230),
                ("date", "As it stood on", 190),
            )
        }
        self._draw()
        self._when("domain", self._draw, self._offer_cost)
        self._when("cost", self._draw, self._offer_date)
        self._when("date", self._draw)

    # What the data offers ------------------------------------------------------------------------------------------

    def _offer_cost(self) -> None:
        state = self.state
        there = set(self.choices.filter(pl.col("domain") == state.domain)["cost"])
        labels = {measure.title: name for name, (measure, _) in _COSTS.items() if name in there}
        first = next(iter(labels.values()), None)
        state.remember_default("cost", first)
        self._notes += state.offer("cost", labels, first)
        self._offer_date()

    def _offer_date(self) -> None:
        state = self.state
        history = self.data.ask("ability_front_history", domain=state.domain, cost=state.cost)
        days = history["entered_on"].unique().sort(descending=True)
        labels = {f"{day}{' · newest' if place == 0 else ''}": day.isoformat() for place, day in enumerate(days)}
        newest = next(iter(labels.values()), None)
        state.remember_default("date", newest)
        dates = state._query.get("date")
        if dates and dates[-1] not in labels.values() and (day := _last_move(dates[-1], days)) is not None:
            # Between two moves the front is that of the one before.
            state._query["date"] = [day]
        self._notes += state.offer("date", labels, newest)

    # What follows a choice -----------------------------------------------------------------------------------------

    def _draw(self) -> None:
        state = self.state
        self.notes.object = page.notes(self._notes)
        if state.date is None:
            self.card.hide("Ability against cost", "No open model of known size and release date was judged here.")
            return
        measure, _ = _COSTS[state.cost]
        day = dt.date.fromisoformat(state.date)
        view = self.data.shared(_view, state.domain, state.cost, day)
        self.members, drawn = view.members, view.drawing
        self.chart.show(drawn)
        clear = self.members.filter(pl.col("is_clear"))["model_id"]
        counts = (
            f"{formats.count(self.members.height)} of {formats.count(drawn.count)} open models of {day} or before are "
            f"beaten by none. {_clear_steps(clear.to_list(), self.members.height - 1)}"
        )
        title = f"Ability ({formats.running(words.domain(state.domain))}) against {formats.running(measure.label)}"
        where = words.where(state.domain, view.as_of, drawn.count)
        load = f" Load: {words.LOAD}." if state.cost in _UNDER_LOAD else ""
        more = (
            f"Up and left is better.{load} Hollow marks: the step over the next cheaper member is "
            "within the noise of both. Days of the past are judged by today's results; models whose size, date or "
            "weights are not known are left out."
        )
        self.card.show(title, counts, self.chart.tell(drawn), where, more)
        self.card.came_from("ability_front_history", {"domain": state.domain, "cost": state.cost})
        self._later(self._tabulate)

    def _tabulate(self) -> None:
        measure, _ = _COSTS[self.state.cost]
        self.table.show(
            self.members.with_columns(
                pl.int_range(1, pl.len() + 1).alias("position"),
                pl.col("is_clear").replace_strict(_STEPS, default="", return_dtype=pl.String).alias("step"),
            ),
            {"x": replace(_FACTS["x"], title=measure.title, header=measure.name)},
        )

    def _describe(self) -> dict[str, Any]:
        measure, _ = _COSTS[self.state.cost]
        parameters = {"domain": self.state.domain, "cost": self.state.cost}
        return {
            "cost": measure.title, "domain": self.state.domain, "address": f"pareto{self.state.address()}",
            "query": sql_with_values("ability_front_history", parameters),
        }  # fmt: skip

    # How it is laid out --------------------------------------------------------------------------------------------

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Pareto fronts",
            "Open models that no other beats on both ability and cost, and which steps between them could be noise.",
        )
        picks = page.row(*self.picks.values(), margin=(0, 0, 14, 0))
        main = pn.Column(
            page.html(lead), board_choice.switch("pareto", board_choice.ABILITY), picks, self.notes, self.card.column,
            page.below(lambda: [self._members_card()]), sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, state=self.state)

    def _members_card(self) -> pn.Column:
        return page.card(
            page.html(page.heading("Members of the front")),
            page.download_buttons("ability_front", self.table.rows, self._describe, self.data),
            self.table.widget,
        )


def _clear_steps(names: Sequence[str], steps: int) -> str:
    """Which members are ahead of the next cheaper one by more than noise."""
    if steps == 0:
        return "There is no cheaper one to compare it with."
    if not names:
        return "No step over the next cheaper one exceeds noise."
    listed = ", ".join(formats.without_account(name) for name in names)
    verb = "exceeds" if len(names) == 1 else "exceed"
    return (
        f"{formats.count(len(names))} of {formats.count(steps)} steps over the next cheaper one {verb} noise: {listed}."
    )


def _last_move(date: str, days: pl.Series) -> str | None:
    try:
        day = dt.date.fromisoformat(date)
    except ValueError:
        return None
    before = days.filter(days <= day)
    return None if before.is_empty() else before.max().isoformat()  # type: ignore[union-attr]


def standing(history: pl.DataFrame, day: dt.date, scale: float) -> pl.DataFrame:
    """The front of a day from its cheapest member, with `x` and whether each step is clear of noise.

    Args:
        history: Result of the query `ability_front_history`.
        day: The day.
        scale: Turns a stored cost into the unit shown.
    """
    on = (pl.col("entered_on") <= day) & (pl.col("left_on").is_null() | (pl.col("left_on") > day))
    error = (pl.col("ability_high") - pl.col("ability_low")) / (2 * TWO_SIDED_90)
    noise = (error**2 + error.shift() ** 2).sqrt()
    step = pl.col("ability") - pl.col("ability").shift()
    return (
        history.filter(on)
        .sort("value", "ability")
        .with_columns((pl.col("value") * scale).alias("x"), (step > TWO_SIDED_95 * noise).alias("is_clear"))
    )
