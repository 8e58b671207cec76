"""Patterns of ability: where each model is better or worse than it is overall, and what each benchmark tells apart."""

from typing import Any

import numpy as np
import panel as pn
import param
import polars as pl

from dashboards.charts import legend
from dashboards.charts.cells import Cells
from dashboards.charts.win_rates import SHADES
from dashboards.data import Data, sql_with_values
from dashboards.parts import ability as words
from dashboards.parts import board_choice, controls, formats, page
from dashboards.parts.benchmarks import benchmark
from dashboards.parts.chart_card import ChartCard
from dashboards.parts.declared_table import Fact, FactTable
from dashboards.parts.page import Content
from dashboards.parts.session import SessionPage
from dashboards.parts.state import UrlState

NAME = "ability_profile"
_MOST = 30
_LEAST_DOMAINS = 3
_END = 8.0
_WHICH = {"Open models": "open", "All models": "all"}
_BENCHMARKS = {
    "benchmark": Fact("Benchmark", width=260, shown_as=benchmark),
    "benchmark_version": Fact("Version", width=110),
    "category": Fact("Domain", width=145, shown_as=words.domain),
    "source": Fact("Source", width=205, shown_as=formats.boards),
    "difficulty": Fact("Difficulty (index points)", "0.0", 100, stays=True),
    "discrimination": Fact("Slope (logit or score per point)", "0,0.000", 120),
    "response": Fact("Response", width=90),
    "models": Fact("Models", "0,0", 70),
}


class AbilityPatternsState(UrlState):
    """Choices of the page."""

    board: Any = param.Selector(default=board_choice.ABILITY, objects=[board_choice.ABILITY])
    which: Any = param.Selector(default="open", objects=["open", "all"])


class AbilityPatterns(SessionPage[AbilityPatternsState]):
    """One session's page."""

    def __init__(self, data: Data, search: str) -> None:
        super().__init__(data, AbilityPatternsState.from_address(search))
        self._notes += self.state.settle()
        self.cells = Cells(NAME, 22)
        which = controls.radio(self.state, "which", _WHICH, height=32)
        self.card = ChartCard(NAME, self.cells.figure, which)
        self.benchmarks = FactTable(_BENCHMARKS)
        self._draw()
        self._when("which", self._draw)

    def _draw(self) -> None:
        rows = self.data.ask("ability_profiles")
        if self.state.which == "open":
            rows = rows.filter(pl.col("openness") == "open")
        shown = profiled(rows)
        title = "Ability by domain, compared with overall ability"
        if shown.is_empty():
            self.card.hide(title, "No model is judged in three domains besides overall.")
            return
        models = shown["model_id"].unique(maintain_order=True).to_list()
        domains = shown.group_by("domain").len().sort("len", "domain", descending=[True, False])["domain"].to_list()
        values, facts = np.full((len(models), len(domains)), np.nan), [[""] * len(domains) for _ in models]
        for row in shown.iter_rows(named=True):
            i, j = models.index(row["model_id"]), domains.index(row["domain"])
            values[i, j] = row["above"]
            noise = "more than noise" if row["is_clear"] else "within noise"
            facts[i][j] = f"{words.estimate(row)} here, {row['overall']:.1f} overall: {noise}; {words.rests_on(row)}"
        self.cells.show(
            values, models, [words.domain(name) for name in domains], (-_END, _END), facts, 1, are_models=True
        )
        clear = int(shown["is_clear"].sum())
        lines = [
            legend.Entry("worse than overall", SHADES[0], "square"),
            legend.Entry("better than overall", SHADES[-1], "square"),
        ]
        self.card.show(
            title,
            f"{formats.count(clear)} of {formats.count(shown.height)} differences exceed what both intervals explain",
            legend.swatches(NAME, lines), words.where("overall", shown["as_of_date"].max(), len(models)),  # type: ignore[arg-type]
            "Ability in a domain minus overall ability, in index points. With few results a domain is drawn towards "
            "overall, so small differences are smaller here than they are.",
        )  # fmt: skip
        self.card.came_from("ability_profiles", {})
        self._later(self._tabulate)

    def _tabulate(self) -> None:
        self.benchmarks.show(self.data.ask("ability_benchmarks"))

    def content(self) -> Content:
        """Everything in its place."""
        lead = page.opening(
            "Patterns",
            "Where models are better or worse than overall, and how sharply each benchmark separates them.",
        )
        main = pn.Column(
            page.html(lead), board_choice.switch("patterns", board_choice.ABILITY), page.html(page.notes(self._notes)),
            self.card.column, page.below(lambda: [self._benchmarks_card()]), sizing_mode="stretch_width", margin=0,
        )  # fmt: skip
        return Content(main=main, state=self.state)

    def _describe(self) -> dict[str, Any]:
        return {
            "address": f"patterns{self.state.address()}", "query": sql_with_values("ability_benchmarks", {}),
            "source": "benchmarks of all boards together",
        }  # fmt: skip

    def _benchmarks_card(self) -> pn.Column:
        return page.card(
            page.html(page.heading("What each benchmark measures")),
            page.html(page.caption(
                "Difficulty: the ability that earns half of what can be earned; for ratings, that of the mean. A "
                "steep slope separates models near that ability, and no others."
            )),
            page.download_buttons("ability_benchmarks", self.benchmarks.rows, self._describe, self.data),
            self.benchmarks.widget,
        )  # fmt: skip


def profiled(rows: pl.DataFrame) -> pl.DataFrame:
    """Domains of the ablest models that are judged in three or more, with `above` overall and whether that is clear.

    Args:
        rows: Result of the query `ability_profiles`.
    """
    above = pl.col("ability") - pl.col("overall")
    half = ((pl.col("ability_high") - pl.col("ability_low")) ** 2 + pl.col("overall_width") ** 2).sqrt() / 2
    enough = rows.filter(pl.len().over("model_id") >= _LEAST_DOMAINS)
    ablest = enough.unique("model_id", maintain_order=True).sort("overall", descending=True).head(_MOST)["model_id"]
    return (
        enough.filter(pl.col("model_id").is_in(ablest.implode()))
        .with_columns(above.alias("above"), (above.abs() > half).alias("is_clear"))
        .sort("overall", "model_id", descending=[True, False])
    )
