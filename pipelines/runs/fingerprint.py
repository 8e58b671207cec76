"""Names what a published warehouse was made from, so that nothing is made twice."""

import hashlib
import os
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from pipelines.sources.boards.fetch_state import last_fetches
from pipelines.sources.raw_store import RawStore
from warehouse.settings import Settings

_PACKAGES = ("pipelines", "analytics", "warehouse", "profiling")
_LIBRARIES = ("polars", "duckdb", "numpy", "moocore")


@cache
def digest_of(*parts: str) -> str:
    """Digest of code and facts: files and folders, named from the folder that holds our packages.

    Whatever lies there counts, but for what Python compiled: a list of suffixes would miss the next kind of facts.
    """
    total = hashlib.sha256()
    root = Path(__file__).resolve().parents[2]
    for part in parts:
        for name in sorted(_files(str(root / part))):
            total.update(f"{os.path.relpath(name, root)}:".encode())
            total.update(Path(name).read_bytes())
    for library in _LIBRARIES:
        total.update(f"{library}=={metadata.version(library)}".encode())
    return total.hexdigest()


def _files(path: str) -> Iterator[str]:
    if Path(path).is_file():
        yield path
    for folder, folders, names in os.walk(path):
        folders[:] = (name for name in folders if name != "__pycache__")
        yield from (f"{folder}{os.sep}{name}" for name in names)


def code() -> str:
    """Digest of all code and facts that derive tables, and of the libraries they use."""
    return digest_of(*_PACKAGES)


def fingerprint(settings: Settings) -> str:
    """Digest of every stored raw file, of the code and facts that derive tables, and of the libraries they use.

    Which declared boards failed when last asked belongs to it: tables and pages say so, though no file changed.
    """
    down = sorted(name for name, fetch in last_fetches(settings).items() if fetch.failed)
    made_from = " ".join([RawStore(settings.raw).fingerprint(), code(), *down])
    return hashlib.sha256(made_from.encode()).hexdigest()
