"""What the documentation shows people to type: fenced `sh` and `sql` blocks, and which of them no test runs."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXCEPTIONS = ROOT / "docs" / "not-run.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| (\S+\.md) \| `(.+)` \| (.+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One page, by its path from the root of the repository."""

    name: str

    def blocks(self, language: str) -> list[str]:
        """Fenced blocks in that language, in order."""
        text = (ROOT / self.name).read_text("utf-8")
        return [body for fenced, body in _FENCE.findall(text) if fenced == language]

    def commands(self) -> list[str]:
        """Every command shown, in order; one may fold over several lines."""
        return [command for block in self.blocks("sh") for command in _commands(block)]

    def run(self) -> list[str]:
        """The commands that a test runs: all but the exceptions."""
        return [command for command in self.commands() if (self.name, bare(command)) not in exceptions()]


_ADDING = ROOT / "docs" / "adding"
PAGES = [
    Page(str(path.relative_to(ROOT)))
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if path.parent != _ADDING
]
ADDING = [Page(str(path.relative_to(ROOT))) for path in sorted(_ADDING.glob("*.md")) if path.name != "index.md"]
"""Pages that change the project itself, so each is tried on a copy of it."""


@cache
def exceptions() -> dict[tuple[str, str], str]:
    """Page and command that no test runs, with the reason."""
    return {(page, command): why for page, command, why in _ROW.findall(EXCEPTIONS.read_text("utf-8"))}


@cache
def _is_whole(text: str) -> bool:
    """Whether bash would run it rather than wait for more."""
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    return checked.returncode == 0 and not checked.stderr and not text.rstrip().endswith("\\")


def _commands(block: str) -> Iterator[str]:
    pending = ""
    for line in block.splitlines():
        pending += f"{line}\n"
        if _is_whole(pending):
            if pending.strip():
                yield pending.strip()
            pending = ""
    assert not pending, f"bash cannot read {pending!r}"


def bare(command: str) -> str:
    """The command without the comment behind it."""
    return re.sub(r"\s+#.*$", "", command)
