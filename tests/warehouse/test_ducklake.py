"""Releases in a DuckLake: a file on a disk, or PostgreSQL and an object store; real ones, by the Python that can.

`make ducklake` makes that Python; SKYLINE_DUCKLAKE_PYTHON names another. PostgreSQL and OpenStack Swift are Debian's.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pytest
from pydantic import ValidationError

from deploy.services import Place, Running, postgres_programs, start_postgres
from pipelines.runs.refresh import refresh
from tests.warehouse import swift_store
from warehouse.ducklake import NoDuckLake, connect, publish_elsewhere
from warehouse.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PUBLISHES = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from warehouse.contracts import TABLES, VIEWS
from warehouse.ducklake import connect, only_publisher, publish
from warehouse.lake import Lake
from warehouse.publish import BrokenRelease

lake, places = Lake(Path(sys.argv[2])), sys.argv[3:]
with only_publisher(places[0]), connect(*places) as writer:
    first = publish(writer, lake, TABLES, VIEWS)
    second = publish(writer, lake, TABLES, VIEWS)
    assert second > first, (first, second)

    class Torn(Lake):
        def scan(self, table):
            return super().scan(table).head(1)

    try:
        publish(writer, Torn(lake.folder), TABLES, VIEWS)
    except BrokenRelease:
        pass
    else:
        raise AssertionError("a torn release was published")
"""
READS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import duckdb
from warehouse.contracts import TABLES
from warehouse.ducklake import connect
from warehouse.lake import Lake

lake, places = Lake(Path(sys.argv[2])), sys.argv[3:]
with connect(*places, read_only=True) as reader:
    for table in TABLES:
        if table.schema != "raw" and lake.has(table):
            ((rows,),) = reader.sql(f"SELECT count(*) FROM {table.relation}").fetchall()
            assert rows == lake.read(table).height, table.relation
    assert reader.sql("SELECT count(*) FROM marts.choices").fetchall()[0][0] > 0
    assert reader.sql("SELECT count(*) FROM duckdb_columns() WHERE comment IS NOT NULL").fetchall()[0][0] > 500
    try:
        reader.execute("DROP TABLE marts.pareto_front")
    except duckdb.Error:
        pass
    else:
        raise AssertionError("a reader could write")
"""
HOLDS = """
import sys, time
sys.path.insert(0, sys.argv[1])
from warehouse.ducklake import only_publisher
with only_publisher(sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""
ASKS = """
import sys
sys.path.insert(0, sys.argv[1])
from warehouse.ducklake import DuckLakeBusy, only_publisher
try:
    with only_publisher(sys.argv[2], float(sys.argv[3])):
        print("alone")
except DuckLakeBusy as error:
    print(error)
"""


@pytest.fixture(scope="module")
def python() -> str:
    """A Python whose DuckDB has the extensions."""
    executable = os.environ.get("SKYLINE_DUCKLAKE_PYTHON") or str(ROOT / ".ducklake" / "bin" / "python")
    if not Path(executable).exists():
        pytest.skip(f"no DuckLake for DuckDB {duckdb.__version__}; `make ducklake` makes a Python that has one")
    return executable


@pytest.fixture(scope="module")
def far_places() -> Iterator[tuple[str, str, Mapping[str, str], Path]]:
    """A catalogue in PostgreSQL, an address in Swift, the variables to reach them, and the folder of it all."""
    programs = postgres_programs()
    if programs is None or not swift_store.installed():
        pytest.skip("PostgreSQL and OpenStack Swift are not both installed here (Debian has them)")
    # PostgreSQL runs as another user, who cannot look into pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="skyline-ducklake-"))
    folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = Running(Place(folder, {"postgres": port}, {"POSTGRES_PASSWORD": "a-password"}, database=True))
    try:
        start_postgres(running, programs)
        with swift_store.swift(folder / "swift") as variables:
            catalogue = f"postgres:host=127.0.0.1 port={port} user=skyline dbname=dagster"
            environment = {**os.environ, **variables, "PGPASSWORD": "a-password"}
            yield catalogue, f"s3://{swift_store.BUCKET}/skyline", environment, folder / "swift"
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


def run(python: str, script: str, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What the script says in that Python."""
    words = [python, "-c", script, str(ROOT), *arguments]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_without_the_extension_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoDuckLake, match=r"has no extension `ducklake` here\. .*`INSTALL ducklake` brings it"):
        connect(str(tmp_path / "catalogue"), str(tmp_path / "data"), extension=str(tmp_path / "nowhere"))


def test_who_cannot_reach_the_ducklake_of_the_settings_says_why(tmp_path: Path) -> None:
    wanted = {"ducklake_catalogue": str(tmp_path / "catalogue"), "ducklake_data": str(tmp_path / "data")}
    settings = Settings.model_validate({"home": tmp_path / "home", "ducklake_python": sys.executable, **wanted})
    with pytest.raises(NoDuckLake, match=r"was not published: DuckDB 2\.\S+ has no extension `ducklake` here"):
        publish_elsewhere(settings)
    with pytest.raises(ValidationError, match="a DuckLake needs both"):
        Settings.model_validate({"ducklake_catalogue": "postgres:dbname=skyline"})


@pytest.mark.slow
def test_a_release_in_a_ducklake_is_whole_or_the_one_before(python: str, bundled_home: Path, tmp_path: Path) -> None:
    places = (str(tmp_path / "catalogue.ducklake"), str(tmp_path / "data"))
    for script in (PUBLISHES, READS):
        run(python, script, str(bundled_home / "lake"), *places)


@pytest.mark.slow
def test_so_it_is_with_a_catalogue_in_postgresql_and_parquet_on_an_object_store(
    python: str, bundled_home: Path, far_places: tuple[str, str, Mapping[str, str], Path]
) -> None:
    catalogue, data, environment, store = far_places
    for script in (PUBLISHES, READS):
        run(python, script, str(bundled_home / "lake"), catalogue, data, environment=environment)
    assert swift_store.stored_files(store) > 50


@pytest.mark.slow
def test_a_second_publisher_waits_then_refuses_and_one_that_was_killed_keeps_nobody_out(
    python: str, far_places: tuple[str, str, Mapping[str, str], Path]
) -> None:
    catalogue, _, environment, _ = far_places
    with subprocess.Popen(
        [python, "-c", HOLDS, str(ROOT), catalogue], env=environment, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        began = time.monotonic()
        assert "Another publisher is writing" in run(python, ASKS, catalogue, "1", environment=environment)
        assert time.monotonic() - began >= 1
        holder.kill()
    assert run(python, ASKS, catalogue, "30", environment=environment) == "alone"


@pytest.mark.slow
def test_a_refresh_publishes_in_the_ducklake_of_the_settings_too(
    python: str,
    far_places: tuple[str, str, Mapping[str, str], Path],
    bundled_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalogue, data, environment, _ = far_places
    for name in ("PGPASSWORD", *(name for name in environment if name.startswith("AWS_"))):
        monkeypatch.setenv(name, environment[name])
    shutil.copytree(bundled_home, tmp_path / "home", symlinks=True)
    for pointer in ("CURRENT", "skyline.duckdb"):  # so that there is something to publish
        (tmp_path / "home" / "published" / pointer).unlink()
    # As an operator sets them: a step of Dagster's reads the settings anew.
    for name, value in {"CATALOGUE": catalogue, "DATA": data, "PYTHON": python}.items():
        monkeypatch.setenv(f"SKYLINE_DUCKLAKE_{name}", value)
    lines: list[str] = []
    refresh(["bundled"], Settings.model_validate({"home": tmp_path / "home"}), lines.append)
    assert any(line.startswith("published in the DuckLake: snapshot ") for line in lines)
    run(python, READS, str(tmp_path / "home" / "lake"), catalogue, data, environment=environment)
