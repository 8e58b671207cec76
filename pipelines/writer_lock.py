"""One writer at a time: whoever writes to a home, from the command line or from Dagster's interface, holds its lock."""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from warehouse.settings import Settings


class HomeBusy(RuntimeError):
    """Another process is writing to the home."""


@contextmanager
def only_writer(settings: Settings, patience_s: float = 0) -> Iterator[None]:
    """Hold the home for writing; the system lets go of it even if this process is killed.

    Args:
        settings: The home.
        patience_s: How long to wait for another writer.

    Raises:
        HomeBusy: another process is writing to it still.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    try:
        # Steps of a run may be in other threads than the one that began it.
        lock = FileLock(settings.home / "writer.lock", timeout=patience_s, thread_local=False)
        lock.acquire()
    except Timeout:
        raise HomeBusy(f"Another process is writing to {settings.home}; wait until it is done.") from None
    try:
        yield
    finally:
        lock.release()
