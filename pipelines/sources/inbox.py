"""The watched folder: which of its files are whole, and which have been read already.

Files stay where they were dropped. What was read is marked in the home by name, size and times, so that a look at the
folder costs as much as what is new in it, and a file that grows or is replaced is new again.
"""

import hashlib
import json
import math
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipelines.sources.gzipped import suffix_of
from pipelines.sources.profiles.recognition import is_bundle
from pipelines.sources.suffixes import SUFFIXES
from profiling.measure.bundle import is_complete
from warehouse.files import printable, read_object, write_text
from warehouse.settings import Settings

# A file that is still being copied keeps changing; one that has been still for this long is whole, unless its writer
# still has it open.
SETTLED_AFTER_S = 2.0
ARRIVING_WITHIN_S = 60.0
"""A bundle that lacks something and rested for longer is not on its way."""


@dataclass(frozen=True)
class Dropped:
    """A file or a bundle that lies in the inbox.

    Attributes:
        path: Where.
        name: Its path below the inbox.
        state: Names what lies there, as long as nobody changes it.
    """

    path: Path
    name: str
    state: str


class Marks:
    """What of a home's inbox was read, by name and state."""

    def __init__(self, settings: Settings) -> None:
        self._path = settings.home / "inbox-read.json"
        # Without marks all is new: reading what is stored already changes nothing.
        self._read: dict[str, str] = read_object(self._path)

    def has(self, dropped: Dropped, code: str = "") -> bool:
        """Whether that state was read, or set aside by the same code."""
        return self.knows(dropped.name, dropped.state, code)

    def knows(self, name: str, state: str, code: str) -> bool:
        """The same of what has that name."""
        return self._read.get(name) in {state, f"{state} set aside by {code}"}

    def put(self, dropped: Dropped, set_aside_by: str | None = None) -> None:
        """Note that it was read, or by which code it was set aside."""
        self._read[dropped.name] = dropped.state + (f" set aside by {set_aside_by}" if set_aside_by else "")

    def drop(self, name: str) -> None:
        """Have it read again."""
        self._read.pop(name, None)

    def save(self) -> None:
        """Write them down."""
        write_text(self._path, json.dumps(self._read, ensure_ascii=False, indent=0))


def is_inbox(path: Path, settings: Settings) -> bool:
    """Whether a source is the watched folder of the home."""
    return os.path.realpath(path) == os.path.realpath(settings.inbox)  # links may lead in a circle


def new_files(settings: Settings, code: str = "") -> list[Dropped]:
    """Files at any depth of a kind that some source reads, whole, and not yet read in their present state."""
    marks = Marks(settings)
    moment = time.time()
    paths = []
    for entry, name in _entries(str(settings.inbox)):
        # Thousands may lie there that were read long ago: such a one costs one look at its size and times.
        state = _state_of(entry)
        if state is None or marks.knows(name, state, code):
            continue
        path = Path(entry.path)
        if _is_complete(path, moment):
            paths.append(Dropped(path, name, state))
    return paths


def complete_files(folder: Path, now_s: float) -> list[Path]:
    """Files of a folder, at any depth, of a kind that some source reads and that nobody is still writing."""
    return [path for entry, _ in _entries(str(folder)) if _is_complete(path := Path(entry.path), now_s)]


def dropped_file(path: Path, inbox: Path) -> Dropped | None:
    """The file as it is now; None where it went meanwhile."""
    try:
        return Dropped(path, printable(path.relative_to(inbox).as_posix()), _state(path))
    except OSError:
        return None


def _state(path: Path) -> str:
    """Names what a file holds: whoever writes to it can set its time back, but not the time at which he did so."""
    return _state_text(path.stat())


def _state_text(stat: os.stat_result) -> str:
    return f"{stat.st_mtime_ns}:{stat.st_size}:{stat.st_ctime_ns}"


def _state_of(entry: "os.DirEntry[str]") -> str | None:
    """The same of what was just listed; None where it went meanwhile."""
    try:
        return _state_text(entry.stat())
    except OSError:
        return None


def dropped_bundle(path: Path, inbox: Path) -> Dropped | None:
    """The bundle as it is now; None while it is not whole."""
    state = bundle_state(path, math.inf)
    return Dropped(path, printable(path.relative_to(inbox).as_posix()), state) if state else None


@cache
def code_of_readers() -> str:
    """Names the code that recognises files: what one version set aside, the next may read."""
    total = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*")):
        if path.suffix in {".py", ".toml"}:
            total.update(path.read_bytes())
    return total.hexdigest()[:16]


def new_bundles(settings: Settings, code: str = "") -> tuple[list[Dropped], list[str]]:
    """Bundles of measurements that have wholly arrived and were not read, and names of those still on their way."""
    marks = Marks(settings)
    arrived, waiting = [], []
    for path in _bundles(settings):
        state = bundle_state(path, time.time())
        if state is None:
            waiting.append(printable(path.name))
        elif not marks.has(dropped := Dropped(path, printable(path.name), state), code):
            arrived.append(dropped)
    return arrived, waiting


def _bundles(settings: Settings) -> list[Path]:
    """Bundles of the inbox; what a link leads to was not dropped, and may be the whole machine."""
    return sorted(path for path in settings.inbox.glob("*") if is_bundle(path) and not path.is_symlink())


def arriving_bundles(settings: Settings) -> list[str]:
    """Bundles that are not whole and into which something was written within the last minute."""
    moment = time.time()
    return [
        printable(path.name)
        for path in _bundles(settings)
        if bundle_state(path, moment) is None and moment - _last_written_s(path) < ARRIVING_WITHIN_S
    ]


def _last_written_s(folder: Path) -> float:
    return max(path.lstat().st_mtime for path in (folder, *folder.rglob("*")) if os.path.lexists(path))


def bundle_state(folder: Path, now_s: float) -> str | None:
    """Names what lies in a bundle's folder; None while it is incomplete or something in it is still moving."""
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        # Tools that copy need not keep the order of files: the mark alone does not say that all is there.
        if not is_complete(folder) or any(_is_moving(path, now_s) for path in files):
            return None
        return digest_of_state(f"{path.relative_to(folder)}:{_state(path)}" for path in files)
    except OSError:  # one of them went meanwhile
        return None


def digest_of_state(parts: Iterator[str]) -> str:
    """A short name of any number of states: databases index the keys of runs, and admit no long ones."""
    return hashlib.sha256("|".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _entries(folder: str, within: str = "") -> Iterator[tuple["os.DirEntry[str]", str]]:
    """Files of a folder, at any depth, of a kind that some source reads, and their names below it; in their order."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # it is not there, went meanwhile, or is closed to us
        return
    deeper = []
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if not is_bundle(Path(entry.path)):
                deeper.append(entry)
        elif suffix_of(entry.name) in SUFFIXES and _is_file(entry):
            yield entry, printable(within + entry.name)
    for entry in deeper:
        yield from _entries(entry.path, f"{within}{entry.name}/")


def _is_file(entry: "os.DirEntry[str]") -> bool:
    # Of a link that leads in a circle the one fails, the other knows.
    return Path(entry.path).is_file() if entry.is_symlink() else entry.is_file()


def _is_complete(path: Path, now_s: float) -> bool:
    try:
        return not _is_moving(path, now_s) and not is_open_for_writing(path)
    except OSError:
        return False


def _is_moving(path: Path, now_s: float) -> bool:
    """Whether a file was changed just now; one of a later day than today is none that somebody writes."""
    return abs(now_s - path.stat().st_mtime) < SETTLED_AFTER_S


def is_open_for_writing(path: Path) -> bool:
    """Whether some process of this machine is writing the file; False where the system cannot say.

    The system grants a lease for reading only while nobody has the file open for writing.
    """
    try:
        import fcntl  # noqa: PLC0415 - Windows has none
    except ImportError:
        return False
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # Whoever opens the file while we hold the lease has us told; of this signal nobody takes notice.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:  # a file of another user, or a file system without leases
        return False
    finally:
        os.close(descriptor)
    return False
