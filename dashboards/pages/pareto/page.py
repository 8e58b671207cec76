"""The Pareto page: the front over all entries, what each step on it costs, and how it moved."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import panel as pn
import polars as pl

from dashboards import data as warehouse_data
from dashboards.charts.front import CONFIDENCE, Drawing, Front, FrontChart, drawing, points
from dashboards.data import Data
from dashboards.pages.leaderboard import card as entry_card
from dashboards.pages.pareto import ability
from dashboards.pages.pareto.past import FrontPast
from dashboards.pages.pareto.table import FrontTable
from dashboards.parts import board_choice, controls, formats, page
from dashboards.parts.fields import AVERAGE, COSTS, Measure, slug
from dashboards.parts.page import Content
from dashboards.parts.session import SnapshotPage
from dashboards.parts.state import ParetoState

_FRONT, _HEIGHT = "pareto_front", 540
_WITHIN_LABELS = {
    "all": "The whole board",
    "precision": "One precision",
    "model_type": "One type",
    "family": "One family",
    "provider": "Official providers",
}
_PICKS = {
    "snapshot": ("Board and snapshot", 370),
    "quality": ("Quality", 150),
    "against": ("Against", 190),
    "within": ("Within", 160),
    "segment": ("Which", 190),
}


def build(data: Data, search: str) -> Content:
    """Content of the page for one session."""
    if board_choice.chosen(data, search, ability.AbilityFrontState.keys()) == board_choice.ABILITY:
        return ability.AbilityFront(data, search).content()
    return Pareto(data, search).content()


@dataclass(frozen=True, eq=False)
class _View:
    """What a choice shows, the same for everybody who makes it.

    Attributes:
        members: Result of the query `front`.
        considered: Number of entries among which the front is sought.
        within_noise: Number of members whose step over the one before is within noise.
        drawing: The front.
    """

    members: pl.DataFrame
    considered: int
    within_noise: int
    drawing: Drawing


def _view(data: Data, parameters: tuple[tuple[str, str], ...], quality: Measure, against: str) -> _View:
    named = dict(parameters)
    members = data.ask("front", **named)
    entries, cost = data.entries(named["snapshot_id"]), COSTS[against]
    within, segment = named["segment_by"], named["segment"]
    if within == "provider":
        entries = entries.filter(pl.col("is_official_provider"))
    elif within != "all":
        entries = entries.filter(pl.col(within) == segment)
    x = pl.col("cost") * cost.scale if cost.also is None else pl.col(cost.measure.name)
    drawn = members.with_columns(x.alias("x"), pl.col("score").alias("y")).sort("x", "y")
    front = Front(points(entries, cost, quality), drawn, cost.measure, quality, is_staircase=cost.also is None)
    within_noise = int(members["beyond_noise_of_previous"].eq(other=False).sum())
    return _View(members, entries.height, within_noise, drawing(front, _FRONT, _HEIGHT))


class Pareto(SnapshotPage[ParetoState]):
    """One session's page: what is chosen, what that shows, and the widgets between them."""

    def __init__(self, data: Data, search: str) -> None:
        super().__init__(data, ParetoState.from_address(search), page.snapshots(data))
        self._is_open = False
        self.chart = FrontChart(_FRONT, _HEIGHT, self._open)
        self.notes, self.heading, self.legend, self.below = (page.html() for _ in range(4))
        self.sql = page.html()
        self.card_text = page.html()
        self.drawer = page.drawer(self.card_text, lambda: self.drawer.param.update(visible=False))
        self.body = pn.Column(sizing_mode="stretch_width", margin=0)
        self._load()
        self._notes += self.state.settle("day")
        self.picks = {
            name: controls.select(self.state, name, label, **controls.picked(width, is_wide=name == "snapshot"))
            for name, (label, width) in _PICKS.items()
        }
        self._is_open = True
        self._draw()
        self._watch()

    # What is made once it is drawn, below the first chart.

    @cached_property
    def table(self) -> FrontTable:
        """Members of the front."""
        return FrontTable(self._open)

    @cached_property
    def past(self) -> FrontPast:
        """The front over time."""
        return FrontPast(self.data, self.state, self._open)

    # What the data offers ------------------------------------------------------------------------------------------

    def _load(self) -> None:
        """Read what fronts the chosen snapshot has, and offer them."""
        self.entries = self.data.entries(self.state.snapshot)
        self.benchmarks = {slug(name): name for name in self.data.benchmarks(self.state.snapshot)}
        objective_rows = self.data.ask("objectives", snapshot_id=self.state.snapshot)
        pairs = [str(name).partition("_vs_")[::2] for name in objective_rows["objectives"].unique(maintain_order=True)]
        self.offered = [(quality, against) for quality, against in pairs if against in COSTS]
        self.segments: dict[tuple[str, str], list[str]] = {}
        for objectives, column, segment in objective_rows.select("objectives", "segment_by", "segment").iter_rows():
            self.segments.setdefault((objectives, column), []).append(segment)
        self._offer_quality()

    def _offer_quality(self) -> None:
        qualities = dict.fromkeys(quality for quality, _ in self.offered)
        ordered = sorted(qualities, key=lambda name: (name != "average", name))
        labels = {self._quality(name).label: name for name in ordered}
        self._offer("quality", labels, "average")
        self._offer_against()

    def _offer_against(self) -> None:
        available = {against for quality, against in self.offered if quality == self.state.quality}
        labels = {COSTS[name].title: name for name in COSTS if name in available}
        self._offer("against", labels, "size_gib")
        self._offer_within()

    def _offer_within(self) -> None:
        labels = {label: name for name, label in _WITHIN_LABELS.items() if (self._objectives(), name) in self.segments}
        self._offer("within", labels, "all")
        self._offer_segment()

    def _offer_segment(self) -> None:
        column = self.state.within
        sizes = {} if column not in self.entries.columns else dict(self.entries[column].value_counts().iter_rows())
        there = self.segments.get((self._objectives(), column), [])
        values = sorted(there, key=lambda value: (-sizes.get(value, 0), value))
        labels = {
            f"{formats.label(value)} ({formats.count(sizes[value])})" if value in sizes else formats.label(value): value
            for value in values
        }
        self._offer("segment", labels, "all")

    def _offer(self, name: str, options: dict[str, str], default: str) -> None:
        fallback = default if default in options.values() else next(iter(options.values()), None)
        self.state.remember_default(name, fallback)
        if self._is_open and getattr(self.state, name) not in options.values():
            # What another choice has made impossible is replaced without a word; an address is answered.
            setattr(self.state, name, None)
        self._notes += self.state.offer(name, options, fallback)

    def _objectives(self) -> str:
        return f"{self.state.quality}_vs_{self.state.against}"

    def _quality(self, name: str) -> Measure:
        if name == AVERAGE.name:
            return AVERAGE
        column = self.benchmarks.get(slug(name), name)
        return Measure(column, column, "points")

    # What follows a choice -----------------------------------------------------------------------------------------

    def _watch(self) -> None:
        for name, offer in (
            ("snapshot", self._load),
            ("quality", self._offer_against),
            ("against", self._offer_within),
            ("within", self._offer_segment),
            ("segment", lambda: None),
        ):
            self._when(name, self._draw, offer)

    def _draw(self) -> None:
        state = self.state
        self.picks["segment"].visible = len(state.param.segment.objects) > 1
        self.body.visible = state.segment is not None
        if state.segment is None:
            self.notes.object = page.notes([*self._notes, "This snapshot has no front; choose another."])
            return
        parameters = tuple(self._front().items())
        self.view = self.data.shared(_view, parameters, self._quality(state.quality), state.against)
        self.chart.show(self.view.drawing)
        self._then(self._tell)
        self._later(self._draw_past, self._tabulate)

    def _front(self) -> dict[str, Any]:
        """Parameters by which the query `front` names the chosen one."""
        state = self.state
        return {
            "snapshot_id": state.snapshot, "objectives": self._objectives(), "segment_by": state.within,
            "segment": state.segment,
        }  # fmt: skip

    def _draw_past(self) -> None:
        if self.state.segment is None:
            return
        self._notes += self.past.show(self._snapshot, self._quality(self.state.quality))
        self.notes.object = page.notes(self._notes)

    def _tabulate(self) -> None:
        if self.state.segment is None:
            return
        self.table.show(self.view.members, COSTS[self.state.against])

    def _tell(self) -> None:
        if self.state.segment is None:
            return
        view, drawn, cost = self.view, self.view.drawing, COSTS[self.state.against]
        quality = drawn.y
        self.notes.object = page.notes(self._notes)
        self.legend.object = self.chart.tell(drawn)
        page.sql_block(self.sql, warehouse_data.sql_with_values("front", self._front()))
        absent = f"{formats.running(quality.label)} or {formats.running(cost.measure.label)}"
        counts = (
            f"{formats.count(view.members.height)} of {formats.count(view.considered)} entries are beaten by none; "
            f"{view.within_noise} steps are within noise"
        )
        if view.considered > drawn.count:
            counts += f"; {formats.count(view.considered - drawn.count)} without {absent} are not drawn"
        places = {"all": "", "provider": ", official providers only"}
        place = places.get(self.state.within, f", {formats.label(self.state.segment)} only")
        where = self._where(drawn.count)
        against = formats.running(cost.name_in_text)
        title = f"{quality.label} against {against}{place}"
        self.heading.object = page.about(_FRONT, title, counts, where)
        self.below.object = page.caption(
            f"{where}.{page.sampled(drawn.count)} Up and left is better. "
            "A hollow mark: its gain over the next cheaper member is less than "
            f"{CONFIDENCE} standard errors of the difference. Click a member for its card."
            + (f" Members beaten on size alone cost less {cost.also.label}." if cost.also else "")
        )

    # The table and the card ----------------------------------------------------------------------------------------

    def _describe(self) -> dict[str, Any]:
        front = {"segment_by": self.state.within, "segment": self.state.segment}
        query = warehouse_data.sql_with_values("front", self._front())
        return self._describe_snapshot("pareto", objectives=self._objectives(), query=query, **front)

    def _open(self, entry_id: str) -> None:
        self.card_text.object = entry_card.build(self.data, self.state.snapshot, entry_id)
        self.drawer.visible = True

    # How it is laid out --------------------------------------------------------------------------------------------

    def content(self) -> Content:
        """Everything in its place."""
        picks = page.row(*self.picks.values(), margin=(10, 0, 14, 0))
        chart = page.card(
            self.heading,
            self.legend,
            pn.pane.Bokeh(self.chart.figure, sizing_mode="stretch_width", margin=(8, 0, 0, 0)),
            self.below,
            page.picture_buttons(_FRONT),
            self.sql,
        )
        lead = page.opening(
            "Pareto fronts",
            "Entries that no other beats on both quality and cost, and which steps between them could be noise.",
        )
        self.body.objects = [chart, page.below(lambda: [self._members_card(), self.past.card()])]
        boards = board_choice.switch("pareto", board_choice.ENTRIES)
        main = pn.Column(page.html(lead), boards, picks, self.notes, self.body, sizing_mode="stretch_width", margin=0)
        return Content(main=main, overlay=self.drawer, state=self.state)

    def _members_card(self) -> pn.Column:
        return page.card(
            self.table.heading,
            page.download_buttons("pareto_front", self.table.rows, self._describe, self.data),
            self.table.widget,
        )
