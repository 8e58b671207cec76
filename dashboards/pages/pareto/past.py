"""The part of the Pareto page that shows the front over time: a player, the front of its day, how much it covers."""

from collections.abc import Callable
from typing import Any

import panel as pn
import polars as pl

from dashboards import data as warehouse_data
from dashboards.charts import coverage
from dashboards.charts.coverage import Coverage
from dashboards.charts.front import Front, FrontChart, points
from dashboards.data import Data
from dashboards.pages.pareto import history
from dashboards.parts import controls, formats, page
from dashboards.parts.fields import Cost, Measure
from dashboards.parts.state import ParetoState

_NAME, _TITLE = "pareto_front_over_time", "The front over time"
_FRAME_MS = 700
_WAYS = {"By submission day": "submissions", "By snapshot": "snapshots"}


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
        self.chart = FrontChart(_NAME, 380, chosen)
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
        self._shown: tuple[str, str, str] | None = None
        self._busy = False
        state.param.watch(self._on_way, "over")
        state.param.watch(self._on_day, "day")

    def card(self) -> pn.Column:
        """The part in its frame."""
        ways = pn.FlexBox(
            controls.radio(self.state, "over", _WAYS, height=32), margin=(10, 0), sizing_mode="stretch_width"
        )
        return page.card(self.heading, ways, self.body)

    def show(self, snapshot: dict[str, Any], entries: pl.DataFrame, cost: Cost, quality: Measure) -> list[str]:
        """Show the past of the objectives that the state names, and return what is to be noted.

        What is chosen within the board changes nothing here; the same past is not drawn twice.

        Args:
            snapshot: Its row.
            entries: All of the snapshot.
            cost: Across.
            quality: Up.
        """
        wanted = (self.state.snapshot, self.state.quality, self.state.against)
        if wanted == self._shown:
            return []
        self._shown = wanted
        self.snapshot, self.cost, self.quality = snapshot, cost, quality
        self.cloud = points(entries, cost, quality)
        return self._load()

    def _on_way(self, _event: Any) -> None:
        if self._shown is not None:
            with page.together():
                self._load()

    def _on_day(self, _event: Any) -> None:
        if self._shown is not None and not self._busy:
            with page.together():
                self._draw()

    def _load(self) -> list[str]:
        objectives = f"{self.state.quality}_vs_{self.state.against}"
        if self.state.over == "snapshots":
            query, parameters = "fronts_by_snapshot", {"board": self.snapshot["board"], "objectives": objectives}
            self.history = history.by_snapshot(self.data.ask(query, **parameters), self.cost.scale)
        else:
            query, parameters = "front_history", {"snapshot_id": self.state.snapshot, "objectives": objectives}
            covered = self.data.ask("hypervolume", **parameters)
            self.history = history.by_submission(self.data.ask(query, **parameters), covered, self.cost.scale)
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
        self._draw()
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

    def _draw(self) -> None:
        state = self.state
        if self.history is None or state.day is None:
            return
        day, members = self.history.day(state.day), self.history.members(state.day)
        by_snapshot = state.over == "snapshots"
        seen = self.cloud if by_snapshot else self.cloud.filter(pl.col("submitted_on") <= day)
        front = Front(seen, members, self.cost.measure, self.quality)
        self.chart.show(front, frame=(self.cloud["x"], self.cloud["y"]))
        self.legend.object = self.chart.tell(front)
        self.coverage.point_at(day)
        if by_snapshot:
            what = f"the front of the snapshot of {state.day}: {members.height} members"
            origin = (
                "Points are those of the snapshot chosen above. Snapshots differ by new entries and by re-scoring, "
                "so this is not progress alone."
            )
        else:
            what = f"of all entries submitted up to {state.day}: {members.height} members"
            origin = (
                "Every day is judged by the scores of this one snapshot, so re-scoring plays no part; "
                f"{formats.count(self.cloud['submitted_on'].null_count())} entries without a submission date "
                "are left out."
            )
        where = f"{page.source_line(self.snapshot)}; n = {formats.count(seen.height)}"
        self.heading.object = page.about(_NAME, _TITLE, what, where)
        self.below.object = page.caption(f"{where}. {origin}")
