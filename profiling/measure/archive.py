"""The package as one file: what measuring needs, and none of what it does not."""

from __future__ import annotations

import importlib.resources
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_MODULES = (
    "__init__", "errors", "roofline/__init__", "roofline/operators", "roofline/tokens", "roofline/workload",
    "systems",
)  # fmt: skip
_FOLDERS = ("models", "measure")
_FACTS = ("reference/architectures.csv", "reference/config_defaults.json", "reference/weight_formats.csv",
          "reference/public_domain.txt")  # fmt: skip
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
        for name in (*(f"{module}.py" for module in _MODULES), *_FACTS):
            _add(archive, f"profiling/{name}", root.joinpath(name).read_bytes())
        for folder in _FOLDERS:
            for name, content in _sources(root.joinpath(folder), f"profiling/{folder}"):
                _add(archive, name, content)


def _sources(folder: Any, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _sources(entry, f"{prefix}/{entry.name}")
        elif entry.name.endswith(".py"):
            yield f"{prefix}/{entry.name}", entry.read_bytes()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
