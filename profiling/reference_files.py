"""Files that ship in reference/; facts of models are read by the loader of the package, also from an archive."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

FOLDER = Path(__file__).parent / "reference"


def reference_text(name: str) -> str:
    """The text of a file there."""
    return files("profiling").joinpath("reference", name).read_text("utf-8")


@cache
def reference_rows(name: str) -> tuple[Mapping[str, str], ...]:
    """The rows of a CSV table there."""
    return tuple(csv.DictReader(io.StringIO(reference_text(name), newline="")))
