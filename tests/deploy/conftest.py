"""A real PostgreSQL for Dagster's runs, as deployed, on a free port; it can go away and come back."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.services import ROOT, Place, Running, postgres_programs, start_postgres


class Postgres:
    """A server of its own, configured as deploy/dagster/dagster.yaml says."""

    def __init__(self, folder: Path, programs: Path, port: int) -> None:
        self.folder, self._programs, self._port = folder, programs, port
        self.address = f"postgresql+psycopg2://skyline:a-password@127.0.0.1:{port}/dagster"
        self._running: Running | None = None

    def start(self) -> None:
        """Have it answer."""
        place = Place(self.folder, {"postgres": self._port}, {"POSTGRES_PASSWORD": "a-password"}, database=True)
        self._running = Running(place)
        start_postgres(self._running, self._programs)

    def stop(self) -> None:
        """Have it go away."""
        if self._running is not None:
            self._running.stop()
            self._running = None


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """A PostgreSQL that answers, its address in the environment as Dagster's configuration asks for it."""
    pytest.importorskip("dagster_postgres")
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed here")
    # PostgreSQL runs as another user, who cannot look into pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="skyline-postgres-"))
    folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = Postgres(folder, programs, port)
    shutil.copyfile(ROOT / "deploy" / "dagster" / "dagster.yaml", folder / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    monkeypatch.setenv("DAGSTER_STORAGE", str(folder))
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", server.address)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
