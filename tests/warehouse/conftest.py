"""A lake and a published folder of their own."""

from pathlib import Path

import pytest

from warehouse.lake import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "published"
