"""What a doubling of size and a year brought in ability, and which models stand above that."""

import math
from typing import Any

import panel as pn
import param
import polars as pl

from analytics.units import DAYS_PER_YEAR, decimal
from dashboards.charts import scaling, scatter
from dashboards.data import Data, sql_with_values
from dashboards.parts import ability as words
from dashboards.parts import board_choice, controls, formats, page
from dashboards.parts.declared_table import Fact, FactTable
from dashboards.parts.fields import Measure
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.state import UrlState

_BASES = {"Total": "parameters_total", "Active per token": "parameters_active"}
_LINE = "ordinary_least_squares"
_FACTS = {
    "rank": Fact("#", "0", 46),
    "model_id": Fact("Model", width=300, link="model/"),
    "billions": Fact("Parameters (billion)", "0,0.[0]", 100, header="parameters_billion"),
    "release_date": Fact("Released", width=108),
    "ability": Fact("Ability (index points)", "0.0", 96),
    "ability_low": Fact("90 % from", "0.0", 80),
    "ability_high": Fact("90 % to", "0.0", 80),
    "expected": Fact("Expected at its size and date", "0.0", 110),
    "above": Fact("Above expected", "+0.0", 90, stays=True),
    "evidence_class": words.FACTS["evidence_class"],
}


class AbilityScalingState(UrlState):
    """Choices of the page."""

    board: Any = param.Selector(default=board_choice.ABILITY, objects=[board_choice.ABILITY])
    domain: Any = param.Selector(objects=[])
    size: Any = param.Selector(objects=[])
    axis: Any = param.Selector(default="log", objects=["log", "linear"])


def build(data: Data, search: str) -> Content:
    """Content of the page for one session.

    Raises:
        NothingToShow: too few open models of known size and date are judged for a fit.
    """
    fitted = data.ask("ability_growth_domains")
    if fitted.is_empty():
        raise page.NothingToShow("Too few open models of known size and date have been evaluated for a fit.")
    return AbilityScaling(data, search, fitted).content()


class AbilityScaling(SessionPage[AbilityScalingState]):
    """One session's page."""

    def __init__(self, data: Data, search: str, fitted: pl.DataFrame) -> None:
        super().__init__(data, AbilityScalingState.from_address(search))
        self.notes, self.plot = page.html(), pn.pane.Bokeh(sizing_mode="stretch_width", margin=(8, 0, 0, 0))
        self.heading, self.legend, self.below, self.sql = (page.html() for _ in range(4))
        self.chart, self.table = scaling.ScalingChart(), FactTable(_FACTS)
        self.time = scatter.Scatter(name=scatter.OVER_TIME)
        self.time_plot = pn.pane.Bokeh(sizing_mode="stretch_width", margin=(8, 0, 0, 0))
        self.time_heading, self.time_legend, self.time_below = (page.html() for _ in range(3))
        domains = {words.domain(name): name for name in fitted["domain"]}
        for name, options in (("domain", domains), ("size", _BASES)):
            first = next(iter(options.values()))
            self.state.remember_default(name, first)
            self._notes += self.state.offer(name, options, first)
        self._notes += self.state.settle()
        self._draw()
        self._when(["domain", "size"], self._draw)
        self._when("axis", self._draw_size)

    # What follows a choice -----------------------------------------------------------------------------------------

    def _parameters(self) -> dict[str, Any]:
        return {"domain": self.state.domain, "size_basis": self.state.size}

    def _draw(self) -> None:
        self.notes.object = page.notes(self._notes)
        self.fits = {row["terms"]: row for row in self.data.ask("ability_growth", **self._parameters()).to_dicts()}
        self.models = expected(self.data.ask("ability_sized", **self._parameters()), self.fits)
        self._draw_size()
        self._later(self._draw_time, self._tabulate)

    def _where(self) -> str:
        return words.where(self.state.domain, self.models["as_of_date"].max(), self.models.height)  # type: ignore[arg-type]

    def _title(self) -> str:
        return "Active parameters" if self.state.size == "parameters_active" else "Parameters"

    def _draw_size(self) -> None:
        fit = self.fits["size"]
        line = fit["intercept"] + fit["points_per_doubling"] * pl.col("billions").log(2)
        points = self.models.select(
            pl.col("model_id").alias("name"), pl.col("billions").alias("x"), pl.col("ability").alias("y"),
            (pl.col("ability") - line).alias("residual"), pl.lit(value=False).alias("is_above"),
        )  # fmt: skip
        fits = pl.DataFrame([{"method": _LINE, **{n: fit[n] for n in ("intercept", "points_per_doubling")}}])
        titles = f"{self._title()} (billion)", "Ability (index points)"
        plot = self.chart.show(scaling.drawing(points, fits, titles, logarithmic=self.state.axis == "log"))
        if self.plot.object is not plot:
            self.plot.object = plot
        title = f"Ability ({formats.running(words.domain(self.state.domain))}) against {formats.running(self._title())}"
        self.heading.object = page.about(scaling.NAME, title, sentence(self.fits), self._where())
        self.legend.object = scaling.ScalingChart.legend([_LINE], 0)
        self.below.object = page.caption(
            f"{self._where()}. Open models of known size and date, each in its representative mode. Intervals: 95 %, "
            "whole makers resampled. Newer models are better at any size, so the slope for size alone includes "
            "some of the "
            "progress over time."
        )
        page.sql_block(self.sql, sql_with_values("ability_growth", self._parameters()))

    def _draw_time(self) -> None:
        frame = self.models.select(
            pl.col("model_id").alias("entry_id"), "model_id", "release_date", "ability", "billions",
            pl.col("evidence_class"),
        )  # fmt: skip
        choice = scatter.Choice(
            x=Measure("release_date", "Release date", is_date=True), y=Measure("ability", "Ability", "index points"),
            colour=Measure("billions", self._title(), "billion", logarithmic=True), point_size=None, log_x=False,
        )  # fmt: skip
        drawn = scatter.points(frame, choice)
        figure = self.time.show(drawn, choice)
        if self.time_plot.object is not figure:
            self.time_plot.object = figure
        fit = self.fits["date"]
        line = f"{_per(fit, 'points_per_year', 'a year')}, whatever the size; {_share(fit)}"
        self.time_heading.object = page.about(scatter.OVER_TIME, "Ability against release date", line, self._where())
        self.time_legend.object = drawn.legend
        self.time_below.object = page.caption(self._where())

    def _tabulate(self) -> None:
        ranked = self.models.sort("above", descending=True)
        self.table.show(ranked.with_columns(pl.int_range(1, pl.len() + 1).alias("rank")))

    # How it is laid out --------------------------------------------------------------------------------------------

    def _describe(self) -> dict[str, Any]:
        query = sql_with_values("ability_sized", self._parameters())
        return {"source": self._where(), "address": f"scaling{self.state.address()}", "query": query}

    def content(self) -> Content:
        """Everything in its place."""
        state = self.state
        lead = page.opening(
            "Scaling",
            "What size and time have added to ability, with the uncertainty.",
        )
        picks = page.row(
            controls.select(state, "domain", "Domain", **controls.picked(210)),
            controls.select(state, "size", "Size", **controls.picked(180)),
            controls.radio(state, "axis", {"Logarithmic axis": "log", "Linear axis": "linear"}, height=32),
            margin=(0, 0, 14, 0),
        )
        buttons = page.picture_buttons(scaling.NAME)
        main = pn.Column(
            page.html(lead), board_choice.switch("scaling", board_choice.ABILITY), picks, self.notes,
            page.card(self.heading, self.legend, self.plot, self.below, buttons, self.sql), page.below(self._more),
            sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, state=state)

    def _more(self) -> list[pn.Column]:
        buttons = page.picture_buttons(scatter.OVER_TIME)
        return [
            page.card(self.time_heading, self.time_legend, self.time_plot, self.time_below, buttons),
            page.card(
                page.html(page.heading("Above expectation for its size and date")),
                page.download_buttons("ability_scaling", self.table.rows, self._describe, self.data),
                self.table.widget,
            ),
        ]


def expected(models: pl.DataFrame, fits: dict[str, dict[str, Any]]) -> pl.DataFrame:
    """The models with what the fit on size and date expects, and how far above that they stand.

    Args:
        models: Result of the query `ability_sized`.
        fits: Rows of the query `ability_growth` by their terms.
    """
    both = fits["size and date"]
    years = (pl.col("release_date") - pl.lit(both["reference_date"])).dt.total_days() / DAYS_PER_YEAR
    line = both["intercept"] + both["points_per_doubling"] * pl.col("billions").log(2) + both["points_per_year"] * years
    return models.with_columns(line.alias("expected"), (pl.col("ability") - line).alias("above"))


def sentence(fits: dict[str, dict[str, Any]]) -> str:
    """Points per doubling by size alone, and at equal date."""
    alone, both = fits["size"], fits["size and date"]
    months = 12 * both["points_per_doubling"] / both["points_per_year"] if both["points_per_year"] > 0 else math.nan
    text = f"{_per(alone, 'points_per_doubling', 'per doubling')} by size alone, {_share(alone)}"
    text += f"; at equal date {_per(both, 'points_per_doubling', 'per doubling')}"
    text += f" and at equal size {_per(both, 'points_per_year', 'a year')}, {_share(both)}"
    return text + (f": a doubling is worth {months:.1f} months." if math.isfinite(months) else ".")


def _per(fit: dict[str, Any], name: str, per: str) -> str:
    low, high = fit[f"{name}_lower"], fit[f"{name}_upper"]
    ends = "" if low is None else f" (95 %: {decimal(low, 1)} to {decimal(high, 1)})"
    return f"{decimal(fit[name], 1)} points {per}{ends}"


def _share(fit: dict[str, Any]) -> str:
    return f"R² {fit['r_squared']:.2f}"
