"""How a home is laid out, as a number that rises when an older Skyline could no longer read or write it."""

import json
from pathlib import Path

from warehouse.files import ASIDE_PREFIX, read_object, write_text
from warehouse.project import version as installed

FORMAT = 2
"""1 was that of 0.1.0, whose homes do not say so; 2 has a record of what was forgotten and marks of what was read."""
_FILE = "format.json"
_FILES = ("*.lock", "*.json", "*.key", "writer.unfinished", "dagster/*.yaml", "fetched/*.json", "lake/**/*.*")


class NewerHome(RuntimeError):
    """A home was written by a Skyline newer than this one."""


def require_known(home: Path) -> None:
    """Refuse to touch a home that a newer Skyline wrote.

    Raises:
        NewerHome: its format is above ours; the message names the version that wrote it.
    """
    versions = _versions(home)
    if versions.get("format", 1) > FORMAT:
        raise NewerHome(refusal(home, str(versions.get("written_by", "a newer version"))))


def refusal(where: Path, version: str) -> str:
    """The sentence in which a newer home is refused."""
    return (
        f"{where} was written by Skyline {version}, which is newer than this one ({installed()}). Run"
        " that version, or take another home: `skyline rollback` there does not make it older."
    )


def misplaced(home: Path) -> list[Path]:
    """What stands in a home where a file of ours belongs and is none: a pipe, a folder, a link that leads nowhere.

    Those below `raw` and `published` are known to whoever reads them.
    """
    named = (path for pattern in _FILES for path in home.glob(pattern))
    return sorted(path for path in named if not path.is_file() and not path.name.startswith(ASIDE_PREFIX))


def note(home: Path) -> None:
    """Write down the format, unless it stands there."""
    if _versions(home).get("format") != FORMAT:
        write_text(home / _FILE, json.dumps({"format": FORMAT, "written_by": installed()}))


def _versions(home: Path) -> dict[str, int]:
    content = read_object(home / _FILE)
    return content if isinstance(content.get("format", 1), int) else {}
