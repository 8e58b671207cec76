"""What is dropped is read once it is whole; halves are replaced, wrong dates refused, mistakes taken back."""

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.commands.app import app
from pipelines.sources import recognition as recognition_of_all
from pipelines.sources.boards import recognition
from pipelines.sources.boards.declaration import declared
from pipelines.sources.collect import collect
from pipelines.sources.inbox import Marks, arriving_bundles, is_open_for_writing, new_bundles, new_files
from pipelines.sources.raw_store import SET_ASIDE, NoSuchSnapshot, RawStore
from pipelines.sources.source_files import NothingFound
from pipelines.sources.tables import read_as_text
from profiling.measure.recorded import point, served_environment, write_bundle
from warehouse.settings import Settings

BOARD = "open_llm_leaderboard"
HEADER = "Model,Average,ARC (25-shot),HellaSwag (10-shot),MMLU (5-shot),TruthfulQA (0-shot),Parameters,URL\n"


def board(rows: int, start: int = 0) -> str:
    lines = (f"org/model-{number:04d},50.0,50.0,50.0,50.0,50.0,33.3,\n" for number in range(start, start + rows))
    return HEADER + "".join(lines)


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    settings = Settings.model_validate({"home": str(tmp_path / "home")})
    settings.inbox.mkdir(parents=True)
    return settings


def drop(home: Settings, name: str, text: str) -> Path:
    path = home.inbox / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - 60, time.time() - 60))
    return path


def stored(home: Settings) -> dict[str, int]:
    return {snapshot.manifest.uri: snapshot.path.stat().st_size for snapshot in RawStore(home.raw).snapshots(BOARD)}


def test_what_was_read_is_not_looked_at_again_until_it_changes(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"2024-{month:02d}-{day:02d}.csv" for month in range(1, 11) for day in range(1, 29)]
    for number, name in enumerate(names):
        drop(home, name, board(2, start=number))
    assert len(new_files(home)) == len(names)
    assert len(collect([str(home.inbox)], home).new) == len(names)
    assert new_files(home) == []
    read: list[Path] = []
    honest = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *rest, **more: (read.append(path), honest(path, *rest, **more))[1])
    assert collect([str(home.inbox)], home).known == len(names)
    assert [path for path in read if path.is_relative_to(home.inbox)] == []
    drop(home, names[0], board(3, start=5000))
    assert [each.name for each in new_files(home)] == [names[0]]
    assert len(collect([str(home.inbox)], home).new) == 1
    shutil.rmtree(home.raw)
    Marks(home)._path.unlink()
    assert len(new_files(home)) == len(names)


def test_a_tick_over_thousands_of_files_that_nobody_can_read_lists_them_and_opens_none(home: Settings) -> None:
    for number in range(4000):
        (home.inbox / f"{number:04d}.csv").write_text("?")
        os.utime(home.inbox / f"{number:04d}.csv", (1000, 1000))
    marks = Marks(home)
    for each in new_files(home, "this code"):
        marks.put(each, "this code")
    marks.save()

    touched: list[str] = []
    is_watching = [True]  # an audit hook stays as long as its process

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if is_watching and event.startswith(("open", "os.")):
            touched.append(event)

    sys.addaudithook(watch)
    assert new_files(home, "this code") == []
    is_watching.clear()
    assert touched.count("os.scandir") == 1
    assert len(touched) < 10, touched
    drop(home, "2024-01-01.csv", board(2))
    assert [each.name for each in new_files(home, "this code")] == ["2024-01-01.csv"]
    assert len(new_files(home, "the next version")) == 4001


def test_a_file_that_somebody_has_open_for_writing_waits_however_long_it_rests(home: Settings) -> None:
    path = drop(home, "2024-01-01.csv", "")
    with path.open("a") as writer:
        writer.write(board(2)[:60])
        writer.flush()
        os.utime(path, (0, 0))
        assert is_open_for_writing(path)
        assert new_files(home) == []
    assert not is_open_for_writing(path)
    assert len(new_files(home)) == 1
    with path.open() as reader:
        assert reader.read(1)
        assert len(new_files(home)) == 1


@pytest.mark.parametrize("named", ["2024-01-01.csv", "whole-2024-01-01.csv"])
def test_half_a_file_is_replaced_by_its_whole_and_does_not_come_back(home: Settings, named: str) -> None:
    text = board(60)
    drop(home, "2024-01-01.csv", text[: len(text) // 3])
    collect([str(home.inbox)], home)
    drop(home, named, text)
    lines: list[str] = []
    collect([str(home.inbox)], home, lines.append)
    assert stored(home) == {named: len(text)}
    assert any(line.startswith("replaced open_llm_v1:2024-01-01:") for line in lines)
    assert [file.reason.partition(" of ")[0] for file in RawStore(home.raw).forgotten()] == ["it is the beginning"]
    drop(home, "again-2024-01-01.csv", text[: len(text) // 2])
    collected = collect([str(home.inbox)], home)
    assert "is the beginning of" in collected.set_aside[0][1]
    assert stored(home) == {named: len(text)}


def test_another_file_of_the_same_name_takes_its_place_and_what_was_read_is_kept_aside(home: Settings) -> None:
    """Smaller, older, of the same size: whatever it is, the day has one board."""
    for text in (board(40)[:-17], board(20, start=500), board(20, start=700)):
        path = drop(home, "2024-01-01.csv", text)
        os.utime(path, (1000, 1000))
        assert [each.name for each in new_files(home)] == ["2024-01-01.csv"]
        collect([str(home.inbox)], home)
        assert stored(home) == {"2024-01-01.csv": len(text)}
    aside = RawStore(home.raw).snapshots(SET_ASIDE)
    assert sorted(file.path.read_text() for file in aside) == sorted([board(40)[:-17], board(20, start=500)])
    assert {file.manifest.layout.partition(" ")[2] for file in aside} == {
        "was dropped under the same name, and replaces it"
    }
    path = drop(home, "2024-01-01.csv", board(20, start=500))
    collect([str(home.inbox)], home)
    assert [snapshot.path.read_text() for snapshot in RawStore(home.raw).snapshots(BOARD)] == [board(20, start=500)]


def test_a_file_whose_end_was_not_yet_written_waits_for_its_whole(home: Settings) -> None:
    """Some tools make a file as long as it will be, and then fill it."""
    text = board(60)
    path = drop(home, "2024-01-01.csv", text[:1000] + "\0" * (len(text) - 1000))
    os.utime(path, (1000, 1000))
    with pytest.raises(NothingFound, match="holds zeros where text belongs"):
        collect([str(home.inbox)], home)
    os.utime(drop(home, "2024-01-01.csv", text), (1000, 1000))
    assert [each.name for each in new_files(home)] == ["2024-01-01.csv"]
    collect([str(home.inbox)], home)
    assert stored(home) == {"2024-01-01.csv": len(text)}


def test_a_file_of_tomorrow_is_read_today(home: Settings) -> None:
    """A clock that was set back, or the time of another machine, keeps no file waiting."""
    os.utime(drop(home, "2024-01-01.csv", board(2)), (time.time() + 1e7,) * 2)
    assert [each.name for each in new_files(home)] == ["2024-01-01.csv"]
    os.utime(home.inbox / "2024-01-01.csv", (time.time(),) * 2)
    assert new_files(home) == []


def test_links_that_lead_nowhere_or_in_a_circle_are_named_and_the_rest_is_read(home: Settings) -> None:
    drop(home, "2024-01-01.csv", board(2))
    for link, target in {"a.csv": "nowhere", "b.csv": "b.csv", "c": "c", "d": "..", "e.bundle": "e.bundle"}.items():
        (home.inbox / link).symlink_to(target)
    lines: list[str] = []
    collected = collect([str(home.inbox)], home, lines.append)
    reasons = [
        "a.csv cannot be read: No such file or directory",
        "b.csv cannot be read: Too many levels of symbolic links",
    ]
    assert [reason for _, reason in collected.set_aside] == reasons
    assert [line.partition(": ")[2] for line in lines if line.startswith("set aside")] == reasons
    assert list(stored(home)) == ["2024-01-01.csv"]
    for link in ("a.csv", "b.csv", "c", "e.bundle"):
        with pytest.raises(NothingFound, match="does not exist"):
            collect([str(home.inbox / link)], home)


def test_a_link_that_is_called_as_a_bundle_is_not_followed(home: Settings, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "deep" / "lost").symlink_to("nowhere")
    (home.inbox / "all.bundle").symlink_to(tmp_path / "elsewhere")
    drop(home, "2024-01-01.csv", board(2))
    assert (new_bundles(home), arriving_bundles(home)) == (([], []), [])
    collected = collect([str(home.inbox)], home)
    assert (len(collected.new), [uri for uri, _ in collected.set_aside]) == (1, ["all.bundle"])
    # What was only copied in and holds such a link is waited for like any other.
    shutil.copytree(tmp_path / "elsewhere", home.inbox / "copied.bundle", symlinks=True)
    assert arriving_bundles(home) == ["copied.bundle"]


def test_a_file_that_no_reader_can_bear_keeps_none_of_the_others_out(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_lines = drop(home, "2024-01-01.csv", board(2).replace("\n", "\r"))
    drop(home, "2024-01-02.csv", board(3))
    collect([str(home.inbox)], home)
    assert read_as_text(old_lines.read_bytes(), ".csv", "old").height == 2
    assert list(stored(home)) == ["2024-01-01.csv", "2024-01-02.csv"]
    honest = recognition_of_all.recognise

    def recognise(payload: bytes, *rest: Any, **named: Any) -> Any:
        return 1 / 0 if payload == board(4).encode() else honest(payload, *rest, **named)

    monkeypatch.setattr(recognition_of_all, "recognise", recognise)
    drop(home, "2024-01-03.csv", board(4))
    drop(home, "2024-01-04.csv", board(5))
    ((name, reason),) = collect([str(home.inbox)], home).set_aside
    assert (name, "a defect of Skyline" in reason, "ZeroDivisionError" in reason) == ("2024-01-03.csv", True, True)
    assert "2024-01-04.csv" in stored(home)


def test_a_file_that_only_begins_alike_replaces_nothing(home: Settings) -> None:
    drop(home, "2024-01-01.csv", board(20))
    drop(home, "2024-01-02.csv", board(40))
    drop(home, "other-2024-01-01.csv", board(10) + board(10, start=500).removeprefix(HEADER))
    collect([str(home.inbox)], home)
    assert len(stored(home)) == 3
    assert RawStore(home.raw).forgotten() == []


@pytest.mark.parametrize("date", ["0001-01-01", "2019-12-31", "2099-12-31", "2025-02-30", "2025-13-01"])
def test_a_date_that_cannot_be_meant_is_refused_and_the_right_name_is_read(home: Settings, date: str) -> None:
    text = board(3)
    drop(home, f"{date}_contents.csv", text)
    with pytest.raises(NothingFound, match=f"says {date}, which is not a day between 2020-01-01 and tomorrow"):
        collect([str(home.inbox)], home)
    drop(home, "2025-02-13_contents.csv", text)
    assert len(collect([str(home.inbox)], home).new) == 1
    assert RawStore(home.raw).snapshots(SET_ASIDE) == []


def test_the_same_bytes_under_another_date_are_another_statement(home: Settings) -> None:
    for date in ("2025-02-12", "2025-02-13"):
        drop(home, f"{date}_contents.csv", board(3))
    assert len(collect([str(home.inbox)], home).new) == 2
    drop(home, "copy/2025-02-13_again.csv", board(3))
    assert (len(collect([str(home.inbox)], home).new), len(stored(home))) == (0, 2)


def test_what_was_taken_back_is_written_down_and_comes_again_only_when_asked_for(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYLINE_HOME", str(home.home))
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "2025-02-12.csv").write_text(board(3))
    (folder / "2025-02-13.csv").write_text(board(3))
    collect([str(folder)], home)
    store = RawStore(home.raw)
    wrong, right = store.snapshots(BOARD)
    before, run = store.fingerprint(), CliRunner().invoke
    listed = run(app, ["snapshots", "--format", "csv"]).stdout
    assert wrong.snapshot_id in listed
    assert run(app, ["forget", wrong.snapshot_id, "--why", "the date is wrong"]).exit_code == 0
    assert [snapshot.snapshot_id for snapshot in store.snapshots(BOARD)] == [right.snapshot_id]
    assert store.fingerprint() != before
    assert "the date is wrong" in run(app, ["snapshots", "--forgotten", "--format", "csv"]).stdout
    lines: list[str] = []
    assert collect([str(folder)], home, lines.append).new == []
    assert any("was forgotten on" in line for line in lines)
    assert isinstance(run(app, ["forget", wrong.snapshot_id]).exception, NoSuchSnapshot)
    assert run(app, ["forget", "--undo", wrong.snapshot_id]).exit_code == 0
    assert len(collect([str(folder)], home).new) == 1


def test_a_bundle_that_was_read_is_not_packed_again(home: Settings) -> None:
    row = point(
        {"model": "org/m", "stage": "decode", "batch": 2, "context": 64, "precision": "bfloat16"},
        {"latency_s": 1.0, "tokens": 2},
    )
    folder = home.inbox / "mine.bundle"
    write_bundle(folder, "dropped", served_environment({"endpoint": "http://here"}), [row])
    assert new_bundles(home) == ([], ["mine.bundle"])
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
    assert [each.name for each in new_bundles(home)[0]] == ["mine.bundle"]
    assert len(collect([str(folder)], home).new) == 1
    assert new_bundles(home) == ([], [])


@pytest.mark.slow
def test_twice_as_many_files_take_about_twice_as_long(tmp_path: Path) -> None:
    seconds = {}
    for count in (1000, 4000):
        home = Settings.model_validate({"home": str(tmp_path / str(count))})
        for number in range(count):
            drop(home, f"{number // 28 % 12 + 2}/2024-01-{number % 28 + 1:02d}_{number}.csv", board(1, start=number))
        began = time.process_time()
        assert len(collect([str(home.inbox)], home).new) == count
        assert collect([str(home.inbox)], home).known == count
        seconds[count] = time.process_time() - began
    assert seconds[4000] < 4 * 2 * seconds[1000], seconds


def test_what_is_the_same_for_every_file_is_not_worked_out_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    plain = recognition.plain

    def counted(name: str) -> str:
        asked.append(name)
        return plain(name)

    monkeypatch.setattr(recognition, "plain", counted)
    for number in range(2):
        asked.clear()
        assert recognition.recognise_board(f"Model,Elo\nx,{number}\n".encode(), "x.csv", declared()) is None
    assert len(asked) < 100  # the columns of the file, however they may be divided; those declared are thousands
