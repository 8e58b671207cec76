"""The gap between open and proprietary models in ability: today, by domain, and over time; beside the gap in votes."""

from typing import Any

import panel as pn
import polars as pl

from analytics.units import decimal
from dashboards.charts import legend
from dashboards.charts.ability_race import NAME as RACE
from dashboards.charts.ability_race import AbilityRace
from dashboards.charts.ratings import Rows, RowsChart
from dashboards.data import Data, sql_with_values
from dashboards.parts import ability as words
from dashboards.parts import board_choice, formats, page
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.names import linked
from dashboards.parts.templates import block
from dashboards.parts.theme import COLOURS, OTHER_COLOUR

TODAY = "ability_gap"


def headline_html(headline: str, doubt: str, source: str) -> str:
    """A gap, what it would be if unknown models were open or not, and of what it is; as HTML."""
    return block("headline", headline) + (block("lead", doubt) if doubt else "") + page.caption(source)


def sentence(row: dict[str, Any]) -> str:
    """The gap of one domain on one day.

    Args:
        row: A row of `marts.ability_gap`.
    """
    gap = row["gap_points"]
    domain = "over all boards" if row["domain"] == "overall" else f"in {formats.running(words.domain(row['domain']))}"
    low, high = (row["gap_low"], row["gap_high"]) if gap >= 0 else (-row["gap_high"], -row["gap_low"])
    behind = "behind the best proprietary one" if gap >= 0 else "ahead of the best proprietary one"
    noise = "" if row["gap_low"] > 0 or row["gap_high"] < 0 else ", a difference that noise could explain"
    text = (
        f"In ability {domain}, the best open model, {row['open_model']}, is {abs(gap):.1f} points "
        f"(95 %: {decimal(low, 1)} to {decimal(high, 1)}) {behind}, {row['proprietary_model']}{noise}"
    )
    if row["lag_months"] is not None and gap > 0:
        text += f"; a proprietary model as good was released {row['lag_months']:.1f} months earlier"
    return f"{text}."


def unknown(row: dict[str, Any]) -> str:
    """What the gap would be if every model of unknown openness were open, or none; empty where that changes nothing.

    Args:
        row: A row of `marts.ability_gap`.
    """
    if row["gap_least"] >= row["gap_points"] >= row["gap_most"]:
        return ""
    return (
        f"Models that no source calls open or proprietary: {formats.count(row['unknown_models'])}. If all were open, "
        f"the gap would be {decimal(row['gap_least'], 1)} points; if none were, {decimal(row['gap_most'], 1)}."
    )


class AbilityGap:
    """Headline, chart by domain, and chart over time; empty where no ability is known."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.is_known = board_choice.has_ability(data)
        self.today = data.ask("ability_gap_today") if self.is_known else pl.DataFrame()
        self.headline = ""
        if self.today.is_empty():
            self.is_known = False
            return
        overall = self.today.row(0, named=True)
        as_of = overall["on_date"]
        self.headline = headline_html(
            linked(sentence(overall), [overall["open_model"], overall["proprietary_model"]]),
            unknown(overall),
            words.where(overall["domain"], as_of, self.today.height, "domains"),
        )
        self.by_domain, self.race = RowsChart(TODAY), AbilityRace()
        rows = page.download_buttons("ability_gap", lambda: self.today, _describe, data, margin=0)
        self.cards = [
            ChartCard(TODAY, self.by_domain.figure, downloads=rows), ChartCard(RACE, self.race.figure),
        ]  # fmt: skip
        self.by_domain.show(marks(self.today))
        line = [
            legend.Entry("gap with its 95 % interval", COLOURS[0], "bar"),
            legend.Entry("if all models of unknown status were open, or none", OTHER_COLOUR, hollow=True),
        ]
        clear = self.today.filter((pl.col("gap_low") > 0) | (pl.col("gap_high") < 0))["domain"]
        named = f": {', '.join(formats.running(words.domain(name)) for name in clear)}" if len(clear) else ""
        self.cards[0].show(
            "The gap in ability today, by domain",
            f"It exceeds noise in {len(clear)} of {self.today.height} domains{named}",
            legend.swatches(TODAY, line), words.where("overall", as_of, self.today.height, "domains"),
            "To the right of the line the best open model is behind. Each domain is on the overall scale.",
        )  # fmt: skip
        self.cards[0].came_from("ability_gap_today", {})
        gaps = data.ask("ability_gap", domain="overall")
        self.cards[1].show(
            "The best of both sides over time", _over_time(gaps), self.race.show(gaps),
            words.where("overall", as_of, gaps.height, "days"),
            "Every day is judged by today's results, so later results move earlier days too.",
        )  # fmt: skip
        self.cards[1].came_from("ability_gap", {"domain": "overall"})

    def columns(self) -> list[pn.Column]:
        """The cards, as they lie on the page."""
        if not self.is_known:
            return []
        return [page.card(page.html(self.headline)), *(card.column for card in self.cards)]


def _describe() -> dict[str, Any]:
    return {"address": "open-vs-proprietary", "query": sql_with_values("ability_gap_today", {})}


def marks(today: pl.DataFrame) -> Rows:
    """One row per domain: the gap, and hollow what it would be with every unknown model on one side.

    Args:
        today: Result of the query `ability_gap_today`.
    """
    rows: list[dict[str, Any]] = []
    for place, row in enumerate(today.iter_rows(named=True)):
        common = {
            "row": float(place), "name": words.domain(row["domain"]),
            "first": f"{decimal(row['gap_points'], 1)} points (95 %: {decimal(row['gap_low'], 1)} to "
            f"{decimal(row['gap_high'], 1)})",
            "second": f"{row['open_model']} {row['open_ability']:.1f}, "
            f"{row['proprietary_model']} {row['proprietary_ability']:.1f}",
        }  # fmt: skip
        rows += [
            {**common, "x": row[name], "low": row[name], "high": row[name], "colour": OTHER_COLOUR, "mark": "circle",
             "fill": 0.0}
            for name in ("gap_least", "gap_most") if row[name] != row["gap_points"]
        ]  # fmt: skip
        rows.append({**common, "x": row["gap_points"], "low": row["gap_low"], "high": row["gap_high"],
                     "colour": COLOURS[0], "mark": "circle", "fill": 1.0})  # fmt: skip
    return Rows(
        [words.domain(name) for name in today["domain"]], pl.DataFrame(rows), "Gap (index points)",
        zero=0.0, row_px=30,
    )  # fmt: skip


def _over_time(gaps: pl.DataFrame) -> str:
    widest, now = gaps.sort("gap_points").row(-1, named=True), gaps.row(-1, named=True)
    return (
        f"The gap was widest on {widest['on_date']}, at {decimal(widest['gap_points'], 1)} points; "
        f"it is {decimal(now['gap_points'], 1)} now"
    )
