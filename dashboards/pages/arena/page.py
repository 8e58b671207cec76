"""The page of arena ratings: one board or set of votes, its models with intervals, and how they compare."""

import functools
from dataclasses import replace
from typing import Any

import panel as pn
import polars as pl

from dashboards.charts import legend, ratings_classes, ratings_history
from dashboards.charts.opening import with_pages
from dashboards.charts.ratings import RowsChart
from dashboards.data import Data, sql_with_values
from dashboards.pages.arena import boards as arena_boards
from dashboards.pages.arena import explained
from dashboards.pages.arena import rows as arena_rows
from dashboards.pages.arena.boards import VOTES, ArenaState, Boards
from dashboards.pages.arena.comparisons import Comparisons
from dashboards.parts import controls, filters, formats, page
from dashboards.parts.benchmarks import categories
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact, FactTable, interval
from dashboards.parts.names import arena_pages, linked
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.templates import block
from dashboards.parts.theme import OTHER_COLOUR

_RATINGS = "arena_ratings"
_BEST, _LASTING = 3, 2  # models followed to begin with: the best, and those longest on the boards
_FACTS = {
    "rank_best": Fact("Rank, best", "0", 70),
    "rank_worst": Fact("Rank, worst", "0", 70),
    "model": Fact("Model", width=260, link="model/", link_of="page_of"),
    "organization": Fact("Maker", width=110),
    "rating": Fact("Rating (points)", "0,0.0", 84, stays=True),
    "rating_lower": Fact("95 % from", "0,0.0", 84),
    "rating_upper": Fact("95 % to", "0,0.0", 84),
    "votes": Fact("Votes", "0,0", 84),
    "licence_words": Fact("Licence class", width=120),
    "licence": Fact("Licence", width=130),
    "average_win_rate": Fact("Average win rate", "0.0%", 92),
    "standing": Fact("Standing", width=110),
    "rank_published": Fact("Rank as published", "0", 92),
    "rank_style_control_published": Fact("With style control", "0", 92),
    "release_date": Fact("Released", width=108),
    "release_grade": Fact("Grade of the date", width=92),
    "knowledge_cutoff": Fact("Knowledge cut-off", width=110),
    "mt_bench_score": Fact("MT-bench (of 10)", "0.00", 92),
    "mmlu": Fact("MMLU (fraction)", "0.000", 92),
}


def build(data: Data, search: str) -> Content:
    """Content of the page for one session.

    Raises:
        NothingToShow: neither an arena board nor rated votes are published.
    """
    boards, votes = data.ask("arena_sources"), data.ask("arena_votes_sets")
    if boards.is_empty() and votes.is_empty():
        raise page.NothingToShow(arena_boards.NOTHING)
    return Arena(data, search, boards, votes).content()


class Arena(SessionPage[ArenaState]):
    """One session's page: what is chosen, what that shows, and the widgets between them."""

    def __init__(self, data: Data, search: str, boards: pl.DataFrame, votes: pl.DataFrame) -> None:
        super().__init__(data, ArenaState.from_address(search))
        self.boards, self.votes = Boards(boards), votes
        self.rated = self.shown = pl.DataFrame()
        self.notes, self.counts = page.html(), page.html()
        self.ratings = RowsChart(_RATINGS)
        self.table = FactTable(_FACTS)
        sets = votes["votes_id"].unique(maintain_order=True).to_list()
        sources = {f"Boards · {label}": name for label, name in self.boards.publications().items()}
        sources |= {f"Votes rated here · {name}": f"{VOTES}{name}" for name in sets}
        self._notes += arena_boards.offer(self.state, "source", sources, arena_boards.newest(boards))
        self._offer()
        self._notes += self.state.settle()
        state = self.state
        self.picks = arena_boards.picks(state, method=("Method", 230))
        show = controls.radio(state, "show", {"Ratings": "ratings", "Rank spread": "ranks"}, height=32)
        lengths = {"15": "15", "30": "30", "60": "60", "All": "all"}
        top = controls.radio(state, "top", lengths, height=32)
        self.card = ChartCard(_RATINGS, self.ratings.figure, show, top)
        self.comparisons = Comparisons(data, self.state, self._where)
        self.vote = explained.WorkedVote(data, self.state)
        self._draw()
        self._watch()

    # What the data offers ------------------------------------------------------------------------------------------

    def _offer(self, since: str = "arena") -> None:
        """Offer what the chosen source has, and read the board or the ratings that are then chosen."""
        state = self.state
        if arena_boards.votes_id(self.state) is None:
            self._notes += self.boards.offer(state, since)
            self._notes += arena_boards.withdraw(state, "method")
            self.rated = self.data.ask("arena_board", **arena_boards.board_of(state))
        else:
            self._notes += arena_boards.withdraw(state, "arena", "style", "date")
            of_set = self.votes.filter(pl.col("votes_id") == arena_boards.votes_id(self.state))
            names = of_set["category"].unique().to_list()
            self._notes += arena_boards.offer(state, "category", categories(names), "overall")
            methods = of_set.filter(pl.col("category") == state.category)["method"].to_list()
            labels = {name[:1].upper() + name[1:]: name for name in methods}
            self._notes += arena_boards.offer(state, "method", labels, "bradley-terry")
            self.rated = self.data.ask("arena_votes_ratings", **self._rating_keys())
        classes = ratings_classes.labels(self.rated["licence_class"])
        self._notes += arena_boards.offer(state, "licence", classes, [])
        self._notes += arena_boards.offer(state, "organisation", arena_boards.makers(self.rated), [])
        names = self.rated.filter(pl.col("rating").is_not_null())["model"].to_list()
        self._notes += arena_boards.offer(state, "models", {name: name for name in names}, self._worth_following(names))
        self._notes += explained.offer(state, names)
        chosen, note = arena_boards.few(state.models)
        if note:
            self._notes += note
            state.models = chosen

    def _worth_following(self, names: list[str]) -> list[str]:
        """The best models, and of the others those that stand on the most boards of the series."""
        best, others = names[:_BEST], names[_BEST:]
        if arena_boards.votes_id(self.state) is not None:
            return names[: _BEST + _LASTING]
        keys = {"arena": self.state.arena, "category": self.state.category}
        history = self.data.ask("arena_series", **keys).with_columns(pl.len().over("identity").alias("boards"))
        boards = dict(history.group_by("model").agg(pl.col("boards").max()).iter_rows())
        lasting = sorted(others, key=lambda name: (-boards.get(name, 0), others.index(name)))[:_LASTING]
        return [*best, *sorted(lasting, key=others.index)]

    def _rating_keys(self) -> dict[str, Any]:
        return {
            "votes_id": arena_boards.votes_id(self.state),
            "method": self.state.method,
            "category": self.state.category,
        }

    # What follows a choice -----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        for name, since in (("source", "arena"), ("arena", "category"), ("category", "style"), ("style", "date")):
            self._when(name, self._draw, functools.partial(self._offer, since))
        self._when(["date", "method"], self._draw, functools.partial(self._offer, ""))
        self._when(["search", "licence", "organisation"], self._filtered)
        self._when(["show", "top"], self._draw_ratings)
        self._when("models", self._draw_followed)
        self._when(["first", "second"], lambda: self.vote.draw(self.rated))
        self._when("over", self._draw_followed)
        self._when("wins", lambda: self.comparisons.against_each_other(self.shown))

    def _draw(self) -> None:
        for name, pick in self.picks.items():
            # One category or one arena is nothing to choose, but which board or method it is should always stand there.
            fewest = 1 if name in ("source", "date", "method") else 2
            pick.visible = len(self.state.param[name].objects) >= fewest and getattr(self.state, name) is not None
        self._filtered()
        self._draw_followed()
        self.comparisons.by_style(self.rated)
        self.vote.draw(self.rated)

    def _filtered(self) -> None:
        rows = filters.searched(self.rated, self.state.search, "model", "organization")
        self.shown = arena_boards.within(rows, self.state)
        empty = [] if not self.shown.is_empty() else ["No model passes these filters. Remove one."]
        self.notes.object = page.notes([*self._notes, *empty])
        self.counts.object = block("shown_of", self.shown.height, self.rated.height, "models")
        self._draw_ratings()
        self.comparisons.against_each_other(self.shown)
        words = pl.col("licence_class").fill_null(ratings_classes.UNKNOWN)
        pages = arena_pages(self.data, self.shown["model"])
        named = self.shown.with_columns(
            pl.col("model").replace_strict(pages, default=None, return_dtype=pl.String).alias("page_of")
        )
        self.table.show(
            named.with_columns(words.replace_strict(ratings_classes.WORDS, default=None).alias("licence_words"))
        )

    def _where(self, n: int, what: str = "models") -> str:
        line = f"{arena_boards.source_line(self.state)}; n = {formats.count(n)} {what}"
        if arena_boards.votes_id(self.state) is None and not self.rated.is_empty():
            row = self.rated.row(0, named=True)
            line += f"; source: {row['source_uri'] or row['snapshot_id']}"
        return line

    def _draw_ratings(self) -> None:
        state, card = self.state, self.card
        rated = self.shown.filter(pl.col("rating").is_not_null())
        drawn = rated if state.top == "all" else rated.head(int(state.top))
        is_rank = state.show == "ranks"
        rows = arena_rows.ranks(drawn) if is_rank else arena_rows.ratings(drawn)
        self.ratings.show(replace(rows, marks=with_pages(rows.marks, arena_pages(self.data, rows.names))))
        lines = ratings_classes.entries(drawn["licence_class"])
        if drawn["rating_lower"].is_not_null().any():
            lines.append(legend.Entry("best to worst rank" if is_rank else "95 % interval", OTHER_COLOUR, "bar"))
        first = self.rated.filter(pl.col("rating").is_not_null()).head(1)
        finding = ""
        for row in first.iter_rows(named=True):
            ends = interval(row["rating_lower"], row["rating_upper"], "95 %: ", 0)
            finding = f"{row['model']} leads with {row['rating']:,.0f}{ends}"
            could = self.rated.filter(pl.col("rank_best") == 1).height
            if row["rank_best"] is not None:
                finding += "; its interval is above all others" if could == 1 else f"; {could} models could be first"
        where = self._where(len(rows.names))
        more = "A model's best rank is one more than the models whose interval lies wholly above its own."
        if is_rank and not rows.names:
            more = "This source publishes no intervals, so ranks have no range."
        unrated = self.shown.height - rated.height
        if unrated:
            more += f" {formats.count(unrated)} models cannot be rated from these votes; the table says why."
        title = "Rank spread" if is_rank else "Ratings"
        leader = arena_pages(self.data, first["model"])
        card.show(title, linked(finding, pages=leader), legend.swatches(_RATINGS, lines), where, more)
        if arena_boards.votes_id(self.state) is None:
            card.came_from("arena_board", arena_boards.board_of(state))
        else:
            card.came_from("arena_votes_ratings", self._rating_keys())

    def _draw_followed(self) -> None:
        chosen, note = arena_boards.few(self.state.models)
        self.notes.object = page.notes([*self._notes, *note])
        self.comparisons.over_time(chosen)
        self.comparisons.by_category(chosen)

    # How it is laid out --------------------------------------------------------------------------------------------

    def _describe(self) -> dict[str, Any]:
        where = self._where(self.shown.height)
        is_votes = arena_boards.votes_id(self.state) is not None
        parameters = self._rating_keys() if is_votes else arena_boards.board_of(self.state)
        query = sql_with_values("arena_votes_ratings" if is_votes else "arena_board", parameters)
        return {"source": where, "address": f"arena{self.state.address()}", "query": query}

    def _sidebar(self) -> pn.Column:
        state = self.state
        return pn.Column(
            self.counts,
            pn.Spacer(height=8),
            controls.text(
                state, "search", "Search", placeholder="alternatives separated by ;", sizing_mode="stretch_width"
            ),
            pn.Spacer(height=12),
            controls.several(state, "licence", "Licence class", placeholder="all", margin=(0, 0, 12, 0)),
            controls.several(state, "organisation", "Maker", placeholder="all", margin=(0, 0, 12, 0)),
            controls.several(
                state, "models", "Models to follow", placeholder="none", max_items=ratings_history.MOST_MODELS,
                option_limit=200, margin=(0, 0, 4, 0),
            ),
            page.html(page.caption("Their history and categories appear below.")),
            sizing_mode="stretch_width",
            margin=0,
        )  # fmt: skip

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Arena ratings",
            "People choose between two answers without knowing which model wrote them. These are the ratings "
            "those votes give, and how certain they are.",
        )
        picks = page.row(*self.picks.values(), margin=(12, 0, 14, 0))
        main = pn.Column(
            page.html(lead), picks, self.notes, self.card.column, page.below(self._more),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, sidebar=self._sidebar, state=self.state)

    def _more(self) -> list[pn.Column]:
        table = page.card(
            page.html(page.heading("Everything about these models")),
            page.download_buttons("arena_ratings", self.table.rows, self._describe, self.data),
            self.table.widget,
        )
        compared = self.comparisons
        cards = (compared.history, compared.wins, self.vote, compared.categories, compared.styles)
        return [*(card.column for card in cards), table]
