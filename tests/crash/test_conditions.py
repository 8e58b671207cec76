"""A disk that is full, a folder that may not be written, a clock that goes back: the release before stays readable."""

import contextlib
import datetime as dt
import errno
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from pipelines.commands.terminal import Format, UserError, one_sentence, print_rows
from pipelines.runs.refresh import refresh
from pipelines.runs.writer_lock import only_writer
from pipelines.sources.raw_store import Manifest, RawStore
from tests.warehouse.small_tables import TABLES, write_version
from warehouse.files import TEMPORARY_PREFIX, NotWritable, write_text
from warehouse.lake import Lake
from warehouse.publish import POINTER, current, publish, releases
from warehouse.reader import Reader
from warehouse.settings import Settings
from warehouse.versions import fault, rollback, versions

REPOSITORY = Path(__file__).resolve().parents[2]
WHOLE = "SELECT count(*), min(version), max(version) FROM marts.versions"
# Written by a process of its own, whose limits and whose user are not those of the tests.
WRITE = """
import datetime as dt, os, pathlib, resource, sys
from pipelines.sources.raw_store import Manifest, RawStore
from tests.warehouse.small_tables import TABLES, write_version
from warehouse.lake import Lake
from warehouse.publish import publish
home, condition = pathlib.Path(sys.argv[1]), sys.argv[2]
lake, today = Lake(home / "lake"), dt.datetime.now(dt.UTC)
manifest = Manifest("test", "l", "s", today.date(), "u", None, None, today)
if condition == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, 16_384))
else:
    for folder in [home, *(path for path in home.rglob("*") if path.is_dir())]:
        folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)
for what in (
    lambda: RawStore(home / "raw").add(os.urandom(100_000), ".csv", manifest),
    lambda: write_version(lake, 9, rows=200_000),
    lambda: publish(lake, TABLES, home / "published", "9"),
):
    try:
        what()
        print("written")
    except Exception as error:
        print(type(error).__mro__[-3].__name__, type(error).__name__)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    write_version(Lake(tmp_path / "lake"), 1, rows=20_000)
    publish(Lake(tmp_path / "lake"), TABLES, tmp_path / "published", "1")
    (tmp_path / "raw").mkdir()
    return tmp_path


@pytest.mark.parametrize("condition", ["full", "read-only"])
def test_what_cannot_be_written_leaves_everything_as_it_was(home: Path, condition: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(home), condition], capture_output=True, text=True, check=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, cwd=REPOSITORY,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert "written" not in lines, done.stdout
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()} == before
    assert RawStore(home / "raw").snapshots("test") == []
    assert Reader(home / "published").query(WHOLE).row(0) == (20_000, 1, 1)
    for folder in [home, *(path for path in home.rglob("*") if path.is_dir())]:
        folder.chmod(0o755)
    write_version(Lake(home / "lake"), 2, rows=20_000)
    publish(Lake(home / "lake"), TABLES, home / "published", "2")
    assert Reader(home / "published").query(WHOLE).row(0) == (20_000, 2, 2)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_whoever_may_read_a_release_may_read_the_pointer_to_it_and_what_it_is_made_from(
    tmp_path: Path, umask: int, mode: int
) -> None:
    before = os.umask(umask)
    try:
        write_version(Lake(tmp_path / "lake"), 1)
        publish(Lake(tmp_path / "lake"), TABLES, tmp_path / "published", "1")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()} == {mode}


def test_a_clock_that_goes_back_makes_no_new_release_an_old_one(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, folder = Lake(home / "lake"), home / "published"
    made = [current(folder)]
    for version, moment in enumerate((10**18, 10**9, 0, time.time_ns() + 10**15, 10**18), start=2):
        monkeypatch.setattr("warehouse.publish.time.time_ns", lambda moment=moment: moment)
        write_version(lake, version)
        made.append(publish(lake, TABLES, folder, str(version)))
        assert current(folder) == made[-1]
        assert Reader(folder).query(WHOLE).row(0)[1:] == (version, version)
    assert releases(folder) == [release.path for release in reversed(made[-3:])]
    assert [version.is_current for version in versions(folder)] == [True, False, False]
    assert rollback(folder).path == made[-2].path


# Even root is kept out, without the two capabilities that let it read what is closed.
KEPT_OUT = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
ASK = """
import contextlib, io, json, pathlib, stat, sys
from fastapi.testclient import TestClient
from api.app import create
from pipelines.commands.app import main
from pipelines.commands.terminal import err
from warehouse.files import NotReadable
from warehouse.settings import Settings

def answers():
    for command in ("versions", "snapshots", "fit Meta-Llama-3-8B --accelerator H200"):
        sys.argv = ["skyline", *command.split()]
        with contextlib.redirect_stdout(io.StringIO()), err.capture() as errors, contextlib.suppress(SystemExit):
            main()
        yield command.split()[0], " ".join(errors.get().split())
    try:
        answer = TestClient(create(Settings())).get("/readyz")
        yield "readyz", f"{answer.status_code} {answer.text}"
    except NotReadable as error:
        yield "readyz", str(error)

for path in map(pathlib.Path, sys.argv[1:]):
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0)
    try:
        print(json.dumps([str(path), dict(answers())]))
    finally:
        path.chmod(mode)
"""
CLOSED = {
    ".": {"versions", "snapshots", "fit", "readyz"},
    "published": {"versions", "fit", "readyz"},
    "published/CURRENT": {"versions", "fit", "readyz"},
    "published/skyline-*.duckdb": {"versions", "fit", "readyz"},
    "raw": {"snapshots", "fit", "readyz"},
    "raw/test": {"snapshots"},
    "raw/test/*/*.manifest": {"snapshots"},
}


@pytest.mark.skipif(not os.geteuid() and not shutil.which("setpriv"), reason="root reads everything")
def test_what_somebody_else_closed_is_named_and_never_taken_for_empty(home: Path) -> None:
    today = dt.datetime.now(dt.UTC)
    RawStore(home / "raw").add(b"a", ".csv", Manifest("test", "l", "s", today.date(), "u", None, None, today))
    paths = [home if closed == "." else next(home.glob(closed)) for closed in CLOSED]
    done = subprocess.run(
        [*([] if os.geteuid() else KEPT_OUT), sys.executable, "-c", ASK, *map(str, paths)], capture_output=True,
        text=True, check=True, timeout=300, env=os.environ | {"PYTHONPATH": str(REPOSITORY), "SKYLINE_HOME": str(home)},
        cwd=REPOSITORY,
    )  # fmt: skip
    answers = dict(map(json.loads, done.stdout.splitlines()))
    for path, commands in zip(paths, CLOSED.values(), strict=True):
        errors = {name: text for name, text in answers[str(path)].items() if f"This user may not read {path}" in text}
        assert errors.keys() == commands, answers[str(path)]
        assert all("run this as its owner" in text for text in errors.values())
    assert "Errno" not in done.stdout


@contextlib.contextmanager
def mounted(folder: Path, mib: int) -> Iterator[Path]:
    """A disk of its own, which may be filled."""
    folder.mkdir()
    if os.name == "nt" or os.geteuid() or subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)], capture_output=True, check=False
    ).returncode:  # fmt: skip
        pytest.skip("only root may mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", 64) as folder:
        yield folder


def fill(disk: Path, free_bytes: int) -> Path:
    """Leave so many bytes of a disk; return the file that takes the others."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - free_bytes)
    return ballast


# From nothing to nearly what a release of 200,000 rows takes: raw file, lake, pointer and release fail in turn.
@pytest.mark.parametrize(
    "free_kib", [0, 16, 256, *(pytest.param(free, marks=pytest.mark.slow) for free in (4, 8, 64, 100, 512, 1024, 2048))]
)
def test_a_disk_that_is_full_is_named_and_once_there_is_room_the_next_writer_goes_on(disk: Path, free_kib: int) -> None:
    settings = Settings.model_validate({"home": str(disk)})
    lake, today = Lake(disk / "lake"), dt.datetime.now(dt.UTC)
    manifest = Manifest("test", "l", "s", today.date(), "u", None, None, today)
    write_version(lake, 1, rows=20_000)
    publish(lake, TABLES, disk / "published", "1")
    ballast = fill(disk, free_kib << 10)

    def write_all() -> None:
        with only_writer(settings):
            RawStore(settings.raw).add(random.Random(7).randbytes(100_000), ".csv", manifest)  # noqa: S311 - any bytes
            write_version(lake, 2, rows=200_000)
            publish(lake, TABLES, disk / "published", "2")

    with pytest.raises(NotWritable, match=rf"^The disk of {disk} is full\. .* free some space"):
        write_all()
    assert Reader(disk / "published").query(WHOLE).row(0) == (20_000, 1, 1)
    assert not [*disk.rglob(f"{TEMPORARY_PREFIX}*")]
    ballast.unlink()
    write_all()
    assert Reader(disk / "published").query(WHOLE).row(0) == (200_000, 2, 2)
    assert RawStore(settings.raw).broken() == []


# Nothing, the first files of the lake, most of them, and all but the release.
@pytest.mark.slow
def test_a_disk_that_fills_at_any_moment_of_a_whole_refresh_leaves_the_release_before(
    bundled_home: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", 512) as disk:
        home = Settings.model_validate({"home": str(disk / "home")})
        shutil.copytree(bundled_home, home.home, symlinks=True)
        shutil.rmtree(home.lake.folder)
        models = "SELECT count(*) FROM core.models"
        before, count = current(home.published), Reader(home.published).query(models).item()
        stored = {path.name for path in home.raw.glob("*/*/*")}
        pointer = json.loads((home.published / POINTER).read_text("utf-8"))
        write_text(home.published / POINTER, json.dumps(pointer | {"fingerprint": "something changed"}))
        for free_kib in (0, 512, 12 << 10, 48 << 10):
            ballast = fill(disk, free_kib << 10)
            with pytest.raises(NotWritable, match=rf"^The disk of {home.home} is full\. .* free some space"):
                refresh(["bundled"], home)
            assert current(home.published).path == before.path
            assert Reader(home.published).query(models).item() == count
            assert not [*disk.rglob(f"{TEMPORARY_PREFIX}*")], free_kib
            assert {path.name for path in home.raw.glob("*/*/*")} == stored
            ballast.unlink()
        assert refresh(["bundled"], home).release.path != before.path
        assert fault(current(home.published).path) is None
        assert Reader(home.published).query(models).item() == count


def test_what_is_downloaded_to_a_full_disk_leaves_no_half_of_a_file(
    disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = pl.DataFrame({"text": ["x" * 1000] * 1000})
    fill(disk, 64 << 10)
    with pytest.raises(UserError, match=rf"^The disk is full, so {disk}/rows.csv was not written; free some space"):
        print_rows(rows, Format.CSV, disk / "rows.csv")
    assert [path.name for path in disk.iterdir()] == ["ballast"]
    with pytest.raises(SystemExit), one_sentence():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert "The disk that this is written to is full" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RuntimeError("step x failed: IOException: Could not write file: No space left on device."), "is full"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), "is full"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "HOME/writer.lock"), "mounted read-only"),
        (RuntimeError("step x failed: PermissionError: [Errno 13] Permission denied: 'HOME/lake/x'"), "may not write"),
    ],
)
def test_whichever_library_met_it_the_reason_is_named_and_what_to_do(
    tmp_path: Path, error: Exception, message: str
) -> None:
    error.args = tuple(str(arg).replace("HOME", str(tmp_path)) if isinstance(arg, str) else arg for arg in error.args)
    if isinstance(error, OSError):
        error.filename = str(tmp_path / "writer.lock")
    with pytest.raises(NotWritable, match=message), only_writer(Settings.model_validate({"home": str(tmp_path)})):
        raise error
    # What somebody else's folder does not allow says nothing of the home.
    elsewhere = PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/elsewhere/rows.csv")
    with pytest.raises(PermissionError) as raised, only_writer(Settings.model_validate({"home": str(tmp_path)})):
        raise elsewhere
    assert raised.value is elsewhere


def test_what_polars_says_of_a_full_disk_it_says_of_a_broken_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "step x failed: ComputeError: parquet: File out of specification: Invalid thrift: transport error"
    for free, expected in ((0, NotWritable), (1 << 40, RuntimeError)):
        monkeypatch.setattr("warehouse.files.shutil.disk_usage", lambda _home, free=free: SimpleNamespace(free=free))
        with pytest.raises(expected), only_writer(Settings.model_validate({"home": str(tmp_path)})):
            raise RuntimeError(said)
