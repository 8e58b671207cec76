"""A home with every shared file of boards stored, read once whichever of the parallel workers asks first."""

import os
from pathlib import Path

import pytest
from filelock import FileLock

from pipelines.defs.boards.tables import Boards, read_boards
from pipelines.sources.collect import collect
from warehouse.settings import Settings


@pytest.fixture(scope="session")
def board_files(shared_data: Path) -> Path:
    """Folder of published files of boards, which are not part of the project."""
    folder = shared_data / "boards"
    if not folder.is_dir():
        pytest.skip("the real files of boards are not on this machine")
    return folder


@pytest.fixture(scope="session")
def board_home(board_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that stores them all; for reading only."""
    workers = tmp_path_factory.getbasetemp()
    shared = workers.parent if "PYTEST_XDIST_WORKER" in os.environ else workers
    home = shared / "boards"
    with FileLock(shared / "boards.lock"):
        if not (home / "stored").exists():
            collect([str(board_files)], Settings.model_validate({"home": str(home)}))
            read_boards(home)  # what it keeps of the files serves every worker
            (home / "stored").touch()
    return home


@pytest.fixture(scope="session")
def boards(board_home: Path) -> Boards:
    """What they say, as the tables of the capability."""
    return read_boards(board_home)
