"""The package as one file: its modules and the facts beside them, without calibrations and measurements."""

from __future__ import annotations

import importlib.resources
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MAIN = """import os, sys
os.environ["SKYLINE_PROFILE_ARCHIVE"] = os.path.abspath(sys.argv[0])
from profiling.measure.command import main
main(program=os.path.basename(sys.argv[0]))
"""


def build(out: Path) -> None:
    """Write the archive; the same sources make the same bytes."""
    root = importlib.resources.files("profiling")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for name, content in _contents(root, "profiling"):
            _add(archive, name, content)


def _contents(folder: Any, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{prefix}/{entry.name}"
        if entry.is_file():
            yield name, entry.read_bytes()
        elif entry.name != "__pycache__" and prefix != "profiling/reference":
            yield from _contents(entry, name)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
