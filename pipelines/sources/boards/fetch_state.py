"""When each source was last asked for online, and what came of it: kept in the home beside the raw snapshots."""

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from warehouse.files import listed, read_object, write_text
from warehouse.settings import Settings

FOLDER = "fetched"


@dataclass(frozen=True)
class LastFetch:
    """The last time a source was asked.

    Attributes:
        asked_at: When.
        outcome: `new`, `unchanged`, or why it failed.
        failed: Whether it did.
        marks: Address → what the server said names this state of it: `etag`, `last_modified` or `revision`.
    """

    asked_at: dt.datetime
    outcome: str
    failed: bool = False
    marks: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def last_fetches(settings: Settings) -> dict[str, LastFetch]:
    """What is known of every source that was ever asked; what cannot be read is as if it never was."""
    fetches = {}
    for path in listed(settings.home / FOLDER):
        if path.suffix == ".json" and (fetch := read(path)) is not None:
            fetches[path.stem] = fetch
    return fetches


def path_of(settings: Settings, source: str) -> Path:
    """Where the state of a source is kept."""
    return settings.home / FOLDER / f"{source}.json"


def read(path: Path) -> LastFetch | None:
    """What a file says; None where it is absent or broken."""
    try:
        state = read_object(path)
        return LastFetch(
            dt.datetime.fromisoformat(state["asked_at"]),
            str(state["outcome"]),
            bool(state["failed"]),
            dict(state["marks"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def write(settings: Settings, source: str, fetch: LastFetch) -> None:
    """Remember what came of asking."""
    path = path_of(settings, source)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(fetch), default=str, indent=1, ensure_ascii=False))
