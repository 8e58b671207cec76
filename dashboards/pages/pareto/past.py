"""The part of the Pareto page that shows the front over time: a player, the front of its day, how much it covers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import panel as pn
import polars as pl

from dashboards import data as warehouse_data
from dashboards.charts import coverage
from dashboards.charts.coverage import Coverage
from dashboards.charts.front import Drawing, Front, FrontChart, drawing, points
from dashboards.data import Data
from dashboards.pages.pareto import history
from dashboards.parts import controls, formats, page
from dashboards.parts.fields import COSTS, Measure
from dashboards.parts.state import ParetoState

_NAME, _TITLE, _HEIGHT = "pareto_front_over_time", "The front over time", 380
_FRAME_MS = 700
_WAYS = {"By submission day": "submissions", "By snapshot": "snapshots"}


@dataclass(frozen=True)
class _Past:
    """Which past is shown.

    Attributes:
        snapshot_id: Identity of the snapshot.
        board: Its board.
        quality: Name of what is maximised.
        against: Name of the cost.
        over: `submissions` or `snapshots`.
    """

    snapshot_id: str
    board: str
    quality: str
    against: str
    over: str

    def query(self) -> tuple[str, dict[str, str]]:
        """Name and parameters of the query that asks for it."""
        objectives = {"objectives": f"{self.quality}_vs_{self.against}"}
        if self.over == "snapshots":
            return "fronts_by_snapshot", {"board": self.board, **objectives}
        return "front_history", {"snapshot_id": self.snapshot_id, **objectives}


@dataclass(frozen=True, eq=False)
class _Frame:
    """The front of one frame, the same for everybody who looks at it.

    Attributes:
        drawing: The front.
        members: Number of its members.
        undated: Number of entries without a date.
    """

    drawing: Drawing
    members: int
    undated: int


def _history(data: Data, past: _Past) -> history.History:
    query, parameters = past.query()
    scale = COSTS[past.against].scale
    if past.over == "snapshots":
        return history.by_snapshot(data.ask(query, **parameters), scale)
    return history.by_submission(data.ask(query, **parameters), data.ask("hypervolume", **parameters), scale)


def _frame(data: Data, past: _Past, frames: history.History, quality: Measure, label: str) -> _Frame:
    cost = COSTS[past.against]
    cloud = points(data.entries(past.snapshot_id), cost, quality)
    submitted = cloud if past.over == "snapshots" else cloud.filter(pl.col("submitted_on") <= frames.day(label))
    front = Front(submitted, frames.members(label), cost.measure, quality)
    drawn = drawing(front, _NAME, _HEIGHT, (cloud["x"], cloud["y"]))
    return _Frame(drawn, front.members.height, cloud["submitted_on"].null_count())


class FrontPast:
    """Fronts of the whole board, day by day within a snapshot or snapshot by snapshot."""

    def __init__(self, data: Data, state: ParetoState, chosen: Callable[[str], None]) -> None:
        """Make the part; it shows nothing until `show`.

        Args:
            data: What is asked.
            state: Choices of the page; this part answers to `over` and `day`.
            chosen: Called with the entry of a member that a reader picked.
        """
        self.data = data
        self.state = state
        self.chart = FrontChart(_NAME, _HEIGHT, chosen)
        self.coverage = Coverage()
        self.heading, self.legend, self.below = page.html(), page.html(), page.html()
        self.sql = page.html()
        self.player = pn.Column(sizing_mode="stretch_width", margin=0)
        self.body = pn.Column(
            self.player,
            self.legend,
            pn.pane.Bokeh(self.chart.figure, sizing_mode="stretch_width", margin=(8, 0, 0, 0)),
            pn.pane.Bokeh(self.coverage.figure, sizing_mode="stretch_width", margin=0),
            self.below,
            page.picture_buttons(_NAME, "front"),
            page.picture_buttons(coverage.NAME, "coverage"),
            self.sql,
            sizing_mode="stretch_width",
            margin=0,
        )
        self.history: history.History | None = None
        self._past: _Past | None = None
        self._busy = False
        state.param.watch(self._on_way, "over")
        state.param.watch(self._on_day, "day")

    def card(self) -> pn.Column:
        """The part in its frame."""
        ways = controls.radio(self.state, "over", _WAYS, height=32, margin=(10, 0))
        return page.card(self.heading, ways, self.body)

    def show(self, snapshot: dict[str, Any], quality: Measure) -> list[str]:
        """Show the past of the objectives that the state names, and return what is to be noted.

        What is chosen within the board changes nothing here; the same past is not drawn twice.

        Args:
            snapshot: Its row.
            quality: Up.
        """
        self.snapshot, self.quality = snapshot, quality
        return [] if self._chosen() == self._past else self._load()

    def _chosen(self) -> _Past:
        state = self.state
        return _Past(state.snapshot, self.snapshot["board"], state.quality, state.against, state.over)

    def _on_way(self, _event: Any) -> None:
        if self._past is not None:
            with page.together():
                self._load()

    def _on_day(self, _event: Any) -> None:
        if self._past is not None and not self._busy:
            with page.together():
                self._draw(self._past)

    def _load(self) -> list[str]:
        self._past = past = self._chosen()
        query, parameters = past.query()
        self.history = self.data.shared(_history, past)
        page.sql_block(self.sql, warehouse_data.sql_with_values(query, parameters))
        labels = self.history.labels
        self.body.visible = bool(labels)
        self._busy = True
        try:
            last = labels[-1] if labels else None
            self.state.remember_default("day", last)
            if self.player.objects and self.state.day not in labels:
                # Days of another past are replaced without a word; an address is answered.
                self.state.day = None
            notes = self.state.offer("day", labels, last)
            if labels and self.player.objects and self.player.objects[0].options == labels:
                self.player.objects[0].value = self.state.day
            else:
                self.player.objects = [self._new_player(labels)] if labels else []
        finally:
            self._busy = False
        if not labels:
            self.heading.object = page.about(_NAME, _TITLE, "There is no history for this choice.", "")
            return notes
        self.coverage.show(self.history.days.filter(pl.col("hypervolume").is_not_null()))
        self._draw(past)
        return notes

    def _new_player(self, labels: list[str]) -> pn.widgets.DiscretePlayer:
        # A new one per set of frames: given other options, the widget's slider keeps its old length.
        player = pn.widgets.DiscretePlayer(
            name="Day", options=labels, value=self.state.day, interval=_FRAME_MS, show_loop_controls=False,
            width=None, height=84, sizing_mode="stretch_width", margin=0, css_classes=["player"],
            visible_buttons=["first", "previous", "pause", "play", "next", "last"],
        )  # fmt: skip

        def to_state(event: Any) -> None:
            self.state.day = event.new

        player.param.watch(to_state, "value")
        return player

    def _draw(self, past: _Past) -> None:
        day = self.state.day
        if self.history is None or day is None:
            return
        frame = self.data.shared(_frame, past, self.history, self.quality, day)
        drawn = frame.drawing
        self.chart.show(drawn)
        self.legend.object = self.chart.tell(drawn)
        self.coverage.point_at(self.history.day(day))
        if past.over == "snapshots":
            what = f"the front of the snapshot of {day}: {frame.members} members"
            origin = (
                "Points are those of the snapshot chosen above. Snapshots differ by new entries and by re-scoring, "
                "so this is not progress alone."
            )
        else:
            what = f"of all entries submitted up to {day}: {frame.members} members"
            origin = (
                "Every day is judged by the scores of this one snapshot, so re-scoring plays no part; "
                f"{formats.count(frame.undated)} entries without a submission date "
                "are left out."
            )
        where = f"{page.source_line(self.snapshot)}; n = {formats.count(drawn.count)}"
        self.heading.object = page.about(_NAME, _TITLE, what, where)
        self.below.object = page.caption(f"{where}. {origin}")
