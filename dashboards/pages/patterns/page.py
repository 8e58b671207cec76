"""The patterns page: heatmap, parallel coordinates, correlations, components, clusters, all pairs, by any grouping."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import panel as pn
import polars as pl

from analytics.units import decimal
from dashboards.charts import components, legend, profiles
from dashboards.charts.cells import Cells
from dashboards.charts.thinning import thinned
from dashboards.data import Data, sql_with_values
from dashboards.pages.patterns import ability
from dashboards.pages.patterns import frames as patterns_frames
from dashboards.pages.patterns import text as patterns_words
from dashboards.parts import board_choice, controls, formats, page
from dashboards.parts.declared_table import Fact, FactTable
from dashboards.parts.page import Content
from dashboards.parts.session import SnapshotPage
from dashboards.parts.state import PatternsState

_HEAT, _CORRELATIONS = "heatmap", "correlations"
_VALUES = {
    "Raw scores": "score",
    "z in the board": "z_in_board",
    "z in its size band": "z_in_size_band",
    "z in its quarter": "z_in_quarter",
}
_Z_END = 2.5
_SIZE = "log2_parameters_total"
_CLUSTERS = {
    "clusters": Fact("Clusters", "0,0", 112, stays=True),
    "silhouette": Fact("Silhouette", "0,0.00", 112),
    "null_silhouette": Fact("One cloud reaches", "0,0.00", 112),
    "stability": Fact("Stability", "0,0.00", 112),
    "verdict": Fact("Verdict", width=130),
}


def build(data: Data, search: str) -> Content:
    """Content of the page for one session."""
    if board_choice.chosen(data, search, ability.AbilityPatternsState.keys()) == board_choice.ABILITY:
        return ability.AbilityPatterns(data, search).content()
    return PatternsPage(data, search).content()


class PatternsPage(SnapshotPage[PatternsState]):
    """One session's page: what is chosen, what that shows, and the widgets between them."""

    def __init__(self, data: Data, search: str) -> None:
        snapshots = page.snapshots(data, "patterns_snapshots", "with three complete benchmarks")
        super().__init__(data, PatternsState.from_address(search), snapshots)
        self.heat = Cells(_HEAT, 21)
        self.notes, self.legend, self.cluster_text, self.empty = (page.html() for _ in range(4))
        names = (_HEAT, profiles.PARALLEL, _CORRELATIONS, components.NAME, profiles.PAIRS)
        self.headings = {name: page.html() for name in names}
        self.captions = {name: page.html() for name in names}
        self._descriptions: dict[str, tuple[str, str, int, str]] = {}
        self._load()
        self._notes += self.state.settle()
        self._draw()
        self._when("snapshot", self._draw, self._load)
        self._when("group", self._draw_groups, self._offer_group)
        self._when("only", self._draw_entries)
        self._when(["values", "rows"], self._draw_heat)
        self._when("correlation", self._draw_correlations)

    # What is made once it is drawn, below the first chart.

    @cached_property
    def parallel(self) -> profiles.Parallel:
        """Parallel coordinates."""
        return profiles.Parallel()

    @cached_property
    def correlations(self) -> Cells:
        """Correlations of benchmarks."""
        return Cells(_CORRELATIONS, 44)

    @cached_property
    def map(self) -> components.Components:
        """The first two components."""
        return components.Components()

    @cached_property
    def choices(self) -> FactTable:
        """Numbers of clusters, and what speaks for each."""
        return FactTable(_CLUSTERS)

    @cached_property
    def pairs(self) -> profiles.Pairs:
        """All pairs of benchmarks."""
        return profiles.Pairs()

    # What the data offers ------------------------------------------------------------------------------------------

    def _load(self) -> None:
        parameters = {"snapshot_id": self.state.snapshot}
        self.entries = self.data.ask("patterns_entries", **parameters)
        self.loadings = self.data.ask("loadings", **parameters)
        self.state.remember_default("values", "z_in_board")
        self._notes += self.state.offer("values", _VALUES, "z_in_board")
        self.benchmarks = _benchmarks(self.data, self.state.snapshot)
        groups = {label: name for label, name in patterns_frames.GROUPS.items() if self.entries[name].n_unique() > 1}
        fallback = next(iter(groups.values()), "cluster")
        self.state.remember_default("group", fallback)
        self._notes += self.state.offer("group", groups or {"Cluster": "cluster"}, fallback)
        self._group()
        self._offer_only()

    def _group(self) -> None:
        self.grouped, self.styles = self.data.shared(_grouped, self.state.snapshot, self.state.group)

    def _offer_only(self) -> None:
        counts = self.grouped["group"].value_counts(sort=True).sort("count", "group", descending=[True, False])
        labels = {f"{group} ({formats.count(number)})": group for group, number in counts.iter_rows()}
        self._notes += self.state.offer("only", labels, [])

    def _offer_group(self) -> None:
        # Groups of another column are no choice here, which needs no note. Those of this one are offered once the
        # charts are sent: the browser lays out the whole page anew for that.
        self.state.only = []
        self._group()

    # What follows a choice -----------------------------------------------------------------------------------------

    def _tell(self, chart: str, title: str, subtitle: str, count: int, note: str) -> None:
        self._descriptions[chart] = (title, subtitle, count, note)
        self._then(self._say)

    def _say(self) -> None:
        self.notes.object = page.notes(self._notes)
        shown = self._shown()
        self.legend.object = _legend(shown, self.styles)
        self.empty.object = page.notes(["No entry is in these groups; remove one."] if shown.is_empty() else [])
        while self._descriptions:
            chart, (title, subtitle, count, note) = self._descriptions.popitem()
            where = self._where(count)
            self.headings[chart].object = page.about(chart, title, subtitle, where)
            self.captions[chart].object = page.caption(f"{where}. {note}")

    def _draw(self) -> None:
        self._draw_heat()
        self._later(self._draw_parallel, self._draw_correlations, self._draw_map, self._draw_choices, self._draw_pairs)

    def _draw_choices(self) -> None:
        choices = self.data.ask("cluster_choices", snapshot_id=self.state.snapshot)
        self.cluster_text.object = patterns_words.clusters(choices)
        held = pl.when("is_valid").then(pl.lit("holds")).otherwise(pl.lit("does not hold"))
        verdict = pl.when("is_chosen").then(pl.lit("chosen")).otherwise(held)
        self.choices.show(choices.with_columns(verdict.alias("verdict")))

    def _choice(self) -> tuple[str, str, tuple[str, ...]]:
        """Snapshot, grouping and groups: which entries are shown."""
        return self.state.snapshot, self.state.group, tuple(self.state.only)

    def _shown(self) -> pl.DataFrame:
        return _only(self.grouped, self.state.only)

    def _shown_with(self, values: str) -> pl.DataFrame:
        """Entries that are shown, with a column of those values for each benchmark."""
        return _only(self.grouped.hstack(self.data.shared(_aligned, self.state.snapshot, values)), self.state.only)

    def _draw_entries(self) -> None:
        self._draw_heat()
        self._draw_map()
        # Lines and pairs take the browser longer than all else together.
        self._later(self._draw_parallel, self._draw_pairs)

    def _draw_groups(self) -> None:
        self._draw_entries()
        self._later(self._offer_only)

    def _by(self) -> str:
        group = next(label for label, name in patterns_frames.GROUPS.items() if name == self.state.group)
        return f"by {formats.running(group)}"

    def _draw_parallel(self) -> None:
        self._draw_profiles(self.parallel, profiles.PARALLEL, profiles.MOST_LINES, patterns_words.PARALLEL)

    def _draw_pairs(self) -> None:
        self._draw_profiles(self.pairs, profiles.PAIRS, profiles.MOST_PAIRED, patterns_words.PAIRS)

    def _draw_profiles(
        self, drawing: profiles.Parallel | profiles.Pairs, chart: str, most: int, words: tuple[str, str]
    ) -> None:
        title, note = words
        shown = self._shown_with("score").drop_nulls(self.benchmarks)
        part = thinned(shown, most)
        colours = [self.styles[name][0] for name in part["group"]]
        drawing.show(part.select(self.benchmarks).to_numpy(), self.benchmarks, colours, part["model_id"].to_list())
        drawn = f"{formats.count(part.height)} of {formats.count(shown.height)} entries, {self._by()}"
        self._tell(chart, title, drawn + (", drawn at random" * (part.height < shown.height)), shown.height, note)

    def _draw_map(self) -> None:
        drawn = self.data.shared(_map, *self._choice())
        self.map.show(drawn)
        self._tell(
            components.NAME, f"Capabilities: the first two components, {self._by()}",
            patterns_words.components(self.loadings), drawn.count, patterns_words.MAP,
        )  # fmt: skip

    def _draw_heat(self) -> None:
        state = self.state
        drawn = self.data.shared(_heat, *self._choice(), state.values, state.rows)
        self.heat.show(
            drawn.values, drawn.names, self.benchmarks, drawn.ends, drawn.facts, drawn.digits,
            are_models=state.rows == "models",
        )  # fmt: skip
        label = next(text for text, name in _VALUES.items() if name == state.values)
        count = len(drawn.names)
        what = f"the best {count} models" if state.rows == "models" else f"means of {count} groups"
        meaning = patterns_words.heat(*drawn.ends, drawn.unit)
        self._tell(_HEAT, f"{label}: {what}", meaning, drawn.count, patterns_words.HEAT)

    def _draw_correlations(self) -> None:
        kind = self.state.correlation
        pairs = self.data.ask("correlations", snapshot_id=self.state.snapshot)
        names = [*self.benchmarks, _SIZE] if _SIZE in pairs["other_measure"] else self.benchmarks
        matrix, facts = patterns_frames.correlation_matrix(pairs, names, kind)
        readable = [*self.benchmarks, "log₂ parameters"][: len(names)]
        self.correlations.show(matrix, readable, readable, (-1.0, 1.0), facts, 2)
        title = "Rank correlations (Spearman)" if kind == "spearman" else "Correlations (Pearson)"
        count = int(pairs["entries"].max() or 0) if pairs.height else 0  # type: ignore[arg-type]
        self._tell(_CORRELATIONS, title, patterns_words.correlations(pairs, kind), count, patterns_words.CORRELATIONS)

    def _rows(self) -> pl.DataFrame:
        shown = self._shown_with(self.state.values)
        return shown.select("model_id", "precision", "group", "cluster", "average", *self.benchmarks, "component_1")

    def _describe(self) -> dict[str, Any]:
        query = sql_with_values("patterns_entries", {"snapshot_id": self.state.snapshot})
        return self._describe_snapshot("patterns", values=self.state.values, query=query)

    # How it is laid out --------------------------------------------------------------------------------------------

    def _card(self, chart: str, figure: Any, *above: Any) -> pn.Column:
        return page.card(
            self.headings[chart],
            *above,
            pn.pane.Bokeh(figure, sizing_mode="stretch_width", margin=(8, 0, 0, 0)),
            self.captions[chart],
            page.picture_buttons(chart),
        )

    def content(self) -> Content:
        """Everything in its place."""
        state = self.state
        wide = controls.picked(330, is_wide=True)
        picks = page.row(
            controls.select(state, "snapshot", "Board and snapshot", **controls.picked(370, is_wide=True)),
            controls.select(state, "group", "Group by", **controls.picked(180)),
            controls.several(state, "only", "Only these groups", placeholder="all", **wide),
            margin=(10, 0, 8, 0),
        )
        heat = page.row(
            controls.select(state, "values", "Values", **controls.picked(180)),
            controls.radio(state, "rows", {"Best models": "models", "Groups": "groups"}, height=32),
            page.download_buttons("patterns", self._rows, self._describe, self.data, margin=0),
            gap="8px 14px",
            margin=(8, 0),
        )
        lead = page.opening(
            "Patterns",
            "Which models resemble each other, which benchmarks agree, and whether models form clusters at all.",
        )
        main = pn.Column(
            page.html(lead),
            board_choice.switch("patterns", board_choice.ENTRIES),
            picks,
            self.notes,
            self.legend,
            pn.Spacer(height=10),
            self.empty,
            self._card(_HEAT, self.heat.figure, heat),
            page.below(
                lambda: [
                    self._card(profiles.PARALLEL, self.parallel.figure),
                    self._correlations_card(),
                    self._card(components.NAME, self.map.figure),
                    self._clusters_card(),
                    self._card(profiles.PAIRS, self.pairs.figure),
                ]
            ),
            sizing_mode="stretch_width",
            margin=0,
        )
        return Content(main=main, state=state)

    def _correlations_card(self) -> pn.Column:
        kinds = {"Spearman": "spearman", "Pearson": "pearson"}
        return self._card(
            _CORRELATIONS,
            self.correlations.figure,
            controls.radio(self.state, "correlation", kinds, height=32, margin=(8, 0, 0, 0)),
        )

    def _clusters_card(self) -> pn.Column:
        return page.card(
            page.html(page.heading("Clusters")), self.cluster_text, pn.Spacer(height=8), self.choices.widget
        )


@dataclass(frozen=True, eq=False)
class _Heat:
    """A heatmap ready to be drawn, which all who look at the same one share.

    Attributes:
        names: Of its rows, in order.
        values: (rows, benchmarks).
        facts: What a hover says of each cell.
        ends: Values of the two ends of the colours.
        digits: After the point, in the cells.
        unit: Of the values.
        count: How many entries it rests on.
    """

    names: list[str]
    values: patterns_frames.Matrix
    facts: list[list[str]]
    ends: tuple[float, float]
    digits: int
    unit: str
    count: int


def _grouped(data: Data, snapshot: str, group: str) -> tuple[pl.DataFrame, dict[str, tuple[str, str]]]:
    """The entries with the group of each, and colour and mark of each group."""
    grouped = patterns_frames.named_groups(data.ask("patterns_entries", snapshot_id=snapshot), group)
    return grouped, patterns_frames.styles(grouped)


def _only(entries: pl.DataFrame, groups: Sequence[str]) -> pl.DataFrame:
    """Entries of these groups; of all where none is named."""
    return entries.filter(pl.col("group").is_in(list(groups))) if groups else entries


def _benchmarks(data: Data, snapshot: str) -> list[str]:
    return data.ask("loadings", snapshot_id=snapshot)["benchmark"].unique().sort().to_list()


def _aligned(data: Data, snapshot: str, values: str) -> pl.DataFrame:
    """A column of those values for each benchmark, in the order of the entries."""
    scores = patterns_frames.wide(data.ask("z_scores", snapshot_id=snapshot), values, _benchmarks(data, snapshot))
    entries = data.ask("patterns_entries", snapshot_id=snapshot).select("entry_id")
    return entries.join(scores, on="entry_id", how="left", maintain_order="left").drop("entry_id")


def _map(data: Data, snapshot: str, group: str, only: tuple[str, ...]) -> components.Drawing:
    grouped, styles = data.shared(_grouped, snapshot, group)
    return components.drawing(thinned(_only(grouped, only)), data.ask("loadings", snapshot_id=snapshot), styles)


def _heat(data: Data, snapshot: str, group: str, only: tuple[str, ...], values: str, rows: str) -> _Heat:
    grouped, _ = data.shared(_grouped, snapshot, group)
    shown = _only(grouped.hstack(data.shared(_aligned, snapshot, values)), only)
    names, counts, matrix = patterns_frames.heat_rows(shown, _benchmarks(data, snapshot), rows)
    order = patterns_frames.clustered_order(matrix)
    matrix = matrix[order]
    unit = "points" if values == "score" else "standard deviations"
    ends = (-_Z_END, _Z_END) if values != "score" else (0.0, float(np.nanmax(matrix, initial=1.0)))
    facts = [
        [f"{decimal(value, 2)} {unit}" + (f", mean of {counts[row]:,}" * (counts[row] > 1)) for value in line]
        for row, line in zip(order, matrix, strict=True)
    ]
    digits = 1 if values == "score" else 2
    return _Heat([names[row] for row in order], matrix, facts, ends, digits, unit, shown.height)


def _legend(shown: pl.DataFrame, styles: dict[str, tuple[str, str]]) -> str:
    counts = dict(shown["group"].value_counts(sort=True).iter_rows())
    grey = patterns_frames.styles(shown.clear())["unknown"]
    own = [legend.Entry(group, *styles[group], count=n) for group, n in counts.items() if styles[group] != grey]
    rest = sum(n for group, n in counts.items() if styles[group] == grey)
    others = [legend.Entry("others and unknown", *grey, count=rest)] if rest else []
    return legend.swatches(components.NAME, [*own, *others])
