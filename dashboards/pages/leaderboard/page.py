"""The leaderboard page: filters and search, a scatter of anything against anything, the table, one entry's card."""

from typing import Any

import panel as pn

from dashboards.charts import scatter
from dashboards.data import Data, sql_with_values
from dashboards.pages.leaderboard import ability
from dashboards.pages.leaderboard import card as entry_card
from dashboards.pages.leaderboard.table import EntryTable
from dashboards.parts import board_choice, controls, filters, formats, page
from dashboards.parts.fields import KINDS, Kind, Measure, measures
from dashboards.parts.page import Content
from dashboards.parts.session import SnapshotPage
from dashboards.parts.state import LeaderboardState
from dashboards.parts.templates import block, render

_WITHIN = {
    "type": "model_type",
    "precision": "precision",
    "family": "family",
    "architecture": "architecture",
    "licence": "licence",
}
_FLAGS = {"merged": "is_merged", "moe": "is_moe", "flagged": "is_flagged", "on_hub": "is_on_hub"}
_FLAG_LABELS = {"merged": "Merged", "moe": "Mixture of experts", "flagged": "Flagged", "on_hub": "Still on the hub"}
_NOTHING = "none"
_FILTERS = (*_WITHIN, *_FLAGS, "size", "unknown_size", "search")
_AXIS_LABELS = {"x": "Horizontal", "y": "Vertical", "colour": "Colour", "point_size": "Size"}
_AXES = ("x", "y", "colour", "point_size", "log_x", "log_y")


def build(data: Data, search: str) -> Content:
    """Content of the page for one session."""
    if board_choice.chosen(data, search, ability.AbilityState.keys()) == board_choice.ABILITY:
        return ability.AbilityBoard(data, search).content()
    return Leaderboard(data, search).content()


def _points(data: Data, snapshot_id: str, raw: bool, asked: filters.Filters, choice: scatter.Choice) -> scatter.Points:
    return scatter.points(filters.apply(data.entries(snapshot_id, raw=raw), asked), choice)


class Leaderboard(SnapshotPage[LeaderboardState]):
    """One session's page: what is chosen, what that shows, and the widgets between them."""

    def __init__(self, data: Data, search: str) -> None:
        super().__init__(data, LeaderboardState.from_address(search), page.snapshots(data))
        self.measures: dict[str, Measure] = {}
        self.scatter = scatter.Scatter(self._open)
        self.table = EntryTable(self._open)
        self.notes = page.html()
        self.counts = page.html()
        self.heading = page.html()
        self.legend = page.html()
        self.plot = pn.pane.Bokeh(sizing_mode="stretch_width", margin=0)
        self.below = page.html()
        self.card_text = page.html()
        self.drawer = page.drawer(self.card_text, lambda: self._open(""))
        self._load()
        self._notes += self.state.settle()
        self._refilter()
        self._show_entry()
        self._watch()

    # What the data offers ------------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Read the chosen snapshot and offer what it holds."""
        state = self.state
        raw = state.scores == "raw"
        self.entries = self.data.entries(state.snapshot, raw=raw)
        benchmarks = self.data.benchmarks(state.snapshot)
        everything = measures(benchmarks, raw=raw)
        self.measures = {name: m for name, m in everything.items() if self.entries[name].is_not_null().any()}
        for name, column in _WITHIN.items():
            counted = self.entries[column].drop_nulls().value_counts(sort=True)
            labels = {f"{formats.label(item)} ({formats.count(number)})": item for item, number in counted.iter_rows()}
            self._notes += state.offer(name, labels, [])
        axes = {measure.title: name for name, measure in self.measures.items()}
        kinds = {kind.label: kind.name for kind in KINDS if self.entries[kind.name].is_not_null().any()}
        self._notes += self._offer("x", axes, "size_gib" if "size_gib" in self.measures else "average")
        self._notes += self._offer("y", axes, "average")
        self._notes += self._offer(
            "colour", {"One colour": _NOTHING, **kinds, **axes}, "whose" if "whose" in kinds.values() else "model_type"
        )
        self._notes += self._offer("point_size", {"One size": _NOTHING, **axes}, _NOTHING)
        columns = self.table.choices(self.measures, self.entries)
        self._notes += self._offer("columns", columns, self.table.default_columns(benchmarks, columns))

    def _offer(self, name: str, options: dict[str, str], default: Any) -> list[str]:
        fallback = default if isinstance(default, list) or default in options.values() else next(iter(options.values()))
        self.state.remember_default(name, fallback)
        return self.state.offer(name, options, fallback)

    # What follows a choice -----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        self._when(["snapshot", "scores"], self._refilter, self._load)
        self._when(list(_FILTERS), self._refilter)
        self._when(list(_AXES), self._redraw)
        self._when("columns", self._tabulate)
        self._when("entry", self._show_entry)

    def _filters(self) -> filters.Filters:
        state = self.state
        low, high = state.size
        whole = state.param.size.bounds
        everything = (low, high) == whole
        size = None if everything else (0.0 if low == whole[0] else 2.0**low, 2.0**high if high < whole[1] else 1e9)
        return filters.Filters(
            within=tuple((column, tuple(getattr(state, name))) for name, column in _WITHIN.items()),
            flags=tuple((column, getattr(state, name)) for name, column in _FLAGS.items()),
            size_gib=size,
            unknown_size=state.unknown_size,
            search=state.search,
        )

    def _refilter(self) -> None:
        self._redraw()
        self._later(self._tabulate)

    def _choice(self) -> scatter.Choice:
        state = self.state
        kinds: dict[str, Measure | Kind] = {kind.name: kind for kind in KINDS}
        return scatter.Choice(
            x=self.measures[state.x],
            y=self.measures[state.y],
            colour=kinds.get(state.colour) or self.measures.get(state.colour),
            point_size=self.measures.get(state.point_size),
            log_x=state.log_x and not self.measures[state.x].is_date,
            log_y=state.log_y and not self.measures[state.y].is_date,
        )

    def _redraw(self) -> None:
        choice, raw = self._choice(), self.state.scores == "raw"
        self.drawn = self.data.shared(_points, self.state.snapshot, raw, self._filters(), choice)
        figure = self.scatter.show(self.drawn, choice)
        if self.plot.object is not figure:
            self.plot.object = figure
        self.scatter.mark(self.state.entry)
        self._then(self._tell)

    def _tell(self) -> None:
        choice, drawn = self._choice(), self.drawn
        _, unclear = filters.parse_search(self.state.search)
        self.notes.object = page.notes([*self._notes, *unclear])
        x_label, y_label = formats.running(choice.x.label), formats.running(choice.y.label)
        counts = f"{formats.count(drawn.count)} of {formats.count(self.entries.height)} entries shown"
        if drawn.undrawn:
            above = " above zero" if choice.log_x or choice.log_y else ""
            counts += f"; {formats.count(drawn.undrawn)} without {x_label} or {y_label}{above} are not drawn"
        if drawn.thinned_from is not None:
            counts += f"; of the other {formats.count(drawn.thinned_from)} a random {formats.count(drawn.frame.height)}"
        where = self._where(drawn.frame.height)
        title = f"{choice.y.label} against {x_label}"
        self.heading.object = page.about(scatter.NAME, title, counts, where)
        self.legend.object = drawn.legend
        empty = "No entry passes these filters. Remove one, or widen the size range." if drawn.count == 0 else ""
        below = page.caption(f"{where}. Click a point for its card.")
        self.below.object = page.notes([empty] if empty else []) + below
        self.counts.object = block("shown_of", drawn.count, self.entries.height, "entries")

    def _tabulate(self) -> None:
        self.table.show(filters.apply(self.entries, self._filters()), self.state.columns, self.measures)

    def _open(self, entry_id: str) -> None:
        self.state.entry = entry_id

    def _show_entry(self) -> None:
        entry_id = self.state.entry
        if entry_id:
            self.card_text.object = entry_card.build(self.data, self.state.snapshot, entry_id)
        self.drawer.visible = bool(entry_id)
        self.scatter.mark(entry_id)

    def _describe(self) -> dict[str, Any]:
        query = sql_with_values("entries", {"snapshot_id": self.state.snapshot})
        return self._describe_snapshot("leaderboard", query=query)

    # How it is laid out --------------------------------------------------------------------------------------------

    def _sidebar(self) -> pn.Column:
        state = self.state
        flags = [controls.select(state, name, _FLAG_LABELS[name], margin=(0, 0, 10, 0)) for name in _FLAGS]
        lists = [
            controls.several(state, name, name.capitalize(), placeholder="all", margin=(0, 0, 12, 0))
            for name in _WITHIN
        ]
        return pn.Column(
            self.counts,
            pn.Spacer(height=8),
            controls.sizes(state, "size", "Size"),
            controls.switch(state, "unknown_size", "Include entries of unknown size", margin=(8, 0, 12, 0)),
            *lists,
            *flags,
            sizing_mode="stretch_width",
            margin=0,
        )

    def content(self) -> Content:
        """Everything in its place."""
        state = self.state
        picks = page.row(
            *(controls.select(state, name, label, **controls.picked(190)) for name, label in _AXIS_LABELS.items()),
            controls.switch(state, "log_x", "log x"),
            controls.switch(state, "log_y", "log y"),
            margin=(10, 0),
        )
        wide = controls.picked(300, is_wide=True)
        top = page.row(
            controls.select(state, "snapshot", "Board and snapshot", **controls.picked(370, is_wide=True)),
            controls.text(state, "search", "Search", placeholder="names; @field:value", **wide),
            gap="10px 18px",
            margin=(0, 0, 6, 0),
        )
        chart = page.card(
            self.heading,
            picks,
            self.legend,
            self.plot,
            self.below,
            page.picture_buttons(scatter.NAME),
        )
        lead = "Every configuration the boards evaluated. Filter, search, and plot anything against anything."
        main = pn.Column(
            page.html(block("opening", "Leaderboard", lead), margin=(0, 0, 12, 0)),
            board_choice.switch("leaderboard", board_choice.ENTRIES),
            top,
            page.html(render(__file__, "search_help.html"), margin=(0, 0, 14, 0)),
            self.notes,
            chart,
            page.below(lambda: [self._entries_card()]),
            sizing_mode="stretch_width",
            margin=0,
        )
        return Content(main=main, sidebar=self._sidebar, overlay=self.drawer, state=state)

    def _entries_card(self) -> pn.Column:
        state = self.state
        columns = controls.several(state, "columns", "", margin=(0, 0, 10, 0), visible=False)
        show_columns = pn.widgets.Toggle(name="Columns", value=False, height=32, width=90, margin=0)
        show_columns.param.watch(lambda event: setattr(columns, "visible", event.new), "value")
        return page.card(
            page.html(page.heading("Entries")),
            page.row(
                controls.radio(
                    state, "scores", {"Scores as ranked": "normalised", "Before normalisation": "raw"}, height=32
                ),
                show_columns,
                page.download_buttons("leaderboard", self.table.rows, self._describe, self.data, margin=0),
                align="center",
                gap="8px 16px",
                margin=(8, 0),
            ),
            columns,
            self.table.widget,
        )
