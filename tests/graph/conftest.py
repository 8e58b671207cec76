"""Running the graph in this process, on a home of its own, with an instance that is forgotten."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from .graph_run import Run


@pytest.fixture
def home(bundled_home: Path, tmp_path: Path) -> Path:
    """A home in which the bundled facts are already published."""
    return Path(shutil.copytree(bundled_home, tmp_path / "home", symlinks=True))


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Run(home, instance, monkeypatch)
