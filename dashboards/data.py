"""What pages ask of the published warehouse: the SQL files of the pages, cached per release.

Whole results only, as polars frames. Nothing here knows of widgets or charts.
"""

import copy
import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache, reduce
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from dashboards.measuring import Measuring
from profiling.answers.door import Door
from profiling.answers.evidence import Evidence
from profiling.models.architecture import Architecture
from warehouse.console import Console
from warehouse.overlaid import Overlaid
from warehouse.publish import Release
from warehouse.reader import PerRelease, Reader
from warehouse.settings import Settings
from warehouse.yours import COVERAGE

_MOST_RESULTS = 96
_MOST_SHARED = 64
Made = TypeVar("Made")


@cache
def sql(name: str) -> str:
    """Text of the query file of that name: in its page's folder, or in `queries/` where pages share it."""
    return _query_files()[name].read_text("utf-8").strip()


@cache
def _query_files() -> dict[str, Path]:
    return {path.stem: path for path in Path(__file__).parent.rglob("*.sql")}


def sql_with_values(name: str, parameters: Mapping[str, Any]) -> str:
    """The query as a person would run it: its named parameters written out as literals."""
    text = sql(name)
    for key in sorted(parameters, key=len, reverse=True):
        text = text.replace(f"${key}", _literal(parameters[key]))
    return text + ";"


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int | float):
        return str(value)
    quoted = "'" + str(value).replace("'", "''") + "'"
    return f"DATE {quoted}" if isinstance(value, dt.date) else quoted


class _Recent:
    """What was asked for last, so many of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._made: OrderedDict[Hashable, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Made]) -> Made:
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                answer: Made = self._made[key]
                return answer
        made = make()
        with self._lock:
            self._made[key] = made
            while len(self._made) > self._most:
                self._made.popitem(last=False)
        return made

    def clear(self) -> None:
        with self._lock:
            self._made.clear()


class Data:
    """Answers of one published folder, for all sessions of a process.

    Attributes:
        settings: Of the home.
        own_files: What the visitor brought whose data this is (`dashboards.own_files.OwnFile`).
        own_rows: Rows of those files, by the full name of their table.
    """

    def __init__(self, settings: Settings, published: Path | None = None) -> None:
        """Read a published folder.

        Args:
            settings: Of the home.
            published: The folder; that of the home if not given.
        """
        folder = published or settings.published
        self.settings = settings
        self.own_files: Sequence[Any] = ()
        self.own_rows: Mapping[str, pl.DataFrame] = {}
        self.home = settings.home
        self.proxies = settings.trusted_proxies
        self.console = Console(folder)
        self.measuring = Measuring(settings)
        self._reader: Reader | Overlaid = (reader := Reader(folder))
        self._shared: Data | None = None
        self._models: Mapping[str, Architecture] = {}
        self._own_door: tuple[Door, Door] | None = None
        self._results, self._made = _Recent(_MOST_RESULTS), _Recent(_MOST_SHARED)
        self._evidence = PerRelease(reader, Evidence.of)
        self._door = PerRelease(reader, Door.from_tables)

    def with_own(self, rows: Mapping[str, pl.DataFrame], models: Mapping[str, Architecture]) -> "Data":
        """The same data as one visitor sees it, with rows and models of his own among the rest.

        Args:
            rows: Rows by the full name of their table.
            models: Models by name.
        """
        own = copy.copy(self)
        own._shared, own._models, own._own_door = self, dict(models), None
        own._results, own._made = _Recent(_MOST_RESULTS), _Recent(_MOST_SHARED)
        own.own_rows = dict(rows)
        if isinstance(self._reader, Reader):
            own._reader = Overlaid(self._reader, rows)
        return own

    def close(self) -> None:
        """Give back what one visitor's own rows take."""
        if isinstance(self._reader, Overlaid):
            self._reader.close()
        self._results.clear()
        self._made.clear()
        self.own_rows = {}

    def release(self) -> Release:
        """The release that is read now.

        Raises:
            NotPublished: nothing is published.
        """
        return self._reader.release()

    def door(self) -> Door:
        """Where questions to the performance model are asked, with the facts of the release that is read now.

        Raises:
            NotPublished: nothing is published.
        """
        door = self._door()
        if not self._models:
            return door
        if self._own_door is None or self._own_door[0] is not door:
            self._own_door = door, reduce(Door.with_model, self._models.values(), door)
        return self._own_door[1]

    def evidence(self) -> Evidence:
        """What is known of the quality of models in the release that is read now.

        Raises:
            NotPublished: nothing is published.
        """
        return self._evidence()

    def ask(self, name: str, **parameters: Any) -> pl.DataFrame:
        """Result of the query file of that name.

        Raises:
            NotPublished: nothing is published.
            duckdb.Error: the release does not hold what the query asks.
        """
        if self._shared is not None and isinstance(self._reader, Overlaid) and not self._reader.touches(sql(name)):
            return self._shared.ask(name, **parameters)
        key = (self.release().path.name, name, tuple(sorted(parameters.items())))
        return self._results.get(key, lambda: self._reader.query(sql(name), parameters))

    def shared(self, make: Callable[..., Made], *choice: Hashable) -> Made:
        """`make(self, *choice)`, which is made once for all who choose the same of these data.

        Args:
            make: Asks these data and works out what a page shows of them; what it returns is changed by nobody.
            choice: All else that it depends on.

        Raises:
            NotPublished: nothing is published.
        """
        key = (self.release().path.name, make, choice)
        return self._made.get(key, lambda: make(self, *choice))

    def snapshots(self) -> pl.DataFrame:
        """Snapshots that hold entries, the one to show first at the top: newest whole board, else the largest."""
        frame = self.ask("snapshots")
        if frame.is_empty() or frame["coverage"][0] in ("full", COVERAGE):
            return frame
        return frame.sort("entries", "as_of_date", descending=True)

    def entries(self, snapshot_id: str, *, raw: bool = False) -> pl.DataFrame:
        """Entries of a snapshot, one column per benchmark: scores as ranked, or before normalisation in percent."""
        return self.shared(_entries, snapshot_id, raw)

    def benchmarks(self, snapshot_id: str) -> list[str]:
        """Benchmarks of a snapshot, in the board's spelling."""
        return self.ask("scores", snapshot_id=snapshot_id)["benchmark"].unique(maintain_order=True).to_list()


def _entries(data: Data, snapshot_id: str, raw: bool) -> pl.DataFrame:
    entries = data.ask("entries", snapshot_id=snapshot_id)
    scores = data.ask("scores", snapshot_id=snapshot_id)
    if scores.is_empty():
        return entries
    wide = scores.pivot(on="benchmark", index="entry_id", values="raw_score" if raw else "score")
    return entries.join(wide, on="entry_id", how="left", maintain_order="left")
