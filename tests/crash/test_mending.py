"""What is broken in a home is said, and mended by the next refresh: raw files, release, pointer and link."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from pipelines.commands.doctor import examine
from pipelines.runs import refresh as refreshing
from pipelines.runs.refresh import prepare_dagster_home, refresh
from pipelines.sources.boards.declaration import BrokenDeclaration
from pipelines.sources.raw_store import SET_ASIDE, BrokenManifest, RawStore
from warehouse.files import TEMPORARY_PREFIX
from warehouse.publish import LINK, POINTER, NotPublished, current, releases
from warehouse.settings import Settings
from warehouse.versions import fault, fault_of_current


@pytest.fixture
def home(bundled_home: Path, tmp_path: Path) -> Settings:
    """A home of its own with what was derived from the bundled facts."""
    shutil.copytree(bundled_home, tmp_path / "home", symlinks=True)
    return Settings.model_validate({"home": str(tmp_path / "home")})


@pytest.fixture
def derived(home: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Times that everything was derived, which is not what these tests are about."""
    times: list[str] = []
    monkeypatch.setattr(refreshing, "_derive", lambda *_: times.append("anew"))
    return times


def state_of(home: Settings, what: str) -> tuple[bool, str, str]:
    (finding,) = (check for check in examine(home) if check.what == what)
    return finding.fine, finding.detail, finding.advice


@pytest.mark.parametrize("broken", ["points nowhere", "points elsewhere", "is missing", "is a file"])
def test_the_link_is_mended_though_nothing_changed(home: Settings, derived: list[str], broken: str) -> None:
    link = home.published / LINK
    link.unlink()
    if broken == "points nowhere":
        link.symlink_to("skyline-111.duckdb")
    elif broken == "points elsewhere":
        shutil.copyfile(current(home.published).path, home.published / "other.duckdb")
        link.symlink_to("other.duckdb")
    elif broken == "is a file":
        link.write_bytes(b"")
    assert state_of(home, "link") == (
        False,
        f"{link} does not lead to {current(home.published).path.name}",
        "skyline refresh",
    )
    lines: list[str] = []
    assert refresh(["bundled"], home, lines.append).unchanged
    assert (link.resolve(), derived) == (current(home.published).path.resolve(), [])
    assert f"mended the link {LINK}" in lines
    assert state_of(home, "link")[0]


GARBAGE = ["", "{", "[]", "null", '"text"', "1e999", "[" * 100_000, "\0\0\0", "\ud800"]


def test_notes_of_a_home_that_say_nothing_are_made_again(home: Settings, derived: list[str]) -> None:
    refresh(["bundled"], home)
    notes = [home.home / "inbox-read.json", home.home / "format.json", home.raw / "seen.json", home.published / POINTER]
    assert home.raw / "seen.json" in home.raw.iterdir()
    for contents in (text.encode("utf-8", "surrogatepass") for text in GARBAGE):
        for note in (*notes, home.home / "fetched" / "epoch.json"):
            note.parent.mkdir(exist_ok=True)
            note.write_bytes(contents)
        refresh(["bundled"], home)
        assert current(home.published).path in releases(home.published)
        for note in notes:
            assert note.read_bytes() != contents, note


@pytest.mark.timeout(120, func_only=True)
@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "circle", "nowhere"])
def test_what_is_no_file_where_a_file_belongs_is_waited_for_by_nobody_and_gives_way(
    home: Settings, derived: list[str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh(["bundled"], home)
    prepare_dagster_home(home)
    store = RawStore(home.raw)
    csv, other = [
        snapshot.path for snapshot in store.snapshots("open_llm_leaderboard") if snapshot.path.suffix == ".csv"
    ][:2]
    whole = csv.read_bytes()
    notes = [home.home / "inbox-read.json", home.home / "format.json", home.raw / "seen.json", home.published / POINTER]
    notes += [home.home / "writer.lock", home.home / "steps.lock", home.dagster / "dagster.yaml"]
    places = [*notes, home.published / LINK, csv, other.with_suffix(".manifest"), home.published / "skyline-1.duckdb"]
    for path in places:
        path.unlink(missing_ok=True)
        if kind == "folder":
            path.mkdir()
            (path / "mine").write_text("kept")
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "socket":
            monkeypatch.chdir(path.parent)  # a longer name than a socket may have
            with socket.socket(socket.AF_UNIX) as bound:
                bound.bind(path.name)
        else:
            path.symlink_to(path.name if kind == "circle" else "nowhere")
    with pytest.raises(NotPublished, match=r"CURRENT is (not readable|missing)"):
        current(home.published)
    findings = [check for check in examine(home) if check.what == "home" and not check.fine]
    assert [finding.detail.split()[0] for finding in findings] == sorted(map(str, [*notes[:2], *notes[4:]]))
    assert {finding.advice for finding in findings} == {"skyline refresh"}
    refresh(["bundled"], home)
    prepare_dagster_home(home)
    assert not [check for check in examine(home) if check.what == "home" and not check.fine]
    assert csv.read_bytes() == whole
    assert store.broken() == []
    assert current(home.published).path in releases(home.published)
    assert all(map(Path.is_file, places[:-1]))
    remaining = [path for path in home.home.rglob("mine") if path.parent not in places]
    assert len(remaining) == (len(places) - 1 if kind == "folder" else 0)
    assert [*home.home.rglob(f"{TEMPORARY_PREFIX}*")] == []


@pytest.mark.timeout(120, func_only=True)
def test_a_declaration_that_is_no_file_is_named(home: Settings, derived: list[str]) -> None:
    (home.home / "boards").mkdir()
    os.mkfifo(home.home / "boards" / "mine.toml")
    with pytest.raises(BrokenDeclaration, match=r"mine\.toml cannot be read \(It is no ordinary file\)"):
        refresh(["bundled"], home)
    assert derived == []
    assert not state_of(home, "declared boards")[0]


def test_a_record_of_what_was_forgotten_that_cannot_be_read_is_named_and_nothing_comes_back(
    home: Settings, derived: list[str]
) -> None:
    (home.raw / "forgotten.jsonl").write_text('{"snapshot_id": "half of a li')
    with pytest.raises(BrokenManifest, match=r"forgotten\.jsonl cannot be read .* restore it from a backup"):
        refresh(["bundled"], home)
    assert derived == []
    assert not state_of(home, "record of what was forgotten")[0]


@pytest.mark.parametrize("pointer", [None, "{", '{"file": "skyline-111.duckdb", "fingerprint": "x"}'])
def test_a_lost_pointer_leads_to_the_newest_whole_release_and_a_new_one_is_made(
    home: Settings, derived: list[str], pointer: str | None
) -> None:
    newest = current(home.published)
    (home.published / POINTER).unlink()
    if pointer:
        (home.published / POINTER).write_text(pointer)
    with pytest.raises(NotPublished, match="skyline refresh"):
        current(home.published)
    fine, detail, advice = state_of(home, "warehouse")
    assert (fine, "skyline refresh" in advice) == (False, True), detail
    lines: list[str] = []
    refresh(["bundled"], home, lines.append)
    assert (current(home.published), derived) == (current(home.published), ["anew"])
    assert current(home.published).path == newest.path
    assert f"readers are given {newest.path.name} until the next is published" in lines


def test_a_block_that_changed_is_found_though_the_dictionary_can_be_read(home: Settings, derived: list[str]) -> None:
    release = current(home.published)
    assert fault_of_current(release) is None
    size = release.path.stat().st_size
    with release.path.open("r+b") as file:
        for share in (0.4, 0.5, 0.6):
            file.seek(int(size * share))
            file.write(b"\xa5" * 4096)
    assert fault_of_current(current(home.published))
    assert state_of(home, "release")[::2] == (False, "skyline refresh")
    refresh(["bundled"], home)
    assert derived == ["anew"]


def test_while_a_broken_release_is_made_anew_readers_are_given_the_one_before(
    home: Settings, derived: list[str]
) -> None:
    before = releases(home.published)[0]
    newer = before.with_name(f"skyline-{int(before.stem.removeprefix('skyline-')) + 1}.duckdb")
    shutil.copyfile(before, newer)
    (home.published / POINTER).write_text(f'{{"file": "{newer.name}", "fingerprint": "x"}}')
    with newer.open("r+b") as file:
        file.truncate(8_192)
    refresh(["bundled"], home)
    assert (current(home.published).path, derived) == (before, ["anew"])
    assert fault(before) is None


def test_a_raw_file_that_changed_is_named_set_aside_and_fetched_again(home: Settings, derived: list[str]) -> None:
    store = RawStore(home.raw)
    refresh(["bundled"], home)
    board = next(
        snapshot for source in store.sources() for snapshot in store.snapshots(source) if snapshot.path.suffix == ".csv"
    )
    whole = board.path.read_bytes()
    board.path.write_bytes(whole[:100] + b"\xa5" + whole[101:])
    fine, detail, advice = state_of(home, "raw files")
    assert (fine, board.path.name in detail, advice) == (False, True, "skyline refresh")
    lines: list[str] = []
    refresh(["bundled"], home, lines.append)
    assert any(line.startswith(f"set aside {board.path}") for line in lines)
    assert f"fetched {board.manifest.uri} again" in lines
    assert board.path.read_bytes() == whole
    (aside,) = [snapshot for snapshot in store.snapshots(SET_ASIDE) if snapshot.manifest.uri == board.manifest.uri]
    assert "changed in the store" in aside.manifest.layout
    assert store.broken() == []
    assert state_of(home, "raw files")[0]


def test_a_file_whose_source_cannot_be_asked_is_said_to_be_lost_and_the_rest_goes_on(
    home: Settings, tmp_path: Path, derived: list[str]
) -> None:
    board = Path(__file__).parents[2] / "warehouse/reference/leaderboards/open_llm_v1_2024-06-15.csv"
    mine = tmp_path / "mine" / "2024-09-09.csv"
    mine.parent.mkdir()
    mine.write_bytes(board.read_bytes())
    refresh([str(mine.parent)], home)
    store = RawStore(home.raw)
    stored = next(
        snapshot for snapshot in store.snapshots("open_llm_leaderboard") if snapshot.manifest.uri == "2024-09-09.csv"
    )
    stored.path.write_bytes(b"a" + stored.path.read_bytes()[1:])
    lines: list[str] = []
    refresh(["bundled"], home, lines.append)
    assert any(line.startswith("lost 2024-09-09.csv: name its file or folder with --source") for line in lines)
    assert stored.snapshot_id not in {snapshot.snapshot_id for snapshot in store.snapshots("open_llm_leaderboard")}
    refresh([str(mine.parent)], home)
    assert stored.snapshot_id in {snapshot.snapshot_id for snapshot in store.snapshots("open_llm_leaderboard")}


def test_only_what_changed_is_read_again_unless_all_is_examined(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RawStore(home.raw)
    store.remember_files()
    read: list[Path] = []
    honest = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: (read.append(path), honest(path))[1])
    assert store.broken(thorough=False) == []
    assert read == []
    touched = store.snapshots(store.sources()[0])[0].path
    touched.touch()
    assert store.broken(thorough=False) == []
    assert read == [touched]
    assert store.broken() == []
    assert len(read) > 2
