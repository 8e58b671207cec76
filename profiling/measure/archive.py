"""The package as one file: what measuring needs, and none of what it does not."""

from __future__ import annotations

import os
import shutil
import zipfile
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

_MAIN = """import os, sys
os.environ["SKYLINE_PROFILE_ARCHIVE"] = os.path.abspath(sys.argv[0])
from profiling.measure.command import main
main(program=os.path.basename(sys.argv[0]))
"""


class _OfThePackage(ModuleFinder):
    """Follows imports within the package alone; what nodes have besides is theirs."""

    def find_module(self, name: str, path: Any, parent: Any = None) -> Any:
        """The place of a module."""
        if path is None and name != "profiling":
            raise ImportError(name)
        return super().find_module(name, path, parent)


def build(out: Path) -> None:
    """Write the archive: every module that the command imports, however late, and the files of reference/.

    The same sources make the same bytes.
    """
    if itself := os.environ.get("SKYLINE_PROFILE_ARCHIVE"):
        shutil.copyfile(itself, out)
        return
    package = Path(__file__).parents[1]
    finder = _OfThePackage([str(package.parent)])
    finder.import_hook("profiling.measure.command")
    modules = [Path(vars(module)["__file__"]) for module in finder.modules.values()]
    facts = [file for file in package.joinpath("reference").iterdir() if file.is_file()]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "__main__.py", _MAIN.encode())
        for file in sorted([*modules, *facts]):
            _add(archive, file.relative_to(package.parent).as_posix(), file.read_bytes())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
