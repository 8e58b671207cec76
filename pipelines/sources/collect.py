"""Bringing files into the raw store from wherever the user points: the bundled facts, a folder, or the hub."""

import datetime as dt
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from pipelines.sources import huggingface
from pipelines.sources.huggingface import Hub, HubFile
from pipelines.sources.profile_bundles import is_bundle
from pipelines.sources.raw_store import SET_ASIDE, Manifest, RawSnapshot, RawStore, digest
from pipelines.sources.recognition import SUFFIXES, UNRECOGNISED, recognise
from profiling.measure.bundle import COMPLETE, UnusableBundle, is_complete, pack
from profiling.measure.bundle import SUFFIX as BUNDLE_SUFFIX
from profiling.sources import REFERENCE
from warehouse.settings import Settings

BUNDLED = "bundled"
ONLINE = "online"
LARGEST_FILE_BYTES = 1 << 30
MEASURED = REFERENCE / "measured"
"""Bundles that this project measured itself."""

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
        unreachable: Dataset and reason of each that the hub did not deliver while others came.
    """

    new: list[RawSnapshot] = field(default_factory=list)
    known: int = 0
    set_aside: list[tuple[str, str]] = field(default_factory=list)
    unreachable: list[tuple[str, Exception]] = field(default_factory=list)


@dataclass(frozen=True)
class _Found:
    uri: str
    suffix: str
    payload: bytes
    revision: str | None = None


@dataclass(frozen=True)
class _Index:
    """Digest and name of every stored file that some source reads; what was set aside is looked at again."""

    read: set[tuple[str, str]]

    @classmethod
    def of(cls, store: RawStore) -> "_Index":
        sources = (source for source in store.sources() if source != SET_ASIDE)
        return cls({(stored.sha256, stored.manifest.uri) for source in sources for stored in store.snapshots(source)})

    def holds(self, file: HubFile) -> bool:
        """Whether that commit of the file, or other bytes known to be the same, were stored before."""
        return any(file.uri == uri or file.sha256 == sha256 for sha256, uri in self.read)


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
    index = _Index.of(store)
    total = Collection()
    for source in sources:
        part = Collection()
        for found in _found(source, settings, index, part, report):
            _store(found, store, index, part, report)
        if not part.new and not part.known:
            if part.unreachable and not part.set_aside:
                raise part.unreachable[0][1]
            reasons = "; ".join(reason for _, reason in part.set_aside[:3])
            raise NothingFound(
                f"Nothing in {source} could be read: {reasons}"
                if reasons
                else f"{source} holds no CSV, Parquet or JSON file."
            )
        total.new += part.new
        total.known += part.known
        total.set_aside += part.set_aside
        total.unreachable += part.unreachable
    return total


def _store(found: _Found, store: RawStore, index: "_Index", part: Collection, report: Report) -> None:
    sha256 = digest(found.payload)
    if (sha256, found.uri) in index.read:
        part.known += 1
        return
    try:
        what = recognise(found.payload, found.suffix, found.uri)
    except UNRECOGNISED as error:
        part.set_aside.append((found.uri, str(error)))
        report(f"set aside {found.uri}: {error}")
        if not store.holds(sha256, SET_ASIDE):
            store.add(found.payload, found.suffix, _manifest(found, SET_ASIDE, str(error), "unknown", _today(), None))
        return
    if store.holds(sha256, what.source, what.as_of if what.dated_by_name else None):
        part.known += 1
        return
    manifest = _manifest(found, what.source, what.layout, what.subject, what.as_of, what.licence)
    part.new.append(store.add(found.payload, found.suffix, manifest))
    index.read.add((sha256, found.uri))
    store.forget_set_aside(sha256)
    report(f"stored {found.uri} as {what.subject} of {what.as_of} ({what.layout})")


def _manifest(found: _Found, source: str, layout: str, subject: str, as_of: dt.date, licence: str | None) -> Manifest:
    now = dt.datetime.now(dt.UTC)
    return Manifest(source, layout, subject, as_of, found.uri, found.revision, licence, now)


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _found(source: str, settings: Settings, index: _Index, part: Collection, report: Report) -> Iterator[_Found]:
    if source == BUNDLED:
        reference = resources.files("warehouse").joinpath("reference")
        bundled = [*reference.joinpath("leaderboards").iterdir(), reference.joinpath("arena_published_ratings.csv")]
        for file in sorted(bundled, key=lambda file: file.name):
            if Path(file.name).suffix in SUFFIXES:
                yield _Found(f"bundled/{file.name}", Path(file.name).suffix, file.read_bytes())
        for folder in sorted(MEASURED.glob(f"*{BUNDLE_SUFFIX}")):
            yield from _packed(folder, f"bundled/{folder.name}", part)
    elif source == ONLINE or source.startswith(f"{ONLINE}:"):
        yield from _online(source.partition(":")[2], settings, index, part, report)
    else:
        yield from _walk(Path(source), part)


def _walk(root: Path, part: Collection) -> Iterator[_Found]:
    if not root.exists():
        raise NothingFound(f"{root} does not exist; give a file, a folder, `{BUNDLED}` or `{ONLINE}`.")
    if is_bundle(root):
        yield from _packed(root, _address(root, root), part)
        return
    if not root.is_dir():
        yield from _read(root, root, part)
        return
    for folder, folders, names in os.walk(root):
        bundles = [name for name in sorted(folders) if is_bundle(Path(folder) / name)]
        for name in bundles:
            path = Path(folder) / name
            if reason := _leads_outside(path, root):
                part.set_aside.append((_address(path, root), reason))
            else:
                yield from _packed(path, _address(path, root), part)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in bundles)
        for name in sorted(names):
            path = Path(folder) / name
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield from _read(path, root, part)


def _packed(folder: Path, uri: str, part: Collection) -> Iterator[_Found]:
    """A folder of measurements as one file; one that is still being copied waits."""
    if not is_complete(folder):
        part.set_aside.append((uri, f"{folder.name} is still being written or copied: it has no {COMPLETE}"))
        return
    try:
        yield _Found(uri, ".tar", pack(folder))
    except (UnusableBundle, OSError) as error:
        part.set_aside.append((uri, str(error)))


def _read(path: Path, root: Path, part: Collection) -> Iterator[_Found]:
    uri = _address(path, root)
    name = uri.rpartition("/")[2]
    if path.suffix.lower() not in SUFFIXES:
        part.set_aside.append((uri, f"{name} is none of {', '.join(sorted(SUFFIXES))}"))
        return
    try:
        status = path.stat()
        if reason := _leads_outside(path, root):
            part.set_aside.append((uri, reason))
        elif not stat.S_ISREG(status.st_mode):
            # A pipe or a device would be waited for without end.
            part.set_aside.append((uri, f"{name} is no ordinary file"))
        elif status.st_size > LARGEST_FILE_BYTES:
            part.set_aside.append((uri, f"{name} has {status.st_size:,} bytes; the most is {LARGEST_FILE_BYTES:,}"))
        else:
            with path.open("rb") as stream:
                payload = stream.read(LARGEST_FILE_BYTES + 1)  # it may have grown
            yield _Found(uri, path.suffix.lower(), payload[:LARGEST_FILE_BYTES])
    except OSError as error:
        part.set_aside.append((uri, f"{name} cannot be read: {error.strerror}"))


def _address(path: Path, root: Path) -> str:
    """Where a file stands below what was named; names that are not text are made such."""
    relative = path.name if path == root else path.relative_to(root).as_posix()
    return os.fsencode(relative).decode("utf-8", "replace")


def _leads_outside(path: Path, root: Path) -> str | None:
    """Why a link within a folder is not followed: what lies elsewhere was not given to us to read and to show."""
    if path == root or not path.is_symlink() or path.resolve().is_relative_to(root.resolve()):
        return None
    return f"{_address(path, root)} is a link to outside of the folder; name its target as a source of its own"


def _online(prefix: str, settings: Settings, index: _Index, part: Collection, report: Report) -> Iterator[_Found]:
    with Hub(settings) as hub:
        listings: list[tuple[str, Iterable[HubFile]]] = [(f"results of {prefix}", _results(hub, prefix))]
        if not prefix:
            listings = [(file.dataset, [file]) for file in huggingface.PUBLISHED_TABLES]
            listings.append((huggingface.ARENA_DATASET, _arena(hub)))
        for dataset, listing in listings:
            try:
                for file in listing:
                    # A commit never changes: what was fetched from it once need not be fetched again.
                    if index.holds(file):
                        part.known += 1
                    else:
                        yield _Found(file.uri, Path(file.path).suffix, hub.download(file), file.revision)
            except (huggingface.NotOnHub, huggingface.HubUnavailable) as error:
                # One dataset out of reach must not keep the others from being loaded.
                part.unreachable.append((dataset, error))
                report(f"not reached {dataset}: {error}")


def _arena(hub: Hub) -> Iterator[HubFile]:
    dataset = huggingface.ARENA_DATASET
    yield from hub.files(dataset, hub.commit(dataset), ".parquet")


def _results(hub: Hub, prefix: str) -> Iterator[HubFile]:
    absent = []
    for dataset in huggingface.RESULT_TREES:
        try:
            yield from hub.files(dataset, hub.commit(dataset), ".json", prefix)
        except huggingface.NotOnHub as error:
            absent.append(error)
    if len(absent) == len(huggingface.RESULT_TREES):
        raise absent[0]
