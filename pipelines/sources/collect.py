"""Bringing files into the raw store from wherever the user points: the bundled facts, a folder, or the hub."""

import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from pipelines.sources import huggingface
from pipelines.sources.huggingface import Hub, HubFile
from pipelines.sources.raw_store import SET_ASIDE, Manifest, RawSnapshot, RawStore, digest
from pipelines.sources.recognition import SUFFIXES, UNRECOGNISED, recognise
from warehouse.settings import Settings

BUNDLED = "bundled"
ONLINE = "online"
LARGEST_FILE_BYTES = 1 << 30

Report = Callable[[str], None]


class NothingFound(LookupError):
    """A source holds nothing that could be read."""


@dataclass
class Collection:
    """What collecting brought.

    Attributes:
        new: Files stored now.
        known: How many files were stored before.
        set_aside: Name and reason of every file that no layout accounts for.
    """

    new: list[RawSnapshot] = field(default_factory=list)
    known: int = 0
    set_aside: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    uri: str
    suffix: str
    payload: bytes
    revision: str | None = None


def collect(sources: Sequence[str], settings: Settings, report: Report = lambda _: None) -> Collection:
    """Store every file of the sources that some layout accounts for; set the others aside with the reason.

    Args:
        sources: `bundled`, `online`, `online:ORG/MODEL` (raw results below that folder), or paths.
        settings: The Skyline home and how to reach the hub.
        report: Called with one line as each file is dealt with.

    Raises:
        NothingFound: a path does not exist, or none of its files could be read; the message says why.
        HubUnavailable, NotOnHub: the hub does not deliver.
        OSError: the store cannot be written.
    """
    store = RawStore(settings.raw)
    total = Collection()
    for source in sources:
        part = Collection()
        for found in _found(source, settings, store, part):
            _store(found, store, part, report)
        if not part.new and not part.known:
            reasons = "; ".join(reason for _, reason in part.set_aside[:3])
            raise NothingFound(
                f"Nothing in {source} could be read: {reasons}"
                if reasons
                else f"{source} holds no CSV, Parquet or JSON file."
            )
        total.new += part.new
        total.known += part.known
        total.set_aside += part.set_aside
    return total


def _store(found: _Found, store: RawStore, part: Collection, report: Report) -> None:
    sha256 = digest(found.payload)
    try:
        what = recognise(found.payload, found.suffix, found.uri)
    except UNRECOGNISED as error:
        part.set_aside.append((found.uri, str(error)))
        report(f"set aside {found.uri}: {error}")
        if not store.holds(sha256, SET_ASIDE):
            store.add(found.payload, found.suffix, _manifest(found, SET_ASIDE, str(error), "unknown", _today(), None))
        return
    if store.holds(sha256, what.source):
        part.known += 1
        return
    manifest = _manifest(found, what.source, what.layout, what.subject, what.as_of, what.licence)
    part.new.append(store.add(found.payload, found.suffix, manifest))
    store.forget_set_aside(sha256)
    report(f"stored {found.uri} as {what.subject} of {what.as_of} ({what.layout})")


def _manifest(found: _Found, source: str, layout: str, subject: str, as_of: dt.date, licence: str | None) -> Manifest:
    now = dt.datetime.now(dt.UTC)
    return Manifest(source, layout, subject, as_of, found.uri, found.revision, licence, now)


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _found(source: str, settings: Settings, store: RawStore, part: Collection) -> Iterator[_Found]:
    if source == BUNDLED:
        folder = resources.files("warehouse").joinpath("reference", "leaderboards")
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if Path(file.name).suffix in SUFFIXES:
                yield _Found(f"bundled/{file.name}", Path(file.name).suffix, file.read_bytes())
    elif source == ONLINE or source.startswith(f"{ONLINE}:"):
        yield from _online(source.partition(":")[2], settings, store, part)
    else:
        yield from _walk(Path(source), part)


def _walk(root: Path, part: Collection) -> Iterator[_Found]:
    if not root.exists():
        raise NothingFound(f"{root} does not exist; give a file, a folder, `{BUNDLED}` or `{ONLINE}`.")
    if root.is_file():
        yield from _read(root, root.name, part)
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield from _read(path, path.relative_to(root).as_posix(), part)


def _read(path: Path, uri: str, part: Collection) -> Iterator[_Found]:
    if path.suffix.lower() not in SUFFIXES:
        part.set_aside.append((uri, f"{path.name} is none of {', '.join(sorted(SUFFIXES))}"))
        return
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            part.set_aside.append((uri, f"{path.name} has {size:,} bytes; the most is {LARGEST_FILE_BYTES:,}"))
            return
        yield _Found(uri, path.suffix.lower(), path.read_bytes())
    except OSError as error:
        part.set_aside.append((uri, f"{path.name} cannot be read: {error.strerror}"))


def _online(prefix: str, settings: Settings, store: RawStore, part: Collection) -> Iterator[_Found]:
    # What was set aside is fetched again: a layout for it may be known by now.
    read = (source for source in store.sources() if source != SET_ASIDE)
    stored = {snapshot.manifest.uri for source in read for snapshot in store.snapshots(source)}
    with Hub(settings) as hub:
        for file in _results(hub, prefix) if prefix else huggingface.PUBLISHED_TABLES:
            # A commit never changes: what was fetched from it once need not be fetched again.
            if file.uri in stored:
                part.known += 1
            else:
                yield _Found(file.uri, Path(file.path).suffix, hub.download(file), file.revision)


def _results(hub: Hub, prefix: str) -> Iterator[HubFile]:
    absent = []
    for dataset in huggingface.RESULT_TREES:
        try:
            yield from hub.result_files(dataset, hub.commit(dataset), prefix)
        except huggingface.NotOnHub as error:
            absent.append(error)
    if len(absent) == len(huggingface.RESULT_TREES):
        raise absent[0]
