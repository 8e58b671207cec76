"""The page of open against proprietary models: the gap now and over time, progress by release date, and its price."""

import datetime as dt
import functools
from dataclasses import replace
from typing import Any

import panel as pn
import polars as pl

from analytics.units import counted, decimal
from dashboards.charts import gap, legend, progress, progress_demand, ratings_classes
from dashboards.charts.opening import with_pages
from dashboards.charts.ratings import RowsChart
from dashboards.data import Data, sql_with_values
from dashboards.pages.arena import boards as arena_boards
from dashboards.pages.arena import rows as arena_rows
from dashboards.pages.arena.boards import Boards, OpenState
from dashboards.pages.open_vs_proprietary import text as words
from dashboards.pages.open_vs_proprietary.ability import AbilityGap, headline_html
from dashboards.parts import controls, formats, page
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact, FactTable
from dashboards.parts.names import arena_pages, linked
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.templates import block
from dashboards.parts.theme import OTHER_COLOUR

_MAKERS = "organisation_gaps"
_MOST_MAKERS = 30
_FACTS = {
    "model": Fact("Model", width=250, link="model/", link_of="page_of"),
    "organization": Fact("Maker", width=100),
    "licence_words": Fact("Licence class", width=120),
    "release_date": Fact("Released", width=108),
    "release_grade": Fact("Grade of the date", width=76),
    "rating": Fact("Rating (points)", "0,0.0", 80, stays=True),
    "gpus_needed": Fact("GPUs needed", "0", 80),
    "moved": Fact("Best of its side when released", width=110),
    "rating_lower": Fact("95 % from", "0,0.0", 80),
    "rating_upper": Fact("95 % to", "0,0.0", 80),
    "serving_memory_gib": Fact("Memory to serve (GiB)", "0,0", 100),
    "parameters_billion": Fact("Parameters (billion)", "0,0.[0]", 100),
    "weight_format": Fact("Published as", width=110),
    "published_bits": Fact("Bits per weight", "0.[0]", 80),
    "rule_of_thumb_gpus": Fact("GPUs by rule of thumb", "0", 80),
    "rule_of_thumb_gib": Fact("Memory by rule of thumb (GiB)", "0,0", 100),
    "source": Fact("Sources of the date", width=200),
    "conflict": Fact("What they disagree on", width=360),
}


def build(data: Data, search: str) -> Content:
    """Content of the page for one session.

    Raises:
        NothingToShow: no arena board is published.
    """
    boards = data.ask("open_boards")
    if boards.is_empty():
        raise page.NothingToShow(arena_boards.NOTHING)
    return OpenVsProprietary(data, search, boards).content()


class OpenVsProprietary(SessionPage[OpenState]):
    """One session's page: what is chosen, what that shows, and the widgets between them."""

    def __init__(self, data: Data, search: str, boards: pl.DataFrame) -> None:
        super().__init__(data, OpenState.from_address(search))
        self.boards = Boards(boards)
        self.models = self.shown = self.gaps = pl.DataFrame()
        self.notes, self.headline, self.counts = page.html(), page.html(), page.html()
        self.progress, self.demand = progress.Progress(), progress_demand.Demand()
        self.gap, self.makers = gap.GapChart(self._go_to), RowsChart(_MAKERS)
        self.table = FactTable(_FACTS)
        self.ability = AbilityGap(data)
        sources = {f"Boards · {label}": name for label, name in self.boards.publications().items()}
        self._notes += arena_boards.offer(self.state, "source", sources, arena_boards.newest(boards))
        self._offer()
        self._notes += self.state.settle()
        state = self.state
        self.picks = arena_boards.picks(state)
        measures = {measure.label: name for name, measure in gap.MEASURES.items()}
        self.cards = {
            "progress": ChartCard(
                progress.NAME, self.progress.figure, controls.switch(state, "trend", "Trend with its 95 % band")
            ),
            "gap": ChartCard(
                gap.NAME, self.gap.figure, controls.radio(state, "measure", measures, height=32),
                controls.radio(state, "over", {"All publications": "series", "This one": "publication"}, height=32),
                downloads=page.download_buttons("open_gap", self._gap_rows, self._describe, self.data, margin=0),
            ),
            "demand": ChartCard(progress_demand.NAME, self.demand.figure),
            "makers": ChartCard(_MAKERS, self.makers.figure),
        }  # fmt: skip
        self._draw()
        self._watch()

    # What the data offers ------------------------------------------------------------------------------------------

    def _offer(self, since: str = "arena") -> None:
        """Offer what the chosen source has, and read the board that is then chosen."""
        state = self.state
        self._notes += self.boards.offer(state, since)
        self.models = self.data.ask("open_progress", **arena_boards.board_of(state))
        self.gaps = self.boards.series(state)
        classes = ratings_classes.labels(self.models["licence_class"])
        self._notes += arena_boards.offer(state, "licence", classes, [])
        self._notes += arena_boards.offer(state, "organisation", arena_boards.makers(self.models), [])

    # What follows a choice -----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        for name, since in (("source", "arena"), ("arena", "category"), ("category", "style"), ("style", "date")):
            self._when(name, self._draw, functools.partial(self._offer, since))
        self._when("date", self._draw, functools.partial(self._offer, ""))
        self._when(["licence", "organisation"], self._filtered)
        self._when("trend", self._draw_progress)
        self._when(["measure", "over"], self._draw_gap)

    def _go_to(self, day: dt.date) -> None:
        if day.isoformat() in self.state.param.date.objects:
            self.state.date = day.isoformat()

    def _draw(self) -> None:
        for name, pick in self.picks.items():
            # One category or one arena is nothing to choose, but which board it is should always stand there.
            fewest = 1 if name in ("source", "date") else 2
            pick.visible = len(self.state.param[name].objects) >= fewest
        self._say()
        self._filtered()
        self._draw_gap()
        self._draw_makers()

    def _board(self) -> dict[str, Any]:
        return self.gaps.filter(pl.col("date") == self.state.date).row(0, named=True)

    def _undecided(self) -> pl.DataFrame:
        return self.data.ask("open_undecided", **arena_boards.series_of(self.state))

    def _say(self) -> None:
        board = self._board()
        if board["gap_points"] is None:
            undecided = self._undecided().filter(pl.col("as_of_date") == board["as_of_date"])
            reason = words.why(undecided.row(0, named=True)) if not undecided.is_empty() else "No licence is known."
            text = f"On {board['as_of_date']} no gap can be determined. {reason}"
        else:
            text = words.headline(
                board, words.subject(board["arena"], board["category"], style_control=board["style_control"])
            )
        left_out = board["models_without_class"] or 0
        above = "some" if board["unknown_above"] else "none"
        more = f"Models of unknown licence left out: {formats.count(left_out)}, {above} above the best open one. "
        unknown = "" if board["gap_points"] is None else words.unknown(board)
        names = [board[name] for name in ("best_open_model", "best_proprietary_model", "lag_model")]
        told = linked(text, pages=arena_pages(self.data, names))
        self.headline.object = headline_html(told, unknown, (more if left_out else "") + self._where(board["models"]))

    def _where(self, n: int, what: str = "models") -> str:
        return f"{arena_boards.source_line(self.state)}; n = {formats.count(n)} {what}"

    def _filtered(self) -> None:
        self.shown = arena_boards.within(self.models, self.state)
        empty = (
            []
            if not self.shown.is_empty()
            else ["No model with a known licence and release date passes these filters."]
        )
        self.notes.object = page.notes([*self._notes, *empty])
        self.counts.object = block("shown_of", self.shown.height, self.models.height, "models")
        self._draw_progress()
        self._draw_demand()
        self._tabulate()

    def _draw_progress(self) -> None:
        state = self.state
        day = dt.date.fromisoformat(state.date)
        is_whole = not (state.licence or state.organisation)
        pages = arena_pages(self.data, self.shown["model"])
        swatches = self.progress.show(self.shown, day, pages, with_trend=state.trend and is_whole)
        rated = self._board()["models"]
        undated = rated - self.models.height
        subtitle = f"{formats.count(self.shown.height)} of {formats.count(rated)} rated models"
        if undated:
            subtitle += f"; {formats.count(undated)} without a release date or licence class are not drawn"
        more = (
            words.trends(self.models)
            if is_whole
            else "Steps are those of the chosen models; trends are drawn only for all models together."
        )
        more += " Everything is on the scale of this board."
        title = "Progress by release date"
        self.cards["progress"].show(title, subtitle, swatches, self._where(self.shown.height), more)
        self.cards["progress"].came_from("open_progress", arena_boards.board_of(state))

    def _gaps(self) -> pl.DataFrame:
        """Gaps of the boards of one publication, or of the one series of all."""
        if self.state.over == "publication":
            return self.gaps
        return self.data.ask("open_series", arena=self.state.arena, category=self.state.category)

    def _draw_gap(self) -> None:
        state = self.state
        of_all = state.over == "series"
        gaps = self._gaps()
        gaps_in_points = gaps.filter(pl.col("gap_points").is_not_null())
        card, title = self.cards["gap"], "The gap over time"
        if gaps_in_points.is_empty():
            card.hide(title, "No board in this series rates both open and proprietary models of known licence.")
            return
        without = words.one_sided(gaps) if of_all else words.undecided(self._undecided())
        swatches = self.gap.show(gaps_in_points, state.measure, without, dt.date.fromisoformat(state.date))
        widest, least = (
            gaps_in_points.sort("gap_points").row(-1, named=True),
            gaps_in_points.sort("gap_points").row(0, named=True),
        )
        subtitle = (
            f"{counted(gaps_in_points.height, 'board')}: between {decimal(least['gap_points'])} points on "
            f"{least['as_of_date']} and {decimal(widest['gap_points'])} on {widest['as_of_date']}"
        )
        more = "Each gap lies within one board, so changes of scale do not touch it."
        if state.measure == "lag":
            more = (
                "From the release of the first proprietary model as good as the best open one to the date of the board."
            )
        unsure = gaps_in_points.filter(pl.col("unknown_above").is_not_null()).height
        if unsure:
            more += f" On {formats.count(unsure)} of them models of unknown licence stand above the best open one."
        where = self._where(gaps_in_points.height, "boards")
        if of_all:
            publications = gaps_in_points["publication"].n_unique()
            where = f"All publications: {publications}; n = {formats.count(gaps_in_points.height)} boards"
            more += (
                " Each day counts once, by the board with the most models; style is controlled for from the day on "
                "which the arena does so."
            )
        else:
            more += " Click a point for its board."
        card.show(title, subtitle, swatches, where, more)
        if of_all:
            card.came_from("open_series", {"arena": state.arena, "category": state.category})
        else:
            card.came_from("open_boards", {})

    def _draw_makers(self) -> None:
        card, title = self.cards["makers"], "Makers behind the leader"
        makers = self.data.ask("open_organisations", **arena_boards.board_of(self.state))
        if makers.is_empty():
            card.hide(title, "This source does not name developers.")
            return
        drawn = makers.head(_MOST_MAKERS)
        makers_rows, pages = arena_rows.organisations(drawn), arena_pages(self.data, drawn["best_model"])
        best = {maker: pages.get(model, "") for maker, model in drawn.select("organization", "best_model").iter_rows()}
        self.makers.show(replace(makers_rows, marks=with_pages(makers_rows.marks, best)))
        lines = ratings_classes.entries(drawn["licence_class"])
        if drawn["gap_points_lower"].is_not_null().any():
            lines.append(legend.Entry("95 % interval", OTHER_COLOUR, "bar"))
        subtitle = f"Best model of each of {drawn.height} makers" + (
            f", of {makers.height} in all" if makers.height > drawn.height else ""
        )
        card.show(title, subtitle, legend.swatches(_MAKERS, lines), self._where(drawn.height, "makers"))
        card.came_from("open_organisations", arena_boards.board_of(self.state))

    def _draw_demand(self) -> None:
        card, title = self.cards["demand"], "What serving the best open models takes"
        demand = self.shown.filter(pl.col("gpu_memory_gb").is_not_null())
        sized = demand.filter(pl.col("gpus_needed").is_not_null())
        if sized.is_empty():
            card.hide(title, "No open model that moved the frontier has a known size.")
            return
        swatches = self.demand.show(demand, arena_pages(self.data, demand["model"]))
        subtitle = f"{counted(sized.height, 'open model')}, each the best of its side when released"
        if demand.height > sized.height:
            subtitle += f"; {demand.height - sized.height} of unknown size are not drawn"
        more = (
            "The fewest 80 GB H100s that surely serve 32 requests of 4,096 tokens as published (vLLM), as on every "
            "page. The rule of thumb, weights and a fifth on top, is in the tooltip and the table."
        )
        card.show(title, subtitle, swatches, self._where(sized.height), more)
        card.came_from("open_progress", arena_boards.board_of(self.state))

    def _tabulate(self) -> None:
        moved = pl.col("moved_frontier").replace_strict({True: "yes", False: ""}, return_dtype=pl.String)
        pages = self.data.ask("arena_model_pages")
        named = self.shown.join(pages, left_on="model", right_on="name", how="left", maintain_order="left")
        self.table.show(
            named.sort("rating", "model", descending=[True, False]).with_columns(
                pl.col("licence_class")
                .replace_strict(ratings_classes.WORDS, return_dtype=pl.String)
                .alias("licence_words"),
                moved.alias("moved"),
                (pl.col("parameters_total") / 1e9).alias("parameters_billion"),
            )
        )

    # How it is laid out --------------------------------------------------------------------------------------------

    def _describe(self) -> dict[str, Any]:
        return {
            "source": self._where(self.shown.height),
            "address": f"open-vs-proprietary{self.state.address()}",
            "query": sql_with_values("open_progress", arena_boards.board_of(self.state)),
        }

    def _gap_rows(self) -> pl.DataFrame:
        return self._gaps().drop("style", "date", strict=False).sort("as_of_date")

    def _sidebar(self) -> pn.Column:
        state = self.state
        return pn.Column(
            self.counts,
            pn.Spacer(height=8),
            controls.several(state, "licence", "Licence class", placeholder="all", margin=(0, 0, 12, 0)),
            controls.several(state, "organisation", "Maker", placeholder="all", margin=(0, 0, 4, 0)),
            page.html(
                page.caption("These apply to progress, serving and the table. Open: anybody can download the weights.")
            ),
            sizing_mode="stretch_width",
            margin=0,
        )

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Open vs proprietary",
            "How far models with downloadable weights trail those without, in ability over all boards and by "
            "people's votes.",
        )
        picks = page.row(*self.picks.values(), margin=(12, 0, 14, 0))
        votes = page.html(page.heading("By people's votes"), margin=(8, 0, 0, 0))
        main = pn.Column(
            page.html(lead, margin=(0, 0, 12, 0)), *self.ability.columns(), votes, picks, self.notes,
            page.card(self.headline),
            self.cards["progress"].column, page.below(self._more), sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, sidebar=self._sidebar, state=self.state)

    def _more(self) -> list[pn.Column]:
        table = page.card(
            page.html(page.heading("Models, licences, dates and GPUs")),
            page.download_buttons("open_vs_proprietary", self.table.rows, self._describe, self.data),
            self.table.widget,
        )
        return [*(self.cards[name].column for name in ("gap", "makers", "demand")), table]
