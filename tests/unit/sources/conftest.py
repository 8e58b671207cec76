"""A raw store to put files into, as collecting does, and the parse of what was put."""

import datetime as dt
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from pipelines.sources.leaderboards import tables as leaderboard_tables
from pipelines.sources.leaderboards.tables import Parsed
from pipelines.sources.raw_store import Manifest, RawStore
from pipelines.sources.recognition import recognise

from .hub_server import HubServer, hub_server, without_proxy

Load = Callable[[pl.DataFrame, str], Parsed]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw")


@pytest.fixture
def load(store: RawStore) -> Load:
    """Store a table as a CSV of that name by its recognised layout, and read it back as entries and scores."""

    def stored_and_parsed(frame: pl.DataFrame, name: str) -> Parsed:
        payload = as_csv(frame)
        what = recognise(payload, ".csv", name)
        now = dt.datetime.now(dt.UTC)
        manifest = Manifest(what.source, what.layout, what.subject, what.as_of, name, None, what.licence, now)
        return leaderboard_tables.parse(store.add(payload, ".csv", manifest))

    return stored_and_parsed


def as_csv(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_csv(buffer)
    return buffer.getvalue()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub of our own."""
    without_proxy(monkeypatch)
    # Boards are asked at addresses of their own, which this machine need not reach.
    monkeypatch.setattr("pipelines.sources.collect.boards_of", lambda _home: {})
    with hub_server() as server:
        yield server
