"""One writer at a time, broken releases are noticed, and raw snapshots are enough to begin anew."""

import contextlib
import os
import shutil
import signal
from pathlib import Path

import pytest
from filelock import FileLock

from pipelines.runs import refresh as refreshing
from pipelines.runs.refresh import BrokenRaw, RefreshFailed, rebuild, refresh
from pipelines.runs.writer_lock import HomeBusy, only_writer
from pipelines.sources.raw_store import RawStore
from warehouse.publish import current
from warehouse.reader import Reader
from warehouse.settings import Settings
from warehouse.versions import fault


@pytest.fixture
def home(bundled_home: Path, tmp_path: Path) -> Settings:
    """A home of its own, with what was derived from the bundled facts."""
    shutil.copytree(bundled_home, tmp_path / "home", symlinks=True)
    return Settings.model_validate({"home": str(tmp_path / "home")})


def test_a_second_writer_is_refused_in_one_sentence(home: Settings) -> None:
    with FileLock(home.home / "writer.lock"):
        for write in (lambda: refresh(["bundled"], home), lambda: rebuild(home)):
            with pytest.raises(HomeBusy, match=r"^Another process is writing to .*; wait until it has finished\.$"):
                write()
    assert refresh(["bundled"], home).unchanged


def test_a_broken_release_is_not_called_current(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    path = current(home.published).path
    with path.open("r+b") as file:
        file.truncate(8_192)
    assert fault(path, thorough=False)
    derived: list[str] = []
    monkeypatch.setattr(refreshing, "_derive", lambda *_: derived.append("anew"))
    assert not refresh(["bundled"], home).unchanged
    assert derived == ["anew"]


def test_a_half_written_raw_file_stops_a_rebuild_before_anything_is_thrown_away(home: Settings) -> None:
    raw = next(path for path in home.raw.glob("*/*/*") if path.suffix != ".manifest")
    whole = raw.read_bytes()
    raw.write_bytes(whole[: len(whole) // 2])
    assert RawStore(home.raw).broken()[0].path == raw
    with pytest.raises(BrokenRaw, match=raw.name):
        rebuild(home)
    assert any(home.lake.folder.rglob("*.parquet"))


@pytest.mark.parametrize("signal_number", [None, signal.SIGKILL])
def test_a_rebuild_that_dies_leaves_the_lake_before(
    home: Settings, monkeypatch: pytest.MonkeyPatch, signal_number: int | None
) -> None:
    before = {path: path.read_bytes() for path in home.lake.folder.rglob("*") if path.is_file()}

    def half_made(*_: object) -> None:
        (home.lake.folder / "core").mkdir(parents=True)
        (home.lake.folder / "core" / "models.parquet").write_bytes(b"of the rebuild")
        if signal_number:
            os.kill(os.getpid(), signal_number)
        raise RefreshFailed

    monkeypatch.setattr(refreshing, "_derive", half_made)
    if (child := os.fork()) == 0:
        with contextlib.suppress(RefreshFailed):
            rebuild(home)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -(signal_number or 0)
    with only_writer(home):
        assert {path: path.read_bytes() for path in home.lake.folder.rglob("*") if path.is_file()} == before
    assert [path.name for path in home.home.iterdir() if "lake" in path.name] == ["lake"]


@pytest.mark.slow
def test_everything_derived_can_be_lost(home: Settings) -> None:
    before = Reader(home.published).query("SELECT relation FROM meta.tables ORDER BY 1")
    fronts = "SELECT * EXCLUDE (snapshot_id) FROM marts.pareto_front ORDER BY ALL"
    front = Reader(home.published).query(fronts)
    shutil.rmtree(home.published)
    for parquet in home.lake.folder.rglob("*.parquet"):
        parquet.write_bytes(b"PAR1 not any more")
    release = rebuild(home)
    assert fault(release.path) is None
    assert Reader(home.published).query("SELECT relation FROM meta.tables ORDER BY 1").equals(before)
    assert Reader(home.published).query(fronts).equals(front)
