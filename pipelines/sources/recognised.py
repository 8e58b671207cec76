"""A file that nobody has read yet, and what a recogniser says of it."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipelines.sources.tables import UnreadableFile, header_of
from profiling.foreign import json_object

if TYPE_CHECKING:
    from pipelines.sources.boards.declaration import Declared

TABLES = frozenset({".csv", ".parquet"})


@dataclass(frozen=True)
class Unread:
    """A file that every world is shown in turn; what several look at is parsed once.

    Attributes:
        payload: Its bytes.
        suffix: Its suffix in lower case.
        uri: Its name or address.
        boards: Declared boards by source.
        folder: Name of the folder it lies in, where that is known.
        is_asked: Whether it was fetched from the one source in `boards`.
    """

    payload: bytes
    suffix: str
    uri: str
    boards: Mapping[str, "Declared"]
    folder: str = ""
    is_asked: bool = False

    @cached_property
    def header(self) -> list[str]:
        """Columns of a table.

        Raises:
            UnreadableFile: its bytes are not what its name says.
        """
        return header_of(self.payload, self.suffix, self.uri)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The object that a JSON file holds.

        Raises:
            UnreadableFile: it holds none.
        """
        return json_object(self.payload, self.uri, UnreadableFile)


@dataclass(frozen=True)
class Recognised:
    """A file that some source can read.

    Attributes:
        source: Folder of the raw store, and the reader.
        layout: Declared layout.
        subject: Board or publication.
        as_of: Date at which the source said this.
        licence: What the publisher states.
        dated_by_name: Only its name says the date, so the same bytes may speak of several.
        is_dated: Whether file or name say the date; else it is the day of retrieval.
    """

    source: str
    layout: str
    subject: str
    as_of: dt.date
    licence: str | None = None
    dated_by_name: bool = False
    is_dated: bool = True
