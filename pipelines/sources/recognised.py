"""What a recogniser says of a file."""

import datetime as dt
from dataclasses import dataclass


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
    """

    source: str
    layout: str
    subject: str
    as_of: dt.date
    licence: str | None = None
    dated_by_name: bool = False
