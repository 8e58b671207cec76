"""One writer at a time: whoever writes to a home, from the command line or from Dagster's interface, holds its lock."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from filelock import FileLock, Timeout

from pipelines.runs.lake_before import restore_lake
from profiling import systems
from warehouse.files import set_aside, vacated, writing_to
from warehouse.format import misplaced, note, require_known
from warehouse.settings import Settings

UNFINISHED = "writer.unfinished"
"""File of a home that says that a writer has begun and not come to an end."""
_ASK_EVERY_S = 0.1


class HomeBusy(RuntimeError):
    """Another process is writing to the home."""


@dataclass
class Hold:
    """A home held for writing.

    Attributes:
        interrupted: Whether a writer before was killed and nobody has yet dealt with what it left.
    """

    interrupted: bool


@contextmanager
def only_writer(settings: Settings, patience_s: float = 0) -> Iterator[Hold]:
    """Hold the home for writing; the system lets go of it even if this process is killed.

    Args:
        settings: The home.
        patience_s: How long to wait for another writer.

    Raises:
        HomeBusy: another process is writing to it still.
        NewerHome: a newer Skyline wrote it.
        NotWritable: it cannot be written, from the beginning or in the middle of the block.
    """
    with writing_to(settings.home), _locked(settings, patience_s) as hold:
        yield hold


@contextmanager
def _locked(settings: Settings, patience_s: float) -> Iterator[Hold]:
    settings.home.mkdir(parents=True, exist_ok=True)
    busy = HomeBusy(f"Another process is writing to {settings.home}; wait until it has finished.")
    until = time.monotonic() + patience_s
    try:
        # A generator that Dagster drives may be ended in another thread than the one that began it.
        lock = FileLock(vacated(settings.home / "writer.lock"), timeout=patience_s, thread_local=False)
        lock.acquire()
    except Timeout:
        raise busy from None
    try:
        require_known(settings.home)
        _wait_for_steps(settings, until, busy)
        for path in misplaced(settings.home):
            set_aside(path)
        note(settings.home)
        restore_lake(settings)
        # Removed at the end of every writer that comes to one; the system cannot do so for one that is killed.
        mark = settings.home / UNFINISHED
        hold = Hold(interrupted=mark.exists())
        try:
            mark.touch()
            yield hold
        finally:
            if not hold.interrupted:
                mark.unlink(missing_ok=True)
    finally:
        lock.release()


@contextmanager
def writing_step(settings: Settings) -> Iterator[None]:
    """Mark a step that writes, in whatever process: it may outlive the process of its run, if that one is killed."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with _steps(settings) as file:
        systems.lock(file, shared=True)
        yield


def _wait_for_steps(settings: Settings, until: float, busy: HomeBusy) -> None:
    """Wait for the steps of a run that was killed, which nobody else waits for.

    Raises:
        HomeBusy: one of them is still at it.
    """
    with _steps(settings) as file:
        while True:
            try:
                systems.lock(file)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise busy from None
                time.sleep(_ASK_EVERY_S)
            else:
                return


def _steps(settings: Settings) -> IO[str]:
    return vacated(settings.home / "steps.lock").open("a", encoding="utf-8")
