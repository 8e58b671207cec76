"""What tests of every room share: their order, the real files beside the project, homes made once for all of them."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.unit.sources.hub_server import HubServer, hub_server, without_proxy
from warehouse.settings import Settings

# What a script starts in the background has SIGINT ignored. Dagster gives SIGTERM the same after every run, processes
# started then inherit it, and no server of a test would end when told to.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Workers run side by side: linear algebra in as many threads as there are cores would wait for cores that are not free,
# and wait busily.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# How long one example takes says more about the machine than about the law.
# SKYLINE_EXAMPLES=1000 looks longer than every commit should, and elsewhere each time; without it a test that passed
# goes on passing until something changes.
_LONGER = os.environ.get("SKYLINE_EXAMPLES")
settings.register_profile("skyline", deadline=None, max_examples=int(_LONGER or 50), derandomize=_LONGER is None)
settings.load_profile("skyline")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are cores: while a test waits for a browser, a server or a clock, another works."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Page tests come last, and what reads a whole folder of real files is slow.

    Playwright keeps an event loop running in the thread of the tests, in which nothing that starts its own can work.
    Workers take whole files in this order (`--dist loadfile --no-loadscope-reorder`), so a file has page tests only, or
    none.
    """
    for item in items:
        needs = set(getattr(item, "fixturenames", ()))
        if needs & {"leaderboard_home", "board_home"}:
            item.add_marker(pytest.mark.slow)
        if needs & {"browser", "page"}:
            item.add_marker(pytest.mark.page)
    # While the first file that reads the bundled home makes it, the other workers have files that do not. The longest
    # file of pages comes first of them, so that no worker is left alone with it.
    waiting = dict.fromkeys(item.path for item in items if "bundled_home" in getattr(item, "fixturenames", ()))
    making = next(iter(waiting), None)
    items.sort(
        key=lambda item: (
            item.get_closest_marker("page") is not None,
            item.path in waiting and item.path != making,
            item.path.name != "test_pages.py",
        )
    )


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """An empty home."""
    return Settings.model_validate({"home": str(tmp_path / "home")})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A server for declared sources, reached without a proxy and asked again at once."""
    without_proxy(monkeypatch)
    monkeypatch.setattr("tenacity.nap.sleep", lambda _seconds: None)
    with hub_server() as running:
        yield running


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real files, which are not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real files of ../shared/data are not on this machine")
    return SHARED_DATA


@pytest.fixture(scope="session")
def bundled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Skyline home materialised from the bundled facts through the whole pipeline; for reading only."""
    return _refreshed("bundled", "bundled", tmp_path_factory)


@pytest.fixture(scope="session")
def leaderboard_home(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Skyline home materialised from all real leaderboard files; for reading only."""
    return _refreshed("leaderboard", str(shared_data / "open_llm_leaderboard"), tmp_path_factory)


def _refreshed(name: str, source: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that is made once, whichever of the parallel workers asks first."""
    # Not at the top: who only hands out the files to the workers imports this module too.
    from pipelines.runs.refresh import refresh  # noqa: PLC0415
    from warehouse.settings import Settings  # noqa: PLC0415

    workers = tmp_path_factory.getbasetemp()
    shared = workers.parent if "PYTEST_XDIST_WORKER" in os.environ else workers
    home = shared / name
    with FileLock(shared / f"{name}.lock"):
        if not (home / "published" / "CURRENT").exists():
            refresh([source], Settings.model_validate({"home": str(home)}))
    return home
