"""The event log of a run in this process: Dagster's own SQLite files, written through one connection each.

Dagster opens, plans and closes a connection for every statement; each closing flushes the write-ahead log to disk.
For the thousand events of one refresh that cost more than the tables did. Only `refresh` uses this class: the files
are those of `SqliteEventLogStorage`, which the web interface and the daemon go on reading with Dagster's own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, StaticPool, create_engine


class OneConnectionEventLog(SqliteEventLogStorage):
    """`SqliteEventLogStorage` that keeps its connections until it is disposed of."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, Engine] = {}
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:
        """As Dagster makes it from `dagster.yaml`."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard not in self._engines:
                address = self.conn_string_for_shard(shard)
                # The lock above keeps threads apart, so that they may share a connection.
                arguments = {"timeout": 30, "check_same_thread": False}
                self._engines[shard] = create_engine(address, poolclass=StaticPool, connect_args=arguments)
                self._initdb(self._engines[shard])
            with self._engines[shard].begin() as connection:
                yield connection

    def dispose(self) -> None:
        """Close every file."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()
        super().dispose()


def instance(home: Path) -> dg.DagsterInstance:
    """The Dagster instance of a folder, its event log written through one connection per file."""
    storages = {
        "run_storage": ("dagster._core.storage.runs", "SqliteRunStorage", home / "history"),
        "event_log_storage": (__name__, OneConnectionEventLog.__name__, home / "history" / "runs"),
        "schedule_storage": ("dagster._core.storage.schedules", "SqliteScheduleStorage", home / "schedules"),
    }
    overrides: Any = {
        kind: {"module": module, "class": name, "config": {"base_dir": str(folder)}}
        for kind, (module, name, folder) in storages.items()
    }
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=overrides))
