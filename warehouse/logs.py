"""Logs as people read them, or one JSON object a line for machines."""

import datetime as dt
import json
import logging
import sys

from warehouse.settings import Settings

MOST_CHARACTERS = 4_000


class Brief(logging.LogRecord):
    """A record whose message has an end: libraries write down whole what a stranger sent and they could not read."""

    def getMessage(self) -> str:  # noqa: N802 - as logging names it
        """The message, and how much of it is left out."""
        text = super().getMessage()
        more = len(text) - MOST_CHARACTERS
        return text if more <= 0 else f"{text[:MOST_CHARACTERS]}… ({more:,} more characters)"


class AsJson(logging.Formatter):
    """Time, level, logger and message of a record, what was given as `extra`, and the traceback where there is one."""

    _OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        entry = {
            "time": dt.datetime.fromtimestamp(record.created, tz=dt.UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {name: value for name, value in vars(record).items() if name not in self._OWN}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)


def start(settings: Settings) -> None:
    """Write logs of this process to standard error, as the settings ask."""
    logging.setLogRecordFactory(Brief)
    if settings.log_format == "json":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(AsJson())
        logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
