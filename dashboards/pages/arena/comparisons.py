"""How models of the page of ratings compare: over time, by category, with and without style, against each other."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl

from analytics.ratings.series import FEWEST_COMMON
from analytics.units import decimal
from dashboards.charts import legend, ratings_history, win_rates
from dashboards.charts.opening import with_pages
from dashboards.charts.ratings import RowsChart
from dashboards.data import Data
from dashboards.pages.arena import boards as arena_boards
from dashboards.pages.arena import rows as arena_rows
from dashboards.pages.arena.boards import ArenaState
from dashboards.parts import controls, formats
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.names import arena_pages
from dashboards.parts.theme import OTHER_COLOUR, palette

_DELTAS, _STYLES = "category_deltas", "style_control"
_STYLED = 30  # models of which the rank without and with style control is drawn
_FEATURES = {"length": "length", "headers": "headings", "lists": "lists", "bold": "bold text"}
_WINS = {
    "predicted": "as the ratings predict",
    "observed": "as voted, ties left out",
    "difference": "observed less predicted",
}


class Comparisons:
    """Four charts in their frames."""

    def __init__(self, data: Data, state: ArenaState, where: Callable[[int, str], str]) -> None:
        """Make the empty charts.

        Args:
            data: What is asked.
            state: What is chosen.
            where: Source line for so many things of that kind.
        """
        self._data, self._state, self._where = data, state, where
        self._history, self._wins = ratings_history.RatingHistory(), win_rates.WinRates()
        self._deltas, self._styles = RowsChart(_DELTAS), RowsChart(_STYLES)
        measures = {"Predicted": "predicted", "Observed": "observed", "Difference": "difference"}
        self._measure = controls.radio(state, "wins", measures, height=32)
        over = controls.radio(state, "over", {"All publications": "series", "This one": "publication"}, height=32)
        self.history = ChartCard(ratings_history.NAME, self._history.figure, over)
        self.wins = ChartCard(win_rates.NAME, self._wins.figure, self._measure)
        self.categories = ChartCard(_DELTAS, self._deltas.figure)
        self.styles = ChartCard(_STYLES, self._styles.figure)

    def over_time(self, chosen: list[str]) -> None:
        """Draw the chosen models over the dates of the series, or over windows of votes."""
        card, title, votes_id = self.history, "The chosen models over time", arena_boards.votes_id(self._state)
        keys: dict[str, Any]
        if votes_id is None and self._state.over == "series":
            self._as_one_series(chosen)
            return
        if votes_id is None:
            query, keys = "arena_history", arena_boards.series_of(self._state)
            breaks = self._data.ask("arena_breaks", **keys)
            more = _breaks(breaks)
        else:
            query, keys = "arena_drift", {"votes_id": votes_id}
            breaks = pl.DataFrame(schema={"before_date": pl.Date, "after_date": pl.Date})
            more = "Each window is shifted so that its models have their overall mean."
        history = self._data.ask(query, **keys)
        rows = history.filter(pl.col("model").is_in(chosen))
        if rows.is_empty():
            card.hide(title, _no_history(chosen, votes_id))
            return
        swatches = self._history.show(history, chosen, breaks, arena_pages(self._data, chosen))
        dates = history["as_of_date"].n_unique()
        subtitle = f"{formats.count(rows.height)} ratings on {formats.count(dates)} dates"
        card.show(title, subtitle, swatches, self._where(rows.height, "ratings"), more)
        card.came_from(query, keys)

    def _as_one_series(self, chosen: list[str]) -> None:
        """Draw the chosen models over all publications, on the level of the newest board."""
        keys = {"arena": self._state.arena, "category": self._state.category}
        series, breaks = self._data.ask("arena_series", **keys), self._data.ask("arena_series_breaks", **keys)
        title = "The chosen models over all publications"
        newest = series.filter(pl.col("model").is_in(chosen)).unique("model", keep="last", maintain_order=True)
        named = newest.select("identity", pl.col("model").alias("name"))
        history = series.join(named, on="identity").with_columns(pl.col("name").alias("model"))
        if history.is_empty():
            self.history.hide(title, "No board in the series includes the chosen models.")
            return
        cuts = breaks.filter(pl.col("shift_points").is_null())["after_date"].to_list()
        swatches = self._history.show(history, chosen, breaks, arena_pages(self._data, chosen), cuts)
        dates, last = history["as_of_date"].n_unique(), str(series["as_of_date"].max())
        subtitle = (
            f"{formats.count(history.height)} ratings on {formats.count(dates)} dates up to the board of {last}, "
            "on its level"
        )
        where = f"All publications: {series['publication'].n_unique()}; n = {formats.count(history.height)} ratings"
        self.history.show(title, subtitle, swatches, where, arena_boards.series_breaks(breaks))
        self.history.came_from("arena_series", keys)

    def by_category(self, chosen: list[str]) -> None:
        """Draw how the chosen models do in each category against how they do overall."""
        card, title, votes_id = self.categories, "The chosen models by category", arena_boards.votes_id(self._state)
        keys: dict[str, Any] = {"votes_id": votes_id, "method": self._state.method}
        query = "arena_votes_categories"
        if votes_id is None:
            query, keys = "arena_categories", arena_boards.board_of(self._state)
            del keys["category"]
        rows = self._data.ask(query, **keys)
        drawn = rows.filter(pl.col("model").is_in(chosen))
        if drawn.is_empty():
            card.hide(
                title,
                "This source rates no second category on this date."
                if rows.is_empty()
                else "None of the chosen models is rated in another category.",
            )
            return
        deltas, pages = arena_rows.deltas(rows, chosen), arena_pages(self._data, chosen)
        self._deltas.show(replace(deltas, marks=with_pages(deltas.marks, pages)))
        styles = palette(chosen)
        lines = [legend.Entry(name, *styles[name], page=pages.get(name)) for name in chosen if name in drawn["model"]]
        lines.append(legend.Entry("95 % interval of the category rating", OTHER_COLOUR, "bar"))
        several = drawn["category"].n_unique()
        subtitle = "1 category" if several == 1 else f"{several} categories, the most discriminating first"
        more = "Each category has its own level, so the board's median model is zero in each."
        card.show(title, subtitle, legend.swatches(_DELTAS, lines), self._where(drawn.height, "ratings"), more)
        card.came_from(query, keys)

    def by_style(self, rated: pl.DataFrame) -> None:
        """Draw the ranks of the leading models without and with style controlled for."""
        card, title, votes_id = self.styles, "Style control off and on", arena_boards.votes_id(self._state)
        keys: dict[str, Any] = {"votes_id": votes_id, "category": self._state.category}
        query = "arena_votes_styles"
        if votes_id is None:
            query, keys = "arena_styles", arena_boards.board_of(self._state)
            del keys["style_control"]
        rows = self._data.ask(query, **keys)
        if rows.is_empty():
            card.hide(title, "This source gives no ratings both without and with style controlled for.")
            return
        best = rows.sort("rank_plain", "rank_controlled", "model").head(_STYLED)
        named = rated.select("model", "licence_class").unique("model", keep="first")
        models = best.select("model").join(named, on="model", how="left", maintain_order="left")
        ranks = arena_rows.styles(rows, models)
        self._styles.show(replace(ranks, marks=with_pages(ranks.marks, arena_pages(self._data, ranks.names))))
        moved = [abs(before - after) for before, after in rows.select("rank_plain", "rank_controlled").iter_rows()]
        changed = sum(distance > 0 for distance in moved)
        there_are = formats.count(rows.height)
        subtitle = f"{formats.count(changed)} of {there_are} models change their rank, by at most {max(moved)}"
        lines = [legend.Entry("without style control", OTHER_COLOUR, hollow=True), legend.Entry("with", OTHER_COLOUR)]
        more = f"Drawn: the first {models.height} by rank without control. {self._coefficients(votes_id)}"
        card.show(title, subtitle, legend.swatches(_STYLES, lines), self._where(rows.height, "models"), more)
        card.came_from(query, keys)

    def _coefficients(self, votes_id: str | None) -> str:
        if votes_id is None:
            return "Style control removes the influence of length and formatting."
        rows = self._data.ask("arena_style_coefficients", votes_id=votes_id, category=self._state.category)
        parts = [
            f"{_FEATURES.get(feature, feature)} {decimal(likely, 2, signed=True)}"
            f" (95 %: {decimal(low, 2, signed=True)} to {decimal(high, 2, signed=True)})"
            for feature, likely, low, high in rows.iter_rows()
        ]
        return f"Log-odds of a win per usual difference in {', '.join(parts)}." if parts else ""

    def against_each_other(self, shown: pl.DataFrame) -> None:
        """Draw the win rates of the leading models among those shown."""
        card, title, votes_id = self.wins, "Win rates of the leading models", arena_boards.votes_id(self._state)
        best = shown.filter(pl.col("rating").is_not_null()).head(win_rates.MOST_MODELS)
        models = best["model"].to_list()
        self._measure.visible = votes_id is not None
        if best.height < 2:
            card.hide(title, "Fewer than two models are shown.")
            return
        more = "Columns are in the order of rows. Predicted: 1 / (1 + 10^(rating difference / 400))."
        if votes_id is None:
            rates, measure = win_rates.predicted(models, best["rating"].to_list()), "predicted"
            more += " This source publishes no votes, so none are observed."
            card.came_from("arena_board", arena_boards.board_of(self._state))
        else:
            keys = {"votes_id": votes_id, "category": self._state.category}
            rates, measure = self._data.ask("arena_win_rates", **keys), self._state.wins
            more += " Pairs that never met are empty."
            card.came_from("arena_win_rates", keys)
        pairs = self._wins.show(rates, models, measure, arena_pages(self._data, models))
        subtitle = f"How often the model of a row beats that of a column, in %, {_WINS[measure]}"
        card.show(title, subtitle, win_rates.scale(measure), self._where(pairs, "ordered pairs"), more)


def _no_history(chosen: list[str], votes_id: str | None) -> str:
    if not chosen:
        return "Choose models in the list “Models to follow”."
    if votes_id is not None:
        return "These votes have no timestamps, or too few fall into any one month, so there is no history."
    return "This series rates none of the chosen models."


def _breaks(breaks: pl.DataFrame) -> str:
    """The breaks of a series in words."""
    if breaks.is_empty():
        return "Levels held: the models on consecutive boards never shifted together by 2.5 points or more."
    parts = []
    for row in breaks.iter_rows(named=True):
        if row["models"] < FEWEST_COMMON:
            why = f"only {row['models']} models appear on both boards, too few to compare them"
        else:
            by = decimal(row["shift_points"], 1, signed=True)
            why = f"{row['models']} models on both moved by {by} points in the median"
        parts.append(f"{row['before_date']} to {row['after_date']}: {why}")
    return f"No line is drawn where the whole level moved or may have moved: {'; '.join(parts)}."
