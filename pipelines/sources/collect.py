"""Bringing files into the raw store from wherever the user points: the bundled facts, a folder, or the hub."""

import datetime as dt
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.sources.boards import USER_FOLDER
from pipelines.sources.dates import today
from pipelines.sources.gzipped import NotUnpacked, plain_name, suffix_of, unpacked
from pipelines.sources.inbox import Dropped, Marks, code_of_readers, dropped_bundle, dropped_file, is_inbox
from pipelines.sources.profiles.recognition import is_bundle
from pipelines.sources.raw_index import HalfFile, Index
from pipelines.sources.raw_store import BUNDLED, SET_ASIDE, Broken, Manifest, RawStore, digest
from pipelines.sources.recognised import Recognised
from pipelines.sources.source_files import LARGEST_FILE_BYTES, Collection, NothingFound, Report, SourceFile
from pipelines.sources.suffixes import PROSE, SUFFIXES
from profiling.measure.bundle import COMPLETE, UnusableBundle, is_complete, pack
from profiling.measure.bundle import SUFFIX as BUNDLE_SUFFIX
from profiling.reference_files import FOLDER
from warehouse.files import printable
from warehouse.reference_files import FOLDER as REFERENCE
from warehouse.settings import Settings

if TYPE_CHECKING:
    from pipelines.sources.boards.declaration import Declared

ONLINE = "online"
BOARD = "board:"
"""Before the name of a declared board: that source alone, online."""
MEASURED = FOLDER / "measured"
"""Bundles that this project measured itself."""

Boards = Callable[[], Mapping[str, "Declared"]]
"""Declared boards by source; reading the declarations takes as long as looking at all files that are known."""


def collect(sources: Sequence[str], settings: Settings, report: Report = lambda _: None) -> Collection:
    """Store every file of the sources that some layout accounts for; set the others aside with the reason.

    Args:
        sources: `bundled`, `online`, `online:ORG/MODEL` (raw results below that folder), `board:NAME` (one declared
            board, online), or paths.
        settings: The Skyline home and how to reach the hub.
        report: Called with one line as each file is dealt with.

    Raises:
        NothingFound: a path does not exist, or none of its files could be read; the message says why.
        HubUnavailable, NotOnHub, SourceDown: the hub or a board does not deliver.
        BrokenDeclaration: a declaration of the home cannot be read.
        OSError: the store cannot be written.
    """
    store = RawStore(settings.raw)
    index = Index(store)
    marks = Marks(settings)
    total = Collection()
    boards = cache(partial(boards_of, settings.home))
    if (settings.home / USER_FOLDER).exists():
        boards()
    for source in sources:
        part = Collection()
        try:
            for file in _source_files(source, settings, index, part, report, boards):
                is_read = _store(file, store, index, part, report, boards)
                if file.dropped:
                    marks.put(file.dropped, None if is_read else code_of_readers())
        finally:
            marks.save()
            for uri, reason in part.set_aside:
                report(f"set aside {uri}: {reason}")
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


def boards_of(home: Path) -> Mapping[str, "Declared"]:
    """Declared boards by source.

    Raises:
        BrokenDeclaration: a declaration of the home cannot be read.
    """
    from pipelines.sources.boards.declaration import declared  # noqa: PLC0415 - loads only where a file is new

    return declared(home)


def _store(file: SourceFile, store: RawStore, index: Index, part: Collection, report: Report, boards: Boards) -> bool:
    """Store what was found unless it is stored; return whether some source reads it."""
    sha256 = digest(file.payload)
    if index.is_read(sha256, file.uri):
        part.known += 1
        return True
    # What every world recognises its files by loads only where one is new.
    from pipelines.sources.boards.recognition import NoBoard  # noqa: PLC0415
    from pipelines.sources.recognition import UNRECOGNISED, recognise  # noqa: PLC0415

    known_boards = boards()
    is_dropped = file.dropped is not None
    try:
        # What a board was asked for is of that board, though another may have the same columns.
        own = {file.board: known_boards[file.board]} if file.board else known_boards
        is_asked = file.board is not None
        recognised = recognise(file.payload, file.suffix, file.uri, own, file.folder, is_asked=is_asked)
        index.refuse_partial_copy(file.payload, recognised, file.uri, same_name=is_dropped)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever one file holds, it keeps none of the others out
        if file.suffix in PROSE and isinstance(error, NoBoard) and error.is_unknown and not file.is_named:
            return False
        is_known = isinstance(error, (*UNRECOGNISED, HalfFile))
        reason = (
            str(error) if is_known else f"a defect of Skyline, which cannot read it: {type(error).__name__}: {error}"
        )
        part.set_aside.append((file.uri, reason))
        if not index.is_set_aside(sha256):
            aside = _manifest(file, Recognised(SET_ASIDE, reason, "unknown", today(), is_dated=False))
            index.add(store.add(file.payload, file.suffix, aside))
        return False
    if before := index.forgotten(sha256, recognised.as_of):
        part.known += 1
        report(f"not stored {file.uri}: {before.snapshot_id} was forgotten on {before.forgotten_at:%Y-%m-%d}")
        return True
    if index.holds(sha256, recognised):
        part.known += 1
        return True
    halves = index.halves_of(file.payload, recognised, file.uri, same_name=is_dropped)
    others = index.others_named(sha256, recognised, file.uri) if is_dropped else []
    stored = store.add(file.payload, file.suffix, _manifest(file, recognised))
    part.new.append(stored)
    index.add(stored)
    if index.is_set_aside(sha256):
        store.forget_set_aside(sha256)
    report(f"stored {file.uri} as {recognised.subject} of {recognised.as_of} ({recognised.layout})")
    for half in halves:
        store.forget(half, f"it is the beginning of {stored.snapshot_id}, which replaces it")
        index.remove(half)
        report(f"replaced {half.snapshot_id}: it was the beginning of {file.uri}")
    for other in others:
        if other not in halves:
            reason = f"{stored.snapshot_id} was dropped under the same name, and replaces it"
            store.set_aside(Broken(other.path, reason, other.manifest))
            index.remove(other)
            report(f"replaced {other.snapshot_id}: {file.uri} is another file now")
    return True


def _manifest(file: SourceFile, recognised: Recognised) -> Manifest:
    licence, now = recognised.licence if file.is_licensed else None, dt.datetime.now(dt.UTC)
    identity = (recognised.source, recognised.layout, recognised.subject, recognised.as_of)
    return Manifest(*identity, file.uri, file.revision, licence, now, recognised.is_dated)


def _source_files(
    source: str, settings: Settings, index: Index, part: Collection, report: Report, boards: Boards
) -> Iterator[SourceFile]:
    if source == BUNDLED:
        folders = ("leaderboards", "boards", "measurements")
        bundled = [file for folder in folders for file in (REFERENCE / folder).iterdir()]
        bundled.append(REFERENCE / "arena_published_ratings.csv")
        for file in sorted(bundled, key=lambda file: file.name):
            if Path(file.name).suffix in SUFFIXES:
                yield SourceFile(f"{BUNDLED}/{file.name}", Path(file.name).suffix, file.read_bytes())
        for folder in sorted(MEASURED.glob(f"*{BUNDLE_SUFFIX}")):
            yield from _packed(folder, f"{BUNDLED}/{folder.name}", part)
    elif source == ONLINE or source.startswith(f"{ONLINE}:"):
        from pipelines.sources.online import of_board, of_hub  # noqa: PLC0415 - httpx loads only where it is asked

        prefix = source.partition(":")[2]
        yield from of_hub(prefix, settings, index, part, report)
        for board in boards().values() if not prefix else ():
            yield from of_board(board.board, settings, index, part, report)
    elif source.startswith(BOARD):
        if (declared_board := boards().get(source.removeprefix(BOARD))) is None:
            raise NothingFound(
                f"No board {source.removeprefix(BOARD)} is declared; `skyline boards` lists those that are."
            )
        from pipelines.sources.online import of_board  # noqa: PLC0415

        yield from of_board(declared_board.board, settings, index, part, report)
    else:
        marks = Marks(settings) if is_inbox(Path(source), settings) else None
        dropped = _in_inbox(Path(source), settings)
        yield from (replace(file, dropped=file.dropped or dropped) for file in _walk(Path(source), part, marks))


def _in_inbox(path: Path, settings: Settings) -> Dropped | None:
    """A bundle of the inbox that was named by itself, as it is now."""
    return dropped_bundle(path, settings.inbox) if is_bundle(path) and is_inbox(path.parent, settings) else None


def _walk(root: Path, part: Collection, marks: Marks | None = None) -> Iterator[SourceFile]:
    """Files and bundles below a path; of the inbox those that its marks do not know, each with its state."""
    if not root.exists():
        raise NothingFound(f"{root} does not exist; give a file, a folder, `{BUNDLED}` or `{ONLINE}`.")
    if is_bundle(root):
        yield from _packed(root, _address(root, root), part)
        return
    if not root.is_dir():
        yield from _read(root, root, part)
        return
    code = code_of_readers() if marks else ""
    for folder, folders, names in os.walk(root):
        bundles = [name for name in sorted(folders) if is_bundle(Path(folder) / name)]
        for name in bundles:
            path = Path(folder) / name
            if reason := _leads_outside(path, root):
                part.set_aside.append((_address(path, root), reason))
                continue
            dropped = dropped_bundle(path, root) if marks else None
            if marks and dropped and marks.has(dropped, code):
                part.known += 1
            else:
                yield from (replace(file, dropped=dropped) for file in _packed(path, _address(path, root), part))
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in bundles)
        for name in sorted(names):
            path = Path(folder) / name
            if suffix_of(name) not in SUFFIXES or name.startswith("."):
                continue
            # Its state is taken before its bytes are read: what changes meanwhile is new again.
            dropped = dropped_file(path, root) if marks else None
            if marks and dropped and marks.has(dropped, code):
                part.known += 1
            else:
                yield from (replace(file, dropped=dropped) for file in _read(path, root, part))


def _packed(folder: Path, uri: str, part: Collection) -> Iterator[SourceFile]:
    """A folder of measurements as one file; one that is still being copied waits."""
    if not is_complete(folder):
        part.set_aside.append((uri, f"{folder.name} is still being written or copied: it has no {COMPLETE}"))
        return
    try:
        yield SourceFile(uri, ".tar", pack(folder))
    except (UnusableBundle, OSError) as error:
        part.set_aside.append((uri, str(error)))


def _read(path: Path, root: Path, part: Collection) -> Iterator[SourceFile]:
    uri = _address(path, root)
    name = uri.rpartition("/")[2]
    if suffix_of(name) not in SUFFIXES:
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
            yield SourceFile(
                plain_name(uri), suffix_of(name), unpacked(payload[:LARGEST_FILE_BYTES], name, LARGEST_FILE_BYTES),
                is_named=path == root, folder=path.absolute().parent.name,
            )  # fmt: skip
    except NotUnpacked as error:
        part.set_aside.append((uri, str(error)))
    except OSError as error:
        part.set_aside.append((uri, f"{name} cannot be read: {error.strerror}"))


def _address(path: Path, root: Path) -> str:
    """Where a file stands below what was named; names that are not text are made such."""
    relative = path.name if path == root else path.relative_to(root).as_posix()
    return printable(relative)


def _leads_outside(path: Path, root: Path) -> str | None:
    """Why a link within a folder is not followed: what lies elsewhere was not given to us to read and to show."""
    if path == root or not path.is_symlink() or path.resolve().is_relative_to(root.resolve()):
        return None
    return f"{_address(path, root)} is a link that leads outside the folder; name its target as a separate source"
