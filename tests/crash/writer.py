"""A pipeline in small, to be killed: stores a snapshot, writes a table, publishes, says so, and begins again."""

import datetime as dt
import sys
from pathlib import Path

from pipelines.sources.raw_store import Manifest, RawStore
from tests.warehouse.small_tables import TABLES, write_version
from warehouse.lake import Lake
from warehouse.publish import publish


def main(home: Path) -> None:
    """Go on from the snapshots that are there until killed."""
    store, lake = RawStore(home / "raw"), Lake(home / "lake")
    version = len(store.snapshots("test"))
    while True:
        manifest = Manifest(
            "test", "small", "board", dt.date(2024, 1, 1), "memory", None, None, dt.datetime.now(dt.UTC)
        )
        store.add(f"version {version}\n".encode() * 20_000, ".txt", manifest)
        print("stored", version, flush=True)
        write_version(lake, version, rows=20_000)
        publish(lake, TABLES, home / "published", str(version))
        print("published", version, flush=True)
        version += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]))
