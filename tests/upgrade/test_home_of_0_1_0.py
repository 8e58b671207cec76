"""A home that 0.1.0 wrote, and in which it was killed while publishing, opens, refreshes and rolls back here.

The fixture was made by the code of 0.1.0 from the first rows of a bundled board; its tables were cut to forty rows
before it published them. Its Dagster has one run that is taken for running and one slot that this run holds.
"""

import json
import sqlite3
import tarfile
from pathlib import Path

import pytest

from pipelines.commands.doctor import examine
from pipelines.runs.refresh import rebuild, refresh
from pipelines.runs.writer_lock import only_writer
from pipelines.sources.raw_store import RawStore
from warehouse.format import FORMAT, NewerHome
from warehouse.publish import POINTER, NotPublished, current
from warehouse.reader import Reader
from warehouse.settings import Settings
from warehouse.versions import fault_of_current, rollback, versions

HOME = Path(__file__).with_name("home-0.1.0.tar.xz")


@pytest.fixture
def old(tmp_path: Path) -> Settings:
    with tarfile.open(HOME) as packed:
        packed.extractall(tmp_path, filter="data")
    return Settings.model_validate({"home": str(tmp_path / "home")})


def test_it_opens_as_it_is(old: Settings) -> None:
    assert Reader(old.published).query("SELECT count(*) AS n FROM core.models").item() == 39
    assert [(version.is_current, version.fault) for version in versions(old.published, examine=True)] == [(True, None)]
    assert fault_of_current(current(old.published)) is None
    assert len(RawStore(old.raw).snapshots("open_llm_leaderboard")) == 2
    assert RawStore(old.raw).broken() == []
    assert {check.what: check.fine for check in examine(old) if check.what in {"warehouse", "raw files", "link"}} == {
        "warehouse": True, "raw files": True, "link": True,
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_refreshes_and_goes_back(old: Settings) -> None:
    before = current(old.published).path
    board = RawStore(old.raw).snapshots("open_llm_leaderboard")[0]
    source = old.home / "again" / board.manifest.uri.rpartition("/")[2]
    source.parent.mkdir()
    source.write_bytes(board.path.read_bytes())
    lines: list[str] = []
    done = refresh([str(source.parent)], old, lines.append)
    assert (done.unchanged, done.collected.known) == (False, 1)
    assert Reader(old.published).query("SELECT count(*) AS n FROM core.models").item() == 39
    with sqlite3.connect(old.dagster / "history" / "runs.db") as runs:
        states = dict(runs.execute("SELECT status, count(*) FROM runs GROUP BY 1").fetchall())
    runs.close()
    assert states == {"SUCCESS": 1, "FAILURE": 1}
    assert json.loads((old.home / "format.json").read_text())["format"] == FORMAT
    assert rollback(old.published).path == before
    assert Reader(old.published).query("SELECT count(*) AS n FROM core.models").item() == 39


def test_a_home_of_a_newer_version_is_refused_in_one_sentence_and_left_alone(old: Settings) -> None:
    (old.home / "format.json").write_text(json.dumps({"format": FORMAT + 1, "written_by": "9.9"}))
    before = {path: path.stat().st_mtime_ns for path in old.home.rglob("*")}
    message = rf"^{old.home} was written by Skyline 9\.9, which is newer than this one"
    for write in (lambda: refresh(["bundled"], old), lambda: rebuild(old)):
        with pytest.raises(NewerHome, match=message):
            write()
    with pytest.raises(NewerHome, match=message), only_writer(old):
        pass
    after = {path: path.stat().st_mtime_ns for path in old.home.rglob("*")}
    assert {path for path in after if after[path] != before.get(path)} <= {old.home, old.home / "writer.lock"}


def test_a_release_of_a_newer_version_is_not_read_as_if_it_were_ours(old: Settings) -> None:
    pointer = json.loads((old.published / POINTER).read_text())
    (old.published / POINTER).write_text(json.dumps(pointer | {"format": FORMAT + 1, "written_by": "9.9"}))
    with pytest.raises(NotPublished, match=r"was written by Skyline 9\.9, which is newer"):
        Reader(old.published).query("SELECT 1")
