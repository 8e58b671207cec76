"""What collecting brings: files on their way into the raw store, and what became of them."""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines.sources.inbox import Dropped
from pipelines.sources.raw_store import RawSnapshot

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
        unreachable: Dataset and reason of each that the hub did not deliver while others came.
    """

    new: list[RawSnapshot] = field(default_factory=list)
    known: int = 0
    set_aside: list[tuple[str, str]] = field(default_factory=list)
    unreachable: list[tuple[str, Exception]] = field(default_factory=list)


@dataclass(frozen=True)
class SourceFile:
    """A file of a source, whole, as it was found."""

    uri: str
    suffix: str
    payload: bytes
    revision: str | None = None
    dropped: Dropped | None = None
    is_licensed: bool = True
    is_named: bool = False
    board: str | None = None
    folder: str = ""
