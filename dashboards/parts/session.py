"""What pages of one session share: their choices, and what follows when one of them changes."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import panel as pn
import polars as pl

from dashboards.data import Data
from dashboards.parts import formats, page
from dashboards.parts.state import UrlState

_A_FRAME_MS = 100  # in which the browser draws what it has been sent
CALM_MS = 300
"""In which nobody else chose: until then a table waits, so that charts of others come first."""
_PATIENCE_S = 2.0  # after which it comes whoever still chooses
_PATIENCE_FOR_WORDS_S = 0.5  # what a chart says of itself waits less long
State = TypeVar("State", bound=UrlState)


class SessionPage(Generic[State]):
    """One session's page: what is chosen, what that shows, and the widgets between them.

    Attributes:
        data: What is asked.
        state: What is chosen.
    """

    def __init__(self, data: Data, state: State) -> None:
        self.data = data
        self.state = state
        self._notes: list[str] = []
        self._offering_now = False
        self._waiting: dict[Callable[[], None], float] = {}  # until when, at most

    @contextlib.contextmanager
    def _offering(self) -> Iterator[None]:
        """While choices are offered, what they change in turn is followed by nothing."""
        self._offering_now = True
        try:
            yield
        finally:
            self._offering_now = False

    def _when(
        self, names: str | list[str], draw: Callable[[], None], offer: Callable[[], object] | None = None
    ) -> None:
        """Draw when one of these choices changes, once all else is offered that the change makes possible."""

        def follow(_event: Any) -> None:
            if self._offering_now:
                return
            if offer is not None:
                self._notes = []
                with self._offering():
                    offer()
            with page.together():
                draw()
            _ANSWERED[self] = time.monotonic()

        self.state.param.watch(follow, names)

    def _later(self, *draws: Callable[[], None]) -> None:
        """Draw these once the browser shows what is drawn already: what a reader waits for comes first.

        Where no browser looks at the page, they are drawn at once.
        """
        for draw in draws:
            self._put_off(draw, _PATIENCE_S)

    def _then(self, tell: Callable[[], None]) -> None:
        """Say this of a chart once the browser shows it as a choice changed it; with the page while that is made.

        Words cost the browser as much as the marks: each has the page laid out anew.
        """
        if pn.state.loaded:
            self._put_off(tell, _PATIENCE_FOR_WORDS_S)
        else:
            tell()

    def _put_off(self, draw: Callable[[], None], patience_s: float) -> None:
        document = pn.state.curdoc
        if not page.is_watched() or document is None:
            draw()
            return
        if not self._waiting:
            if pn.state.loaded:
                document.add_timeout_callback(self._draw_waiting, _A_FRAME_MS)
            else:
                pn.state.onload(self._draw_waiting)
        self._waiting.setdefault(draw, time.monotonic() + patience_s)

    def _others_choose(self) -> bool:
        since = time.monotonic() - CALM_MS / 1000
        return any(other is not self and at > since for other, at in _ANSWERED.items())

    def _draw_waiting(self) -> None:
        """Draw the first that need not wait longer; each is sent by itself, and others are answered in between."""
        now, calm = time.monotonic(), not self._others_choose()
        draw = next((draw for draw, until in self._waiting.items() if calm or until <= now), None)
        try:
            if draw is not None:
                del self._waiting[draw]
                with page.together():
                    draw()
        finally:
            if self._waiting and pn.state.curdoc is not None:
                pn.state.curdoc.add_timeout_callback(self._draw_waiting, CALM_MS if draw is None else 1)


_ANSWERED: WeakKeyDictionary[SessionPage[Any], float] = WeakKeyDictionary()
"""When the last choice on a page of each session was answered."""


class SnapshotPage(SessionPage[State]):
    """A page about one snapshot of a board, which its state calls `snapshot`.

    Attributes:
        snapshots: Every snapshot offered, by its identity.
    """

    def __init__(self, data: Data, state: State, snapshots: pl.DataFrame) -> None:
        super().__init__(data, state)
        self.snapshots = {row["snapshot_id"]: row for row in snapshots.iter_rows(named=True)}
        first = next(iter(self.snapshots))
        state.remember_default("snapshot", first)
        self._notes += state.offer("snapshot", page.snapshot_labels(snapshots), first)

    @property
    def _snapshot(self) -> dict[str, Any]:
        chosen: str = self.state.snapshot  # type: ignore[attr-defined]
        return self.snapshots[chosen]

    def _where(self, count: int) -> str:
        """Snapshot, source and n of a chart."""
        return f"{page.source_line(self._snapshot)}; n = {formats.count(count)}"

    def _describe_snapshot(self, slug: str, **more: Any) -> dict[str, Any]:
        """What a downloaded table says of itself."""
        row = self._snapshot
        return {
            "snapshot": row["snapshot_id"],
            "as_of_date": str(row["as_of_date"]),
            "source": f"{row['board']}, {row['uri']}",
            **more,
            "address": f"{slug}{self.state.address()}",
        }
