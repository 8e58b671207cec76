"""The scaling page: score against parameters, who is above expectation, density over time, and diminishing returns."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import panel as pn
import polars as pl

from dashboards import data as warehouse_data
from dashboards.charts import scaling
from dashboards.charts import scaling_details as scaling_more
from dashboards.data import Data
from dashboards.pages.scaling import ability
from dashboards.pages.scaling import text as scaling_words
from dashboards.parts import board_choice, controls, formats, page
from dashboards.parts.declared_table import Fact, FactTable
from dashboards.parts.page import Content
from dashboards.parts.session import SnapshotPage
from dashboards.parts.state import ScalingState

_BASES = {
    "Total": "parameters_total",
    "Active per token": "parameters_active",
    "Non-embedding": "parameters_non_embedding",
}
_AVERAGE = "average"
_ABOVE_PCT = 99
_RANKED = {
    "residual_rank": Fact("#", "0", 60),
    "model_id": Fact("Model", width=320, link="model/"),
    "model_type": Fact("Type", width=130),
    "parameters_billion": Fact("Parameters (billion)", "0,0.00", 112),
    "average": Fact("Average (points)", "0,0.00", 112),
    "standard_error": Fact("± s.e.", "0,0.00", 112),
    "expected_score": Fact("Expected (points)", "0,0.00", 112),
    "residual": Fact("Above expected (points)", "0,0.00", 112, stays=True),
    "quantile_passed_pct": Fact("Above the quantile line (%)", "0", 130),
}


def build(data: Data, search: str) -> Content:
    """Content of the page for one session."""
    if board_choice.chosen(data, search, ability.AbilityScalingState.keys()) == board_choice.ABILITY:
        return ability.build(data, search)
    return ScalingPage(data, search).content()


@dataclass(frozen=True, eq=False)
class _View:
    """What a choice shows, the same for everybody who makes it.

    Attributes:
        count: Number of entries.
        above: Number of those above all lines.
        fits: Lines through them, as the query `scaling_fits` gives them.
        drawing: Both, ready to be drawn.
    """

    count: int
    above: int
    fits: pl.DataFrame
    drawing: scaling.Drawing


def _view(data: Data, snapshot_id: str, size_basis: str, measure: str, axis: str) -> _View:
    parameters = {"snapshot_id": snapshot_id, "size_basis": size_basis}
    fits = data.ask("scaling_fits", **parameters).filter(pl.col("measure") == measure)
    residuals = data.ask("scaling_residuals", **parameters)
    if measure == _AVERAGE:
        # Only whom the ranking names: the smallest score by chance.
        is_above = pl.col("residual_rank").is_not_null() & (pl.col("quantile_passed_pct") >= _ABOVE_PCT)
        y, residual = pl.col("average"), pl.col("residual")
    else:
        scores = data.ask("scores", snapshot_id=snapshot_id).filter(pl.col("benchmark") == measure)
        residuals = residuals.join(scores, on="entry_id", maintain_order="left")
        fit = fits.row(0, named=True)
        expected = fit["intercept"] + fit["points_per_doubling"] * pl.col("parameters_billion").log(2)
        y, residual, is_above = pl.col("score"), pl.col("score") - expected, pl.lit(value=False)
    points = residuals.select(
        pl.col("model_id").alias("name"), pl.col("parameters_billion").alias("x"), y.alias("y"),
        residual.alias("residual"), is_above.alias("is_above"),
    )  # fmt: skip
    x_title, label = _titles(size_basis, measure)
    drawn = scaling.drawing(points, fits, (x_title, f"{label} (points)"), logarithmic=axis == "log")
    return _View(points.height, int(points["is_above"].sum()), fits, drawn)


def _titles(size_basis: str, measure: str) -> tuple[str, str]:
    label = "Average" if measure == _AVERAGE else measure
    size = next(name for name, value in _BASES.items() if value == size_basis)
    return f"{size} parameters (billion)" if size != "Active per token" else "Active parameters (billion)", label


class ScalingPage(SnapshotPage[ScalingState]):
    """One session's page: what is chosen, what that shows, and the widgets between them."""

    def __init__(self, data: Data, search: str) -> None:
        snapshots = page.snapshots(data, "scaling_snapshots", "with sizes and scores to fit")
        super().__init__(data, ScalingState.from_address(search), snapshots)
        self.chart = scaling.ScalingChart()
        self.plot = pn.pane.Bokeh(sizing_mode="stretch_width", margin=(8, 0, 0, 0))
        self.notes, self.heading, self.legend, self.below = (page.html() for _ in range(4))
        self.density_text, self.density_legend, self.density_below = (page.html() for _ in range(3))
        self.returns_text, self.returns_legend, self.returns_below = (page.html() for _ in range(3))
        self.ranking_text = page.html()
        self.sql = page.html()
        self._load()
        self._notes += self.state.settle()
        self._draw()
        self._when("snapshot", self._draw, self._load)
        self._when("size", self._draw_sized)
        self._when(["measure", "axis"], self._draw_fit)

    # What is made once it is drawn, below the first chart.

    @cached_property
    def table(self) -> FactTable:
        """Who is above expectation."""
        return FactTable(_RANKED)

    @cached_property
    def density(self) -> scaling_more.DensityChart:
        """Capability density over time."""
        return scaling_more.DensityChart()

    @cached_property
    def returns(self) -> scaling_more.ReturnsChart:
        """What a doubling brings, band by band."""
        return scaling_more.ReturnsChart()

    # What the data offers ------------------------------------------------------------------------------------------

    def _load(self) -> None:
        frames = {
            label: name
            for label, name in _BASES.items()
            if self.data.ask("scaling_fits", snapshot_id=self.state.snapshot, size_basis=name).height
        }
        fallback = next(iter(frames.values()))
        self.state.remember_default("size", fallback)
        self._notes += self.state.offer("size", frames, fallback)
        benchmarks = self.data.benchmarks(self.state.snapshot)
        self.state.remember_default("measure", _AVERAGE)
        self._notes += self.state.offer(
            "measure", {"Average": _AVERAGE} | {name: name for name in benchmarks}, _AVERAGE
        )

    # What follows a choice -----------------------------------------------------------------------------------------

    def _parameters(self) -> dict[str, Any]:
        return {"snapshot_id": self.state.snapshot, "size_basis": self.state.size}

    def _draw(self) -> None:
        self._draw_sized()
        self._later(self._draw_density, self._draw_returns)

    def _draw_sized(self) -> None:
        self._draw_fit()
        self._later(self._rank)

    def _draw_fit(self) -> None:
        state = self.state
        self.view = self.data.shared(_view, state.snapshot, state.size, state.measure, state.axis)
        plot = self.chart.show(self.view.drawing)
        if self.plot.object is not plot:
            self.plot.object = plot
        self._then(self._tell)

    def _tell(self) -> None:
        (x_title, label), view = _titles(self.state.size, self.state.measure), self.view
        self.notes.object = page.notes(self._notes)
        where = self._where(view.count)
        self.heading.object = page.about(
            scaling.NAME, f"{label} against {formats.running(x_title)}", scaling_words.slopes(view.fits), where
        )
        self.legend.object = scaling.ScalingChart.legend(view.fits["method"].to_list(), view.above)
        self.below.object = page.caption(f"{where}. {scaling_words.FITS}{page.sampled(view.count)}")
        page.sql_block(self.sql, warehouse_data.sql_with_values("scaling_fits", self._parameters()))

    def _rank(self) -> None:
        residuals = self.data.ask("scaling_residuals", **self._parameters()).filter(
            pl.col("residual_rank").is_not_null()
        )
        words = pl.col("model_type").fill_null("").str.replace_all("_", " ")
        self.table.show(residuals.with_columns(words.alias("model_type")))
        self.ranking_text.object = scaling_words.ranking(residuals) if residuals.height else ""

    def _draw_density(self) -> None:
        parameters = {"snapshot_id": self.state.snapshot}
        density, trends = self.data.ask("density", **parameters), self.data.ask("density_trend", **parameters)
        self.density_legend.object = self.density.show(density)
        where = self._where(density.height)
        self.density_text.object = page.about(
            scaling_more.DENSITY, "Capability density over time", scaling_words.density(trends), where
        )
        self.density_below.object = page.caption(f"{where}. {scaling_words.DENSITY}")

    def _draw_returns(self) -> None:
        parameters = {"snapshot_id": self.state.snapshot}
        returns = self.data.ask("diminishing_returns", **parameters)
        shapes = self.data.ask("scaling_shape", **parameters, size_basis="parameters_total")
        self.returns_legend.object = self.returns.show(returns)
        where = self._where(int(returns["entries"].sum()))
        self.returns_text.object = page.about(
            scaling_more.RETURNS[0], "Do returns diminish?", scaling_words.returns(shapes), where
        )
        self.returns_below.object = page.caption(f"{where}. {scaling_words.RETURNS}")

    def _describe(self) -> dict[str, Any]:
        query = warehouse_data.sql_with_values("scaling_residuals", self._parameters())
        return self._describe_snapshot("scaling", size=self.state.size, query=query)

    # How it is laid out --------------------------------------------------------------------------------------------

    def content(self) -> Content:
        """Everything in its place."""
        state = self.state
        picks = page.row(
            controls.select(state, "snapshot", "Board and snapshot", **controls.picked(370, is_wide=True)),
            controls.select(state, "size", "Size", **controls.picked(180)),
            controls.select(state, "measure", "Score", **controls.picked(150)),
            controls.radio(state, "axis", {"Logarithmic axis": "log", "Linear axis": "linear"}, height=32),
            margin=(10, 0, 14, 0),
        )
        lead = page.opening(
            "Scaling",
            "What size buys, with its uncertainty. Entries of one family are not independent, so every interval"
            " resamples whole families.",
        )
        main = pn.Column(
            page.html(lead),
            board_choice.switch("scaling", board_choice.ENTRIES),
            picks,
            self.notes,
            page.card(self.heading, self.legend, self.plot, self.below, page.picture_buttons(scaling.NAME), self.sql),
            page.below(lambda: [self._ranking_card(), self._density_card(), self._returns_card(), self._chat_models()]),
            sizing_mode="stretch_width",
            margin=0,
        )
        return Content(main=main, state=state)

    def _ranking_card(self) -> pn.Column:
        return page.card(
            page.html(page.heading("Punches above its size")),
            self.ranking_text,
            page.download_buttons("scaling_residuals", self.table.rows, self._describe, self.data),
            self.table.widget,
        )

    def _density_card(self) -> pn.Column:
        return page.card(
            self.density_text,
            self.density_legend,
            pn.pane.Bokeh(self.density.figure, sizing_mode="stretch_width", margin=(8, 0, 0, 0)),
            self.density_below,
            page.picture_buttons(scaling_more.DENSITY),
        )

    def _returns_card(self) -> pn.Column:
        returns = pn.Row(
            *(
                pn.pane.Bokeh(plot, sizing_mode="stretch_width", min_width=300, styles={"flex": "1 1 320px"})
                for plot in self.returns.figures
            ),
            sizing_mode="stretch_width",
            styles={"flex-wrap": "wrap"},
            margin=0,
        )
        return page.card(
            self.returns_text,
            self.returns_legend,
            returns,
            self.returns_below,
            page.picture_buttons(scaling_more.RETURNS[0], "gain per doubling"),
            page.picture_buttons(scaling_more.RETURNS[1], "gain per 10⁹"),
        )

    def _chat_models(self) -> pn.Column:
        rows = self.data.ask("non_embedding_trend")
        where = f"arXiv:2407.01178, table 16; n = {rows['is_in_fit'].sum()}"
        title = "Sixteen chat models against non-embedding parameters"
        return page.card(
            page.html(page.about(scaling_more.CHAT, title, scaling_words.chat_models(rows), where)),
            pn.pane.Bokeh(scaling_more.chat_models(rows), sizing_mode="stretch_width", margin=(8, 0, 0, 0)),
            page.html(page.caption(f"{where}. Hollow: variants of one model, not in the fit.")),
            page.picture_buttons(scaling_more.CHAT),
        )
