"""The leaderboard of ability: judged models with intervals and evidence, and who moved since before."""

from typing import Any

import panel as pn
import param
import polars as pl

from analytics.units import counted
from dashboards.charts import legend, openness
from dashboards.charts.opening import with_pages
from dashboards.charts.ratings import Rows, RowsChart
from dashboards.data import Data, sql_with_values
from dashboards.pages.leaderboard import changes
from dashboards.parts import ability as words
from dashboards.parts import board_choice, controls, filters, formats, page
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import FactTable
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.state import UrlState
from dashboards.parts.templates import block
from dashboards.parts.theme import OTHER_COLOUR
from warehouse.contracts.ability import THIN_EVIDENCE

NAME = "ability"
_LENGTHS = {"15": "15", "30": "30", "60": "60", "All": "all"}
_PRIOR = "prior"


class AbilityState(UrlState):
    """Choices of the page."""

    board: Any = param.Selector(default=board_choice.ABILITY, objects=[board_choice.ABILITY])
    domain: Any = param.Selector(objects=[])
    openness: Any = param.ListSelector(default=[], objects=[], doc="Open, proprietary, unknown; none means all.")
    evidence: Any = param.ListSelector(default=[], objects=[], doc="Classes of evidence; none: all but priors.")
    organisation: Any = param.ListSelector(default=[], objects=[], doc="Makers; none means all.")
    search: Any = param.String(default="", doc="Words of names; alternatives between semicolons.")
    top: Any = param.Selector(default="30", objects=list(_LENGTHS.values()))


class AbilityBoard(SessionPage[AbilityState]):
    """One session's page."""

    def __init__(self, data: Data, search: str) -> None:
        super().__init__(data, AbilityState.from_address(search))
        self.rows = self.shown = pl.DataFrame()
        self.notes, self.counts, self.moved = page.html(), page.html(), page.html()
        self.chart = RowsChart(NAME)
        self.table = FactTable(words.FACTS)
        self.changes = FactTable(changes.FACTS)
        domains = words.domains(data.ask("ability_domains"))
        self.state.remember_default("domain", next(iter(domains.values())))
        self._notes += self.state.offer("domain", domains, next(iter(domains.values())))
        self._load()
        self._notes += self.state.settle()
        top = controls.radio(self.state, "top", _LENGTHS, height=32)
        self.card = ChartCard(NAME, self.chart.figure, top)
        self._filter()
        self._when("domain", self._filter, self._load)
        self._when(["openness", "evidence", "organisation", "search"], self._filter)
        self._when("top", self._draw)

    # What the data offers ------------------------------------------------------------------------------------------

    def _load(self) -> None:
        state = self.state
        self.rows = self.data.ask("ability_board", domain=state.domain)
        self._notes += state.offer("openness", openness.labels(self.rows["openness"]), [])
        for name, column in (("evidence", "evidence_class"), ("organisation", "organization")):
            counted = (
                self.rows[column].drop_nulls().value_counts(sort=True, name="n").sort("n", column, descending=True)
            )
            self._notes += state.offer(name, {f"{item} ({formats.count(n)})": item for item, n in counted.rows()}, [])

    # What follows a choice -----------------------------------------------------------------------------------------

    def _filter(self) -> None:
        state = self.state
        # Nobody judged those with a prior, so they are shown to who asks for them.
        mask = pl.col("evidence_class").is_in(state.evidence) if state.evidence else pl.col("evidence_class") != _PRIOR
        for name, column in (("openness", "openness"), ("organisation", "organization")):
            if chosen := getattr(state, name):
                mask &= pl.col(column).is_in(chosen)
        self.shown = filters.searched(self.rows.filter(mask), state.search, "model_id", "name", "organization")
        empty = [] if not self.shown.is_empty() else ["No model passes these filters. Remove one."]
        self.notes.object = page.notes([*self._notes, *empty])
        self.counts.object = block("shown_of", self.shown.height, self.rows.height, "models")
        self._draw()
        self._later(self._tabulate)

    def _where(self, n: int) -> str:
        as_of = self.rows["as_of_date"].max()
        return words.where(self.state.domain, as_of, n)  # type: ignore[arg-type]

    def _draw(self) -> None:
        drawn = self.shown if self.state.top == "all" else self.shown.head(int(self.state.top))
        self.chart.show(marks(drawn))
        lines = [*openness.entries(drawn["openness"]), legend.Entry("90 % interval", OTHER_COLOUR, "bar")]
        title = f"Ability: {formats.running(words.domain(self.state.domain))}"
        self.card.show(
            title, finding(self.shown), legend.swatches(NAME, lines), self._where(drawn.height), words.READING
        )
        self.card.came_from("ability_board", {"domain": self.state.domain})

    def _tabulate(self) -> None:
        ranked = self.shown.with_columns(
            pl.int_range(1, pl.len() + 1).alias("rank"),
            pl.col("openness").replace_strict(openness.WORDS, return_dtype=pl.String).alias("openness_words"),
        )
        self.table.show(ranked)
        moved = self.data.ask("ability_changes", domain=self.state.domain)
        self.changes.show(changes.in_order(moved))
        self.moved.object = changes.summary(moved)

    # How it is laid out --------------------------------------------------------------------------------------------

    def _describe(self) -> dict[str, Any]:
        return {
            "source": self._where(self.shown.height), "address": f"leaderboard{self.state.address()}",
            "query": sql_with_values("ability_board", {"domain": self.state.domain}),
        }  # fmt: skip

    def _sidebar(self) -> pn.Column:
        state = self.state
        return pn.Column(
            self.counts,
            pn.Spacer(height=8),
            controls.text(
                state, "search", "Search", placeholder="alternatives separated by ;", sizing_mode="stretch_width"
            ),
            pn.Spacer(height=12),
            controls.several(state, "openness", "Weights", placeholder="all", margin=(0, 0, 12, 0)),
            controls.several(state, "evidence", "Evidence", placeholder="all evaluated", margin=(0, 0, 12, 0)),
            controls.several(state, "organisation", "Maker", placeholder="all", margin=(0, 0, 4, 0)),
            page.html(
                page.caption("“prior” shows open models that no board has evaluated, as their size and date suggest.")
            ),
            sizing_mode="stretch_width",
            margin=0,
        )

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Leaderboard",
            "Every model that any board has evaluated, on one scale, with its interval and the evidence behind it.",
        )
        pick = pn.Column(controls.select(self.state, "domain", "Domain"), width=230, margin=(0, 0, 14, 0))
        main = pn.Column(
            page.html(lead), board_choice.switch("leaderboard", board_choice.ABILITY), pick, self.notes,
            self.card.column, page.below(self._more), sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, sidebar=self._sidebar, state=self.state)

    def _more(self) -> list[pn.Column]:
        models = page.card(
            page.html(page.heading("Models and their evidence")),
            page.html(page.caption(f"To serve: {words.LOAD}.")),
            page.download_buttons("ability", self.table.rows, self._describe, self.data),
            self.table.widget,
        )
        changed = page.card(
            self.moved,
            page.download_buttons("ability_changes", self.changes.rows, self._describe, self.data),
            self.changes.widget,
        )
        return [models, changed]


def marks(rows: pl.DataFrame) -> Rows:
    """One row per model, with its interval.

    Args:
        rows: Rows of the query `ability_board`.
    """
    styled = openness.styled(rows).with_row_index("row")
    frame = pl.DataFrame(
        {
            "row": styled["row"].cast(pl.Int64), "x": styled["ability"], "low": styled["ability_low"],
            "high": styled["ability_high"], "colour": styled["colour"], "mark": styled["mark"],
            # Hollow: judged once, or by nobody.
            "fill": styled["evidence_class"].is_in(THIN_EVIDENCE).not_().cast(pl.Float64),
            "name": styled["name"],
            "first": [words.estimate(row) for row in rows.iter_rows(named=True)],
            "second": [words.rests_on(row) for row in rows.iter_rows(named=True)],
        }
    )  # fmt: skip
    pages = dict(rows.select("name", "model_id").iter_rows())
    return Rows(rows["name"].to_list(), with_pages(frame, pages), "Ability (index points)")


def finding(rows: pl.DataFrame) -> str:
    """Who leads, and who may."""
    if rows.is_empty():
        return ""
    best = rows.row(0, named=True)
    reach = counted(rows[1:].filter(pl.col("ability_high") >= best["ability"]).height, "other model")
    text = f"{best['name']} leads with {words.estimate(best)}, a value inside the intervals of {reach}"
    ours = rows.filter(pl.col("openness") == "open").head(1)
    if ours.height and ours["name"][0] != best["name"]:
        row = ours.row(0, named=True)
        text += f". The best with open weights: {row['name']}, {words.estimate(row)}"
    return text
