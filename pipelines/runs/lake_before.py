"""A rebuild makes the lake from nothing; until it has published, the lake before is kept, and comes back if it dies.

So the next refresh costs what it always does: it finds what was computed once per state of its inputs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.files import TEMPORARY_PREFIX, remove
from warehouse.settings import Settings


@contextmanager
def lake_from_nothing(settings: Settings) -> Iterator[None]:
    """Have the block make the lake anew; the one before is thrown away if it ends well, and comes back if it does not.

    The caller holds the writer's lock.
    """
    before = _before(settings)
    if settings.lake.folder.exists():
        settings.lake.folder.rename(before)
    try:
        yield
        if before.exists():
            # By its new name it is swept and never comes back, however little of it is removed when somebody is killed.
            discarded = before.rename(before.with_name(f"{TEMPORARY_PREFIX}{before.name}"))
            remove(discarded)
    finally:
        restore_lake(settings)


def restore_lake(settings: Settings) -> None:
    """Put the lake back that a rebuild set aside and did not come to replace; do nothing if none did.

    The caller holds the writer's lock.
    """
    before = _before(settings)
    if before.exists():
        remove(settings.lake.folder)
        before.rename(settings.lake.folder)


def _before(settings: Settings) -> Path:
    return settings.lake.folder.with_name("lake.before")
