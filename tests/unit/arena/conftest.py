"""Where the real files of the Arena tests are."""

from pathlib import Path

import pytest
from hypothesis import settings

# Laws are about results; how long an example takes depends on who else uses the machine.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = Path(__file__).parents[4] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real files at {folder}")
    return folder
