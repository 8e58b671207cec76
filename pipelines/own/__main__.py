"""Reads one file of a visitor in a process of its own, whose time and memory its caller limits.

Called as `python -m pipelines.own FILE OUT`, with the file's name and what its visitor says of it as JSON on standard
input. Writes the rows of each table as Parquet into OUT and says on standard output, in one line of JSON, what the file
is; or `problem`, a sentence.
"""

import contextlib
import json
import sys
import tempfile
from pathlib import Path

from pipelines.own.problems import MOST
from pipelines.own.tables import NotUsable, read_own_file
from pipelines.sources.measurements.rows import Stated
from warehouse.settings import Settings

_MOST_MEMORY_BYTES = 6 << 30


def main(file: Path, out: Path) -> None:
    """Read the file, write its rows, say what it is."""
    _limit_memory()
    request = json.loads(sys.stdin.read())
    stated = Stated(**{name: value for name, value in request["stated"].items() if value})
    try:
        with tempfile.TemporaryDirectory(dir=out) as scratch:
            own_file = read_own_file(file.read_bytes(), request["name"], Settings(), Path(scratch), stated)
    except NotUsable as error:
        print(json.dumps({"problem": str(error)}))
        return
    for relation, frame in own_file.tables.items():
        frame.write_parquet(out / f"{relation}.parquet")
    print(
        json.dumps(
            {
                "kind": own_file.kind, "key": own_file.key, "what": own_file.what, "rows_read": own_file.rows_read,
                "rows_loaded": own_file.rows_loaded, "problems": own_file.problems[:MOST],
                "more_problems": max(len(own_file.problems) - MOST, 0), "notes": own_file.notes,
                "held_bytes": sum(frame.estimated_size() for frame in own_file.tables.values()),
            }
        )
    )  # fmt: skip


def _limit_memory() -> None:
    """Beyond it an allocation fails, and the process with it; on Windows there is no such limit."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - not on Windows

        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY_BYTES, _MOST_MEMORY_BYTES))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
